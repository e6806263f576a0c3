package ssm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// Names that the tests use.
const (
	al2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
	al2    = "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2"
	noble  = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
)

var made = time.Date(2026, 11, 17, 0, 0, 0, 0, time.UTC)

// world is a store with a few images, and a caller.
type world struct {
	*testing.T
	store   *state.Store
	actions map[string]service.Action
	caller  service.Caller
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: store, actions: map[string]service.Action{}, caller: service.Root("123456789012", "eu-west-1", "k")}
	t.Cleanup(func() {
		for _, m := range store.Mutations() {
			t.Errorf("a row was modified: %s", m)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, a := range New().Actions() {
		w.actions[a.Name] = a
	}
	w.image("ami-al2023", al2023, "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64")
	w.image("ami-al2", al2)
	w.image("ami-noble", noble)
	return w
}

// image puts an image of the catalogue with parameters.
func (w *world) image(id string, parameters ...string) {
	w.Helper()
	i := &state.Image{Meta: state.Meta{Key: state.Key{Account: "137112412989", ID: id}, Created: made}, State: "available", Public: true, Parameters: parameters}
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { state.Images.Put(tx, i); return nil }); err != nil {
		w.Fatal(err)
	}
}

// many puts n images with one parameter each, directly below /aws/service/many.
func (w *world) many(n int) {
	for i := range n {
		w.image(fmt.Sprintf("ami-many%02d", i), fmt.Sprintf("/aws/service/many/%02d", i))
	}
}

func (w *world) do(name string, in any) (any, error) {
	w.Helper()
	a, ok := w.actions[name]
	if !ok {
		w.Fatalf("%s is not served", name)
	}
	out, index, err := a.Run(context.Background(), w.store, w.caller, in)
	if err == nil && a.Mutates() || index > w.store.Snapshot().Index {
		w.Errorf("%s has changed the state", name)
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

// fails runs an action that must be refused with this error.
func (w *world) fails(name string, in any, want string) {
	w.Helper()
	_, err := w.do(name, in)
	if e, ok := awserr.As(err); !ok || e.Error() != want || e.Status != 400 {
		w.Errorf("%s: got %v\nwant %s", name, err, want)
	}
}
