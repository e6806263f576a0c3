//go:build linux

package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// datatype is how the kernel keeps a value: nft's number for the type
// (datatype.h of nftables, enum datatypes), its bytes, and whether they are in
// the machine's order.
type datatype struct {
	magic uint32
	size  int
	host  bool
}

func typeOf(t plan.DataType) datatype {
	switch t {
	case plan.TypeIPv4:
		return datatype{7, 4, false}
	case plan.TypeIPv6:
		return datatype{8, 16, false}
	case plan.TypeProto:
		return datatype{12, 1, false}
	case plan.TypeService:
		return datatype{13, 2, false}
	case plan.TypeMark:
		return datatype{19, 4, true}
	case plan.TypeGroup:
		return datatype{35, 4, true}
	case plan.TypeIfname:
		return datatype{41, 16, true}
	case plan.TypeEndpoint: // a concatenation, padded to registers
		return datatype{7<<6 | 13, 8, false}
	case plan.TypeVerdict:
		return datatype{verdictType, 0, false}
	}
	return datatype{}
}

func typeByMagic(magic uint32) (plan.DataType, bool) {
	for _, t := range []plan.DataType{
		plan.TypeIPv4, plan.TypeIPv6, plan.TypeProto, plan.TypeService,
		plan.TypeMark, plan.TypeGroup, plan.TypeIfname, plan.TypeVerdict, plan.TypeEndpoint,
	} {
		if typeOf(t).magic == magic {
			return t, true
		}
	}
	return "", false
}

// magic is the number of a concatenation: six bits per part.
func magic(types []plan.DataType) uint32 {
	n := uint32(0)
	for _, t := range types {
		n = n<<6 | typeOf(t).magic
	}
	return n
}

func typesByMagic(n uint32) ([]plan.DataType, bool) {
	var types []plan.DataType
	for ; n != 0; n >>= 6 {
		t, ok := typeByMagic(n & 0x3f)
		if !ok {
			return nil, false
		}
		types = append([]plan.DataType{t}, types...)
	}
	return types, len(types) > 0
}

// size of a key: parts of a concatenation are padded to registers.
func keySize(types []plan.DataType) int {
	if len(types) == 1 {
		return typeOf(types[0]).size
	}
	n := 0
	for _, t := range types {
		n += (typeOf(t).size + 3) &^ 3
	}
	return n
}

// number puts n into size bytes.
func number(b []byte, n uint32, size int, host bool) []byte {
	switch {
	case size == 1:
		return append(b, byte(n))
	case size == 2:
		return binary.BigEndian.AppendUint16(b, uint16(n))
	case host:
		return binary.NativeEndian.AppendUint32(b, n)
	}
	return binary.BigEndian.AppendUint32(b, n)
}

// appendValue adds the two ends of a value; the value fits its type
// (plan.Value.CheckType).
func appendValue(lo, hi []byte, t plan.DataType, v plan.Value) (_, _ []byte) {
	switch typ := typeOf(t); t {
	case plan.TypeIPv4, plan.TypeIPv6:
		return append(lo, v.From.AsSlice()...), append(hi, v.To.AsSlice()...)
	case plan.TypeEndpoint:
		end := append(binary.BigEndian.AppendUint16(v.From.AsSlice(), uint16(v.Lo)), 0, 0)
		return append(lo, end...), append(hi, end...)
	case plan.TypeIfname:
		var name [16]byte
		copy(name[:], v.Name)
		return append(lo, name[:]...), append(hi, name[:]...)
	default:
		return number(lo, v.Lo, typ.size, typ.host), number(hi, v.Hi, typ.size, typ.host)
	}
}

// appendKey adds the two ends of a key of a set.
func appendKey(lo, hi []byte, types []plan.DataType, at []plan.Value) (_, _ []byte) {
	for i, t := range types {
		lo, hi = appendValue(lo, hi, t, at[i])
		for len(types) > 1 && len(lo)%4 != 0 {
			lo, hi = append(lo, 0), append(hi, 0)
		}
	}
	return lo, hi
}

func parseValue(t plan.DataType, lo, hi []byte) (plan.Value, error) {
	typ := typeOf(t)
	if len(lo) < typ.size || len(hi) < typ.size {
		return plan.Value{}, fmt.Errorf("a value of type %s has %d bytes", t, len(lo))
	}
	lo, hi = lo[:typ.size], hi[:typ.size]
	switch t {
	case plan.TypeIPv4, plan.TypeIPv6:
		from, _ := netip.AddrFromSlice(lo)
		to, _ := netip.AddrFromSlice(hi)
		return plan.Addresses(from, to), nil
	case plan.TypeEndpoint:
		a, _ := netip.AddrFromSlice(lo[:4])
		return plan.At(a, binary.BigEndian.Uint16(lo[4:])), nil
	case plan.TypeIfname:
		return plan.Str(nl.Str(lo)), nil
	}
	read := func(b []byte) uint32 {
		switch {
		case typ.size == 1:
			return uint32(b[0])
		case typ.size == 2:
			return uint32(binary.BigEndian.Uint16(b))
		case typ.host:
			return binary.NativeEndian.Uint32(b)
		}
		return binary.BigEndian.Uint32(b)
	}
	return plan.Span(read(lo), read(hi)), nil
}

func parseKey(types []plan.DataType, lo, hi []byte) ([]plan.Value, error) {
	if len(lo) < keySize(types) || len(hi) < keySize(types) {
		return nil, fmt.Errorf("a key of %d bytes for %v", len(lo), types)
	}
	at := make([]plan.Value, len(types))
	for i, t := range types {
		v, err := parseValue(t, lo, hi)
		if err != nil {
			return nil, err
		}
		at[i] = v
		if len(types) > 1 {
			size := (typeOf(t).size + 3) &^ 3
			lo, hi = lo[size:], hi[size:]
		}
	}
	return at, nil
}

// next is the number after b, as an interval's end is kept; false: b is the last.
func next(b []byte) ([]byte, bool) {
	n := append([]byte(nil), b...)
	for i := len(n) - 1; i >= 0; i-- {
		if n[i]++; n[i] != 0 {
			return n, true
		}
	}
	return nil, false
}

// previous is the number before b, which is not 0.
func previous(b []byte) []byte {
	n := append([]byte(nil), b...)
	for i := len(n) - 1; i >= 0; i-- {
		if n[i]--; n[i] != 0xff {
			break
		}
	}
	return n
}
