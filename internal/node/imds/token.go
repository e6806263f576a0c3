package imds

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// A token is its own record: a mark, the time of its end, and a seal over that
// and the instance that only this server can make. There is no table of them to
// fill up.

const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	maxTTL      = 21600 // seconds; EC2 User Guide, "Use the Instance Metadata Service to access instance metadata"

	markSize, timeSize, sealSize = 3, 8, 29
	tokenSize                    = markSize + timeSize + sealSize
)

var tokenMark = [markSize]byte{1, 0, 4}

// issue makes a token for an instance.
func (s *Server) issue(i *state.Instance, end time.Time) string {
	b := make([]byte, 0, tokenSize)
	b = append(b, tokenMark[:]...)
	end8 := uint64(end.Unix())
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(end8>>shift))
	}
	return base64.URLEncoding.EncodeToString(append(b, s.seal(i, b)...))
}

func (s *Server) seal(i *state.Instance, claims []byte) []byte {
	h := hmac.New(sha256.New, s.cfg.Secret[:])
	h.Write(claims)
	h.Write([]byte(i.Key.String()))
	return h.Sum(nil)[:sealSize]
}

// left gives the time that a token is good for yet, for this instance; it is not
// positive for anything that is no such token.
func (s *Server) left(i *state.Instance, token string) time.Duration {
	if len(token) != base64.URLEncoding.EncodedLen(tokenSize) {
		return 0
	}
	b, err := base64.URLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tokenSize {
		return 0
	}
	claims, seal := b[:markSize+timeSize], b[markSize+timeSize:]
	if !hmac.Equal(seal, s.seal(i, claims)) {
		return 0
	}
	var end uint64
	for _, c := range claims[markSize:] {
		end = end<<8 | uint64(c)
	}
	return time.Unix(int64(end), 0).Sub(s.cfg.Now())
}

// token answers a request for a token.
func (s *Server) token(w http.ResponseWriter, r *http.Request, c *conn, i *state.Instance) {
	if r.Method != http.MethodPut {
		otherMethod(w, r, "OPTIONS, PUT")
		return
	}
	if len(r.Header["X-Forwarded-For"]) > 0 {
		refuse(w, http.StatusForbidden) // an open proxy is not to fetch tokens
		return
	}
	ttl, err := strconv.Atoi(r.Header.Get(ttlHeader))
	if err != nil || ttl < 1 || ttl > maxTTL {
		refuse(w, http.StatusBadRequest)
		return
	}
	if err := c.setHopLimit(int(max(i.Metadata.HopLimit, 1))); err != nil {
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set(ttlHeader, strconv.Itoa(ttl))
	// Whole seconds are kept: the token lasts at least as long as it was asked for.
	send(w, plain, s.issue(i, s.cfg.Now().Add(time.Duration(ttl)*time.Second+time.Second-1)))
}

// admit checks the token of a request, and answers if it may not go on: with a
// token that is not good, whatever the instance requires.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, i *state.Instance) bool {
	tokens := r.Header[tokenHeader]
	if len(tokens) == 0 {
		if i.Metadata.HttpTokens == "required" {
			refuse(w, http.StatusUnauthorized)
			return false
		}
		return true
	}
	left := s.left(i, tokens[0])
	if left <= 0 {
		refuse(w, http.StatusUnauthorized)
		return false
	}
	w.Header().Set(ttlHeader, strconv.Itoa(int(math.Ceil(left.Seconds()))))
	return true
}
