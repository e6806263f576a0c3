//go:build linux

package kernel_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
)

// TestWatch: a connection of TCP is told when it has been closed and not again when it
// is forgotten, one of UDP when that is; both with bytes and times.
func TestWatch(t *testing.T) {
	k := world(t)
	guest(t, k, "i-1")
	guest(t, k, "i-2")
	objects := append(passing("vpc-1"), port("vpc-1", "i-1", "e1", "10.0.0.4", 4)...)
	objects = append(objects, port("vpc-1", "i-2", "e2", "10.0.0.5", 4)...)
	for _, name := range []string{"acct", "timestamp"} {
		objects = append(objects, plan.Sysctl{Netns: "vpc-1", Path: "net/netfilter/nf_conntrack_" + name, Value: "1"})
	}
	if err := do(k, plan.Add, objects...); err != nil {
		t.Fatal(err)
	}
	inside := func(ns plan.Netns, f func() error) {
		t.Helper()
		if err := k.In(ns, f); err != nil {
			t.Fatal(err)
		}
	}
	w, err := k.Watch("vpc-1")
	if err != nil {
		t.Fatal(err)
	}
	flows := make(chan kernel.Flow, 8)
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := w.Next(func(f kernel.Flow) { flows <- f }); err != nil {
				ended <- err
				return
			}
		}
	}()
	told := func(protocol uint8, least uint64) {
		t.Helper()
		select {
		case f := <-flows:
			if f.Protocol != protocol || f.Client.Addr() != addr("10.0.0.4") || f.Asked.Addr() != addr("10.0.0.5") || f.Answers != f.Asked ||
				!f.Counted || f.In < least || f.Begin.IsZero() || f.End.Before(f.Begin) || time.Since(f.Begin) > time.Minute {
				t.Errorf("protocol %d: %+v", protocol, f)
			}
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing is told of protocol %d", protocol)
		}
	}
	var server net.Listener
	var client, datagrams net.Conn
	var udp net.PacketConn
	inside("i-2", func() (err error) { server, err = net.Listen("tcp4", "10.0.0.5:80"); return err })
	defer server.Close()
	inside("i-2", func() (err error) { udp, err = net.ListenPacket("udp4", "10.0.0.5:53"); return err })
	defer udp.Close()
	inside("i-1", func() (err error) { client, err = net.DialTimeout("tcp4", "10.0.0.5:80", 10*time.Second); return err })
	inside("i-1", func() (err error) { datagrams, err = net.Dial("udp4", "10.0.0.5:53"); return err })
	defer datagrams.Close()
	taken, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	client.Close()
	for buffer := make([]byte, 2000); err == nil; {
		_, err = taken.Read(buffer)
	}
	taken.Close()
	told(unix.IPPROTO_TCP, 1000)
	if _, err := datagrams.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	udp.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, _, err := udp.ReadFrom(make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	if n, err := k.CutFlows("vpc-1", plan.Flows{}); n != 2 || err != nil {
		t.Fatalf("cut %d, %v", n, err)
	}
	told(unix.IPPROTO_UDP, 100)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
	if len(flows) != 0 {
		t.Errorf("told once more: %+v", <-flows)
	}
	if _, err := k.Watch("vpc-9"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("watching nowhere gives %v", err)
	}
}
