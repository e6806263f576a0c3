//go:build linux

package imds

import (
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// TestMemory: what is remembered is of the commit and the epoch that ask, and bounded.
func TestMemory(t *testing.T) {
	w := run(t)
	var m memory
	at := launch
	ask := func(path string) string {
		instance, _ := state.Instances.Get(w.store.Snapshot(), w.instance.Key)
		found, _ := m.find(path, &subject{snap: w.store.Snapshot(), instance: instance, now: at, life: roleSession})
		return found.text
	}
	const name = "/latest/meta-data/tags/instance/Name"
	for _, want := range []string{"web 1", "web 2", "web 3"} {
		next := w.instance
		next.Tags = state.Tags{{Key: "Name", Value: want}}
		w.write(t, func(tx *state.Tx) { state.Instances.Put(tx, &next) })
		for range 2 {
			if have := ask(name); have != want {
				t.Errorf("%q, want %q", have, want)
			}
		}
	}
	if len(m.found) != 1 {
		t.Errorf("%d answers are remembered", len(m.found))
	}
	at = at.Add(2 * time.Hour)
	if ask(name); len(m.found) != 1 || !m.epoch.After(launch) {
		t.Errorf("%d answers, of %s", len(m.found), m.epoch)
	}
	if ask("/latest/meta-data/nothing"); len(m.found) != 1 {
		t.Error("what is not there is remembered")
	}
	// One thing has many spellings.
	for i := range mostKnown + 10 {
		versions := []string{"latest", "2021-07-15"}
		path := "/" + strings.Repeat("/", i/2) + versions[i%2] + name[len("/latest"):]
		if have := ask(path); have != "web 3" {
			t.Fatalf("%q", have)
		}
	}
	if len(m.found) > mostKnown {
		t.Errorf("%d answers are remembered", len(m.found))
	}
}
