package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeInstances lists instances by reservation. A terminated one is listed
// for an hour.
func (s *Service) DescribeInstances(r state.Reader, c authz.Caller, in *api.DescribeInstancesInput) (*api.DescribeInstancesOutput, error) {
	rows, next, err := instanceKind.describe(r, c, query[state.Instance]{
		action: "DescribeInstances", ids: in.InstanceIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: instanceFilters, also: instanceLookups,
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeInstancesOutput{Reservations: reservations(r, rows), NextToken: next}, nil
}

// DescribeInstanceStatus lists running instances or, when asked, all. What runs
// is well: its status is ok at once.
func (s *Service) DescribeInstanceStatus(r state.Reader, c authz.Caller, in *api.DescribeInstanceStatusInput) (*api.DescribeInstanceStatusOutput, error) {
	rows, next, err := instanceKind.describe(r, c, query[state.Instance]{
		action: "DescribeInstanceStatus", ids: in.InstanceIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by:     statusFilters,
		hidden: func(i *state.Instance) bool { return !val(in.IncludeAllInstances) && i.State != state.Running },
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceStatusOutput{InstanceStatuses: []api.InstanceStatus{}, NextToken: next}
	for _, i := range rows {
		out.InstanceStatuses = append(out.InstanceStatuses, apiInstanceStatus(i))
	}
	return out, nil
}

// health is the status of an instance's checks, and its reachability.
func health(i *state.Instance) (status, reachability string) {
	if i.State == state.Running {
		return "ok", "passed"
	}
	return "not-applicable", ""
}

func apiInstanceStatus(i *state.Instance) api.InstanceStatus {
	status, reachability := health(i)
	summary := func() *api.InstanceStatusSummary {
		out := &api.InstanceStatusSummary{Status: ptr(status)}
		if reachability != "" {
			out.Details = []api.InstanceStatusDetails{{Name: ptr("reachability"), Status: ptr(reachability)}}
		}
		return out
	}
	ebs := &api.EbsStatusSummary{Status: ptr(status)}
	if reachability != "" {
		ebs.Details = []api.EbsStatusDetails{{Name: ptr("reachability"), Status: ptr(reachability)}}
	}
	return api.InstanceStatus{
		InstanceId: ptr(i.ID), AvailabilityZone: ptr(i.AvailabilityZone), AvailabilityZoneId: opt(i.AvailZoneID),
		InstanceState: apiState(i.State), InstanceStatus: summary(), SystemStatus: summary(), AttachedEbsStatus: ebs,
		Operator: notManaged(),
	}
}

var statusFilters = func() filters[state.Instance] {
	status := func(i *state.Instance) []string { s, _ := health(i); return one(s) }
	reachability := func(i *state.Instance) []string { _, r := health(i); return one(r) }
	f := filters[state.Instance]{
		"instance-status.status": status, "system-status.status": status, "attached-ebs-status.status": status,
		"instance-status.reachability": reachability, "system-status.reachability": reachability,
	}
	for _, name := range []string{"availability-zone", "availability-zone-id", "instance-state-code", "instance-state-name", "operator.managed", "operator.principal"} {
		f[name] = instanceFilters[name]
	}
	for _, name := range []string{"code", "description", "instance-event-id", "not-after", "not-before", "not-before-deadline"} {
		f["event."+name] = func(*state.Instance) []string { return nil } // nothing is scheduled
	}
	return f
}()
