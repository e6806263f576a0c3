package ec2

import (
	"fmt"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsid"
)

func (w *world) acl(vpcID string) string {
	w.Helper()
	return *call[api.CreateNetworkAclOutput](w, "CreateNetworkAcl", &api.CreateNetworkAclInput{VpcId: &vpcID}).NetworkAcl.NetworkAclId
}

// aclNow describes one ACL.
func (w *world) aclNow(id string) api.NetworkAcl {
	w.Helper()
	return call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{NetworkAclIds: []string{id}}).NetworkAcls[0]
}

// entryText is an entry in one line: "in 100 allow 6 10.0.0.0/8 ports 80-81".
func entryText(e api.NetworkAclEntry) string {
	s := "in"
	if *e.Egress {
		s = "out"
	}
	s += fmt.Sprintf(" %d %s %s %s", *e.RuleNumber, *e.RuleAction, *e.Protocol, val(e.CidrBlock)+val(e.Ipv6CidrBlock))
	if p := e.PortRange; p != nil {
		s += fmt.Sprintf(" ports %d-%d", *p.From, *p.To)
	}
	if i := e.IcmpTypeCode; i != nil {
		s += fmt.Sprintf(" type %d code %d", *i.Type, *i.Code)
	}
	return s
}

func (w *world) wantEntries(acl string, want ...string) {
	w.Helper()
	var got []string
	for _, e := range w.aclNow(acl).Entries {
		got = append(got, entryText(e))
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		w.Errorf("entries:\n%s\nwant:\n%s", a, b)
	}
}

const (
	lastIn  = "in 32767 deny -1 0.0.0.0/0"
	lastOut = "out 32767 deny -1 0.0.0.0/0"
)

// entry is a request for an ingress entry; change makes it another one.
func entry(acl string, number int32, change ...func(*api.CreateNetworkAclEntryInput)) *api.CreateNetworkAclEntryInput {
	in := &api.CreateNetworkAclEntryInput{
		NetworkAclId: &acl, RuleNumber: &number, Egress: ptr(false), RuleAction: ptr("allow"), Protocol: ptr("-1"), CidrBlock: ptr("10.0.0.0/8"),
	}
	for _, fn := range change {
		fn(in)
	}
	return in
}

func TestCreateNetworkAcl(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"network-acls-per-vpc": 3}})
	v := w.vpc("10.0.0.0/16")
	in := &api.CreateNetworkAclInput{VpcId: &v, TagSpecifications: tagSpec("network-acl", "Name", "edge"), ClientToken: ptr("once")}
	made := call[api.CreateNetworkAclOutput](w, "CreateNetworkAcl", in)
	acl := made.NetworkAcl
	if !awsid.Valid("acl", *acl.NetworkAclId) || *acl.VpcId != v || *acl.IsDefault || *acl.OwnerId != w.caller.Account ||
		len(acl.Associations) != 0 || len(acl.Tags) != 1 || *acl.Tags[0].Value != "edge" || *made.ClientToken != "once" {
		t.Errorf("made %+v", acl)
	}
	w.wantEntries(*acl.NetworkAclId, lastIn, lastOut)
	if again := call[api.CreateNetworkAclOutput](w, "CreateNetworkAcl", in); *again.NetworkAcl.NetworkAclId != *acl.NetworkAclId {
		t.Errorf("the same token made %s and %s", *acl.NetworkAclId, *again.NetworkAcl.NetworkAclId)
	}
	w.acl(v)
	for name, c := range map[string]struct {
		in         api.CreateNetworkAclInput
		code, text string
	}{
		"quota":      {api.CreateNetworkAclInput{VpcId: &v}, "NetworkAclLimitExceeded", "The maximum number of network ACLs has been reached."},
		"malformed":  {api.CreateNetworkAclInput{VpcId: ptr("vpc")}, "InvalidVpcID.Malformed", "vpc"},
		"unknown":    {api.CreateNetworkAclInput{VpcId: ptr("vpc-01234567")}, "InvalidVpcID.NotFound", "The vpc ID 'vpc-01234567' does not exist"},
		"wrong tags": {api.CreateNetworkAclInput{VpcId: &v, TagSpecifications: tagSpec("vpc", "a", "b")}, "InvalidParameterValue", "'vpc' is not a valid taggable resource type"},
	} {
		t.Run(name, func(t *testing.T) { w.in(t).fails("CreateNetworkAcl", &c.in, c.code, c.text) })
	}
	w.as("210987654321", "us-east-1").fails("CreateNetworkAcl", &api.CreateNetworkAclInput{VpcId: &v}, "InvalidVpcID.NotFound", v)
}

