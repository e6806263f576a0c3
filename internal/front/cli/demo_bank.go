package cli

import (
	"fmt"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// bank is session S6: two tiers, groups and network ACLs, and what happens when
// an ACL forgets the way back.
func (s *story) bank() error {
	const ask3306 = "localvpc guest get --wait 20 -m 5 http://{ip-db}:3306/"
	const once3306 = "localvpc guest get -m 1 http://{ip-db}:3306/"
	s.say("A VPC with a public subnet for web servers and a private one for the database.")
	s.vpc()
	s.subnet("front", "10.0.1.0/24")
	s.subnet("back", "10.0.2.0/24")
	s.public("front")

	s.say("Groups: web takes port 80 from everywhere, db port 3306 from the web subnet only.")
	s.group("web-group")
	s.group("db-group")
	s.allow("web-group", 80, "0.0.0.0/0")
	s.allow("db-group", 3306, "10.0.1.0/24")
	s.launch("web", "front", "web-group", 80)
	s.launch("db", "back", "db-group", 3306)
	s.allocate("eip")
	s.associate("eip", "eni-web")
	s.see(internet, "localvpc guest get --wait 20 -m 5 http://{addr-eip}/", 0, "Here is web.")
	s.see("web", ask3306, 0, "Here is db.")

	s.say("The private subnet gets an ACL of its own: in port 3306 from the web subnet, out the ports of the answers.")
	ask(s, "acl", "aws ec2 create-network-acl --vpc-id {vpc}", "CreateNetworkAcl", func() *ec2.CreateNetworkAclInput {
		return &ec2.CreateNetworkAclInput{VpcId: s.id("vpc")}
	}, func(out *ec2.CreateNetworkAclOutput) *string { return out.NetworkAcl.NetworkAclId })
	s.entry("ingress", 3306, 3306, false)
	s.entry("egress", 1024, 65535, true)
	if s.err == nil {
		s.ids["association"], s.err = s.aclAssociation("back")
	}
	tell[ec2.ReplaceNetworkAclAssociationOutput](s, "aws ec2 replace-network-acl-association --association-id {association} --network-acl-id {acl}", "ReplaceNetworkAclAssociation",
		func() *ec2.ReplaceNetworkAclAssociationInput {
			return &ec2.ReplaceNetworkAclAssociationInput{AssociationId: s.id("association"), NetworkAclId: s.id("acl")}
		})
	s.see("web", ask3306, 0, "Here is db.")
	s.why("web", "db", 3306, true)

	s.say("The database reaches nothing outside.")
	s.see("db", "localvpc guest get -m 1 http://{addr-eip}/", 28, "")

	s.say("Without the entry for the answers' ports nothing comes back, though the groups allow it: ACLs keep no state.")
	tell[ec2.DeleteNetworkAclEntryOutput](s, "aws ec2 delete-network-acl-entry --network-acl-id {acl} --egress --rule-number 100", "DeleteNetworkAclEntry", func() *ec2.DeleteNetworkAclEntryInput {
		return &ec2.DeleteNetworkAclEntryInput{NetworkAclId: s.id("acl"), Egress: new(true), RuleNumber: new(int32(100))}
	})
	s.see("web", once3306, 28, "")
	s.why("web", "db", 3306, false)

	s.say("With it, the bank is open again.")
	s.entry("egress", 1024, 65535, true)
	s.see("web", ask3306, 0, "Here is db.")
	return s.err
}

// entry allows the web subnet in the ACL.
func (s *story) entry(direction string, from, to int32, egress bool) {
	tell[ec2.CreateNetworkAclEntryOutput](s, fmt.Sprintf("aws ec2 create-network-acl-entry --network-acl-id {acl} --%s --rule-number 100 --protocol tcp --port-range From=%d,To=%d --cidr-block 10.0.1.0/24 --rule-action allow", direction, from, to),
		"CreateNetworkAclEntry", func() *ec2.CreateNetworkAclEntryInput {
			return &ec2.CreateNetworkAclEntryInput{NetworkAclId: s.id("acl"), Egress: &egress, RuleNumber: new(int32(100)), Protocol: new("6"),
				PortRange: &ec2.PortRange{From: &from, To: &to}, CidrBlock: new("10.0.1.0/24"), RuleAction: new("allow")}
		})
}

// aclAssociation is the id of a subnet's association with its ACL.
func (s *story) aclAssociation(subnet string) (string, error) {
	out, err := call[ec2.DescribeNetworkAclsOutput](s.ctx, s.e, "DescribeNetworkAcls", &ec2.DescribeNetworkAclsInput{
		Filters: []ec2.Filter{{Name: new("association.subnet-id"), Values: []string{s.ids[subnet]}}}})
	if err != nil {
		return "", err
	}
	for _, acl := range out.NetworkAcls {
		for _, a := range acl.Associations {
			if value(a.SubnetId) == s.ids[subnet] {
				return value(a.NetworkAclAssociationId), nil
			}
		}
	}
	return "", fmt.Errorf("the subnet %s has no network ACL", s.ids[subnet])
}
