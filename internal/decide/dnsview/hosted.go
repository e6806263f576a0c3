package dnsview

import (
	"encoding/binary"

	"github.com/localvpc/localvpc/internal/state"
)

// maxChain bounds the CNAME records and aliases that one answer follows.
const maxChain = 16

// hosted is a hosted zone of Route 53.
type hosted struct {
	row  *state.HostedZone
	apex Name
}

// asking is one question to hosted zones, with all that its answer depends on.
type asking struct {
	r     state.Reader
	place Place
	// locate finds the place once a policy goes by it; nil: it is known.
	locate func() Place
	// seed is the question's Draw, drawn how many draws there were.
	seed, drawn uint64
	chances     *[]Chance
	// public says that NS records below the apex delegate, and that CNAME records are
	// followed within the zone. In a VPC another zone may know better where they lead.
	public bool
	// outside resolves the name of an AWS service that an alias stands for; nil:
	// there is none.
	outside func(Name, Type) []Record
	owner   Name // whose records are being chosen
	located bool // the place has decided
	health  health
}

// at gives the record sets of a name in the order of their types, and says
// whether the name exists: it does when it or a name below it has records
// (RFC 4592 section 2.2.2).
func (h hosted) at(r state.Reader, n Name) (sets []*state.RecordSet, exists bool) {
	if n == h.apex {
		return state.SetsAt(r, h.row.Key, h.row.Reversed)
	}
	return state.SetsAt(r, h.row.Key, n.Reversed())
}

// ofType keeps the sets of one type, which stand together.
func ofType(sets []*state.RecordSet, typ string) []*state.RecordSet {
	for i, s := range sets {
		if s.Type == typ {
			end := i + 1
			for end < len(sets) && sets[end].Type == typ {
				end++
			}
			return sets[i:end:end]
		}
	}
	return nil
}

// own gives the records another owner: the name that was asked for, where an
// alias or a wildcard has them.
func own(records []Record, n Name) []Record {
	for i := range records {
		records[i].Name = n
	}
	return records
}

// canonical is the target of a CNAME record.
func canonical(records []Record) (Name, bool) {
	if len(records) != 1 || records[0].Type != TypeCNAME {
		return "", false
	}
	return Name(records[0].Data), true // in lower case, as ParseData has made it
}

// negative is the SOA record of an answer that there is nothing: its TTL is the
// smaller one of its own and its last field (RFC 2308 section 3).
func (h hosted) negative(r state.Reader) []Record {
	sets, _ := h.at(r, h.apex)
	group := ofType(sets, "SOA")
	if len(group) == 0 || len(group[0].Rdata) == 0 {
		return nil
	}
	data := group[0].Rdata[0]
	rec := Record{Name: h.apex, Type: TypeSOA, TTL: uint32(group[0].TTL), Data: string(data), text: group[0].Values[0]}
	if len(data) >= 4 {
		rec.TTL = min(rec.TTL, binary.BigEndian.Uint32(data[len(data)-4:]))
	}
	return []Record{rec}
}

// values are the records of a set, in an order that is drawn; of an alias those of
// its target.
func (a *asking) values(s *state.RecordSet, depth int) ([]Record, []Cause) {
	code, _ := TypeOf(s.Type)
	if s.Alias != nil {
		group, ours := target(a.r, s)
		cause := Cause{Decider: AliasRecord, Domain: a.owner, ID: s.Alias.Name}
		if ours {
			records, because := a.choose(group, depth+1)
			return records, append([]Cause{cause}, because...)
		}
		var records []Record
		if name, err := ParseEscaped(s.Alias.Name); err == nil && a.outside != nil {
			records = append(records, a.outside(name, code)...)
		}
		return records, []Cause{cause}
	}
	records := inOrder(s, code, a.owner)
	shuffle(a, records)
	return records, nil
}

// inOrder are the records of a set that is no alias, in the order of its values.
func inOrder(s *state.RecordSet, code Type, owner Name) []Record {
	records := make([]Record, len(s.Rdata))
	for i, data := range s.Rdata {
		records[i] = Record{Name: owner, Type: code, TTL: uint32(s.TTL), Data: string(data), text: s.Values[i]}
	}
	return records
}

// target is the group of record sets that an alias stands for; false when it is
// not in a hosted zone of the account.
func target(r state.Reader, s *state.RecordSet) ([]*state.RecordSet, bool) {
	z, ok := state.HostedZones.Get(r, state.Key{Account: s.Account, ID: s.Alias.ZoneID})
	if !ok {
		return nil, false
	}
	name, err := ParseEscaped(s.Alias.Name)
	if err != nil {
		return nil, true
	}
	sets, _ := hosted{row: z}.at(r, name)
	return ofType(sets, s.Type), true
}
