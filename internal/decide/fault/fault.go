// Package fault says what is broken on purpose: zones and links that carry
// nothing, links that lose packets, instances whose processes stand still.
//
// Invariant: pure; a fault is a row and nothing else, so that what is broken is
// listed, outlives an engine and is mended by the row's going. Whoever decides about
// packets, names or processes asks here.
package fault

import (
	"cmp"
	"slices"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/state"
)

// Kinds of what can be broken.
const (
	Zone     = "zone"
	Instance = "instance"
	Link     = "link" // a network interface
)

// Effects.
const (
	Down   = "down"   // of a zone or a link: it carries nothing
	Paused = "paused" // of an instance: its processes stand still, and its links carry nothing
	Loss   = "loss"   // of a link: some packets are lost, in each direction
)

// Words that mend: of what is down, of what is paused.
const (
	Up     = "up"
	Resume = "resume"
)

// DefaultLoss is how many packets of a hundred are lost when nobody says.
const DefaultLoss = 10

// Order is asked for by a person: what is to become of what.
type Order struct {
	Kind, What string
	Effect     string // one of the effects, or of the words that mend; "pause" is Paused
	Rate       int32  // of Loss, 1 to 99; 0: DefaultLoss
}

// key is that of a fault's row.
func key(scope state.Scope, kind, what string) state.Key {
	if kind == Zone {
		scope.Account = ""
	}
	return scope.Key(kind + " " + what)
}

// ZoneDown says whether a zone is down, by its name and the name of its Region.
func ZoneDown(r state.Reader, region, zone string) bool {
	_, ok := state.Faults.Get(r, key(state.Scope{Region: region}, Zone, zone))
	return ok
}

// IsPaused says whether an instance's processes are to stand still.
func IsPaused(r state.Reader, instance state.Key) bool {
	_, ok := state.Faults.Get(r, key(instance.Scope(), Instance, instance.ID))
	return ok
}

// Any says whether anything is broken.
func Any(r state.Reader) bool {
	for range state.Faults.All(r) {
		return true
	}
	return false
}

// InstanceOf gives the instance that a fault of one is about.
func InstanceOf(k state.Key) (state.Key, bool) {
	id, ok := strings.CutPrefix(k.ID, Instance+" ")
	return k.Scope().Key(id), ok
}

// Of gives what is broken about an interface: its zone, its instance or itself, in
// this order. False: nothing.
func Of(r state.Reader, n *state.NetworkInterface) (*state.Fault, bool) {
	if !Any(r) {
		return nil, false
	}
	scope := n.Scope()
	if s, ok := state.Subnets.Get(r, scope.Key(n.SubnetID)); ok {
		if f, ok := state.Faults.Get(r, key(scope, Zone, s.AvailabilityZone)); ok {
			return f, true
		}
	}
	if n.Attachment != nil {
		if f, ok := state.Faults.Get(r, key(scope, Instance, n.Attachment.InstanceID)); ok {
			return f, true
		}
	}
	return state.Faults.Get(r, key(scope, Link, n.ID))
}

// Touches says whether a fault concerns any interface that a VPC has or may get.
func Touches(r state.Reader, f *state.Fault, vpc state.Key) bool {
	if f.Kind != Zone {
		return f.VpcID == vpc.ID && f.Scope() == vpc.Scope()
	}
	if f.Region != vpc.Region {
		return false
	}
	for s := range state.Subnets.By(r, state.ByVpc, vpc.ID) {
		if s.Scope() == vpc.Scope() && s.AvailabilityZone == f.What {
			return true
		}
	}
	return false
}

// Apply does what an order says. The scope is that of whoever gives it. The row is
// nil when nothing is broken about it any more. Errors have AWS's codes.
func Apply(tx *state.Tx, scope state.Scope, o Order) (*state.Fault, error) {
	f := &state.Fault{Kind: o.Kind, What: o.What, Effect: o.Effect}
	words := []string{Down, Up}
	switch o.Kind {
	case Zone:
		zone, err := zoneOf(scope.Region, o.What)
		if err != nil {
			return nil, err
		}
		f.What, scope.Region = zone.Name, zone.Region
	case Instance:
		words = []string{"pause", Resume}
		i, ok := state.Instances.Get(tx, scope.Key(o.What))
		if !ok {
			return nil, awserr.New("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", awserr.Clip(o.What))
		}
		if o.Effect == "pause" && i.State != state.Running {
			return nil, awserr.New("IncorrectInstanceState", "The instance '%s' is not in the 'running' state.", i.ID)
		}
		f.VpcID = i.VpcID
	case Link:
		words = []string{Loss, Down, Up}
		n, ok := state.NetworkInterfaces.Get(tx, scope.Key(o.What))
		if !ok {
			return nil, awserr.New("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", awserr.Clip(o.What))
		}
		f.VpcID = n.VpcID
	default:
		return nil, awserr.New("InvalidParameterValue", "%q can have no fault: it is one of %s, %s and %s.", awserr.Clip(o.Kind), Zone, Instance, Link)
	}
	if !slices.Contains(words, o.Effect) {
		return nil, awserr.New("InvalidParameterValue", "%q is nothing that can be done to a %s: it is one of %s.", awserr.Clip(o.Effect), o.Kind, strings.Join(words, ", "))
	}
	switch {
	case o.Effect == Loss:
		f.Rate = cmp.Or(o.Rate, DefaultLoss)
		if f.Rate < 1 || f.Rate > 99 {
			return nil, awserr.New("InvalidParameterValue", "%d is not a number of packets of a hundred from 1 to 99; a link that is to lose all of them is down.", f.Rate)
		}
	case o.Rate != 0:
		return nil, awserr.New("InvalidParameterCombination", "Only %s has a rate.", Loss)
	case o.Effect == Up || o.Effect == Resume:
		state.Faults.Delete(tx, key(scope, f.Kind, f.What))
		return nil, nil
	case o.Effect == "pause":
		f.Effect = Paused
	}
	f.Meta = state.Meta{Key: key(scope, f.Kind, f.What), Created: tx.Now()}
	if was, ok := state.Faults.Get(tx, f.Key); ok {
		if was.Effect == f.Effect && was.Rate == f.Rate {
			return was, nil
		}
		f.Created = was.Created
	}
	state.Faults.Put(tx, f)
	return f, nil
}

// zoneOf finds a zone by its name, in whatever Region, or by its id in one.
func zoneOf(region, text string) (awsregion.Zone, error) {
	for _, r := range awsregion.All() {
		for _, z := range r.Zones {
			if z.Name == text || z.ID == text && r.Name == region {
				return z, nil
			}
		}
	}
	return awsregion.Zone{}, awserr.New("InvalidParameterValue", "There is no Availability Zone %s: it is like %sa or an id of one in %s.", awserr.Clip(text), region, region)
}

// Forget mends what is going, or ends anyway: an instance that stops stands still no
// more.
func Forget(tx *state.Tx, scope state.Scope, kind, what string) {
	state.Faults.Delete(tx, key(scope, kind, what))
}

// Clear mends everything, of every account, and says what it was.
func Clear(tx *state.Tx) []*state.Fault {
	all := List(tx)
	for _, f := range all {
		state.Faults.Delete(tx, f.Key)
	}
	return all
}

// List gives all faults, of every account, the oldest first.
func List(r state.Reader) []*state.Fault {
	var all []*state.Fault
	for f := range state.Faults.All(r) {
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b *state.Fault) int { return a.Created.Compare(b.Created) })
	return all
}
