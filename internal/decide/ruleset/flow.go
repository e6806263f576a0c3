package ruleset

import (
	"fmt"
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// tuple is what connection tracking knows a direction of a flow by. Sequence
// numbers of TCP are taken to fit.
type tuple struct {
	fabric.Header
	ident uint16
}

// flow is one tracked flow.
type flow struct {
	mark     uint32
	there    Packet // its first packet as it came
	answer   Packet // what answers it, as that comes
	back     tuple  // of the answers
	answered bool
	kept     bool // a packet of it was let through

	// What its first packet's addresses became; zero: nothing.
	to, as netip.Addr
	port   uint16 // beside as
	at     uint16 // beside to; 0: as it was
}

// about is a flow by one of its packets, with the direction that an error about
// that packet goes in.
type about struct {
	flow *flow
	back bool
}

// tracked gives the part of a packet's header that names its flow: other
// protocols than TCP, UDP and ICMP are known by addresses alone.
func tracked(h fabric.Header, ident uint16) tuple {
	t := tuple{Header: fabric.Header{Src: h.Src, Dst: h.Dst, Protocol: h.Protocol}}
	switch {
	case h.HasPorts():
		t.SPort, t.DPort = h.SPort, h.DPort
	case h.Protocol == fabric.ICMP:
		t.Type, t.Code, t.ident = h.Type, h.Code, ident
	}
	return t
}

// isError says whether an ICMP type tells about another packet (RFC 792).
func isError(h fabric.Header) bool {
	switch h.Type {
	case 3, 4, 5, 11, 12:
		return h.Protocol == fabric.ICMP
	}
	return false
}

// track finds the packet's flow before the first hook, as conntrack does, and
// its state. A packet that cannot begin a flow and belongs to none is invalid.
func (w *walk) track() {
	if isError(w.p.Header) {
		if w.p.About == nil || w.p.About.Src != w.p.Dst {
			return
		}
		if a, ok := w.it.errs[tracked(w.p.About.Header, w.p.About.Ident)]; ok {
			w.flow, w.back, w.state = a.flow, a.back, "related"
		}
		return
	}
	if f, back, ok := w.it.find(tracked(w.p.Header, w.p.Ident)); ok {
		w.flow, w.back, w.state = f, back, "new"
		f.answered = f.answered || back
		if f.answered {
			w.state = "established"
		}
		return
	}
	if _, answers := w.p.Reply(); !answers || w.p.Protocol == fabric.TCP && w.p.Flags != Syn && (w.p.Flags != Ack || w.it.strict) {
		return
	}
	w.flow, w.state = &flow{there: w.p}, "new"
}

func (it *Interp) find(t tuple) (f *flow, back, ok bool) {
	f, ok = it.flows[t]
	return f, ok && f.back == t, ok
}

// confirm keeps the flow of a packet that was let through.
func (w *walk) confirm() {
	if w.flow == nil || w.flow.kept {
		return
	}
	f := w.flow
	f.kept = true
	answer, _ := w.p.Reply()
	f.answer = Packet{Header: answer, Ident: w.p.Ident}
	f.back = tracked(answer, w.p.Ident)
	delivered, _ := f.there.Reply() // the answer as the sender gets it
	w.it.flows[tracked(f.there.Header, f.there.Ident)] = f
	w.it.flows[f.back] = f
	w.it.errs[tracked(delivered, f.there.Ident)] = about{f, false}
	w.it.errs[tracked(w.p.Header, w.p.Ident)] = about{f, true} // without translation the same as above turned round
}

// decideNAT is a translation's statement, which the first packet of a flow meets.
func (w *walk) decideNAT(n plan.NAT) (done bool, err error) {
	to := n.To
	if n.Hash != nil {
		slot := balance.Slot(w.p.Src, w.p.SPort, len(n.Hash) == 1)
		s, ok := w.it.sets[n.Map]
		if !ok {
			return false, fmt.Errorf("there is no map %s", n.Map)
		}
		e, found, err := s.find([]plan.Value{plan.Num(uint32(slot))})
		if err != nil || !found {
			return false, err
		}
		w.flow.to, w.flow.at = e.To.From, uint16(e.To.Lo)
		return true, nil
	}
	if n.Map != "" {
		e, found, err := w.lookup(n.Map, []plan.Field{n.Field})
		if err != nil || !found {
			return false, err
		}
		to = e.To.From
	}
	switch n.Code {
	case "dnat":
		w.flow.to, w.flow.at = to, n.Lo
	case "snat":
		w.flow.as, w.flow.port = to, w.source()
		if n.Hi != 0 && (w.flow.port < n.Lo || w.flow.port > n.Hi) {
			w.flow.port = n.Lo // the kernel chooses at random
		}
	default:
		return false, fmt.Errorf("no stage uses %q", n)
	}
	return true, nil
}

// source is what stands for a source port.
func (w *walk) source() uint16 {
	if w.p.Protocol == fabric.ICMP {
		return w.p.Ident
	}
	return w.p.SPort
}

// translate does to a packet at a hook what was decided for its flow: before
// routing the destination changes, after it the source. Answers change the other
// way round, and an error says of the packet that it is about what that was.
func (w *walk) translate(hook string) {
	f := w.flow
	if f == nil || hook != "prerouting" && hook != "postrouting" || !f.to.IsValid() && !f.as.IsValid() {
		return
	}
	first, final := f.there, w.state == "related"
	ports := w.p.HasPorts()
	switch {
	case hook == "prerouting" && !w.back && f.to.IsValid():
		w.p.Dst = f.to
		if ports && f.at != 0 {
			w.p.DPort = f.at
		}
	case hook == "prerouting" && w.back && f.as.IsValid():
		w.p.Dst = first.Src
		if ports {
			w.p.DPort = first.SPort
		} else if !final {
			w.p.Ident = first.Ident
		}
	case hook == "postrouting" && !w.back && f.as.IsValid():
		w.p.Src = f.as
		if ports {
			w.p.SPort = f.port
		} else if !final && w.p.Protocol == fabric.ICMP {
			w.p.Ident = f.port
		}
	case hook == "postrouting" && w.back && f.to.IsValid():
		w.p.Src = first.Dst
		if ports && f.at != 0 {
			w.p.SPort = first.DPort
		}
	}
	if hook != "postrouting" || !final || w.p.About == nil {
		return
	}
	inner := *w.p.About
	if w.back {
		inner.Header, inner.Ident = first.Header, first.Ident
	} else {
		inner.Header, inner.Ident = f.answer.Header, f.answer.Ident
	}
	w.p.About = &inner
}
