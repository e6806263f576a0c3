package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// note is an action's input and output in these tests: it keeps a text under a
// name that must be new.
type (
	noteInput struct {
		Name, Text  *string
		ClientToken *string
		DryRun      *bool
	}
	noteOutput struct {
		ID   *string
		When *time.Time
	}
)

func keepNote(tx *state.Tx, c authz.Caller, in *noteInput) (*noteOutput, error) {
	key := c.Scope.Key(*in.Name)
	if _, ok := state.Settings.Get(tx, key); ok {
		return nil, awserr.New("InvalidNote.Duplicate", "The note '%s' already exists.", *in.Name)
	}
	state.Settings.Put(tx, &state.Setting{Meta: state.Meta{Key: key}, Value: *in.Text})
	id, now := tx.ID("note"), tx.Now()
	return &noteOutput{ID: &id, When: &now}, nil
}

func readNote(r state.Reader, c authz.Caller, in *noteInput) (*noteOutput, error) {
	if _, ok := state.Settings.Get(r, c.Scope.Key(*in.Name)); !ok {
		return nil, awserr.New("InvalidNote.NotFound", "The note '%s' does not exist.", *in.Name)
	}
	return &noteOutput{ID: in.Name}, nil
}

var (
	writes = Write("KeepNote", keepNote)
	reads  = Read("ReadNote", readNote)
	caller = Root("123456789012", "us-east-1", "123456789012")
)

func ptr[T any](v T) *T { return &v }

