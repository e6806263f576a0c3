//go:build linux

package nft

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// The registers of a rule, in units of 4 bytes. A key of 64 bytes is the most
// that a set takes, and all that there is.
const (
	verdictRegister = unix.NFT_REG_VERDICT
	firstRegister   = unix.NFT_REG32_00
)

// ruler spells the rules of one chain. Anonymous sets are written to w before
// the rule that uses them; nextID numbers them within the transaction.
type ruler struct {
	w      *nl.Buf
	nextID func() uint32
}

// field is how a packet's field is read, and what it holds.
type field struct {
	size int
	host bool
	load func(w *nl.Buf, register uint32)
}

func meta(key uint32, size int, host bool) field {
	return field{size, host, func(w *nl.Buf, register uint32) {
		expression(w, "meta", func() {
			w.BE32(unix.NFTA_META_DREG, register)
			w.BE32(unix.NFTA_META_KEY, key)
		})
	}}
}

func payload(base, offset uint32, size int) field {
	return field{size, false, func(w *nl.Buf, register uint32) {
		expression(w, "payload", func() {
			w.BE32(unix.NFTA_PAYLOAD_DREG, register)
			w.BE32(unix.NFTA_PAYLOAD_BASE, base)
			w.BE32(unix.NFTA_PAYLOAD_OFFSET, offset)
			w.BE32(unix.NFTA_PAYLOAD_LEN, uint32(size))
		})
	}}
}

func ct(key uint32, size int, host bool, original bool) field {
	return field{size, host, func(w *nl.Buf, register uint32) {
		expression(w, "ct", func() {
			w.BE32(unix.NFTA_CT_DREG, register)
			w.BE32(unix.NFTA_CT_KEY, key)
			if original {
				w.U8(unix.NFTA_CT_DIRECTION, 0) // IP_CT_DIR_ORIGINAL
			}
		})
	}}
}

func fieldOf(f plan.Field) (field, error) {
	switch f {
	case plan.IIfGroup:
		return meta(unix.NFT_META_IIFGROUP, 4, true), nil
	case plan.OIfGroup:
		return meta(unix.NFT_META_OIFGROUP, 4, true), nil
	case plan.IIfName:
		return meta(unix.NFT_META_IIFNAME, 16, true), nil
	case plan.OIfName:
		return meta(unix.NFT_META_OIFNAME, 16, true), nil
	case plan.L4Proto:
		return meta(unix.NFT_META_L4PROTO, 1, false), nil
	case plan.Mark:
		return meta(unix.NFT_META_MARK, 4, true), nil
	case plan.SAddr:
		return payload(unix.NFT_PAYLOAD_NETWORK_HEADER, 12, 4), nil
	case plan.DAddr:
		return payload(unix.NFT_PAYLOAD_NETWORK_HEADER, 16, 4), nil
	case plan.SPort:
		return payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2), nil
	case plan.DPort:
		return payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2), nil
	case plan.TCPFlags:
		return payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1), nil
	case plan.ICMPType:
		return payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1), nil
	case plan.ICMPCode:
		return payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 1, 1), nil
	case plan.CTState:
		return ct(unix.NFT_CT_STATE, 4, true, false), nil
	case plan.CTStatus:
		return ct(unix.NFT_CT_STATUS, 4, true, false), nil
	case plan.CTMark:
		return ct(unix.NFT_CT_MARK, 4, true, false), nil
	case plan.CTDirection:
		return ct(unix.NFT_CT_DIRECTION, 1, false, false), nil
	case plan.CTOrigDAddr:
		return ct(ctDestIP, 4, false, true), nil
	case plan.Chance:
		return field{4, true, func(w *nl.Buf, register uint32) {
			expression(w, "numgen", func() {
				w.BE32(unix.NFTA_NG_DREG, register)
				w.BE32(unix.NFTA_NG_MODULUS, 100)
				w.BE32(unix.NFTA_NG_TYPE, unix.NFT_NG_RANDOM)
			})
		}}, nil
	}
	return field{}, fmt.Errorf("unknown field %q", f)
}