func TestDeleteNetworkAcl(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub := w.subnet(v, "10.0.1.0/24")
	def := call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{Filters: filtersOf("default", "true")}).NetworkAcls[0]
	acl := w.acl(v)
	remove := func(id string) *api.DeleteNetworkAclInput { return &api.DeleteNetworkAclInput{NetworkAclId: &id} }
	w.fails("DeleteNetworkAcl", remove(*def.NetworkAclId), "InvalidParameterValue", "cannot delete default network ACL "+*def.NetworkAclId)
	w.fails("DeleteNetworkAcl", remove("acl"), "InvalidNetworkAclId.Malformed", "acl")
	w.fails("DeleteNetworkAcl", remove("acl-01234567"), "InvalidNetworkAclID.NotFound", "The networkAcl ID 'acl-01234567' does not exist")
	w.as("210987654321", "us-east-1").fails("DeleteNetworkAcl", remove(acl), "InvalidNetworkAclID.NotFound", acl)

	call[api.ReplaceNetworkAclAssociationOutput](w, "ReplaceNetworkAclAssociation",
		&api.ReplaceNetworkAclAssociationInput{AssociationId: def.Associations[0].NetworkAclAssociationId, NetworkAclId: &acl})
	w.fails("DeleteNetworkAcl", remove(acl), "DependencyViolation", "The networkAcl '"+acl+"' has dependencies and cannot be deleted.")
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &sub})
	w.fails("DeleteVpc", &api.DeleteVpcInput{VpcId: &v}, "DependencyViolation", "The vpc '"+v+"' has dependencies and cannot be deleted.")
	call[api.DeleteNetworkAclOutput](w, "DeleteNetworkAcl", remove(acl))
	w.fails("DeleteNetworkAcl", remove(acl), "InvalidNetworkAclID.NotFound", acl)
	call[api.DeleteVpcOutput](w, "DeleteVpc", &api.DeleteVpcInput{VpcId: &v})
}

func TestReplaceNetworkAclAssociation(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub, other := w.subnet(v, "10.0.1.0/24"), w.subnet(v, "10.0.2.0/24")
	of := func(subnet string) (acl, association string) {
		w.Helper()
		acls := call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{Filters: filtersOf("association.subnet-id", subnet)}).NetworkAcls
		if len(acls) != 1 {
			t.Fatalf("%s has %d ACLs", subnet, len(acls))
		}
		for _, a := range acls[0].Associations {
			if *a.SubnetId == subnet {
				association = *a.NetworkAclAssociationId
			}
		}
		return *acls[0].NetworkAclId, association
	}
	replace := func(association, acl string) *api.ReplaceNetworkAclAssociationInput {
		return &api.ReplaceNetworkAclAssociationInput{AssociationId: &association, NetworkAclId: &acl}
	}
	def, first := of(sub)
	acl := w.acl(v)
	foreign := w.acl(w.vpc("10.1.0.0/16"))
	for name, c := range map[string]struct {
		in         *api.ReplaceNetworkAclAssociationInput
		code, text string
	}{
		"malformed association": {replace("rtbassoc-01234567", acl), "InvalidAssociationID.Malformed", "aclassoc-"},
		"unknown association":   {replace("aclassoc-01234567", acl), "InvalidAssociationID.NotFound", "The association ID 'aclassoc-01234567' does not exist"},
		"malformed ACL":         {replace(first, "acl"), "InvalidNetworkAclId.Malformed", "acl"},
		"unknown ACL":           {replace(first, "acl-01234567"), "InvalidNetworkAclID.NotFound", "The networkAcl ID 'acl-01234567' does not exist"},
		"another VPC":           {replace(first, foreign), "InvalidParameterValue", "belong to different networks"},
	} {
		t.Run(name, func(t *testing.T) { w.in(t).fails("ReplaceNetworkAclAssociation", c.in, c.code, c.text) })
	}
	second := *call[api.ReplaceNetworkAclAssociationOutput](w, "ReplaceNetworkAclAssociation", replace(first, acl)).NewAssociationId
	if !awsid.Valid("aclassoc", second) || second == first {
		t.Errorf("associations %s, %s", first, second)
	}
	if a, id := of(sub); a != acl || id != second {
		t.Errorf("after: %s by %s, want %s by %s", a, id, acl, second)
	}
	if a, _ := of(other); a != def {
		t.Errorf("the other subnet has %s, want %s", a, def)
	}
	w.fails("ReplaceNetworkAclAssociation", replace(first, acl), "InvalidAssociationID.NotFound", first)
	third := *call[api.ReplaceNetworkAclAssociationOutput](w, "ReplaceNetworkAclAssociation", replace(second, acl)).NewAssociationId
	if a, id := of(sub); a != acl || id != third || third == second || len(w.aclNow(acl).Associations) != 1 {
		t.Errorf("replaced by itself: %s by %s, want %s by %s", a, id, acl, third)
	}
	call[api.ReplaceNetworkAclAssociationOutput](w, "ReplaceNetworkAclAssociation", replace(third, def))
	if a, _ := of(sub); a != def || len(w.aclNow(acl).Associations) != 0 || len(w.aclNow(def).Associations) != 2 {
		t.Errorf("back at the default: %s", a)
	}
}

