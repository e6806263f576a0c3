package lifecycle

import (
	"net/netip"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

const (
	// PeeringRequestFor is how long a request for a peering connection can be
	// accepted (VPC Peering Guide, "VPC peering connection lifecycle": 7 days).
	PeeringRequestFor = 7 * 24 * time.Hour
	// What has ended is described for two hours to who ended it, to everybody where
	// both VPCs are of one account, and to who asked for what has failed; for two
	// days to the other side, and to both when a request expired (the same page).
	peeringShortly = 2 * time.Hour
	peeringLonger  = 48 * time.Hour
)

// peeringFailed is AWS's message for every request that cannot be met.
const peeringFailed = "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"

// EndPeering puts a peering connection, or a request for one, into one of its
// last states; by is the account that rejects or deletes it. It does not look
// whether the state may follow: the API's errors for that differ by action.
func EndPeering(tx *state.Tx, p *state.VpcPeering, status, by string) {
	next := *p
	if p.Active() { // what it shows from now on
		next.Requester.Cidrs, next.Accepter.Cidrs = blocks(tx, p.Requester), blocks(tx, p.Accepter)
	}
	next.Status, next.EndedAt, next.EndedBy = status, tx.Now(), by
	switch status {
	case state.PeeringFailed:
		next.StatusText, next.Accepter.Forgotten = peeringFailed, true
	case state.PeeringRejected:
		next.StatusText = "Rejected by " + by
	case state.PeeringDeleted:
		next.StatusText = "Deleted by " + by
	case state.PeeringExpired:
		next.StatusText, next.EndedAt = "Expired", p.Expires
	}
	if status != state.PeeringExpired {
		next.Expires = time.Time{}
	}
	state.VpcPeerings.Put(tx, &next)
}

// blocks are those of a side's VPC, or what is known of them when it is gone.
func blocks(r state.Reader, side state.PeeringSide) []netip.Prefix {
	v, ok := state.Vpcs.Get(r, side.Vpc)
	if !ok {
		return side.Cidrs
	}
	out := make([]netip.Prefix, 0, len(v.Cidrs))
	for _, a := range v.Cidrs {
		out = append(out, a.Cidr)
	}
	return out
}

// shownFor is how long a side is told of a peering connection after its end.
func shownFor(p *state.VpcPeering, side state.PeeringSide) time.Duration {
	switch {
	case p.Status == state.PeeringExpired:
		return peeringLonger
	case p.Status == state.PeeringFailed, p.Requester.Vpc.Account == p.Accepter.Vpc.Account, p.EndedBy == side.Vpc.Account:
		return peeringShortly
	}
	return peeringLonger
}

// peeringDue says when something about a peering connection is next to be
// forgotten; never while it is active.
func peeringDue(p *state.VpcPeering) (at time.Time, ok bool) {
	if p.Status == state.PeeringPending {
		return p.Expires, true
	}
	if p.EndedAt.IsZero() {
		return time.Time{}, false
	}
	for _, side := range []state.PeeringSide{p.Requester, p.Accepter} {
		if until := p.EndedAt.Add(shownFor(p, side)); !side.Forgotten && (!ok || until.Before(at)) {
			at, ok = until, true
		}
	}
	return at, ok
}

// agePeering lets a request expire, hides what has ended from the sides that
// have been told for long enough, and forgets it when both have.
func agePeering(tx *state.Tx, p *state.VpcPeering) {
	if p.Status == state.PeeringPending {
		EndPeering(tx, p, state.PeeringExpired, "")
		return
	}
	next := *p
	for _, side := range []*state.PeeringSide{&next.Requester, &next.Accepter} {
		if !p.EndedAt.Add(shownFor(p, *side)).After(tx.Now()) {
			side.Forgotten = true
		}
	}
	if next.Requester.Forgotten && next.Accepter.Forgotten {
		state.VpcPeerings.Delete(tx, p.Key)
		return
	}
	state.VpcPeerings.Put(tx, &next)
}
