package ec2

import (
	"net/netip"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// apiState is a state with its number.
func apiState(s state.InstanceState) *api.InstanceState {
	return &api.InstanceState{Code: ptr(s.Code()), Name: ptr(string(s))}
}

// interfacesOf gives the interfaces of an instance in the order of their device
// indexes; the first one is the primary.
func interfacesOf(r state.Reader, i *state.Instance) []*state.NetworkInterface {
	list := slices.Collect(state.NetworkInterfaces.By(r, state.ByInstance, i.ID))
	slices.SortFunc(list, func(a, b *state.NetworkInterface) int {
		return int(a.Attachment.DeviceIndex - b.Attachment.DeviceIndex)
	})
	return list
}

// apiGroups names groups by id; one that is gone is left out.
func apiGroups(r state.Reader, scope state.Scope, ids []string) []api.GroupIdentifier {
	out := make([]api.GroupIdentifier, 0, len(ids))
	for _, id := range ids {
		if g, ok := state.SecurityGroups.Get(r, scope.Key(id)); ok {
			out = append(out, api.GroupIdentifier{GroupId: ptr(id), GroupName: ptr(g.Name)})
		}
	}
	return out
}

// apiInstance describes an instance as DescribeInstances and RunInstances do.
// What localvpc has not (licences, elastic inference …) is left out, as AWS does.
func apiInstance(r state.Reader, i *state.Instance) api.Instance {
	out := api.Instance{
		InstanceId: ptr(i.ID), ImageId: ptr(i.ImageID), State: apiState(i.State),
		InstanceType: ptr(i.InstanceType), AmiLaunchIndex: ptr(i.LaunchIndex), LaunchTime: ptr(i.LaunchTime),
		KeyName: opt(i.KeyName), Architecture: ptr(i.Architecture), ClientToken: ptr(i.ClientToken),
		PrivateDnsName: ptr(i.PrivateDnsName), PublicDnsName: ptr(""), StateTransitionReason: ptr(i.StateTransition),
		SubnetId: opt(i.SubnetID), VpcId: opt(i.VpcID), PrivateIpAddress: addrText(i.PrivateIP),
		RootDeviceName: ptr(i.RootDeviceName), RootDeviceType: ptr(api.DeviceTypeEbs),
		Hypervisor: ptr("xen"), VirtualizationType: ptr(api.VirtualizationTypeHvm),
		EbsOptimized: ptr(i.EbsOptimized), EnaSupport: ptr(true), ProductCodes: []api.ProductCode{},
		Monitoring: apiMonitoring(i),
		Placement: &api.Placement{
			AvailabilityZone: ptr(i.AvailabilityZone), AvailabilityZoneId: opt(i.AvailZoneID), GroupName: ptr(""), Tenancy: ptr(i.Tenancy),
		},
		CpuOptions:                       &api.CpuOptions{CoreCount: ptr(i.CpuCoreCount), ThreadsPerCore: ptr(i.CpuThreadsPerCore)},
		CapacityReservationSpecification: &api.CapacityReservationSpecificationResponse{CapacityReservationPreference: ptr("open")},
		HibernationOptions:               &api.HibernationOptions{Configured: ptr(false)},
		EnclaveOptions:                   &api.EnclaveOptions{Enabled: ptr(false)},
		MetadataOptions:                  apiMetadata(i.Metadata),
		MaintenanceOptions:               &api.InstanceMaintenanceOptions{AutoRecovery: ptr(i.AutoRecovery), RebootMigration: ptr("default")},
		NetworkPerformanceOptions:        &api.InstanceNetworkPerformanceOptions{BandwidthWeighting: ptr("default")},
		PlatformDetails:                  ptr(platformDetails),
		UsageOperation:                   ptr(usageOperation), UsageOperationUpdateTime: ptr(i.Created),
		CurrentInstanceBootMode: ptr(bootMode(i)), Operator: notManaged(),
		BlockDeviceMappings: []api.InstanceBlockDeviceMapping{},
		NetworkInterfaces:   []api.InstanceNetworkInterface{},
		SecurityGroups:      []api.GroupIdentifier{},
		Tags:                apiTags(i.Tags),
	}
	if i.StateReason.Code != "" {
		out.StateReason = &api.StateReason{Code: ptr(i.StateReason.Code), Message: ptr(i.StateReason.Message)}
	}
	if i.ProfileArn != "" {
		out.IamInstanceProfile = &api.IamInstanceProfile{Arn: ptr(i.ProfileArn), Id: ptr(i.ProfileID)}
	}
	if i.State == state.Terminated {
		return out
	}
	out.PrivateDnsNameOptions = &api.PrivateDnsNameOptionsResponse{
		HostnameType: ptr(i.HostnameType), EnableResourceNameDnsARecord: ptr(i.ResourceNameDnsA), EnableResourceNameDnsAAAARecord: ptr(false),
	}
	out.BlockDeviceMappings = blockDevices(r, i)
	names := publicNames(r, i)
	for n, e := range interfacesOf(r, i) {
		nested := apiInstanceInterface(r, e, names)
		out.NetworkInterfaces = append(out.NetworkInterfaces, nested)
		if n == 0 {
			out.SecurityGroups, out.SourceDestCheck = nested.Groups, ptr(e.SourceDestCheck)
			if nested.Association != nil {
				out.PublicIpAddress, out.PublicDnsName = nested.Association.PublicIp, nested.Association.PublicDnsName
			}
		}
	}
	return out
}

// notManaged: no service of AWS's operates the resource for its owner.
func notManaged() *api.OperatorResponse { return &api.OperatorResponse{Managed: ptr(false)} }

// bootMode: nothing boots by firmware here; AWS's answer for the type is given.
func bootMode(i *state.Instance) string {
	if i.Architecture == "arm64" {
		return "uefi"
	}
	return "legacy-bios"
}

func apiMonitoring(i *state.Instance) *api.Monitoring {
	if i.Monitoring {
		return &api.Monitoring{State: ptr("enabled")}
	}
	return &api.Monitoring{State: ptr("disabled")}
}

// apiMetadata: changes are in force at once, so the state is always applied.
func apiMetadata(m state.MetadataOptions) *api.InstanceMetadataOptionsResponse {
	return &api.InstanceMetadataOptionsResponse{
		State: ptr("applied"), HttpTokens: ptr(m.HttpTokens), HttpEndpoint: ptr(m.HttpEndpoint),
		HttpProtocolIpv6: ptr(m.HttpIPv6), InstanceMetadataTags: ptr(m.InstanceTags), HttpPutResponseHopLimit: ptr(m.HopLimit),
	}
}

func blockDevices(r state.Reader, i *state.Instance) []api.InstanceBlockDeviceMapping {
	out := []api.InstanceBlockDeviceMapping{}
	for v := range state.Volumes.By(r, state.ByInstance, i.ID) {
		out = append(out, api.InstanceBlockDeviceMapping{DeviceName: ptr(v.Device), Ebs: &api.EbsInstanceBlockDevice{
			VolumeId: ptr(v.ID), Status: ptr("attached"), AttachTime: ptr(v.AttachTime), DeleteOnTermination: ptr(v.DeleteOnTerm),
		}})
	}
	return out
}

// publicNames says whether public addresses of the instance have names.
func publicNames(r state.Reader, i *state.Instance) bool {
	v, ok := state.Vpcs.Get(r, i.Scope().Key(i.VpcID))
	return ok && dnsview.HasPublicNames(v)
}

// apiInstanceInterface describes an interface inside of its instance.
func apiInstanceInterface(r state.Reader, n *state.NetworkInterface, names bool) api.InstanceNetworkInterface {
	a := n.Attachment
	out := api.InstanceNetworkInterface{
		NetworkInterfaceId: ptr(n.ID), OwnerId: ptr(n.Account), SubnetId: ptr(n.SubnetID), VpcId: ptr(n.VpcID),
		Description: ptr(n.Description), InterfaceType: ptr(n.InterfaceType), MacAddress: ptr(n.MAC),
		Status: ptr(n.Status), SourceDestCheck: ptr(n.SourceDestCheck),
		PrivateIpAddress: addrText(n.Primary()), PrivateDnsName: ptr(dnsview.PrivateName(n.Region, n.Primary())),
		Groups: apiGroups(r, n.Scope(), n.Groups), Ipv6Addresses: []api.InstanceIpv6Address{},
		Ipv4Prefixes: instancePrefixes(n.Prefixes),
		Attachment: &api.InstanceNetworkInterfaceAttachment{
			AttachmentId: ptr(a.ID), AttachTime: ptr(a.AttachTime), DeleteOnTermination: ptr(a.DeleteOnTermination),
			DeviceIndex: ptr(a.DeviceIndex), NetworkCardIndex: ptr(a.NetworkCardIndex), Status: ptr(a.Status),
		},
		Operator: notManaged(),
	}
	for _, p := range n.Addresses {
		item := api.InstancePrivateIpAddress{
			Primary: ptr(p.Primary), PrivateIpAddress: addrText(p.Addr), PrivateDnsName: ptr(dnsview.PrivateName(n.Region, p.Addr)),
		}
		if p.PublicIP.IsValid() {
			item.Association = &api.InstanceNetworkInterfaceAssociation{
				PublicIp: addrText(p.PublicIP), IpOwnerId: ptr(p.IPOwnerID), PublicDnsName: ptr(""),
			}
			if names {
				item.Association.PublicDnsName = ptr(dnsview.PublicName(n.Region, p.PublicIP))
			}
		}
		if p.Primary {
			out.Association = item.Association
		}
		out.PrivateIpAddresses = append(out.PrivateIpAddresses, item)
	}
	return out
}

func addrText(a netip.Addr) *string {
	if !a.IsValid() {
		return nil
	}
	return ptr(a.String())
}

// reservations groups instances by the request that launched them, in the order
// of each one's first instance.
func reservations(r state.Reader, list []*state.Instance) []api.Reservation {
	out := []api.Reservation{}
	at := map[string]int{}
	for _, i := range list {
		n, ok := at[i.ReservationID]
		if !ok {
			n = len(out)
			at[i.ReservationID] = n
			out = append(out, api.Reservation{
				ReservationId: ptr(i.ReservationID), OwnerId: ptr(i.Account), RequesterId: opt(i.RequesterID), Groups: []api.GroupIdentifier{},
			})
		}
		out[n].Instances = append(out[n].Instances, apiInstance(r, i))
	}
	for _, res := range out {
		slices.SortFunc(res.Instances, func(a, b api.Instance) int {
			if a, b := *a.AmiLaunchIndex, *b.AmiLaunchIndex; a != b {
				return int(a - b)
			}
			return strings.Compare(*a.InstanceId, *b.InstanceId)
		})
	}
	return out
}
