package ec2

import (
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

var volumeFilters = filters[state.Volume]{
	"attachment.attach-time":           func(v *state.Volume) []string { return instant(v.AttachTime) },
	"attachment.delete-on-termination": func(v *state.Volume) []string { return yes(v.DeleteOnTerm) },
	"attachment.device":                func(v *state.Volume) []string { return one(v.Device) },
	"attachment.instance-id":           func(v *state.Volume) []string { return one(v.InstanceID) },
	"attachment.status":                func(v *state.Volume) []string { return one("attached") },
	"availability-zone":                func(v *state.Volume) []string { return one(v.AvailabilityZone) },
	"availability-zone-id":             func(v *state.Volume) []string { return one(v.AvailZoneID) },
	"create-time":                      func(v *state.Volume) []string { return instant(v.Created) },
	"encrypted":                        func(v *state.Volume) []string { return yes(v.Encrypted) },
	"fast-restored":                    func(v *state.Volume) []string { return yes(false) },
	"multi-attach-enabled":             func(v *state.Volume) []string { return yes(false) },
	"operator.managed":                 func(v *state.Volume) []string { return yes(false) },
	"operator.principal":               func(v *state.Volume) []string { return nil },
	"size":                             func(v *state.Volume) []string { return one(strconv.Itoa(int(v.Size))) },
	"snapshot-id":                      func(v *state.Volume) []string { return one(v.SnapshotID) },
	"status":                           func(v *state.Volume) []string { return one(v.State) },
	"volume-id":                        func(v *state.Volume) []string { return one(v.ID) },
	"volume-type":                      func(v *state.Volume) []string { return one(v.Type) },
}

// DescribeVolumes lists the root volumes of instances; there are no others.
func (s *Service) DescribeVolumes(r state.Reader, c authz.Caller, in *api.DescribeVolumesInput) (*api.DescribeVolumesOutput, error) {
	rows, next, err := volumeKind.describe(r, c, query[state.Volume]{
		action: "DescribeVolumes", ids: in.VolumeIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken, by: volumeFilters,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVolumesOutput{Volumes: []api.Volume{}, NextToken: next}
	for _, v := range rows {
		out.Volumes = append(out.Volumes, apiVolume(v))
	}
	return out, nil
}

func apiVolume(v *state.Volume) api.Volume {
	out := api.Volume{
		VolumeId: ptr(v.ID), Size: ptr(v.Size), VolumeType: ptr(v.Type), State: ptr(v.State), CreateTime: ptr(v.Created),
		AvailabilityZone: ptr(v.AvailabilityZone), AvailabilityZoneId: opt(v.AvailZoneID), SnapshotId: ptr(v.SnapshotID),
		Encrypted: ptr(v.Encrypted), KmsKeyId: opt(v.KmsKeyID), MultiAttachEnabled: ptr(false), Operator: notManaged(), Tags: apiTags(v.Tags),
		Attachments: []api.VolumeAttachment{{
			VolumeId: ptr(v.ID), InstanceId: ptr(v.InstanceID), Device: ptr(v.Device), State: ptr("attached"),
			AttachTime: ptr(v.AttachTime), DeleteOnTermination: ptr(v.DeleteOnTerm),
		}},
	}
	if v.Iops > 0 {
		out.Iops = ptr(v.Iops)
	}
	if v.Throughput > 0 {
		out.Throughput = ptr(v.Throughput)
	}
	return out
}

// DescribeVolumeStatus: what the host's disk holds is ok.
func (s *Service) DescribeVolumeStatus(r state.Reader, c authz.Caller, in *api.DescribeVolumeStatusInput) (*api.DescribeVolumeStatusOutput, error) {
	nothing := func(*state.Volume) []string { return nil }
	rows, next, err := volumeKind.describe(r, c, query[state.Volume]{
		action: "DescribeVolumeStatus", ids: in.VolumeIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: filters[state.Volume]{
			"availability-zone": volumeFilters["availability-zone"], "availability-zone-id": volumeFilters["availability-zone-id"],
			"operator.managed": volumeFilters["operator.managed"], "operator.principal": nothing,
			"volume-status.status":         func(*state.Volume) []string { return one("ok") },
			"volume-status.details-name":   func(*state.Volume) []string { return []string{"io-enabled", "io-performance"} },
			"volume-status.details-status": func(*state.Volume) []string { return []string{"passed", "not-applicable"} },
			"action.code":                  nothing,
			"action.description":           nothing,
			"action.event-id":              nothing,
			"event.description":            nothing,
			"event.event-id":               nothing,
			"event.event-type":             nothing,
			"event.not-after":              nothing,
			"event.not-before":             nothing,
		},
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVolumeStatusOutput{VolumeStatuses: []api.VolumeStatusItem{}, NextToken: next}
	for _, v := range rows {
		out.VolumeStatuses = append(out.VolumeStatuses, api.VolumeStatusItem{
			VolumeId: ptr(v.ID), AvailabilityZone: ptr(v.AvailabilityZone), AvailabilityZoneId: opt(v.AvailZoneID), Operator: notManaged(),
			VolumeStatus: &api.VolumeStatusInfo{Status: ptr("ok"), Details: []api.VolumeStatusDetails{
				{Name: ptr("io-enabled"), Status: ptr("passed")}, {Name: ptr("io-performance"), Status: ptr("not-applicable")},
			}},
		})
	}
	return out, nil
}

// DescribeVolumeAttribute gives one attribute; both are the same for all volumes.
func (s *Service) DescribeVolumeAttribute(r state.Reader, c authz.Caller, in *api.DescribeVolumeAttributeInput) (*api.DescribeVolumeAttributeOutput, error) {
	v, err := volume(r, c, val(in.VolumeId))
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVolumeAttributeOutput{VolumeId: ptr(v.ID)}
	if val(in.Attribute) == api.VolumeAttributeNameProductCodes {
		out.ProductCodes = []api.ProductCode{}
	} else {
		out.AutoEnableIO = &api.AttributeBooleanValue{Value: ptr(false)}
	}
	return out, nil
}

// DescribeVolumesModifications: no volume has been modified, as none can be.
func (s *Service) DescribeVolumesModifications(r state.Reader, c authz.Caller, in *api.DescribeVolumesModificationsInput) (*api.DescribeVolumesModificationsOutput, error) {
	by := filters[api.VolumeModification]{}
	for _, name := range []string{
		"modification-state", "original-iops", "original-size", "original-volume-type", "originalMultiAttachEnabled", "start-time",
		"target-iops", "target-size", "target-volume-type", "targetMultiAttachEnabled", "volume-id",
	} {
		by[name] = func(*api.VolumeModification) []string { return nil }
	}
	if _, err := compile(in.Filters, by); err != nil {
		return nil, err
	}
	if _, err := (paging{action: "DescribeVolumesModifications", scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters, ids: in.VolumeIds, set: volumeKind.set}).check(); err != nil {
		return nil, err
	}
	list, err := volumeKind.findAll(r, c, in.VolumeIds)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		return nil, awserr.New("InvalidVolumeModification.NotFound", "Modification for volume '%s' does not exist.", list[0].ID)
	}
	return &api.DescribeVolumesModificationsOutput{VolumesModifications: []api.VolumeModification{}}, nil
}
