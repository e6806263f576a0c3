package fabric

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"github.com/localvpc/localvpc/internal/state"
)

// Acl is a network ACL: numbered entries per direction, the first one that
// matches decides, and what none matches is denied.
type Acl struct {
	Key     state.Key
	VPC     string
	Ingress []Entry
	Egress  []Entry
}

// Entry is one entry of an ACL.
type Entry struct {
	Number int32
	Allow  bool
	Match
}

// ID is the id of an entry, as a cause: acl-…/100.
func (a Acl) ID(e Entry) string { return a.Key.ID + "/" + strconv.Itoa(int(e.Number)) }

// LoadAcl derives an ACL.
func LoadAcl(r state.Reader, k state.Key) (Acl, bool) {
	row, ok := state.NetworkAcls.Get(r, k)
	if !ok || !hasVPC(r, k.Scope(), row.VpcID) {
		return Acl{}, false
	}
	return newAcl(row), true
}

func newAcl(row *state.NetworkAcl) Acl {
	a := Acl{Key: row.Key, VPC: row.VpcID}
	for _, e := range row.Entries {
		if e.Number >= state.DefaultAclRule {
			continue
		}
		m := newMatch(e.Protocol, e.FromPort, e.ToPort, e.ICMPType, e.ICMPCode, e.Cidr)
		entry := Entry{e.Number, e.Allow, m}
		if e.Egress {
			a.Egress = append(a.Egress, entry)
		} else {
			a.Ingress = append(a.Ingress, entry)
		}
	}
	byNumber := func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Family(), b.Family()))
	}
	slices.SortFunc(a.Ingress, byNumber)
	slices.SortFunc(a.Egress, byNumber)
	return a
}

// Entries gives the entries of one direction.
func (a Acl) Entries(dir Direction) []Entry {
	if dir == Egress {
		return a.Egress
	}
	return a.Ingress
}

// Denial is the entry that denies what no other one of its direction matches.
var Denial = Entry{Number: state.DefaultAclRule, Match: Match{Protocol: AnyProtocol, Ports: AllPorts, Type: -1, Code: -1}}

// Open says whether the ACL lets every IPv4 packet of the direction pass, as
// the default one does.
func (a Acl) Open(dir Direction) bool {
	for _, e := range a.Entries(dir) {
		if e.Void == "" && e.Family() == 4 {
			return e.Allow && e.Protocol == AnyProtocol && e.Cidr.Bits() == 0
		}
	}
	return false
}

// Decide gives the entry that decides about a header.
func (a Acl) Decide(dir Direction, h Header) Entry {
	peer := h.Src
	if dir == Egress {
		peer = h.Dst
	}
	for _, e := range a.Entries(dir) {
		if e.Asks(h, peer, noMember) {
			return e
		}
	}
	return Denial
}

func noMember(Match, netip.Addr) bool { return false }

// AclOf finds the ACL of a subnet.
func AclOf(r state.Reader, scope state.Scope, subnet string) (Acl, bool) {
	if row := aclRow(r, scope, subnet); row != nil {
		return newAcl(row), true
	}
	return Acl{}, false
}

func aclRow(r state.Reader, scope state.Scope, subnet string) *state.NetworkAcl {
	for row := range state.NetworkAcls.By(r, state.BySubnet, subnet) {
		if row.Scope() == scope {
			return row
		}
	}
	return nil
}
