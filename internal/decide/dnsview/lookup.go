package dnsview

import (
	"slices"

	"github.com/localvpc/localvpc/internal/state"
)

// node finds what answers for a name: its own records, or those of the wildcard at
// its closest encloser (RFC 4592 section 3.3.1).
func (h hosted) node(r state.Reader, n Name) (sets []*state.RecordSet, exists bool) {
	if sets, exists = h.at(r, n); exists {
		return sets, true
	}
	for encloser := n; encloser != h.apex; {
		_, encloser = encloser.First()
		if _, there := h.at(r, encloser); there || encloser == h.apex {
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

// turnAbove finds the turn that is nearest to the apex.
func (h hosted) turnAbove(r state.Reader, n Name) (found turn, ok bool) {
	for at := n; ; _, at = at.First() {
		sets, _ := h.at(r, at)
		if ns := ofType(sets, "NS"); len(ns) > 0 && at != h.apex {
			found, ok = turn{at, ns, true}, true
		} else if d := ofType(sets, "DNAME"); len(d) > 0 && at != n {
			found, ok = turn{at, d, false}, true
		}
		if at == h.apex {
			return found, ok
		}
	}
}

// resolve answers from the zone alone; of a public one along CNAME and DNAME
// records until they leave it, or come back to where they were.
func (h hosted) resolve(a *asking, q Question) Answer {
	ans := Answer{Because: []Cause{{Decider: HostedZone, Domain: h.apex, ID: h.row.ID}}}
	var seen []Name
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
	if a.public {
		if t, ok := h.turnAbove(a.r, name); ok && !t.cut {
			return h.redirect(a, ans, q, name, t)
		} else if ok && !(t.at == name && q.Type == TypeDS) {
			h.refer(a, ans, t)
			return "", false
		}
	}
	sets, exists := h.node(a.r, name)
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
