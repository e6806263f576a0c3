package proto

import (
	"bytes"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// EC2 is the protocol of Amazon EC2 (Smithy "AWS EC2 query protocol"): flattened
// lists in requests, answers without a Result element.
var EC2 Protocol = ec2Protocol{}

type ec2Protocol struct{ rpc }

const xmlProlog = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func (ec2Protocol) ContentType() string { return "text/xml;charset=UTF-8" }

func (ec2Protocol) Action(_ *API, r *Request) (string, error) { return formAction(r) }

func (ec2Protocol) DecodeInput(a *API, _ string, r *Request, in any) error {
	form, err := r.Form()
	if err != nil {
		return err
	}
	d := decoder{api: a}
	d.input(form, in)
	return d.err()
}

func (ec2Protocol) EncodeOutput(b *bytes.Buffer, a *API, action, requestID string, out any) {
	b.WriteString(xmlProlog)
	openRoot(b, action+"Response", a.Namespace)
	element(b, "requestId", requestID)
	v := reflect.ValueOf(out).Elem()
	s := a.shape(v.Type())
	w := writer{api: a, b: b}
	w.members(v, s, fullLists(action))
	if f := s.byXML["return"]; len(s.fields) == 0 || f != nil && v.Field(f.index).IsNil() {
		b.WriteString("<return>true</return>")
	}
	closeRoot(b, action+"Response")
}

// fullLists says whether an answer shows all its lists, the empty ones too: the
// describing actions do. Those that show one attribute of many (DescribeVpcAttribute)
// have only that attribute's element.
func fullLists(action string) bool {
	describes := strings.HasPrefix(action, "Describe") || strings.HasPrefix(action, "Get")
	oneOfMany := strings.HasSuffix(action, "Attribute") && action != "DescribeAddressesAttribute"
	return describes && !oneOfMany
}

func (ec2Protocol) EncodeError(b *bytes.Buffer, _ *API, requestID string, err *awserr.Error) {
	b.WriteString(xmlProlog)
	b.WriteString("<Response><Errors><Error>")
	element(b, "Code", err.Code)
	element(b, "Message", err.Message)
	b.WriteString("</Error></Errors>")
	element(b, "RequestID", requestID)
	b.WriteString("</Response>")
}

func (ec2Protocol) ErrorHeader(http.Header, *awserr.Error) {}

// Spell gives the errors about who is asking as EC2 has them: it does not say what
// about the credentials was wrong (EC2 API Reference, "Client error codes").
func (ec2Protocol) Spell(err *awserr.Error) *awserr.Error {
	switch err.Code {
	case "ExpiredToken":
		return awserr.New("RequestExpired", "Request has expired.")
	case "SignatureDoesNotMatch":
		if strings.HasPrefix(err.Message, "Signature ") {
			return awserr.New("RequestExpired", "Request has expired.")
		}
		return awserr.New("AuthFailure", "AWS was not able to validate the provided access credentials")
	case "InvalidClientTokenId":
		return awserr.New("AuthFailure", "AWS was not able to validate the provided access credentials")
	case "MissingAuthenticationToken":
		return awserr.MissingParameter("AWSAccessKeyId")
	}
	return err
}

func (ec2Protocol) InputHeader(h http.Header, _ *API, _ string) { formHeader(h) }

func (ec2Protocol) EncodeInput(b *bytes.Buffer, a *API, action string, in any) {
	e := encoder{api: a, b: b}
	e.input(action, in)
}

func (ec2Protocol) DecodeOutput(a *API, action string, body []byte, out any) error {
	r := newReader(a, body)
	if ok, err := r.find(action + "Response"); err != nil || !ok {
		return fmt.Errorf("reading answer of %s: no element %sResponse: %w", action, action, noAnswer(err))
	}
	v := reflect.ValueOf(out).Elem()
	if err := r.members(v, a.shape(v.Type())); err != nil {
		return fmt.Errorf("reading answer of %s: %w", action, err)
	}
	return nil
}

func (ec2Protocol) DecodeError(_ *API, status int, body []byte) *awserr.Error {
	return decodeError(status, body, "Response", "Errors", "Error")
}

func openRoot(b *bytes.Buffer, name, namespace string) {
	b.WriteByte('<')
	b.WriteString(name)
	b.WriteString(` xmlns="`)
	b.WriteString(namespace)
	b.WriteString(`">`)
}

func closeRoot(b *bytes.Buffer, name string) {
	b.WriteString("</")
	b.WriteString(name)
	b.WriteByte('>')
}
