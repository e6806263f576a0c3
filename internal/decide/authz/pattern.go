package authz

import "strings"

// A glob is a text in which the bytes any and one stand for what * and ? stood
// for: policies hold no control characters, so nothing else can be mistaken for
// them.
const (
	any1 = '\x00' // *: any number of characters
	one1 = '\x01' // ?: one character
)

// pattern is a text of a policy, ready to be compared.
type pattern struct {
	glob  string // when there are no variables
	parts []part // else
}

// part is a piece of a pattern: a glob, or a variable.
type part struct {
	glob     string
	variable string // key in lower case: "aws:username"; empty: glob
	fallback *string
}

// newPattern reads a text. wild says that * and ? stand for others, variables
// that ${key} stands for the value of a key (IAM User Guide, "IAM policy elements:
// Variables and tags").
func newPattern(text string, wild, variables bool) pattern {
	if !variables || !strings.Contains(text, "${") {
		return pattern{glob: globOf(text, wild)}
	}
	var parts []part
	var lit strings.Builder
	found := false
	for text != "" {
		before, rest, ok := strings.Cut(text, "${")
		lit.WriteString(globOf(before, wild))
		if !ok {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			lit.WriteString(globOf("${"+rest, wild))
			break
		}
		text = after
		switch name {
		case "*", "?", "$":
			lit.WriteString(name) // itself
			continue
		}
		next := part{variable: name}
		if key, value, ok := strings.Cut(name, ","); ok {
			value = strings.TrimSpace(value)
			if len(value) >= 2 && value[0] == '\'' && value[len(value)-1] == '\'' {
				value = value[1 : len(value)-1]
				next.variable, next.fallback = key, &value
			}
		}
		next.variable = strings.ToLower(strings.TrimSpace(next.variable))
		if lit.Len() > 0 {
			parts = append(parts, part{glob: lit.String()})
			lit.Reset()
		}
		parts = append(parts, next)
		found = true
	}
	if !found {
		return pattern{glob: lit.String()}
	}
	if lit.Len() > 0 {
		parts = append(parts, part{glob: lit.String()})
	}
	return pattern{parts: parts}
}

func globOf(text string, wild bool) string {
	if !wild || !strings.ContainsAny(text, "*?") {
		return text
	}
	return strings.NewReplacer("*", string(any1), "?", string(one1)).Replace(text)
}

// expand fills in the variables. It is false when one has no value, and no
// fallback: then nothing matches. Values with more than one element do not count.
func (p *pattern) expand(ctx Context) (string, bool) {
	if p.parts == nil {
		return p.glob, true
	}
	var b strings.Builder
	for _, part := range p.parts {
		if part.variable == "" {
			b.WriteString(part.glob)
			continue
		}
		values, ok := ctx.Get(part.variable)
		switch {
		case ok && len(values) == 1:
			if strings.ContainsAny(values[0], "\x00\x01") {
				return "", false
			}
			b.WriteString(values[0])
		case part.fallback != nil:
			b.WriteString(*part.fallback)
		default:
			return "", false
		}
	}
	return b.String(), true
}

// matches compares a text with a glob. With arn, a * in the middle of a segment
// does not reach over a colon; the last one of a segment does (IAM User Guide,
// "IAM JSON policy elements: Resource").
func matches(glob, text string, arn bool) bool {
	star := strings.IndexByte(glob, any1)
	if star < 0 && strings.IndexByte(glob, one1) < 0 {
		return glob == text
	}
	if star == len(glob)-1 && strings.IndexByte(glob, one1) < 0 {
		return strings.HasPrefix(text, glob[:star])
	}
	if arn && bounded(glob) && strings.Contains(text, ":") {
		return walk(glob, text)
	}
	return greedy(glob, text)
}

// bounded says whether some * may not reach over a colon.
func bounded(glob string) bool {
	for i := range len(glob) {
		if glob[i] == any1 && i+1 < len(glob) && glob[i+1] != ':' && glob[i+1] != any1 {
			return true
		}
	}
	return false
}

// greedy is the usual comparison: only the last * needs to be taken back.
func greedy(glob, text string) bool {
	g, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case g < len(glob) && glob[g] == any1:
			star, mark = g, t
			g++
		case g < len(glob) && glob[g] == one1:
			g++
			for t++; t < len(text) && text[t]&0xc0 == 0x80; t++ { // the rest of the character
			}
		case g < len(glob) && glob[g] == text[t]:
			g++
			t++
		case star >= 0:
			mark++
			g, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], string(any1)) == ""
}

// walk keeps all the places in the glob where the text may have got to: its time is
// the product of both lengths, whatever the glob.
func walk(glob, text string) bool {
	at := make([]bool, len(glob)+1)
	at[0] = true
	skip := func(at []bool) {
		for g := range glob {
			if at[g] && glob[g] == any1 {
				at[g+1] = true
			}
		}
	}
	skip(at)
	next := make([]bool, len(glob)+1)
	for t, r := range text {
		clear(next)
		alive := false
		for g := range len(glob) {
			if !at[g] {
				continue
			}
			switch {
			case glob[g] == any1:
				free := g+1 == len(glob) || glob[g+1] == ':' || glob[g+1] == any1
				if r != ':' || free {
					next[g] = true
					alive = true
				}
			case glob[g] == one1 && r != ':':
				next[g+1], alive = true, true
			default:
				if width := len(string(r)); strings.HasPrefix(glob[g:], text[t:min(t+width, len(text))]) {
					next[g+width], alive = true, true
				}
			}
		}
		if !alive {
			return false
		}
		at, next = next, at
		skip(at)
	}
	return at[len(glob)]
}
