//go:build linux

package nft

import (
	"errors"
	"fmt"
	"reflect"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// listSize bounds one list of elements in bytes: the length of an attribute has
// 16 bits, and what is longer would be cut off without a word.
const listSize = 48 << 10

// Table is the table of one namespace. It remembers the types of its sets,
// without which an element cannot be spelled. Not for concurrent use.
type Table struct {
	sets map[string]plan.Set
}

// Error says which operation the kernel refused.
type Error struct {
	Op  plan.Op
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("doing %s: %v", e.Op, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Apply does the operations on sets, timeouts, chains and elements as one transaction. A
// run that is larger than the connection takes is cut into several, each of
// which leaves nothing more open than before, nor half of a chain as long as a
// chain fits. The error is an *Error where an operation is to blame.
func (t *Table) Apply(c *nl.Conn, ops []plan.Op) error {
	if err := t.load(c); err != nil {
		return err
	}
	b := batch{ops: ops, limit: c.Limit() - 128, sets: t.sets, fresh: map[string]plan.Set{}, leaving: map[string]bool{}, tied: map[int]bool{}}
	if err := b.build(); err != nil {
		return err
	}
	if err := b.commit(c); err != nil {
		t.sets = nil // some parts may be in
		return err
	}
	for name, set := range b.fresh {
		t.sets[name] = set
	}
	for name := range b.leaving {
		delete(t.sets, name)
	}
	return nil
}

func (t *Table) load(c *nl.Conn) error {
	if t.sets != nil {
		return nil
	}
	sets, err := readSets(c, "")
	if err != nil {
		return err
	}
	t.sets = map[string]plan.Set{}
	for _, s := range sets {
		t.sets[s.Name] = s
	}
	return nil
}

// batch turns operations into messages. A unit is a run of messages that one
// transaction should hold.
type batch struct {
	ops     []plan.Op
	limit   int
	sets    map[string]plan.Set // of the table
	fresh   map[string]plan.Set // made here
	leaving map[string]bool     // sets removed here

	w      nl.Buf
	ids    uint32
	blame  []blame      // per message
	units  []int        // first message of each
	tied   map[int]bool // messages that need the one before them
	failed error
}

// blame says which operation a message serves, and for a list of elements which
// one of them stands where.
type blame struct {
	op       int
	elements []struct{ offset, op int }
}

// build writes the messages, in the order that lets everything stand before what
// refers to it, and go after it:
//
//	elements that go · sets and timeouts · empty chains · rules · elements · and then
//	the rules of chains that go, sets and timeouts that go, chains that go.
func (b *batch) build() error {
	var gone, put []int // of elements
	var chains []int    // to fill
	for i, op := range b.ops {
		switch o := op.Object.(type) {
		case plan.Set:
			switch op.Verb {
			case plan.Add:
				b.fresh[o.Name] = o
			case plan.Remove:
				b.leaving[o.Name] = true
			default:
				return &Error{op, errors.New("the type of a set cannot change: give it another name")}
			}
		case plan.Timeout:
			if op.Verb == plan.Change {
				return &Error{op, errors.New("a timeout cannot change: give it another name")}
			}
		case plan.Chain:
			if op.Verb == plan.Change {
				if err := sameHook(op); err != nil {
					return &Error{op, err}
				}
			}
			if op.Verb != plan.Remove {
				chains = append(chains, i)
			}
		case plan.Element:
			if op.Verb != plan.Add {
				gone = append(gone, i)
			}
			if op.Verb != plan.Remove {
				put = append(put, i)
			}
		default:
			return &Error{op, fmt.Errorf("%T is not of nft", o)}
		}
	}
	b.elements(gone, true)
	for i, op := range b.ops {
		if s, ok := op.Object.(plan.Set); ok && op.Verb == plan.Add {
			b.unit()
			b.ids++
			writeSet(&b.w, s, b.ids, 0)
			b.note(i)
		}
		if t, ok := op.Object.(plan.Timeout); ok && op.Verb == plan.Add {
			b.unit()
			writeTimeout(&b.w, t)
			b.note(i)
		}
	}
	for _, i := range chains {
		if b.ops[i].Verb == plan.Add {
			b.unit()
			writeChain(&b.w, b.ops[i].Object.(plan.Chain))
			b.note(i)
		}
	}
	for _, i := range chains {
		b.fill(i)
	}
	b.elements(put, false)
	for _, message := range []uint16{unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELOBJ, unix.NFT_MSG_DELCHAIN} {
		for i, op := range b.ops {
			if op.Verb == plan.Remove {
				b.remove(i, op.Object, message)
			}
		}
	}
	return b.failed
}

// note blames operation i for the messages written since the last note.
func (b *batch) note(i int) {
	for len(b.blame) < b.w.Len() {
		b.blame = append(b.blame, blame{op: i})
	}
}

// unit begins a unit with the next message.
func (b *batch) unit() { b.units = append(b.units, b.w.Len()) }

// fill writes the rules of a chain, in place of those it has.
func (b *batch) fill(i int) {
	op := b.ops[i]
	chain := op.Object.(plan.Chain)
	b.unit()
	if op.Verb == plan.Change {
		flush(&b.w, chain.Name)
		b.note(i)
	}
	r := ruler{&b.w, func() uint32 { b.ids++; return b.ids }}
	for _, rule := range chain.Rules {
		first := b.w.Len()
		if err := r.write(chain.Name, rule); err != nil {
			b.fail(op, fmt.Errorf("rule %s: %w", rule, err))
			return
		}
		for m := first + 1; m < b.w.Len(); m++ { // a set without its rule is refused
			b.tied[m] = true
		}
	}
	b.note(i)
}

func (b *batch) fail(op plan.Op, err error) {
	if b.failed == nil {
		b.failed = &Error{op, err}
	}
}

// elements adds lists of elements, those of one set together.
func (b *batch) elements(indexes []int, remove bool) {
	var order []string
	bySet := map[string][]int{}
	for _, i := range indexes {
		name := b.ops[i].Object.(plan.Element).Set
		if remove && b.leaving[name] {
			continue // they go with their set
		}
		if bySet[name] == nil {
			order = append(order, name)
		}
		bySet[name] = append(bySet[name], i)
	}
	message, flags := uint16(unix.NFT_MSG_NEWSETELEM), uint16(unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	if remove {
		message, flags = unix.NFT_MSG_DELSETELEM, 0
	}
	for _, name := range order {
		set, known := b.sets[name]
		if fresh, ok := b.fresh[name]; ok {
			set, known = fresh, true
		}
		for rest := bySet[name]; len(rest) > 0; {
			b.unit()
			note := blame{op: rest[0]}
			begin(&b.w, message, flags)
			b.w.Str(unix.NFTA_SET_ELEM_LIST_TABLE, plan.TableName)
			b.w.Str(unix.NFTA_SET_ELEM_LIST_SET, name)
			b.w.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func() {
				for len(rest) > 0 && b.w.Offset() < min(listSize, b.limit) {
					op := b.ops[rest[0]]
					e := op.Object.(plan.Element)
					if !known {
						b.fail(op, fmt.Errorf("no such set: %w", unix.ENOENT))
					} else if err := set.CheckElement(e); err != nil {
						b.fail(op, err)
					} else {
						note.elements = append(note.elements, struct{ offset, op int }{b.w.Offset(), rest[0]})
						writeElement(&b.w, set, e, remove)
					}
					rest = rest[1:]
				}
			})
			b.blame = append(b.blame, note)
		}
	}
}

// remove writes what one kind of message does to remove an object.
func (b *batch) remove(i int, o plan.Object, message uint16) {
	switch o := o.(type) {
	case plan.Chain:
		if message == unix.NFT_MSG_DELRULE {
			b.unit()
			flush(&b.w, o.Name)
		}
		if message == unix.NFT_MSG_DELCHAIN {
			b.unit()
			begin(&b.w, message, 0)
			b.w.Str(unix.NFTA_CHAIN_TABLE, plan.TableName)
			b.w.Str(unix.NFTA_CHAIN_NAME, o.Name)
		}
	case plan.Timeout:
		if message == unix.NFT_MSG_DELOBJ {
			b.unit()
			removeTimeout(&b.w, o)
		}
	case plan.Set:
		if message == unix.NFT_MSG_DELSET {
			b.unit()
			begin(&b.w, message, 0)
			b.w.Str(unix.NFTA_SET_TABLE, plan.TableName)
			b.w.Str(unix.NFTA_SET_NAME, o.Name)
		}
	}
	b.note(i)
}

// commit sends the units, in as few transactions as they fit into.
func (b *batch) commit(c *nl.Conn) error {
	starts := append(b.units, b.w.Len())
	from, last := 0, 0
	for _, end := range starts {
		if last > from && b.w.Bytes(from, end) > b.limit {
			if err := b.send(c, from, last); err != nil {
				return err
			}
			from = last
		}
		last = end
	}
	return b.send(c, from, last)
}

// send sends messages, one unit or several that fit. A unit that does not fit,
// which is a chain of many rules, is cut between messages.
func (b *batch) send(c *nl.Conn, from, to int) error {
	for from < to {
		end := to
		for end > from+1 && b.w.Bytes(from, end) > b.limit {
			end = from + (end-from)/2
		}
		for end > from+1 && b.tied[end] {
			end--
		}
		err := c.Batch(b.w.Part(from, end), Subsystem)
		var refused *nl.Error
		switch {
		case errors.As(err, &refused):
			return &Error{b.ops[b.blamed(from+refused.Index, refused.Offset)], err}
		case err != nil:
			return err
		}
		from = end
	}
	return nil
}

// blamed gives the operation behind a message, or behind an attribute in it.
func (b *batch) blamed(message, offset int) int {
	if message >= len(b.blame) {
		return len(b.ops) - 1
	}
	n := b.blame[message]
	op := n.op
	for _, e := range n.elements {
		if e.offset <= offset {
			op = e.op
		}
	}
	return op
}

func sameHook(op plan.Op) error {
	old, ok := op.Old.(plan.Chain)
	if ok && !reflect.DeepEqual(old.Hook, op.Object.(plan.Chain).Hook) {
		return errors.New("the hook of a chain cannot change: give it another name")
	}
	return nil
}

// flush adds a message that removes all rules of a chain.
func flush(w *nl.Buf, chain string) {
	begin(w, unix.NFT_MSG_DELRULE, 0)
	w.Str(unix.NFTA_RULE_TABLE, plan.TableName)
	w.Str(unix.NFTA_RULE_CHAIN, chain)
}