// names gives the numbers behind the words that values may have.
func names(f plan.Field, word string) (uint32, bool) {
	var n uint32
	switch f {
	case plan.CTState:
		n = map[string]uint32{"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}[word]
	case plan.CTStatus:
		n = map[string]uint32{"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}[word]
	case plan.CTDirection:
		return map[string]uint32{"original": 0, "reply": 1}[word], word == "original" || word == "reply"
	case plan.L4Proto:
		n = map[string]uint32{
			"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51,
			"icmpv6": 58, "sctp": 132, "udplite": 136,
		}[word]
	}
	return n, n != 0
}

// write adds the rule to its chain, behind those already there.
func (r *ruler) write(chain string, rule plan.Rule) error {
	// What a rule needs besides itself comes first: it is a message of its own.
	sets := make([]uint32, len(rule.Match))
	for i, m := range rule.Match {
		if m.Set == "" && len(m.Values) > 1 && !bits(m.Fields[0]) {
			id, err := r.anonymous(m)
			if err != nil {
				return err
			}
			sets[i] = id
		}
	}
	w := r.w
	begin(w, unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
	w.Str(unix.NFTA_RULE_TABLE, plan.TableName)
	w.Str(unix.NFTA_RULE_CHAIN, chain)
	var failed error
	w.Nest(unix.NFTA_RULE_EXPRESSIONS, func() { failed = r.expressions(rule, sets) })
	if failed != nil {
		return failed
	}
	udata := comment(nil, rule.Cause)
	print := rule.Fingerprint()
	udata = append(append(udata, udataPrint, byte(len(print))), print...)
	w.Attr(unix.NFTA_RULE_USERDATA, udata)
	return nil
}

func (r *ruler) expressions(rule plan.Rule, sets []uint32) error {
	w := r.w
	proto := false
	for i, m := range rule.Match {
		// As nft does: a field of a protocol's header implies the protocol.
		if f := m.Fields[0]; (f == plan.ICMPType || f == plan.ICMPCode) && !proto {
			meta(unix.NFT_META_L4PROTO, 1, false).load(w, firstRegister)
			compare(w, unix.NFT_CMP_EQ, []byte{unix.IPPROTO_ICMP})
			proto = true
		}
		if m.Fields[0] == plan.TCPFlags {
			meta(unix.NFT_META_L4PROTO, 1, false).load(w, firstRegister)
			compare(w, unix.NFT_CMP_EQ, []byte{unix.IPPROTO_TCP})
		}
		if m.Fields[0] == plan.L4Proto && !m.Not && len(m.Values) == 1 {
			proto = m.Values[0] == plan.Str("icmp") || m.Values[0] == plan.Num(unix.IPPROTO_ICMP)
		}
		if err := r.match(m, sets[i]); err != nil {
			return err
		}
	}
	if rule.Counter {
		expression(w, "counter", func() {})
	}
	if rule.MarkFrom != nil {
		if err := r.lookup(rule.MarkFrom.Fields, rule.MarkFrom.Map, firstRegister); err != nil {
			return err
		}
		expression(w, "meta", func() {
			w.BE32(unix.NFTA_META_KEY, unix.NFT_META_MARK)
			w.BE32(unix.NFTA_META_SREG, firstRegister)
		})
	}
	if rule.CTMarkOr != 0 {
		ct(unix.NFT_CT_MARK, 4, true, false).load(w, firstRegister)
		bitwise(w, 4, number(nil, ^rule.CTMarkOr, 4, true), number(nil, rule.CTMarkOr, 4, true))
		expression(w, "ct", func() {
			w.BE32(unix.NFTA_CT_KEY, unix.NFT_CT_MARK)
			w.BE32(unix.NFTA_CT_SREG, firstRegister)
		})
	}
	if rule.Timeout != "" {
		timeout(w, rule.Timeout)
	}
	if rule.NAT != nil {
		if err := r.nat(*rule.NAT); err != nil {
			return err
		}
	}
	if rule.VMap != nil {
		if err := r.lookup(rule.VMap.Fields, rule.VMap.Map, verdictRegister); err != nil {
			return err
		}
	}
	if rule.Verdict != nil && *rule.Verdict == plan.Reset {
		expression(w, "reject", func() { w.BE32(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_TCP_RST) })
	} else if rule.Verdict != nil {
		expression(w, "immediate", func() {
			w.BE32(unix.NFTA_IMMEDIATE_DREG, verdictRegister)
			w.Nest(unix.NFTA_IMMEDIATE_DATA, func() { verdict(w, *rule.Verdict) })
		})
	}
	return nil
}

func (r *ruler) nat(n plan.NAT) error {
	w := r.w
	if n.Code == "masquerade" && n.Map == "" {
		expression(w, "masq", func() {})
		return nil
	}
	kind, ok := map[string]uint32{"snat": unix.NFT_NAT_SNAT, "dnat": unix.NFT_NAT_DNAT}[n.Code]
	if !ok || (n.Map == "") == !n.To.IsValid() {
		return fmt.Errorf("unknown translation %q", n)
	}
	if n.To.IsValid() {
		immediate := func(register uint32, value []byte) {
			expression(w, "immediate", func() {
				w.BE32(unix.NFTA_IMMEDIATE_DREG, register)
				data(w, unix.NFTA_IMMEDIATE_DATA, value)
			})
		}
		immediate(firstRegister, n.To.AsSlice())
		if n.Hi != 0 {
			immediate(firstRegister+1, binary.BigEndian.AppendUint16(nil, n.Lo))
			immediate(firstRegister+2, binary.BigEndian.AppendUint16(nil, n.Hi))
		}
		expression(w, "nat", func() {
			w.BE32(unix.NFTA_NAT_TYPE, kind)
			w.BE32(unix.NFTA_NAT_FAMILY, family)
			w.BE32(unix.NFTA_NAT_REG_ADDR_MIN, firstRegister)
			if n.Hi != 0 {
				w.BE32(unix.NFTA_NAT_REG_PROTO_MIN, firstRegister+1)
				w.BE32(unix.NFTA_NAT_REG_PROTO_MAX, firstRegister+2)
			}
		})
		return nil
	}
	if n.Hash != nil {
		return r.spread(n, kind)
	}
	if err := r.lookup([]plan.Field{n.Field}, n.Map, firstRegister); err != nil {
		return err
	}
	expression(w, "nat", func() {
		w.BE32(unix.NFTA_NAT_TYPE, kind)
		w.BE32(unix.NFTA_NAT_FAMILY, family)
		w.BE32(unix.NFTA_NAT_REG_ADDR_MIN, firstRegister)
	})
	return nil
}

// spread translates to the address and port in the slot that a hash gives.
func (r *ruler) spread(n plan.NAT, kind uint32) error {
	w, size := r.w, 0
	for _, name := range n.Hash {
		f, err := fieldOf(name)
		if err != nil {
			return err
		}
		if size += (f.size + 3) &^ 3; size > 12 {
			return fmt.Errorf("a hash of more than 12 bytes: %s", n)
		}
	}
	if err := r.load(n.Hash); err != nil {
		return err
	}
	expression(w, "hash", func() {
		w.BE32(unix.NFTA_HASH_SREG, firstRegister)
		w.BE32(unix.NFTA_HASH_DREG, firstRegister)
		w.BE32(unix.NFTA_HASH_LEN, uint32(size))
		w.BE32(unix.NFTA_HASH_MODULUS, n.Slots)
		w.BE32(unix.NFTA_HASH_SEED, n.Seed)
		w.BE32(unix.NFTA_HASH_TYPE, unix.NFT_HASH_JENKINS)
	})
	expression(w, "lookup", func() {
		w.Str(unix.NFTA_LOOKUP_SET, n.Map)
		w.BE32(unix.NFTA_LOOKUP_SREG, firstRegister)
		w.BE32(unix.NFTA_LOOKUP_DREG, firstRegister)
	})
	expression(w, "nat", func() {
		w.BE32(unix.NFTA_NAT_TYPE, kind)
		w.BE32(unix.NFTA_NAT_FAMILY, family)
		w.BE32(unix.NFTA_NAT_REG_ADDR_MIN, firstRegister)
		w.BE32(unix.NFTA_NAT_REG_PROTO_MIN, firstRegister+1)
	})
	return nil
}

// load reads fields into consecutive registers.
func (r *ruler) load(fields []plan.Field) error {
	register := uint32(firstRegister)
	for _, name := range fields {
		f, err := fieldOf(name)
		if err != nil {
			return err
		}
		f.load(r.w, register)
		register += uint32(f.size+3) / 4
	}
	return nil
}

func (r *ruler) lookup(fields []plan.Field, set string, to uint32) error {
	if err := r.load(fields); err != nil {
		return err
	}
	expression(r.w, "lookup", func() {
		r.w.Str(unix.NFTA_LOOKUP_SET, set)
		r.w.BE32(unix.NFTA_LOOKUP_SREG, firstRegister)
		r.w.BE32(unix.NFTA_LOOKUP_DREG, to)
	})
	return nil
}

// bits says whether the values of a field are bits, any of which matches.
func bits(f plan.Field) bool { return f == plan.CTState || f == plan.CTStatus }

func (r *ruler) match(m plan.Match, anonymous uint32) error {
	w := r.w
	if err := r.load(m.Fields); err != nil {
		return err
	}
	f, err := fieldOf(m.Fields[0])
	if err != nil {
		return err
	}
	if m.Mask != 0 {
		if len(m.Fields) > 1 || f.size < 4 && m.Mask >= 1<<(8*f.size) {
			return fmt.Errorf("%s takes no mask %#x", m.Fields[0], m.Mask)
		}
		bitwise(w, f.size, number(nil, m.Mask, f.size, f.host), make([]byte, f.size))
	}
	if m.Set != "" || anonymous != 0 {
		expression(w, "lookup", func() {
			if m.Set != "" {
				w.Str(unix.NFTA_LOOKUP_SET, m.Set)
			} else {
				w.Str(unix.NFTA_LOOKUP_SET, anonymousName)
				w.BE32(unix.NFTA_LOOKUP_SET_ID, anonymous)
			}
			w.BE32(unix.NFTA_LOOKUP_SREG, firstRegister)
			if m.Not {
				w.BE32(unix.NFTA_LOOKUP_FLAGS, unix.NFT_LOOKUP_F_INV)
			}
		})
		return nil
	}
	if bits(m.Fields[0]) {
		return r.anyBit(m)
	}
	lo, hi, err := operand(m.Fields[0], f, m.Values[0])
	if err != nil {
		return err
	}
	op := uint32(unix.NFT_CMP_EQ)
	if m.Not {
		op = unix.NFT_CMP_NEQ
	}
	if string(lo) == string(hi) {
		compare(w, op, lo)
		return nil
	}
	expression(w, "range", func() { // its operators have the numbers of cmp's
		w.BE32(unix.NFTA_RANGE_SREG, firstRegister)
		w.BE32(unix.NFTA_RANGE_OP, op)
		data(w, unix.NFTA_RANGE_FROM_DATA, lo)
		data(w, unix.NFTA_RANGE_TO_DATA, hi)
	})
	return nil
}

// anyBit compares ct state or ct status: any of the named bits, or none.
func (r *ruler) anyBit(m plan.Match) error {
	mask := uint32(0)
	for _, v := range m.Values {
		n, ok := names(m.Fields[0], v.Name)
		if !ok {
			return fmt.Errorf("%s has no value %s", m.Fields[0], v)
		}
		mask |= n
	}
	bitwise(r.w, 4, number(nil, mask, 4, true), make([]byte, 4))
	op := uint32(unix.NFT_CMP_NEQ)
	if m.Not {
		op = unix.NFT_CMP_EQ
	}
	compare(r.w, op, make([]byte, 4))
	return nil
}

// operand gives the two ends of a value as the field holds it.
func operand(name plan.Field, f field, v plan.Value) (lo, hi []byte, err error) {
	if n, ok := names(name, v.Name); ok {
		v = plan.Num(n)
	}
	t := name.DataType()
	if t == "" { // no set holds it: a plain number
		if !v.Num || f.size < 4 && v.Hi >= 1<<(8*f.size) || v.Lo > v.Hi {
			return nil, nil, fmt.Errorf("%s has no value %s", name, v)
		}
		return number(nil, v.Lo, f.size, f.host), number(nil, v.Hi, f.size, f.host), nil
	}
	if err := v.CheckType(t); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	lo, hi = appendValue(nil, nil, t, v)
	return lo, hi, nil
}

// anonymousName is a template; the kernel puts in a number.
const anonymousName = "__set%d"

// anonymous makes a set of a match's values, its id is returned. Values that
// overlap or touch are joined, as the kernel refuses them.
func (r *ruler) anonymous(m plan.Match) (uint32, error) {
	name := m.Fields[0]
	f, err := fieldOf(name)
	if err != nil {
		return 0, err
	}
	type span struct{ lo, hi string }
	var spans []span
	for _, v := range m.Values {
		lo, hi, err := operand(name, f, v)
		if err != nil {
			return 0, err
		}
		spans = append(spans, span{string(lo), string(hi)})
	}
	slices.SortFunc(spans, func(a, b span) int { return strings.Compare(a.lo, b.lo) })
	joined := spans[:1]
	for _, s := range spans[1:] {
		last := &joined[len(joined)-1]
		after, more := next([]byte(last.hi))
		touches := s.lo <= last.hi || // or follow on, where there are intervals anyway
			(s.lo != s.hi || last.lo != last.hi) && !f.host && (!more || s.lo <= string(after))
		if !touches {
			joined = append(joined, s)
		} else if s.hi > last.hi {
			last.hi = s.hi
		}
	}
	interval := slices.ContainsFunc(joined, func(s span) bool { return s.lo != s.hi })
	id, w := r.nextID(), r.w
	begin(w, unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	w.Str(unix.NFTA_SET_TABLE, plan.TableName)
	w.Str(unix.NFTA_SET_NAME, anonymousName)
	flags := uint32(unix.NFT_SET_ANONYMOUS | unix.NFT_SET_CONSTANT)
	if interval {
		flags |= unix.NFT_SET_INTERVAL
	}
	w.BE32(unix.NFTA_SET_FLAGS, flags)
	w.BE32(unix.NFTA_SET_KEY_TYPE, fieldMagic(name))
	w.BE32(unix.NFTA_SET_KEY_LEN, uint32(f.size))
	w.BE32(unix.NFTA_SET_ID, id)
	keyOrder := uint32(networkOrder)
	if f.host {
		keyOrder = hostOrder
	}
	w.Attr(unix.NFTA_SET_USERDATA, udata32(nil, udataKeyOrder, keyOrder))

	begin(w, unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE)
	w.Str(unix.NFTA_SET_ELEM_LIST_TABLE, plan.TableName)
	w.Str(unix.NFTA_SET_ELEM_LIST_SET, anonymousName)
	w.BE32(unix.NFTA_SET_ELEM_LIST_SET_ID, id)
	w.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func() {
		for _, s := range joined {
			w.Nest(listElem, func() { data(w, unix.NFTA_SET_ELEM_KEY, []byte(s.lo)) })
			if end, ok := next([]byte(s.hi)); interval && ok {
				w.Nest(listElem, func() {
					data(w, unix.NFTA_SET_ELEM_KEY, end)
					w.BE32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
				})
			}
		}
	})
	return id, nil
}

// fieldMagic is nft's number for the type of a field, also of those that no
// set of plan's holds.
func fieldMagic(f plan.Field) uint32 {
	switch f {
	case plan.ICMPType:
		return 14
	case plan.ICMPCode:
		return 32
	case plan.CTDirection:
		return 27
	}
	return typeOf(f.DataType()).magic
}

func expression(w *nl.Buf, name string, f func()) {
	w.Nest(listElem, func() {
		w.Str(unix.NFTA_EXPR_NAME, name)
		w.Nest(unix.NFTA_EXPR_DATA, f)
	})
}

func compare(w *nl.Buf, op uint32, v []byte) {
	expression(w, "cmp", func() {
		w.BE32(unix.NFTA_CMP_SREG, firstRegister)
		w.BE32(unix.NFTA_CMP_OP, op)
		data(w, unix.NFTA_CMP_DATA, v)
	})
}

func bitwise(w *nl.Buf, size int, mask, xor []byte) {
	expression(w, "bitwise", func() {
		w.BE32(unix.NFTA_BITWISE_SREG, firstRegister)
		w.BE32(unix.NFTA_BITWISE_DREG, firstRegister)
		w.BE32(unix.NFTA_BITWISE_LEN, uint32(size))
		data(w, unix.NFTA_BITWISE_MASK, mask)
		data(w, unix.NFTA_BITWISE_XOR, xor)
	})
}
