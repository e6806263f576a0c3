package proto

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// RESTXML is the protocol of Route 53 (Smithy "AWS REST XML protocol"): the action
// in method and path, ids in the path, options in the query string, everything
// else in one XML document each way.
var RESTXML Protocol = restXML{}

type restXML struct{}

func (restXML) ContentType() string { return "text/xml" }

// Action finds the action by method and path.
func (restXML) Action(a *API, r *Request) (string, error) {
	act, _ := a.routeTo(r.Method, r.Path)
	if act == nil {
		return "", unknownOperation("There is no operation %s %s.", awserr.Clip(r.Method), awserr.Clip(r.Path))
	}
	return act.Name, nil
}

func unknownOperation(format string, args ...any) *awserr.Error {
	return awserr.New("UnknownOperationException", format, args...).WithStatus(http.StatusNotFound)
}

func (restXML) DecodeInput(a *API, action string, r *Request, in any) error {
	act, labels := a.routeTo(r.Method, r.Path)
	if act == nil || act.Name != action {
		return unknownOperation("There is no operation %s %s.", awserr.Clip(r.Method), awserr.Clip(r.Path))
	}
	params, err := appendForm(nil, r.RawQuery)
	if err != nil {
		return malformed("The query string contains a syntax error.").Because(err)
	}
	d := newRESTReader(a, r.Body)
	v := reflect.ValueOf(in).Elem()
	s := a.shape(v.Type())
	for name, value := range labels {
		if f := s.labels[name]; f != nil {
			d.outer(v, f, value)
		}
	}
	for _, p := range params {
		if f := s.byParam[p.Key]; f != nil {
			d.outer(v, f, p.Value)
		}
	}
	if len(bytes.TrimSpace(r.Body)) > 0 && len(s.byXML) > 0 {
		if err := d.document(act.Root, v, s); err != nil {
			return err
		}
	}
	d.required(v, s)
	return d.err()
}

func (restXML) EncodeOutput(b *bytes.Buffer, a *API, action, _ string, out any) {
	act, ok := a.Lookup(action)
	if !ok {
		return
	}
	b.WriteString(xmlProlog)
	openRoot(b, act.OutRoot, a.Namespace)
	v := reflect.ValueOf(out).Elem()
	w := writer{api: a, b: b}
	w.members(v, a.shape(v.Type()), false)
	closeRoot(b, act.OutRoot)
}

func (restXML) OutputHeader(h http.Header, a *API, action string, out any) int {
	act, ok := a.Lookup(action)
	if !ok {
		return http.StatusOK
	}
	v := reflect.ValueOf(out).Elem()
	s := a.shape(v.Type())
	for i := range s.fields {
		f := &s.fields[i]
		if fv := v.Field(f.index); f.header != "" && !fv.IsNil() {
			h.Set(f.header, plainText(fv.Elem(), f))
		}
	}
	return act.Status
}

func (restXML) DecodeHeader(a *API, h http.Header, out any) {
	v := reflect.ValueOf(out).Elem()
	s := a.shape(v.Type())
	for i := range s.fields {
		f := &s.fields[i]
		if f.header != "" && f.kind == kindString && h.Get(f.header) != "" {
			p := reflect.New(v.Field(f.index).Type().Elem())
			p.Elem().SetString(h.Get(f.header))
			v.Field(f.index).Set(p)
		}
	}
}

// messages stands in the text of an error between the texts that it consists of.
const messages = "\n"

// changeBatch is the one error that has a list of texts. Some SDKs read the list,
// others the text, which is the list in brackets.
const changeBatch = "InvalidChangeBatch"

func (restXML) EncodeError(b *bytes.Buffer, a *API, requestID string, err *awserr.Error) {
	b.WriteString(xmlProlog)
	openRoot(b, "ErrorResponse", a.Namespace)
	b.WriteString("<Error>")
	if err.Sender() {
		element(b, "Type", "Sender")
	} else {
		element(b, "Type", "Receiver")
	}
	element(b, "Code", err.Code)
	if err.Code == changeBatch {
		texts := strings.Split(err.Message, messages)
		element(b, "Message", "["+strings.Join(texts, ", ")+"]")
		b.WriteString("<Messages>")
		for _, text := range texts {
			element(b, "Message", text)
		}
		b.WriteString("</Messages>")
	} else {
		element(b, "Message", err.Message)
	}
	b.WriteString("</Error>")
	element(b, "RequestId", requestID)
	closeRoot(b, "ErrorResponse")
}

