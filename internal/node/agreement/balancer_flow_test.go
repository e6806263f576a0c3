//go:build linux

package agreement

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/state"
)

// echo answers each line and each datagram with the name of its namespace.
func (w *town) echo(ns plan.Netns, addr string) {
	w.Helper()
	var l net.Listener
	var p net.PacketConn
	if err := w.k.In(ns, func() (err error) {
		if l, err = net.Listen("tcp4", addr); err == nil {
			p, err = net.ListenPacket("udp4", addr)
		}
		return err
	}); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { l.Close(); p.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					fmt.Fprintln(c, ns)
				}
			}()
		}
	}()
	go func() {
		b := make([]byte, 64)
		for {
			_, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			p.WriteTo([]byte(string(ns)+"\n"), from)
		}
	}()
}

// dial opens a connection in a namespace.
func (w *town) dial(ns plan.Netns, network, to string) net.Conn {
	w.Helper()
	var c net.Conn
	if err := w.k.In(ns, func() (err error) { c, err = net.DialTimeout(network, to, 5*time.Second); return err }); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	return c
}

// who asks over a connection which target has it; "" for no answer.
func who(c net.Conn, wait time.Duration) string {
	c.SetDeadline(time.Now().Add(wait))
	fmt.Fprintln(c, "who")
	b := make([]byte, 64)
	n, err := c.Read(b)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b[:n]))
}

// wasReset says whether a connection that is used ends with a reset.
func wasReset(c net.Conn) bool {
	c.SetDeadline(time.Now().Add(5 * time.Second))
	_, err := fmt.Fprintln(c, "who") // fails if a late acknowledgement was what met the reset
	if err == nil {
		_, err = c.Read(make([]byte, 64))
	}
	return errors.Is(err, syscall.ECONNRESET)
}

// TestBalance: flows are spread evenly, stay with their target while others come and
// go, and end when it has drained.
func TestBalance(t *testing.T) {
	w := newTown(t, "i-a", "i-b", "i-in", "host-far", "host-other")
	three := []string{balance.AttrCrossZone, "true", balance.AttrTerminate, "true"}
	register := func(tx *state.Tx, id string, healthy bool) {
		fabrictest.Target(tx, "tg-1", "net/lb", id, 8080, healthy)
	}
	w.become(func(tx *state.Tx) {
		service(tx)
		fabrictest.Rule(tx, "sgr-web-udp", "sg-web", false, "udp", 8080, 8080, "0.0.0.0/0")
		fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP_UDP", 80, "tg-1", "instance", three...)
		register(tx, "i-in", true)
	})
	for _, ns := range []plan.Netns{"i-a", "i-b", "i-in"} {
		w.echo(ns, "0.0.0.0:8080")
	}
	const front = "198.18.1.90:80"

	// Within 5 % of even.
	const flows = 10000
	count := map[string]int{}
	if err := w.k.In("host-far", func() error {
		for range flows {
			c, err := net.Dial("udp4", front)
			if err != nil {
				return err
			}
			count[who(c, 5*time.Second)]++
			c.Close()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"i-a", "i-b", "i-in"} {
		if n := count[id]; n < flows/3*95/100 || n > flows/3*105/100 {
			t.Errorf("%d of %d flows get to %s: %v", n, flows, id, count)
		}
	}

	type flow struct {
		net.Conn
		at string
	}
	var open []flow
	for i := range 60 {
		c := w.dial("host-far", []string{"tcp4", "udp4"}[i%2], front)
		open = append(open, flow{c, who(c, 5*time.Second)})
	}
	steady := func(when string, but ...string) {
		t.Helper()
		for _, f := range open {
			if got := who(f.Conn, 5*time.Second); got != f.at {
				t.Fatalf("%s: a flow of %s is answered by %q", when, f.at, got)
			}
		}
		for range 30 {
			at := who(w.dial("host-far", "tcp4", front), 5*time.Second)
			if at == "" || strings.Contains(strings.Join(but, " "), at) {
				t.Fatalf("%s: a new flow gets to %q", when, at)
			}
		}
	}
	steady("at first")
	w.become(func(tx *state.Tx) { fabrictest.Drain(tx, "tg-1", "i-in", 8080) })
	steady("while one drains", "i-in")
	w.become(func(tx *state.Tx) { register(tx, "i-in", true) })
	steady("when it is back")
	w.become(func(tx *state.Tx) {
		fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP_UDP", 80, "tg-1", "instance", append(three, balance.AttrUnhealthyEnd, "false")...)
	})
	w.become(func(tx *state.Tx) { register(tx, "i-b", false) })
	steady("while one is unhealthy and its flows are left alone", "i-b")
	w.become(func(tx *state.Tx) {
		register(tx, "i-b", true)
		fabrictest.Drain(tx, "tg-1", "i-a", 8080)
	})
	steady("while another one drains", "i-a")

	// It has drained: what it had goes on no more, what others have does.
	w.become(func(tx *state.Tx) { state.Targets.Delete(tx, fabrictest.Key("tg-1 i-a:8080")) })
	for _, f := range open {
		if _, udp := f.Conn.(*net.UDPConn); f.at == "i-a" && !udp {
			if !wasReset(f.Conn) {
				t.Error("a connection of the target that has drained is not reset")
			}
			continue
		}
		if got := who(f.Conn, 5*time.Second); f.at != "i-a" && got != f.at || got == "i-a" || got == "" {
			t.Errorf("a flow of %s is answered by %q when i-a has drained", f.at, got)
		}
	}
	// What is idle for too long is forgotten.
	w.become(func(tx *state.Tx) {
		row, _ := state.Listeners.Get(tx, fabrictest.Key("net/lb/80"))
		hasty := *row
		hasty.Attributes = hasty.Attributes.With(balance.AttrIdle, "1")
		state.Listeners.Put(tx, &hasty)
	})
	w.sameAsRead("vpc-1")
	idle := w.dial("host-far", "tcp4", front)
	if who(idle, 5*time.Second) == "" {
		t.Fatal("a connection gets no answer")
	}
	idle.SetReadDeadline(time.Now().Add(2500 * time.Millisecond))
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("an idle connection ends: %v", err)
	}
	if !wasReset(idle) {
		t.Error("a connection that was idle for too long goes on")
	}
	// Without a listener nothing goes on.
	w.become(func(tx *state.Tx) { state.Listeners.Delete(tx, fabrictest.Key("net/lb/80")) })
	for i, f := range open[:8] {
		if got := who(f.Conn, silence); got != "" {
			t.Errorf("flow %d of a listener that was deleted is answered by %q", i, got)
		}
	}
}
