package fault_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "000000000000", Region: "us-east-1"}

func store(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(state.Config{Now: func() time.Time { return time.Unix(1, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	write(t, s, func(tx *state.Tx) error {
		state.Vpcs.Put(tx, &state.Vpc{Meta: state.Meta{Key: scope.Key("vpc-1")}})
		state.Subnets.Put(tx, &state.Subnet{Meta: state.Meta{Key: scope.Key("subnet-1")}, VpcID: "vpc-1", AvailabilityZone: "us-east-1a"})
		state.Instances.Put(tx, &state.Instance{Meta: state.Meta{Key: scope.Key("i-1")}, VpcID: "vpc-1", State: state.Running})
		state.Instances.Put(tx, &state.Instance{Meta: state.Meta{Key: scope.Key("i-2")}, VpcID: "vpc-1", State: state.Stopped})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: scope.Key("eni-1")}, VpcID: "vpc-1", SubnetID: "subnet-1",
			Attachment: &state.Attachment{InstanceID: "i-1"}})
		return nil
	})
	return s
}

func write(t *testing.T, s *state.Store, fn func(*state.Tx) error) {
	t.Helper()
	if _, err := s.Write(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func apply(s *state.Store, o fault.Order) error {
	_, err := s.Write(context.Background(), func(tx *state.Tx) error { _, err := fault.Apply(tx, scope, o); return err })
	return err
}

// TestApply: what each order says of the interface, one after the other; a wider fault
// is named first.
func TestApply(t *testing.T) {
	s := store(t)
	for _, test := range []struct {
		order fault.Order
		of    string // what is broken about the interface then
		rate  int32
	}{
		{fault.Order{Kind: fault.Link, What: "eni-1", Effect: fault.Loss}, "link eni-1", fault.DefaultLoss},
		{fault.Order{Kind: fault.Link, What: "eni-1", Effect: fault.Loss, Rate: 99}, "link eni-1", 99},
		{fault.Order{Kind: fault.Link, What: "eni-1", Effect: fault.Down}, "link eni-1", 0},
		{fault.Order{Kind: fault.Instance, What: "i-1", Effect: "pause"}, "instance i-1", 0},
		{fault.Order{Kind: fault.Zone, What: "use1-az1", Effect: fault.Down}, "zone us-east-1a", 0},
		{fault.Order{Kind: fault.Instance, What: "i-2", Effect: fault.Resume}, "zone us-east-1a", 0},
		{fault.Order{Kind: fault.Zone, What: "us-east-1a", Effect: fault.Up}, "instance i-1", 0},
		{fault.Order{Kind: fault.Instance, What: "i-1", Effect: fault.Resume}, "link eni-1", 0},
		{fault.Order{Kind: fault.Link, What: "eni-1", Effect: fault.Up}, "", 0},
	} {
		if err := apply(s, test.order); err != nil {
			t.Fatalf("%+v: %v", test.order, err)
		}
		snap := s.Snapshot()
		n, _ := state.NetworkInterfaces.Get(snap, scope.Key("eni-1"))
		f, ok := fault.Of(snap, n)
		if ok != (test.of != "") || ok && (f.ID != test.of || f.Rate != test.rate || !fault.Touches(snap, f, scope.Key("vpc-1")) || fault.Touches(snap, f, scope.Key("vpc-2"))) {
			t.Errorf("%+v: %+v", test.order, f)
		}
		if down := fault.ZoneDown(snap, "us-east-1", "us-east-1a"); down != (test.of == "zone us-east-1a") {
			t.Errorf("%+v: the zone is down: %v", test.order, down)
		}
		if fault.IsPaused(snap, scope.Key("i-1")) != (test.of == "zone us-east-1a" || test.of == "instance i-1") {
			t.Errorf("%+v: whether the instance is paused", test.order)
		}
		for _, f := range fault.List(snap) {
			if key, ok := fault.InstanceOf(f.Key); ok != (f.Kind == fault.Instance) || ok && key != scope.Key("i-1") {
				t.Errorf("%s is about %s", f.Key, key)
			}
		}
	}
}

// TestClear mends everything, and what goes is mended by that.
func TestClear(t *testing.T) {
	s := store(t)
	for _, o := range []fault.Order{{Kind: fault.Link, What: "eni-1", Effect: fault.Down}, {Kind: fault.Instance, What: "i-1", Effect: "pause"}, {Kind: fault.Zone, What: "eu-west-1a", Effect: fault.Down}} {
		if err := apply(s, o); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, func(tx *state.Tx) error { fault.Forget(tx, scope, fault.Link, "eni-1"); return nil })
	var mended []*state.Fault
	write(t, s, func(tx *state.Tx) error { mended = fault.Clear(tx); return nil })
	if len(mended) != 2 || fault.Any(s.Snapshot()) {
		t.Errorf("mended %v, left %v", mended, fault.List(s.Snapshot()))
	}
}

// TestRefusals have AWS's codes, and change nothing.
func TestRefusals(t *testing.T) {
	s := store(t)
	index := s.Snapshot().Index
	for _, test := range []struct {
		order fault.Order
		code  string
	}{
		{fault.Order{Kind: "rack", What: "1", Effect: fault.Down}, "InvalidParameterValue"},
		{fault.Order{Kind: fault.Zone, What: "us-east-1z", Effect: fault.Down}, "InvalidParameterValue"},
		{fault.Order{Kind: fault.Zone, What: "us-east-1a", Effect: "pause"}, "InvalidParameterValue"},
		{fault.Order{Kind: fault.Zone, What: "us-east-1a", Effect: fault.Down, Rate: 1}, "InvalidParameterCombination"},
		{fault.Order{Kind: fault.Instance, What: "i-9", Effect: "pause"}, "InvalidInstanceID.NotFound"},
		{fault.Order{Kind: fault.Instance, What: "i-2", Effect: "pause"}, "IncorrectInstanceState"},
		{fault.Order{Kind: fault.Instance, What: "i-1", Effect: fault.Paused}, "InvalidParameterValue"},
		{fault.Order{Kind: fault.Link, What: "eni-9", Effect: fault.Down}, "InvalidNetworkInterfaceID.NotFound"},
		{fault.Order{Kind: fault.Link, What: "eni-1"}, "InvalidParameterValue"},
		{fault.Order{Kind: fault.Link, What: "eni-1", Effect: fault.Loss, Rate: 100}, "InvalidParameterValue"},
		{fault.Order{Kind: fault.Link, What: "eni-1", Effect: fault.Loss, Rate: -1}, "InvalidParameterValue"},
	} {
		var e *awserr.Error
		if err := apply(s, test.order); !errors.As(err, &e) || e.Code != test.code {
			t.Errorf("%+v: %v, want %s", test.order, err, test.code)
		}
	}
	if fault.Any(s.Snapshot()) || s.Snapshot().Index != index {
		t.Error("a refused order has changed something")
	}
}
