package ec2

import (
	"path"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// newImageName checks the name of a new image: 3 to 128 characters of the set
// that RegisterImage documents, unique among the caller's.
func newImageName(r state.Reader, c authz.Caller, name string) error {
	allowed := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("()[] ./-'@_", c)
	}
	if len(name) < 3 || len(name) > 128 {
		return awserr.New("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'")
	}
	if strings.ContainsFunc(name, func(c rune) bool { return !allowed(c) }) {
		return awserr.New("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'")
	}
	for i := range state.Images.In(r, c.Scope) {
		if i.Name == name && i.State != lifecycle.Deregistered {
			return awserr.New("InvalidAMIName.Duplicate", "AMI name %s is already in use by AMI %s", name, i.ID)
		}
	}
	return nil
}

// maxDescription of an image, in characters.
const maxDescription = 255

func imageDescription(text string) error {
	if len(text) > maxDescription {
		return awserr.InvalidParameterValue("description", text, "Character sets beyond 255 characters are not supported.")
	}
	return nil
}

// RegisterImage makes an image of a directory or OCI layout of this machine,
// given as ImageLocation. It is not copied: what is changed in it is changed
// for instances that start later. It has no snapshot: the directory is its disk.
func (s *Service) RegisterImage(tx *state.Tx, c authz.Caller, in *api.RegisterImageInput) (*api.RegisterImageOutput, error) {
	if err := newImageName(tx, c, val(in.Name)); err != nil {
		return nil, err
	}
	if err := imageDescription(val(in.Description)); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.TagSpecifications, api.ResourceTypeImage, api.ResourceTypeSnapshot)
	if err != nil {
		return nil, err
	}
	dir, err := s.imageDir(val(in.ImageLocation), in.BlockDeviceMappings)
	if err != nil {
		return nil, err
	}
	i := &state.Image{
		Meta: tx.Meta(c.Scope, imageKind.prefix), State: lifecycle.ImageAvailable,
		Name: *in.Name, Description: val(in.Description), Architecture: "x86_64", RootDeviceName: "/dev/sda1",
		RootVolumeSize: 8, RootVolumeType: api.VolumeTypeGp3, Path: dir,
		EnaSupport: in.EnaSupport == nil || *in.EnaSupport, BootMode: val(in.BootMode), ImdsSupport: val(in.ImdsSupport),
	}
	if in.Architecture != nil {
		i.Architecture = *in.Architecture
	}
	if i.Architecture != "x86_64" && i.Architecture != "arm64" {
		return nil, awserr.New("Unsupported", "Images of architecture %s are not supported: use x86_64 or arm64.", i.Architecture)
	}
	if v := val(in.VirtualizationType); v != "" && v != api.VirtualizationTypeHvm {
		return nil, awserr.New("Unsupported", "Images of virtualization type %s are not supported: use hvm.", awserr.Clip(v))
	}
	if in.KernelId != nil || in.RamdiskId != nil || in.TpmSupport != nil || in.UefiData != nil || len(in.BillingProducts) > 0 {
		return nil, awserr.New("UnsupportedOperation", "KernelId, RamdiskId, TpmSupport, UefiData and BillingProducts are not supported for an image that is a directory of this machine.")
	}
	if in.RootDeviceName != nil {
		i.RootDeviceName = *in.RootDeviceName
	}
	for _, m := range in.BlockDeviceMappings {
		if val(m.DeviceName) != i.RootDeviceName || m.Ebs == nil {
			return nil, awserr.New("InvalidBlockDeviceMapping", "An image has its root device only: %s is not %s.", awserr.Clip(val(m.DeviceName)), awserr.Clip(i.RootDeviceName))
		}
		v, err := newDisk(m.Ebs, disk{size: i.RootVolumeSize, kind: i.RootVolumeType}, "")
		if err != nil {
			return nil, err
		}
		i.RootVolumeSize, i.RootVolumeType = v.size, v.kind
	}
	i.Tags = tags
	state.Images.Put(tx, i)
	return &api.RegisterImageOutput{ImageId: ptr(i.ID)}, nil
}

// imageDir reads the place of an image: /dir, or file:///dir, which the AWS CLI
// takes for a file of its own to read the value from.
func (s *Service) imageDir(location string, mappings []api.BlockDeviceMapping) (string, error) {
	for _, m := range mappings {
		if m.Ebs != nil && m.Ebs.SnapshotId != nil {
			return "", awserr.New("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", awserr.Clip(*m.Ebs.SnapshotId))
		}
	}
	if location == "" {
		return "", awserr.New("MissingParameter", "The request must contain the parameter ImageLocation: the absolute path of a directory of this machine to boot from")
	}
	dir := strings.TrimPrefix(location, "file://")
	if !path.IsAbs(dir) || strings.ContainsRune(dir, 0) || len(dir) > 4096 {
		return "", awserr.InvalidParameterValue("imageLocation", location, "Give the absolute path of a directory of this machine.")
	}
	dir = path.Clean(dir)
	if s.cfg.ImageDir != nil {
		if err := s.cfg.ImageDir(dir); err != nil {
			return "", awserr.InvalidParameterValue("imageLocation", location, "The directory cannot be booted from: "+err.Error()+".")
		}
	}
	return dir, nil
}

