package ec2

import (
	"net/netip"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

func TestNetworkAclFilters(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	def := *call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{}).NetworkAcls[0].NetworkAclId
	own := "acl-0123456789abcdef0"
	w.write(func(tx *state.Tx) {
		state.NetworkAcls.Put(tx, &state.NetworkAcl{
			Meta: state.Meta{Key: w.caller.Scope.Key(own)}, VpcID: v,
			Entries: []state.NetworkAclEntry{
				{Number: 10, Protocol: "6", Cidr: netip.MustParsePrefix("10.1.0.0/16"), FromPort: 22, ToPort: 23},
				{Number: 20, Protocol: "17", Cidr: netip.MustParsePrefix("2600::/56"), FromPort: -1, ToPort: -1, Egress: true, Allow: true},
				{Number: 30, Protocol: "1", Cidr: netip.MustParsePrefix("10.1.0.0/16"), ICMPType: 8, ICMPCode: -1},
			},
			Associations: []state.NetworkAclAssociation{{ID: "aclassoc-0123456789abcdef0", SubnetID: "subnet-0123456789abcdef0"}},
		})
	})
	for _, c := range []struct {
		name, values string
		want         []string
	}{
		{"association.association-id", "aclassoc-0123456789abcdef0", []string{own}},
		{"association.network-acl-id", own + "," + def, []string{own}},
		{"association.subnet-id", "subnet-0123456789abcdef0", []string{own}},
		{"default", "true", []string{def}},
		{"default", "false", []string{own}},
		{"entry.cidr", "10.1.0.0/16", []string{own}},
		{"entry.cidr", "0.0.0.0/0", []string{def}},
		{"entry.ipv6-cidr", "2600::/56", []string{own}},
		{"entry.icmp.type", "8", []string{own}},
		{"entry.icmp.code", "-1", []string{own}},
		{"entry.port-range.from", "22", []string{own}},
		{"entry.port-range.to", "65535", []string{own}},
		{"entry.protocol", "-1", []string{def}},
		{"entry.rule-action", "deny", []string{def, own}},
		{"entry.egress", "true", []string{def, own}},
		{"entry.rule-number", "32767", []string{def}},
		{"network-acl-id", own, []string{own}},
		{"owner-id", "123456789012", []string{def, own}},
		{"vpc-id", v, []string{def, own}},
	} {
		t.Run(c.name+" "+c.values, func(t *testing.T) {
			out := call[api.DescribeNetworkAclsOutput](w.in(t), "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{Filters: filtersOf(c.name, c.values)})
			wantSame(t, ids(out.NetworkAcls, func(a api.NetworkAcl) *string { return a.NetworkAclId }), c.want)
		})
	}
	shown := call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{NetworkAclIds: []string{own}}).NetworkAcls[0].Entries
	if p := shown[0].PortRange; *p.From != 22 || *p.To != 23 || shown[0].IcmpTypeCode != nil || shown[0].Ipv6CidrBlock != nil {
		t.Errorf("TCP: %+v", shown[0])
	}
	if p := shown[1].PortRange; *p.From != 0 || *p.To != 65535 || *shown[1].Ipv6CidrBlock != "2600::/56" || shown[1].CidrBlock != nil {
		t.Errorf("UDP: %+v", shown[1])
	}
	if i := shown[2].IcmpTypeCode; *i.Type != 8 || *i.Code != -1 || shown[2].PortRange != nil {
		t.Errorf("ICMP: %+v", shown[2])
	}
	w.fails("DescribeNetworkAcls", &api.DescribeNetworkAclsInput{NetworkAclIds: []string{"acl-01234567"}}, "InvalidNetworkAclID.NotFound", "The networkAcl ID 'acl-01234567' does not exist")
	w.fails("DescribeNetworkAcls", &api.DescribeNetworkAclsInput{NetworkAclIds: []string{"x"}}, "InvalidNetworkAclId.Malformed", "x")
}
