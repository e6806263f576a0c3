//go:build linux

package agreement

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/state"
)

// resident is an instance with its VPC.
type resident struct{ name, vpc, addr string }

// residents are in three VPCs whose blocks overlap, two of them equal, of two
// accounts in two Regions, and in one that is peered with all of them.
var residents = []resident{
	{"a1", "vpc-1", "10.0.1.4"}, {"a2", "vpc-1", "10.0.2.4"},
	{"x1", "vpc-x", "10.0.1.4"}, {"x2", "vpc-x", "10.0.2.4"},
	{"y1", "vpc-y", "10.0.1.4"}, {"y2", "vpc-y", "10.0.100.4"},
	{"h1", "vpc-2", "10.9.1.4"}, {"h2", "vpc-2", "10.9.2.4"},
}

func (r resident) space() plan.Netns { return plan.Netns("i-" + r.name) }

// reaches says who gets a packet to an address: whoever has it in the sender's VPC,
// or where the routes of the one in the middle lead, and of the others there.
func (r resident) reaches(addr string) (resident, bool) {
	vpc := r.vpc
	switch {
	case strings.HasPrefix(addr, "10.9."):
		vpc = "vpc-2"
	case vpc == "vpc-2":
		vpc = map[string]string{"10.0.1.4": "vpc-1", "10.0.2.4": "vpc-x", "10.0.100.4": "vpc-y"}[addr]
	}
	for _, other := range residents {
		if other.vpc == vpc && other.addr == addr {
			return other, true
		}
	}
	return resident{}, false
}

func crossing(tx *state.Tx) {
	blocks := map[string]string{"vpc-1": "10.0.0.0/16", "vpc-x": "10.0.0.0/16", "vpc-y": "10.0.0.0/17", "vpc-2": "10.9.0.0/16"}
	served := map[string][]string{}
	for vpc, block := range blocks {
		id := vpc[4:]
		fabrictest.Vpc(tx, vpc, block)
		fabrictest.Group(tx, "sg-"+id, vpc, "all")
		fabrictest.Rule(tx, "sgr-"+id+"-in", "sg-"+id, false, "-1", -1, -1, "0.0.0.0/0")
		fabrictest.Rule(tx, "sgr-"+id+"-out", "sg-"+id, true, "-1", -1, -1, "0.0.0.0/0")
	}
	for i, r := range residents {
		id := r.vpc[4:]
		subnet := fmt.Sprintf("subnet-%s%d", id, i)
		network, _, _ := strings.Cut(r.addr, ".4")
		fabrictest.Subnet(tx, subnet, r.vpc, uint32(len(served[r.vpc])+1), network+".0/24")
		served[r.vpc] = append(served[r.vpc], subnet)
		fabrictest.Instance(tx, "i-"+r.name, r.vpc, state.Running)
		fabrictest.Interface(tx, "eni-"+r.name, r.vpc, subnet, "i-"+r.name, 0, []string{"sg-" + id}, r.addr)
	}
	for vpc, subnets := range served {
		fabrictest.Acl(tx, "acl-"+vpc[4:], vpc, []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, subnets...)
	}
	for _, vpc := range []string{"vpc-1", "vpc-x", "vpc-y"} {
		fabrictest.Peering(tx, "pcx-"+vpc[4:], "vpc-2", vpc, "active")
		fabrictest.Routes(tx, "rtb-"+vpc[4:], vpc, 1, [][2]string{{"10.9.0.0/16", "pcx-" + vpc[4:]}}, "main")
	}
	fabrictest.Routes(tx, "rtb-2", "vpc-2", 1, [][2]string{{"10.0.1.0/24", "pcx-1"}, {"10.0.2.0/24", "pcx-x"}, {"10.0.100.0/24", "pcx-y"}}, "main")
}

// TestNothingCrosses: while all VPCs are under load, every instance sends a marked
// packet to every address. Each arrives where its own VPC's routes lead, from the
// sender's own address, and nowhere else.
func TestNothingCrosses(t *testing.T) {
	var names []string
	for _, r := range residents {
		names = append(names, "i-"+r.name)
	}
	w := newTown(t, names...)
	w.become(crossing)

	listen := func(r resident, port string) net.PacketConn {
		t.Helper()
		var c net.PacketConn
		if err := w.k.In(r.space(), func() (err error) { c, err = net.ListenPacket("udp4", ":"+port); return err }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	// The load: each waits for its answer, and sends again.
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	defer func() { cancel(); busy.Wait() }()
	turns := make([]int, len(residents))
	for _, r := range residents {
		echo := listen(r, "7")
		go func() {
			buf := make([]byte, 2000)
			for {
				n, from, err := echo.ReadFrom(buf)
				if err != nil {
					return
				}
				echo.WriteTo(buf[:n], from)
			}
		}()
	}
	for i, r := range residents {
		other, _ := r.reaches(residents[i^1].addr)
		asks, to := listen(r, "0"), &net.UDPAddr{IP: net.ParseIP(other.addr), Port: 7}
		busy.Go(func() {
			buf := make([]byte, 2000)
			for ctx.Err() == nil {
				asks.SetDeadline(time.Now().Add(5 * time.Second))
				asks.WriteTo(buf[:1200], to)
				if _, _, err := asks.ReadFrom(buf); err != nil {
					t.Errorf("the load of %s gets no answer: %v", r.name, err)
					return
				}
				turns[i]++
			}
		})
	}

	const rounds = 20
	var mu sync.Mutex
	arrived := map[string]int{}
	sockets := map[string]net.PacketConn{}
	last := make(chan struct{}, 1)
	for _, r := range residents {
		c := listen(r, "9000")
		sockets[r.name] = c
		go func() {
			buf := make([]byte, 200)
			for {
				n, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				host, _, _ := net.SplitHostPort(from.String())
				mu.Lock()
				arrived[fmt.Sprintf("%s from %s at %s", buf[:n], host, r.name)]++
				mu.Unlock()
				select {
				case last <- struct{}{}:
				default:
				}
			}
		}()
	}
	want := map[string]int{}
	sent := 0
	for range rounds {
		for _, r := range residents {
			for _, other := range residents {
				mark := r.name + " to " + other.addr
				sockets[r.name].WriteTo([]byte(mark), &net.UDPAddr{IP: net.ParseIP(other.addr), Port: 9000})
				sent++
				if at, ok := r.reaches(other.addr); ok {
					want[fmt.Sprintf("%s from %s at %s", mark, r.addr, at.name)]++
				}
			}
		}
	}
	for quiet := false; !quiet; { // what comes late would come now
		select {
		case <-last:
		case <-time.After(silence):
			quiet = true
		}
	}
	cancel()
	busy.Wait()
	mu.Lock()
	defer mu.Unlock()
	for mark, n := range arrived {
		if want[mark] == 0 {
			t.Errorf("%d times, %s: nothing leads there", n, mark)
		}
	}
	total := 0
	for mark, n := range want {
		total += n
		if arrived[mark] != n {
			t.Errorf("%d of %d times, %s", arrived[mark], n, mark)
		}
	}
	load := 0
	for i, n := range turns {
		load += n
		if n == 0 {
			t.Errorf("%s made no load", residents[i].name)
		}
	}
	t.Logf("%d marked packets sent, %d of them to somebody, beside %d of load", sent, total, 2*load)
}
