package dnsserver

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
)

const (
	// maxKept bounds the memory of kept answers, in octets, of all places together.
	maxKept = 16 << 20
	// maxOutcomes bounds the answers to one question that chance may give: others are
	// made anew each time.
	maxOutcomes = 32
	// keptCost is what a kept answer costs beside its text, about.
	keptCost = 200
)

// keyText has the name of a question in lower case, and behind it what else an
// answer depends on.
type keyText [maxName + 7]byte

// keyOf says what a query's answer is kept under. A server is the last part of an
// IPv4 address where there are several.
func (q *query) keyOf(server uint32) []byte {
	k := q.key[:q.size]
	k = binary.BigEndian.AppendUint16(k, q.typ)
	k = append(k, byte(q.flags&bitRD>>8))
	return binary.BigEndian.AppendUint32(k, server)
}

// answers are those that a view has given, in the form in which they travel. They
// hold as long as nothing changes that answers depend on: then there are new ones.
// What was left to chance is drawn anew for each question, so that it gets what it
// would get without them, to the octet.
type answers struct {
	mu   sync.RWMutex
	by   map[string]*kept // nil: they hold no longer
	size int
	all  *atomic.Int64 // size of all answers of a server
}

// kept are the answers to one question: one, or as many as a chance has outcomes.
type kept struct {
	chance dnsview.Chance
	next   []*kept // by outcome; nil: unknown
	text   []byte  // of the one answer: flags, three counts and the records
	leaves int     // how many answers there are; in the first one of a question
}

func newAnswers(all *atomic.Int64) *answers { return &answers{by: map[string]*kept{}, all: all} }

// find gives the text of the answer, or nil.
func (a *answers) find(key []byte, draw uint64) []byte {
	a.mu.RLock()
	defer a.mu.RUnlock()
	k := a.by[string(key)]
	for k != nil && k.next != nil {
		k = k.next[k.chance.Outcome(draw)]
	}
	if k == nil {
		return nil
	}
	return k.text
}

// put keeps an answer that came about by chances.
func (a *answers) put(key []byte, chances []dnsview.Chance, text []byte) {
	total := 1
	for i := range chances {
		if total *= chances[i].Outcomes(); total > maxOutcomes {
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by == nil {
		return
	}
	cost := len(key) + len(text) + keptCost
	if a.all.Load()+int64(cost) > maxKept {
		a.forget()
		a.by = map[string]*kept{}
		if a.all.Load()+int64(cost) > maxKept {
			return // others have it all
		}
	}
	first := a.by[string(key)]
	if first == nil {
		first = &kept{}
		a.by[string(key)] = first
	}
	at := first
	for _, c := range chances {
		if at.next == nil {
			at.chance, at.next = c, make([]*kept, c.Outcomes())
		}
		if at.next[c.Got] == nil {
			at.next[c.Got] = &kept{}
		}
		at = at.next[c.Got]
	}
	if at.text != nil || first.leaves == maxOutcomes {
		return
	}
	first.leaves++
	at.text = slices.Clone(text)
	a.size += cost
	a.all.Add(int64(cost))
}

// end makes them hold no longer.
func (a *answers) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
}

// forget gives their memory back. The caller holds a.mu.
func (a *answers) forget() {
	a.all.Add(-int64(a.size))
	a.by, a.size = nil, 0
}

// keep puts the answer away that was encoded for a query.
func (q *query) keep(a *answers, key []byte, chances []dnsview.Chance, out []byte) {
	end := len(out)
	var text [maxPayload]byte
	body := headerSize + len(q.text)
	if q.edns {
		end -= optSize
	}
	if end-body > len(text)-8 {
		return
	}
	n := copy(text[:], out[2:4])
	n += copy(text[n:], out[6:headerSize])
	n += copy(text[n:], out[body:end])
	if q.edns {
		additional := text[6:8]
		binary.BigEndian.PutUint16(additional, binary.BigEndian.Uint16(additional)-1)
	}
	a.put(key, chances, text[:n])
}

// again appends the kept answer, or nothing if it is larger than limit.
func (q *query) again(out, text []byte, limit int) []byte {
	start := len(out)
	size := headerSize + len(q.text) + len(text) - 8
	if q.edns {
		size += optSize
	}
	if size > limit {
		return out
	}
	out = binary.BigEndian.AppendUint16(out, q.id)
	out = append(out, text[0], text[1], 0, 1)
	out = append(out, text[2:8]...)
	out = append(out, q.text...)
	out = append(out, text[8:]...)
	return q.opt(out, start, dnsview.Answer{})
}
