// Package sigv4 reads and makes AWS Signature Version 4. Invariant: what Parse
// returns is bounded and well formed but not verified; a caller that has not
// verified it may believe which key and Region the client names, not that the
// client holds the secret.
//
// Signer and verifier share one canonical request (canonical.go).
package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	dateLayout = "20060102T150405Z"
	dayLayout  = "20060102"
)

// Bounds on what a client may send, in bytes or elements.
const (
	maxAuthorization = 8 << 10
	maxToken         = 16 << 10
	maxHeaders       = 64
	maxName          = 128
)

// maxExpires is the longest life of a presigned request (IAM User Guide, "Elements
// of an AWS API request signature").
const maxExpires = 7 * 24 * time.Hour

// Credential is what a request says about who made it; the zero value of an
// unsigned one.
type Credential struct {
	AccessKeyID   string
	Date          time.Time // of the signature, from X-Amz-Date or Date
	Region        string    // of the credential scope
	Service       string    // of the credential scope
	SignedHeaders []string  // lower case, sorted
	Signature     string    // 64 hex digits
	SessionToken  string    // X-Amz-Security-Token
	Presigned     bool      // in the query string
	Expires       time.Duration
}

// Signed says whether the request carried a signature, good or bad. STS's
// AssumeRoleWithWebIdentity and …SAML come without.
func (s *Credential) Signed() bool { return s.AccessKeyID != "" }

// Unsigned is AWS's answer to a request without a signature where one is needed.
func Unsigned() *awserr.Error {
	return awserr.New("MissingAuthenticationToken", "Request is missing Authentication Token")
}

// Parse reads the signature of a request from its Authorization header, else from
// its query string; a request with neither gives the zero Credential. The error is
// an *awserr.Error with code IncompleteSignature.
func Parse(h http.Header, rawQuery string) (Credential, error) {
	if header := h.Get("Authorization"); header != "" {
		return parseHeader(header, h)
	}
	if strings.Contains(rawQuery, "X-Amz-Algorithm=") {
		return parseQuery(rawQuery)
	}
	return Credential{}, nil
}

func incomplete(format string, args ...any) error {
	return awserr.New("IncompleteSignature", format, args...)
}

func parseHeader(header string, h http.Header) (Credential, error) {
	if len(header) > maxAuthorization {
		return Credential{}, incomplete("Authorization header is longer than %d bytes.", maxAuthorization)
	}
	word, rest, _ := strings.Cut(header, " ")
	if word != algorithm {
		return Credential{}, incomplete("Unsupported AWS 'algorithm': '%s'.", awserr.Clip(word))
	}
	var s Credential
	var credential, headers string
	for part := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "Credential":
			credential = value
		case "SignedHeaders":
			headers = value
		case "Signature":
			s.Signature = value
		}
	}
	var lacking []string
	for _, field := range [...]struct{ name, value string }{{"Credential", credential}, {"Signature", s.Signature}, {"SignedHeaders", headers}} {
		if field.value == "" {
			lacking = append(lacking, "Authorization header requires '"+field.name+"' parameter.")
		}
	}
	date, ok := headerDate(h)
	if !ok {
		lacking = append(lacking, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if lacking != nil {
		return Credential{}, incomplete("%s", strings.Join(lacking, " "))
	}
	s.Date = date
	s.SessionToken = h.Get("X-Amz-Security-Token")
	if err := s.complete(credential, headers); err != nil {
		return Credential{}, err
	}
	return s, nil
}

func headerDate(h http.Header) (time.Time, bool) {
	if t, err := time.Parse(dateLayout, h.Get("X-Amz-Date")); err == nil {
		return t, true
	}
	for _, layout := range [...]string{dateLayout, http.TimeFormat} {
		if t, err := time.Parse(layout, h.Get("Date")); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func parseQuery(raw string) (Credential, error) {
	if len(raw) > maxAuthorization+maxToken {
		return Credential{}, incomplete("The query string is longer than %d bytes.", maxAuthorization+maxToken)
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return Credential{}, incomplete("The query string contains a syntax error.")
	}
	if a := q.Get("X-Amz-Algorithm"); a != algorithm {
		return Credential{}, incomplete("Unsupported AWS 'algorithm': '%s'.", awserr.Clip(a))
	}
	for _, name := range [...]string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.Get(name) == "" {
			return Credential{}, incomplete("AWS query-string parameters must include '%s'.", name)
		}
	}
	s := Credential{Presigned: true, Signature: q.Get("X-Amz-Signature"), SessionToken: q.Get("X-Amz-Security-Token"), Expires: 15 * time.Minute}
	if s.Date, err = time.Parse(dateLayout, q.Get("X-Amz-Date")); err != nil {
		return Credential{}, incomplete("Date must be in ISO-8601 'basic format'. Got '%s'.", awserr.Clip(q.Get("X-Amz-Date")))
	}
	if text := q.Get("X-Amz-Expires"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 0 || seconds > int(maxExpires/time.Second) {
			return Credential{}, incomplete("X-Amz-Expires must be between 0 and %d seconds.", int(maxExpires/time.Second))
		}
		s.Expires = time.Duration(seconds) * time.Second
	}
	if err := s.complete(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders")); err != nil {
		return Credential{}, err
	}
	return s, nil
}

// complete fills in the scope and the names of the signed headers, and checks all.
func (s *Credential) complete(credential, headers string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'.", awserr.Clip(credential))
	}
	s.AccessKeyID, s.Region, s.Service = parts[0], parts[2], parts[3]
	switch {
	case !plain(s.AccessKeyID):
		return incomplete("Credential has a malformed access key id.")
	case !plain(s.Region) || !plain(s.Service):
		return incomplete("Credential should be scoped to a valid region and service.")
	case parts[4] != terminator:
		return incomplete("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, awserr.Clip(parts[4]))
	case parts[1] != s.Date.Format(dayLayout):
		return incomplete("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.", awserr.Clip(parts[1]), s.Date.Format(dayLayout))
	case len(s.SessionToken) > maxToken:
		return incomplete("The security token is longer than %d bytes.", maxToken)
	}
	if raw, err := hex.DecodeString(s.Signature); err != nil || len(raw) != 32 {
		return incomplete("Signature must be 64 hexadecimal digits.")
	}
	names := strings.Split(strings.ToLower(headers), ";")
	if len(names) > maxHeaders {
		return incomplete("More than %d signed headers.", maxHeaders)
	}
	slices.Sort(names)
	if !slices.Contains(names, "host") {
		return incomplete("'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	s.SignedHeaders = names
	return nil
}

// plain says whether text is a short word of a scope: letters, digits, - and _ ,
// and for the key ids of other emulators a dot.
func plain(text string) bool {
	if text == "" || len(text) > maxName {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
