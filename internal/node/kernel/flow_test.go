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
)

// passing is a router that lets tracked connections, UDP and the members of
// src_ok pass.
func passing(r plan.Netns) []plan.Object {
	return []plan.Object{
		plan.Router{Name: r},
		plan.IPRule{Netns: r, Family: 4, Pref: 100, Table: 254},
		plan.Set{Netns: r, Name: "src_ok", Types: []plan.DataType{plan.TypeIfname, plan.TypeIPv4}},
		plan.Chain{Netns: r, Name: "forward", Hook: &plan.Hook{Type: "filter", Hook: "forward", Priority: 0, Policy: "drop"}, Rules: []plan.Rule{
			plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("established"))),
			plan.Do(plan.Accept, "", plan.Where(plan.L4Proto, plan.Str("udp"))),
			plan.Do(plan.Accept, "", plan.In("src_ok", plan.IIfName, plan.SAddr)),
		}},
	}
}

// TestFlowsAreCounted and cut: after that a connection has to be let pass anew.
func TestFlowsAreCountedAndCut(t *testing.T) {
	k := world(t)
	guest(t, k, "i-1")
	guest(t, k, "i-2")
	objects := append(passing("vpc-1"), port("vpc-1", "i-1", "e1", "10.0.0.4", 4)...)
	objects = append(objects, port("vpc-1", "i-2", "e2", "10.0.0.5", 4)...)
	if err := do(k, plan.Add, objects...); err != nil {
		t.Fatal(err)
	}
	inside := func(ns plan.Netns, f func() error) {
		t.Helper()
		if err := k.In(ns, f); err != nil {
			t.Fatal(err)
		}
	}
	var server net.Listener
	var mark, marker net.Conn
	inside("i-2", func() (err error) { server, err = net.Listen("tcp4", "10.0.0.5:80"); return err })
	defer server.Close()
	var udp net.PacketConn
	inside("i-2", func() (err error) { udp, err = net.ListenPacket("udp4", "10.0.0.5:53"); return err })
	defer udp.Close()
	inside("i-1", func() (err error) { marker, err = net.Dial("udp4", "10.0.0.5:53"); return err })
	defer marker.Close()
	if n, err := k.CutFlows("vpc-1", plan.Flows{}); n != 0 || err != nil {
		t.Errorf("cut %d of none, %v", n, err)
	}
	var client net.Conn
	inside("i-1", func() (err error) { client, err = net.DialTimeout("tcp4", "10.0.0.5:80", 10*time.Second); return err })
	defer client.Close()
	mark, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer mark.Close()

	// arrives sends on the connection and then by UDP, which passes anyhow: when
	// that is there, the former is, or will not come soon.
	arrives := func() bool {
		t.Helper()
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := marker.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		udp.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, _, err := udp.ReadFrom(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		raw, err := mark.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		raw.Control(func(fd uintptr) { n, _, _ = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_DONTWAIT) })
		return n == 1
	}
	if !arrives() {
		t.Fatal("nothing arrives")
	}
	member := objects[len(passing("vpc-1"))+6]
	if err := do(k, plan.Remove, member); err != nil {
		t.Fatal(err)
	}
	if !arrives() {
		t.Error("a tracked connection ended with the rule that it began by")
	}
	this := plan.Flows{Src: addr("10.0.0.4"), Dst: addr("10.0.0.5"), Protocol: unix.IPPROTO_TCP, Port: 80}
	for _, row := range []struct {
		name string
		m    plan.Flows
		want int
	}{
		{"all", plan.Flows{}, 2},
		{"this", this, 1},
		{"by source", plan.Flows{Src: addr("10.0.0.4")}, 2},
		{"by port", plan.Flows{Port: 80}, 1},
		{"other direction", plan.Flows{Src: addr("10.0.0.5")}, 0},
	} {
		if n, err := k.CountFlows("vpc-1", row.m); n != row.want || err != nil {
			t.Errorf("%s: %d flows, %v", row.name, n, err)
		}
	}
	if n, err := k.CutFlows("vpc-1", this); n != 1 || err != nil {
		t.Fatalf("cut %d, %v", n, err)
	}
	if arrives() {
		t.Error("the connection goes on")
	}
	if err := do(k, plan.Add, member); err != nil {
		t.Fatal(err)
	}
	if _, err := k.CutFlows("vpc-1", plan.Flows{}); err != nil {
		t.Fatal(err)
	}
	// What was lost comes again by itself, and takes up the connection.
	mark.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := mark.Read(make([]byte, 1)); err != nil {
		t.Errorf("the connection is not taken up again: %v", err)
	}
	if _, err := k.CountFlows("vpc-9", this); !errors.Is(err, unix.ENOENT) {
		t.Errorf("counting nowhere gives %v", err)
	}
}

// TestWhatAnInstanceDoesIsItsOwn: addresses and routes that it makes are not
// read, and a renamed interface is still found.
func TestWhatAnInstanceDoesIsItsOwn(t *testing.T) {
	k := world(t)
	guest(t, k, "i-1")
	guest(t, k, "i-own")
	want := plan.Objects{}
	want.Put(passing("vpc-1")...)
	want.Put(port("vpc-1", "i-1", "e1", "10.0.0.4", 4)...)
	apply(t, k, plan.Objects{}, want)
	// A kernel of its own stands for the instance's root.
	var f *os.File
	if err := k.In("i-1", func() (err error) { f, err = os.Open("/proc/thread-self/ns/net"); return err }); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err := k.In("i-1", func() error {
		s, err := net.Dial("udp4", "10.0.0.1:9")
		if err != nil {
			return err
		}
		defer s.Close()
		return rename(s, "eth0", "wan0")
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, k, want, "vpc-1", "i-1")
	second := plan.Addr{Netns: "i-1", Link: "eth0", Prefix: prefix("10.0.0.9/16")}
	if err := do(k, plan.Add, second); err != nil {
		t.Fatal(err)
	}
	want.Put(second)
	same(t, k, want, "vpc-1", "i-1")
	apply(t, k, want, plan.Objects{})
}

// rename gives an interface another name, as ip link does on older systems.
func rename(s net.Conn, from, to string) error {
	raw, err := s.(*net.UDPConn).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	raw.Control(func(fd uintptr) { failed = ioctlRename(int(fd), from, to) })
	return failed
}
