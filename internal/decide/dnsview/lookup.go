package dnsview

import (
	"slices"
	"strings"

	"github.com/localvpc/localvpc/internal/state"
)

// node finds what answers for a name: its own records, or those of the wildcard at
// its closest encloser (RFC 4592 section 3.3.1).
func (h hosted) node(r state.Reader, n Name) (sets []*state.RecordSet, exists bool) {
	if sets, exists = h.at(r, n); exists {
		return sets, true
	}
	return h.wildcard(r, n)
}

// wildcard gives the records that a name which does not exist has all the same.
func (h hosted) wildcard(r state.Reader, n Name) (sets []*state.RecordSet, exists bool) {
	for encloser := n; encloser != h.apex; {
		_, encloser = encloser.First()
		if encloser == h.apex {
			return h.at(r, encloser.below("*"))
		}
		if _, there := h.at(r, encloser); there {
			return h.at(r, encloser.below("*"))
		}
	}
	return nil, false
}

// turn is where the way from the apex to a name turns off: a delegation at the
// name or above it, or a DNAME record above it.
type turn struct {
	at   Name
	sets []*state.RecordSet // NS or DNAME
	cut  bool
}

// way is what a zone has along the way from its apex to a name: the turn that is
// nearest to the apex, and the name's own records.
type way struct {
	turn
	turns bool
	own   []*state.RecordSet
}

func (h hosted) way(r state.Reader, n Name, reversed string) (w way) {
	state.SetsAlong(r, h.row.Key, reversed, func(size int, sets []*state.RecordSet) {
		apex, self := size == len(h.row.Reversed), size == len(reversed)
		if self {
			w.own = sets
		}
		if w.turns {
			return
		}
		if ns := ofType(sets, "NS"); ns != nil && !apex {
			w.turn, w.turns = turn{n.last(reversed[:size]), ns, true}, true
		} else if d := ofType(sets, "DNAME"); d != nil && !self {
			w.turn, w.turns = turn{n.last(reversed[:size]), d, false}, true
		}
	})
	return w
}

// last is as much of the end of a name as has been reversed.
func (n Name) last(reversed string) Name {
	labels := strings.Count(reversed, ".")
	all := 0
	for rest := n; rest != Root; all++ {
		_, rest = rest.First()
	}
	for ; all > labels; all-- {
		_, n = n.First()
	}
	return n
}

// resolve answers from the zone alone; of a public one along CNAME and DNAME
// records until they leave it, or come back to where they were.
func (h hosted) resolve(a *asking, q Question) Answer {
	ans := Answer{Because: []Cause{{Decider: HostedZone, Domain: h.apex, ID: h.row.ID}}}
	seen := make([]Name, 0, 2)
	for name := q.Name; name.In(h.apex) && !slices.Contains(seen, name) && len(seen) <= maxChain; {
		seen = append(seen, name)
		a.owner = name
		next, more := h.step(a, &ans, q, name)
		if !more {
			break
		}
		name = next
	}
	return ans
}

// step adds what the zone says of one name, and the name to go on with.
func (h hosted) step(a *asking, ans *Answer, q Question, name Name) (next Name, more bool) {
	reversed := name.Reversed()
	w := h.way(a.r, name, reversed)
	if a.public && w.turns {
		if !w.cut {
			return h.redirect(a, ans, q, name, w.turn)
		}
		if !(w.at == name && q.Type == TypeDS) {
			h.refer(a, ans, w.turn)
			return "", false
		}
	}
	sets, exists := w.own, len(w.own) > 0
	if !exists {
		if sets, exists = state.SetsAt(a.r, h.row.Key, reversed); !exists {
			sets, exists = h.wildcard(a.r, name)
		}
	}
	if !exists {
		ans.Rcode = NameError
		ans.Authority = h.negative(a.r)
		return "", false
	}
	if q.Type == TypeANY {
		h.any(a, ans, name, sets)
		return "", false
	}
	group := ofType(sets, TypeName(q.Type))
	aliased := len(group) == 0 && q.Type != TypeCNAME
	if aliased {
		group = ofType(sets, "CNAME")
	}
	records, because := a.choose(group, 0)
	ans.Because = append(ans.Because, because...)
	ans.Answer = append(ans.Answer, own(records, name)...)
	if len(records) == 0 {
		ans.Authority = h.negative(a.r)
		return "", false
	}
	if a.public {
		h.additional(a, ans, records)
	}
	if !aliased {
		return "", false
	}
	next, ok := canonical(records)
	return next, ok && a.public // in a VPC the resolver knows where to look for it
}

// any answers ANY with all record sets of the name (RFC 8482 section 4.1 lets a
// server choose).
func (h hosted) any(a *asking, ans *Answer, name Name, sets []*state.RecordSet) {
	for i := 0; i < len(sets); {
		group := ofType(sets, sets[i].Type)
		i += len(group)
		records, because := a.choose(group, 0)
		ans.Answer = append(ans.Answer, own(records, name)...)
		ans.Because = append(ans.Because, because...)
	}
	if len(ans.Answer) == 0 {
		ans.Authority = h.negative(a.r)
	}
}

// refer answers with a delegation, and the addresses of its servers that the zone
// holds.
func (h hosted) refer(a *asking, ans *Answer, t turn) {
	a.owner = t.at
	records, because := a.choose(t.sets, 0)
	ans.Authority = own(records, t.at)
	ans.Because = append(ans.Because, because...)
	h.additional(a, ans, records)
}

// redirect answers with a DNAME record and the CNAME record that follows from it
// (RFC 6672 section 3.2). Route 53 has no DNAME records; other zones' data have.
func (h hosted) redirect(a *asking, ans *Answer, q Question, name Name, t turn) (next Name, more bool) {
	a.owner = t.at
	records, because := a.choose(t.sets, 0)
	ans.Because = append(ans.Because, because...)
	if len(records) == 0 {
		return "", false
	}
	d := records[0]
	d.Name = t.at
	if !slices.Contains(ans.Answer, d) {
		ans.Answer = append(ans.Answer, d)
	}
	target := name[:len(name)-len(t.at)] + Name(d.Data)
	if len(target) > maxName {
		ans.Rcode = NameTooLong
		return "", false
	}
	ans.Answer = append(ans.Answer, Record{Name: name, Type: TypeCNAME, TTL: d.TTL, Data: string(target), text: target.Escaped()})
	return target, q.Type != TypeCNAME
}

// additional adds the addresses of the hosts in NS and MX records that the zone
// holds, below its cuts and by its wildcards too.
func (h hosted) additional(a *asking, ans *Answer, records []Record) {
	for _, r := range records {
		var host Name
		switch r.Type {
		case TypeNS:
			host = Name(r.Data)
		case TypeMX:
			host = Name(r.Data[2:])
		}
		if host == "" || !host.In(h.apex) {
			continue
		}
		sets, _ := h.node(a.r, host)
		for _, typ := range [...]string{"A", "AAAA"} {
			a.owner = host
			addresses, _ := a.choose(ofType(sets, typ), 0)
			for _, addr := range own(addresses, host) {
				if !slices.Contains(ans.Additional, addr) && !slices.Contains(ans.Answer, addr) {
					ans.Additional = append(ans.Additional, addr)
				}
			}
		}
	}
}
