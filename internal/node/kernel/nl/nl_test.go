//go:build linux

package nl

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAttributesReadBack(t *testing.T) {
	var w Buf
	w.Begin(1, 0, []byte{9, 9})
	w.Str(1, "ab")
	w.U8(2, 7)
	w.Nest(3, func() { w.BE32(1, 0x01020304); w.U32(2, 5) })
	w.Attr(4, []byte{1, 2, 3, 4, 5})
	w.Begin(2, 0, nil)
	w.finish()
	if w.Len() != 2 || w.Size()%4 != 0 || w.Bytes(0, 2) != w.Size() || w.Part(1, 2).Size() != unix.SizeofNlMsghdr {
		t.Errorf("%d messages of %d bytes", w.Len(), w.Size())
	}
	first := w.b[:w.starts[1]]
	if int(native.Uint32(first)) != len(first) {
		t.Errorf("the message says it has %d bytes of %d", native.Uint32(first), len(first))
	}
	got := map[uint16][]byte{}
	for typ, v := range Attrs(first[unix.SizeofNlMsghdr+4:]) {
		got[typ] = v
	}
	nested := map[uint16][]byte{}
	for typ, v := range Attrs(got[3]) {
		nested[typ] = v
	}
	if len(got) != 4 || Str(got[1]) != "ab" || Uint8(got[2]) != 7 || BE32(nested[1]) != 0x01020304 || Uint32(nested[2]) != 5 || !bytes.Equal(got[4], []byte{1, 2, 3, 4, 5}) {
		t.Errorf("read back %v, nested %v", got, nested)
	}
}

func TestMalformedAttributesEndTheWalk(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":      {},
		"no header":    {4, 0, 1},
		"too short":    {3, 0, 1, 0},
		"longer":       {12, 0, 1, 0, 1, 2, 3, 4},
		"half padding": {5, 0, 1, 0, 1},
	} {
		n := 0
		for range Attrs(b) {
			n++
		}
		if want := map[bool]int{true: 1}[name == "half padding"]; n != want {
			t.Errorf("%s: %d attributes", name, n)
		}
	}
	if Uint32([]byte{1}) != 0 || BE32(nil) != 0 || Uint8(nil) != 0 || Str([]byte("ab")) != "ab" {
		t.Error("short values are not 0")
	}
}

// TestEveryMessageOfARunIsAnswered: more than are sent at a time, some refused.
// Asking for interfaces needs no privilege.
func TestEveryMessageOfARunIsAnswered(t *testing.T) {
	c, err := Dial(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(w *Buf, index byte) {
		w.Begin(unix.RTM_GETLINK, 0, []byte{0, 0, 0, 0, index, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	}
	var w Buf
	for range 200 {
		ask(&w, 1)
	}
	answers := 0
	if err := c.Do(&w, func(i int, typ uint16, _ []byte) {
		if i == answers && typ == unix.RTM_NEWLINK {
			answers++
		}
	}); err != nil || answers != 200 {
		t.Fatalf("%d answers in order, %v", answers, err)
	}
	w.Reset()
	for i := range 150 {
		ask(&w, map[bool]byte{true: 255, false: 1}[i >= 100])
	}
	var e *Error
	if err := c.Do(&w, nil); !errors.As(err, &e) || e.Index != 100 || !errors.Is(err, unix.ENODEV) {
		t.Errorf("got %v", err)
	}
	w.Reset()
	w.Begin(unix.RTM_GETLINK, 0, make([]byte, unix.SizeofIfInfomsg))
	n := 0
	if err := c.Dump(&w, func() { n = 0 }, func(uint16, []byte) error { n++; return nil }); err != nil || n == 0 {
		t.Errorf("%d interfaces, %v", n, err)
	}
	stop := os.ErrClosed
	if err := c.Dump(&w, func() {}, func(uint16, []byte) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
}
