package render

import (
	"fmt"
	"io"
	"strings"
)

// Explanation is what /_localvpc/explain answers: a packet's way, and every
// reason why it would not arrive.
type Explanation struct {
	Reachable   bool
	Packet      string // "tcp 10.0.0.5 > 10.0.1.9:5432"
	Source      string // id of the component, or the address
	Destination string
	Forward     []Hop
	Return      []Hop
	Because     []Cause // all that blocks, in the order of the hops
}

// Hop is one component on the way.
type Hop struct {
	Kind      string // "security-group", "network-acl", …
	ID        string
	Direction string // "egress", "ingress", or empty
	Rule      string // id of what let it pass or refused it
	Packet    string // its addresses as it arrives here, "10.0.0.5 > 203.0.113.9"
	After     string // those that a gateway sends it on with; empty: the same
	Stateful  bool   // passes because the way there did
	Blocked   bool
}

// Cause is one reason, with AWS's explanation code.
type Cause struct {
	Code      string
	Component string
	Direction string
	Return    bool // on the way back
	Interface string
	Subnet    string
	Rule      string
	State     string
	Zone      string // of a load balancer's node
	Peering   string // the peering connection that the packet comes by, or could go by
	Groups    []string
	Rules     []Considered
	Addresses []string
	Ports     []string // the client's ports that do get answers
	Packet    string   // its addresses where it is refused
	Was       string   // the sender's address before the gateway, which a rule would allow
	Name      string   // the public DNS name that leads to the private address inside the VPC
}

// Considered is a rule that did not match, and in what: "protocol", "ports", "peer".
type Considered struct {
	Group, Rule, Text string
	Differs           []string
}

// Explain writes an explanation as prose.
func Explain(w io.Writer, s Style, e Explanation) {
	verdict := s.Good("reachable")
	if !e.Reachable {
		verdict = s.Bad("not reachable")
	}
	fmt.Fprintf(w, "%s: %s\n", e.Packet, verdict)
	way(w, s, "there", e.Forward)
	way(w, s, "back", e.Return)
	if len(e.Because) == 0 {
		return
	}
	fmt.Fprintln(w, s.Bold("because"))
	for _, c := range e.Because {
		fmt.Fprintf(w, "  %s  %s\n", s.Bad(c.Code), prose(c))
		for _, r := range c.Rules {
			fmt.Fprintf(w, "      %s %s  %s%s\n", r.Group, r.Rule, r.Text, differs(r.Differs))
		}
	}
}

func way(w io.Writer, s Style, name string, hops []Hop) {
	if len(hops) == 0 {
		return
	}
	fmt.Fprintln(w, s.Bold(name))
	rows := [][]string{}
	for _, h := range hops {
		mark := s.Good("pass")
		if h.Blocked {
			mark = s.Bad("STOP")
		}
		why := h.Rule
		if h.After != "" {
			why = h.Packet + " becomes " + h.After
		}
		if h.Stateful {
			why = "stateful: the way there passed"
		}
		rows = append(rows, []string{"  " + mark, h.Kind, h.ID, h.Direction, why})
	}
	plainTable(w, rows)
}

// plainTable is Table without a heading; cells may hold colour in the first column only.
func plainTable(w io.Writer, rows [][]string) {
	width := make([]int, 5)
	for _, r := range rows {
		for i, c := range r[1:] {
			width[i+1] = max(width[i+1], len(c))
		}
	}
	for _, r := range rows {
		line := r[0]
		for i, c := range r[1:] {
			line += "  " + c + strings.Repeat(" ", width[i+1]-len(c))
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

func differs(in []string) string {
	if len(in) == 0 {
		return ""
	}
	return "  (differs in " + strings.Join(in, ", ") + ")"
}
