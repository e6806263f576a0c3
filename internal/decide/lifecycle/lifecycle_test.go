package lifecycle

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

var now = time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)

var all = []state.InstanceState{state.Pending, state.Running, state.Stopping, state.Stopped, state.ShuttingDown, state.Terminated}

func at(s state.InstanceState, boots uint64) *state.Instance {
	i := &state.Instance{State: s, Boots: boots, ShutdownBehavior: "stop", VpcID: "vpc-1"}
	i.ID = "i-1"
	return i
}

// TestCallersEvents is the table of what callers can ask for in each state: the
// state that follows, or ! for IncorrectInstanceState.
func TestCallersEvents(t *testing.T) {
	tests := map[Kind]string{ // in the order of all
		Start:     "pending running ! pending ! !",
		Stop:      "! stopping stopping stopped ! !",
		Terminate: "shutting-down shutting-down shutting-down terminated shutting-down terminated",
		Reboot:    "pending running ! ! shutting-down terminated",
	}
	for kind, row := range tests {
		for n, want := range strings.Fields(row) {
			i := at(all[n], 1)
			got, err := Apply(i, Event{Kind: kind}, now)
			switch {
			case want == "!":
				if !awserr.Is(err, "IncorrectInstanceState") || !strings.Contains(err.Error(), "'i-1'") {
					t.Errorf("%s in %s: %v, want IncorrectInstanceState", kind, all[n], err)
				}
			case err != nil || string(got.State) != want:
				t.Errorf("%s in %s: %v %v, want %s", kind, all[n], got, err, want)
			}
			if i.State != all[n] {
				t.Errorf("%s has changed its argument", kind)
			}
		}
	}
}

func TestFacts(t *testing.T) {
	tests := []struct {
		name     string
		from     *state.Instance
		event    Event
		want     state.InstanceState
		reason   string // part of StateReason's message; empty: none
		boots    uint64
		behavior string
	}{
		{"started", at(state.Pending, 1), Event{Kind: started}, state.Running, "", 1, "stop"},
		{"started, but stopped meanwhile", at(state.Stopping, 1), Event{Kind: started}, state.Stopping, "", 1, "stop"},
		{"ended as asked", at(state.Stopping, 1), Event{Kind: exited, cause: Requested}, state.Stopped, "", 1, "stop"},
		{"ended by itself while stopping", at(state.Stopping, 1), Event{Kind: exited, cause: Crash}, state.Stopped, "", 1, "stop"},
		{"ended for good", at(state.ShuttingDown, 1), Event{Kind: exited, cause: Requested}, state.Terminated, "", 1, "stop"},
		{"shut itself down", at(state.Running, 1), Event{Kind: exited, cause: PowerOff}, state.Stopped, "Instance initiated shutdown", 1, "stop"},
		{"shut itself down to end", at(state.Running, 1), Event{Kind: exited, cause: PowerOff}, state.Terminated, "Instance initiated shutdown", 1, "terminate"},
		{"rebooted itself", at(state.Running, 1), Event{Kind: exited, cause: Restart}, state.Running, "", 2, "stop"},
		{"rebooted itself in user data", at(state.Pending, 1), Event{Kind: exited, cause: Restart}, state.Pending, "", 2, "stop"},
		{"crashed", at(state.Running, 1), Event{Kind: exited, cause: Crash, text: "init was killed"}, state.Stopped, "Server.InternalError: init was killed", 1, "stop"},
		{"failed at first", at(state.Pending, 1), Event{Kind: failed, text: "no space"}, state.Terminated, "no space", 1, "stop"},
		{"failed later", at(state.Pending, 2), Event{Kind: failed, text: "no space"}, state.Stopped, "no space", 2, "stop"},
		{"failed without a text", at(state.Pending, 2), Event{Kind: failed}, state.Stopped, "Internal error on launch", 2, "stop"},
		{"failed to reboot", at(state.Running, 2), Event{Kind: failed, text: "no space"}, state.Stopped, "no space", 2, "stop"},
		{"stopped already", at(state.Stopped, 1), Event{Kind: exited, cause: Requested}, state.Stopped, "", 1, "stop"},
	}
	for _, tt := range tests {
		tt.from.ShutdownBehavior = tt.behavior
		got, err := Apply(tt.from, tt.event, now)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got.State != tt.want || got.Boots != tt.boots || (tt.reason == "") != (got.StateReason.Message == "") || !strings.Contains(got.StateReason.Message, tt.reason) {
			t.Errorf("%s: %s boots %d reason %q, want %s %d %q", tt.name, got.State, got.Boots, got.StateReason.Message, tt.want, tt.boots, tt.reason)
		}
	}
}

