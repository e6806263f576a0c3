package classic

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func permissionCommands() []command {
	const use = " GROUP [-P PROTOCOL] {-p PORTS | -t TYPE:CODE} [-s CIDR]... [-u ACCOUNT -o GROUP]..."
	const forms = `With -s, or with no source at all (which is 0.0.0.0/0), the protocol is tcp unless
-P says another. With -o, -P has to be said, and -u for the account of each group.
` + groupByName
	return []command{
		{
			use: "ec2-authorize" + use, aliases: []string{"ec2auth"}, short: "Add a rule to a security group", long: forms,
			example: "  ec2-authorize dbserver -p 3306 -s 10.226.14.202/32\n  ec2-authorize dbserver -P tcp -p 3306 -u 123456789012 -o appserver\n  ec2-authorize websrv -P icmp -t -1:-1",
			build:   func(r *run) func(context.Context, []string) error { return permit(r, authorize) },
		},
		{
			use: "ec2-revoke" + use, aliases: []string{"ec2revoke"}, short: "Remove a rule from a security group", long: forms,
			example: "  ec2-revoke dbserver -p 3306 -s 10.226.14.202/32",
			build:   func(r *run) func(context.Context, []string) error { return permit(r, revoke) },
		},
	}
}

// rule is what the options of ec2-authorize and ec2-revoke say.
type rule struct {
	protocol, ports, icmp string
	users, groups, cidrs  []string
	egress                bool
}

func permit(r *run, change func(context.Context, *ec2.Client, string, types.IpPermission, bool, *bool) error) func(context.Context, []string) error {
	var said rule
	r.flags.StringVarP(&said.protocol, "protocol", "P", "", "tcp, udp, icmp, all, or a number (default with -s: tcp)")
	r.flags.StringVarP(&said.ports, "port-range", "p", "", "a port, FROM-TO, or -1 for all")
	r.flags.StringVarP(&said.icmp, "icmp-type-code", "t", "", "TYPE:CODE; -1 is any")
	r.flags.StringArrayVarP(&said.users, "source-or-dest-group-user", "u", nil, "account of the group, one for each -o")
	r.flags.StringArrayVarP(&said.groups, "source-or-dest-group", "o", nil, "name or id of a group")
	r.flags.StringArrayVarP(&said.cidrs, "source-or-dest-cidr", "s", nil, "CIDR (default, without -o: 0.0.0.0/0)")
	r.flags.BoolVar(&said.egress, "egress", false, "a rule for what leaves the group")
	return func(ctx context.Context, args []string) error {
		group, err := one("GROUP", args)
		if err != nil {
			return err
		}
		p, err := said.permission()
		if err != nil {
			return err
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		if err := change(ctx, c, group, p, said.egress, r.dryRun); err != nil {
			return err
		}
		id, name := groupParameters(group)
		r.out.add("GROUP", column{"Id", text(id)}, column{"Owner", ""}, column{"Name", text(name)}, column{"Description", ""}, column{"VpcID", ""})
		r.addPermission("", text(name), p, said.egress)
		return nil
	}
}

// permission is the rule for the API, or what is wrong with it: nothing is asked
// of the service then.
func (s rule) permission() (types.IpPermission, error) {
	var p types.IpPermission
	switch {
	case len(s.groups) > 0 && len(s.cidrs) > 0:
		return p, usage("Options '-o' and '-s' exclude each other: a rule is for groups or for addresses")
	case len(s.groups) > 0 && s.protocol == "":
		return p, missing("option", "-P, --protocol PROTOCOL")
	case len(s.users) != len(s.groups) && len(s.users) == 0:
		return p, missing("option", "-u, --source-or-dest-group-user ACCOUNT")
	case len(s.groups) == 0 && len(s.users) > 0:
		return p, missing("option", "-o, --source-or-dest-group GROUP")
	case len(s.users) != len(s.groups):
		return p, usage("Each '-o' needs a '-u' of its own: there are %d groups and %d accounts", len(s.groups), len(s.users))
	}
	protocol := strings.ToLower(s.protocol)
	switch {
	case protocol == "" && s.icmp != "" && s.ports == "", protocol == "1":
		protocol = "icmp"
	case protocol == "", protocol == "6":
		protocol = "tcp"
	case protocol == "17":
		protocol = "udp"
	case protocol == "all":
		protocol = "-1"
	}
	p.IpProtocol = &protocol
	if err := s.ranges(&p); err != nil {
		return p, err
	}
	for i, g := range s.groups {
		if len(s.users[i]) != 12 || strings.Trim(s.users[i], "0123456789") != "" {
			return p, usage("Invalid account '%s': it has 12 digits", s.users[i])
		}
		pair := types.UserIdGroupPair{UserId: &s.users[i]}
		pair.GroupId, pair.GroupName = groupParameters(g)
		p.UserIdGroupPairs = append(p.UserIdGroupPairs, pair)
	}
	cidrs := s.cidrs
	if len(s.groups) == 0 && len(cidrs) == 0 {
		cidrs = []string{"0.0.0.0/0"}
	}
	for _, text := range cidrs {
		cidr, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return p, usage("Invalid CIDR '%s': it is like '10.226.14.202/32'", text)
		case cidr.Addr().Is4():
			p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: aws.String(text)})
		default:
			p.Ipv6Ranges = append(p.Ipv6Ranges, types.Ipv6Range{CidrIpv6: aws.String(text)})
		}
	}
	return p, nil
}

