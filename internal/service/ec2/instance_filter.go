package ec2

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// instanceFilters are those of DescribeInstances that need the instance alone.
// Those for what localvpc does not have are known and match nothing.
var instanceFilters = func() filters[state.Instance] {
	type inst = state.Instance
	f := filters[inst]{
		"architecture":                                 func(i *inst) []string { return one(i.Architecture) },
		"availability-zone":                            func(i *inst) []string { return one(i.AvailabilityZone) },
		"availability-zone-id":                         func(i *inst) []string { return one(i.AvailZoneID) },
		"client-token":                                 func(i *inst) []string { return one(i.ClientToken) },
		"current-instance-boot-mode":                   func(i *inst) []string { return one(bootMode(i)) },
		"ebs-optimized":                                func(i *inst) []string { return yes(i.EbsOptimized) },
		"iam-instance-profile.arn":                     func(i *inst) []string { return one(i.ProfileArn) },
		"iam-instance-profile.name":                    func(i *inst) []string { return one(i.ProfileArn[strings.LastIndexByte(i.ProfileArn, '/')+1:]) },
		"iam-instance-profile.id":                      func(i *inst) []string { return one(i.ProfileID) },
		"image-id":                                     func(i *inst) []string { return one(i.ImageID) },
		"instance-id":                                  func(i *inst) []string { return one(i.ID) },
		"instance-state-code":                          func(i *inst) []string { return one(strconv.Itoa(int(i.State.Code()))) },
		"instance-state-name":                          func(i *inst) []string { return one(string(i.State)) },
		"instance-type":                                func(i *inst) []string { return one(i.InstanceType) },
		"key-name":                                     func(i *inst) []string { return one(i.KeyName) },
		"launch-index":                                 func(i *inst) []string { return one(strconv.Itoa(int(i.LaunchIndex))) },
		"launch-time":                                  func(i *inst) []string { return instant(i.LaunchTime) },
		"maintenance-options.auto-recovery":            func(i *inst) []string { return one(i.AutoRecovery) },
		"metadata-options.http-endpoint":               func(i *inst) []string { return one(i.Metadata.HttpEndpoint) },
		"metadata-options.http-protocol-ipv6":          func(i *inst) []string { return one(i.Metadata.HttpIPv6) },
		"metadata-options.http-put-response-hop-limit": func(i *inst) []string { return one(strconv.Itoa(int(i.Metadata.HopLimit))) },
		"metadata-options.http-tokens":                 func(i *inst) []string { return one(i.Metadata.HttpTokens) },
		"metadata-options.instance-metadata-tags":      func(i *inst) []string { return one(i.Metadata.InstanceTags) },
		"monitoring-state":                             func(i *inst) []string { return one(*apiMonitoring(i).State) },
		"owner-id":                                     func(i *inst) []string { return one(i.Account) },
		"private-dns-name":                             func(i *inst) []string { return one(i.PrivateDnsName) },
		"private-dns-name-options.enable-resource-name-dns-a-record": func(i *inst) []string { return yes(i.ResourceNameDnsA) },
		"private-dns-name-options.hostname-type":                     func(i *inst) []string { return one(i.HostnameType) },
		"private-ip-address":                                         func(i *inst) []string { return address(i.PrivateIP) },
		"reason":                                                     func(i *inst) []string { return one(i.StateTransition) },
		"requester-id":                                               func(i *inst) []string { return one(i.RequesterID) },
		"reservation-id":                                             func(i *inst) []string { return one(i.ReservationID) },
		"root-device-name":                                           func(i *inst) []string { return one(i.RootDeviceName) },
		"state-reason-code":                                          func(i *inst) []string { return one(i.StateReason.Code) },
		"state-reason-message":                                       func(i *inst) []string { return one(i.StateReason.Message) },
		"subnet-id":                                                  func(i *inst) []string { return one(i.SubnetID) },
		"tenancy":                                                    func(i *inst) []string { return one(i.Tenancy) },
		"usage-operation-update-time":                                func(i *inst) []string { return instant(i.Created) },
		"vpc-id":                                                     func(i *inst) []string { return one(i.VpcID) },
	}
	for name, value := range map[string]string{
		"capacity-reservation-specification.capacity-reservation-preference": "open",
		"ena-support": "true", "enclave-options.enabled": "false", "hibernation-options.configured": "false", "hypervisor": "xen",
		"metadata-options.http-protocol-ipv4": "enabled", "metadata-options.state": "applied",
		"network-performance-options.bandwidth-weighting": "default", "operator.managed": "false", "platform-details": platformDetails,
		"private-dns-name-options.enable-resource-name-dns-aaaa-record": "false", "root-device-type": "ebs",
		"usage-operation": usageOperation, "virtualization-type": "hvm",
	} {
		f[name] = func(*inst) []string { return []string{value} }
	}
	for _, name := range []string{
		"affinity", "boot-mode", "capacity-reservation-id", "host-id", "instance-lifecycle", "ipv6-address", "kernel-id",
		"capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
		"capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn",
		"operator.principal", "outpost-arn", "placement-group-name", "placement-partition-number", "platform", "product-code", "product-code.type",
		"ramdisk-id", "spot-instance-request-id", "tpm-support",
	} {
		f[name] = func(*inst) []string { return nil }
	}
	return f
}()

