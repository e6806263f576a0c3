package proto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// Query is the protocol of STS, IAM and Elastic Load Balancing (Smithy "AWS query
// protocol"): list elements under "member", answers with a Result element.
var Query Protocol = queryProtocol{}

type queryProtocol struct{ rpc }

func (queryProtocol) ContentType() string { return "text/xml" }

func (queryProtocol) Action(_ *API, r *Request) (string, error) { return formAction(r) }

func (queryProtocol) DecodeInput(a *API, _ string, r *Request, in any) error {
	form, err := r.Form()
	if err != nil {
		return err
	}
	d := decoder{api: a, listWord: "member", findings: findings{lists: true}}
	d.input(form, in)
	return d.err()
}

func (queryProtocol) EncodeOutput(b *bytes.Buffer, a *API, action, requestID string, out any) {
	openRoot(b, action+"Response", a.Namespace)
	v := reflect.ValueOf(out).Elem()
	// Also without members: SDKs look for it where the model has an output structure
	// (UpdateRole), and pass over it where it has none.
	b.WriteString("<" + action + "Result>")
	w := writer{api: a, b: b}
	w.members(v, a.shape(v.Type()), true)
	b.WriteString("</" + action + "Result>")
	b.WriteString("<ResponseMetadata>")
	element(b, "RequestId", requestID)
	b.WriteString("</ResponseMetadata>")
	closeRoot(b, action+"Response")
}

func (queryProtocol) EncodeError(b *bytes.Buffer, a *API, requestID string, err *awserr.Error) {
	openRoot(b, "ErrorResponse", a.Namespace)
	b.WriteString("<Error>")
	if err.Sender() {
		element(b, "Type", "Sender")
	} else {
		element(b, "Type", "Receiver")
	}
	element(b, "Code", err.Code)
	element(b, "Message", err.Message)
	b.WriteString("</Error>")
	element(b, "RequestId", requestID)
	closeRoot(b, "ErrorResponse")
}

func (queryProtocol) ErrorHeader(http.Header, *awserr.Error) {}

func (queryProtocol) Spell(err *awserr.Error) *awserr.Error { return err }

func (queryProtocol) InputHeader(h http.Header, _ *API, _ string) { formHeader(h) }

func (queryProtocol) EncodeInput(b *bytes.Buffer, a *API, action string, in any) {
	e := encoder{api: a, b: b, listWord: "member", empty: true}
	e.input(action, in)
}

func (queryProtocol) DecodeOutput(a *API, action string, body []byte, out any) error {
	v := reflect.ValueOf(out).Elem()
	s := a.shape(v.Type())
	if len(s.fields) == 0 {
		return nil
	}
	r := newReader(a, body)
	if ok, err := r.find(action+"Response", action+"Result"); err != nil || !ok {
		return fmt.Errorf("reading answer of %s: no element %sResult: %w", action, action, noAnswer(err))
	}
	if err := r.members(v, s); err != nil {
		return fmt.Errorf("reading answer of %s: %w", action, err)
	}
	return nil
}

func (queryProtocol) DecodeError(_ *API, status int, body []byte) *awserr.Error {
	return decodeError(status, body, "ErrorResponse", "Error")
}

// noAnswer is the error of a document that lacks what every answer has.
func noAnswer(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// decodeError reads Code and Message at path. A body that is none of ours (a
// proxy's, say) becomes an error named after the HTTP status.
func decodeError(status int, body []byte, path ...string) *awserr.Error {
	r := newReader(nil, body)
	e := &awserr.Error{Status: status}
	ok, err := r.find(path...)
	for ok && err == nil {
		var text string
		start, more, nextErr := r.next()
		if nextErr != nil || !more {
			err = nextErr
			break
		}
		text, err = r.text()
		switch start.Name.Local {
		case "Code":
			e.Code = text
		case "Message":
			e.Message = text
		}
	}
	if e.Code == "" {
		if err == nil {
			err = errors.New("no error element")
		}
		return notAnError(status, err)
	}
	return e
}

// notAnError stands for an answer that no service of AWS gave.
func notAnError(status int, cause error) *awserr.Error {
	return (&awserr.Error{
		Code:    "UnknownError",
		Message: fmt.Sprintf("HTTP %d %s with a body that is not an AWS error", status, http.StatusText(status)),
		Status:  status,
	}).Because(cause)
}
