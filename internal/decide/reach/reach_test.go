package reach_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/state"
)

// text is a report in short: hops as "id" or "id rule", and the codes that block.
func text(r reach.Report) string {
	way := func(hops []reach.Hop) string {
		var words []string
		for _, h := range hops {
			w := h.ID
			if h.Rule != "" {
				w += " " + h.Rule
			}
			if h.Stateful {
				w += " stateful"
			}
			for _, c := range h.Blocked {
				w += " " + string(c.Code)
			}
			words = append(words, w)
		}
		return strings.Join(words, " > ")
	}
	return way(r.Forward) + "\n" + way(r.Return)
}

func query(from, to string, protocol uint8, port uint16) reach.Query {
	end := func(s string) reach.Endpoint {
		switch {
		case strings.HasPrefix(s, "i-"):
			return reach.Endpoint{Instance: s}
		case strings.HasPrefix(s, "eni-"):
			id, a, _ := strings.Cut(s, "/")
			e := reach.Endpoint{Interface: id}
			if a != "" {
				e.Addr = netip.MustParseAddr(a)
			}
			return e
		case s == "":
			return reach.Endpoint{}
		}
		return reach.Endpoint{Addr: netip.MustParseAddr(s)}
	}
	return reach.Query{Scope: fabrictest.Scope, Source: end(from), Destination: end(to), Protocol: protocol, Port: port}
}

const tcp, udp, icmp = fabric.TCP, fabric.UDP, fabric.ICMP

