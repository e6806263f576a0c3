package proto

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// Bounds on a form request. AWS's largest honest request (RunInstances with every
// member, user data of 16 KiB) stays far below each.
const (
	maxParams = 20000
	maxKey    = 512 // bytes of one parameter's name
)

// Request is an HTTP request whose body has been read: what a protocol decodes.
type Request struct {
	Method   string
	Path     string // as sent, not unescaped
	RawQuery string
	Header   http.Header
	Body     []byte

	form   Form
	parsed bool
}

// ReadRequest reads the body of r. The error is an *awserr.Error: RequestEntityTooLarge
// for a body of more than limit bytes, RequestTimeout for one that broke off.
func ReadRequest(r *http.Request, limit int64) (*Request, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	var body []byte
	var err error
	if r.Body != nil {
		body, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	}
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, tooLarge(limit)
		}
		return nil, awserr.New("RequestTimeout", "The request body did not arrive.").Because(fmt.Errorf("reading request body: %w", err))
	}
	return &Request{Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Header: r.Header, Body: body}, nil
}

func tooLarge(limit int64) error {
	return awserr.New("RequestEntityTooLarge", "The request body is larger than %d bytes.", limit)
}

// Param is one name=value pair, unescaped.
type Param struct{ Key, Value string }

// Form is the parameters of an EC2 or Query request in the order sent.
type Form []Param

// Get returns the value of the first parameter with that name, "" if there is none.
func (f Form) Get(key string) string {
	for i := range f {
		if f[i].Key == key {
			return f[i].Value
		}
	}
	return ""
}

// Form parses the query string and, of a POST, the body, once. The error is an
// *awserr.Error with code MalformedQueryString.
func (r *Request) Form() (Form, error) {
	if r.parsed {
		return r.form, nil
	}
	form, err := appendForm(nil, r.RawQuery)
	if err == nil && r.Method == http.MethodPost {
		form, err = appendForm(form, string(r.Body))
	}
	if err != nil {
		return nil, err
	}
	r.form, r.parsed = form, true
	return form, nil
}

func appendForm(form Form, text string) (Form, error) {
	for text != "" {
		var pair string
		pair, text, _ = strings.Cut(text, "&")
		if pair == "" {
			continue
		}
		if len(form) == maxParams {
			return nil, awserr.New("MalformedQueryString", "The request has more than %d parameters.", maxParams)
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, awserr.New("MalformedQueryString", "The query string contains a syntax error.").Because(err)
		}
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, awserr.New("MalformedQueryString", "The query string is not in UTF-8.")
		}
		if len(key) > maxKey {
			return nil, awserr.New("MalformedQueryString", "The name of a parameter is longer than %d bytes.", maxKey)
		}
		form = append(form, Param{key, value})
	}
	return form, nil
}

// formAction is the Action of both form protocols.
func formAction(r *Request) (string, error) {
	form, err := r.Form()
	if err != nil {
		return "", err
	}
	action := form.Get("Action")
	if action == "" {
		return "", awserr.New("MissingAction", "The request is missing an action or a required parameter.")
	}
	return action, nil
}

// formHeader is the header of a request with a form for its body.
func formHeader(h http.Header) {
	h.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
}

// envelope says whether a parameter belongs to the request and not to the action:
// its name, its version, and the signature of versions 2 and 4 in a query string.
func envelope(key string) bool {
	switch key {
	case "Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Expires", "SecurityToken":
		return true
	}
	return len(key) > 6 && strings.EqualFold(key[:6], "X-Amz-")
}
