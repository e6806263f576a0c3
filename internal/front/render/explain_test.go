package render

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	blocked := Explanation{
		Packet: "tcp web > db:80 (10.0.0.5 > 10.0.0.9)",
		Forward: []Hop{
			{Kind: "security-group", ID: "sg-1", Direction: "egress", Rule: "sgr-1"},
			{Kind: "natgateway", ID: "nat-1", Direction: "egress", Packet: "10.0.0.5 > 192.0.2.1", After: "10.0.0.7 > 192.0.2.1"},
			{Kind: "security-group", ID: "sg-22", Direction: "ingress", Blocked: true},
		},
		Return: []Hop{{Kind: "security-group", ID: "sg-22", Direction: "egress", Stateful: true}},
		Because: []Cause{
			{Code: "ENI_SG_RULES_MISMATCH", Interface: "eni-2", Direction: "ingress", Groups: []string{"sg-22", "sg-3"},
				Rules: []Considered{{Group: "sg-22", Rule: "sgr-2", Text: "tcp 443 from sg-9", Differs: []string{"ports", "peer"}}}},
			{Code: "SUBNET_ACL_RESTRICTION", Component: "acl-1", Subnet: "subnet-1", Direction: "egress", Rule: "32767", Return: true, Ports: []string{"1024-2000"}},
			{Code: "ENI_SG_RULES_MISMATCH", Interface: "eni-2", Direction: "ingress", Groups: []string{"sg-2"}, Packet: "192.0.2.5 > 10.0.0.9", Was: "10.0.0.5", Name: "ec2-192-0-2-9.example",
				Rules: []Considered{{Group: "sg-2", Rule: "sgr-0", Text: "udp 53 sg-9", Differs: []string{"protocol", "peer"}}, {Group: "sg-2", Rule: "sgr-2", Text: "tcp 80 sg-9", Differs: []string{"peer"}}}},
			{Code: "BAD_STATE", Component: "i-2", State: "stopped"},
			{Code: "A_CODE_OF_TOMORROW", Component: "x-1", State: "odd"},
		},
	}
	const want = `tcp web > db:80 (10.0.0.5 > 10.0.0.9): not reachable
there
  pass  security-group  sg-1   egress   sgr-1
  pass  natgateway      nat-1  egress   10.0.0.5 > 192.0.2.1 becomes 10.0.0.7 > 192.0.2.1
  STOP  security-group  sg-22  ingress
back
  pass  security-group  sg-22  egress  stateful: the way there passed
because
  ENI_SG_RULES_MISMATCH  no ingress rule of sg-22, sg-3 (groups of eni-2) allows it: add a rule, or make the peer a member of a group that a rule names
      sg-22 sgr-2  tcp 443 from sg-9  (differs in ports, peer)
  SUBNET_ACL_RESTRICTION  acl-1 of subnet-1 refuses it, egress on the way back, by entry 32767; answers reach the client's ports 1024-2000 only: add an entry of a lower number that allows it, for ACLs know no flows and an answer goes to the client's port
  ENI_SG_RULES_MISMATCH  it left by the internet gateway and came back from the public address 192.0.2.5, which no rule of sg-2 (groups of eni-2) matches; sgr-2 would match its private address 10.0.0.5: connect by the public DNS name ec2-192-0-2-9.example, which is the private address inside the VPC (a CNAME record may lead to it)
      sg-2 sgr-0  udp 53 sg-9  (differs in protocol, peer)
      sg-2 sgr-2  tcp 80 sg-9  (differs in peer)
  BAD_STATE  i-2 is stopped: start it, or make it again
  A_CODE_OF_TOMORROW  x-1 odd
`
	var plain, coloured strings.Builder
	Explain(&plain, Style{}, blocked)
	if plain.String() != want {
		t.Errorf("got\n%s\nwant\n%s", plain.String(), want)
	}
	Explain(&coloured, Style{Colour: true}, blocked)
	if got := unpaint(coloured.String()); got != want {
		t.Errorf("colour changes more than colour:\n%s", got)
	}
	if coloured.String() == want {
		t.Error("there is no colour")
	}
}

func unpaint(s string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(s, "\x1b[") {
		if b.Len() > 0 || strings.HasPrefix(s, "\x1b[") {
			_, part, _ = strings.Cut(part, "m")
		}
		b.WriteString(part)
	}
	return b.String()
}

// TestExplainCodes: every code that a walk can give has words of its own, and the
// words a remedy behind a colon.
func TestExplainCodes(t *testing.T) {
	text, err := os.ReadFile("../../decide/reach/reach.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`\bCode = "([A-Z_]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(codes) < 20 {
		t.Fatalf("%d codes in decide/reach", len(codes))
	}
	for _, code := range codes {
		for _, c := range []Cause{{Code: code[1], Component: "x-1"}, {Code: code[1], Component: "x-1", Return: true}} {
			words := prose(c)
			if _, remedy, ok := strings.Cut(words, ": "); !ok || len(remedy) < len("add one") {
				t.Errorf("%s: %q names no remedy", code[1], words)
			}
		}
	}
}