// instanceLookups are the filters whose values are in an instance's volumes,
// interfaces and groups.
var instanceLookups = func() lookups[state.Instance] {
	f := lookups[state.Instance]{
		"dns-name":   publicName,
		"ip-address": ofPrimary(func(p state.PrivateAddress) []string { return address(p.PublicIP) }),
		"source-dest-check": func(r state.Reader, i *state.Instance) []string {
			for _, n := range interfacesOf(r, i) {
				return yes(n.SourceDestCheck)
			}
			return nil
		},
		"block-device-mapping.attach-time":           ofVolumes(func(v *state.Volume) []string { return instant(v.AttachTime) }),
		"block-device-mapping.delete-on-termination": ofVolumes(func(v *state.Volume) []string { return yes(v.DeleteOnTerm) }),
		"block-device-mapping.device-name":           ofVolumes(func(v *state.Volume) []string { return one(v.Device) }),
		"block-device-mapping.status":                ofVolumes(func(v *state.Volume) []string { return one("attached") }),
		"block-device-mapping.volume-id":             ofVolumes(func(v *state.Volume) []string { return one(v.ID) }),
	}
	for name, values := range interfaceOfInstance {
		f["network-interface."+name] = func(r state.Reader, i *state.Instance) []string {
			var out []string
			for n := range state.NetworkInterfaces.By(r, state.ByInstance, i.ID) {
				out = append(out, values(r, n)...)
			}
			return out
		}
	}
	f["instance.group-id"], f["instance.group-name"] = primaryGroups(groupID), primaryGroups(groupName)
	f["group-id"], f["group-name"] = f["instance.group-id"], f["instance.group-name"]
	return f
}()

func primaryGroups(of func(state.Reader, *state.NetworkInterface) []string) func(state.Reader, *state.Instance) []string {
	return func(r state.Reader, i *state.Instance) []string {
		for _, n := range interfacesOf(r, i) {
			return of(r, n)
		}
		return nil
	}
}

func groupID(_ state.Reader, n *state.NetworkInterface) []string { return n.Groups }

func groupName(r state.Reader, n *state.NetworkInterface) []string {
	var out []string
	for _, g := range apiGroups(r, n.Scope(), n.Groups) {
		out = append(out, *g.GroupName)
	}
	return out
}

