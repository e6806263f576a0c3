package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

// disk is what is asked of a root volume. It is stored and described; the size
// is not enforced, nor are speed and encryption: the data is in files of the host.
type disk struct {
	size             int32 // GiB
	kind             string
	iops, throughput int32
	encrypted        bool
	key              string
}

// volumeType has the bounds of a type (EBS User Guide, "Amazon EBS volume types").
type volumeType struct {
	minSize, maxSize int32 // GiB
	minIops, maxIops int32 // 0: IOPS cannot be chosen
	maxThroughput    int32 // MiB/s; 0: throughput cannot be chosen
}

var volumeTypes = map[string]volumeType{
	api.VolumeTypeGp2:      {1, 16384, 0, 0, 0},
	api.VolumeTypeGp3:      {1, 65536, 3000, 80000, 2000},
	api.VolumeTypeIo1:      {4, 16384, 100, 64000, 0},
	api.VolumeTypeIo2:      {4, 65536, 100, 256000, 0},
	api.VolumeTypeSt1:      {125, 16384, 0, 0, 0},
	api.VolumeTypeSc1:      {125, 16384, 0, 0, 0},
	api.VolumeTypeStandard: {1, 1024, 0, 0, 0},
}

// launchDisk reads the block device mappings of a launch: that of the root
// device. Others cannot be had; those that AWS ignores are ignored.
func launchDisk(mappings []api.BlockDeviceMapping, image *state.Image) (disk, error) {
	d, err := newDisk(nil, disk{size: image.RootVolumeSize, kind: image.RootVolumeType}, "")
	if err != nil {
		return d, err
	}
	seen := map[string]bool{}
	for _, m := range mappings {
		name := val(m.DeviceName)
		switch {
		case name == "":
			return d, awserr.MissingParameter("DeviceName")
		case seen[name]:
			return d, awserr.New("InvalidBlockDeviceMapping", "The device '%s' is used in more than one block-device mapping", awserr.Clip(name))
		case name != image.RootDeviceName && m.Ebs != nil:
			return d, awserr.New("UnsupportedOperation", "An instance of localvpc has its root volume (%s) only: the block device mapping of %s is not supported.", image.RootDeviceName, awserr.Clip(name))
		case name != image.RootDeviceName:
			seen[name] = true // instance stores and NoDevice: there is nothing to leave out
			continue
		case m.NoDevice != nil || m.VirtualName != nil:
			return d, awserr.New("InvalidBlockDeviceMapping", "The root device '%s' cannot be left out", name)
		}
		seen[name] = true
		if m.Ebs == nil {
			continue
		}
		if id := val(m.Ebs.SnapshotId); id != "" && id != image.SnapshotID {
			return d, awserr.New("InvalidBlockDeviceMapping", "snapshotId can only be modified on EBS devices that are not the root device")
		}
		from := image.SnapshotID
		if from == "" {
			from = image.ID
		}
		if d, err = newDisk(m.Ebs, disk{size: image.RootVolumeSize, kind: image.RootVolumeType}, from); err != nil {
			return d, err
		}
	}
	return d, nil
}

// newDisk applies a request to a default. A volume that is made from something,
// which is named, must be at least as large as the default.
func newDisk(e *api.EbsBlockDevice, d disk, from string) (disk, error) {
	least := d.size
	if e == nil {
		e = &api.EbsBlockDevice{}
	}
	if e.VolumeSize != nil {
		d.size = *e.VolumeSize
	}
	if e.VolumeType != nil {
		d.kind = *e.VolumeType
	}
	t, ok := volumeTypes[d.kind]
	switch {
	case !ok:
		return d, awserr.InvalidParameterValue("volumeType", d.kind, "Unknown volume type.")
	case d.size < t.minSize || d.size > t.maxSize:
		return d, awserr.New("InvalidParameterValue", "Invalid volume size: %dGiB. Valid sizes for %s volumes are %dGiB to %dGiB", d.size, d.kind, t.minSize, t.maxSize)
	case from != "" && d.size < least:
		return d, awserr.New("InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot '%s', expect size>= %dGB", d.size, from, least)
	case e.KmsKeyId != nil && !val(e.Encrypted):
		return d, awserr.New("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	case e.DeleteOnTermination != nil && !*e.DeleteOnTermination:
		return d, awserr.New("UnsupportedOperation", "A root volume cannot outlive its instance in localvpc: leave DeleteOnTermination out or set it to true.")
	}
	d.encrypted, d.key = val(e.Encrypted), val(e.KmsKeyId)
	return d, d.speed(t, e.Iops, e.Throughput)
}

// speed fills in IOPS and throughput, or the type's own.
func (d *disk) speed(t volumeType, iops, throughput *int32) error {
	switch {
	case iops != nil && t.maxIops == 0:
		return awserr.InvalidParameterCombination("The parameter iops is not supported for %s volumes.", d.kind)
	case iops == nil && t.maxIops > 0 && d.kind != api.VolumeTypeGp3:
		return awserr.MissingParameter("iops")
	case iops != nil && (*iops < t.minIops || *iops > t.maxIops):
		return awserr.New("InvalidParameterValue", "Volume iops of %d is not supported; it must be between %d and %d for %s volumes.", *iops, t.minIops, t.maxIops, d.kind)
	case throughput != nil && t.maxThroughput == 0:
		return awserr.InvalidParameterCombination("The parameter throughput is not supported for %s volumes.", d.kind)
	case throughput != nil && (*throughput < 125 || *throughput > t.maxThroughput):
		return awserr.New("InvalidParameterValue", "Throughput of %d is not supported; it must be between 125 and %d MiB/s for %s volumes.", *throughput, t.maxThroughput, d.kind)
	}
	switch d.kind {
	case api.VolumeTypeGp2:
		d.iops = min(max(100, 3*d.size), 16000)
	case api.VolumeTypeGp3:
		d.iops, d.throughput = 3000, 125
	}
	if iops != nil {
		d.iops = *iops
	}
	if throughput != nil {
		d.throughput = *throughput
	}
	return nil
}
