package fabric_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/state"
)

func TestRulesNormalised(t *testing.T) {
	for _, test := range []struct {
		protocol string
		from, to int32
		peer     string
		want     string
	}{
		{"tcp", 80, 80, "10.0.0.0/8", "tcp 80 10.0.0.0/8"},
		{"6", 80, 90, "10.0.0.0/8", "tcp 80-90 10.0.0.0/8"},
		{"tcp", -1, -1, "10.0.0.0/8", "tcp 0-65535 10.0.0.0/8"},
		{"udp", 90, 80, "10.0.0.0/8", "udp 90-80 10.0.0.0/8 (the range is empty)"},
		{"-1", 80, 80, "10.0.0.0/8", "all 10.0.0.0/8"},
		{"-1", -1, -1, "sg-1", "all sg-1"},
		{"50", 80, 80, "10.0.0.7/8", "protocol 50 10.0.0.0/8"},
		{"icmp", 8, -1, "10.0.0.0/8", "icmp type 8 code -1 10.0.0.0/8"},
		{"icmp", -1, -1, "10.0.0.0/8", "icmp type -1 code -1 10.0.0.0/8"},
		{"1", 3, 4, "10.0.0.0/8", "icmp type 3 code 4 10.0.0.0/8"},
		{"icmpv6", -1, -1, "10.0.0.0/8", "icmp type -1 code -1 10.0.0.0/8 (the protocol and the address are of different IP versions)"},
		{"icmp", -1, -1, "2001:db8::/32", "icmp type -1 code -1 2001:db8::/32 (the protocol and the address are of different IP versions)"},
		{"tcp", 80, 80, "sg-none", "tcp 80 sg-none (the group does not exist in this VPC)"},
		{"tcp", 80, 80, "sg-elsewhere", "tcp 80 sg-elsewhere (the group is in a VPC that no active peering connection of this Region joins)"},
		{"tcp", 80, 80, "pl-1", "tcp 80 (the prefix list does not exist)"},
		{"256", -1, -1, "10.0.0.0/8", "protocol 256 10.0.0.0/8 (the protocol is not known)"},
		{"sctp", -1, -1, "10.0.0.0/8", "protocol 0 10.0.0.0/8 (the protocol is not known)"},
	} {
		t.Run(test.protocol+" "+test.peer, func(t *testing.T) {
			s := fabrictest.Open(t)
			defer s.Close()
			snap, _ := s.Change(t, func(tx *state.Tx) {
				fabrictest.Vpc(tx, "vpc-1", "10.0.0.0/16")
				fabrictest.Vpc(tx, "vpc-2", "10.0.0.0/16")
				fabrictest.Group(tx, "sg-1", "vpc-1", "one")
				fabrictest.Group(tx, "sg-elsewhere", "vpc-2", "two")
				fabrictest.Rule(tx, "sgr-1", "sg-1", false, test.protocol, test.from, test.to, test.peer)
			})
			g, ok := fabric.LoadGroup(snap, fabrictest.Scope.Key("sg-1"))
			if !ok || len(g.Ingress) != 1 || g.Ingress[0].String() != test.want {
				t.Errorf("got %v, want %s", g.Ingress, test.want)
			}
		})
	}
}

// Rules of IPv6 and of groups are about IPv4 packets only where they can be.
func TestFamilies(t *testing.T) {
	packet := fabric.Header{Src: netip.MustParseAddr("10.0.0.4"), Dst: netip.MustParseAddr("10.0.0.5"), Protocol: fabric.ICMPv6}
	everybody := func(fabric.Match, netip.Addr) bool { return true }
	for _, test := range []struct {
		match fabric.Match
		want  bool
	}{
		{fabric.Match{Protocol: fabric.AnyProtocol, Group: "sg-1"}, true},
		{fabric.Match{Protocol: fabric.ICMPv6, Type: -1, Code: -1, Group: "sg-1"}, false},
		{fabric.Match{Protocol: fabric.AnyProtocol, Cidr: netip.MustParsePrefix("::/0")}, false},
		{fabric.Match{Protocol: fabric.AnyProtocol, Cidr: netip.MustParsePrefix("0.0.0.0/0")}, true},
	} {
		if got := test.match.Asks(packet, packet.Src, everybody); got != test.want {
			t.Errorf("%s: matches %v, want %v", test.match, got, test.want)
		}
	}
}

