package dnsview

import (
	"net/netip"
	"slices"
)

// Others tells what a name server that is not of the public tree (a program of a
// user's, at a public address) has said to a question without recursion: its records
// with the TTLs that are left, and its Rcode; false when it has not been asked.
// ServerFailure stands for one that did not answer, too.
type Others func(Need) (Answer, bool)

// Need is a question to such a name server, without whose answer a name is not
// resolved.
type Need struct {
	Server netip.Addr
	Name   Name
	Type   Type
}

// said is what a name server of somebody's is taken to have said about a zone that is
// delegated to it: of records of other domains nothing is believed, and the records
// of the answer are the CNAME records that lead from the name on, and what is there at
// their end.
func (ans Answer) said(zone Name, q Question) Answer {
	foreign := func(r Record) bool { return !r.Name.In(zone) }
	all := slices.DeleteFunc(slices.Clone(ans.Answer), foreign)
	out := Answer{Rcode: ans.Rcode, AA: ans.AA}
	out.Authority = slices.DeleteFunc(slices.Clone(ans.Authority), foreign)
	out.Additional = slices.DeleteFunc(slices.Clone(ans.Additional), foreign)
	name := q.Name
	for range maxChain {
		owned := slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return r.Name != name })
		wanted := slices.DeleteFunc(slices.Clone(owned), func(r Record) bool { return r.Type != q.Type && q.Type != TypeANY })
		if len(wanted) > 0 {
			out.Answer = append(out.Answer, wanted...)
			return out
		}
		owned = slices.DeleteFunc(owned, func(r Record) bool { return r.Type != TypeCNAME })
		next, ok := canonical(owned)
		if !ok {
			return out
		}
		out.Answer = append(out.Answer, owned...)
		name = next
		if !name.In(zone) {
			out.Rcode, out.Authority = Success, nil // about that name it has nothing to say
			return out
		}
	}
	return Answer{Rcode: ServerFailure}
}

// WithText gives the record a value in presentation form.
func (r Record) WithText(text string) Record {
	r.text = text
	return r
}