func TestNetworkAclEntries(t *testing.T) {
	w := newWorld(t)
	acl := w.acl(w.vpc("10.0.0.0/16"))
	type in = *api.CreateNetworkAclEntryInput
	create := func(number int32, change ...func(in)) {
		w.Helper()
		call[api.CreateNetworkAclEntryOutput](w, "CreateNetworkAclEntry", entry(acl, number, change...))
	}
	protocol := func(p string, from, to int32) func(in) {
		return func(r in) { r.Protocol, r.PortRange = &p, &api.PortRange{From: &from, To: &to} }
	}
	icmp := func(p string, kind, code int32) func(in) {
		return func(r in) { r.Protocol, r.IcmpTypeCode = &p, &api.IcmpTypeCode{Type: &kind, Code: &code} }
	}
	v6 := func(r in) { r.CidrBlock, r.Ipv6CidrBlock = nil, ptr("2001:db8::1/32") }
	out := func(r in) { r.Egress = ptr(true) }
	create(32766, func(r in) { r.RuleAction, r.CidrBlock = ptr("DENY"), ptr("100.68.0.18/18") })
	create(200, protocol("TCP", 80, 81))
	create(100, protocol("17", 0, 65535))
	create(1, icmp("icmp", 8, 0), out)
	create(2, icmp("1", -1, -1), out)
	create(100, protocol("50", 1, 2), out) // ports of protocols without ports are not kept
	create(110, v6)
	create(120, v6, icmp("58", 128, -1))
	create(130, func(r in) { r.Protocol = ptr("icmpv6") }) // of IPv4: without type and code
	create(140, func(r in) { r.Protocol = ptr("all") })
	w.wantEntries(acl,
		"in 100 allow 17 10.0.0.0/8 ports 0-65535",
		"in 130 allow 58 10.0.0.0/8 type -1 code -1",
		"in 140 allow -1 10.0.0.0/8",
		"in 200 allow 6 10.0.0.0/8 ports 80-81",
		"in 32766 deny -1 100.68.0.0/18",
		lastIn,
		"in 110 allow -1 2001:db8::/32",
		"in 120 allow 58 2001:db8::/32 type 128 code -1",
		"out 1 allow 1 10.0.0.0/8 type 8 code 0",
		"out 2 allow 1 10.0.0.0/8 type -1 code -1",
		"out 100 allow 50 10.0.0.0/8",
		lastOut,
	)
	for name, c := range map[string]struct {
		number     int32
		change     func(in)
		code, text string
	}{
		"number 0":           {0, nil, "InvalidParameterValue", "Value (0) for parameter ruleNumber is invalid."},
		"number negative":    {-5, nil, "InvalidParameterValue", "ruleNumber"},
		"number of the last": {32767, nil, "InvalidParameterValue", "ruleNumber"},
		"number too large":   {1 << 30, nil, "InvalidParameterValue", "ruleNumber"},
		"malformed ACL":      {10, func(r in) { r.NetworkAclId = ptr("acl") }, "InvalidNetworkAclId.Malformed", "acl"},
		"unknown ACL":        {10, func(r in) { r.NetworkAclId = ptr("acl-01234567") }, "InvalidNetworkAclID.NotFound", "The networkAcl ID 'acl-01234567' does not exist"},
		"no block":           {10, func(r in) { r.CidrBlock = nil }, "MissingParameter", "The request must contain the parameter cidrBlock"},
		"two blocks":         {10, func(r in) { r.Ipv6CidrBlock = ptr("::/0") }, "InvalidParameterCombination", "ipv6CidrBlock"},
		"bad block":          {10, func(r in) { r.CidrBlock = ptr("10.0.0.0/33") }, "InvalidParameterValue", "Value (10.0.0.0/33) for parameter cidrBlock is invalid. This is not a valid CIDR block."},
		"no prefix":          {10, func(r in) { r.CidrBlock = ptr("10.0.0.0") }, "InvalidParameterValue", "cidrBlock"},
		"IPv6 as IPv4":       {10, func(r in) { r.CidrBlock = ptr("::/0") }, "InvalidParameterValue", "cidrBlock"},
		"IPv4 as IPv6":       {10, func(r in) { r.CidrBlock, r.Ipv6CidrBlock = nil, ptr("10.0.0.0/8") }, "InvalidParameterValue", "ipv6CidrBlock"},
		"unknown protocol":   {10, func(r in) { r.Protocol = ptr("carrier-pigeon") }, "InvalidParameterValue", "Invalid value 'carrier-pigeon' for IP protocol. Unknown protocol."},
		"protocol too large": {10, func(r in) { r.Protocol = ptr("256") }, "InvalidParameterValue", "256"},
		"TCP without ports":  {10, func(r in) { r.Protocol = ptr("6") }, "MissingParameter", "portRange.from"},
		"UDP without an end": {10, func(r in) { r.Protocol, r.PortRange = ptr("udp"), &api.PortRange{From: ptr(int32(5))} }, "MissingParameter", "portRange.to"},
		"ports swapped":      {10, protocol("tcp", 90, 80), "InvalidParameterValue", "Invalid TCP/UDP port range (90:80)"},
		"port too large":     {10, protocol("tcp", 0, 65536), "InvalidParameterValue", "65536"},
		"port negative":      {10, protocol("tcp", -1, 80), "InvalidParameterValue", "-1"},
		"ICMP without type":  {10, func(r in) { r.Protocol = ptr("icmp") }, "MissingParameter", "The request must contain the parameter icmpTypeCode.type"},
		"ICMP without code":  {10, func(r in) { r.Protocol, r.IcmpTypeCode = ptr("1"), &api.IcmpTypeCode{Type: ptr(int32(8))} }, "MissingParameter", "icmpTypeCode.code"},
		"ICMPv6 without":     {10, func(r in) { v6(r); r.Protocol = ptr("58") }, "MissingParameter", "icmpTypeCode.type"},
		"ICMP type":          {10, icmp("1", 256, 0), "InvalidParameterValue", "256"},
		"ICMP all, one code": {10, icmp("1", -1, 0), "InvalidParameterValue", "ICMP"},
		"same number":        {200, nil, "NetworkAclEntryAlreadyExists", "The network acl entry identified by 200 already exists."},
		"same, IPv6":         {200, v6, "NetworkAclEntryAlreadyExists", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			r := entry(acl, c.number)
			if c.change != nil {
				c.change(r)
			}
			w := w.in(t)
			w.fails("CreateNetworkAclEntry", r, c.code, c.text)
			if c.code != "NetworkAclEntryAlreadyExists" {
				w.fails("ReplaceNetworkAclEntry", (*api.ReplaceNetworkAclEntryInput)(r), c.code, c.text)
			}
		})
	}
	w.as("210987654321", "us-east-1").fails("CreateNetworkAclEntry", entry(acl, 10), "InvalidNetworkAclID.NotFound", acl)
}

