// Package publicip says which public addresses there are in the simulated
// internet and who has them.
//
// Invariant: an address has at most one owner over all accounts and Regions: an
// Elastic IP, an interface's assigned address, or an outside host. And the row of
// an Elastic IP and the interface that has it always tell the same.
package publicip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/state"
)

// setting is where the pool is kept, of no account and no Region.
var setting = state.Key{ID: "public-cidr"}

// Default is the pool when none was set: ranges that are nobody's service, for
// benchmarks (RFC 2544) and documentation (RFC 5737).
var Default = []netip.Prefix{
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
}

// ErrExhausted says that every address of the pool has an owner.
var ErrExhausted = errors.New("every public address is taken: set a larger pool with --public-cidr")

// Pool gives the ranges of the simulated internet's public addresses.
func Pool(r state.Reader) []netip.Prefix {
	row, ok := state.Settings.Get(r, setting)
	if !ok {
		return Default
	}
	pool, err := Parse(row.Value)
	if err != nil {
		return Default // Set refuses what does not parse
	}
	return pool
}

// special are the ranges that are nobody's public addresses (IANA IPv4 Special-
// Purpose Address Registry; RFC 5771 and RFC 1112 for the last two). The ranges of
// Default are among that registry's too: nobody uses them, which is what they are
// for here.
var special = []struct {
	block netip.Prefix
	what  string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "0.0.0.0/8 means this network (RFC 791)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "10.0.0.0/8 is private (RFC 1918), as VPCs are"},
	{netip.MustParsePrefix("100.64.0.0/10"), "100.64.0.0/10 is shared behind carriers' translation (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "127.0.0.0/8 is loopback (RFC 1122)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "169.254.0.0/16 is link-local (RFC 3927)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "172.16.0.0/12 is private (RFC 1918), as VPCs are"},
	{netip.MustParsePrefix("192.168.0.0/16"), "192.168.0.0/16 is private (RFC 1918), as VPCs are"},
	{netip.MustParsePrefix("224.0.0.0/4"), "224.0.0.0/4 is multicast (RFC 5771)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "240.0.0.0/4 is reserved (RFC 1112)"},
}

// Special says why addresses of a range cannot be public, "" when they can.
func Special(p netip.Prefix) string {
	for _, s := range special {
		if s.block.Overlaps(p) {
			return s.what
		}
	}
	return ""
}

// Parse reads a pool: public IPv4 prefixes separated by commas, from /8 to /29.
func Parse(text string) ([]netip.Prefix, error) {
	var pool []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil || p != p.Masked() || !p.Addr().Is4() || p.Bits() < 8 || p.Bits() > 29 {
			return nil, fmt.Errorf("%q is not an IPv4 range like 198.18.0.0/15, of /8 to /29, without host bits", part)
		}
		if what := Special(p); what != "" {
			return nil, fmt.Errorf("%s cannot hold public addresses: %s", p, what)
		}
		if NameServers.Overlaps(p) {
			return nil, fmt.Errorf("%s cannot hold public addresses: the simulated internet's name servers are in %s", p, NameServers)
		}
		for _, other := range pool {
			if other.Overlaps(p) {
				return nil, fmt.Errorf("%s and %s overlap", other, p)
			}
		}
		pool = append(pool, p)
	}
	return pool, nil
}

// Set keeps a pool. Addresses outside of it that are in use stay as they are.
func Set(tx *state.Tx, pool []netip.Prefix) {
	words := make([]string, len(pool))
	for i, p := range pool {
		words[i] = p.String()
	}
	value := strings.Join(words, ",")
	if row, ok := state.Settings.Get(tx, setting); ok && row.Value == value {
		return
	}
	state.Settings.Put(tx, &state.Setting{Meta: state.Meta{Key: setting}, Value: value})
}

// Router is the address of the simulated internet itself: the first one of the
// pool that is no name server's. From it what the host sends by proxy and forward comes.
func Router(r state.Reader) netip.Addr {
	a := Pool(r)[0].Addr().Next()
	for IsReserved(a) {
		a = a.Next()
	}
	return a
}

// Contains says whether an address is of the pool.
func Contains(r state.Reader, a netip.Addr) bool {
	for _, p := range Pool(r) {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Taken says whether an address has an owner.
func Taken(r state.Reader, a netip.Addr) bool {
	if a == Router(r) || IsReserved(a) {
		return true
	}
	key := a.String()
	for range state.Addresses.By(r, state.ByPublic, key) {
		return true
	}
	for range state.NetworkInterfaces.By(r, state.ByPublic, key) {
		return true
	}
	for range state.Hosts.By(r, state.ByPublic, key) {
		return true
	}
	return false
}

// Free says whether an address of the pool can be had.
func Free(r state.Reader, a netip.Addr) bool {
	for _, p := range Pool(r) {
		if p.Contains(a) && usable(p, a) && !Taken(r, a) {
			return true
		}
	}
	return false
}

// tries bounds how many random addresses are tried before the pool is walked.
const tries = 32

// Draw gives an address that nobody has: at random, so that a user who counts on
// the next one being the next is told early. The error is ErrExhausted.
func Draw(tx *state.Tx) (netip.Addr, error) {
	pool := Pool(tx)
	for range tries {
		var seed [8]byte
		if _, err := io.ReadFull(tx.Rand(), seed[:]); err != nil {
			return netip.Addr{}, err
		}
		p := pool[0]
		a := add(p, binary.BigEndian.Uint32(seed[4:])%size(p))
		if usable(p, a) && !Taken(tx, a) {
			return a, nil
		}
	}
	for _, p := range pool {
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			if usable(p, a) && !Taken(tx, a) {
				return a, nil
			}
		}
	}
	return netip.Addr{}, ErrExhausted
}

func size(p netip.Prefix) uint32 { return 1 << (32 - p.Bits()) }

func add(p netip.Prefix, n uint32) netip.Addr {
	b := p.Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}

// usable says whether a host may have the address: not those of networks and
// broadcasts, of the whole range and of the /24s in it, that tools dislike.
func usable(p netip.Prefix, a netip.Addr) bool {
	b := a.As4()
	return b[3] != 0 && b[3] != 255 && a != p.Addr() && p.Contains(a.Next())
}
