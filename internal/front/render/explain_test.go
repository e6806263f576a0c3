package render

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	blocked := Explanation{
		Packet: "tcp web > db:80 (10.0.0.5 > 10.0.0.9)",
		Forward: []Hop{
			{Kind: "security-group", ID: "sg-1", Direction: "egress", Rule: "sgr-1"},
			{Kind: "security-group", ID: "sg-22", Direction: "ingress", Blocked: true},
		},
		Return: []Hop{{Kind: "security-group", ID: "sg-22", Direction: "egress", Stateful: true}},
		Because: []Cause{
			{Code: "ENI_SG_RULES_MISMATCH", Interface: "eni-2", Direction: "ingress", Groups: []string{"sg-22", "sg-3"},
				Rules: []Considered{{Group: "sg-22", Rule: "sgr-2", Text: "tcp 443 from sg-9", Differs: []string{"ports", "peer"}}}},
			{Code: "SUBNET_ACL_RESTRICTION", Component: "acl-1", Subnet: "subnet-1", Direction: "egress", Rule: "32767", Return: true, Ports: []string{"1024-2000"}},
			{Code: "BAD_STATE", Component: "i-2", State: "stopped"},
			{Code: "A_CODE_OF_TOMORROW", Component: "x-1", State: "odd"},
		},
	}
	const want = `tcp web > db:80 (10.0.0.5 > 10.0.0.9): not reachable
there
  pass  security-group  sg-1   egress   sgr-1
  STOP  security-group  sg-22  ingress
back
  pass  security-group  sg-22  egress  stateful: the way there passed
because
  ENI_SG_RULES_MISMATCH  no ingress rule of sg-22, sg-3 (groups of eni-2) allows it: add a rule, or make the peer a member of a group that a rule names
      sg-22 sgr-2  tcp 443 from sg-9  (differs in ports, peer)
  SUBNET_ACL_RESTRICTION  acl-1 of subnet-1 refuses it, egress on the way back, by entry 32767; answers reach the client's ports 1024-2000 only
  BAD_STATE  i-2 is stopped: start it
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

// TestExplainCodes: every code that a walk can give has words of its own.
func TestExplainCodes(t *testing.T) {
	for _, code := range []string{
		"ENI_SG_RULES_MISMATCH", "SG_HAS_NO_RULES", "SUBNET_ACL_RESTRICTION", "NO_ROUTE_TO_DESTINATION", "NO_POSSIBLE_DESTINATION", "ENI_ADDRESS_RESTRICTION",
		"BAD_STATE", "BAD_STATE_ATTACHMENT", "UNASSOCIATED_COMPONENT", "BAD_STATE_ROUTE", "DISCONNECTED_VPCS", "UNSUPPORTED_COMPONENT", "UNKNOWN_RESOURCE", "NO_SOURCE_OR_DESTINATION",
	} {
		if text := prose(Cause{Code: code, Component: "x-1"}); len(text) < len("there is no x-1") || text == "x-1" {
			t.Errorf("%s: %q", code, text)
		}
	}
}
