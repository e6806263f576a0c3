package kernel

import (
	"net/netip"
	"time"
)

// Flow is a tracked connection that is over: a TCP one as soon as both sides have
// closed it or one has reset it, any other when it is forgotten.
type Flow struct {
	Protocol      uint8
	Client, Asked netip.AddrPort // of its first packet
	Answers       netip.AddrPort // who answers
	Begin, End    time.Time      // Begin zero: the router keeps no times
	Counted       bool           // the router counts bytes
	In, Out       uint64         // bytes of its packets with their IP headers: of the client's, of the answers
}
