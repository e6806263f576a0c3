package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials are what a client signs with. Token is that of temporary credentials, else empty.
type Credentials struct{ AccessKeyID, Secret, Token string }

// Sign adds X-Amz-Date, X-Amz-Security-Token and Authorization to r, whose body is
// body. It signs the host, Content-Type and every X-Amz- header.
func Sign(r *http.Request, body []byte, c Credentials, region, service string, now time.Time) {
	now = now.UTC()
	r.Header.Set("X-Amz-Date", now.Format(dateLayout))
	if c.Token != "" {
		r.Header.Set("X-Amz-Security-Token", c.Token)
	}
	signed := []string{"host"}
	for name := range r.Header {
		name = strings.ToLower(name)
		if name == "content-type" || strings.HasPrefix(name, "x-amz-") {
			signed = append(signed, name)
		}
	}
	slices.Sort(signed)
	s := Credential{AccessKeyID: c.AccessKeyID, Date: now, Region: region, Service: service, SignedHeaders: signed}
	s.Signature = s.compute(r, PayloadHash(body), c.Secret)
	r.Header.Set("Authorization", algorithm+" Credential="+c.AccessKeyID+"/"+s.scope()+
		", SignedHeaders="+strings.Join(signed, ";")+", Signature="+s.Signature)
}

// PayloadHash is the SHA-256 of a body in hex.
func PayloadHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func (s *Credential) scope() string {
	return s.Date.Format(dayLayout) + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// compute is the signature that the holder of secret would have made over r.
func (s *Credential) compute(r *http.Request, payloadHash, secret string) string {
	return s.sign(r, payloadHash, s.key(secret))
}

// key is what the secret becomes for a day, a Region and a service.
func (s *Credential) key(secret string) []byte {
	key := mac([]byte("AWS4"+secret), s.Date.Format(dayLayout))
	key = mac(key, s.Region)
	key = mac(key, s.Service)
	return mac(key, terminator)
}

func (s *Credential) sign(r *http.Request, payloadHash string, key []byte) string {
	sum := sha256.Sum256(s.canonical(r, payloadHash))
	text := make([]byte, 0, 256)
	text = append(append(text, algorithm...), '\n')
	text = append(s.Date.AppendFormat(text, dateLayout), '\n')
	text = append(append(text, s.scope()...), '\n')
	text = hex.AppendEncode(text, sum[:])
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return hex.EncodeToString(h.Sum(sum[:0]))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonical is the canonical request (IAM User Guide, "Create a signed AWS API
// request", step 1). It works on client and server requests alike.
func (s *Credential) canonical(r *http.Request, payloadHash string) []byte {
	b := make([]byte, 0, 1<<10)
	b = append(append(b, r.Method...), '\n')
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b = append(appendEscaped(b, path, true), '\n') // of an escaped path: every service but S3 escapes twice
	b = append(append(b, canonicalQuery(r.URL.RawQuery)...), '\n')
	for _, name := range s.SignedHeaders {
		b = append(append(b, name...), ':')
		b = append(append(b, headerValue(r, name)...), '\n')
	}
	b = append(b, '\n')
	for i, name := range s.SignedHeaders {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	return append(append(b, '\n'), payloadHash...)
}

// canonicalQuery sorts parameters by escaped name, then value; a presigned
// request's own signature is not part of what it signs.
func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs [][2]string
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		k, errK := url.QueryUnescape(key)
		v, errV := url.QueryUnescape(value)
		if pair == "" || errK != nil || errV != nil || k == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, [2]string{escape(k, false), escape(v, false)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0] + "=" + p[1])
	}
	return b.String()
}

// headerValue is a signed header's value with inner runs of blanks made one. Host
// and Content-Length live outside the header map in net/http.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		if r.Host != "" {
			return r.Host
		}
		return r.URL.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := r.Header.Values(name)
	if len(values) == 1 && strings.TrimSpace(values[0]) == values[0] && !strings.Contains(values[0], "  ") && !strings.ContainsAny(values[0], "\t\r\n\v\f") {
		return values[0]
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(out, ",")
}

// escape percent-encodes all but RFC 3986's unreserved characters; with path set
// also not the slash.
func escape(s string, path bool) string { return string(appendEscaped(nil, s, path)) }

func appendEscaped(b []byte, s string, path bool) []byte {
	const hexDigits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', path && c == '/':
			b = append(b, c)
		default:
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return b
}
