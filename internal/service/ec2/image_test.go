package ec2

import (
	"errors"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

func (w *world) images(in *api.DescribeImagesInput) []string {
	w.Helper()
	return ids(call[api.DescribeImagesOutput](w, "DescribeImages", in).Images, func(i api.Image) *string { return i.Name })
}

func (w *world) register(name string) string {
	w.Helper()
	return *call[api.RegisterImageOutput](w, "RegisterImage", &api.RegisterImageInput{Name: &name, ImageLocation: ptr("file:///srv/images/" + name)}).ImageId
}

// TestImagesAreFound by the filters that people use to find AWS's.
func TestImagesAreFound(t *testing.T) {
	l := newLab(t)
	l.register("mine")
	l.as("210987654321", "us-east-1").register("theirs")
	for name, tt := range map[string]struct {
		in   *api.DescribeImagesInput
		want string // parts of the names, in any order
	}{
		"terraform's amazon linux": {&api.DescribeImagesInput{Owners: []string{"amazon"}, Filters: filtersOf("name", "al2023-ami-2023*-x86_64", "architecture", "x86_64")}, "al2023-ami-2023"},
		"terraform's ubuntu":       {&api.DescribeImagesInput{Owners: []string{"099720109477"}, Filters: filtersOf("name", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*", "virtualization-type", "hvm")}, "noble-24.04"},
		"ubuntu 22.04":             {&api.DescribeImagesInput{Filters: filtersOf("name", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*")}, "jammy-22.04"},
		"by owner alias":           {&api.DescribeImagesInput{Filters: filtersOf("owner-alias", "amazon", "name", "amzn2*")}, "amzn2-ami-hvm"},
		"by id":                    {&api.DescribeImagesInput{ImageIds: []string{al2023}}, "al2023-ami-2023"},
		"mine":                     {&api.DescribeImagesInput{Owners: []string{"self"}}, "mine"},
		"my private ones":          {&api.DescribeImagesInput{Filters: filtersOf("is-public", "false")}, "mine"},
		"executable by all":        {&api.DescribeImagesInput{ExecutableUsers: []string{"all"}, Filters: filtersOf("name", "al2023-ami-minimal*")}, "al2023-ami-minimal"},
		"shared with me":           {&api.DescribeImagesInput{ExecutableUsers: []string{"self"}}, ""},
		"windows":                  {&api.DescribeImagesInput{Filters: filtersOf("platform", "windows")}, ""},
		"root devices":             {&api.DescribeImagesInput{Owners: []string{"self"}, Filters: filtersOf("root-device-type", "ebs", "root-device-name", "/dev/sda1", "state", "available", "hypervisor", "xen")}, "mine"},
	} {
		got := l.images(tt.in)
		if len(got) != len(strings.Fields(tt.want)) || len(got) == 1 && !strings.Contains(got[0], tt.want) {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
	i := call[api.DescribeImagesOutput](l.world, "DescribeImages", &api.DescribeImagesInput{ImageIds: []string{al2023}}).Images[0]
	if *i.OwnerId != "137112412989" || *i.ImageOwnerAlias != "amazon" || !*i.Public || *i.CreationDate != "2026-11-17T00:00:00.000Z" ||
		*i.BlockDeviceMappings[0].Ebs.VolumeSize != 8 || *i.RootDeviceName != "/dev/xvda" || *i.RootDeviceType != "ebs" || !*i.EnaSupport ||
		*i.ImdsSupport != "v2.0" || !strings.Contains(*i.Description, "local system") || *i.PlatformDetails != "Linux/UNIX" {
		t.Errorf("%+v", i)
	}
	// The catalogue is in every Region of every account; a registered image is not.
	far := l.as("210987654321", "eu-west-1")
	if got := far.images(&api.DescribeImagesInput{Owners: []string{"amazon", "self"}}); len(got) != 3 {
		t.Errorf("elsewhere: %v", got)
	}
	first := call[api.DescribeImagesOutput](l.world, "DescribeImages", &api.DescribeImagesInput{MaxResults: ptr(int32(4))})
	rest := call[api.DescribeImagesOutput](l.world, "DescribeImages", &api.DescribeImagesInput{MaxResults: ptr(int32(4)), NextToken: first.NextToken})
	if len(first.Images) != 4 || len(rest.Images) != 2 || rest.NextToken != nil {
		t.Errorf("pages of %d and %d", len(first.Images), len(rest.Images))
	}
	l.fails("DescribeImages", &api.DescribeImagesInput{ImageIds: []string{"ami-12345678"}}, "InvalidAMIID.NotFound", "The image id '[ami-12345678]' does not exist")
	l.fails("DescribeImages", &api.DescribeImagesInput{ImageIds: []string{"ami-12345678", "ami-12345679"}}, "InvalidAMIID.NotFound", "The image ids '[ami-12345678, ami-12345679]' do not exist")
	l.fails("DescribeImages", &api.DescribeImagesInput{ImageIds: []string{"x"}}, "InvalidAMIID.Malformed", `Invalid id: "x" (expecting "ami-...")`)
	l.fails("DescribeImages", &api.DescribeImagesInput{Owners: []string{"me"}}, "InvalidUserID.Malformed", `Invalid user id: "me"`)
	l.fails("DescribeImages", &api.DescribeImagesInput{ExecutableUsers: []string{"me"}}, "InvalidUserID.Malformed", `Invalid user id: "me"`)
	l.fails("DescribeImages", &api.DescribeImagesInput{Filters: filtersOf("size", "1")}, "InvalidParameterValue", "The filter 'size' is invalid")
}

func TestRegisterImage(t *testing.T) {
	l := newLab(t, Config{ImageDir: func(path string) error {
		if strings.HasPrefix(path, "/missing") {
			return errors.New("no such directory")
		}
		return nil
	}})
	out := call[api.RegisterImageOutput](l.world, "RegisterImage", &api.RegisterImageInput{
		Name: ptr("mine"), Description: ptr("my own"), ImageLocation: ptr("/srv/images/../mine"), Architecture: ptr("arm64"), RootDeviceName: ptr("/dev/xvda"),
		BlockDeviceMappings: []api.BlockDeviceMapping{{DeviceName: ptr("/dev/xvda"), Ebs: &api.EbsBlockDevice{VolumeSize: ptr(int32(20)), VolumeType: ptr("gp2")}}},
		TagSpecifications:   tagSpec("image", "a", "b"),
	})
	i := call[api.DescribeImagesOutput](l.world, "DescribeImages", &api.DescribeImagesInput{ImageIds: []string{*out.ImageId}}).Images[0]
	if *i.ImageLocation != "file:///srv/mine" || i.BlockDeviceMappings[0].Ebs.SnapshotId != nil || *i.Architecture != "arm64" || *i.State != "available" || *i.BlockDeviceMappings[0].Ebs.VolumeSize != 20 || len(i.Tags) != 1 || *i.Public {
		t.Errorf("%+v", i)
	}
	launched := l.run(func(in *api.RunInstancesInput) { in.ImageId, in.InstanceType = out.ImageId, ptr("t4g.micro") })
	if *launched.Architecture != "arm64" || *launched.MetadataOptions.HttpTokens != "optional" || *launched.MetadataOptions.HttpPutResponseHopLimit != 1 {
		t.Errorf("%+v", launched)
	}
	type in = *api.RegisterImageInput
	for name, tt := range map[string]struct {
		change     func(in)
		code, text string
	}{
		"short name":        {func(r in) { r.Name = ptr("x") }, "InvalidAMIName.Malformed", "between 3 and 128"},
		"bad name":          {func(r in) { r.Name = ptr("x:y") }, "InvalidAMIName.Malformed", "may contain"},
		"same name":         {func(r in) { r.Name = ptr("mine") }, "InvalidAMIName.Duplicate", "AMI name mine is already in use by AMI " + *out.ImageId},
		"no location":       {func(r in) { r.ImageLocation = nil }, "MissingParameter", "ImageLocation"},
		"an S3 bucket":      {func(r in) { r.ImageLocation = ptr("bucket/manifest.xml") }, "InvalidParameterValue", "Give the absolute path"},
		"missing directory": {func(r in) { r.ImageLocation = ptr("/missing") }, "InvalidParameterValue", "no such directory"},
		"architecture":      {func(r in) { r.Architecture = ptr("i386") }, "Unsupported", "i386"},
		"paravirtual":       {func(r in) { r.VirtualizationType = ptr("paravirtual") }, "Unsupported", "paravirtual"},
		"kernel":            {func(r in) { r.KernelId = ptr("aki-1") }, "UnsupportedOperation", "KernelId"},
		"description":       {func(r in) { r.Description = ptr(strings.Repeat("x", 256)) }, "InvalidParameterValue", "description"},
		"snapshot": {func(r in) {
			r.BlockDeviceMappings = []api.BlockDeviceMapping{{Ebs: &api.EbsBlockDevice{SnapshotId: ptr("snap-12345678")}}}
		}, "InvalidSnapshot.NotFound", "The snapshot 'snap-12345678' does not exist."},
		"second disk": {func(r in) {
			r.BlockDeviceMappings = []api.BlockDeviceMapping{{DeviceName: ptr("/dev/sdb"), Ebs: &api.EbsBlockDevice{}}}
		}, "InvalidBlockDeviceMapping", "/dev/sdb"},
		"disk size": {func(r in) {
			r.BlockDeviceMappings = []api.BlockDeviceMapping{{DeviceName: ptr("/dev/sda1"), Ebs: &api.EbsBlockDevice{VolumeSize: ptr(int32(-1))}}}
		}, "InvalidParameterValue", "size"},
		"tags": {func(r in) { r.TagSpecifications = tagSpec("instance", "a", "b") }, "InvalidParameterValue", "taggable"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &api.RegisterImageInput{Name: ptr("other"), ImageLocation: ptr("/srv/other")}
			tt.change(r)
			l.in(t).fails("RegisterImage", r, tt.code, tt.text)
		})
	}
}

func TestCreateImage(t *testing.T) {
	l := newLab(t)
	id := *l.run().InstanceId
	create := func(name string, noReboot bool) string {
		t.Helper()
		return *call[api.CreateImageOutput](l.world, "CreateImage", &api.CreateImageInput{InstanceId: &id, Name: &name, NoReboot: &noReboot, TagSpecifications: tagSpec("image", "a", "b")}).ImageId
	}
	l.fails("CreateImage", &api.CreateImageInput{InstanceId: &id, Name: ptr("early")}, "IncorrectInstanceState", id)
	l.started(id)
	live := create("live", true)
	if boots := l.row(id).Boots; boots != 1 {
		t.Errorf("NoReboot has rebooted: %d boots", boots)
	}
	still := create("still", false)
	if boots := l.row(id).Boots; boots != 2 {
		t.Errorf("%d boots, want 2", boots)
	}
	row := func(image string) *state.Image {
		i, _ := state.Images.Get(l.snapshot(), l.caller.Scope.Key(image))
		return i
	}
	if i := row(live); i.State != "pending" || !i.NoReboot || row(still).NoReboot || !slices.Equal(i.Layers, []string{live}) || i.SourceInstance != id || i.SourceImage != al2023 {
		t.Errorf("%+v", i)
	}
	l.write(func(tx *state.Tx) {
		must(l.world, lifecycle.Captured(tx, row(live).Key))
		must(l.world, lifecycle.CaptureFailed(tx, row(still).Key, "no space left"))
	})
	out := call[api.DescribeImagesOutput](l.world, "DescribeImages", &api.DescribeImagesInput{Filters: filtersOf("source-instance-id", id, "state", "failed")}).Images
	if len(out) != 1 || !strings.Contains(*out[0].StateReason.Message, "no space left") {
		t.Errorf("%+v", out)
	}
	// An image of an instance of an image has the layers of both.
	id = *l.run(func(in *api.RunInstancesInput) { in.ImageId = &live }).InstanceId
	l.started(id)
	if i := row(create("second", true)); !slices.Equal(i.Layers, []string{i.ID, live}) {
		t.Errorf("layers %v", i.Layers)
	}
	l.fails("CreateImage", &api.CreateImageInput{InstanceId: &id, Name: ptr("live")}, "InvalidAMIName.Duplicate", live)
	l.fails("CreateImage", &api.CreateImageInput{InstanceId: ptr("i-12345678"), Name: ptr("new")}, "InvalidInstanceID.NotFound", "i-12345678")
	l.fails("CreateImage", &api.CreateImageInput{InstanceId: &id, Name: ptr("new"), Description: ptr(strings.Repeat("x", 256))}, "InvalidParameterValue", "description")
	l.fails("CreateImage", &api.CreateImageInput{InstanceId: &id, Name: ptr("new"), SnapshotLocation: ptr("local")}, "UnsupportedOperation", "SnapshotLocation")
	l.fails("CreateImage", &api.CreateImageInput{InstanceId: &id, Name: ptr("new"), BlockDeviceMappings: []api.BlockDeviceMapping{{DeviceName: ptr("/dev/sdb")}}}, "InvalidBlockDeviceMapping", "/dev/sdb")
	l.fails("RunInstances", l.ask(func(in *api.RunInstancesInput) { in.ImageId = &still }), "InvalidAMIID.Unavailable", "failed")

	// A deregistered image is out of sight, but stays while an instance needs it.
	call[api.DeregisterImageOutput](l.world, "DeregisterImage", &api.DeregisterImageInput{ImageId: &live})
	l.fails("DescribeImages", &api.DescribeImagesInput{ImageIds: []string{live}}, "InvalidAMIID.NotFound", live)
	l.fails("RunInstances", l.ask(func(in *api.RunInstancesInput) { in.ImageId = &live }), "InvalidAMIID.Unavailable", live)
	l.fails("DeregisterImage", &api.DeregisterImageInput{ImageId: &live}, "InvalidAMIID.Unavailable", live)
	if row(live) == nil {
		t.Error("the image of an instance is gone")
	}
	create("live", true) // its name is free
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{id}})
	l.exited(id)
	if row(live) != nil {
		t.Error("the image is left")
	}
	call[api.DeregisterImageOutput](l.world, "DeregisterImage", &api.DeregisterImageInput{ImageId: &still})
	l.fails("DeregisterImage", &api.DeregisterImageInput{ImageId: &still}, "InvalidAMIID.NotFound", still)
	l.fails("DeregisterImage", &api.DeregisterImageInput{ImageId: ptr(al2023)}, "AuthFailure", al2023)
}

func TestImageAttributes(t *testing.T) {
	l := newLab(t)
	id := l.register("mine")
	modify := func(change func(*api.ModifyImageAttributeInput)) *api.ModifyImageAttributeInput {
		in := &api.ModifyImageAttributeInput{ImageId: &id}
		change(in)
		return in
	}
	get := func(name string) *api.DescribeImageAttributeOutput {
		t.Helper()
		return call[api.DescribeImageAttributeOutput](l.world, "DescribeImageAttribute", &api.DescribeImageAttributeInput{ImageId: &id, Attribute: &name})
	}
	permissions := func() (out []string) {
		t.Helper()
		for _, p := range get("launchPermission").LaunchPermissions {
			out = append(out, val(p.Group)+val(p.UserId))
		}
		return out
	}
	friend := l.as("210987654321", "us-east-1")
	friend.fails("DescribeImages", &api.DescribeImagesInput{ImageIds: []string{id}}, "InvalidAMIID.NotFound", id)
	call[api.ModifyImageAttributeOutput](l.world, "ModifyImageAttribute", modify(func(in *api.ModifyImageAttributeInput) {
		in.LaunchPermission = &api.LaunchPermissionModifications{Add: []api.LaunchPermission{{UserId: ptr("210987654321")}, {UserId: ptr("210987654321")}}}
	}))
	if got := friend.images(&api.DescribeImagesInput{ExecutableUsers: []string{"self"}}); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("the friend sees %v", got)
	}
	friend.fails("DescribeImageAttribute", &api.DescribeImageAttributeInput{ImageId: &id, Attribute: ptr("description")}, "AuthFailure", "Not authorized for image:"+id)
	friend.fails("DeregisterImage", &api.DeregisterImageInput{ImageId: &id}, "AuthFailure", id)
	call[api.ModifyImageAttributeOutput](l.world, "ModifyImageAttribute", modify(func(in *api.ModifyImageAttributeInput) {
		in.Attribute, in.OperationType, in.UserGroups = ptr("launchPermission"), ptr("add"), []string{"all"}
	}))
	if got := permissions(); !slices.Equal(got, []string{"all", "210987654321"}) {
		t.Errorf("permissions %v", got)
	}
	call[api.ModifyImageAttributeOutput](l.world, "ModifyImageAttribute", modify(func(in *api.ModifyImageAttributeInput) {
		in.OperationType, in.UserIds = ptr("remove"), []string{"210987654321"}
	}))
	if got := permissions(); !slices.Equal(got, []string{"all"}) {
		t.Errorf("permissions %v", got)
	}
	call[api.ResetImageAttributeOutput](l.world, "ResetImageAttribute", &api.ResetImageAttributeInput{ImageId: &id, Attribute: ptr("launchPermission")})
	if got := permissions(); got != nil {
		t.Errorf("permissions %v", got)
	}
	call[api.ModifyImageAttributeOutput](l.world, "ModifyImageAttribute", modify(func(in *api.ModifyImageAttributeInput) {
		in.Description = &api.AttributeValue{Value: ptr("new")}
	}))
	call[api.ModifyImageAttributeOutput](l.world, "ModifyImageAttribute", modify(func(in *api.ModifyImageAttributeInput) {
		in.ImdsSupport = &api.AttributeValue{Value: ptr("v2.0")}
	}))
	if *get("description").Description.Value != "new" || *get("imdsSupport").ImdsSupport.Value != "v2.0" || len(get("blockDeviceMapping").BlockDeviceMappings) != 1 || get("kernel").KernelId == nil {
		t.Error("attributes are not as set")
	}
	for _, name := range []string{"productCodes", "ramdisk", "sriovNetSupport", "bootMode", "tpmSupport", "uefiData", "lastLaunchedTime", "deregistrationProtection"} {
		get(name)
	}
	type in = *api.ModifyImageAttributeInput
	for name, tt := range map[string]struct {
		change     func(in)
		code, text string
	}{
		"nothing":      {func(in) {}, "InvalidParameterCombination", "No attributes specified."},
		"account":      {func(r in) { r.OperationType, r.UserIds = ptr("add"), []string{"me"} }, "InvalidAMIAttributeItemValue", `"me"`},
		"group":        {func(r in) { r.OperationType, r.UserGroups = ptr("add"), []string{"some"} }, "InvalidAMIAttributeItemValue", `"some"`},
		"no operation": {func(r in) { r.UserIds = []string{"210987654321"} }, "MissingParameter", "OperationType"},
		"organization": {func(r in) { r.OrganizationArns = []string{"arn"} }, "UnsupportedOperation", "organization"},
		"description":  {func(r in) { r.Attribute, r.Value = ptr("description"), ptr(strings.Repeat("x", 256)) }, "InvalidParameterValue", "description"},
		"imds":         {func(r in) { r.ImdsSupport = &api.AttributeValue{Value: ptr("v1")} }, "InvalidParameterValue", "v2.0"},
		"codes":        {func(r in) { r.ProductCodes = []string{"x"} }, "UnsupportedOperation", "Product codes"},
	} {
		t.Run(name, func(t *testing.T) { l.in(t).fails("ModifyImageAttribute", modify(tt.change), tt.code, tt.text) })
	}
}