func TestWalk(t *testing.T) {
	filtering := func(out ...state.NetworkAclEntry) func(tx *state.Tx) {
		return func(tx *state.Tx) {
			fabrictest.Acl(tx, "acl-2", "vpc-1", append([]state.NetworkAclEntry{fabrictest.Allow(100, false)}, out...), "subnet-2")
			fabrictest.Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, "subnet-1")
		}
	}
	entry := func(number int32, allow bool, from, to int32) state.NetworkAclEntry {
		e := fabrictest.Allow(number, true)
		e.Allow, e.Protocol, e.FromPort, e.ToPort = allow, "6", from, to
		return e
	}
	for _, test := range []struct {
		name   string
		change func(tx *state.Tx)
		q      reach.Query
		want   string
	}{{
		name: "a group reference lets a member pass",
		q:    query("i-app1", "i-db1", tcp, 5432),
		want: "i-app1 > eni-app1 > sg-app sgr-app-out > acl-1 acl-1/100 > rtb-1 rtb-1/172.30.0.0/16 > acl-1 acl-1/100 > sg-db sgr-db-5432 > eni-db1 > i-db1\n" +
			"i-db1 > eni-db1 > sg-app stateful > acl-1 acl-1/100 > rtb-1 rtb-1/172.30.0.0/16 > acl-1 acl-1/100 > sg-app stateful > eni-app1 > i-app1",
	}, {
		name: "no ACL inside a subnet",
		q:    query("i-app2", "i-db1", tcp, 80),
		want: "i-app2 > eni-app2 > sg-app sgr-app-out > rtb-1 rtb-1/172.30.0.0/16 > sg-app sgr-app-80 > eni-db1 > i-db1\n" +
			"i-db1 > eni-db1 > sg-app stateful > rtb-1 rtb-1/172.30.0.0/16 > sg-app stateful > eni-app2 > i-app2",
	}, {
		name:   "without the rule",
		change: func(tx *state.Tx) { state.SecurityGroupRules.Delete(tx, fabrictest.Scope.Key("sgr-db-5432")) },
		q:      query("i-app2", "i-db1", tcp, 5432),
		want: "i-app2 > eni-app2 > sg-app sgr-app-out > rtb-1 rtb-1/172.30.0.0/16 > sg-app ENI_SG_RULES_MISMATCH > eni-db1 > i-db1\n" +
			"i-db1 > eni-db1 > sg-app stateful > rtb-1 rtb-1/172.30.0.0/16 > sg-app stateful > eni-app2 > i-app2",
	}, {
		name: "a secondary address is a member's too, and belongs to its interface",
		q:    query("eni-app2/172.30.1.5", "172.30.1.224", tcp, 5432),
		want: "i-app2 > eni-app2 > sg-app sgr-app-out > rtb-1 rtb-1/172.30.0.0/16 > sg-db sgr-db-5432 > eni-db1 > i-db1\n" +
			"i-db1 > eni-db1 > sg-app stateful > rtb-1 rtb-1/172.30.0.0/16 > sg-app stateful > eni-app2 > i-app2",
	}, {
		name: "an address that the interface does not have",
		q:    query("eni-app2/172.30.0.4", "i-db1", tcp, 5432),
		want: "i-app2 > eni-app2 ENI_ADDRESS_RESTRICTION > sg-app sgr-app-out > rtb-1 rtb-1/172.30.0.0/16 > sg-db sgr-db-5432 > eni-db1 > i-db1\n",
	}, {
		name: "an address of the VPC that nobody has",
		q:    query("i-app1", "172.30.7.7", tcp, 80),
		want: "i-app1 > eni-app1 > sg-app sgr-app-out > acl-1 acl-1/100 > rtb-1 rtb-1/172.30.0.0/16 NO_POSSIBLE_DESTINATION\n",
	}, {
		name: "an address that nothing routes",
		q:    query("i-db1", "198.51.100.1", tcp, 80),
		want: "i-db1 > eni-db1 > sg-app sgr-app-out > acl-1 acl-1/100 > rtb-1 NO_ROUTE_TO_DESTINATION\n",
	}, {
		name: "the resolver is asked past groups and ACLs",
		change: func(tx *state.Tx) {
			filtering()(tx)
			state.SecurityGroupRules.Delete(tx, fabrictest.Scope.Key("sgr-app-out"))
		},
		q:    query("i-db1", "172.30.0.2", udp, 53),
		want: "i-db1 > eni-db1 > vpc-1 dns\n",
	}, {
		name: "the resolver answers no ping",
		q:    query("i-db1", "169.254.169.253", icmp, 0),
		want: "i-db1 > eni-db1 > vpc-1 NO_POSSIBLE_DESTINATION\n",
	}, {
		name: "no resolver without DNS support",
		change: func(tx *state.Tx) {
			v, _ := state.Vpcs.Get(tx, fabrictest.Scope.Key("vpc-1"))
			next := *v
			next.EnableDnsSupport = false
			state.Vpcs.Put(tx, &next)
		},
		q:    query("i-app1", "172.30.0.2", udp, 53),
		want: "i-app1 > eni-app1 > sg-app sgr-app-out > acl-1 acl-1/100 > rtb-1 rtb-1/172.30.0.0/16 NO_POSSIBLE_DESTINATION\n",
	}, {
		name:   "a stopped instance, and all else that blocks",
		change: func(tx *state.Tx) { fabrictest.Instance(tx, "i-db1", "vpc-1", state.Stopped) },
		q:      query("i-app1", "i-db1", tcp, 443),
		want: "i-app1 > eni-app1 > sg-app sgr-app-out > acl-1 acl-1/100 > rtb-1 rtb-1/172.30.0.0/16 > acl-1 acl-1/100 > sg-app ENI_SG_RULES_MISMATCH > eni-db1 BAD_STATE > i-db1\n" +
			"i-db1 > eni-db1 > sg-app stateful > acl-1 acl-1/100 > rtb-1 rtb-1/172.30.0.0/16 > acl-1 acl-1/100 > sg-app stateful > eni-app1 > i-app1",
	}, {
		name:   "the answer does not pass the ACL",
		change: filtering(entry(100, true, 443, 443)),
		q:      query("i-app1", "i-db1", tcp, 80),
		want: "i-app1 > eni-app1 > sg-app sgr-app-out > acl-1 acl-1/100 > rtb-1 rtb-1/172.30.0.0/16 > acl-2 acl-2/100 > sg-app sgr-app-80 > eni-db1 > i-db1\n" +
			"i-db1 > eni-db1 > sg-app stateful > acl-2 acl-2/32767 SUBNET_ACL_RESTRICTION > rtb-1 rtb-1/172.30.0.0/16 > acl-1 acl-1/100 > sg-app stateful > eni-app1 > i-app1",
	}, {
		name: "a group without rules",
		change: func(tx *state.Tx) {
			fabrictest.Group(tx, "sg-none", "vpc-1", "none")
			fabrictest.Interface(tx, "eni-db1", "vpc-1", "subnet-2", "i-db1", 0, []string{"sg-none"}, "172.30.1.224")
		},
		q: query("i-app2", "i-db1", tcp, 80),
		want: "i-app2 > eni-app2 > sg-app sgr-app-out > rtb-1 rtb-1/172.30.0.0/16 > sg-none SG_HAS_NO_RULES > eni-db1 > i-db1\n" +
			"i-db1 > eni-db1 > sg-none stateful > rtb-1 rtb-1/172.30.0.0/16 > sg-app stateful > eni-app2 > i-app2",
	}, {
		name: "an interface of another VPC",
		change: func(tx *state.Tx) {
			fabrictest.Vpc(tx, "vpc-2", "172.31.0.0/16")
			fabrictest.Subnet(tx, "subnet-9", "vpc-2", 1, "172.31.0.0/24")
			fabrictest.Group(tx, "sg-9", "vpc-2", "nine")
			fabrictest.Instance(tx, "i-9", "vpc-2", state.Running)
			fabrictest.Interface(tx, "eni-9", "vpc-2", "subnet-9", "i-9", 0, []string{"sg-9"}, "172.31.0.4")
		},
		q:    query("i-app1", "i-9", tcp, 80),
		want: "i-app1 > eni-app1 > sg-app sgr-app-out > acl-1 acl-1/100 > rtb-1 DISCONNECTED_VPCS\n",
	}} {
		t.Run(test.name, func(t *testing.T) {
			s := fabrictest.Small(t)
			if test.change != nil {
				s.Change(t, test.change)
			}
			if got := text(reach.Walk(s.Snapshot(), test.q)); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestEndpointsThatAreNotThere(t *testing.T) {
	s := fabrictest.Small(t)
	for _, test := range []struct {
		from, to string
		want     reach.Code
	}{
		{"i-none", "i-db1", reach.UnknownResource},
		{"i-app1", "eni-none", reach.UnknownResource},
		{"", "i-db1", reach.NoSourceOrDest},
		{"i-app1", "", reach.NoSourceOrDest},
	} {
		r := reach.Walk(s.Snapshot(), query(test.from, test.to, tcp, 80))
		if r.Reachable || len(r.Because) != 1 || r.Because[0].Code != test.want {
			t.Errorf("%q to %q: got %v %+v, want %s", test.from, test.to, r.Reachable, r.Because, test.want)
		}
	}
}

// An address alone as source is an interface's of the destination's VPC, though
// another VPC has the same addresses.
func TestASourceByAddress(t *testing.T) {
	s := fabrictest.Small(t)
	snap, _ := s.Change(t, func(tx *state.Tx) {
		fabrictest.Vpc(tx, "vpc-0", "172.30.0.0/16")
		fabrictest.Subnet(tx, "subnet-0", "vpc-0", 1, "172.30.0.0/24")
		fabrictest.Interface(tx, "eni-0", "vpc-0", "subnet-0", "", 0, nil, "172.30.0.4")
	})
	if r := reach.Walk(snap, query("172.30.0.4", "i-db1", tcp, 5432)); !r.Reachable || r.Forward[0].ID != "i-app1" {
		t.Errorf("got %s", text(r))
	}
	if r := reach.Walk(snap, query("172.30.0.4", "172.30.0.4", tcp, 5432)); len(r.Because) != 1 || r.Because[0].Code != reach.NoSourceOrDest {
		t.Errorf("addresses that two VPCs have: %s", text(r))
	}
}

// A mismatch says in what each rule differs, so that a remedy can be named: here
// the peer is a group that the sender is no member of (scenario S1).
func TestAMismatchNamesTheMissingPeer(t *testing.T) {
	s := fabrictest.Small(t)
	snap, _ := s.Change(t, func(tx *state.Tx) {
		fabrictest.Group(tx, "sg-other", "vpc-1", "other")
		fabrictest.Rule(tx, "sgr-other", "sg-other", true, "-1", -1, -1, "0.0.0.0/0")
		fabrictest.Interface(tx, "eni-app2", "vpc-1", "subnet-2", "i-app2", 0, []string{"sg-other"}, "172.30.1.4")
	})
	r := reach.Walk(snap, query("i-app2", "i-db1", tcp, 5432))
	if len(r.Because) != 1 || r.Because[0].Code != reach.EniGroupRules || r.Because[0].Direction != fabric.Ingress {
		t.Fatalf("got %+v", r.Because)
	}
	c := r.Because[0]
	if c.Interface != "eni-db1" || !slices.Equal(c.Groups, []string{"sg-app", "sg-db"}) {
		t.Errorf("the cause is about %s and %v", c.Interface, c.Groups)
	}
	for _, rule := range c.Rules {
		if rule.Rule.ID == "sgr-db-5432" && rule.Miss != (reach.Miss{Peer: true}) {
			t.Errorf("%s misses by %+v, want the peer alone", rule.Rule.ID, rule.Miss)
		}
		if rule.Rule.ID == "sgr-app-80" && rule.Miss != (reach.Miss{Ports: true}) {
			t.Errorf("%s misses by %+v, want the port alone", rule.Rule.ID, rule.Miss)
		}
	}
}

func TestPortsThatGetAnswers(t *testing.T) {
	s := fabrictest.Small(t)
	snap, _ := s.Change(t, func(tx *state.Tx) {
		deny, allow := fabrictest.Allow(10, true), fabrictest.Allow(20, true)
		deny.Allow, deny.Protocol, deny.FromPort, deny.ToPort = false, "6", 40000, 49999
		allow.Protocol, allow.FromPort, allow.ToPort = "6", 32768, 65535
		fabrictest.Acl(tx, "acl-2", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, false), deny, allow}, "subnet-2")
		fabrictest.Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, "subnet-1")
	})
	q := query("i-app1", "i-db1", tcp, 80)
	r := reach.Walk(snap, q)
	if len(r.Because) != 1 || r.Because[0].Rule != "acl-2/10" || fmt.Sprint(r.Because[0].Ports) != "[32768-39999 50000-60999]" {
		t.Errorf("got %+v", r.Because)
	}
	if !r.Arrives || r.Reachable {
		t.Errorf("arrives %v, reachable %v; want the way there alone", r.Arrives, r.Reachable)
	}
	q.SourcePort = 50000
	if r := reach.Walk(snap, q); !r.Reachable {
		t.Errorf("from port 50000: %+v", r.Because)
	}
}

func BenchmarkWalk(b *testing.B) {
	s := fabrictest.Open(b)
	defer s.Close()
	snap, _ := s.Change(b, func(tx *state.Tx) { fabrictest.Large(tx, 1000, 60) })
	q := query("i-0", "i-999", tcp, 443)
	if r := reach.Walk(snap, q); !r.Reachable {
		b.Fatalf("%+v", r.Because)
	}
	b.ReportAllocs()
	for b.Loop() {
		reach.Walk(snap, q)
	}
}
