package elbv2

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// world is a store with a VPC, a subnet in each of three zones and a second one in
// the first, an internet gateway, groups, two running instances and a stopped one,
// and another VPC; and a caller.
type world struct {
	*testing.T
	store   *state.Store
	actions map[string]service.Action
	caller  service.Caller
	clock   time.Time
}

const (
	vpc, vpc2                 = "vpc-00000000000000001", "vpc-00000000000000002"
	subA, subB, subC          = "subnet-0000000000000000a", "subnet-0000000000000000b", "subnet-0000000000000000c"
	subA2, subOther, subTiny  = "subnet-000000000000000a2", "subnet-0000000000000000e", "subnet-0000000000000000f"
	group, group2, groupElse  = "sg-00000000000000001", "sg-00000000000000002", "sg-00000000000000003"
	web, web2, off, elsewhere = "i-00000000000000001", "i-00000000000000002", "i-00000000000000003", "i-00000000000000004"
	eip, eip2                 = "eipalloc-00000000000000001", "eipalloc-00000000000000002"
)

func newWorld(t *testing.T, quotas map[string]int) *world {
	t.Helper()
	w := &world{T: t, actions: map[string]service.Action{}, caller: service.Root("123456789012", "us-east-1", "123456789012"), clock: time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)}
	var err error
	w.store, err = state.Open(state.Config{Now: func() time.Time { return w.clock }, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, m := range w.store.Mutations() {
			t.Errorf("a row was modified after it was put: %s", m)
		}
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, a := range New(Config{Quotas: quotas}).Actions() {
		if _, ok := w.actions[a.Name]; ok {
			t.Fatalf("%s is listed twice", a.Name)
		}
		w.actions[a.Name] = a
	}
	w.write(w.furnish)
	return w
}

func (w *world) meta(id string) state.Meta {
	return state.Meta{Key: w.caller.Scope.Key(id), Created: w.clock}
}

func (w *world) write(fn func(*state.Tx)) {
	w.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
}

func (w *world) furnish(tx *state.Tx) {
	for id, cidr := range map[string]string{vpc: "10.0.0.0/16", vpc2: "10.1.0.0/16"} {
		state.Vpcs.Put(tx, &state.Vpc{Meta: w.meta(id), State: "available", Cidrs: []state.CidrAssociation{{Cidr: netip.MustParsePrefix(cidr)}}})
	}
	for _, s := range []struct{ id, vpc, cidr, zone string }{
		{subA, vpc, "10.0.1.0/24", "us-east-1a"}, {subB, vpc, "10.0.2.0/24", "us-east-1b"}, {subC, vpc, "10.0.3.0/24", "us-east-1c"},
		{subA2, vpc, "10.0.4.0/24", "us-east-1a"}, {subOther, vpc2, "10.1.1.0/24", "us-east-1b"}, {subTiny, vpc, "10.0.5.0/28", "us-east-1d"},
	} {
		state.Subnets.Put(tx, &state.Subnet{Meta: w.meta(s.id), VpcID: s.vpc, Cidr: netip.MustParsePrefix(s.cidr), AvailabilityZone: s.zone, AvailabilityZoneID: "use1-az" + s.zone[9:]})
	}
	state.InternetGateways.Put(tx, &state.InternetGateway{Meta: w.meta("igw-00000000000000001"), VpcID: vpc})
	for id, of := range map[string]string{group: vpc, group2: vpc, groupElse: vpc2} {
		state.SecurityGroups.Put(tx, &state.SecurityGroup{Meta: w.meta(id), VpcID: of, Name: id})
	}
	for i, id := range []string{eip, eip2} {
		state.Addresses.Put(tx, &state.Address{Meta: w.meta(id), PublicIP: netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)})})
	}
	for i, row := range []struct {
		id, vpc, subnet, zone, addr string
		state                       state.InstanceState
	}{
		{web, vpc, subA, "us-east-1a", "10.0.1.10", state.Running}, {web2, vpc, subB, "us-east-1b", "10.0.2.10", state.Running},
		{off, vpc, subA, "us-east-1a", "10.0.1.11", state.Stopped}, {elsewhere, vpc2, subOther, "us-east-1b", "10.1.1.10", state.Running},
	} {
		state.Instances.Put(tx, &state.Instance{Meta: w.meta(row.id), VpcID: row.vpc, SubnetID: row.subnet, AvailabilityZone: row.zone, State: row.state})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: w.meta("eni-0000000000000000" + string(rune('1'+i))), VpcID: row.vpc, SubnetID: row.subnet, InterfaceType: "interface",
			Addresses: []state.PrivateAddress{{Addr: netip.MustParseAddr(row.addr), Primary: true}}, Attachment: &state.Attachment{InstanceID: row.id}})
	}
}

