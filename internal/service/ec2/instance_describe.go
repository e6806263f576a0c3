package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/fault"
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
// is well, at once, unless it is broken on purpose.
func (s *Service) DescribeInstanceStatus(r state.Reader, c authz.Caller, in *api.DescribeInstanceStatusInput) (*api.DescribeInstanceStatusOutput, error) {
	rows, next, err := instanceKind.describe(r, c, query[state.Instance]{
		action: "DescribeInstanceStatus", ids: in.InstanceIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: statusFilters, also: statusLookups,
		hidden: func(i *state.Instance) bool { return !val(in.IncludeAllInstances) && i.State != state.Running },
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceStatusOutput{InstanceStatuses: []api.InstanceStatus{}, NextToken: next}
	for _, i := range rows {
		out.InstanceStatuses = append(out.InstanceStatuses, apiInstanceStatus(r, i))
	}
	return out, nil
}

// well is the status of one of an instance's checks, and its reachability: ok while it
// runs, unless something that the check looks at is broken on purpose.
func well(i *state.Instance, broken bool) (status, reachability string) {
	switch {
	case i.State != state.Running:
		return "not-applicable", ""
	case broken:
		return "impaired", "failed"
	}
	return "ok", "passed"
}

// checked are the checks of an instance: of itself, which has to answer at its primary
// interface; of what is below it, which fails with its zone; and of its volumes (EC2
// User Guide, "Status checks for Amazon EC2 instances").
var checked = map[string]func(state.Reader, *state.Instance) (status, reachability string){
	"instance-status": func(r state.Reader, i *state.Instance) (string, string) {
		nics := interfacesOf(r, i)
		if len(nics) == 0 {
			return well(i, false)
		}
		f, broken := fault.Of(r, nics[0])
		return well(i, broken && f.Effect != fault.Loss)
	},
	"system-status": func(r state.Reader, i *state.Instance) (string, string) {
		return well(i, fault.ZoneDown(r, i.Region, i.AvailabilityZone))
	},
	"attached-ebs-status": func(_ state.Reader, i *state.Instance) (string, string) { return well(i, false) },
}

func apiInstanceStatus(r state.Reader, i *state.Instance) api.InstanceStatus {
	summary := func(check string) *api.InstanceStatusSummary {
		status, reachability := checked[check](r, i)
		out := &api.InstanceStatusSummary{Status: ptr(status)}
		if reachability != "" {
			out.Details = []api.InstanceStatusDetails{{Name: ptr("reachability"), Status: ptr(reachability)}}
		}
		return out
	}
	status, reachability := checked["attached-ebs-status"](r, i)
	ebs := &api.EbsStatusSummary{Status: ptr(status)}
	if reachability != "" {
		ebs.Details = []api.EbsStatusDetails{{Name: ptr("reachability"), Status: ptr(reachability)}}
	}
	return api.InstanceStatus{
		InstanceId: ptr(i.ID), AvailabilityZone: ptr(i.AvailabilityZone), AvailabilityZoneId: opt(i.AvailZoneID),
		InstanceState: apiState(i.State), InstanceStatus: summary("instance-status"), SystemStatus: summary("system-status"), AttachedEbsStatus: ebs,
		Operator: notManaged(),
	}
}

var statusLookups = func() lookups[state.Instance] {
	f := lookups[state.Instance]{}
	for check, of := range checked {
		f[check+".status"] = func(r state.Reader, i *state.Instance) []string { s, _ := of(r, i); return one(s) }
		f[check+".reachability"] = func(r state.Reader, i *state.Instance) []string { _, reached := of(r, i); return one(reached) }
	}
	delete(f, "attached-ebs-status.reachability") // there is no such filter
	return f
}()

var statusFilters = func() filters[state.Instance] {
	f := filters[state.Instance]{}
	for _, name := range []string{"availability-zone", "availability-zone-id", "instance-state-code", "instance-state-name", "operator.managed", "operator.principal"} {
		f[name] = instanceFilters[name]
	}
	for _, name := range []string{"code", "description", "instance-event-id", "not-after", "not-before", "not-before-deadline"} {
		f["event."+name] = func(*state.Instance) []string { return nil } // nothing is scheduled
	}
	return f
}()
