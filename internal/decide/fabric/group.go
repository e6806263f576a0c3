package fabric

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/state"
)

// Group is a security group with its rules in the order of Compare.
type Group struct {
	Key     state.Key
	VPC     string
	Name    string
	Guards  bool // it is a balancer's
	Ingress []Rule
	Egress  []Rule
}

// Rule is one rule of a group.
type Rule struct {
	ID string // sgr-…
	Match
}

// Class is the first criterion of the rules' order.
func (r Rule) Class() int {
	switch {
	case r.Group != "" || r.Family() != 4 || r.Void != "":
		return 2
	case r.Protocol == AnyProtocol:
		return 0
	case r.HasPorts():
		return 1
	}
	return 2
}

// Compare orders the rules of a group in one direction. All of them allow, so
// the verdict does not depend on the order; the rule that is named as the cause
// is the first one that matches. Wider rules come first: what a wider one
// covers needs no place of its own in the kernel.
func (r Rule) Compare(o Rule) int {
	class := r.Class()
	if c := cmp.Compare(class, o.Class()); c != 0 {
		return c
	}
	if class == 2 {
		return cmp.Or(cmp.Compare(r.ID, o.ID), r.Cidr.Addr().Compare(o.Cidr.Addr()), cmp.Compare(r.Cidr.Bits(), o.Cidr.Bits()))
	}
	if c := cmp.Compare(r.Cidr.Bits(), o.Cidr.Bits()); c != 0 {
		return c
	}
	if class == 1 {
		if c := cmp.Compare(o.Ports.Hi-o.Ports.Lo, r.Ports.Hi-r.Ports.Lo); c != 0 {
			return c
		}
	}
	return cmp.Or(r.Cidr.Addr().Compare(o.Cidr.Addr()), cmp.Compare(r.Protocol, o.Protocol),
		cmp.Compare(r.Ports.Lo, o.Ports.Lo), cmp.Compare(r.ID, o.ID))
}

// LoadGroup derives a group. A group whose VPC is not there is not there either.
func LoadGroup(r state.Reader, k state.Key) (Group, bool) {
	g, ok := state.SecurityGroups.Get(r, k)
	if !ok || !hasVPC(r, k.Scope(), g.VpcID) {
		return Group{}, false
	}
	out := Group{Key: k, VPC: g.VpcID, Name: g.Name, Guards: guards(r, k)}
	for row := range state.SecurityGroupRules.By(r, state.ByGroup, k.ID) {
		if row.Scope() != k.Scope() {
			continue
		}
		rules := NewRules(r, g, row)
		if row.Egress {
			out.Egress = append(out.Egress, rules...)
		} else {
			out.Ingress = append(out.Ingress, rules...)
		}
	}
	slices.SortFunc(out.Ingress, Rule.Compare)
	slices.SortFunc(out.Egress, Rule.Compare)
	return out, true
}

// NewRules normalises one rule of a group: it is one for each entry of a prefix
// list, all with its id, and otherwise one.
func NewRules(r state.Reader, g *state.SecurityGroup, row *state.SecurityGroupRule) []Rule {
	match := func(cidr netip.Prefix) Match {
		return newMatch(row.Protocol, row.FromPort, row.ToPort, row.FromPort, row.ToPort, cidr)
	}
	if list, ok := state.PrefixLists.Get(r, g.Scope().Key(row.Peer.PrefixListID)); ok {
		entries := list.Entries()
		rules := make([]Rule, len(entries))
		for i, e := range entries {
			rules[i] = Rule{row.ID, match(e.Cidr)}
		}
		return rules
	}
	m := match(row.Peer.Cidr)
	switch {
	case row.Peer.GroupID != "":
		m.Group = row.Peer.GroupID
		m.Through = !row.Egress && guards(r, g.Scope().Key(m.Group))
		if m.Group == g.ID {
			break
		}
		peer, ok := peerGroup(r, row)
		switch {
		case !ok:
			m.Void = VoidGroup
		case peer.VpcID == g.VpcID && peer.Scope() == g.Scope():
		default:
			if m.Peering = foreign(r, g, peer); m.Peering == "" {
				m.Void = VoidPeering
			}
		}
	case !m.Cidr.IsValid():
		m.Void = VoidPrefixList
	}
	return []Rule{{row.ID, m}}
}

// FirstRule is the rule that lets a header pass the groups (sorted ids, as in
// Port.Groups) in a direction: the first one of the first group that has one.
func FirstRule(r state.Reader, scope state.Scope, groups []string, dir Direction, h Header, member func(Match, netip.Addr) bool) (group string, rule Rule, ok bool) {
	peer := h.Src
	if dir == Egress {
		peer = h.Dst
	}
	for _, id := range groups {
		g, found := state.SecurityGroups.Get(r, scope.Key(id))
		if !found {
			continue
		}
		for row := range state.SecurityGroupRules.By(r, state.ByGroup, id) {
			if row.Egress != (dir == Egress) || row.Scope() != scope {
				continue
			}
			for _, next := range NewRules(r, g, row) {
				if next.Asks(h, peer, member) && (!ok || next.Compare(rule) < 0) {
					rule, ok = next, true
				}
			}
		}
		if ok {
			return id, rule, true
		}
	}
	return "", Rule{}, false
}
