package classic

import (
	"context"
	"net/netip"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func addressCommands() []command {
	return []command{
		{
			use: "ec2-allocate-address", aliases: []string{"ec2allocaddr"}, short: "Allocate an Elastic IP address",
			example: "  ec2-allocate-address\n  ec2-allocate-address -d vpc", build: allocateAddress,
		},
		{
			use: "ec2-associate-address [IP] {-i INSTANCE | -n INTERFACE}", aliases: []string{"ec2assocaddr"},
			short: "Associate an Elastic IP address with an instance or an interface",
			long: `Associate an Elastic IP address, given as such or by its allocation id. Given as
such, it is moved when something else has it; by its allocation id only with
--allow-reassociation.`,
			example: "  ec2-associate-address -i i-0123456789abcdef0 198.18.0.1\n  ec2-associate-address -i i-0123456789abcdef0 -a eipalloc-0123456789abcdef0",
			build:   associateAddress,
		},
		{
			use: "ec2-disassociate-address {IP | -a ASSOCIATION}", aliases: []string{"ec2disaddr"},
			short: "Take an Elastic IP address from what has it", example: "  ec2-disassociate-address 198.18.0.1", build: disassociateAddress,
		},
		{
			use: "ec2-release-address {IP | -a ALLOCATION}", aliases: []string{"ec2reladdr"},
			short: "Give an Elastic IP address back", example: "  ec2-release-address 198.18.0.1", build: releaseAddress,
		},
		{
			use: "ec2-describe-addresses [IP | ALLOCATION]...", aliases: []string{"ec2daddr"},
			short: "List Elastic IP addresses", example: "  ec2-describe-addresses -F domain=vpc", build: describeAddresses,
		},
	}
}

func allocateAddress(r *run) func(context.Context, []string) error {
	domain := r.flags.StringP("domain", "d", "", "vpc or standard; AWS has no standard ones any more")
	return func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			return unexpected(args)
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		out, err := c.AllocateAddress(ctx, &ec2.AllocateAddressInput{Domain: types.DomainType(*domain), DryRun: r.dryRun})
		if err != nil {
			return err
		}
		r.addAddress(types.Address{PublicIp: out.PublicIp, Domain: out.Domain, AllocationId: out.AllocationId})
		return nil
	}
}

// addAddress is the record of ec2-allocate-address and ec2-describe-addresses.
// The first printed as many fields as it had, the second the interface, too.
func (r *run) addAddress(a types.Address) {
	columns := []column{
		{"PublicIp", text(a.PublicIp)}, {"InstanceId", text(a.InstanceId)}, {"Domain", string(a.Domain)}, {"AllocationId", text(a.AllocationId)},
	}
	if a.AssociationId != nil || r.out.nils {
		columns = append(columns, column{"AssociationId", text(a.AssociationId)}, column{"NetworkInterfaceId", text(a.NetworkInterfaceId)},
			column{"PrivateIpAddress", text(a.PrivateIpAddress)})
	}
	r.out.add("ADDRESS", columns...)
}

// addressArgument is an address, or else an id: the tools had -a for these.
func addressArgument(args []string, id, option string) (netip.Addr, error) {
	switch {
	case len(args) == 0 && id == "":
		return netip.Addr{}, missing("parameter", "IP")
	case len(args) == 0:
		return netip.Addr{}, nil
	case id != "":
		return netip.Addr{}, usage("Parameter 'IP' and option '%s' exclude each other", option)
	case len(args) > 1:
		return netip.Addr{}, unexpected(args[1:])
	}
	ip, err := netip.ParseAddr(args[0])
	if err != nil {
		return ip, usage("Invalid IP address '%s': an id is given with %s", args[0], option)
	}
	return ip, nil
}

// find gives the address with its ids: AWS takes no others in a VPC ("You must
// specify an allocation id when mapping an address to a VPC instance").
func find(ctx context.Context, c *ec2.Client, ip netip.Addr) (types.Address, error) {
	out, err := c.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{PublicIps: []string{ip.String()}})
	if err != nil {
		return types.Address{}, err
	}
	if len(out.Addresses) != 1 {
		return types.Address{}, usage("There is no Elastic IP address '%s'", ip)
	}
	return out.Addresses[0], nil
}