// interfaceOfInstance are the filters network-interface.NAME.
var interfaceOfInstance = func() lookups[state.NetworkInterface] {
	type eni = state.NetworkInterface
	f := lookups[eni]{"group-id": groupID, "group-name": groupName, "public-dns-name": publicNamesOf,
		"association.public-dns-name": publicNamesOf, "addresses.association.public-dns-name": publicNamesOf}
	each := func(of func(state.PrivateAddress) []string) func(state.Reader, *eni) []string {
		return func(_ state.Reader, n *eni) []string {
			var out []string
			for _, p := range n.Addresses {
				out = append(out, of(p)...)
			}
			return out
		}
	}
	primary := func(of func(state.PrivateAddress) []string) func(state.Reader, *eni) []string {
		return func(_ state.Reader, n *eni) []string { return of(n.Addresses[0]) }
	}
	for name, of := range map[string]func(state.PrivateAddress) []string{
		"allocation-id":  func(p state.PrivateAddress) []string { return one(p.AllocationID) },
		"association-id": func(p state.PrivateAddress) []string { return one(p.AssociationID) },
		"ip-owner-id":    func(p state.PrivateAddress) []string { return one(p.IPOwnerID) },
		"public-ip":      func(p state.PrivateAddress) []string { return address(p.PublicIP) },
		"carrier-ip":     func(state.PrivateAddress) []string { return nil }, "customer-owned-ip": func(state.PrivateAddress) []string { return nil },
	} {
		f["addresses.association."+name], f["association."+name] = each(of), primary(of)
	}
	f["addresses.primary"] = each(func(p state.PrivateAddress) []string { return yes(p.Primary) })
	f["addresses.private-ip-address"] = each(func(p state.PrivateAddress) []string { return address(p.Addr) })
	f["addresses.private-dns-name"] = func(_ state.Reader, n *eni) []string {
		var out []string
		for _, p := range n.Addresses {
			out = append(out, dnsview.PrivateName(n.Region, p.Addr))
		}
		return out
	}
	for name, of := range map[string]func(*eni) []string{
		"attachment.attach-time":           func(n *eni) []string { return instant(n.Attachment.AttachTime) },
		"attachment.attachment-id":         func(n *eni) []string { return one(n.Attachment.ID) },
		"attachment.delete-on-termination": func(n *eni) []string { return yes(n.Attachment.DeleteOnTermination) },
		"attachment.device-index":          func(n *eni) []string { return one(strconv.Itoa(int(n.Attachment.DeviceIndex))) },
		"attachment.instance-id":           func(n *eni) []string { return one(n.Attachment.InstanceID) },
		"attachment.instance-owner-id":     func(n *eni) []string { return one(n.Attachment.InstanceOwnerID) },
		"attachment.network-card-index":    func(n *eni) []string { return one(strconv.Itoa(int(n.Attachment.NetworkCardIndex))) },
		"attachment.status":                func(n *eni) []string { return one(n.Attachment.Status) },
		"availability-zone":                func(n *eni) []string { return one(n.AvailabilityZone) },
		"description":                      func(n *eni) []string { return one(n.Description) },
		"mac-address":                      func(n *eni) []string { return one(n.MAC) },
		"network-interface-id":             func(n *eni) []string { return one(n.ID) },
		"owner-id":                         func(n *eni) []string { return one(n.Account) },
		"private-dns-name":                 func(n *eni) []string { return one(dnsview.PrivateName(n.Region, n.Primary())) },
		"private-ip-address":               func(n *eni) []string { return address(n.Primary()) },
		"requester-id":                     func(n *eni) []string { return one(n.RequesterID) },
		"requester-managed":                func(n *eni) []string { return yes(n.RequesterManaged) },
		"status":                           func(n *eni) []string { return one(n.Status) },
		"source-dest-check":                func(n *eni) []string { return yes(n.SourceDestCheck) },
		"subnet-id":                        func(n *eni) []string { return one(n.SubnetID) },
		"vpc-id":                           func(n *eni) []string { return one(n.VpcID) },
		"operator.managed":                 func(n *eni) []string { return yes(false) },
		"deny-all-igw-traffic":             func(n *eni) []string { return yes(false) },
		"ipv6-native":                      func(n *eni) []string { return yes(false) },
		"tag-key": func(n *eni) (out []string) {
			for _, t := range n.Tags {
				out = append(out, t.Key)
			}
			return out
		},
		"tag-value": func(n *eni) (out []string) {
			for _, t := range n.Tags {
				out = append(out, t.Value)
			}
			return out
		},
	} {
		f[name] = func(_ state.Reader, n *eni) []string { return of(n) }
	}
	for _, name := range []string{
		"ipv4-prefixes.ipv4-prefix", "ipv6-address", "ipv6-addresses.ipv6-address", "ipv6-addresses.is-primary-ipv6",
		"ipv6-prefixes.ipv6-prefix", "operator.principal", "outpost-arn",
	} {
		f[name] = func(state.Reader, *eni) []string { return nil }
	}
	return f
}()

// publicNamesOf gives the names of the public addresses of an interface, if its
// VPC has such names.
func publicNamesOf(r state.Reader, n *state.NetworkInterface) []string {
	v, ok := state.Vpcs.Get(r, n.Scope().Key(n.VpcID))
	if !ok || !dnsview.HasPublicNames(v) {
		return nil
	}
	var out []string
	for _, p := range n.Addresses {
		if p.PublicIP.IsValid() {
			out = append(out, dnsview.PublicName(n.Region, p.PublicIP))
		}
	}
	return out
}

func publicName(r state.Reader, i *state.Instance) []string {
	return one(val(apiInstance(r, i).PublicDnsName))
}

func ofPrimary(of func(state.PrivateAddress) []string) func(state.Reader, *state.Instance) []string {
	return func(r state.Reader, i *state.Instance) []string {
		for _, n := range interfacesOf(r, i) {
			return of(n.Addresses[0])
		}
		return nil
	}
}

func ofVolumes(of func(*state.Volume) []string) func(state.Reader, *state.Instance) []string {
	return func(r state.Reader, i *state.Instance) []string {
		var out []string
		for v := range state.Volumes.By(r, state.ByInstance, i.ID) {
			out = append(out, of(v)...)
		}
		return out
	}
}

// instant is a time as filters spell it, which is as answers print it.
func instant(t time.Time) []string {
	return one(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

func address(a netip.Addr) []string {
	if !a.IsValid() {
		return nil
	}
	return []string{a.String()}
}