func TestReplaceAndDeleteNetworkAclEntry(t *testing.T) {
	w := newWorld(t)
	acl := w.acl(w.vpc("10.0.0.0/16"))
	replace := func(number int32, change ...func(*api.CreateNetworkAclEntryInput)) *api.ReplaceNetworkAclEntryInput {
		return (*api.ReplaceNetworkAclEntryInput)(entry(acl, number, change...))
	}
	remove := func(number int32, egress bool) *api.DeleteNetworkAclEntryInput {
		return &api.DeleteNetworkAclEntryInput{NetworkAclId: &acl, RuleNumber: &number, Egress: &egress}
	}
	call[api.CreateNetworkAclEntryOutput](w, "CreateNetworkAclEntry", entry(acl, 100))
	call[api.ReplaceNetworkAclEntryOutput](w, "ReplaceNetworkAclEntry", replace(100, func(r *api.CreateNetworkAclEntryInput) {
		r.RuleAction, r.Protocol, r.PortRange = ptr("deny"), ptr("6"), &api.PortRange{From: ptr(int32(22)), To: ptr(int32(22))}
	}))
	w.wantEntries(acl, "in 100 deny 6 10.0.0.0/8 ports 22-22", lastIn, lastOut)
	w.fails("ReplaceNetworkAclEntry", replace(101), "InvalidNetworkAclEntry.NotFound", "The network acl entry identified by 101 does not exist.")
	w.fails("ReplaceNetworkAclEntry", replace(100, func(r *api.CreateNetworkAclEntryInput) { r.Egress = ptr(true) }), "InvalidNetworkAclEntry.NotFound", "100")
	w.fails("DeleteNetworkAclEntry", remove(100, true), "InvalidNetworkAclEntry.NotFound", "The network acl entry identified by 100 does not exist.")
	w.fails("DeleteNetworkAclEntry", remove(32767, true), "InvalidParameterValue", "ruleNumber")
	w.fails("DeleteNetworkAclEntry", &api.DeleteNetworkAclEntryInput{NetworkAclId: ptr("acl-01234567"), RuleNumber: ptr(int32(100)), Egress: ptr(false)}, "InvalidNetworkAclID.NotFound", "acl-01234567")
	call[api.DeleteNetworkAclEntryOutput](w, "DeleteNetworkAclEntry", remove(100, false))
	w.wantEntries(acl, lastIn, lastOut)
	w.fails("DeleteNetworkAclEntry", remove(100, false), "InvalidNetworkAclEntry.NotFound", "100")
}