func TestReplies(t *testing.T) {
	for _, test := range []struct {
		typ, answer uint8
		ok          bool
	}{{8, 0, true}, {13, 14, true}, {17, 18, true}, {0, 0, false}, {3, 0, false}, {11, 0, false}} {
		h, ok := fabric.Header{Protocol: fabric.ICMP, Type: test.typ, Code: 3}.Reply()
		if ok != test.ok || ok && (h.Type != test.answer || h.Code != 3) {
			t.Errorf("type %d: got %v %v, want type %d %v", test.typ, h, ok, test.answer, test.ok)
		}
	}
}

// A change names few units: those whose values it changes.
func TestAffected(t *testing.T) {
	instance := func(tx *state.Tx, change func(*state.Instance)) {
		row, _ := state.Instances.Get(tx, fabrictest.Scope.Key("i-app2"))
		next := *row
		change(&next)
		state.Instances.Put(tx, &next)
	}
	for _, test := range []struct {
		name   string
		change func(tx *state.Tx)
		want   string
	}{
		{"a tag on an instance", func(tx *state.Tx) { instance(tx, func(i *state.Instance) { i.Tags = i.Tags.With("a", "b") }) }, "[]"},
		{"pending to running", func(tx *state.Tx) { fabrictest.Instance(tx, "i-db1", "vpc-1", state.Running) }, "[]"},
		{"an instance that is stopping is there still", func(tx *state.Tx) { instance(tx, func(i *state.Instance) { i.State = state.Stopping }) }, "[]"},
		{"an instance stops", func(tx *state.Tx) { instance(tx, func(i *state.Instance) { i.State = state.Stopped }) }, "[port eni-app2]"},
		{"a rule", func(tx *state.Tx) { fabrictest.Rule(tx, "sgr-other", "sg-db", false, "-1", -1, -1, "sg-app") }, "[security-group sg-db]"},
		{"a member joins", func(tx *state.Tx) {
			fabrictest.Interface(tx, "eni-app1", "vpc-1", "subnet-1", "i-app1", 0, []string{"sg-db"}, "172.30.0.4")
		}, "[port eni-app1]"},
		{"a second interface", func(tx *state.Tx) {
			fabrictest.Interface(tx, "eni-other", "vpc-1", "subnet-1", "i-app1", 1, []string{"sg-db"}, "172.30.0.9")
		}, "[port eni-app1 port eni-other]"},
		{"an interface is detached", func(tx *state.Tx) {
			fabrictest.Interface(tx, "eni-app2", "vpc-1", "subnet-2", "", 0, []string{"sg-app"}, "172.30.1.4", "172.30.1.5")
		}, "[port eni-app2]"},
		{"an interface goes to another instance", func(tx *state.Tx) {
			fabrictest.Interface(tx, "eni-app2", "vpc-1", "subnet-2", "i-db1", 1, []string{"sg-app"}, "172.30.1.4", "172.30.1.5")
		}, "[port eni-app2 port eni-db1]"},
		{"a secondary address", func(tx *state.Tx) {
			fabrictest.Interface(tx, "eni-app2", "vpc-1", "subnet-2", "i-app2", 0, []string{"sg-app"}, "172.30.1.4")
		}, "[port eni-app2]"},
		{"a group is renamed", func(tx *state.Tx) { fabrictest.Group(tx, "sg-app", "vpc-1", "x") }, "[security-group sg-app]"},
		{"a group goes", func(tx *state.Tx) { state.SecurityGroups.Delete(tx, fabrictest.Scope.Key("sg-app")) },
			"[security-group sg-app security-group sg-db port eni-app1 port eni-app2 port eni-db1]"},
		{"an ACL", func(tx *state.Tx) { fabrictest.Acl(tx, "acl-1", "vpc-1", nil, "subnet-1") },
			"[vpc vpc-1 subnet subnet-1 subnet subnet-2 network-acl acl-1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := fabrictest.Small(t)
			snap, changes := s.Change(t, test.change)
			if len(changes) != 1 {
				t.Fatalf("%d changes", len(changes))
			}
			got := []string{}
			for _, u := range fabric.Affected(snap, changes[0]) {
				got = append(got, string(u.Kind)+" "+u.Key.ID)
			}
			if fmt.Sprint(got) != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for id, want := range map[string]string{
		"eni-0123456789abcdef0": "e3456789abcdef0",
		"eni-12345678":          "e12345678",
	} {
		if got := fabric.LinkName(id); got != want || len(got) > 15 {
			t.Errorf("link of %s: got %s, want %s", id, got, want)
		}
	}
	if got := fabric.RouterMAC("02:ab:cd:ef:01:23"); got != "42:ab:cd:ef:01:23" {
		t.Errorf("gateway of 02:ab:cd:ef:01:23 has %s", got)
	}
}