func newStore(t testing.TB) *state.Store {
	t.Helper()
	now := time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)
	s, err := state.Open(state.Config{Now: func() time.Time { return now }, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, m := range s.Mutations() {
			t.Errorf("a row was modified after it was put: %s", m)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func code(err error) string {
	if e, ok := awserr.As(err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

// TestDryRun: the answer is what the action would have said, and nothing is changed.
func TestDryRun(t *testing.T) {
	s := newStore(t)
	r := &Runner{Store: s}
	do := func(a Action, in *noteInput) string {
		t.Helper()
		before := s.Snapshot().Index
		out, err := r.Do(context.Background(), a, caller, in)
		if in.DryRun != nil && *in.DryRun {
			if out != nil || s.Snapshot().Index != before {
				t.Errorf("a dry run gave %v and went from %d to %d", out, before, s.Snapshot().Index)
			}
		}
		return code(err)
	}
	dry := &noteInput{Name: ptr("a"), Text: ptr("x"), DryRun: ptr(true), ClientToken: ptr("t")}
	for _, step := range []struct {
		name string
		a    Action
		in   *noteInput
		want string
	}{
		{"what would succeed", writes, dry, "DryRunOperation"},
		{"a read that would not", reads, dry, "InvalidNote.NotFound"},
		{"in earnest, under the token of the dry run", writes, &noteInput{Name: ptr("a"), Text: ptr("y"), ClientToken: ptr("t")}, "<nil>"},
		{"what would not succeed", writes, &noteInput{Name: ptr("a"), Text: ptr("z"), DryRun: ptr(true)}, "InvalidNote.Duplicate"},
		{"a read that would", reads, dry, "DryRunOperation"},
		{"not dry", reads, &noteInput{Name: ptr("a"), DryRun: ptr(false)}, "<nil>"},
	} {
		if have := do(step.a, step.in); have != step.want {
			t.Errorf("%s: %s, want %s", step.name, have, step.want)
		}
	}
	_, err := r.Do(context.Background(), writes, caller, &noteInput{Name: ptr("b"), Text: ptr("x"), DryRun: ptr(true)})
	if e, ok := awserr.As(err); !ok || e.Status != 412 || e.Message != "Request would have succeeded, but DryRun flag is set." {
		t.Errorf("%v", err)
	}
}

// TestClientToken: a token is one effect, in its action, account and Region.
func TestClientToken(t *testing.T) {
	s := newStore(t)
	r := &Runner{Store: s}
	in := func(name, text, token string) *noteInput {
		return &noteInput{Name: &name, Text: &text, ClientToken: &token}
	}
	first, err := r.Do(context.Background(), writes, caller, in("a", "x", "t"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Do(context.Background(), writes, caller, in("a", "x", "t"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := first.(*noteOutput), again.(*noteOutput)
	if *a.ID != *b.ID || !a.When.Equal(*b.When) {
		t.Errorf("the second answer is %v %v, the first was %v %v", *b.ID, b.When, *a.ID, a.When)
	}
	if n := state.Settings.Len(s.Snapshot()); n != 1 {
		t.Errorf("%d notes, want one", n)
	}
	_, err = r.Do(context.Background(), writes, caller, in("a", "other", "t"))
	if code(err) != "IdempotentParameterMismatch" {
		t.Errorf("other parameters: %v", err)
	}
	if _, err := r.Do(context.Background(), writes, caller, in("a", "x", "u")); code(err) != "InvalidNote.Duplicate" {
		t.Errorf("another token: %v", err)
	}
	// What was refused has used no token.
	if _, err := r.Do(context.Background(), writes, caller, in("b", "x", "u")); err != nil {
		t.Errorf("a token of a refused request: %v", err)
	}
	for name, c := range map[string]Caller{"another Region": Root("123456789012", "eu-west-1", "123456789012"), "another account": Root("111122223333", "us-east-1", "111122223333")} {
		if out, err := r.Do(context.Background(), writes, c, in("a", "x", "t")); err != nil || *out.(*noteOutput).ID == *a.ID {
			t.Errorf("%s: %v, %v", name, out, err)
		}
	}
	for _, bad := range []string{strings.Repeat("x", 65), "tökn", "a\x00b"} {
		if _, err := r.Do(context.Background(), writes, caller, in("d", "x", bad)); code(err) != "InvalidClientToken" {
			t.Errorf("the token %q: %v", bad, err)
		}
	}
	if _, err := r.Do(context.Background(), writes, caller, in("d", "x", strings.Repeat("x", 64))); err != nil {
		t.Errorf("the longest token: %v", err)
	}
	if _, err := r.Do(context.Background(), Write("CopyNote", keepNote), caller, in("c", "x", "t")); err != nil {
		t.Errorf("another action: %v", err)
	}
}

// TestOneTokenAtOnce: many requests with one token at the same time are one
// effect, and all get its answer.
func TestOneTokenAtOnce(t *testing.T) {
	s := newStore(t)
	r := &Runner{Store: s}
	var mu sync.Mutex
	answers := map[string]int{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			out, err := r.Do(context.Background(), writes, caller, &noteInput{Name: ptr("a"), Text: ptr("x"), ClientToken: ptr("t")})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers[*out.(*noteOutput).ID]++
		})
	}
	wg.Wait()
	if len(answers) != 1 || state.Settings.Len(s.Snapshot()) != 1 || s.Snapshot().Index != 1 {
		t.Errorf("%v, %d notes, %d commits", answers, state.Settings.Len(s.Snapshot()), s.Snapshot().Index)
	}
}

// defaults count how often they are made.
type defaults struct {
	mu   sync.Mutex
	made map[state.Scope]int
	fail error
}

func (d *defaults) Prepared(r state.Reader, sc state.Scope) bool {
	_, ok := state.Settings.Get(r, sc.Key("defaults"))
	return ok
}

func (d *defaults) Prepare(tx *state.Tx, sc state.Scope) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.made[sc]++
	state.Settings.Put(tx, &state.Setting{Meta: state.Meta{Key: sc.Key("defaults")}})
	return nil
}

// TestDefaultsAreMadeOnce in each account and Region, before the first action
// there, however many come at once; a read makes them too.
func TestDefaultsAreMadeOnce(t *testing.T) {
	s := newStore(t)
	d := &defaults{made: map[state.Scope]int{}}
	r := &Runner{Store: s, Defaults: d}
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			c := Root("123456789012", []string{"us-east-1", "eu-west-1"}[n%2], "123456789012")
			a := Read("Look", func(r state.Reader, c authz.Caller, _ *noteInput) (*noteOutput, error) {
				if !d.Prepared(r, c.Scope) {
					t.Error("an action has seen its scope without defaults")
				}
				return &noteOutput{}, nil
			})
			if _, err := r.Do(context.Background(), a, c, &noteInput{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(d.made) != 2 || d.made[state.Scope{Account: "123456789012", Region: "us-east-1"}] != 1 || d.made[state.Scope{Account: "123456789012", Region: "eu-west-1"}] != 1 {
		t.Errorf("they were made %v", d.made)
	}

	d.fail = errors.New("no randomness")
	_, err := r.Do(context.Background(), reads, Root("123456789012", "ap-south-1", "123456789012"), &noteInput{Name: ptr("defaults")})
	if e, ok := awserr.As(err); !ok || e.Code != "InternalError" || !errors.Is(err, d.fail) {
		t.Errorf("defaults that cannot be made: %v", err)
	}
}

// TestSettle: what changes state is answered when packets obey it; when they do
// not in time it is answered all the same, for the commit stands.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var waited []uint64
		let := make(chan struct{})
		r := &Runner{Store: s, SettleTime: 10 * time.Second, Settle: func(ctx context.Context, index uint64) error {
			waited = append(waited, index)
			select {
			case <-let:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		answered := make(chan error, 1)
		do := func(a Action, name string, dry bool) {
			_, err := r.Do(context.Background(), a, caller, &noteInput{Name: &name, Text: ptr("x"), DryRun: &dry})
			answered <- err
		}
		go do(writes, "a", false)
		synctest.Wait()
		select {
		case <-answered:
			t.Error("it was answered before it had settled")
		default:
		}
		let <- struct{}{}
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if len(waited) != 1 || waited[0] != s.Snapshot().Index {
			t.Errorf("waited for %v, the commit is %d", waited, s.Snapshot().Index)
		}

		at := time.Now()
		go do(writes, "b", false)
		if err := <-answered; err != nil {
			t.Errorf("a data plane that lags: %v", err)
		}
		if took := time.Since(at); took != r.SettleTime {
			t.Errorf("it was answered after %s, want %s", took, r.SettleTime)
		}
		waited = nil
		do(reads, "b", false)
		do2 := func(want string) {
			t.Helper()
			if err := <-answered; code(err) != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		do2("<nil>")
		do(writes, "b", false)
		do2("InvalidNote.Duplicate")
		do(writes, "c", true)
		do2("DryRunOperation")
		if len(waited) != 0 {
			t.Errorf("reads, refusals and dry runs waited for %v", waited)
		}
	})
}

// TestPrepared: what takes long is made before the transaction, from a snapshot
// that may be old: the action decides again.
func TestPrepared(t *testing.T) {
	s := newStore(t)
	inside := false
	a := Prepared("MakeNote",
		func(r state.Reader, c authz.Caller, in *noteInput) (string, error) {
			if _, ok := r.(*state.Snapshot); !ok {
				t.Error("it was prepared within a transaction")
			}
			if _, err := readNote(r, c, in); err == nil {
				return "", awserr.New("InvalidNote.Duplicate", "early")
			}
			// Somebody is faster.
			if *in.Name == "raced" {
				if _, err := s.Write(context.Background(), func(tx *state.Tx) error { _, err := keepNote(tx, c, in); return err }); err != nil {
					t.Error(err)
				}
			}
			return "made for " + *in.Name, nil
		},
		func(tx *state.Tx, c authz.Caller, in *noteInput, made string) (*noteOutput, error) {
			inside = true
			return keepNote(tx, c, &noteInput{Name: in.Name, Text: &made})
		})
	r := &Runner{Store: s}
	if _, err := r.Do(context.Background(), a, caller, &noteInput{Name: ptr("a"), Text: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	if row, _ := state.Settings.Get(s.Snapshot(), caller.Scope.Key("a")); row == nil || row.Value != "made for a" {
		t.Errorf("%+v was kept", row)
	}
	inside = false
	_, err := r.Do(context.Background(), a, caller, &noteInput{Name: ptr("a"), Text: ptr("x")})
	if e, _ := awserr.As(err); e == nil || e.Message != "early" || inside {
		t.Errorf("%v, in the transaction %v; want to be refused early", err, inside)
	}
	if _, err := r.Do(context.Background(), a, caller, &noteInput{Name: ptr("raced"), Text: ptr("x")}); code(err) != "InvalidNote.Duplicate" || !inside {
		t.Errorf("%v, in the transaction %v; want to be refused there", err, inside)
	}
}

// TestErrorsOfActions: AWS's go through, others become InternalError, with the
// cause for the log only; a nil answer beside an error stays nil.
func TestErrorsOfActions(t *testing.T) {
	s := newStore(t)
	cause := errors.New("a table is missing")
	fails := func(err error) Action {
		return Write("Fail", func(*state.Tx, authz.Caller, *noteInput) (*noteOutput, error) { return nil, err })
	}
	r := &Runner{Store: s}
	out, err := r.Do(context.Background(), fails(fmt.Errorf("doing: %w", awserr.New("InvalidNote", "x"))), caller, &noteInput{})
	if out != nil || code(err) != "InvalidNote" {
		t.Errorf("%v, %v", out, err)
	}
	out, err = r.Do(context.Background(), fails(cause), caller, &noteInput{})
	if e, ok := awserr.As(err); out != nil || !ok || e.Code != "InternalError" || !errors.Is(err, cause) {
		t.Errorf("%v, %v", out, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do(context.Background(), writes, caller, &noteInput{Name: ptr("a"), Text: ptr("x")}); code(err) != "InternalError" {
		t.Errorf("on a closed store: %v", err)
	}
}
