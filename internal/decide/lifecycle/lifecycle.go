// Package lifecycle is the one place that knows which changes of state an
// instance can make, what each of them does to its values and to the resources
// that live with it, and when what has ended is forgotten.
//
// Invariant: an instance's State is changed by Apply alone. Whoever wants a
// change names an event; an event that the state does not admit is an error for
// a caller, and nothing at all when it is a fact that comes too late.
//
// Pure: time is an argument, and rows are changed in the caller's transaction.
package lifecycle

import (
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

// Kind of event.
type Kind string

const (
	// Asked for by a caller of the API.
	Start     Kind = "start"
	Stop      Kind = "stop"
	Terminate Kind = "terminate"
	Reboot    Kind = "reboot"

	// Facts, told by whoever runs the instance.
	started Kind = "started"
	exited  Kind = "exited"
	failed  Kind = "failed"
)

// Cause says why an instance's processes have ended.
type Cause string

const (
	Requested Cause = "requested" // they were ended because the state said so
	PowerOff  Cause = "power-off" // the instance shut itself down
	Restart   Cause = "restart"   // the instance rebooted itself
	Crash     Cause = "crash"     // its init ended otherwise
)

// Event is what happens to an instance.
type Event struct {
	Kind  Kind
	cause Cause
	text  string // of a failure, for people
}

// State reasons, codes and texts as in the EC2 API Reference, StateReason.
var (
	reasonPending  = state.StateReason{Code: "pending", Message: "pending"}
	reasonUser     = state.StateReason{Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: User initiated shutdown"}
	reasonInstance = state.StateReason{Code: "Client.InstanceInitiatedShutdown", Message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown"}
	reasonInternal = state.StateReason{Code: "Server.InternalError", Message: "Server.InternalError: Internal error on launch"}
)

// transition is one row of the table: what an event leads to in a state.
type transition struct {
	event  Kind
	from   state.InstanceState
	when   func(*state.Instance, Event) bool // nil: always
	to     state.InstanceState
	effect func(*state.Instance, Event, time.Time) // on the copy that becomes the row; nil: none
}

// transitions is the whole life of an instance; the first row that fits counts.
// A caller's event without a row is refused, a fact without a row is ignored.
var transitions = []transition{
	{Start, state.Stopped, nil, state.Pending, boot},
	{Start, state.Pending, nil, state.Pending, nil},
	{Start, state.Running, nil, state.Running, nil},

	{Stop, state.Running, nil, state.Stopping, byUser},
	{Stop, state.Pending, launchedBefore, state.Stopping, byUser},
	{Stop, state.Stopping, nil, state.Stopping, nil},
	{Stop, state.Stopped, nil, state.Stopped, nil},

	{Terminate, state.Pending, nil, state.ShuttingDown, byUser},
	{Terminate, state.Running, nil, state.ShuttingDown, byUser},
	{Terminate, state.Stopping, nil, state.ShuttingDown, byUser},
	{Terminate, state.Stopped, nil, state.Terminated, both(byUser, end)}, // nothing runs that would have to end first
	{Terminate, state.ShuttingDown, nil, state.ShuttingDown, nil},
	{Terminate, state.Terminated, nil, state.Terminated, nil},

	{Reboot, state.Running, nil, state.Running, reboot},
	{Reboot, state.Pending, nil, state.Pending, nil},       // it boots anyway
	{Reboot, state.Terminated, nil, state.Terminated, nil}, // RebootInstances: "Requests to reboot terminated instances are ignored"
	{Reboot, state.ShuttingDown, nil, state.ShuttingDown, nil},

	{started, state.Pending, nil, state.Running, run},

	{exited, state.Stopping, nil, state.Stopped, nil},
	{exited, state.ShuttingDown, nil, state.Terminated, end},
	{exited, state.Running, from(Restart), state.Running, reboot},
	{exited, state.Pending, from(Restart), state.Pending, reboot},
	{exited, state.Running, ends, state.Terminated, both(because(reasonInstance), end)},
	{exited, state.Running, from(PowerOff), state.Stopped, because(reasonInstance)},
	{exited, state.Running, from(Crash), state.Stopped, crash},
	{exited, state.Pending, ends, state.Terminated, both(because(reasonInstance), end)},
	{exited, state.Pending, from(PowerOff), state.Stopped, because(reasonInstance)},
	{exited, state.Pending, from(Crash), state.Stopped, crash},

	{failed, state.Pending, launchedBefore, state.Stopped, crash},
	{failed, state.Pending, nil, state.Terminated, both(crash, end)},
	{failed, state.Running, nil, state.Stopped, crash},
	{failed, state.Stopping, nil, state.Stopped, nil},
	{failed, state.ShuttingDown, nil, state.Terminated, end},
}

// Apply gives the instance as it is after the event; the same pointer when
// nothing changes. The error is IncorrectInstanceState with AWS's text, and only
// for what a caller asked.
func Apply(i *state.Instance, e Event, now time.Time) (*state.Instance, error) {
	for _, t := range transitions {
		if t.event != e.Kind || t.from != i.State || t.when != nil && !t.when(i, e) {
			continue
		}
		if t.to == i.State && t.effect == nil {
			return i, nil
		}
		next := *i
		next.State = t.to
		if t.effect != nil {
			t.effect(&next, e, now)
		}
		return &next, nil
	}
	switch e.Kind {
	case Start:
		return nil, incorrect("The instance '%s' is not in a state from which it can be started.", i)
	case Stop:
		if i.State == state.Pending {
			return nil, incorrect("Instance '%s' cannot be stopped as it has never reached the 'running' state.", i)
		}
		return nil, incorrect("This instance '%s' is not in a state from which it can be stopped.", i)
	case Reboot:
		return nil, incorrect("This instance '%s' is not in the 'running' state.", i)
	}
	return i, nil
}

func incorrect(text string, i *state.Instance) error {
	return awserr.New("IncorrectInstanceState", text, i.ID)
}

// HasProcess says whether, in this state, somebody has to report the end of the
// instance's processes before it is in its final state.
func HasProcess(s state.InstanceState) bool {
	return s == state.Stopping || s == state.ShuttingDown
}

// Conditions.

// launchedBefore: it is not the first boot, so there is a disk to go back to.
func launchedBefore(i *state.Instance, _ Event) bool { return i.Boots > 1 }

func from(c Cause) func(*state.Instance, Event) bool {
	return func(_ *state.Instance, e Event) bool { return e.cause == c }
}

// ends: a shutdown from inside terminates this instance (EC2 User Guide,
// "Change the instance initiated shutdown behavior").
func ends(i *state.Instance, e Event) bool {
	return e.cause == PowerOff && i.ShutdownBehavior == "terminate"
}

// Effects.

func both(a, b func(*state.Instance, Event, time.Time)) func(*state.Instance, Event, time.Time) {
	return func(i *state.Instance, e Event, now time.Time) { a(i, e, now); b(i, e, now) }
}

func because(r state.StateReason) func(*state.Instance, Event, time.Time) {
	return func(i *state.Instance, _ Event, _ time.Time) { i.StateReason, i.StateTransition = r, "" }
}

// boot asks for one more start; the launch time is that of the last start.
func boot(i *state.Instance, _ Event, now time.Time) {
	i.Boots++
	i.LaunchTime = now
	i.StateReason, i.StateTransition = reasonPending, ""
}

// reboot asks for one more start of the same launch.
func reboot(i *state.Instance, _ Event, _ time.Time) { i.Boots++ }

func run(i *state.Instance, _ Event, _ time.Time) {
	i.StateReason, i.StateTransition = state.StateReason{}, ""
}

func byUser(i *state.Instance, _ Event, now time.Time) {
	i.StateReason = reasonUser
	i.StateTransition = now.UTC().Format("User initiated (2006-01-02 15:04:05 GMT)")
}

// crash keeps what went wrong in the reason: a failure of the machine is a fact
// on the resource.
func crash(i *state.Instance, e Event, _ time.Time) {
	i.StateReason, i.StateTransition = reasonInternal, "Server.InternalError"
	if e.text != "" {
		i.StateReason.Message = "Server.InternalError: " + awserr.Clip(e.text)
	}
}

// end takes the instance out of its network: a terminated instance is described
// without VPC, subnet and addresses.
func end(i *state.Instance, _ Event, now time.Time) {
	i.TerminatedAt = now
	i.VpcID, i.SubnetID, i.PrivateDnsName = "", "", ""
	i.PrivateIP = noAddress
}
