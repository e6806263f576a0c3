package render

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestDig(t *testing.T) {
	for _, test := range []struct {
		names Names
		want  string
	}{
		{Names{Vantage: "web", Name: "db.example.com.", Type: "A", Status: "NOERROR", Answer: []Record{
			{"db.example.com.", 60, "CNAME", "x."}, {"x.", 300, "A", "10.0.0.1"}}, Because: []NameCause{{Decider: "hosted-zone", Domain: "example.com.", ID: "Z1"}, {Decider: "weighted", Domain: "db.example.com.", ID: "one"}}},
			`db.example.com. A at web: NOERROR
  db.example.com.  60   CNAME  x.
  x.               300  A      10.0.0.1
because
  the hosted zone Z1 has example.com.
  weighted routing of db.example.com. chose one
`},
		{Names{Vantage: "web", Name: "a.", Type: "AAAA", Status: "NOERROR", Authority: []Record{{".", 60, "SOA", "m. r. 1 2 3 4 5"}}},
			"a. AAAA at web: NODATA\n  .  60  SOA  m. r. 1 2 3 4 5\n"},
		{Names{Vantage: "web", Name: "a.", Type: "A", Because: []NameCause{{Decider: "dns-support", ID: "vpc-1"}}},
			"a. A at web: no answer\nbecause\n  enableDnsSupport of vpc-1 is off, so its resolver does not answer: switch it on\n"},
	} {
		var b strings.Builder
		Dig(&b, Style{}, test.names)
		if b.String() != test.want {
			t.Errorf("got\n%s\nwant\n%s", b.String(), test.want)
		}
	}
}

// TestDigDeciders: every decider of the resolver has words of its own; the rest are
// routing policies.
func TestDigDeciders(t *testing.T) {
	text, err := os.ReadFile("../../decide/dnsview/dnsview.go")
	if err != nil {
		t.Fatal(err)
	}
	deciders := regexp.MustCompile(`\bDecider = "([a-z-]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(deciders) < 20 {
		t.Fatalf("%d deciders in decide/dnsview", len(deciders))
	}
	for _, d := range deciders {
		if words := (NameCause{Decider: d[1], Domain: "a.", ID: "x-1", Address: "10.0.0.1"}).prose(); strings.Contains(words, " routing ") {
			t.Errorf("%s: %q", d[1], words)
		}
	}
}
