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
	Groups    []string
	Rules     []Considered
	Addresses []string
	Ports     []string // the client's ports that do get answers
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

// prose says what a code means for this cause and names the remedy.
func prose(c Cause) string {
	where := ""
	if c.Return {
		where = " on the way back"
	}
	groups := strings.Join(c.Groups, ", ")
	switch c.Code {
	case "ENI_SG_RULES_MISMATCH":
		return fmt.Sprintf("no %s rule of %s (groups of %s) allows it%s: add a rule, or make the peer a member of a group that a rule names", c.Direction, groups, c.Interface, where)
	case "SG_HAS_NO_RULES":
		return fmt.Sprintf("%s (groups of %s) has no %s rules%s: add one", groups, c.Interface, c.Direction, where)
	case "SUBNET_ACL_RESTRICTION":
		text := fmt.Sprintf("%s of %s refuses it, %s%s, by entry %s", c.Component, c.Subnet, c.Direction, where, c.Rule)
		if len(c.Ports) > 0 {
			text += "; answers reach the client's ports " + strings.Join(c.Ports, ", ") + " only"
		}
		return text
	case "NO_ROUTE_TO_DESTINATION":
		return fmt.Sprintf("%s has no route to the destination%s", c.Component, where)
	case "NO_POSSIBLE_DESTINATION":
		return "no interface of the VPC has the destination's address"
	case "ENI_ADDRESS_RESTRICTION":
		return fmt.Sprintf("%s has the addresses %s: packets from or to another one are dropped", c.Interface, strings.Join(c.Addresses, ", "))
	case "BAD_STATE":
		return fmt.Sprintf("%s is %s: start it", c.Component, c.State)
	case "BAD_STATE_ATTACHMENT", "UNASSOCIATED_COMPONENT":
		return fmt.Sprintf("%s is attached to no instance", c.Component)
	case "BAD_STATE_ROUTE":
		return fmt.Sprintf("the route %s is a blackhole: its target is gone%s", c.Rule, where)
	case "DISCONNECTED_VPCS":
		return "source and destination are in VPCs that nothing connects"
	case "UNSUPPORTED_COMPONENT":
		return fmt.Sprintf("the route %s leads to %s, through which localvpc carries no packets%s", c.Rule, c.Component, where)
	case "UNKNOWN_RESOURCE", "NO_SOURCE_OR_DESTINATION":
		return fmt.Sprintf("there is no %s", c.Component)
	}
	return strings.TrimSpace(c.Component + " " + c.State)
}