func (restXML) ErrorHeader(http.Header, *awserr.Error) {}

// restCodes are the codes that all services share, as Route 53 spells them (Route 53
// API Reference, "Common errors", and what its clients look for).
var restCodes = map[string]struct {
	code   string
	status int
}{
	"InvalidAction":              {"UnknownOperationException", http.StatusNotFound},
	"AuthFailure":                {"InvalidClientTokenId", http.StatusForbidden},
	"MissingAuthenticationToken": {"MissingAuthenticationToken", http.StatusForbidden},
	"UnauthorizedOperation":      {"AccessDenied", http.StatusForbidden},
	"RequestLimitExceeded":       {"Throttling", http.StatusBadRequest},
	"InternalError":              {"InternalFailure", http.StatusInternalServerError},
}

func (restXML) Spell(err *awserr.Error) *awserr.Error {
	to, ok := restCodes[err.Code]
	if !ok {
		return err
	}
	spelled := *err
	spelled.Code, spelled.Status = to.code, to.status
	return &spelled
}

func (restXML) InputHeader(h http.Header, _ *API, _ string) {
	h.Set("Content-Type", "application/xml")
}

// Target fills in the labels and the query string.
func (restXML) Target(a *API, action string, in any) (method, path string) {
	act, ok := a.Lookup(action)
	if !ok {
		return http.MethodPost, "/"
	}
	v := reflect.ValueOf(in).Elem()
	s := a.shape(v.Type())
	query := url.Values{}
	path = act.Path
	for i := range s.fields {
		f := &s.fields[i]
		fv := v.Field(f.index)
		if !f.elsewhere() || fv.IsNil() {
			continue
		}
		text := plainText(fv.Elem(), f)
		if f.label {
			path = strings.ReplaceAll(path, "{"+f.name+"}", url.PathEscape(text))
		} else if f.param != "" {
			query.Set(f.param, text)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return act.Method, path
}

// plainText is a scalar as it stands in a path, a query string or a header.
func plainText(v reflect.Value, f *field) string {
	switch f.kind {
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case kindTime:
		return v.Interface().(time.Time).UTC().Format(timestamp)
	}
	return v.String()
}

func (restXML) EncodeInput(b *bytes.Buffer, a *API, action string, in any) {
	act, ok := a.Lookup(action)
	if !ok {
		return
	}
	v := reflect.ValueOf(in).Elem()
	s := a.shape(v.Type())
	if len(s.byXML) == 0 {
		return
	}
	openRoot(b, act.Root, a.Namespace)
	w := writer{api: a, b: b}
	w.members(v, s, false)
	closeRoot(b, act.Root)
}

func (restXML) DecodeOutput(a *API, action string, body []byte, out any) error {
	act, ok := a.Lookup(action)
	v := reflect.ValueOf(out).Elem()
	s := a.shape(v.Type())
	if !ok || len(s.byXML) == 0 {
		return nil
	}
	r := newReader(a, body)
	if ok, err := r.find(act.OutRoot); err != nil || !ok {
		return fmt.Errorf("reading answer of %s: no element %s: %w", action, act.OutRoot, noAnswer(err))
	}
	if err := r.members(v, s); err != nil {
		return fmt.Errorf("reading answer of %s: %w", action, err)
	}
	return nil
}

func (restXML) DecodeError(_ *API, status int, body []byte) *awserr.Error {
	r := newReader(nil, body)
	if ok, err := r.find("ErrorResponse", "Error", "Messages"); ok && err == nil {
		var texts []string
		for {
			start, more, err := r.next()
			if err != nil || !more {
				break
			}
			text, err := r.text()
			if err == nil && start.Name.Local == "Message" {
				texts = append(texts, text)
			}
		}
		return &awserr.Error{Code: changeBatch, Message: strings.Join(texts, messages), Status: status}
	}
	return decodeError(status, body, "ErrorResponse", "Error")
}
