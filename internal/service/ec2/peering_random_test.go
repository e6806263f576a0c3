package ec2

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// follows are the states that a peering connection may go to (VPC Peering Guide,
// "VPC peering connection lifecycle"). The empty one is none, before and after.
var follows = map[string][]string{
	"":                    {state.PeeringPending, state.PeeringFailed},
	state.PeeringPending:  {state.PeeringActive, state.PeeringRejected, state.PeeringExpired, state.PeeringDeleted, state.PeeringFailed},
	state.PeeringActive:   {state.PeeringDeleted},
	state.PeeringRejected: {""},
	state.PeeringFailed:   {""},
	state.PeeringExpired:  {""},
	state.PeeringDeleted:  {""},
}

// TestPeeringAtRandom: whatever three owners in two Regions ask for, and whenever,
// no connection skips a state, two VPCs have one active connection at most and no
// addresses in common then, and each side has its own tags.
func TestPeeringAtRandom(t *testing.T) {
	w := newWorld(t)
	owners := []*world{w, w.as(mine, "eu-west-1"), w.as(theirs, "us-east-1"), w.as("333333333333", "eu-west-1")}
	rng := rand.New(rand.NewPCG(6, 7))
	vpcs := make([][]string, len(owners))
	for i, o := range owners {
		for _, block := range []string{"10.20.0.0/16", "10.21.0.0/16", "10.22.0.0/16"} {
			vpcs[i] = append(vpcs[i], o.vpc(block))
		}
	}
	was, seen := map[string]string{}, map[string]bool{}
	for step := range 4000 {
		owner := rng.IntN(len(owners))
		o := owners[owner]
		var id *string
		for p := range state.VpcPeerings.All(w.snapshot()) {
			if rng.IntN(4) == 0 {
				id = ptr(p.ID)
			}
		}
		switch action := rng.IntN(9); {
		case action < 3:
			peer := rng.IntN(len(owners))
			_, _ = o.do("CreateVpcPeeringConnection", &api.CreateVpcPeeringConnectionInput{
				VpcId: &vpcs[owner][rng.IntN(3)], PeerVpcId: &vpcs[peer][rng.IntN(3)],
				PeerOwnerId: &owners[peer].caller.Account, PeerRegion: &owners[peer].caller.Region,
			})
		case action == 3:
			w.later(time.Duration(rng.IntN(72)) * time.Hour)
		case id == nil:
		case action < 6:
			_, _ = o.do("AcceptVpcPeeringConnection", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
		case action == 6:
			_, _ = o.do("RejectVpcPeeringConnection", &api.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
		case action == 7:
			_, _ = o.do("DeleteVpcPeeringConnection", &api.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
		default:
			_, _ = o.do("CreateTags", &api.CreateTagsInput{Resources: []string{*id}, Tags: tagList("by", o.caller.Account+o.caller.Region)})
		}
		now := peeringsHold(t, w)
		for id, before := range was {
			if after := now[id]; after != before && !slices.Contains(follows[before], after) {
				t.Fatalf("step %d: %s went from %q to %q", step, id, before, after)
			}
		}
		for id, after := range now {
			seen[after] = true
			if _, known := was[id]; !known && !slices.Contains(follows[""], after) {
				t.Fatalf("step %d: %s began as %q", step, id, after)
			}
		}
		was = now
	}
	for state := range follows {
		if state != "" && !seen[state] {
			t.Errorf("none was ever %s", state)
		}
	}
}

// peeringsHold checks what holds of all peering connections at any time, and gives
// their states.
func peeringsHold(t *testing.T, w *world) map[string]string {
	t.Helper()
	snap := w.snapshot()
	states, pairs := map[string]string{}, map[[2]state.Key]string{}
	for p := range state.VpcPeerings.All(snap) {
		states[p.ID] = p.Status
		a, okA := state.Vpcs.Get(snap, p.Requester.Vpc)
		b, okB := state.Vpcs.Get(snap, p.Accepter.Vpc)
		ended := !p.Active() && p.Status != state.PeeringPending
		switch {
		case p.Key.Scope() != p.Requester.Vpc.Scope():
			t.Fatalf("%s lies under %v", p.ID, p.Key)
		case ended != !p.EndedAt.IsZero():
			t.Fatalf("%s is %s and ended at %v", p.ID, p.Status, p.EndedAt)
		case !ended && (!okA || !okB || overlap(a, b)):
			t.Fatalf("%s is %s between %v and %v", p.ID, p.Status, a, b)
		case p.Requester.Forgotten && p.Accepter.Forgotten:
			t.Fatalf("nobody is told of %s", p.ID)
		}
		if p.Active() {
			pair := [2]state.Key{p.Requester.Vpc, p.Accepter.Vpc}
			if pair[0].String() > pair[1].String() {
				pair[0], pair[1] = pair[1], pair[0]
			}
			if other := pairs[pair]; other != "" {
				t.Fatalf("%s and %s are active between the same VPCs", p.ID, other)
			}
			pairs[pair] = p.ID
		}
		for _, tags := range []struct {
			of   state.Tags
			side state.PeeringSide
		}{{p.Tags, p.Requester}, {p.AccepterTags, p.Accepter}} {
			if by, ok := tags.of.Get("by"); ok && by != tags.side.Vpc.Account+tags.side.Vpc.Region {
				t.Fatalf("%s has the tag of %s on the side of %v", p.ID, by, tags.side.Vpc)
			}
		}
	}
	return states
}