// CreateImage makes an image of an instance's disk. It is pending until the disk
// has been copied. Unless NoReboot is set the instance is rebooted, and the disk
// is copied while it is down. The copy is the image's own: there is no snapshot
// to be deleted after it.
func (s *Service) CreateImage(tx *state.Tx, c authz.Caller, in *api.CreateImageInput) (*api.CreateImageOutput, error) {
	source, err := instance(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if err := newImageName(tx, c, val(in.Name)); err != nil {
		return nil, err
	}
	if err := imageDescription(val(in.Description)); err != nil {
		return nil, err
	}
	if source.State != state.Running && source.State != state.Stopped {
		return nil, awserr.New("IncorrectInstanceState", "Instance '%s' is not in the 'running' or 'stopped' state.", source.ID)
	}
	if val(in.SnapshotLocation) == "local" {
		return nil, awserr.New("UnsupportedOperation", "SnapshotLocation local is for Local Zones, which are not supported.")
	}
	tags, err := tagsOf(in.TagSpecifications, api.ResourceTypeImage, api.ResourceTypeSnapshot)
	if err != nil {
		return nil, err
	}
	size, kind := rootDisk(tx, source)
	for _, m := range in.BlockDeviceMappings {
		if val(m.DeviceName) != source.RootDeviceName || m.Ebs == nil {
			return nil, awserr.New("InvalidBlockDeviceMapping", "An image has its root device only: %s is not %s.", awserr.Clip(val(m.DeviceName)), source.RootDeviceName)
		}
		v, err := newDisk(m.Ebs, disk{size: size, kind: kind}, "")
		if err != nil {
			return nil, err
		}
		size, kind = v.size, v.kind
	}
	i := &state.Image{
		Meta: tx.Meta(c.Scope, imageKind.prefix), State: lifecycle.ImagePending,
		Name: *in.Name, Description: val(in.Description), Architecture: source.Architecture,
		RootDeviceName: source.RootDeviceName, RootVolumeSize: size, RootVolumeType: kind,
		SourceInstance: source.ID, SourceImage: source.ImageID, EnaSupport: true, NoReboot: val(in.NoReboot),
	}
	i.Layers = []string{i.ID}
	if base, ok := lifecycle.ImageOf(tx, source); ok {
		i.Path, i.BootMode, i.ImdsSupport = base.Path, base.BootMode, base.ImdsSupport
		i.Layers = append(i.Layers, base.Layers...)
	}
	if b := val(in.BootModeOverride); b != "" {
		i.BootMode = b
	}
	i.Tags = tags
	state.Images.Put(tx, i)
	if !i.NoReboot && source.State == state.Running {
		if _, err := lifecycle.Do(tx, source, lifecycle.Reboot); err != nil {
			return nil, err
		}
	}
	if s.cfg.NoPackets {
		if err := lifecycle.Captured(tx, i.Key); err != nil {
			return nil, err
		}
	}
	return &api.CreateImageOutput{ImageId: ptr(i.ID)}, nil
}

// rootDisk is the size in GiB and type of an instance's root volume.
func rootDisk(r state.Reader, i *state.Instance) (int32, string) {
	for v := range state.Volumes.By(r, state.ByInstance, i.ID) {
		return v.Size, v.Type
	}
	return 8, api.VolumeTypeGp3
}

// DeregisterImage takes an image away. Instances made from it go on, and start
// again from their disks.
func (s *Service) DeregisterImage(tx *state.Tx, c authz.Caller, in *api.DeregisterImageInput) (*api.DeregisterImageOutput, error) {
	i, err := image(tx, c, val(in.ImageId))
	if awserr.Is(err, imageKind.notFound) && wasMine(tx, c, val(in.ImageId)) {
		return nil, awserr.New("InvalidAMIID.Unavailable", "The image ID '%s' is no longer available", *in.ImageId)
	}
	if err != nil {
		return nil, err
	}
	if i, err = ownImage(tx, c, i.ID); err != nil {
		return nil, err
	}
	lifecycle.Deregister(tx, i)
	return &api.DeregisterImageOutput{Return: ptr(true)}, nil
}

// wasMine says whether the caller's image was deregistered, but is still needed.
func wasMine(r state.Reader, c authz.Caller, id string) bool {
	return slices.ContainsFunc(slices.Collect(state.Images.By(r, state.ByImage, id)), func(i *state.Image) bool {
		return i.Scope() == c.Scope && i.State == lifecycle.Deregistered
	})
}
