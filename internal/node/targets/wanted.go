package targets

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// Ask is what a node asks a target.
type Ask struct {
	Space string         // the balancer's namespace
	From  netip.Addr     // the node's own address
	To    netip.AddrPort // where the target is checked
	Check state.TargetCheck
	// Proxied: what it is told begins with the header of the proxy protocol.
	Proxied bool
}

// wanted gives the checks that a target group asks for, and the facts that are of no
// check any more.
func wanted(r state.Reader, group state.Key) (want map[source]Ask, stale []source) {
	g, ok := state.TargetGroups.Get(r, group)
	if !ok {
		return nil, nil
	}
	want = map[source]Ask{}
	for _, b := range balance.Balancers(r, g) {
		if !balance.Carries(b) {
			continue
		}
		for _, n := range b.Nodes {
			for _, t := range balance.Candidates(r, b, n.Zone, g) {
				port := t.Port
				if g.Check.Port != 0 {
					port = uint16(g.Check.Port)
				}
				want[source{t.Row.Key, b.ID, n.Zone}] = Ask{balance.Space(b), n.PrivateIP, netip.AddrPortFrom(t.Addr, port), g.Check, balance.Proxied(g)}
			}
		}
	}
	for _, t := range balance.Targets(r, g) {
		for _, h := range t.Health {
			s := source{t.Key, h.BalancerID, h.Zone}
			if _, ok := want[s]; !ok {
				stale = append(stale, s)
			}
		}
	}
	return want, stale
}

// groupsOf names the target groups whose checks commits may have changed. What is
// found out about a target changes none.
func groupsOf(r state.Reader, commits []state.Commit) map[state.Key]struct{} {
	groups := map[state.Key]struct{}{}
	add := func(scope state.Scope, id string) { groups[scope.Key(id)] = struct{}{} }
	of := func(scope state.Scope, target string) {
		for t := range state.Targets.By(r, state.ByInstance, target) {
			if t.Scope() == scope {
				add(scope, t.GroupID)
			}
		}
	}
	for _, commit := range commits {
		for _, ch := range commit.Changes {
			scope := ch.Key.Scope()
			for _, row := range []state.Resource{ch.Before, ch.After} {
				switch row := row.(type) {
				case *state.TargetGroup:
					add(scope, row.ID)
				case *state.Target:
					if !onlyHealth(ch) {
						add(scope, row.GroupID)
					}
				case *state.Listener:
					add(scope, row.TargetsID)
				case *state.LoadBalancer:
					for _, l := range balance.Listeners(r, row) {
						add(scope, l.TargetsID)
					}
				case *state.Instance:
					of(scope, row.ID)
				case *state.NetworkInterface:
					if row.Attachment != nil && row.Attachment.DeviceIndex == 0 {
						of(scope, row.Attachment.InstanceID)
					}
				}
			}
		}
	}
	return groups
}

func onlyHealth(ch state.Change) bool {
	before, _ := ch.Before.(*state.Target)
	after, _ := ch.After.(*state.Target)
	return before != nil && after != nil && before.Drains.Equal(after.Drains) && before.Zone == after.Zone && before.Port == after.Port && before.Target == after.Target
}
