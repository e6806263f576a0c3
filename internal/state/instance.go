package state

import (
	"net/netip"
	"time"
)

// Instance is an instance. Its interfaces are rows of NetworkInterfaces, found
// by the index ByInstance, its root volume a row of Volumes.
type Instance struct {
	Meta
	State            InstanceState
	StateReason      StateReason `json:",omitzero"`
	StateTransition  string      `json:",omitempty"` // text of StateTransitionReason
	ReservationID    string
	RequesterID      string `json:",omitempty"`
	LaunchIndex      int32
	LaunchTime       time.Time
	Boots            uint64 // how often it was started; a change starts it again
	ImageID          string
	ImageOwner       string // account of the image, to find it again
	InstanceType     string
	KeyName          string `json:",omitempty"`
	VpcID            string
	SubnetID         string
	AvailabilityZone string
	AvailZoneID      string
	Architecture     string
	RootDeviceName   string
	ClientToken      string `json:",omitempty"`
	UserData         []byte `json:",omitempty"` // decoded
	HostnameType     string // "ip-name" or "resource-name"
	ResourceNameDnsA bool   `json:",omitempty"`
	PrivateDnsName   string
	PrivateIP        netip.Addr
	Metadata         MetadataOptions
	Monitoring       bool   `json:",omitempty"` // stored: nothing is measured
	EbsOptimized     bool   `json:",omitempty"` // stored: disks are the host's
	Tenancy          string // stored: everything runs on one host
	ShutdownBehavior string // "stop" or "terminate": what a shutdown from inside does
	DisableTerminate bool   `json:",omitempty"`
	DisableStop      bool   `json:",omitempty"`
	CreditSpec       string `json:",omitempty"` // stored: "standard", "unlimited"
	AutoRecovery     string `json:",omitempty"` // stored
	ProfileArn       string `json:",omitempty"`
	ProfileID        string `json:",omitempty"`
	// ProfileAssociation is the id of the association with the profile.
	ProfileAssociation string    `json:",omitempty"` // "iip-assoc-…"
	ProfileAssociated  time.Time `json:",omitzero"`
	CpuCoreCount       int32
	CpuThreadsPerCore  int32
	TerminatedAt       time.Time `json:",omitzero"`
}

// InstanceState is one of AWS's six states.
type InstanceState string

const (
	Pending      InstanceState = "pending"
	Running      InstanceState = "running"
	ShuttingDown InstanceState = "shutting-down"
	Terminated   InstanceState = "terminated"
	Stopping     InstanceState = "stopping"
	Stopped      InstanceState = "stopped"
)

// Code is the state's number (EC2 API Reference, InstanceState).
func (s InstanceState) Code() int32 {
	switch s {
	case Pending:
		return 0
	case Running:
		return 16
	case ShuttingDown:
		return 32
	case Terminated:
		return 48
	case Stopping:
		return 64
	case Stopped:
		return 80
	}
	return 255
}

// StateReason says why an instance is in its state.
type StateReason struct{ Code, Message string }

// MetadataOptions govern the instance's metadata service.
type MetadataOptions struct {
	HttpTokens   string // "optional" or "required"
	HttpEndpoint string // "enabled" or "disabled"
	HttpIPv6     string // "enabled" or "disabled"; stored: IPv6 comes later
	InstanceTags string // "enabled" or "disabled"
	HopLimit     int32
}

// Instances is the table of instances.
var Instances = &Table[Instance]{name: "instance", indexes: []index[Instance]{
	{ByVpc, func(i *Instance) []string { return []string{i.VpcID} }},
	{BySubnet, func(i *Instance) []string { return []string{i.SubnetID} }},
	{ByInstance, func(i *Instance) []string { return []string{i.ID} }},
	{ByImage, func(i *Instance) []string { return []string{i.ImageID} }},
}}

// Volume is a volume; localvpc has root volumes, which are the disks of
// instances on the host.
type Volume struct {
	Meta
	Size             int32 // GiB
	Type             string
	Iops             int32
	Throughput       int32
	AvailabilityZone string
	AvailZoneID      string
	State            string // "in-use"
	SnapshotID       string `json:",omitempty"`
	Encrypted        bool   `json:",omitempty"` // stored
	KmsKeyID         string `json:",omitempty"` // stored
	InstanceID       string
	Device           string
	AttachTime       time.Time
	DeleteOnTerm     bool
}

// Volumes is the table of volumes.
var Volumes = &Table[Volume]{name: "volume", indexes: []index[Volume]{
	{ByInstance, func(v *Volume) []string { return []string{v.InstanceID} }},
}}
