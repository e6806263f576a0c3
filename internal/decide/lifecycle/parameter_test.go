package lifecycle

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

func TestImageAtParameter(t *testing.T) {
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const name = "/aws/service/x"
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	put := func(id, region string, created time.Time, change func(*state.Image), parameters ...string) {
		i := &state.Image{Meta: state.Meta{Key: state.Key{Account: "137112412989", Region: region, ID: id}, Created: created}, State: ImageAvailable, Public: true, Parameters: parameters}
		if change != nil {
			change(i)
		}
		if _, err := store.Write(context.Background(), func(tx *state.Tx) error { state.Images.Put(tx, i); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(name, want string) {
		t.Helper()
		id := ""
		if i, ok := ImageAtParameter(store.Snapshot(), name); ok {
			id = i.ID
		}
		if id != want {
			t.Errorf("%s gives %q, want %q", name, id, want)
		}
	}
	expect(name, "")
	put("ami-2", "", day, nil, name, "/aws/service/y")
	expect(name, "ami-2")
	put("ami-1", "", day, nil, name)
	expect(name, "ami-1") // equally new: the first by id
	put("ami-3", "", day.Add(time.Hour), nil, name)
	expect(name, "ami-3")
	expect("/aws/service/y", "ami-2")
	expect("/aws/service", "")
	later := day.Add(2 * time.Hour)
	put("ami-4", "us-east-1", later, nil, name)
	put("ami-5", "", later, func(i *state.Image) { i.Public = false }, name)
	put("ami-6", "", later, func(i *state.Image) { i.State = Deregistered }, name)
	expect(name, "ami-3") // an account's own, a private and a deregistered image do not count
	put("ami-3", "", day.Add(time.Hour), nil)
	expect(name, "ami-1")
}
