package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a document. AWS's largest (a trust policy by quota, 8192 characters)
// stays far below; a caller bounds the text as AWS does before it comes here.
const (
	maxText       = 131072 // bytes
	maxStatements = 2000
	maxList       = 4000 // elements of one list
)

// AWS's texts (IAM User Guide, "Troubleshoot IAM policies"; answers of
// CreatePolicy and CreateRole).
const (
	textJSON       = "This policy contains invalid Json"
	textSyntax     = "Syntax errors in policy."
	textVersion    = "Policy document must be version 2012-10-17 or greater."
	textActions    = "Policy statement must contain actions."
	textResources  = "Policy statement must contain resources."
	textNoPrincips = "Policy document should not specify a principal."
	textVendor     = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	textSidUnique  = "Statement IDs (SID) in a single policy must be unique."
	textSidForm    = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
)

// Parse reads the text of a policy. The error is a *SyntaxError.
func Parse(text string, kind Kind) (*Document, error) {
	p := &parser{text: text, dec: json.NewDecoder(strings.NewReader(text)), kind: kind}
	if len(text) > maxText {
		return nil, &SyntaxError{Text: textSyntax, Line: 1, Why: fmt.Sprintf("The document has more than %d bytes.", maxText)}
	}
	if !utf8.ValidString(text) {
		return nil, &SyntaxError{Text: textJSON, Line: 1, Why: "It is not in UTF-8."}
	}
	p.dec.UseNumber()
	doc, err := p.document()
	if err != nil {
		return nil, err
	}
	return doc, nil
}

// parser reads the grammar token by token; its depth is that of the grammar.
type parser struct {
	text string
	dec  *json.Decoder
	kind Kind
	at   int // offset of the first byte of the token read last
}

func (p *parser) position(offset int) Position {
	before := p.text[:min(offset, len(p.text))]
	return Position{Line: 1 + strings.Count(before, "\n"), Column: offset - strings.LastIndexByte(before, '\n')}
}

func (p *parser) fail(text, why string, args ...any) error {
	if why != "" {
		why = fmt.Sprintf(why, args...)
		why = fmt.Sprintf("Line %d: %s", p.position(p.at).Line, why)
	}
	return &SyntaxError{Text: text, Line: p.position(p.at).Line, Why: why}
}

func (p *parser) syntax(why string, args ...any) error { return p.fail(textSyntax, why, args...) }

// next gives the next token.
func (p *parser) next() (json.Token, error) {
	before := int(p.dec.InputOffset())
	token, err := p.dec.Token()
	if err != nil {
		p.skip(before)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			p.at = len(p.text)
			return nil, p.fail(textJSON, "the text ends too early.")
		}
		return nil, p.fail(textJSON, "%s.", strings.TrimPrefix(err.Error(), "json: "))
	}
	p.skip(before)
	return token, nil
}

// skip goes on to a token: before it there are blanks, a comma or a colon only.
func (p *parser) skip(offset int) {
	p.at = offset
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n,:", p.text[p.at]) >= 0 {
		p.at++
	}
}

// object reads members until the closing brace; the opening one has been read.
func (p *parser) object(member func(name string) error) error {
	seen := map[string]bool{}
	for {
		token, err := p.next()
		if err != nil {
			return err
		}
		if token == json.Delim('}') {
			return nil
		}
		name := token.(string) // the decoder has checked it
		if seen[name] {
			return p.syntax("%q stands twice.", clip(name))
		}
		seen[name] = true
		if err := member(name); err != nil {
			return err
		}
	}
}