func associateAddress(r *run) func(context.Context, []string) error {
	instance := r.flags.StringP("instance", "i", "", "the instance; its primary private address unless -p says another")
	allocation := r.flags.StringP("allocation-id", "a", "", "the allocation, in place of the address")
	nic := r.flags.StringP("network-interface", "n", "", "the interface, in place of the instance")
	private := r.flags.StringP("private-ip-address", "p", "", "the private address that gets it")
	again := r.flags.Bool("allow-reassociation", false, "take the address from what has it")
	return func(ctx context.Context, args []string) error {
		ip, err := addressArgument(args, *allocation, "-a")
		switch {
		case err != nil:
			return err
		case *instance == "" && *nic == "":
			return missing("option", "-i, --instance INSTANCE")
		case *instance != "" && *nic != "":
			return usage("Options '-i' and '-n' exclude each other")
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		in := &ec2.AssociateAddressInput{
			AllocationId: given(*allocation), InstanceId: given(*instance), NetworkInterfaceId: given(*nic), PrivateIpAddress: given(*private),
			AllowReassociation: again, DryRun: r.dryRun,
		}
		if ip.IsValid() {
			a, err := find(ctx, c, ip)
			if err != nil {
				return err
			}
			in.AllocationId, in.AllowReassociation = a.AllocationId, aws.Bool(true)
		}
		out, err := c.AssociateAddress(ctx, in)
		if err != nil {
			return err
		}
		if ip.IsValid() {
			columns := []column{{"PublicIp", ip.String()}, {"InstanceId", *instance}}
			if *instance == "" { // in no source: with an interface there was no address, only an allocation id
				columns = append(columns, column{"NetworkInterfaceId", *nic})
			}
			r.out.add("ADDRESS", columns...)
			return nil
		}
		r.out.add("ADDRESS", column{"InstanceId", *instance}, column{"AllocationId", *allocation}, column{"AssociationId", text(out.AssociationId)},
			column{"PrivateIpAddress", *private})
		return nil
	}
}

func disassociateAddress(r *run) func(context.Context, []string) error {
	association := r.flags.StringP("association-id", "a", "", "the association, in place of the address")
	return func(ctx context.Context, args []string) error {
		ip, err := addressArgument(args, *association, "-a")
		if err != nil {
			return err
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		in := &ec2.DisassociateAddressInput{AssociationId: given(*association), DryRun: r.dryRun}
		if ip.IsValid() {
			a, err := find(ctx, c, ip)
			if err != nil {
				return err
			}
			in.AssociationId = a.AssociationId
		}
		if in.AssociationId != nil { // an address that nothing has is as it should be
			if _, err := c.DisassociateAddress(ctx, in); err != nil {
				return err
			}
		}
		r.echoAddress(ip, "AssociationId", *association)
		return nil
	}
}

// echoAddress is the record of what gives only success: what was asked for.
func (r *run) echoAddress(ip netip.Addr, title, id string) {
	if ip.IsValid() {
		r.out.add("ADDRESS", column{"PublicIp", ip.String()})
	} else {
		r.out.add("ADDRESS", column{title, id})
	}
}

func releaseAddress(r *run) func(context.Context, []string) error {
	allocation := r.flags.StringP("allocation-id", "a", "", "the allocation, in place of the address")
	return func(ctx context.Context, args []string) error {
		ip, err := addressArgument(args, *allocation, "-a")
		if err != nil {
			return err
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		in := &ec2.ReleaseAddressInput{AllocationId: given(*allocation), DryRun: r.dryRun}
		if ip.IsValid() {
			a, err := find(ctx, c, ip)
			if err != nil {
				return err
			}
			in.AllocationId = a.AllocationId
		}
		if _, err := c.ReleaseAddress(ctx, in); err != nil {
			return err
		}
		r.echoAddress(ip, "AllocationId", *allocation)
		return nil
	}
}

func describeAddresses(r *run) func(context.Context, []string) error {
	where := r.filterOption()
	return func(ctx context.Context, args []string) error {
		conditions, err := filters(*where)
		if err != nil {
			return err
		}
		for _, a := range args {
			if _, err := netip.ParseAddr(a); err != nil && !strings.HasPrefix(a, "eipalloc-") {
				return usage("Invalid IP address '%s'", a)
			}
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		in := &ec2.DescribeAddressesInput{Filters: conditions, DryRun: r.dryRun}
		in.AllocationIds, in.PublicIps = split(args, "eipalloc-")
		out, err := c.DescribeAddresses(ctx, in)
		if err != nil {
			return err
		}
		for _, a := range out.Addresses {
			r.addAddress(a)
			r.addTags("elastic-ip", text(a.AllocationId), a.Tags)
		}
		return nil
	}
}

// addTags prints the tags of a resource behind its record.
func (r *run) addTags(kind, id string, tags []types.Tag) {
	if *r.hideTags {
		return
	}
	for _, t := range tags {
		r.out.add("TAG", column{"ResourceType", kind}, column{"ResourceId", id}, column{"Key", text(t.Key)}, column{"Value", text(t.Value)})
	}
}
