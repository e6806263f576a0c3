package fabric_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/state"
)

// TestPrefixList: a rule that refers to a list is one for each of its entries,
// and follows it.
func TestPrefixList(t *testing.T) {
	s := fabrictest.Small(t)
	s.Change(t, func(tx *state.Tx) {
		fabrictest.List(tx, "pl-1", "172.30.1.0/24", "0.0.0.0/0", "2001:db8::/32")
		fabrictest.List(tx, "pl-empty")
		fabrictest.Group(tx, "sg-list", "vpc-1", "list")
		fabrictest.Rule(tx, "sgr-list", "sg-list", false, "tcp", 443, 443, "pl-1")
		fabrictest.Rule(tx, "sgr-empty", "sg-list", false, "tcp", 22, 22, "pl-empty")
		main, _ := state.RouteTables.Get(tx, fabrictest.Scope.Key("rtb-1"))
		next := *main
		next.Routes = append([]state.Route{{PrefixListID: "pl-1", InterfaceID: "eni-app1"}}, main.Routes...)
		state.RouteTables.Put(tx, &next)
	})
	want := func(change func(tx *state.Tx), affected, rules string) {
		t.Helper()
		snap, changes := s.Change(t, change)
		units := []string{}
		for _, c := range changes {
			for _, u := range fabric.Affected(snap, c) {
				units = append(units, string(u.Kind)+" "+u.Key.ID)
			}
		}
		g, _ := fabric.LoadGroup(snap, fabrictest.Scope.Key("sg-list"))
		if got := fmt.Sprint(g.Ingress); got != rules || fmt.Sprint(units) != affected {
			t.Errorf("rules %s, units %v\nwant  %s, units %s", got, units, rules, affected)
		}
	}
	list := func(change func(*state.PrefixList)) func(tx *state.Tx) {
		return func(tx *state.Tx) {
			row, _ := state.PrefixLists.Get(tx, fabrictest.Scope.Key("pl-1"))
			next := *row
			change(&next)
			state.PrefixLists.Put(tx, &next)
		}
	}
	want(list(func(l *state.PrefixList) { l.Name, l.MaxEntries = "x", 9 }), "[]",
		"[tcp 443 0.0.0.0/0 tcp 443 172.30.1.0/24 tcp 443 2001:db8::/32]")
	want(list(func(l *state.PrefixList) {
		l.Versions = append([]state.PrefixListVersion{}, l.Versions...)
		l.Versions = append(l.Versions, state.PrefixListVersion{Version: 2, Entries: []state.PrefixListEntry{{Cidr: netip.MustParsePrefix("172.30.1.4/32")}}})
	}), "[route-table rtb-1 security-group sg-list]", "[tcp 443 172.30.1.4/32]")
	header := fabric.Header{Src: netip.MustParseAddr("172.30.1.4"), Dst: netip.MustParseAddr("172.30.0.4"), Protocol: fabric.TCP, DPort: 443}
	nobody := func(fabric.Match, netip.Addr) bool { return false }
	if _, rule, ok := fabric.FirstRule(s.Snapshot(), fabrictest.Scope, []string{"sg-list"}, fabric.Ingress, header, nobody); !ok || rule.ID != "sgr-list" {
		t.Errorf("%v %v", rule, ok)
	}
	want(func(tx *state.Tx) { state.PrefixLists.Delete(tx, fabrictest.Scope.Key("pl-1")) },
		"[route-table rtb-1 security-group sg-list]", "[tcp 443 (the prefix list does not exist)]")
}