func (p *parser) document() (*Document, error) {
	token, err := p.next()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('{') {
		return nil, p.syntax("a policy is a JSON object.")
	}
	doc := &Document{Version: "2008-10-17"}
	found := false
	err = p.object(func(name string) (err error) {
		switch name {
		case "Version":
			doc.Version, err = p.word(name)
			if err == nil && doc.Version != "2012-10-17" && doc.Version != "2008-10-17" {
				err = p.fail(textVersion, "the version is %q.", clip(doc.Version))
			}
		case "Id":
			doc.ID, err = p.word(name)
		case "Statement":
			found = true
			err = p.statements(doc)
		default:
			err = p.syntax("a policy has no element %q.", clip(name))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		p.at = int(p.dec.InputOffset())
		return nil, p.fail(textJSON, "something follows the policy.")
	}
	if !found {
		return nil, p.syntax("there is no Statement.")
	}
	sids := map[string]bool{}
	for i := range doc.Statements {
		s := &doc.Statements[i]
		if s.Sid != "" && sids[s.Sid] {
			return nil, &SyntaxError{Text: textSidUnique, Line: s.Start.Line}
		}
		sids[s.Sid] = true
		s.compile(doc.Version == "2012-10-17")
	}
	return doc, nil
}

// statements reads one statement, or a list of them.
func (p *parser) statements(doc *Document) error {
	token, err := p.next()
	if err != nil {
		return err
	}
	if token == json.Delim('{') {
		return p.statement(doc)
	}
	if token != json.Delim('[') {
		return p.syntax("Statement is an object or a list of objects.")
	}
	for {
		token, err := p.next()
		if err != nil {
			return err
		}
		if token == json.Delim(']') {
			if len(doc.Statements) == 0 {
				return p.syntax("Statement is empty.")
			}
			return nil
		}
		if token != json.Delim('{') {
			return p.syntax("a statement is an object.")
		}
		if len(doc.Statements) == maxStatements {
			return p.syntax("there are more than %d statements.", maxStatements)
		}
		if err := p.statement(doc); err != nil {
			return err
		}
	}
}

// statement reads the members of one; its brace has been read.
func (p *parser) statement(doc *Document) error {
	s := Statement{Start: p.position(p.at)}
	has := map[string]bool{}
	err := p.object(func(name string) (err error) {
		has[name] = true
		switch name {
		case "Sid":
			if s.Sid, err = p.word(name); err == nil && p.kind == Identity && !alphanumeric(s.Sid) {
				err = p.fail(textSidForm, "")
			}
		case "Effect":
			var effect string
			if effect, err = p.word(name); err == nil && effect != "Allow" && effect != "Deny" {
				err = p.fail("Invalid effect: "+clip(effect), "")
			}
			s.Allow = effect == "Allow"
		case "Action", "NotAction":
			s.NotAction = name == "NotAction"
			if s.Actions, err = p.words(name); err == nil {
				err = p.actions(s.Actions)
			}
		case "Resource", "NotResource":
			if p.kind == Trust {
				return p.fail("Has prohibited field "+name, "")
			}
			s.NotResource = name == "NotResource"
			if s.Resources, err = p.words(name); err == nil {
				err = p.resources(s.Resources)
			}
		case "Principal", "NotPrincipal":
			if p.kind == Identity {
				return p.fail(textNoPrincips, "")
			}
			s.NotPrincipal = name == "NotPrincipal"
			s.Principals, err = p.principals()
		case "Condition":
			s.Conditions, err = p.conditions()
		default:
			err = p.syntax("a statement has no element %q.", clip(name))
		}
		return err
	})
	if err != nil {
		return err
	}
	s.End = p.position(p.at)
	lacks := func(text string) error {
		return &SyntaxError{Text: text, Line: s.Start.Line, Why: fmt.Sprintf("Line %d.", s.Start.Line)}
	}
	switch {
	case has["Action"] && has["NotAction"] || has["Resource"] && has["NotResource"] || has["Principal"] && has["NotPrincipal"]:
		return p.syntax("a statement has an element or its opposite, not both.")
	case !has["Effect"]:
		return lacks("Missing required field Effect")
	case !has["Action"] && !has["NotAction"] || len(s.Actions) == 0:
		return lacks(textActions)
	case p.kind == Identity && (!has["Resource"] && !has["NotResource"] || len(s.Resources) == 0):
		return lacks(textResources)
	case p.kind != Identity && len(s.Principals) == 0:
		return lacks("Missing required field Principal")
	}
	doc.Statements = append(doc.Statements, s)
	return nil
}

// word reads one text.
func (p *parser) word(name string) (string, error) {
	token, err := p.next()
	if err != nil {
		return "", err
	}
	text, ok := token.(string)
	if !ok {
		return "", p.syntax("%s is a text.", name)
	}
	return text, p.plain(name, text)
}

// plain refuses what no name has and what patterns use for themselves.
func (p *parser) plain(name, text string) error {
	for i := range len(text) {
		if text[i] < ' ' && text[i] != '\t' && text[i] != '\n' && text[i] != '\r' {
			return p.syntax("%s holds a control character.", clip(name))
		}
	}
	return nil
}

// words reads a text or a list of texts. Numbers and booleans, which conditions
// may have, become their texts.
func (p *parser) words(name string) ([]string, error) {
	token, err := p.next()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('[') {
		text, ok := scalar(token)
		if !ok {
			return nil, p.syntax("%s is a text or a list of texts.", clip(name))
		}
		return []string{text}, p.plain(name, text)
	}
	list := []string{}
	for {
		token, err := p.next()
		if err != nil {
			return nil, err
		}
		if token == json.Delim(']') {
			return list, nil
		}
		text, ok := scalar(token)
		if !ok {
			return nil, p.syntax("%s is a text or a list of texts.", clip(name))
		}
		if len(list) == maxList {
			return nil, p.syntax("%s has more than %d elements.", clip(name), maxList)
		}
		if err := p.plain(name, text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
}

func scalar(token json.Token) (string, bool) {
	switch v := token.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// actions checks the form vendor:action.
func (p *parser) actions(list []string) error {
	for _, action := range list {
		if action == "*" {
			if p.kind == Trust {
				return p.fail("AssumeRole policy may only specify STS AssumeRole actions.", "")
			}
			continue
		}
		vendor, name, ok := strings.Cut(action, ":")
		switch {
		case !ok || vendor == "":
			return p.fail(textVendor, "%q is not one.", clip(action))
		case strings.Contains(name, ":"):
			return p.fail("Actions/Condition can contain only one colon.", "%q has more.", clip(action))
		case !allIn(vendor, "-"):
			return p.fail(fmt.Sprintf("Vendor %s is not valid", clip(vendor)), "")
		case !allIn(name, "*?"):
			return p.syntax("%q is no action.", clip(action))
		case p.kind == Trust && !strings.EqualFold(vendor, "sts"):
			return p.fail("AssumeRole policy may only specify STS AssumeRole actions.", "")
		}
	}
	return nil
}

// resources checks the form of ARNs: partition and vendor are plain words.
func (p *parser) resources(list []string) error {
	for _, r := range list {
		if r == "*" || r == "" && p.kind != Identity {
			continue
		}
		parts := strings.SplitN(r, ":", 6)
		switch {
		case r == "" || parts[0] != "arn" && strings.Trim(parts[0], "*") != "" || parts[0] != "arn" && len(parts) > 1:
			return p.fail(fmt.Sprintf("Resource %s must be in ARN format or %q.", clip(r), "*"), "it is none.")
		case parts[0] != "arn":
			continue // "**"
		case len(parts) < 6 && !strings.HasSuffix(r, "*"):
			return p.fail(fmt.Sprintf("Resource %s must be in ARN format or %q.", clip(r), "*"), "it is none.")
		case len(parts) > 1 && parts[1] != "" && !strings.ContainsAny(parts[1], "*?$") && !slices.Contains(partitions, parts[1]):
			return p.fail(fmt.Sprintf("Partition %q is not valid for resource %q.", clip(parts[1]), clip(r)), "")
		case len(parts) == 6 && strings.ContainsAny(parts[2], "*?") && strings.Trim(parts[2], "*") != "":
			return p.fail("Resource vendor must be fully qualified and cannot contain regexes.", "%q does.", clip(r))
		}
	}
	return nil
}

var partitions = []string{"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"}

// principals reads "*" or an object of types with their values.
func (p *parser) principals() ([]Principal, error) {
	token, err := p.next()
	if err != nil {
		return nil, err
	}
	if token == "*" {
		return []Principal{{"*", "*"}}, nil
	}
	if token != json.Delim('{') {
		if text, ok := token.(string); ok {
			return nil, p.fail(fmt.Sprintf("Invalid principal in policy: %q", clip(text)), "")
		}
		return nil, p.syntax("Principal is \"*\" or an object.")
	}
	var list []Principal
	err = p.object(func(kind string) error {
		switch kind {
		case "AWS", "Service", "Federated", "CanonicalUser":
		default:
			return p.fail(fmt.Sprintf("Invalid principal in policy: %q", clip(kind)), "")
		}
		values, err := p.words(kind)
		for _, v := range values {
			if err == nil && !validPrincipal(kind, v) {
				err = p.fail(fmt.Sprintf("Invalid principal in policy: %q:%q", kind, clip(v)), "")
			}
			list = append(list, Principal{kind, v})
		}
		return err
	})
	return list, err
}

// validPrincipal checks the form; whether there is such a one is the service's business.
func validPrincipal(kind, v string) bool {
	if v == "" {
		return false
	}
	switch kind {
	case "AWS":
		if v == "*" || len(v) == 12 && strings.Trim(v, "0123456789") == "" {
			return true
		}
		if strings.HasPrefix(v, "AIDA") || strings.HasPrefix(v, "AROA") {
			return alphanumeric(v)
		}
		parts := strings.SplitN(v, ":", 6)
		return len(parts) == 6 && parts[0] == "arn" && slices.Contains(partitions, parts[1]) && (parts[2] == "iam" || parts[2] == "sts") &&
			parts[3] == "" && len(parts[4]) == 12 && strings.Trim(parts[4], "0123456789") == "" && parts[5] != "" && !strings.ContainsAny(v, "*?")
	case "Service":
		return strings.Contains(v, ".") && !strings.ContainsAny(v, "*? :/")
	}
	return true
}

// conditions reads operators, their keys and values.
func (p *parser) conditions() ([]Condition, error) {
	token, err := p.next()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('{') {
		return nil, p.syntax("Condition is an object of operators.")
	}
	list := []Condition{}
	err = p.object(func(name string) error {
		c := Condition{Operator: name}
		if !c.operator() {
			return p.fail("Invalid Condition type : "+clip(name)+".", "")
		}
		token, err := p.next()
		if err != nil {
			return err
		}
		if token != json.Delim('{') {
			return p.syntax("%s is an object of condition keys.", clip(name))
		}
		return p.object(func(key string) error {
			if vendor, name, ok := strings.Cut(key, ":"); !ok || vendor == "" || name == "" {
				return p.fail(textVendor, "%q is no condition key.", clip(key))
			}
			next := c
			next.Key, next.key = key, strings.ToLower(key)
			if next.Values, err = p.words(key); err != nil {
				return err
			}
			list = append(list, next)
			return p.plain("a condition key", key)
		})
	})
	return list, err
}

func alphanumeric(s string) bool { return allIn(s, "") }

// allIn says whether a text has letters, digits and the given marks only.
func allIn(s, marks string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(marks, c) >= 0) {
			return false
		}
	}
	return true
}

// clip shortens a text of somebody else's for an error.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Minify gives a document's text without blanks between tokens: what AWS counts
// for its quotas.
func Minify(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}