// TestEveryFactHasAnAnswer: a fact never fails, whatever the state.
func TestEveryFactHasAnAnswer(t *testing.T) {
	for _, s := range all {
		for _, k := range []Kind{started, exited, failed} {
			for _, c := range []Cause{Requested, PowerOff, Restart, Crash} {
				if _, err := Apply(at(s, 1), Event{Kind: k, cause: c}, now); err != nil {
					t.Errorf("%s (%s) in %s: %v", k, c, s, err)
				}
			}
		}
	}
}

func TestTextsOfAStop(t *testing.T) {
	got, _ := Apply(at(state.Running, 1), Event{Kind: Stop}, now)
	if got.StateTransition != "User initiated (2026-11-20 11:40:00 GMT)" ||
		got.StateReason != (state.StateReason{Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: User initiated shutdown"}) {
		t.Errorf("%q %+v", got.StateTransition, got.StateReason)
	}
	got.State = state.Stopped
	got, _ = Apply(got, Event{Kind: Start}, now.Add(time.Hour))
	if got.StateTransition != "" || got.StateReason.Code != "pending" || !got.LaunchTime.Equal(now.Add(time.Hour)) || got.Boots != 2 {
		t.Errorf("after the start: %+v", got)
	}
}

var scope = state.Scope{Account: "123456789012", Region: "us-east-1"}

type world struct {
	*testing.T
	store *state.Store
	now   time.Time
}

func open(t *testing.T) *world {
	w := &world{T: t, now: now}
	var err error
	if w.store, err = state.Open(state.Config{Now: func() time.Time { return w.now }, Rand: rand.Reader, DetectMutations: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m := w.store.Mutations(); len(m) > 0 {
			t.Errorf("rows were modified: %v", m)
		}
		w.store.Close()
	})
	return w
}

func (w *world) write(fn func(tx *state.Tx) error) {
	w.Helper()
	if _, err := w.store.Write(context.Background(), fn); err != nil {
		w.Fatal(err)
	}
}

// launch puts an instance with two interfaces, one of which outlives it, and a volume.
func (w *world) launch(image *state.Image) *state.Instance {
	i := &state.Instance{ShutdownBehavior: "stop", ImageID: image.ID, ImageOwner: image.Account, VpcID: "vpc-1"}
	w.write(func(tx *state.Tx) error {
		i.Meta = tx.Meta(scope, "i")
		New(i, tx.Now())
		state.Instances.Put(tx, i)
		for n, deleted := range []bool{true, false} {
			state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: tx.Meta(scope, "eni"), Status: "in-use",
				Attachment: &state.Attachment{InstanceID: i.ID, DeviceIndex: int32(n), DeleteOnTermination: deleted}})
		}
		state.Volumes.Put(tx, &state.Volume{Meta: tx.Meta(scope, "vol"), InstanceID: i.ID})
		return nil
	})
	return i
}

func (w *world) image(layers ...string) *state.Image {
	var i *state.Image
	w.write(func(tx *state.Tx) error {
		i = &state.Image{Meta: tx.Meta(scope, "ami"), State: ImagePending, Name: "mine", Layers: layers}
		state.Images.Put(tx, i)
		return nil
	})
	return i
}

func (w *world) get(k state.Key) *state.Instance {
	i, _ := state.Instances.Get(w.store.Snapshot(), k)
	return i
}

func TestTerminationReleasesWhatBelongsToTheInstance(t *testing.T) {
	w := open(t)
	i := w.launch(w.image())
	w.write(func(tx *state.Tx) error { return Started(tx, i.Key, 1) })
	w.write(func(tx *state.Tx) error { _, err := Do(tx, w.get(i.Key), Terminate); return err })
	snap := w.store.Snapshot()
	if n := state.NetworkInterfaces.Len(snap); n != 2 || state.Volumes.Len(snap) != 1 {
		t.Fatalf("%d interfaces and %d volumes while it shuts down", n, state.Volumes.Len(snap))
	}
	w.write(func(tx *state.Tx) error { return Exited(tx, i.Key, 1, Requested) })
	snap = w.store.Snapshot()
	left := slices.Collect(state.NetworkInterfaces.All(snap))
	if len(left) != 1 || left[0].Attachment != nil || left[0].Status != "available" {
		t.Errorf("interfaces left: %+v", left)
	}
	if state.Volumes.Len(snap) != 0 {
		t.Error("the volume is left")
	}
	if got := w.get(i.Key); got.State != state.Terminated || got.VpcID != "" || !got.TerminatedAt.Equal(now) {
		t.Errorf("the instance is %+v", got)
	}
}

