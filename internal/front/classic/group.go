package classic

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func groupCommands() []command {
	return []command{
		{
			use: "ec2-add-group GROUP -d DESCRIPTION", aliases: []string{"ec2addgrp", "ec2-create-group"},
			short: "Make a security group", example: "  ec2-add-group websrv -d 'Web servers'\n  ec2-add-group websrv -d 'Web servers' -c vpc-0123456789abcdef0", build: addGroup,
		},
		{
			use: "ec2-delete-group GROUP", aliases: []string{"ec2delgrp"}, short: "Delete a security group",
			long: groupByName, example: "  ec2-delete-group websrv", build: deleteGroup,
		},
		{
			use: "ec2-describe-group [GROUP]...", aliases: []string{"ec2dgrp"}, short: "List security groups with their rules",
			long: groupByName, example: "  ec2-describe-group websrv\n  ec2-describe-group -H -F 'group-name=web*'", build: describeGroup,
		},
	}
}

// groupByName is what AWS does with names.
const groupByName = "GROUP is the name of a group of the default VPC, or the id of any (sg-…)."

// groupParameters are a group as the API wants to be told of it.
func groupParameters(group string) (id, name *string) {
	if strings.HasPrefix(group, "sg-") {
		return &group, nil
	}
	return nil, &group
}

func addGroup(r *run) func(context.Context, []string) error {
	description := r.flags.StringP("description", "d", "", "what the group is for")
	vpc := r.flags.StringP("vpc", "c", "", "the VPC (default: the default VPC)")
	return func(ctx context.Context, args []string) error {
		name, err := one("GROUP", args)
		if err != nil {
			return err
		}
		if *description == "" {
			return missing("option", "-d, --description DESCRIPTION")
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		out, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: description, VpcId: given(*vpc), DryRun: r.dryRun})
		if err != nil {
			return err
		}
		r.out.add("GROUP", column{"Id", text(out.GroupId)}, column{"Name", name}, column{"Description", *description})
		return nil
	}
}

func deleteGroup(r *run) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		group, err := one("GROUP", args)
		if err != nil {
			return err
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		in := &ec2.DeleteSecurityGroupInput{DryRun: r.dryRun}
		in.GroupId, in.GroupName = groupParameters(group)
		if _, err := c.DeleteSecurityGroup(ctx, in); err != nil {
			return err
		}
		r.out.add("RETURN", column{"Return", "true"}) // in no source: as other commands whose action answers only that
		return nil
	}
}

func describeGroup(r *run) func(context.Context, []string) error {
	where := r.filterOption()
	return func(ctx context.Context, args []string) error {
		conditions, err := filters(*where)
		if err != nil {
			return err
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		in := &ec2.DescribeSecurityGroupsInput{Filters: conditions, DryRun: r.dryRun}
		in.GroupIds, in.GroupNames = split(args, "sg-")
		for pages := ec2.NewDescribeSecurityGroupsPaginator(c, in); pages.HasMorePages(); {
			out, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, g := range out.SecurityGroups {
				r.addGroup(g)
			}
		}
		return nil
	}
}

func (r *run) addGroup(g types.SecurityGroup) {
	r.out.add("GROUP", column{"Id", text(g.GroupId)}, column{"Owner", text(g.OwnerId)}, column{"Name", text(g.GroupName)},
		column{"Description", text(g.Description)}, column{"VpcID", text(g.VpcId)})
	for _, p := range g.IpPermissions {
		r.addPermission(text(g.OwnerId), text(g.GroupName), p, false)
	}
	for _, p := range g.IpPermissionsEgress {
		r.addPermission(text(g.OwnerId), text(g.GroupName), p, true)
	}
	r.addTags("security-group", text(g.GroupId), g.Tags)
}
