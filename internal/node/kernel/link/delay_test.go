//go:build linux

package link

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

// TestDelayIsWhatTcSays: the options are those of "tc qdisc add dev lo root netem delay
// 80ms limit 10000", as strace shows them.
func TestDelayIsWhatTcSays(t *testing.T) {
	const want = "d01213001027000000000000000000000000000000000000"
	if got := hex.EncodeToString(netem(80 * time.Millisecond)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAliasKeepsTheDelay: what cannot be read from the link itself is in its alias.
func TestAliasKeepsTheDelay(t *testing.T) {
	for _, l := range []plan.Link{
		{Peer: "i-1", PeerName: "eth0", PeerMAC: "02:00:00:00:00:01"},
		{Peer: "vpc-2", PeerName: "p1", PeerMAC: "02:00:00:00:00:01", PeerGroup: 65002},
		{Peer: "vpc-2", PeerName: "p1", PeerMAC: "02:00:00:00:00:01", PeerGroup: 65002, Delay: 80 * time.Millisecond},
	} {
		var got plan.Link
		if !named(alias(l), &got) || got != l {
			t.Errorf("%q is read as %+v", alias(l), got)
		}
	}
}