// do runs an action by its name. A refused one must have changed nothing.
func (w *world) do(name string, in any) (any, error) {
	w.Helper()
	a, ok := w.actions[name]
	if !ok {
		w.Fatalf("%s is not served", name)
	}
	if want := reflect.PointerTo(a.In); reflect.TypeOf(in) != want {
		w.Fatalf("%s takes a %v, not a %T", name, want, in)
	}
	before := w.store.Snapshot().Index
	r := &service.Runner{Store: w.store}
	out, err := r.Do(context.Background(), a, w.caller, in)
	if after := w.store.Snapshot().Index; (err != nil || !a.Mutates()) && after != before {
		w.Errorf("%s has changed the state from %d to %d, error %v", name, before, after, err)
	}
	return out, err
}

// call runs an action that must succeed.
func call[Out any](w *world, in any) *Out {
	w.Helper()
	name := strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
	out, err := w.do(name, in)
	if err != nil {
		w.Fatalf("%s: %v", name, err)
	}
	return out.(*Out)
}

// ok runs actions that must succeed.
func (w *world) ok(in ...any) {
	w.Helper()
	for _, in := range in {
		name := strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
		if _, err := w.do(name, in); err != nil {
			w.Fatalf("%s: %v", name, err)
		}
	}
}

// fails runs an action that must be refused with code, and a message that has the
// text in it.
func (w *world) fails(in any, code, text string) {
	w.Helper()
	name := strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
	out, err := w.do(name, in)
	if err == nil {
		w.Errorf("%s succeeded with %+v, want %s", name, out, code)
		return
	}
	e, ok := awserr.As(err)
	if !ok || e.Code != code || !strings.Contains(e.Message, text) {
		w.Errorf("%s: %v\nwant %s: %s", name, err, code, text)
	}
}

// balancer is a request for an internet-facing balancer in two zones.
func balancer(change ...func(*api.CreateLoadBalancerInput)) *api.CreateLoadBalancerInput {
	in := &api.CreateLoadBalancerInput{Name: new("front"), Type: new("network"), Subnets: []string{subA, subB}}
	for _, fn := range change {
		fn(in)
	}
	return in
}

// targets is a request for a group of instances.
func targets(change ...func(*api.CreateTargetGroupInput)) *api.CreateTargetGroupInput {
	in := &api.CreateTargetGroupInput{Name: new("web"), Protocol: new("TCP"), Port: new(int32(80)), VpcId: new(vpc)}
	for _, fn := range change {
		fn(in)
	}
	return in
}

// listener is a request for a listener that forwards to a group.
func listener(balancer, group string, port int32) *api.CreateListenerInput {
	return &api.CreateListenerInput{LoadBalancerArn: &balancer, Protocol: new("TCP"), Port: &port, DefaultActions: []api.Action{{Type: new("forward"), TargetGroupArn: &group}}}
}

func (w *world) newBalancer(change ...func(*api.CreateLoadBalancerInput)) api.LoadBalancer {
	w.Helper()
	return call[api.CreateLoadBalancerOutput](w, balancer(change...)).LoadBalancers[0]
}

func (w *world) newGroup(change ...func(*api.CreateTargetGroupInput)) string {
	w.Helper()
	return *call[api.CreateTargetGroupOutput](w, targets(change...)).TargetGroups[0].TargetGroupArn
}

func (w *world) newListener(balancer, group string, port int32) string {
	w.Helper()
	return *call[api.CreateListenerOutput](w, listener(balancer, group, port)).Listeners[0].ListenerArn
}
