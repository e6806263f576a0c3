package ruleset

import "github.com/localvpc/localvpc/internal/decide/fabric"

// tuple is what connection tracking knows a direction of a flow by. Sequence
// numbers of TCP are taken to fit.
type tuple struct {
	fabric.Header
	ident uint16
}

// flow is one tracked flow.
type flow struct {
	mark     uint32
	back     tuple // of the answers
	answered bool
	kept     bool // a packet of it was let through
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
		if f, back, ok := w.it.find(tracked(w.p.About.Header, w.p.About.Ident)); ok {
			w.flow, w.back, w.state = f, !back, "related" // it goes against the packet that it is about
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
	back, answers := w.p.Reply()
	if !answers || w.p.Protocol == fabric.TCP && w.p.Flags != Syn && w.p.Flags != Ack {
		return
	}
	w.flow, w.state = &flow{back: tracked(back, w.p.Ident)}, "new"
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
	w.flow.kept = true
	w.it.flows[tracked(w.p.Header, w.p.Ident)] = w.flow
	w.it.flows[w.flow.back] = w.flow
}
