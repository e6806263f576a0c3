package ruleset

import (
	"fmt"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Net walks packets from router to router: those of VPCs, of NAT gateways and of
// the simulated internet, over the links between them.
type Net struct {
	spaces map[plan.Netns]*Interp
	peers  map[place]place
}

// place is one end of a link.
type place struct {
	space plan.Netns
	link  string
}

// NewNet reads all objects.
func NewNet(objects plan.Objects) *Net {
	n := &Net{spaces: map[plan.Netns]*Interp{}, peers: map[place]place{}}
	n.read(objects)
	return n
}

func (n *Net) read(objects plan.Objects) {
	for _, o := range objects {
		switch o := o.(type) {
		case plan.Router:
			if n.spaces[o.Name] == nil {
				n.spaces[o.Name] = NewInterp(objects, o.Name)
			}
		case plan.Link:
			router, other := place{o.Netns, o.Name}, place{o.Peer, o.PeerName}
			n.peers[router], n.peers[other] = other, router
		}
	}
}

// Become puts the objects of another state in place. Flows stay, as they do in
// the kernel.
func (n *Net) Become(objects plan.Objects) {
	old := n.spaces
	*n = *NewNet(objects)
	for ns, it := range n.spaces {
		if was := old[ns]; was != nil {
			it.flows, it.errs = was.flows, was.errs
		}
	}
}

// Journey is what became of a packet.
type Journey struct {
	Legs   []Leg
	Space  plan.Netns // where it arrived: outside of all routers, or a router that took it for itself; empty: nowhere
	Link   string     // by which of its links
	Packet Packet     // as it arrived
	Circle bool       // it went round until its time to live was over
}

// Leg is one router on the way.
type Leg struct {
	Space plan.Netns
	Trace
}

func (j Journey) String() string {
	words := make([]string, len(j.Legs))
	for i, l := range j.Legs {
		words[i] = string(l.Space) + " " + l.Trace.String()
	}
	return strings.Join(words, " | ")
}

// maxHops is the time to live that packets begin with.
const maxHops = 64

// Send has a packet come out of the far end of p.Link, a link of a router's. An
// error means that the objects are not what routers can have.
func (n *Net) Send(router plan.Netns, p Packet) (Journey, error) {
	var j Journey
	at := router
	for range maxHops {
		it, ok := n.spaces[at]
		if !ok {
			return j, fmt.Errorf("there is no router %s", at)
		}
		t, err := it.Send(p)
		if err != nil {
			return j, fmt.Errorf("%s: %w", at, err)
		}
		j.Legs = append(j.Legs, Leg{at, t})
		if t.Refused != 0 {
			return j, nil
		}
		p = t.Packet
		if t.Link == "lo" {
			j.Space, j.Link, j.Packet = at, t.Link, p
			return j, nil
		}
		next, ok := n.peers[place{at, t.Link}]
		if !ok {
			return j, fmt.Errorf("%s: the link %s leads nowhere", at, t.Link)
		}
		p.Link = next.link
		if n.spaces[next.space] == nil {
			j.Space, j.Link, j.Packet = next.space, next.link, p
			return j, nil
		}
		at = next.space
	}
	j.Circle = true
	return j, nil
}