// TestNetworkAclEntryQuota: 20 each way and for each IP version, the entry that
// denies the rest included.
func TestNetworkAclEntryQuota(t *testing.T) {
	w := newWorld(t)
	acl := w.acl(w.vpc("10.0.0.0/16"))
	v6 := func(r *api.CreateNetworkAclEntryInput) { r.CidrBlock, r.Ipv6CidrBlock = nil, ptr("::/0") }
	out := func(r *api.CreateNetworkAclEntryInput) { r.Egress = ptr(true) }
	full := func(n int32, change ...func(*api.CreateNetworkAclEntryInput)) {
		w.Helper()
		for i := range int32(19) {
			call[api.CreateNetworkAclEntryOutput](w, "CreateNetworkAclEntry", entry(acl, n+i, change...))
		}
		w.fails("CreateNetworkAclEntry", entry(acl, n+19, change...), "NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.")
	}
	full(1)
	full(1, out)
	full(100, v6)
	w.fails("ReplaceNetworkAclEntry", (*api.ReplaceNetworkAclEntryInput)(entry(acl, 5, v6)), "NetworkAclEntryLimitExceeded", "")
	call[api.ReplaceNetworkAclEntryOutput](w, "ReplaceNetworkAclEntry", (*api.ReplaceNetworkAclEntryInput)(entry(acl, 5)))
}
