package ec2

import (
	"strconv"
	"unicode/utf8"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// maxInterfaceText is the length of an interface's description, in characters.
const maxInterfaceText = 255

func checkInterfaceDescription(text string) error {
	if utf8.RuneCountInString(text) > maxInterfaceText {
		return awserr.InvalidParameterValue("description", text, "A description has at most 255 characters.")
	}
	return nil
}

// CreateNetworkInterface makes an interface that is attached to nothing.
func (s *Service) CreateNetworkInterface(tx *state.Tx, c authz.Caller, in *api.CreateNetworkInterfaceInput) (*api.CreateNetworkInterfaceOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, "network-interface")
	if err != nil {
		return nil, err
	}
	if in.SubnetId == nil {
		return nil, awserr.MissingParameter("subnetId")
	}
	if err := refuseNewInterface(in); err != nil {
		return nil, err
	}
	spec := interfaceSpec{Description: val(in.Description), Groups: in.Groups, Tags: tags}
	if err := checkInterfaceDescription(spec.Description); err != nil {
		return nil, err
	}
	if err := spec.addresses(in.PrivateIpAddress, in.PrivateIpAddresses, in.SecondaryPrivateIpAddressCount); err != nil {
		return nil, err
	}
	if err := spec.delegate(in.Ipv4Prefixes, in.Ipv4PrefixCount); err != nil {
		return nil, err
	}
	sub, err := subnet(tx, c, *in.SubnetId)
	if err != nil {
		return nil, err
	}
	n, err := s.newInterface(tx, c, sub, spec)
	if err != nil {
		return nil, err
	}
	return &api.CreateNetworkInterfaceOutput{NetworkInterface: ptr(apiInterface(tx, n)), ClientToken: in.ClientToken}, nil
}

// refuseNewInterface says what an interface cannot have yet.
func refuseNewInterface(in *api.CreateNetworkInterfaceInput) error {
	for _, no := range []struct {
		asked bool
		what  string
	}{
		{val(in.InterfaceType) != "" && *in.InterfaceType != "interface", "Interface types other than interface (InterfaceType)"},
		{val(in.Ipv6AddressCount) > 0 || len(in.Ipv6Addresses) > 0 || val(in.EnablePrimaryIpv6), "IPv6 addresses"},
		{len(in.Ipv6Prefixes) > 0 || val(in.Ipv6PrefixCount) > 0, "IPv6 prefixes"},
		{in.ConnectionTrackingSpecification != nil, "Connection tracking timeouts"},
		{in.Operator != nil, "Interfaces of managed services (Operator)"},
	} {
		if no.asked {
			return awserr.New("UnsupportedOperation", "%s are not supported by localvpc yet; leave the parameter out.", no.what)
		}
	}
	return nil
}

