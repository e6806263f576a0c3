//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// poster sends requests that are ready made, so that a load costs the client as
// little as can be. It is one connection, for one goroutine.
type poster struct {
	addr   string
	header []byte
	conn   net.Conn
	reader *bufio.Reader
	buf    []byte
	answer bytes.Buffer
}

// formType is what a form says that it is.
const formType = "application/x-www-form-urlencoded; charset=utf-8"

var rootPath = &url.URL{Path: "/"}

// patience is how long one answer may take.
const patience = time.Minute

// newPoster makes a client of account 000000000000 in us-east-1. Its signature is
// well formed and the same for all requests: neither localvpc nor moto verify
// the signatures of keys that they did not issue.
func newPoster(addr string) *poster {
	date := time.Now().UTC()
	return &poster{addr: addr, header: fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"+
		"X-Amz-Date: %s\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/%s/us-east-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=%064d\r\nContent-Length: ",
		addr, date.Format("20060102T150405Z"), date.Format("20060102"), 0)}
}

func (p *poster) close() {
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}

// post sends one form and gives the answer's body, which is valid until the
// next one. An answer other than 200 is an error.
func (p *poster) post(form []byte) ([]byte, error) {
	if p.conn == nil {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			return nil, err
		}
		p.conn, p.reader = conn, bufio.NewReaderSize(conn, 64<<10)
	}
	p.buf = append(p.buf[:0], p.header...)
	p.buf = strconv.AppendInt(p.buf, int64(len(form)), 10)
	p.buf = append(p.buf, "\r\n\r\n"...)
	p.buf = append(p.buf, form...)
	if err := p.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := p.conn.Write(p.buf); err != nil {
		p.close()
		return nil, err
	}
	r, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		p.close()
		return nil, err
	}
	p.answer.Reset()
	_, err = io.Copy(&p.answer, r.Body)
	r.Body.Close()
	if err != nil || r.Close {
		p.close()
	}
	if err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusOK {
		return nil, &refusal{form, r.StatusCode, fmt.Sprintf("%.500s", p.answer.Bytes())}
	}
	return p.answer.Bytes(), nil
}

// refusal is an answer other than 200.
type refusal struct {
	form   []byte
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s answered %d: %s", r.form, r.status, r.text) }

// form is an action with its parameters, given as name, value, name, value.
func form(action string, parameters ...string) []byte {
	b := append([]byte("Version=2016-11-15&Action="), action...)
	for i := 0; i+1 < len(parameters); i += 2 {
		b = fmt.Appendf(b, "&%s=%s", parameters[i], url.QueryEscape(parameters[i+1]))
	}
	return b
}

// between is the text of the first element of that name in an answer.
func between(body []byte, name string) (string, error) {
	_, rest, ok := bytes.Cut(body, []byte("<"+name+">"))
	if text, _, ended := bytes.Cut(rest, []byte("</")); ok && ended {
		return string(text), nil
	}
	return "", fmt.Errorf("the answer has no %s: %.500s", name, body)
}
