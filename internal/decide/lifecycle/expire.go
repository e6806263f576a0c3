package lifecycle

import (
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

const (
	// terminatedFor is how long a terminated instance can be described: AWS says
	// "for a short while", usually within the hour (EC2 User Guide, "Terminate instances").
	terminatedFor = time.Hour
	// natGatewayFor is how long a NAT gateway that has failed or is deleted can be
	// described: about an hour (VPC User Guide, "NAT gateway basics").
	natGatewayFor = time.Hour
	// tokenFor is how long a client token is remembered: 24 hours at least (EC2
	// API Reference, "Ensuring idempotency").
	tokenFor = 24 * time.Hour
	// changeFor is how long a change of Route 53's data can be asked for. AWS does
	// not say how long it answers; whoever waits for one asks within minutes.
	changeFor = 24 * time.Hour
)

// Dead are the rows that have to be forgotten, and when the next will be.
type Dead struct {
	Instances   []state.Key
	NatGateways []state.Key
	Peerings    []state.Key // requests that expire too
	Tokens      []state.Key
	DnsChanges  []state.Key
	Next        time.Time // zero: nothing waits
}

// Empty says that there is nothing to forget yet.
func (d Dead) Empty() bool {
	return len(d.Instances)+len(d.NatGateways)+len(d.Peerings)+len(d.Tokens)+len(d.DnsChanges) == 0
}

// Expired finds what is to be forgotten at a time.
func Expired(r state.Reader, now time.Time) Dead {
	var d Dead
	due := func(k state.Key, at time.Time, list *[]state.Key) {
		if !at.After(now) {
			*list = append(*list, k)
		} else if d.Next.IsZero() || at.Before(d.Next) {
			d.Next = at
		}
	}
	for i := range state.Instances.All(r) {
		if i.State == state.Terminated {
			due(i.Key, i.TerminatedAt.Add(terminatedFor), &d.Instances)
		}
	}
	for g := range state.NatGateways.All(r) {
		if !g.DeletedAt.IsZero() {
			due(g.Key, g.DeletedAt.Add(natGatewayFor), &d.NatGateways)
		}
	}
	for p := range state.VpcPeerings.All(r) {
		if at, ok := peeringDue(p); ok {
			due(p.Key, at, &d.Peerings)
		}
	}
	for t := range state.ClientTokens.All(r) {
		due(t.Key, t.Created.Add(tokenFor), &d.Tokens)
	}
	for c := range state.DnsChanges.All(r) {
		due(c.Key, c.Created.Add(changeFor), &d.DnsChanges)
	}
	return d
}

// Forget removes what has expired by the time of the transaction.
func Forget(tx *state.Tx) Dead {
	d := Expired(tx, tx.Now())
	for _, k := range d.Instances {
		state.Instances.Delete(tx, k)
	}
	for _, k := range d.NatGateways {
		state.NatGateways.Delete(tx, k)
	}
	for _, k := range d.Peerings {
		if p, ok := state.VpcPeerings.Get(tx, k); ok {
			agePeering(tx, p)
		}
	}
	for _, k := range d.Tokens {
		state.ClientTokens.Delete(tx, k)
	}
	for _, k := range d.DnsChanges {
		state.DnsChanges.Delete(tx, k)
	}
	return d
}
