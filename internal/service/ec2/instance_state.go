package ec2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// maxInstanceIDs of one request.
const maxInstanceIDs = 1000

// instancesNamed gives the instances with the ids, each once, in the order asked.
func instancesNamed(r state.Reader, c authz.Caller, ids []string) ([]*state.Instance, error) {
	if len(ids) == 0 {
		return nil, awserr.MissingParameter("InstanceId")
	}
	if len(ids) > maxInstanceIDs {
		return nil, awserr.New("InvalidParameterValue", "The maximum number of instances in one request is %d", maxInstanceIDs)
	}
	found, err := instanceKind.findAll(r, c, ids)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b *state.Instance) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	return found, nil
}

// change applies an event to all instances, or to none, and gives what the
// answer says of each. Where nothing runs, the final states follow at once; the
// answer still says what AWS's would.
func (s *Service) change(tx *state.Tx, list []*state.Instance, k lifecycle.Kind) ([]api.InstanceStateChange, error) {
	out := make([]api.InstanceStateChange, 0, len(list))
	for _, i := range list {
		next, err := lifecycle.Do(tx, i, k)
		if err != nil {
			return nil, err
		}
		out = append(out, api.InstanceStateChange{InstanceId: ptr(i.ID), PreviousState: apiState(i.State), CurrentState: apiState(next.State)})
		if err := s.follow(tx, next); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// follow reports, where nothing runs, what the node would report.
func (s *Service) follow(tx *state.Tx, i *state.Instance) error {
	switch {
	case !s.cfg.NoPackets:
		return nil
	case i.State == state.Pending:
		return lifecycle.Started(tx, i.Key, i.Boots)
	case lifecycle.HasProcess(i.State):
		return lifecycle.Exited(tx, i.Key, i.Boots, lifecycle.Requested)
	}
	return nil
}

// StartInstances starts stopped instances from their disks.
func (s *Service) StartInstances(tx *state.Tx, c authz.Caller, in *api.StartInstancesInput) (*api.StartInstancesOutput, error) {
	list, err := instancesNamed(tx, c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	changes, err := s.change(tx, list, lifecycle.Start)
	if err != nil {
		return nil, err
	}
	return &api.StartInstancesOutput{StartingInstances: changes}, nil
}

// StopInstances stops instances; they keep their disks, interfaces and addresses.
func (s *Service) StopInstances(tx *state.Tx, c authz.Caller, in *api.StopInstancesInput) (*api.StopInstancesOutput, error) {
	list, err := instancesNamed(tx, c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if val(in.Hibernate) {
			return nil, awserr.New("UnsupportedHibernationConfiguration", "Instance %s is not configured to be hibernated.", i.ID)
		}
		if i.DisableStop {
			return nil, awserr.New("OperationNotPermitted", "The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", i.ID)
		}
	}
	changes, err := s.change(tx, list, lifecycle.Stop)
	if err != nil {
		return nil, err
	}
	return &api.StopInstancesOutput{StoppingInstances: changes}, nil
}

// RebootInstances restarts running instances.
func (s *Service) RebootInstances(tx *state.Tx, c authz.Caller, in *api.RebootInstancesInput) (*api.RebootInstancesOutput, error) {
	list, err := instancesNamed(tx, c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	if _, err := s.change(tx, list, lifecycle.Reboot); err != nil {
		return nil, err
	}
	return &api.RebootInstancesOutput{}, nil
}

// TerminateInstances ends instances and what belongs to them. If one of them is
// protected, none is terminated. (AWS terminates those in other zones.)
func (s *Service) TerminateInstances(tx *state.Tx, c authz.Caller, in *api.TerminateInstancesInput) (*api.TerminateInstancesOutput, error) {
	list, err := instancesNamed(tx, c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if i.DisableTerminate && i.State != state.Terminated {
			return nil, awserr.New("OperationNotPermitted", "The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", i.ID)
		}
	}
	changes, err := s.change(tx, list, lifecycle.Terminate)
	if err != nil {
		return nil, err
	}
	return &api.TerminateInstancesOutput{TerminatingInstances: changes}, nil
}

// MonitorInstances stores that detailed monitoring is wanted; nothing is measured.
func (s *Service) MonitorInstances(tx *state.Tx, c authz.Caller, in *api.MonitorInstancesInput) (*api.MonitorInstancesOutput, error) {
	list, err := monitor(tx, c, in.InstanceIds, true)
	if err != nil {
		return nil, err
	}
	return &api.MonitorInstancesOutput{InstanceMonitorings: list}, nil
}

// UnmonitorInstances stores that detailed monitoring is not wanted.
func (s *Service) UnmonitorInstances(tx *state.Tx, c authz.Caller, in *api.UnmonitorInstancesInput) (*api.UnmonitorInstancesOutput, error) {
	list, err := monitor(tx, c, in.InstanceIds, false)
	if err != nil {
		return nil, err
	}
	return &api.UnmonitorInstancesOutput{InstanceMonitorings: list}, nil
}

// monitor answers with the final state, not with pending or disabling: clients
// would only ask again.
func monitor(tx *state.Tx, c authz.Caller, ids []string, on bool) ([]api.InstanceMonitoring, error) {
	list, err := instancesNamed(tx, c, ids)
	if err != nil {
		return nil, err
	}
	var out []api.InstanceMonitoring
	for _, i := range list {
		if i.State == state.Terminated {
			return nil, awserr.New("IncorrectState", "The instance '%s' is in a terminated state.", i.ID)
		}
		next := *i
		next.Monitoring = on
		if next.Monitoring != i.Monitoring {
			state.Instances.Put(tx, &next)
		}
		out = append(out, api.InstanceMonitoring{InstanceId: ptr(i.ID), Monitoring: apiMonitoring(&next)})
	}
	return out, nil
}

// ReportInstanceStatus takes a user's report; nobody reads it here, as nobody
// is told at AWS.
func (s *Service) ReportInstanceStatus(tx *state.Tx, c authz.Caller, in *api.ReportInstanceStatusInput) (*api.ReportInstanceStatusOutput, error) {
	if _, err := instancesNamed(tx, c, in.Instances); err != nil {
		return nil, err
	}
	return &api.ReportInstanceStatusOutput{}, nil
}
