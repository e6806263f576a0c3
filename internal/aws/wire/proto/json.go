package proto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// JSON is the protocol of Systems Manager and Route 53 Resolver (Smithy "AWS JSON
// 1.1 protocol"): the action in a header, one JSON object each way, errors by the
// name of their shape.
var JSON Protocol = jsonProtocol{}

type jsonProtocol struct{ rpc }

func (jsonProtocol) ContentType() string { return "application/x-amz-json-1.1" }

// TargetHeader names service and action of a JSON request: AmazonSSM.GetParameter.
const TargetHeader = "X-Amz-Target"

// Action reads the X-Amz-Target header. An action of another service, or none, is
// an UnknownOperationException.
func (jsonProtocol) Action(a *API, r *Request) (string, error) {
	target := r.Header.Get(TargetHeader)
	service, action, _ := strings.Cut(target, ".")
	if service != a.Target || action == "" {
		return "", awserr.New("UnknownOperationException", "The header X-Amz-Target must be %s. and an action, not '%s'.", a.Target, awserr.Clip(target))
	}
	return action, nil
}

func (jsonProtocol) DecodeInput(a *API, _ string, r *Request, in any) error {
	d := newJSONReader(a, r.Body)
	if err := d.document(reflect.ValueOf(in).Elem()); err != nil {
		return serialization(err)
	}
	return d.err()
}

// serialization is the answer to a body that cannot be read at all.
func serialization(err error) error {
	if e, ok := awserr.As(err); ok {
		return e
	}
	return awserr.New("SerializationException", "The request body is not a JSON object.").Because(err)
}

func (jsonProtocol) EncodeOutput(b *bytes.Buffer, a *API, _, _ string, out any) {
	w := jsonWriter{api: a, b: b}
	v := reflect.ValueOf(out).Elem()
	w.members(v, a.shape(v.Type()))
}

// EncodeError leaves out an empty message: some of SSM's errors have none.
func (jsonProtocol) EncodeError(b *bytes.Buffer, _ *API, _ string, err *awserr.Error) {
	b.WriteString(`{"__type":`)
	quote(b, err.Code)
	if err.Message != "" {
		b.WriteString(`,"message":`)
		quote(b, err.Message)
	}
	b.WriteByte('}')
}

func (jsonProtocol) ErrorHeader(h http.Header, err *awserr.Error) {
	h.Set("X-Amzn-Errortype", err.Code)
}

// jsonCodes are the codes that all services share, as JSON services spell them
// (Systems Manager API Reference, "Common Errors", and what clients look for).
var jsonCodes = map[string]string{
	"AccessDenied":               "AccessDeniedException",
	"UnauthorizedOperation":      "AccessDeniedException",
	"AuthFailure":                "InvalidSignatureException",
	"SignatureDoesNotMatch":      "InvalidSignatureException",
	"ExpiredToken":               "ExpiredTokenException",
	"IncompleteSignature":        "IncompleteSignatureException",
	"InvalidAction":              "UnknownOperationException",
	"InvalidClientTokenId":       "UnrecognizedClientException",
	"MissingAuthenticationToken": "MissingAuthenticationTokenException",
	"RequestEntityTooLarge":      "RequestEntityTooLargeException",
	"RequestLimitExceeded":       "ThrottlingException",
	"RequestTimeout":             "RequestTimeoutException",
	"InternalError":              "InternalFailure",
}

// Spell gives the caller's faults the status 400, whatever another protocol's is,
// but for a body that is too large.
func (jsonProtocol) Spell(err *awserr.Error) *awserr.Error {
	code, ok := jsonCodes[err.Code]
	if !ok {
		return err
	}
	spelled := *err
	spelled.Code = code
	if err.Sender() && err.Status != http.StatusRequestEntityTooLarge || code == "ThrottlingException" {
		spelled.Status = http.StatusBadRequest
	}
	return &spelled
}

func (jsonProtocol) InputHeader(h http.Header, a *API, action string) {
	h.Set("Content-Type", "application/x-amz-json-1.1")
	h.Set(TargetHeader, a.Target+"."+action)
}

func (jsonProtocol) EncodeInput(b *bytes.Buffer, a *API, _ string, in any) {
	w := jsonWriter{api: a, b: b}
	v := reflect.ValueOf(in).Elem()
	w.members(v, a.shape(v.Type()))
}

// DecodeOutput checks no bounds: an answer may have values that the model does not
// know yet. Its error is no *awserr.Error: the service has not answered with one.
func (jsonProtocol) DecodeOutput(a *API, action string, body []byte, out any) error {
	r := newJSONReader(a, body)
	if err := r.document(reflect.ValueOf(out).Elem()); err != nil {
		return fmt.Errorf("reading answer of %s: %v", action, err)
	}
	return nil
}

func (jsonProtocol) DecodeError(_ *API, status int, body []byte) *awserr.Error {
	var answer struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message: encoding/json takes both
	}
	err := json.Unmarshal(body, &answer)
	if err != nil || answer.Type == "" {
		return notAnError(status, err)
	}
	// Some services write the namespace of the shape before its name.
	if i := strings.LastIndexByte(answer.Type, '#'); i >= 0 && i+1 < len(answer.Type) {
		answer.Type = answer.Type[i+1:]
	}
	return &awserr.Error{Code: answer.Type, Message: answer.Message, Status: status}
}

// document reads the one object of a body, and that nothing follows it. An empty
// body is an object without members.
func (r *jsonReader) document(v reflect.Value) error {
	token, err := r.token()
	if errors.Is(err, io.EOF) {
		token, err = nil, nil
	}
	if err != nil {
		return err
	}
	s := r.api.shape(v.Type())
	switch token {
	case nil:
		r.required(v, s)
	case json.Delim('{'):
		if err := r.members(v, s); err != nil {
			return err
		}
	default:
		return errors.New("it is not an object")
	}
	if _, err := r.token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}