// DescribeNetworkInterfaces lists interfaces.
func (s *Service) DescribeNetworkInterfaces(r state.Reader, c authz.Caller, in *api.DescribeNetworkInterfacesInput) (*api.DescribeNetworkInterfacesOutput, error) {
	rows, next, err := networkInterfaceKind.describe(r, c, query[state.NetworkInterface]{
		action: "DescribeNetworkInterfaces", ids: in.NetworkInterfaceIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: interfaceFilters, also: interfaceLookups,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeNetworkInterfacesOutput{NextToken: next, NetworkInterfaces: make([]api.NetworkInterface, 0, len(rows))}
	for _, n := range rows {
		out.NetworkInterfaces = append(out.NetworkInterfaces, apiInterface(r, n))
	}
	return out, nil
}

var interfaceFilters = filters[state.NetworkInterface]{
	"addresses.association.owner-id":   ofAddresses(func(a state.PrivateAddress) string { return a.IPOwnerID }),
	"addresses.association.public-ip":  ofAddresses(publicIP),
	"addresses.primary":                ofAddresses(func(a state.PrivateAddress) string { return strconv.FormatBool(a.Primary) }),
	"addresses.private-ip-address":     ofAddresses(func(a state.PrivateAddress) string { return a.Addr.String() }),
	"association.allocation-id":        ofAddresses(func(a state.PrivateAddress) string { return a.AllocationID }),
	"association.association-id":       ofAddresses(func(a state.PrivateAddress) string { return a.AssociationID }),
	"association.ip-owner-id":          ofAddresses(func(a state.PrivateAddress) string { return a.IPOwnerID }),
	"association.public-ip":            ofAddresses(publicIP),
	"attachment.attach-time":           ofAttachment(func(a *state.Attachment) string { return a.AttachTime.UTC().Format("2006-01-02T15:04:05.000Z") }),
	"attachment.attachment-id":         ofAttachment(func(a *state.Attachment) string { return a.ID }),
	"attachment.delete-on-termination": ofAttachment(func(a *state.Attachment) string { return strconv.FormatBool(a.DeleteOnTermination) }),
	"attachment.device-index":          ofAttachment(func(a *state.Attachment) string { return strconv.Itoa(int(a.DeviceIndex)) }),
	"attachment.instance-id":           ofAttachment(func(a *state.Attachment) string { return a.InstanceID }),
	"attachment.instance-owner-id":     ofAttachment(func(a *state.Attachment) string { return a.InstanceOwnerID }),
	"attachment.status":                ofAttachment(func(a *state.Attachment) string { return a.Status }),
	"availability-zone":                func(n *state.NetworkInterface) []string { return one(n.AvailabilityZone) },
	"availability-zone-id":             func(n *state.NetworkInterface) []string { return one(n.AvailabilityZoneID) },
	"description":                      func(n *state.NetworkInterface) []string { return []string{n.Description} },
	"group-id":                         func(n *state.NetworkInterface) []string { return n.Groups },
	"interface-type":                   func(n *state.NetworkInterface) []string { return one(n.InterfaceType) },
	"mac-address":                      func(n *state.NetworkInterface) []string { return one(n.MAC) },
	"network-interface-id":             func(n *state.NetworkInterface) []string { return one(n.ID) },
	"operator.managed":                 func(*state.NetworkInterface) []string { return yes(false) },
	"owner-id":                         func(n *state.NetworkInterface) []string { return one(n.Account) },
	"private-dns-name":                 func(n *state.NetworkInterface) []string { return one(dnsview.PrivateName(n.Region, n.Primary())) },
	"private-ip-address":               ofAddresses(func(a state.PrivateAddress) string { return a.Addr.String() }),
	"requester-id":                     func(n *state.NetworkInterface) []string { return one(n.RequesterID) },
	"requester-managed":                func(n *state.NetworkInterface) []string { return yes(n.RequesterManaged) },
	"source-dest-check":                func(n *state.NetworkInterface) []string { return yes(n.SourceDestCheck) },
	"status":                           func(n *state.NetworkInterface) []string { return one(n.Status) },
	"subnet-id":                        func(n *state.NetworkInterface) []string { return one(n.SubnetID) },
	"vpc-id":                           func(n *state.NetworkInterface) []string { return one(n.VpcID) },
	// Interfaces have no IPv6 addresses yet, and no service operates them.
	"ipv6-addresses.ipv6-address": func(*state.NetworkInterface) []string { return nil },
	"operator.principal":          func(*state.NetworkInterface) []string { return nil },
}

var interfaceLookups = lookups[state.NetworkInterface]{
	"group-name": func(r state.Reader, n *state.NetworkInterface) []string {
		var names []string
		for _, g := range apiGroups(r, n.Scope(), n.Groups) {
			names = append(names, *g.GroupName)
		}
		return names
	},
	"association.public-dns-name": func(r state.Reader, n *state.NetworkInterface) []string {
		var names []string
		for _, a := range n.Addresses {
			if as := apiAssociation(r, n, a); as != nil {
				names = append(names, one(val(as.PublicDnsName))...)
			}
		}
		return names
	},
}

func ofAddresses(text func(state.PrivateAddress) string) func(*state.NetworkInterface) []string {
	return func(n *state.NetworkInterface) []string {
		var out []string
		for _, a := range n.Addresses {
			out = append(out, one(text(a))...)
		}
		return out
	}
}

func publicIP(a state.PrivateAddress) string { return val(addrText(a.PublicIP)) }

func ofAttachment(text func(*state.Attachment) string) func(*state.NetworkInterface) []string {
	return func(n *state.NetworkInterface) []string {
		if n.Attachment == nil {
			return nil
		}
		return one(text(n.Attachment))
	}
}

// apiInterface describes an interface.
func apiInterface(r state.Reader, n *state.NetworkInterface) api.NetworkInterface {
	out := api.NetworkInterface{
		NetworkInterfaceId: ptr(n.ID), OwnerId: ptr(n.Account), VpcId: ptr(n.VpcID), SubnetId: ptr(n.SubnetID),
		AvailabilityZone: ptr(n.AvailabilityZone), AvailabilityZoneId: ptr(n.AvailabilityZoneID),
		Description: ptr(n.Description), InterfaceType: ptr(n.InterfaceType), MacAddress: ptr(n.MAC), Status: ptr(n.Status),
		SourceDestCheck: ptr(n.SourceDestCheck), RequesterId: opt(n.RequesterID), RequesterManaged: ptr(n.RequesterManaged),
		PrivateIpAddress: addrText(n.Primary()), PrivateDnsName: ptr(dnsview.PrivateName(n.Region, n.Primary())),
		Groups: apiGroups(r, n.Scope(), n.Groups), Ipv6Addresses: []api.NetworkInterfaceIpv6Address{},
		Ipv4Prefixes: apiPrefixes(n.Prefixes),
		Attachment:   apiAttachment(n.Attachment), Operator: notManaged(), TagSet: apiTags(n.Tags),
	}
	for _, a := range n.Addresses {
		address := api.NetworkInterfacePrivateIpAddress{
			PrivateIpAddress: addrText(a.Addr), Primary: ptr(a.Primary),
			PrivateDnsName: ptr(dnsview.PrivateName(n.Region, a.Addr)), Association: apiAssociation(r, n, a),
		}
		out.PrivateIpAddresses = append(out.PrivateIpAddresses, address)
		if a.Primary && address.Association != nil {
			out.Association, out.PublicDnsName = address.Association, address.Association.PublicDnsName
		}
	}
	if out.TagSet == nil {
		out.TagSet = []api.Tag{}
	}
	return out
}

func apiAttachment(a *state.Attachment) *api.NetworkInterfaceAttachment {
	if a == nil {
		return nil
	}
	return &api.NetworkInterfaceAttachment{
		AttachmentId: ptr(a.ID), AttachTime: ptr(a.AttachTime), DeleteOnTermination: ptr(a.DeleteOnTermination),
		DeviceIndex: ptr(a.DeviceIndex), NetworkCardIndex: ptr(a.NetworkCardIndex),
		InstanceId: opt(a.InstanceID), InstanceOwnerId: ptr(a.InstanceOwnerID), Status: ptr(a.Status),
	}
}

// apiAssociation is the public address of a private one, nil if it has none.
func apiAssociation(r state.Reader, n *state.NetworkInterface, a state.PrivateAddress) *api.NetworkInterfaceAssociation {
	if !a.PublicIP.IsValid() {
		return nil
	}
	out := &api.NetworkInterfaceAssociation{
		AllocationId: opt(a.AllocationID), AssociationId: opt(a.AssociationID), IpOwnerId: opt(a.IPOwnerID),
		PublicIp: addrText(a.PublicIP), PublicDnsName: ptr(""),
	}
	if v, ok := state.Vpcs.Get(r, n.Scope().Key(n.VpcID)); ok && dnsview.HasPublicNames(v) {
		out.PublicDnsName = ptr(dnsview.PublicName(n.Region, a.PublicIP))
	}
	return out
}

// DeleteNetworkInterface removes an interface that is attached to nothing. Its
// Elastic IPs stay allocated (EC2 User Guide, "Delete a network interface").
func (s *Service) DeleteNetworkInterface(tx *state.Tx, c authz.Caller, in *api.DeleteNetworkInterfaceInput) (*api.DeleteNetworkInterfaceOutput, error) {
	n, err := networkInterface(tx, c, val(in.NetworkInterfaceId))
	if err != nil {
		return nil, err
	}
	if n.RequesterManaged {
		return nil, foreignInterface()
	}
	if n.Attachment != nil {
		return nil, awserr.New("InvalidParameterValue", "Network interface '%s' is currently in use.", n.ID)
	}
	publicip.Delete(tx, n)
	return &api.DeleteNetworkInterfaceOutput{}, nil
}

// foreignInterface: a service of AWS's made the interface and keeps it.
func foreignInterface() error {
	return awserr.New("OperationNotPermitted", "You do not have permission to access the specified resource: a service manages the interface.")
}
