package sigv4

import (
	"crypto/hmac"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// skew is how far the clock of a client may be off (IAM User Guide, "Troubleshoot
// Signature Version 4 requests").
const skew = 5 * time.Minute

// Words for a payload that has no plain hash (Amazon S3 API Reference,
// "Authenticating Requests"); the services here take the first.
const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	payloadHeader   = "X-Amz-Content-Sha256"
)

// Mismatch is AWS's answer to a signature that the holder of the secret did not make.
func Mismatch() *awserr.Error {
	return awserr.New("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

// Verifier checks signatures. It keeps the keys that secrets become for a day, which
// are most of the work; the zero value is ready, and safe for concurrent use.
type Verifier struct {
	mu   sync.Mutex
	keys map[[4]string][]byte // by secret, day, Region and service
}

// keep bounds the keys kept; when there are more, all are forgotten.
const keep = 1000

func (v *Verifier) key(s *Credential, secret string) []byte {
	name := [4]string{secret, s.Date.Format(dayLayout), s.Region, s.Service}
	v.mu.Lock()
	key, ok := v.keys[name]
	v.mu.Unlock()
	if ok {
		return key
	}
	key = s.key(secret)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil || len(v.keys) >= keep {
		v.keys = map[[4]string][]byte{}
	}
	v.keys[name] = key
	return key
}

// Verify says whether the holder of secret signed the request and its body, and
// signed it now. The error is an *awserr.Error with code SignatureDoesNotMatch; for
// a request that is too old or too new its text begins with Signature.
func (v *Verifier) Verify(s *Credential, r *http.Request, body []byte, secret string, now time.Time) error {
	if err := s.current(now); err != nil {
		return err
	}
	hash, err := s.payload(r.Header, body)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(s.sign(r, hash, v.key(s, secret))), []byte(strings.ToLower(s.Signature))) {
		return Mismatch()
	}
	return nil
}

// current checks the clock, and of a presigned request its life.
func (s *Credential) current(now time.Time) error {
	text := func(t time.Time) string { return t.UTC().Format(dateLayout) }
	end, off := s.Date.Add(skew), "5 min."
	if s.Presigned {
		end, off = s.Date.Add(s.Expires), "the time that it was made for"
	}
	switch {
	case now.After(end):
		return awserr.New("SignatureDoesNotMatch", "Signature expired: %s is now earlier than %s (%s - %s)", text(s.Date), text(now.Add(s.Date.Sub(end))), text(now), off)
	case now.Before(s.Date.Add(-skew)):
		return awserr.New("SignatureDoesNotMatch", "Signature not yet current: %s is still later than %s (%s + 5 min.)", text(s.Date), text(now.Add(skew)), text(now))
	}
	return nil
}

// payload is the hash that was signed: of the body that came, unless the client
// has signed that it did not look at it. What is sent in signed chunks only S3 takes.
func (s *Credential) payload(h http.Header, body []byte) (string, error) {
	claimed := h.Get(payloadHeader)
	switch {
	case claimed == unsignedPayload:
		return unsignedPayload, nil
	case strings.HasPrefix(claimed, "STREAMING-"):
		return "", awserr.New("SignatureDoesNotMatch", "The payload is signed in chunks (%s), which this service does not take.", awserr.Clip(claimed))
	}
	hash := PayloadHash(body)
	if claimed != "" && !strings.EqualFold(claimed, hash) {
		return "", Mismatch()
	}
	return hash, nil
}
