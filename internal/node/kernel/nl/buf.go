//go:build linux

package nl

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

// native is the byte order of netlink headers; attributes of nf_tables and
// conntrack are in network order (the BE methods).
var native = binary.NativeEndian

// Buf is a run of netlink messages under construction. The zero value is empty
// and ready. A message is everything between one Begin and the next.
type Buf struct {
	b      []byte
	starts []int
}

// Begin starts a message of a type with flags (NLM_F_REQUEST is added) and a
// fixed family header, padded to 4 bytes.
func (w *Buf) Begin(typ, flags uint16, head []byte) {
	w.finish()
	w.starts = append(w.starts, len(w.b))
	w.b = native.AppendUint32(w.b, 0) // length, by finish
	w.b = native.AppendUint16(w.b, typ)
	w.b = native.AppendUint16(w.b, flags|unix.NLM_F_REQUEST)
	w.b = append(w.b, make([]byte, 8)...) // sequence by the connection; port 0
	w.b = append(w.b, head...)
	w.pad()
}

func (w *Buf) finish() {
	if n := len(w.starts); n > 0 {
		start := w.starts[n-1]
		native.PutUint32(w.b[start:], uint32(len(w.b)-start))
	}
}

func (w *Buf) pad() {
	for len(w.b)%4 != 0 {
		w.b = append(w.b, 0)
	}
}

// Len is the number of messages, Size that of bytes.
func (w *Buf) Len() int  { return len(w.starts) }
func (w *Buf) Size() int { return len(w.b) }

// Offset is the number of bytes since the begin of the current message: where
// the next attribute will stand.
func (w *Buf) Offset() int { return len(w.b) - w.starts[len(w.starts)-1] }

// Reset empties the buffer and keeps its memory.
func (w *Buf) Reset() { w.b, w.starts = w.b[:0], w.starts[:0] }

// Append adds the messages of another buffer.
func (w *Buf) Append(other *Buf) {
	w.finish()
	other.finish()
	base := len(w.b)
	w.b = append(w.b, other.b...)
	for _, start := range other.starts {
		w.starts = append(w.starts, base+start)
	}
}

func (w *Buf) head(typ uint16, size int) {
	w.b = native.AppendUint16(w.b, uint16(4+size))
	w.b = native.AppendUint16(w.b, typ)
}

// Attr adds an attribute with a value of up to 65,531 bytes.
func (w *Buf) Attr(typ uint16, value []byte) {
	w.head(typ, len(value))
	w.b = append(w.b, value...)
	w.pad()
}

// Str adds a string with its terminating zero.
func (w *Buf) Str(typ uint16, s string) {
	w.head(typ, len(s)+1)
	w.b = append(w.b, s...)
	w.b = append(w.b, 0)
	w.pad()
}

// U8 adds one byte.
func (w *Buf) U8(typ uint16, v uint8) {
	w.head(typ, 1)
	w.b = append(w.b, v, 0, 0, 0)
}

// U32 adds a number in the machine's order.
func (w *Buf) U32(typ uint16, v uint32) {
	w.head(typ, 4)
	w.b = native.AppendUint32(w.b, v)
}

// U64 adds a number in the machine's order.
func (w *Buf) U64(typ uint16, v uint64) {
	w.head(typ, 8)
	w.b = native.AppendUint64(w.b, v)
}

// BE32 adds a number in network order.
func (w *Buf) BE32(typ uint16, v uint32) {
	w.head(typ, 4)
	w.b = binary.BigEndian.AppendUint32(w.b, v)
}

// Raw adds bytes, padded to 4, for a header inside an attribute.
func (w *Buf) Raw(b []byte) {
	w.b = append(w.b, b...)
	w.pad()
}

// Nest adds an attribute that holds what f adds.
func (w *Buf) Nest(typ uint16, f func()) {
	start := len(w.b)
	w.head(typ|unix.NLA_F_NESTED, 0)
	f()
	native.PutUint16(w.b[start:], uint16(len(w.b)-start))
}

// Attrs walks the attributes in b: type without flags, and value. A malformed
// rest ends the walk.
func Attrs(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			size := int(native.Uint16(b))
			if size < 4 || size > len(b) {
				return
			}
			typ := native.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(typ, b[4:size]) {
				return
			}
			if size = (size + 3) &^ 3; size > len(b) {
				return
			}
			b = b[size:]
		}
	}
}

// Uint32 reads a number in the machine's order; short values read as 0.
func Uint32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return native.Uint32(b)
}

// BE32 reads a number in network order; short values read as 0.
func BE32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// Str reads a string up to its terminating zero.
func Str(b []byte) string { return unix.ByteSliceToString(b) }

// Uint8 reads one byte; no value reads as 0.
func Uint8(b []byte) uint8 {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// Bytes is the size of the messages from..to.
func (w *Buf) Bytes(from, to int) int { return w.end(to) - w.end(from) }

// Part is a copy of the messages from..to.
func (w *Buf) Part(from, to int) *Buf {
	w.finish()
	p := &Buf{b: append([]byte(nil), w.b[w.end(from):w.end(to)]...)}
	for _, start := range w.starts[from:to] {
		p.starts = append(p.starts, start-w.end(from))
	}
	return p
}

// end is where message i starts, or where the last ends.
func (w *Buf) end(i int) int {
	if i < len(w.starts) {
		return w.starts[i]
	}
	return len(w.b)
}
