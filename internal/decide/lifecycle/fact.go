package lifecycle

import (
	"net/netip"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

var noAddress netip.Addr

// New is the part of a fresh instance that belongs to its life: it is pending,
// for its first boot.
func New(i *state.Instance, now time.Time) {
	i.State, i.StateReason = state.Pending, reasonPending
	i.LaunchTime, i.Boots = now, 1
}

// Do applies a caller's event to the row of an instance and gives the row as it
// is then. What lives with the instance ends with it.
func Do(tx *state.Tx, i *state.Instance, k Kind) (*state.Instance, error) {
	return apply(tx, i, Event{Kind: k})
}

// The facts. Each names the instance and the boot (Instance.Boots of the row
// that was acted on); one about another boot, or about an instance that is gone,
// is late and changes nothing.

// Started: the instance's own programs run, behind the rules of its groups.
func Started(tx *state.Tx, k state.Key, boots uint64) error {
	return fact(tx, k, boots, Event{Kind: started})
}

// Exited: all processes of the instance have ended. For an instance that is
// stopping or shutting down it is reported too when there were none.
func Exited(tx *state.Tx, k state.Key, boots uint64, c Cause) error {
	e := Event{Kind: exited, cause: c}
	if c == Crash {
		e.text = "the instance's init process ended unexpectedly; see its console output"
	}
	return fact(tx, k, boots, e)
}

// Failed: the instance could not be started. why is for people: it becomes the
// message of the instance's StateReason.
func Failed(tx *state.Tx, k state.Key, boots uint64, why string) error {
	return fact(tx, k, boots, Event{Kind: failed, text: why})
}

func fact(tx *state.Tx, k state.Key, boots uint64, e Event) error {
	i, ok := state.Instances.Get(tx, k)
	if !ok || i.Boots != boots {
		return nil
	}
	_, err := apply(tx, i, e)
	return err
}

// apply also settles assigned public addresses: they are given up when an
// instance stops, and it starts with a new one (EC2 User Guide, "Public IPv4
// addresses").
func apply(tx *state.Tx, i *state.Instance, e Event) (*state.Instance, error) {
	next, err := Apply(i, e, tx.Now())
	if err != nil || next == i {
		return next, err
	}
	state.Instances.Put(tx, next)
	if next.State != state.Running || next.Boots != i.Boots {
		fault.Forget(tx, next.Scope(), fault.Instance, next.ID) // what ends, or begins anew, stands still no more
	}
	switch {
	case next.State == state.Terminated:
		release(tx, next)
	case next.State == state.Stopped && i.State != state.Stopped:
		for _, n := range rows(state.NetworkInterfaces.By(tx, state.ByInstance, i.ID)) {
			publicip.GiveUp(tx, n)
		}
	case next.State == state.Pending && i.State == state.Stopped:
		for _, n := range rows(state.NetworkInterfaces.By(tx, state.ByInstance, i.ID)) {
			if _, err := publicip.Renew(tx, n); err != nil {
				return nil, awserr.New("InsufficientAddressCapacity", "Not enough available addresses to satisfy your minimum request: %s.", err)
			}
		}
	}
	return next, nil
}

// release ends what belongs to a terminated instance: its interfaces are deleted
// or, when they are to outlive it, detached; its volume is deleted. Elastic IPs
// stay allocated.
func release(tx *state.Tx, i *state.Instance) {
	for _, n := range rows(state.NetworkInterfaces.By(tx, state.ByInstance, i.ID)) {
		if n.Attachment.DeleteOnTermination {
			publicip.Delete(tx, n)
			continue
		}
		free := *publicip.GiveUp(tx, n)
		free.Attachment, free.Status = nil, "available"
		state.NetworkInterfaces.Put(tx, &free)
	}
	for _, v := range rows(state.Volumes.By(tx, state.ByInstance, i.ID)) {
		state.Volumes.Delete(tx, v.Key)
	}
	if image, ok := ImageOf(tx, i); ok && image.State == Deregistered && !InUse(tx, image, i.ID) {
		state.Images.Delete(tx, image.Key)
	}
}

// rows takes what an index holds before the rows under it are changed.
func rows[T any](seq func(func(*T) bool)) []*T {
	var out []*T
	seq(func(row *T) bool {
		out = append(out, row)
		return true
	})
	return out
}