// ranges sets ports, or type and code.
func (s rule) ranges(p *types.IpPermission) error {
	switch *p.IpProtocol {
	case "tcp", "udp":
		switch {
		case s.icmp != "":
			return usage("Option '-t' is for icmp, not for %s", *p.IpProtocol)
		case s.ports == "":
			return missing("option", "-p, --port-range PORTS")
		}
		return s.portRange(p)
	case "icmp", "icmpv6", "58":
		if s.ports != "" {
			return usage("Option '-p' is for tcp and udp: icmp has '-t TYPE:CODE'")
		}
		if s.icmp == "" {
			return missing("option", "-t, --icmp-type-code TYPE:CODE")
		}
		kind, code, ok := strings.Cut(s.icmp, ":")
		from, okFrom := between(kind, -1, 255)
		to, okTo := between(code, -1, 255)
		if !ok || !okFrom || !okTo {
			return usage("Invalid type and code '%s': they are like '8:-1'", s.icmp)
		}
		p.FromPort, p.ToPort = &from, &to
		return nil
	}
	if s.icmp != "" {
		return usage("Option '-t' is for icmp")
	}
	if n, ok := between(*p.IpProtocol, -1, 255); !ok {
		return usage("Invalid protocol '%s': it is tcp, udp, icmp, all, or a number", *p.IpProtocol)
	} else if s.ports != "" && n != -1 {
		return usage("Option '-p' is for tcp and udp, not for protocol %d", n)
	}
	return nil
}

func (s rule) portRange(p *types.IpPermission) error {
	if s.ports == "-1" {
		p.FromPort, p.ToPort = aws.Int32(0), aws.Int32(65535)
		return nil
	}
	low, high, both := strings.Cut(s.ports, "-")
	if !both {
		high = low
	}
	from, okFrom := between(low, 0, 65535)
	to, okTo := between(high, 0, 65535)
	if !okFrom || !okTo || from > to {
		return usage("Invalid port range '%s': it is like '80', '80-84' or '-1'", s.ports)
	}
	p.FromPort, p.ToPort = &from, &to
	return nil
}

func between(text string, low, high int) (int32, bool) {
	n, err := strconv.Atoi(text)
	return int32(n), err == nil && n >= low && n <= high
}

func authorize(ctx context.Context, c *ec2.Client, group string, p types.IpPermission, egress bool, dryRun *bool) error {
	permissions := []types.IpPermission{p}
	id, name := groupParameters(group)
	if !egress {
		_, err := c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: id, GroupName: name, IpPermissions: permissions, DryRun: dryRun})
		return err
	}
	id, err := groupID(ctx, c, group)
	if err != nil {
		return err
	}
	_, err = c.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: id, IpPermissions: permissions, DryRun: dryRun})
	return err
}

func revoke(ctx context.Context, c *ec2.Client, group string, p types.IpPermission, egress bool, dryRun *bool) error {
	permissions := []types.IpPermission{p}
	id, name := groupParameters(group)
	if !egress {
		_, err := c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: id, GroupName: name, IpPermissions: permissions, DryRun: dryRun})
		return err
	}
	id, err := groupID(ctx, c, group)
	if err != nil {
		return err
	}
	_, err = c.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: id, IpPermissions: permissions, DryRun: dryRun})
	return err
}

// groupID finds the id of a group: rules for egress are told by nothing else.
func groupID(ctx context.Context, c *ec2.Client, group string) (*string, error) {
	id, name := groupParameters(group)
	if id != nil {
		return id, nil
	}
	out, err := c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{*name}})
	if err != nil {
		return nil, err
	}
	if len(out.SecurityGroups) != 1 {
		return nil, usage("There is no group '%s' in the default VPC: give its id", *name)
	}
	return out.SecurityGroups[0].GroupId, nil
}

// addPermission prints one record for each source of a permission. Of a group
// in a VPC AWS gives the id alone; the column of its name stays where it is.
func (r *run) addPermission(owner, group string, p types.IpPermission, egress bool) {
	direction, way := "ingress", "FROM"
	if egress {
		direction, way = "egress", "TO"
	}
	protocol := text(p.IpProtocol)
	if protocol == "-1" {
		protocol = "all"
	}
	add := func(source ...column) {
		columns := []column{
			{"Owner", owner}, {"GroupName", group}, {"Type", "ALLOWS"}, {"Protocol", protocol}, {"FromPort", number(p.FromPort)}, {"ToPort", number(p.ToPort)}, {"Way", way},
		}
		r.out.add("PERMISSION", append(append(columns, source...), column{"Direction", direction})...)
	}
	for _, g := range p.UserIdGroupPairs {
		var name, id string
		if g.GroupName != nil {
			name = "NAME " + *g.GroupName
		}
		if g.GroupId != nil {
			id = "ID " + *g.GroupId
		}
		add(column{"Source", "USER"}, column{"UserId", text(g.UserId)}, column{"GroupName", name}, column{"GroupId", id})
	}
	for _, c := range p.IpRanges {
		add(column{"Source", "CIDR"}, column{"Cidr", text(c.CidrIp)})
	}
	for _, c := range p.Ipv6Ranges { // in no source: the tools knew IPv4
		add(column{"Source", "CIDR"}, column{"Cidr", text(c.CidrIpv6)})
	}
	for _, l := range p.PrefixListIds { // nor prefix lists
		add(column{"Source", "PREFIXLIST"}, column{"PrefixListId", text(l.PrefixListId)})
	}
}
