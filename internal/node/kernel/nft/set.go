//go:build linux

package nft

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Byte orders as nft(8) keeps them in a set's user data.
const (
	hostOrder    = 1
	networkOrder = 2
)

// writeSet adds a message that makes a set; id is unique within the transaction.
func writeSet(w *nl.Buf, s plan.Set, id uint32, flags uint32) {
	begin(w, unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	w.Str(unix.NFTA_SET_TABLE, plan.TableName)
	w.Str(unix.NFTA_SET_NAME, s.Name)
	if s.Interval {
		flags |= unix.NFT_SET_INTERVAL
	}
	if s.Data != "" {
		flags |= unix.NFT_SET_MAP
	}
	if len(s.Types) > 1 {
		flags |= setConcat
	}
	w.BE32(unix.NFTA_SET_FLAGS, flags)
	w.BE32(unix.NFTA_SET_KEY_TYPE, magic(s.Types))
	w.BE32(unix.NFTA_SET_KEY_LEN, uint32(keySize(s.Types)))
	if s.Data != "" {
		w.BE32(unix.NFTA_SET_DATA_TYPE, typeOf(s.Data).magic)
	}
	if s.Data != "" && s.Data != plan.TypeVerdict {
		w.BE32(unix.NFTA_SET_DATA_LEN, uint32(typeOf(s.Data).size))
	}
	w.BE32(unix.NFTA_SET_ID, id)
	if len(s.Types) > 1 {
		w.Nest(unix.NFTA_SET_DESC, func() {
			w.Nest(descConcat, func() {
				for _, t := range s.Types {
					w.Nest(listElem, func() { w.BE32(fieldLen, uint32(typeOf(t).size)) })
				}
			})
		})
	}
	var udata []byte
	if len(s.Types) == 1 {
		udata = udata32(udata, udataKeyOrder, order(s.Types[0]))
	}
	if s.Data != "" && s.Data != plan.TypeVerdict {
		udata = udata32(udata, udataValOrder, order(s.Data))
	}
	if udata != nil {
		w.Attr(unix.NFTA_SET_USERDATA, udata)
	}
}

func order(t plan.DataType) uint32 {
	if typeOf(t).host {
		return hostOrder
	}
	return networkOrder
}

// writeElement adds an element to the list that is open in w, in the form that
// the set keeps it in: a key; a key and its end (concatenated intervals); or a
// key and the first key behind it (other intervals), which is an element too.
// To remove one its key is enough.
func writeElement(w *nl.Buf, s plan.Set, e plan.Element, remove bool) {
	lo, hi := appendKey(nil, nil, s.Types, e.At)
	w.Nest(listElem, func() {
		data(w, unix.NFTA_SET_ELEM_KEY, lo)
		if s.Interval && len(s.Types) > 1 {
			data(w, elemKeyEnd, hi)
		}
		if remove {
			return
		}
		if e.Verdict != nil {
			w.Nest(unix.NFTA_SET_ELEM_DATA, func() { verdict(w, *e.Verdict) })
		}
		if e.To != nil {
			value, _ := appendValue(nil, nil, s.Data, *e.To)
			data(w, unix.NFTA_SET_ELEM_DATA, value)
		}
		if e.Cause != "" {
			w.Attr(unix.NFTA_SET_ELEM_USERDATA, comment(nil, e.Cause))
		}
	})
	if !s.Interval || len(s.Types) > 1 {
		return
	}
	if end, ok := next(hi); ok {
		w.Nest(listElem, func() {
			data(w, unix.NFTA_SET_ELEM_KEY, end)
			w.BE32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
		})
	}
}

// parseSet reads a set; false: it is anonymous, or of types that plan has not.
func parseSet(body []byte, ns plan.Netns) (plan.Set, bool) {
	s := plan.Set{Netns: ns}
	table, flags, known := "", uint32(0), true
	for typ, v := range nl.Attrs(body) {
		switch typ {
		case unix.NFTA_SET_TABLE:
			table = nl.Str(v)
		case unix.NFTA_SET_NAME:
			s.Name = nl.Str(v)
		case unix.NFTA_SET_FLAGS:
			flags = nl.BE32(v)
		case unix.NFTA_SET_KEY_TYPE:
			s.Types, known = typesByMagic(nl.BE32(v))
		case unix.NFTA_SET_DATA_TYPE:
			s.Data, _ = typeByMagic(nl.BE32(v))
		}
	}
	s.Interval = flags&unix.NFT_SET_INTERVAL != 0
	if flags&unix.NFT_SET_MAP == 0 {
		s.Data = ""
	}
	return s, table == plan.TableName && known && flags&unix.NFT_SET_ANONYMOUS == 0
}

// element is one element as the kernel keeps it.
type element struct {
	key, keyEnd []byte
	end         bool // of the interval before it
	plan        plan.Element
}

// parseElements reads the elements of one answer.
func parseElements(body []byte, s plan.Set) []element {
	var all []element
	for typ, list := range nl.Attrs(body) {
		if typ != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		for _, b := range nl.Attrs(list) {
			e := element{plan: plan.Element{Netns: s.Netns, Set: s.Name}}
			for typ, v := range nl.Attrs(b) {
				switch typ {
				case unix.NFTA_SET_ELEM_KEY:
					e.key = bytes.Clone(value(v))
				case elemKeyEnd:
					e.keyEnd = bytes.Clone(value(v))
				case unix.NFTA_SET_ELEM_FLAGS:
					e.end = nl.BE32(v)&unix.NFT_SET_ELEM_INTERVAL_END != 0
				case unix.NFTA_SET_ELEM_USERDATA:
					e.plan.Cause = find(v, udataComment)
				case unix.NFTA_SET_ELEM_DATA:
					for typ, v := range nl.Attrs(v) {
						if typ == unix.NFTA_DATA_VERDICT {
							verdict := parseVerdict(v)
							e.plan.Verdict = &verdict
						} else if to, err := parseValue(s.Data, v, v); err == nil {
							e.plan.To = &to
						}
					}
				}
			}
			all = append(all, e)
		}
	}
	return all
}

func value(b []byte) []byte {
	for typ, v := range nl.Attrs(b) {
		if typ == unix.NFTA_DATA_VALUE {
			return v
		}
	}
	return nil
}

// join makes plan's elements of a set's: intervals get their ends back.
func join(s plan.Set, all []element) ([]plan.Element, error) {
	if s.Interval && len(s.Types) == 1 {
		slices.SortFunc(all, func(a, b element) int {
			if c := bytes.Compare(a.key, b.key); c != 0 {
				return c
			}
			if a.end == b.end {
				return 0
			}
			if a.end {
				return -1
			}
			return 1
		})
	}
	var joined []plan.Element
	for i, e := range all {
		if e.end {
			continue
		}
		switch {
		case !s.Interval:
			e.keyEnd = e.key
		case len(s.Types) > 1 && e.keyEnd == nil:
			e.keyEnd = e.key
		case len(s.Types) == 1 && i+1 < len(all):
			e.keyEnd = previous(all[i+1].key)
		case len(s.Types) == 1:
			e.keyEnd = bytes.Repeat([]byte{0xff}, len(e.key))
		}
		at, err := parseKey(s.Types, e.key, e.keyEnd)
		if err != nil {
			return nil, err
		}
		e.plan.At = at
		joined = append(joined, e.plan)
	}
	return joined, nil
}
