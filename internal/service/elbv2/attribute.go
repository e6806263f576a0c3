package elbv2

import (
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

// attribute is one that a load balancer, target group or listener has.
type attribute struct {
	key    string
	value  string             // AWS's default
	values []string           // that it can take; nil: check says
	check  func(string) error // nil: any text
}

// pair is an attribute as requests and answers have it.
type pair struct{ key, value string }

// attributes is everything about the attributes of one kind of resource.
type attributes struct {
	noun    string // begins errors: "Load balancer"
	list    []attribute
	foreign []string // keys of other types of load balancers
	most    int      // in one request
}

var boolean = []string{"true", "false"}

// number is the check of an integer between bounds.
func number(least, most int) func(string) error {
	return func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most || strconv.Itoa(n) != text {
			return invalid("must be an integer between '%d' and '%d'", least, most)
		}
		return nil
	}
}

// change checks what a request sets and gives all that is set from then on.
func (a attributes) change(old state.Tags, asked []pair) (state.Tags, error) {
	if len(asked) == 0 || len(asked) > a.most {
		return nil, invalid("1 validation error detected: Value at 'attributes' failed to satisfy constraint: Member must have length less than or equal to %d and greater than or equal to 1", a.most)
	}
	for i, p := range asked {
		if slices.ContainsFunc(asked[:i], func(q pair) bool { return q.key == p.key }) {
			return nil, invalid("%s attribute key '%s' is specified more than once", a.noun, awserr.Clip(p.key))
		}
		j := slices.IndexFunc(a.list, func(d attribute) bool { return d.key == p.key })
		switch {
		case j < 0 && slices.Contains(a.foreign, p.key):
			return nil, awserr.New(api.ErrInvalidConfigurationRequest, "%s attribute key '%s' is not supported on load balancers with type 'network'", a.noun, p.key)
		case j < 0:
			return nil, invalid("%s attribute key '%s' is not recognized", a.noun, awserr.Clip(p.key))
		}
		if err := a.list[j].allows(p.value); err != nil {
			return nil, invalid("%s attribute '%s' %s", a.noun, p.key, text(err))
		}
		old = old.With(p.key, p.value)
	}
	return old, nil
}

func text(err error) string {
	if e, ok := awserr.As(err); ok {
		return e.Message
	}
	return err.Error()
}

func (d attribute) allows(value string) error {
	switch {
	case d.values != nil && !slices.Contains(d.values, value):
		return invalid("must be one of '%s'", strings.Join(d.values, ", "))
	case d.check != nil:
		return d.check(value)
	}
	return nil
}

// all gives every attribute with its value, in the order of the keys. override gives
// the default of a resource where that depends on it; nil: nothing does.
func (a attributes) all(set state.Tags, override map[string]string) []pair {
	var out []pair
	for _, d := range a.list {
		p := pair{d.key, d.value}
		if v, ok := override[d.key]; ok {
			p.value = v
		}
		if v, ok := set.Get(d.key); ok {
			p.value = v
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(x, y pair) int { return strings.Compare(x.key, y.key) })
	return out
}
