package accesslog

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/state"
)

// maxFile bounds a balancer's log of a day, in bytes. Further lines of it are left out.
const maxFile = 256 << 20

// places are where flows are logged, by what their clients ask.
type places map[asked]place

type asked struct {
	at       netip.AddrPort
	protocol uint8
}

// place is a node of a balancer's listener.
type place struct {
	balancer *state.LoadBalancer
	listener string
	node     netip.AddrPort // its private address, whichever was asked
}

// wanted gives the places of each router that is to be watched.
func wanted(r state.Reader) map[plan.Netns]places {
	want := map[plan.Netns]places{}
	for b := range state.LoadBalancers.All(r) {
		if !balance.Logs(b) {
			continue
		}
		ns := plan.Netns(b.VpcID)
		if want[ns] == nil {
			want[ns] = places{}
		}
		for _, l := range balance.Listeners(r, b) {
			for _, n := range b.Nodes {
				for _, protocol := range fabric.Protocols(l) {
					p := place{b, l.ID, netip.AddrPortFrom(n.PrivateIP, uint16(l.Port))}
					want[ns][asked{p.node, protocol}] = p
					if n.PublicIP.IsValid() {
						want[ns][asked{netip.AddrPortFrom(n.PublicIP, uint16(l.Port)), protocol}] = p
					}
				}
			}
		}
	}
	return want
}

var protocols = map[uint8]string{fabric.TCP: "tcp", fabric.UDP: "udp"}

// lines are what is to be written, by the path of the log.
type lines map[string]*strings.Builder

// add adds the line of a flow, if it is one through a balancer that logs.
func (ls lines) add(known places, f kernel.Flow) {
	p, ok := known[asked{f.Asked, f.Protocol}]
	if !ok {
		return
	}
	l := balance.Logged{
		Balancer: p.balancer, Listener: p.listener, Protocol: protocols[f.Protocol], Client: f.Client, Node: p.node, Target: f.Answers,
		Begin: f.Begin, End: f.End, Counted: f.Counted, In: f.In, Out: f.Out,
	}
	if f.Answers.Addr() == p.node.Addr() { // the proxy answers, and asks a target itself
		l.Target = netip.AddrPort{}
	}
	at := balance.LogPath(p.balancer, f.End)
	if ls[at] == nil {
		ls[at] = &strings.Builder{}
	}
	ls[at].WriteString(l.Line())
	ls[at].WriteByte('\n')
}

// write appends the lines to their logs, below dir and nowhere else.
func (ls lines) write(dir string) error {
	if len(ls) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of buckets: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the directory of buckets: %w", err)
	}
	defer root.Close()
	var errs []error
	for at, text := range ls {
		if err := appendTo(root, at, text.String()); err != nil {
			errs = append(errs, fmt.Errorf("writing %s: %w", at, err))
		}
	}
	return errors.Join(errs...)
}

func appendTo(root *os.Root, at, text string) error {
	if err := root.MkdirAll(path.Dir(at), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Size()+int64(len(text)) > maxFile:
		err = fmt.Errorf("it has %d MiB, the most that a day's log has", maxFile>>20)
	default:
		_, err = f.WriteString(text)
	}
	return errors.Join(err, f.Close())
}
