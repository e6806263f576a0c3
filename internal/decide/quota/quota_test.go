package quota

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "123456789012", Region: "us-east-1"}

func TestTable(t *testing.T) {
	names, codes := map[string]bool{}, map[string]bool{}
	for _, q := range All() {
		if names[q.Name] || q.Code != "" && codes[q.Code] {
			t.Errorf("%s %s stands there twice", q.Name, q.Code)
		}
		names[q.Name], codes[q.Code] = true, true
		if q.Title == "" || q.Err == "" || q.Text == "" || q.Service == "" || q.Default <= 0 || q.Max != 0 && q.Max < q.Default {
			t.Errorf("%+v", q)
		}
		if q.Adjustable != (q.Code != "") {
			t.Errorf("%s: what AWS changes has a code", q.Name)
		}
		if found, ok := Named(q.Name); !ok || found != q {
			t.Errorf("Named(%s) = %+v", q.Name, found)
		}
		if found, ok := Coded(q.Service, q.Code); ok != (q.Code != "") || ok && found != q {
			t.Errorf("Coded(%s) = %+v", q.Code, found)
		}
	}
	if len(Names()) != len(All()) || len(Off()) != len(All()) {
		t.Error(Names())
	}
}

// TestValue: what was asked for last is in force, in its account and Region.
func TestValue(t *testing.T) {
	s, err := state.Open(state.Config{Now: time.Now, Rand: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	get := func(name string, in state.Scope, start map[string]int) int {
		t.Helper()
		q, ok := Named(name)
		if !ok {
			t.Fatalf("no quota %s", name)
		}
		return q.Value(s.Snapshot(), in, start)
	}
	set := func(name string, value int) {
		t.Helper()
		q, _ := Named(name)
		if _, err := s.Write(context.Background(), func(tx *state.Tx) error { q.Set(tx, scope, value); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	other := state.Scope{Account: scope.Account, Region: "eu-west-1"}
	for _, want := range []struct {
		name  string
		in    state.Scope
		start map[string]int
		value int
	}{
		{vpcs, scope, nil, 5},
		{vpcs, scope, map[string]int{vpcs: 7}, 7},
		{vpcs, scope, Off(), Unlimited},
		{internetGateways, scope, nil, 5},
		{internetGateways, scope, map[string]int{vpcs: 7}, 7},
		{internetGateways, scope, map[string]int{vpcs: 2}, 5},
	} {
		if got := get(want.name, want.in, want.start); got != want.value {
			t.Errorf("%s with %v: %d, want %d", want.name, want.start, got, want.value)
		}
	}
	set(vpcs, 9)
	if a, b, c := get(vpcs, scope, map[string]int{vpcs: 7}), get(internetGateways, scope, nil), get(vpcs, other, nil); a != 9 || b != 9 || c != 5 {
		t.Error(a, b, c)
	}
	set(internetGateways, 6)
	if got := get(internetGateways, scope, nil); got != 6 {
		t.Error(got)
	}
	q, _ := Named(internetGateways)
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error { q.Unset(tx, scope); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := get(internetGateways, scope, nil); got != 9 {
		t.Error(got)
	}
	set("dhcp-options-per-region", Unlimited)
	if got := get("dhcp-options-per-region", scope, nil); got != Unlimited {
		t.Error(got)
	}
}

// TestGranted: no more than AWS gives anybody, and no more than a thousand rules
// on an interface.
func TestGranted(t *testing.T) {
	s, err := state.Open(state.Config{Now: time.Now, Rand: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, want := range []struct {
		name  string
		value int
		start map[string]int
		ok    bool
	}{
		{vpcs, 1000000, nil, true},
		{"rules-per-network-acl", 40, nil, true},
		{"rules-per-network-acl", 41, nil, false},
		{interfaceGroups, 16, nil, true}, // of 60 rules each
		{interfaceGroups, 16, map[string]int{groupRules: 63}, false},
		{groupRules, 200, nil, true}, // of 5 groups
		{groupRules, 201, nil, false},
		{groupRules, 1000, map[string]int{interfaceGroups: 1}, true},
		{groupRules, 1000, Off(), true},
	} {
		q, _ := Named(want.name)
		if got := q.Granted(s.Snapshot(), scope, want.start, want.value); got != want.ok {
			t.Errorf("%s %d with %v: %v", want.name, want.value, want.start, got)
		}
	}
}

func TestExceeded(t *testing.T) {
	nat, _ := Named("nat-gateways-per-availability-zone")
	if e, ok := awserr.As(nat.Exceeded(5)); !ok || e.Code != "NatGatewayLimitExceeded" || e.Message != "Performing this operation would exceed the limit of 5 NAT gateways" {
		t.Error(e)
	}
	vpc, _ := Named(vpcs)
	if e, ok := awserr.As(vpc.Exceeded(5)); !ok || e.Message != "The maximum number of VPCs has been reached." {
		t.Error(e)
	}
}
