// Package userdata turns an instance's user data into the actions of its first
// boot: shell scripts, cloud-config documents, gzip and MIME archives of them.
//
// Invariant: Parse is pure, total and bounded. Whatever the bytes are, it
// returns actions whose sizes together stay below MaxExpanded, in the order in
// which they have to be carried out; what it cannot use becomes a Log action,
// never an error (cloud-init reports on the console and goes on).
//
// Formats and order: cloud-init documentation, "User data formats" and "Module
// reference"; Amazon EC2 User Guide, "Run commands when you launch an EC2
// instance with user data input".
package userdata

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxExpanded bounds everything that user data may unpack to, in bytes.
const MaxExpanded = 10 << 20

const (
	maxParts = 256 // parts of MIME archives, at all depths together
	maxDepth = 8   // archives within archives, and gzip within them
)

// Parse reads user data as RunInstances received it, base64 removed.
func Parse(data []byte) []Action {
	p := &parser{budget: MaxExpanded, seen: map[string]bool{}}
	p.part(data, "", "", 0)
	return p.actions()
}

// parser collects what the parts say; actions puts it in order.
type parser struct {
	budget int // bytes that may still be unpacked
	parts  int
	seen   map[string]bool // names of scripts

	logs    []Action
	config  config
	scripts []Action
}

func (p *parser) log(format string, args ...any) {
	if len(p.logs) < maxActions {
		p.logs = append(p.logs, Log{Text: clip(fmt.Sprintf(format, args...), 400)})
	}
}

// part reads one piece: media is the declared MIME type or empty, name its file
// name or empty.
func (p *parser) part(data []byte, media, name string, depth int) {
	if p.parts++; p.parts > maxParts {
		if p.parts == maxParts+1 {
			p.log("user-data: more than %d parts, the rest is ignored", maxParts)
		}
		return
	}
	if depth > maxDepth {
		p.log("user-data: archives nested more than %d deep are ignored", maxDepth)
		return
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		plain, err := p.gunzip(data)
		if err != nil {
			p.log("user-data: gzip: %v", err)
			return
		}
		if isGzip(media) {
			media = ""
		}
		p.part(plain, media, name, depth+1)
		return
	}
	switch kind := kindOf(data, media); kind {
	case kindEmpty:
	case kindScript:
		p.script(data, name)
	case kindConfig:
		p.cloudConfig(data)
	case kindMultipart:
		p.multipart(data, depth)
	case kindInclude:
		p.log("user-data: #include is refused: an instance fetches nothing by itself before its first boot; put the content into the user data")
	default:
		p.log("user-data: ignored a part of unknown kind %s", kind)
	}
}

// Kinds of a part.
const (
	kindEmpty     = "empty"
	kindScript    = "script"
	kindConfig    = "cloud-config"
	kindMultipart = "multipart"
	kindInclude   = "include"
)

// kindOf decides by the first line, which wins over a declared text type as it
// does in cloud-init, then by the declared type.
func kindOf(data []byte, media string) string {
	text := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 {
		return kindEmpty
	}
	first, _, _ := strings.Cut(string(text[:min(len(text), 256)]), "\n")
	lower := strings.ToLower(strings.TrimSpace(first))
	switch {
	case strings.HasPrefix(lower, "#!"):
		return kindScript
	case lower == "#cloud-config" || strings.HasPrefix(lower, "#cloud-config ") || strings.HasPrefix(lower, "#cloud-config\t"):
		return kindConfig
	case strings.HasPrefix(lower, "#include"):
		return kindInclude
	case strings.HasPrefix(lower, "#cloud-"), strings.HasPrefix(lower, "#part-handler"), strings.HasPrefix(lower, "## template:"), strings.HasPrefix(lower, "#upstart-job"):
		return fmt.Sprintf("%q", clip(lower, 60))
	}
	switch media {
	case "text/x-shellscript":
		return kindScript
	case "text/cloud-config":
		return kindConfig
	case "text/x-include-url", "text/x-include-once-url":
		return kindInclude
	}
	if media == "" && (strings.HasPrefix(lower, "content-type:") || strings.HasPrefix(lower, "mime-version:")) {
		return kindMultipart
	}
	return fmt.Sprintf("%q", clip(first, 60))
}

func isGzip(media string) bool {
	return media == "application/gzip" || media == "application/x-gzip" || media == "application/octet-stream"
}

// script keeps a shell script under a name that is a plain file name.
func (p *parser) script(data []byte, name string) {
	if p.spend(len(data)) != nil {
		p.log("user-data: scripts of more than %d bytes in all, one is ignored", MaxExpanded)
		return
	}
	name = fileName(name)
	if name == "" || p.seen[name] {
		name = fmt.Sprintf("part-%03d", len(p.scripts)+1)
	}
	p.seen[name] = true
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.TrimLeft(data, " \t\r\n")
	if !bytes.HasPrefix(data, []byte("#!")) {
		data = append([]byte("#!/bin/sh\n"), data...)
	}
	p.scripts = append(p.scripts, Script{Name: name, Body: data})
}

var errTooLarge = errors.New("unpacks to too much")

func (p *parser) spend(n int) error {
	if n > p.budget {
		return errTooLarge
	}
	p.budget -= n
	return nil
}

func (p *parser) gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, int64(p.budget)+1))
	if err != nil {
		return nil, err
	}
	if err := p.spend(len(plain)); err != nil {
		p.budget = 0
		return nil, fmt.Errorf("%w: more than %d bytes", err, MaxExpanded)
	}
	return plain, nil
}

// fileName is the last element of a declared file name, or empty when what is
// left is not a harmless name.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if name == "" || name[0] == '.' || len(name) > 100 {
		return ""
	}
	for _, r := range name {
		if !(r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return ""
		}
	}
	return name
}

// clip bounds a text and makes it harmless on a terminal.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
