package authz

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"strings"
	"time"
)

// setOperator says how a key with several values is compared.
type setOperator int

const (
	anyOf   setOperator = iota // one value is enough, as for keys with one value
	forAll                     // ForAllValues: each; none is well
	forSome                    // ForAnyValue: one at least; none is not
)

// operator is a condition operator without prefix and suffix.
type operator struct {
	negated bool // true when no value is like any of the policy's
	wild    bool // * and ? stand for others in the policy's values
	null    bool
	plain   bool // the policy's values hold no variables
	// like compares a request's value with one of the policy's, which may be a glob.
	like func(value, policy string) bool
}

// operators of the language (IAM User Guide, "IAM JSON policy elements: Condition
// operators"). Variables stand in texts and ARNs only.
var operators = map[string]*operator{
	"StringEquals":              {like: func(v, p string) bool { return v == p }},
	"StringNotEquals":           {negated: true, like: func(v, p string) bool { return v == p }},
	"StringEqualsIgnoreCase":    {like: strings.EqualFold},
	"StringNotEqualsIgnoreCase": {negated: true, like: strings.EqualFold},
	"StringLike":                {wild: true, like: stringLike},
	"StringNotLike":             {wild: true, negated: true, like: stringLike},

	"NumericEquals":            {plain: true, like: numeric(func(c int) bool { return c == 0 })},
	"NumericNotEquals":         {plain: true, negated: true, like: numeric(func(c int) bool { return c == 0 })},
	"NumericLessThan":          {plain: true, like: numeric(func(c int) bool { return c < 0 })},
	"NumericLessThanEquals":    {plain: true, like: numeric(func(c int) bool { return c <= 0 })},
	"NumericGreaterThan":       {plain: true, like: numeric(func(c int) bool { return c > 0 })},
	"NumericGreaterThanEquals": {plain: true, like: numeric(func(c int) bool { return c >= 0 })},

	"DateEquals":            {plain: true, like: dates(func(c int) bool { return c == 0 })},
	"DateNotEquals":         {plain: true, negated: true, like: dates(func(c int) bool { return c == 0 })},
	"DateLessThan":          {plain: true, like: dates(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":    {plain: true, like: dates(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":       {plain: true, like: dates(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals": {plain: true, like: dates(func(c int) bool { return c >= 0 })},

	"Bool":         {plain: true, like: strings.EqualFold},
	"BinaryEquals": {plain: true, like: binary},

	"IpAddress":    {plain: true, like: inRange},
	"NotIpAddress": {plain: true, negated: true, like: inRange},

	"ArnEquals":    {wild: true, like: arnLike},
	"ArnNotEquals": {wild: true, negated: true, like: arnLike},
	"ArnLike":      {wild: true, like: arnLike},
	"ArnNotLike":   {wild: true, negated: true, like: arnLike},

	"Null": {null: true},
}

// operator finds what the written operator means.
func (c *Condition) operator() bool {
	name := c.Operator
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		name, c.set = rest, forAll
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		name, c.set = rest, forSome
	}
	name, c.ifExists = strings.CutSuffix(name, "IfExists")
	c.test = operators[name]
	return c.test != nil && !(c.test.null && (c.ifExists || c.set != anyOf))
}

func (c *Condition) compile(variables bool) {
	c.values = make([]pattern, len(c.Values))
	for i, v := range c.Values {
		c.values[i] = newPattern(v, c.test.wild, variables && !c.test.plain)
	}
}

// holds says whether the request meets the condition.
func (c *Condition) holds(ctx Context) bool {
	values, there := ctx.Get(c.key)
	if c.test.null {
		for _, v := range c.Values {
			if strings.EqualFold(v, "true") != there {
				return true
			}
		}
		return false
	}
	if !there || len(values) == 0 || c.set != anyOf && empty(values) {
		switch {
		case c.ifExists || c.set == forAll:
			return true
		case c.set == forSome:
			return false
		}
		return c.test.negated
	}
	if c.test.negated && c.set == anyOf {
		// With several values none of them may be like any.
		for _, v := range values {
			if c.likeAny(v, ctx) {
				return false
			}
		}
		return true
	}
	for _, v := range values {
		good := c.likeAny(v, ctx) != c.test.negated
		if good && c.set != forAll {
			return true
		}
		if !good && c.set == forAll {
			return false
		}
	}
	return c.set == forAll
}

// empty says whether a key's values are no set: none, or empty ones alone.
func empty(values []string) bool {
	for _, v := range values {
		if v != "" {
			return false
		}
	}
	return true
}

// likeAny says whether one of the policy's values is like the request's.
func (c *Condition) likeAny(value string, ctx Context) bool {
	for i := range c.values {
		if policy, ok := c.values[i].expand(ctx); ok && c.test.like(value, policy) {
			return true
		}
	}
	return false
}

func stringLike(value, glob string) bool { return matches(glob, value, false) }

// arnLike compares the six parts of two ARNs, each with wildcards of its own.
func arnLike(value, glob string) bool {
	v, g := strings.SplitN(value, ":", 6), strings.SplitN(glob, ":", 6)
	if len(g) == 1 && g[0] == string(any1) {
		return true
	}
	if len(v) != 6 || len(g) != 6 {
		return false
	}
	for i := range v {
		if !matches(g[i], v[i], false) {
			return false
		}
	}
	return true
}

func numeric(want func(int) bool) func(value, policy string) bool {
	return func(value, policy string) bool {
		v, ok := number(value)
		p, ok2 := number(policy)
		return ok && ok2 && want(v.Cmp(p))
	}
}

// number reads a decimal number; what is too long to be one is none.
func number(s string) (*big.Rat, bool) {
	if len(s) == 0 || len(s) > 40 || strings.ContainsAny(s, "/eExXpP_") {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func dates(want func(int) bool) func(value, policy string) bool {
	return func(value, policy string) bool {
		v, ok := date(value)
		p, ok2 := date(policy)
		return ok && ok2 && want(v.Compare(p))
	}
}

// dateLayouts are W3C's profile of ISO 8601 (IAM User Guide, "Date condition operators").
var dateLayouts = [...]string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02", "2006-01", "2006"}

// date reads a date, or seconds since 1970.
func date(s string) (time.Time, bool) {
	if n, ok := number(s); ok && n.IsInt() && n.Num().IsInt64() && len(s) > 4 {
		return time.Unix(n.Num().Int64(), 0), true
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func inRange(value, policy string) bool {
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	if prefix, err := netip.ParsePrefix(policy); err == nil {
		return prefix.Contains(addr)
	}
	other, err := netip.ParseAddr(policy)
	return err == nil && other.Unmap() == addr
}

func binary(value, policy string) bool {
	v, err := base64.StdEncoding.DecodeString(value)
	p, err2 := base64.StdEncoding.DecodeString(policy)
	return err == nil && err2 == nil && string(v) == string(p)
}