func TestLateFactsChangeNothing(t *testing.T) {
	w := open(t)
	i := w.launch(w.image())
	w.write(func(tx *state.Tx) error { return Started(tx, i.Key, 1) })
	w.write(func(tx *state.Tx) error { _, err := Do(tx, w.get(i.Key), Reboot); return err })
	before := w.store.Snapshot().Index
	w.write(func(tx *state.Tx) error { return Exited(tx, i.Key, 1, PowerOff) })
	w.write(func(tx *state.Tx) error { return Failed(tx, i.Key, 1, "late") })
	w.write(func(tx *state.Tx) error { return Started(tx, scope.Key("i-gone"), 1) })
	w.write(func(tx *state.Tx) error { return Started(tx, i.Key, 2) }) // running already
	if w.store.Snapshot().Index != before || w.get(i.Key).State != state.Running {
		t.Errorf("changed: %+v", w.get(i.Key))
	}
}

func TestImages(t *testing.T) {
	w := open(t)
	good, bad := w.image(), w.image()
	w.write(func(tx *state.Tx) error { return Captured(tx, good.Key) })
	w.write(func(tx *state.Tx) error { return CaptureFailed(tx, bad.Key, "no space") })
	w.write(func(tx *state.Tx) error { return CaptureFailed(tx, good.Key, "late") })
	get := func(k state.Key) *state.Image { i, _ := state.Images.Get(w.store.Snapshot(), k); return i }
	if i := get(good.Key); i.State != ImageAvailable || i.StateReason.Code != "" {
		t.Errorf("%+v", i)
	}
	if i := get(bad.Key); i.State != ImageFailed || !strings.Contains(i.StateReason.Message, "no space") {
		t.Errorf("%+v", i)
	}
	i := w.launch(good)
	w.write(func(tx *state.Tx) error { Deregister(tx, get(good.Key)); Deregister(tx, get(bad.Key)); return nil })
	if get(bad.Key) != nil {
		t.Error("an unused image is left")
	}
	if kept := get(good.Key); kept == nil || kept.State != Deregistered || kept.Name != "" {
		t.Fatalf("an image in use is %+v", kept)
	}
	if found, ok := ImageOf(w.store.Snapshot(), w.get(i.Key)); !ok || found.ID != good.ID {
		t.Error("the instance does not find its image")
	}
	w.write(func(tx *state.Tx) error { return Failed(tx, i.Key, 1, "") })
	if get(good.Key) != nil {
		t.Error("the image is left after its last instance")
	}
}

func TestExpired(t *testing.T) {
	w := open(t)
	i := w.launch(w.image())
	w.write(func(tx *state.Tx) error {
		state.ClientTokens.Put(tx, &state.ClientToken{Meta: state.Meta{Key: scope.Key("RunInstances t"), Created: tx.Now()}})
		return Failed(tx, i.Key, 1, "")
	})
	for _, step := range []struct {
		at                time.Duration
		instances, tokens int
		next              time.Duration
	}{
		{0, 0, 0, time.Hour},
		{time.Hour - time.Second, 0, 0, time.Hour},
		{time.Hour, 1, 0, 24 * time.Hour},
		{24 * time.Hour, 1, 1, 0},
	} {
		d := Expired(w.store.Snapshot(), now.Add(step.at))
		next := time.Time{}
		if step.next > 0 {
			next = now.Add(step.next)
		}
		if len(d.Instances) != step.instances || len(d.Tokens) != step.tokens || !d.Next.Equal(next) || d.Empty() != (step.instances == 0) {
			t.Errorf("after %v: %+v", step.at, d)
		}
	}
	w.now = now.Add(time.Hour)
	w.write(func(tx *state.Tx) error { Forget(tx); return nil })
	if w.get(i.Key) != nil || state.ClientTokens.Len(w.store.Snapshot()) != 1 {
		t.Error("the wrong rows are forgotten")
	}
	w.now = now.Add(24 * time.Hour)
	w.write(func(tx *state.Tx) error { Forget(tx); return nil })
	if state.ClientTokens.Len(w.store.Snapshot()) != 0 {
		t.Error("the token is left")
	}
}
