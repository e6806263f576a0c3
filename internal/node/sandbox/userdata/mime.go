package userdata

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// multipart reads a MIME message: a multipart archive, or a single part with
// headers (RFC 2045, RFC 2046).
func (p *parser) multipart(data []byte, depth int) {
	data = bytes.TrimLeft(data, " \t\r\n")
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		p.log("user-data: reading MIME headers: %v", err)
		return
	}
	p.entity(message.Header.Get, message.Body, "", depth)
}

// entity reads one MIME entity, whose header fields get answers.
func (p *parser) entity(get func(string) string, body io.Reader, name string, depth int) {
	if depth > maxDepth {
		p.log("user-data: archives nested more than %d deep are ignored", maxDepth)
		return
	}
	media, params, err := mime.ParseMediaType(get("Content-Type"))
	if err != nil && get("Content-Type") != "" && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		p.log("user-data: MIME type %q: %v", clip(get("Content-Type"), 60), err)
		return
	}
	if strings.HasPrefix(media, "multipart/") {
		if params["boundary"] == "" {
			p.log("user-data: multipart without a boundary is ignored")
			return
		}
		parts := multipart.NewReader(body, params["boundary"])
		for p.parts <= maxParts {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return
			}
			if err != nil {
				p.log("user-data: reading multipart: %v", err)
				return
			}
			p.entity(part.Header.Get, part, part.FileName(), depth+1)
		}
		return
	}
	switch encoding := strings.ToLower(strings.TrimSpace(get("Content-Transfer-Encoding"))); encoding {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "", "7bit", "8bit", "binary":
	default:
		p.log("user-data: unknown Content-Transfer-Encoding %q", clip(encoding, 40))
		return
	}
	content, err := io.ReadAll(io.LimitReader(body, int64(p.budget)+1))
	if err != nil {
		p.log("user-data: reading a MIME part: %v", err)
		return
	}
	if err := p.spend(len(content)); err != nil {
		p.log("user-data: MIME parts of more than %d bytes", MaxExpanded)
		p.budget = 0
		return
	}
	if media == "text/plain" || media == "" {
		media = "text/plain" // no nested message by its first line alone
	}
	if media == "message/rfc822" {
		media = ""
	}
	p.part(content, media, name, depth+1)
}
