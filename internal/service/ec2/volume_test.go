package ec2

import (
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

func TestDescribeVolumes(t *testing.T) {
	l := newLab(t)
	i := l.run()
	id := *i.BlockDeviceMappings[0].Ebs.VolumeId
	for _, f := range []string{"status=in-use", "volume-type=gp3", "size=8", "attachment.device=/dev/xvda", "attachment.status=attached", "snapshot-id=snap-0*", "encrypted=false", "volume-id=" + id} {
		name, value, _ := strings.Cut(f, "=")
		if out := call[api.DescribeVolumesOutput](l.world, "DescribeVolumes", &api.DescribeVolumesInput{Filters: filtersOf(name, value)}); len(out.Volumes) != 1 {
			t.Errorf("%s: %d volumes", f, len(out.Volumes))
		}
	}
	status := call[api.DescribeVolumeStatusOutput](l.world, "DescribeVolumeStatus", &api.DescribeVolumeStatusInput{VolumeIds: []string{id}, Filters: filtersOf("volume-status.status", "ok")})
	if len(status.VolumeStatuses) != 1 || *status.VolumeStatuses[0].VolumeStatus.Status != "ok" {
		t.Errorf("%+v", status)
	}
	if out := call[api.DescribeVolumeAttributeOutput](l.world, "DescribeVolumeAttribute", &api.DescribeVolumeAttributeInput{VolumeId: &id, Attribute: ptr("autoEnableIO")}); *out.AutoEnableIO.Value {
		t.Errorf("%+v", out)
	}
	if out := call[api.DescribeVolumesModificationsOutput](l.world, "DescribeVolumesModifications", &api.DescribeVolumesModificationsInput{Filters: filtersOf("volume-id", id)}); len(out.VolumesModifications) != 0 {
		t.Errorf("%+v", out)
	}
	l.fails("DescribeVolumes", &api.DescribeVolumesInput{VolumeIds: []string{"vol-12345678"}}, "InvalidVolume.NotFound", "The volume 'vol-12345678' does not exist.")
	l.fails("DescribeVolumesModifications", &api.DescribeVolumesModificationsInput{VolumeIds: []string{id}}, "InvalidVolumeModification.NotFound", id)
	snaps := call[api.DescribeSnapshotsOutput](l.world, "DescribeSnapshots", &api.DescribeSnapshotsInput{OwnerIds: []string{"self"}})
	if len(snaps.Snapshots) != 0 {
		t.Errorf("my snapshots: %+v", snaps)
	}
	one := call[api.DescribeSnapshotsOutput](l.world, "DescribeSnapshots", &api.DescribeSnapshotsInput{SnapshotIds: []string{"snap-0abcdef1234567890"}, Filters: filtersOf("status", "completed")})
	if len(one.Snapshots) != 1 || *one.Snapshots[0].VolumeSize != 8 {
		t.Errorf("%+v", one)
	}
	l.fails("DescribeSnapshots", &api.DescribeSnapshotsInput{SnapshotIds: []string{"snap-12345678"}}, "InvalidSnapshot.NotFound", "The snapshot 'snap-12345678' does not exist.")
	l.fails("DescribeSnapshots", &api.DescribeSnapshotsInput{SnapshotIds: []string{"x"}}, "InvalidSnapshotID.Malformed", "snap-...")
}
