package iam

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// world is an empty store and a caller: root of an account.
type world struct {
	*testing.T
	store   *state.Store
	actions map[string]service.Action
	caller  service.Caller
}

func newWorld(t *testing.T) *world {
	t.Helper()
	now := time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)
	w := &world{T: t, actions: map[string]service.Action{}, caller: service.Root("123456789012", "us-east-1", "123456789012")}
	var err error
	w.store, err = state.Open(state.Config{Now: func() time.Time { return now }, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
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
	for _, a := range New(Config{Seal: session.Seal{1}}).Actions() {
		if _, ok := w.actions[a.Name]; ok {
			t.Fatalf("%s is listed twice", a.Name)
		}
		w.actions[a.Name] = a
	}
	return w
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

// fails runs an action that must be refused with status, code, and a message that
// has the text in it.
func (w *world) fails(in any, status int, code, text string) {
	w.Helper()
	name := strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
	out, err := w.do(name, in)
	if err == nil {
		w.Errorf("%s succeeded with %+v, want %s", name, out, code)
		return
	}
	e, ok := awserr.As(err)
	if !ok || e.Code != code || e.Status != status || !strings.Contains(e.Message, text) {
		w.Errorf("%s: %v (%d)\nwant %s: %s (%d)", name, err, e.Status, code, text, status)
	}
}

// write changes the state beside the actions.
func (w *world) write(fn func(*state.Tx)) {
	w.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
}
