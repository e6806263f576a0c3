package ec2

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/state"
)

func TestDescribeInstances(t *testing.T) {
	l := newLab(t)
	a := l.run(func(in *api.RunInstancesInput) {
		in.MinCount, in.MaxCount = ptr(int32(2)), ptr(int32(2))
		in.TagSpecifications = tagSpec("instance", "Name", "web-1")
	})
	b := l.run(func(in *api.RunInstancesInput) {
		in.InstanceType, in.PrivateIpAddress = ptr("t3.small"), ptr("10.0.1.99")
	})
	l.started(*b.InstanceId)
	eni := b.NetworkInterfaces[0]
	for filter, want := range map[string]int{
		"instance-state-name=pending": 2, "instance-state-code=16": 1, "instance-type=t3.*": 3, "tag:Name=web-?": 2, "tag-key=Name": 2,
		"private-ip-address=10.0.1.99": 1, "network-interface.addresses.private-ip-address=10.0.1.99": 1, "vpc-id=" + l.vpcID: 3,
		"network-interface.mac-address=" + *eni.MacAddress: 1, "network-interface.network-interface-id=" + *eni.NetworkInterfaceId: 1,
		"instance.group-name=default": 3, "group-id=" + *eni.Groups[0].GroupId: 3, "reservation-id=" + l.row(*b.InstanceId).ReservationID: 1,
		"block-device-mapping.volume-id=" + *b.BlockDeviceMappings[0].Ebs.VolumeId: 1, "launch-index=1": 1, "image-id=" + al2023: 3,
		"availabilityZone=us-east-1a": 3, "private-dns-name=ip-10-0-1-99.ec2.internal": 1, "dns-name=x": 0, "platform=windows": 0,
		"network-interface.attachment.device-index=0": 3, "source-dest-check=true": 3, "metadata-options.http-tokens=required": 3,
		"launch-time=2026-11-20T11:40:00.000Z": 3, "launch-time=2026-11-20*": 3, "owner-id=" + l.caller.Account: 3, "subnet-id=subnet-0": 0,
		"ip-address=203.0.113.1": 0, "network-interface.group-name=default": 3, "network-interface.tag-key=x": 0,
	} {
		name, value, _ := strings.Cut(filter, "=")
		out := call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{Filters: filtersOf(name, value)})
		n := 0
		for _, r := range out.Reservations {
			n += len(r.Instances)
		}
		if n != want {
			t.Errorf("%s: %d instances, want %d", filter, n, want)
		}
	}
	all := call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{})
	if len(all.Reservations) != 2 {
		t.Errorf("%d reservations, want 2", len(all.Reservations))
	}
	if again := l.describe(*b.InstanceId); *again.LaunchTime != *b.LaunchTime || !reflect.DeepEqual(again.NetworkInterfaces, b.NetworkInterfaces) {
		t.Error("an instance is described otherwise than launched")
	}
	first := call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{MaxResults: ptr(int32(2))})
	second := call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{MaxResults: ptr(int32(2)), NextToken: first.NextToken})
	if second.NextToken != nil || len(second.Reservations) != 1 || len(second.Reservations[0].Instances) != 1 {
		t.Errorf("second page: %+v", second)
	}
	missing := []string{"i-0000000000000000a", "i-0000000000000000b"}
	l.fails("DescribeInstances", &api.DescribeInstancesInput{InstanceIds: missing}, "InvalidInstanceID.NotFound", "The instance IDs 'i-0000000000000000a, i-0000000000000000b' do not exist")
	l.fails("DescribeInstances", &api.DescribeInstancesInput{InstanceIds: missing[:1]}, "InvalidInstanceID.NotFound", "The instance ID 'i-0000000000000000a' does not exist")
	l.fails("DescribeInstances", &api.DescribeInstancesInput{InstanceIds: []string{"web"}}, "InvalidInstanceID.Malformed", `Invalid id: "web"`)
	l.fails("DescribeInstances", &api.DescribeInstancesInput{Filters: filtersOf("colour", "red")}, "InvalidParameterValue", "The filter 'colour' is invalid")
	other := l.as("210987654321", "us-east-1")
	other.fails("DescribeInstances", &api.DescribeInstancesInput{InstanceIds: []string{*a.InstanceId}}, "InvalidInstanceID.NotFound", *a.InstanceId)
}

