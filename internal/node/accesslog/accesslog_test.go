package accesslog

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "123456789012", Region: "us-east-1"}

func balancer(set ...string) *state.LoadBalancer {
	b := &state.LoadBalancer{Meta: state.Meta{Key: scope.Key("net/front/1")}, Name: "front", Hash: "1", VpcID: "vpc-1", State: "active",
		Nodes: []state.BalancerNode{{Zone: "us-east-1a", PrivateIP: netip.MustParseAddr("10.0.1.5"), PublicIP: netip.MustParseAddr("52.0.0.1")}}}
	for i := 0; i < len(set); i += 2 {
		b.Attributes = b.Attributes.With(set[i], set[i+1])
	}
	return b
}

func flow(protocol uint8, asked, answers string) kernel.Flow {
	return kernel.Flow{Protocol: protocol, Client: netip.MustParseAddrPort("203.0.113.9:40000"), Asked: netip.MustParseAddrPort(asked), Answers: netip.MustParseAddrPort(answers),
		Begin: time.Unix(1709208000, 0), End: time.Unix(1709208001, 0), Counted: true, In: 1, Out: 2}
}

// heard is a watch of flows that a test sends.
type heard struct {
	flows  chan kernel.Flow
	closed chan struct{}
}

func (h *heard) Next(each func(kernel.Flow)) (bool, error) {
	select {
	case f := <-h.flows:
		each(f)
		return true, nil
	case <-h.closed:
		return false, os.ErrClosed
	}
}

func (h *heard) Close() error { close(h.closed); return nil }

// TestFollows: a router is watched while a balancer logs, and only flows through that
// are logged, at its private address whichever was asked.
func TestFollows(t *testing.T) {
	store, err := state.Open(state.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	write := func(b *state.LoadBalancer) uint64 {
		t.Helper()
		index, err := store.Write(t.Context(), func(tx *state.Tx) error {
			state.LoadBalancers.Put(tx, b)
			state.Listeners.Put(tx, &state.Listener{Meta: state.Meta{Key: scope.Key("net/front/1/2")}, BalancerID: b.ID, Protocol: "TCP_UDP", Port: 80})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return index
	}
	dir := filepath.Join(t.TempDir(), "s3")
	watches := make(chan *heard, 2)
	logs := New(Config{Store: store, Dir: dir, Log: slog.New(slog.DiscardHandler), Settled: func(context.Context, uint64) error { return nil },
		Watch: func(ns plan.Netns) (Watch, error) {
			if ns != "vpc-1" {
				return nil, errors.New("another router")
			}
			h := &heard{make(chan kernel.Flow), make(chan struct{})}
			watches <- h
			return h, nil
		}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- logs.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	off := balancer(balance.AttrLogBucket, "my-logs")
	if err := logs.Wait(ctx, write(off)); err != nil || len(watches) != 0 {
		t.Fatalf("%v, %d are watched", err, len(watches))
	}
	if err := logs.Wait(ctx, write(balancer(balance.AttrLogBucket, "my-logs", balance.AttrLogs, "true"))); err != nil || len(watches) != 1 {
		t.Fatalf("%v, %d are watched", err, len(watches))
	}
	h := <-watches
	for _, f := range []kernel.Flow{
		flow(6, "52.0.0.1:80", "10.0.11.4:8080"), flow(17, "10.0.1.5:80", "10.0.11.4:8080"), flow(6, "10.0.1.5:80", "10.0.1.5:80"),
		flow(6, "52.0.0.1:81", "10.0.11.4:8080"), flow(1, "52.0.0.1:80", "10.0.11.4:8080"), flow(6, "10.0.11.4:8080", "10.0.11.4:8080"),
	} {
		h.flows <- f
	}
	write(off)
	<-h.closed // and what was heard before is written, as it takes one after the other
	text, err := os.ReadFile(filepath.Join(dir, balance.LogPath(off, time.Unix(1709208001, 0))))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		field := strings.Fields(line)
		got = append(got, field[0]+" "+field[5]+" "+field[6]+" "+field[len(field)-1])
	}
	want := "tcp 203.0.113.9:40000 10.0.1.5:80 10.0.11.4:8080\nudp 203.0.113.9:40000 10.0.1.5:80 10.0.11.4:8080\ntcp 203.0.113.9:40000 10.0.1.5:80 -"
	if strings.Join(got, "\n") != want {
		t.Errorf("it says\n%s", text)
	}
}

// TestNothingLeavesTheDirectory: not by a link that somebody has put there either.
func TestNothingLeavesTheDirectory(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	if err := os.Symlink(other, filepath.Join(dir, "my-logs")); err != nil {
		t.Fatal(err)
	}
	ls := lines{}
	b := balancer(balance.AttrLogBucket, "my-logs", balance.AttrLogs, "true")
	at := netip.MustParseAddrPort("10.0.1.5:80")
	ls.add(places{asked{at, 6}: {b, "net/front/1/2", at}}, flow(6, "10.0.1.5:80", "10.0.11.4:8080"))
	if err := ls.write(dir); err == nil || len(ls) != 1 {
		t.Errorf("%v, %d logs", err, len(ls))
	}
	if left, err := os.ReadDir(other); err != nil || len(left) != 0 {
		t.Errorf("it holds %v, %v", left, err)
	}
}
