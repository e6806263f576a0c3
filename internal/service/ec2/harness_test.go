package ec2

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// world is a store with what AWS gives an account and, by newWorld, no default
// VPC, so that a test sees what it has made itself; and a caller. Calls go the way of a request: by the action's name, with DryRun and
// client tokens.
type world struct {
	*testing.T
	store   *state.Store
	service *Service
	runner  *service.Runner
	actions map[string]service.Action
	caller  service.Caller
	now     *time.Time
}

// testTime is when worlds begin.
var testTime = time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)

func newWorld(t *testing.T, cfg ...Config) *world {
	t.Helper()
	if len(cfg) == 0 {
		cfg = []Config{{}}
	}
	cfg[0].NoDefaultVpc = true
	return newAccount(t, cfg[0])
}

// newAccount is a world with a default VPC.
func newAccount(t *testing.T, cfg Config) *world {
	t.Helper()
	now := testTime
	w := &world{T: t, now: &now, actions: map[string]service.Action{}, caller: service.Root("123456789012", "us-east-1", "123456789012")}
	var err error
	w.store, err = state.Open(state.Config{
		Now: func() time.Time { return *w.now }, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		addressesAgree(t, w.store.Snapshot())
		for _, m := range w.store.Mutations() {
			t.Errorf("a row was modified after it was put: %s", m)
		}
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.service = New(cfg)
	for _, a := range w.service.Actions() {
		if _, ok := w.actions[a.Name]; ok {
			t.Fatalf("%s is listed twice", a.Name)
		}
		w.actions[a.Name] = a
	}
	w.runner = &service.Runner{Store: w.store, Defaults: w.service}
	w.prepare()
	return w
}

// prepare makes the defaults of the caller's scope, so that no later call does.
func (w *world) prepare() {
	w.Helper()
	w.write(func(tx *state.Tx) {
		if !w.service.Prepared(tx, w.caller.Scope) {
			if err := w.service.Prepare(tx, w.caller.Scope); err != nil {
				w.Fatal(err)
			}
		}
	})
}

// write changes the state behind the service's back.
func (w *world) write(fn func(*state.Tx)) {
	w.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
}

// as is the same world for another caller.
func (w *world) as(account, region string) *world {
	w.Helper()
	other := *w
	other.caller = service.Root(account, region, account)
	other.prepare()
	return &other
}

// in is the same world in a subtest.
func (w *world) in(t *testing.T) *world {
	other := *w
	other.T = t
	return &other
}

func (w *world) snapshot() *state.Snapshot { return w.store.Snapshot() }

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
	out, err := w.runner.Do(context.Background(), a, w.caller, in)
	if after := w.store.Snapshot().Index; (err != nil || !a.Mutates()) && after != before {
		w.Errorf("%s has changed the state from %d to %d, error %v", name, before, after, err)
	}
	return out, err
}

// call runs an action that must succeed.
func call[Out any](w *world, name string, in any) *Out {
	w.Helper()
	out, err := w.do(name, in)
	if err != nil {
		w.Fatalf("%s: %v", name, err)
	}
	return out.(*Out)
}

// fails runs an action that must be refused with the code, and with a message
// that has the text in it.
func (w *world) fails(name string, in any, code, text string) {
	w.Helper()
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

// filtersOf makes filters of name and values: filtersOf("vpc-id", "a,b", "state", "c").
func filtersOf(nameAndValues ...string) []api.Filter {
	var out []api.Filter
	for i := 0; i < len(nameAndValues); i += 2 {
		out = append(out, api.Filter{Name: ptr(nameAndValues[i]), Values: strings.Split(nameAndValues[i+1], ",")})
	}
	return out
}

// tagSpec makes tag specifications of one resource type.
func tagSpec(resourceType string, keyAndValues ...string) []api.TagSpecification {
	return []api.TagSpecification{{ResourceType: ptr(resourceType), Tags: tagList(keyAndValues...)}}
}

func tagList(keyAndValues ...string) []api.Tag {
	var out []api.Tag
	for i := 0; i < len(keyAndValues); i += 2 {
		out = append(out, api.Tag{Key: ptr(keyAndValues[i]), Value: ptr(keyAndValues[i+1])})
	}
	return out
}

// vpc makes a VPC and gives its id.
func (w *world) vpc(cidr string) string {
	w.Helper()
	return *call[api.CreateVpcOutput](w, "CreateVpc", &api.CreateVpcInput{CidrBlock: &cidr}).Vpc.VpcId
}

// subnet makes a subnet in the first zone and gives its id.
func (w *world) subnet(vpcID, cidr string) string {
	w.Helper()
	in := &api.CreateSubnetInput{VpcId: &vpcID, CidrBlock: &cidr, AvailabilityZone: ptr(w.caller.Region + "a")}
	return *call[api.CreateSubnetOutput](w, "CreateSubnet", in).Subnet.SubnetId
}

// ids maps each element of a list to an id.
func ids[T any](list []T, id func(T) *string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = *id(v)
	}
	return out
}