func TestDescribeInstanceStatus(t *testing.T) {
	l := newLab(t)
	pending, running := *l.run().InstanceId, *l.run().InstanceId
	l.started(running)
	get := func(all bool, f ...string) []string {
		in := &api.DescribeInstanceStatusInput{IncludeAllInstances: &all}
		if len(f) > 0 {
			in.Filters = filtersOf(f...)
		}
		out := call[api.DescribeInstanceStatusOutput](l.world, "DescribeInstanceStatus", in)
		var list []string
		for _, s := range out.InstanceStatuses {
			list = append(list, fmt.Sprintf("%s %s %s", *s.InstanceId, *s.InstanceStatus.Status, *s.SystemStatus.Status))
		}
		return list
	}
	if got := get(false); !slices.Equal(got, []string{running + " ok ok"}) {
		t.Errorf("running: %v", got)
	}
	if got := get(true); len(got) != 2 || !slices.Contains(got, pending+" not-applicable not-applicable") {
		t.Errorf("all: %v", got)
	}
	if got := get(true, "instance-status.status", "ok", "system-status.reachability", "passed"); len(got) != 1 {
		t.Errorf("ok: %v", got)
	}
	if got := get(true, "event.code", "*"); len(got) != 0 {
		t.Errorf("with events: %v", got)
	}
	var at *state.Instance
	for i := range state.Instances.By(l.store.Snapshot(), state.ByInstance, running) {
		at = i
	}
	for _, broken := range []struct{ kind, what, effect, want, mend string }{
		{fault.Instance, running, "pause", " impaired ok", fault.Resume}, {fault.Zone, at.AvailabilityZone, fault.Down, " impaired impaired", fault.Up},
	} {
		for _, effect := range []string{broken.effect, broken.mend} {
			if _, err := l.store.Write(t.Context(), func(tx *state.Tx) error {
				_, err := fault.Apply(tx, at.Scope(), fault.Order{Kind: broken.kind, What: broken.what, Effect: effect})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			want := running + broken.want
			if effect == broken.mend {
				want = running + " ok ok"
			}
			if got := get(false); !slices.Equal(got, []string{want}) {
				t.Errorf("%s %s: %v", broken.kind, effect, got)
			}
		}
	}
}

// TestEveryFilterIsAnswered asks each describe action by every name that it knows.
func TestEveryFilterIsAnswered(t *testing.T) {
	l := newLab(t)
	l.run()
	l.run(func(in *api.RunInstancesInput) { in.InstanceType = ptr("m5.large") })
	for name := range instanceFilters {
		call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{Filters: filtersOf(name, "*")})
	}
	for name := range instanceLookups {
		call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{Filters: filtersOf(name, "*")})
	}
	for name := range statusFilters {
		call[api.DescribeInstanceStatusOutput](l.world, "DescribeInstanceStatus", &api.DescribeInstanceStatusInput{Filters: filtersOf(name, "*"), IncludeAllInstances: ptr(true)})
	}
	for name := range statusLookups {
		call[api.DescribeInstanceStatusOutput](l.world, "DescribeInstanceStatus", &api.DescribeInstanceStatusInput{Filters: filtersOf(name, "*"), IncludeAllInstances: ptr(true)})
	}
	for name := range instanceTypeFilters {
		call[api.DescribeInstanceTypesOutput](l.world, "DescribeInstanceTypes", &api.DescribeInstanceTypesInput{Filters: filtersOf(name, "*")})
	}
	for name := range imageFilters {
		call[api.DescribeImagesOutput](l.world, "DescribeImages", &api.DescribeImagesInput{Filters: filtersOf(name, "*")})
	}
	for name := range volumeFilters {
		call[api.DescribeVolumesOutput](l.world, "DescribeVolumes", &api.DescribeVolumesInput{Filters: filtersOf(name, "*")})
	}
	for name := range snapshotFilters {
		call[api.DescribeSnapshotsOutput](l.world, "DescribeSnapshots", &api.DescribeSnapshotsInput{Filters: filtersOf(name, "*")})
	}
	if n := len(instanceFilters) + len(instanceLookups); n < 134 {
		t.Errorf("%d filters of DescribeInstances, AWS documents 134 beside those for tags", n)
	}
}

// TestPublicAddress: an address that the edge gives an interface is the instance's.
func TestPublicAddress(t *testing.T) {
	l := newLab(t)
	i := l.run()
	l.write(func(tx *state.Tx) {
		n, _ := state.NetworkInterfaces.Get(tx, l.caller.Scope.Key(*i.NetworkInterfaces[0].NetworkInterfaceId))
		next := *n
		next.Addresses = []state.PrivateAddress{n.Addresses[0]}
		next.Addresses[0].PublicIP = netip.MustParseAddr("203.0.113.25")
		state.NetworkInterfaces.Put(tx, &next)
	})
	check := func(name string) {
		t.Helper()
		got := l.describe(*i.InstanceId)
		if *got.PublicIpAddress != "203.0.113.25" || *got.PublicDnsName != name || *got.NetworkInterfaces[0].Association.PublicIp != "203.0.113.25" {
			t.Errorf("%s %s", *got.PublicIpAddress, *got.PublicDnsName)
		}
	}
	check("")
	call[api.ModifyVpcAttributeOutput](l.world, "ModifyVpcAttribute", &api.ModifyVpcAttributeInput{VpcId: &l.vpcID, EnableDnsHostnames: &api.AttributeBooleanValue{Value: ptr(true)}})
	check("ec2-203-0-113-25.compute-1.amazonaws.com")
	for _, f := range []string{"ip-address=203.0.113.25", "dns-name=ec2-203-*", "network-interface.addresses.association.public-dns-name=ec2-203-*", "network-interface.association.public-ip=203.*"} {
		name, value, _ := strings.Cut(f, "=")
		if out := call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{Filters: filtersOf(name, value)}); len(out.Reservations) != 1 {
			t.Errorf("%s finds nothing", f)
		}
	}
}
