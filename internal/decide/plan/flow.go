package plan

import (
	"net/netip"
)

// Flows selects tracked connections by their first packet, and by its answer as
// it comes back: where addresses are translated, that is another. Zero fields
// match all.
type Flows struct {
	Src, Dst           netip.Addr
	ReplySrc, ReplyDst netip.Addr
	Protocol           uint8  // IP protocol number
	Port               uint16 // destination port
}

// Match says whether a connection is selected. Of the connection every field is set.
func (m Flows) Match(f Flows) bool {
	return fits(m.Src, f.Src) && fits(m.Dst, f.Dst) && fits(m.ReplySrc, f.ReplySrc) && fits(m.ReplyDst, f.ReplyDst) &&
		(m.Protocol == 0 || m.Protocol == f.Protocol) && (m.Port == 0 || m.Port == f.Port)
}

func fits(want, a netip.Addr) bool { return !want.IsValid() || want == a }
