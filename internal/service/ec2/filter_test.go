package ec2

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"database", "database", true},
		{"database", "Database", false},
		{"database", "databases", false},
		{"", "", true},
		{"", "x", false},
		{"*database*", "my database here", true},
		{"*database*", "data base", false},
		{"*", "", true},
		{"**", "anything", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-b-b", false},
		{"database?", "database", true},
		{"database?", "databases", true},
		{"database?", "databases!", false},
		{"database????", "database1234", true},
		{"database????", "database12345", false},
		{"?", "ü", true},
		{"a?c", "ac", true},
		{"a?c", "abc", true},
		{"a?c", "abbc", false},
		{`\*amazon\?\\`, `*amazon?\`, true},
		{`\*amazon\?\\`, `xamazony\`, false},
		{`a\`, `a\`, true},
		{`\a`, "a", true},
		{"[a-z]", "b", false},
		{"10.0.0.*", "10.0.0.15", true},
		{"10.0.0.*", "10x0x0x15", false},
	} {
		t.Run(c.pattern+" "+c.text, func(t *testing.T) {
			if got := newAccept([]string{c.pattern}).any([]string{c.text}); got != c.want {
				t.Errorf("%q matches %q: %v", c.pattern, c.text, got)
			}
		})
	}
}

func TestPatternTime(t *testing.T) {
	p := parsePattern(strings.Repeat("*a?", 200) + "b")
	if p.match(strings.Repeat("a", 5000)) {
		t.Error("matches without a b")
	}
}

// FuzzPattern compares the matcher with a regular expression of the same meaning.
func FuzzPattern(f *testing.F) {
	f.Add("a*b?c", "aXXbc")
	f.Add(`\*x\\?`, `*x\`)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 40 || len(text) > 200 || !isText(pattern) || !isText(text) {
			return
		}
		var re strings.Builder
		re.WriteString(`(?s)^`)
		escaped := false
		for _, c := range pattern {
			switch {
			case escaped || c != '\\' && c != '*' && c != '?':
				re.WriteString(regexp.QuoteMeta(string(c)))
				escaped = false
			case c == '\\':
				escaped = true
			case c == '*':
				re.WriteString(".*")
			case c == '?':
				re.WriteString(".?")
			}
		}
		if escaped {
			re.WriteString(`\\`)
		}
		re.WriteString(`$`)
		want := regexp.MustCompile(re.String()).MatchString(text)
		if got := newAccept([]string{pattern}).any([]string{text}); got != want {
			t.Errorf("%q matches %q: %v, %s: %v", pattern, text, got, re.String(), want)
		}
	})
}

func isText(s string) bool { return strings.ToValidUTF8(s, "") == s && !strings.ContainsRune(s, '\n') }

// FuzzFilter: whatever the filters, they are refused with a code or compiled.
func FuzzFilter(f *testing.F) {
	f.Add("vpc-id", "vpc-1", "tag:a")
	f.Fuzz(func(t *testing.T, name, value, second string) {
		in := []api.Filter{{Name: &name, Values: []string{value, second}}, {Name: &second, Values: []string{name}}}
		pass, err := compile(in, vpcFilters)
		if err != nil {
			if _, ok := awserr.As(err); !ok {
				t.Error(err)
			}
			return
		}
		pass(nil, &state.Vpc{Cidrs: make([]state.CidrAssociation, 1)})
	})
}

func TestFilters(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16"), w.vpc("10.1.0.0/16")
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{a, b}, Tags: tagList("Name", "one", "env", "prod")})
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{c}, Tags: tagList("Name", "", "star*", "a*b")})
	w.as("999999999999", "us-east-1").vpc("10.0.0.0/16")
	w.as("123456789012", "eu-west-1").vpc("10.0.0.0/16")
	for _, c := range []struct {
		name    string
		filters []api.Filter
		want    []string
	}{
		{"none", nil, []string{a, b, c}},
		{"one value", filtersOf("vpc-id", a), []string{a}},
		{"values are alternatives", filtersOf("vpc-id", a+","+c), []string{a, c}},
		{"filters add up", filtersOf("cidr", "10.1.0.0/16", "tag:env", "prod"), []string{b}},
		{"wildcard", filtersOf("cidr", "10.1.*"), []string{b, c}},
		{"the same name twice", filtersOf("vpc-id", a, "vpc-id", b), nil},
		{"older name", filtersOf("isDefault", "false"), []string{a, b, c}},
		{"cidr-block for cidr", filtersOf("cidr-block", "10.0.0.0/16"), []string{a}},
		{"tag", filtersOf("tag:Name", "one"), []string{a, b}},
		{"tag names have case", filtersOf("tag:name", "one"), nil},
		{"empty tag", filtersOf("tag:Name", ""), []string{c}},
		{"tag-key", filtersOf("tag-key", "en?"), []string{a, b}},
		{"tag-key escaped", filtersOf("tag-key", `star\*`), []string{c}},
		{"tag value escaped", filtersOf("tag:star*", `a\*b`), []string{c}},
		{"absent value", filtersOf("ipv6-cidr-block-association.state", "associated"), nil},
		{"association", filtersOf("cidr-block-association.cidr-block", "10.0.0.0/16", "cidr-block-association.state", "associated"), []string{a}},
		{"owner", filtersOf("owner-id", "123456789012", "state", "available"), []string{a, b, c}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := call[api.DescribeVpcsOutput](w.in(t), "DescribeVpcs", &api.DescribeVpcsInput{Filters: c.filters})
			wantSame(t, ids(out.Vpcs, func(v api.Vpc) *string { return v.VpcId }), c.want)
		})
	}
	many := make([]string, 201)
	for i := range many {
		many[i] = fmt.Sprint("vpc-", i)
	}
	for _, c := range []struct {
		name       string
		filters    []api.Filter
		code, text string
	}{
		{"unknown", filtersOf("colour", "red"), "InvalidParameterValue", "The filter 'colour' is invalid"},
		{"no name", []api.Filter{{Values: []string{"x"}}}, "InvalidParameterValue", "The filter 'null' is invalid"},
		{"no values", []api.Filter{{Name: ptr("vpc-id")}}, "InvalidParameterValue", "vpc-id"},
		{"many values", []api.Filter{{Name: ptr("vpc-id"), Values: many}}, "FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200"},
		{"many filters", make([]api.Filter, 51), "FilterLimitExceeded", "50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.in(t).fails("DescribeVpcs", &api.DescribeVpcsInput{Filters: c.filters}, c.code, c.text)
		})
	}
	call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{Filters: []api.Filter{{Name: ptr("vpc-id"), Values: many[:200]}}})
	w.fails("DescribeRegions", &api.DescribeRegionsInput{Filters: filtersOf("tag:Name", "x")}, "InvalidParameterValue", "The filter 'tag:Name' is invalid")
}

// wantSame compares lists whose order does not matter.
func wantSame(t *testing.T, got, want []string) {
	t.Helper()
	left := map[string]int{}
	for _, s := range want {
		left[s]++
	}
	for _, s := range got {
		left[s]--
	}
	for _, n := range left {
		if n != 0 {
			t.Errorf("got %v\nwant %v", got, want)
			return
		}
	}
}
