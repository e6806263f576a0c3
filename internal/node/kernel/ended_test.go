//go:build linux

package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// attr is an attribute that holds the parts.
func attr(typ uint16, parts ...[]byte) []byte {
	value := slices.Concat(parts...)
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// message is what the kernel says about a connection.
func message(state uint8) []byte {
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	tuple := func(typ uint16, src, dst string) []byte {
		from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
		return attr(typ|unix.NLA_F_NESTED,
			attr(ctIP|unix.NLA_F_NESTED, attr(ctV4Src, from.Addr().AsSlice()), attr(ctV4Dst, to.Addr().AsSlice())),
			attr(ctProto|unix.NLA_F_NESTED, attr(ctNum, []byte{unix.IPPROTO_TCP}),
				attr(ctSrcPort, binary.BigEndian.AppendUint16(nil, from.Port())), attr(ctDstPort, binary.BigEndian.AppendUint16(nil, to.Port()))))
	}
	return slices.Concat([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0},
		tuple(ctOrig, "203.0.113.9:40000", "52.0.0.1:80"), tuple(ctReply, "10.0.11.4:8080", "203.0.113.9:40000"),
		attr(ctID, []byte{0, 0, 0, 7}), attr(ctCountOrig, attr(ctBytes, number(400))), attr(ctCountReply, attr(ctBytes, number(900))),
		attr(ctTimes, attr(ctStart, number(1e18)), attr(ctStop, number(1e18+5e9))), attr(ctProtoInfo, attr(ctInfoTCP, attr(ctStateTCP, []byte{state}))))
}

func TestParseEvent(t *testing.T) {
	e, ok := parseEvent(message(tcpTimeWait))
	want := Flow{
		Protocol: 6, Client: netip.MustParseAddrPort("203.0.113.9:40000"), Asked: netip.MustParseAddrPort("52.0.0.1:80"), Answers: netip.MustParseAddrPort("10.0.11.4:8080"),
		Begin: time.Unix(0, 1e18), End: time.Unix(0, 1e18+5e9), Counted: true, In: 400, Out: 900,
	}
	if !ok || e.flow != want || e.id != 7 || !e.over() {
		t.Errorf("%v %+v\nwant %+v", ok, e, want)
	}
	if e, ok := parseEvent(message(3)); !ok || e.over() {
		t.Errorf("an established connection is over: %+v", e)
	}
}

// TestToldOnce: what was told when it was closed is not told when it is forgotten.
func TestToldOnce(t *testing.T) {
	w := &Watch{opened: time.Unix(0, 1e18-1), told: map[uint32]struct{}{7: {}}}
	n := 0
	e, _ := parseEvent(message(tcpTimeWait))
	w.forgotten(e, func(Flow) { n++ })
	if n != 0 || len(w.told) != 0 {
		t.Errorf("told %d times, %d are kept", n, len(w.told))
	}
	w.forgotten(e, func(Flow) { n++ }) // as one whose closing was not heard
	if n != 1 {
		t.Errorf("told %d times", n)
	}
	w.opened = time.Unix(0, 1e18+1) // an earlier watch has told of it
	w.forgotten(e, func(Flow) { n++ })
	if e.state = 3; n != 1 {
		t.Errorf("told %d times", n)
	}
	w.forgotten(e, func(Flow) { n++ }) // but not of one that was open then
	if n != 2 {
		t.Errorf("told %d times", n)
	}
}

// FuzzParseEvent: whatever a message holds, it is read within its bounds.
func FuzzParseEvent(f *testing.F) {
	f.Add(message(tcpClose))
	f.Add([]byte{2, 0, 0, 0, 4, 0, 1, 128})
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, ok := parseEvent(body); ok && (!e.flow.Client.IsValid() || len(e.tuple) > len(body)) {
			t.Errorf("%+v", e)
		}
	})
}
