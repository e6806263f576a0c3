package ec2

import (
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/state"
)

// retype changes the type of a stopped instance.
func retype(r state.Reader, i *state.Instance, name string) error {
	kind, err := instanceType(name)
	if err != nil {
		return err
	}
	if err := stopped(i); err != nil {
		return err
	}
	if kind.Architecture != i.Architecture {
		return architectureMismatch(kind.Architecture, i.Architecture)
	}
	if err := fits(r, i, kind); err != nil {
		return err
	}
	credit := creditDefault(kind)
	if credit != "" && i.CreditSpec != "" {
		credit = i.CreditSpec
	}
	i.InstanceType, i.CreditSpec = kind.Name, credit
	i.CpuCoreCount, i.CpuThreadsPerCore = kind.Cores(), kind.ThreadsPerCore
	if kind.EbsMaxMbps == 0 {
		i.EbsOptimized = false
	}
	return nil
}

// fits says whether the interfaces of an instance are within a type's limits.
func fits(r state.Reader, i *state.Instance, kind *catalog.InstanceType) error {
	list := interfacesOf(r, i)
	if n := int32(len(list)); n > kind.Interfaces {
		return awserr.New("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", n, kind.Name)
	}
	for _, n := range list {
		if err := noDelegation(kind, len(n.Prefixes)); err != nil {
			return err
		}
		if !takes(kind, len(n.Addresses), len(n.Prefixes)) {
			return awserr.New("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit: %s has %d, an interface of %s can have %d.", n.ID, len(n.Addresses)+len(n.Prefixes), kind.Name, kind.IPv4PerIface)
		}
	}
	return nil
}
