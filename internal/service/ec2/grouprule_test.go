package ec2

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

// permission is one permission with peers: blocks of either version, or groups.
func permission(protocol string, from, to int32, peers ...string) []api.IpPermission {
	p := api.IpPermission{IpProtocol: &protocol, FromPort: &from, ToPort: &to}
	for _, peer := range peers {
		switch {
		case strings.HasPrefix(peer, "sg-"):
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, api.UserIdGroupPair{GroupId: &peer})
		case strings.Contains(peer, ":"):
			p.Ipv6Ranges = append(p.Ipv6Ranges, api.Ipv6Range{CidrIpv6: &peer})
		default:
			p.IpRanges = append(p.IpRanges, api.IpRange{CidrIp: &peer})
		}
	}
	return []api.IpPermission{p}
}

// allow lets something into a group.
func (w *world) allow(group, protocol string, from, to int32, peers ...string) []api.SecurityGroupRule {
	w.Helper()
	return call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpPermissions: permission(protocol, from, to, peers...)}).SecurityGroupRules
}

// ingress is what a group lets in, as permissionText spells it.
func (w *world) ingress(group string) string {
	w.Helper()
	return permissionText(w.showGroup(group).IpPermissions)
}

func TestAuthorize(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	web, lb := w.group(v, "web"), w.group(v, "lb")
	out := call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{
		GroupId: &web,
		IpPermissions: []api.IpPermission{{
			IpProtocol: ptr("TCP"), FromPort: ptr(int32(80)), ToPort: ptr(int32(80)),
			IpRanges:         []api.IpRange{{CidrIp: ptr("192.0.2.77/24"), Description: ptr("office")}},
			Ipv6Ranges:       []api.Ipv6Range{{CidrIpv6: ptr("2001:db8::1/32")}},
			UserIdGroupPairs: []api.UserIdGroupPair{{GroupId: &lb, UserId: ptr("123456789012"), Description: ptr("balancer")}},
		}},
		TagSpecifications: tagSpec("security-group-rule", "why", "test"),
	})
	if !*out.Return || len(out.SecurityGroupRules) != 3 {
		t.Fatalf("%+v", out)
	}
	for _, r := range out.SecurityGroupRules {
		if !awsid.Valid("sgr", *r.SecurityGroupRuleId) || *r.SecurityGroupRuleArn != "arn:aws:ec2:us-east-1:123456789012:security-group-rule/"+*r.SecurityGroupRuleId ||
			*r.GroupId != web || *r.GroupOwnerId != "123456789012" || *r.IsEgress || *r.IpProtocol != "tcp" || *r.FromPort != 80 || *r.ToPort != 80 || *r.Tags[0].Value != "test" {
			t.Errorf("%+v", r)
		}
	}
	four, six, ref := out.SecurityGroupRules[0], out.SecurityGroupRules[1], out.SecurityGroupRules[2]
	if *four.CidrIpv4 != "192.0.2.0/24" || *four.Description != "office" || four.CidrIpv6 != nil || four.ReferencedGroupInfo != nil {
		t.Errorf("IPv4 rule %+v", four)
	}
	if *six.CidrIpv6 != "2001:db8::/32" || six.CidrIpv4 != nil || six.Description != nil {
		t.Errorf("IPv6 rule %+v", six)
	}
	if *ref.ReferencedGroupInfo.GroupId != lb || ref.ReferencedGroupInfo.UserId != nil || ref.CidrIpv4 != nil {
		t.Errorf("referring rule %+v", ref.ReferencedGroupInfo)
	}
	if got, want := w.ingress(web), "tcp 80-80 192.0.2.0/24 (office) 2001:db8::/32 123456789012/"+lb+" (balancer)\n"; got != want {
		t.Errorf("shown as\n%swant\n%s", got, want)
	}
	w.allow(web, "tcp", 80, 80, "198.51.100.0/24")
	w.allow(web, "tcp", 22, 22, "198.51.100.0/24")
	if got := w.ingress(web); strings.Count(got, "\n") != 2 || !strings.Contains(got, "tcp 22-22 198.51.100.0/24\n") {
		t.Errorf("permissions are not put together by ports:\n%s", got)
	}
}

func TestAuthorizeFlat(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	web := w.group(v, "web")
	in := func() *api.AuthorizeSecurityGroupIngressInput {
		return &api.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpProtocol: ptr("tcp"), FromPort: ptr(int32(22)), ToPort: ptr(int32(22)), CidrIp: ptr("0.0.0.0/0")}
	}
	call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", in())
	if got := w.ingress(web); got != "tcp 22-22 0.0.0.0/0\n" {
		t.Errorf("got %q", got)
	}
	w.fails("AuthorizeSecurityGroupIngress", in(), "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists`)
	bare := in()
	bare.CidrIp = nil
	w.fails("AuthorizeSecurityGroupIngress", bare, "MissingParameter", "Missing source specification: include source security group or CIDR information")
	named := &api.AuthorizeSecurityGroupIngressInput{GroupId: &web, SourceSecurityGroupName: ptr("web")}
	w.fails("AuthorizeSecurityGroupIngress", named, "InvalidParameterValue", "You may not reference Amazon VPC security groups by name.")
	call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{
		GroupId: &web, IpProtocol: ptr("6"), FromPort: ptr(int32(22)), ToPort: ptr(int32(22)), CidrIp: ptr("0.0.0.0/0")})
	if got := w.ingress(web); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestProtocolsAndPorts(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	group := w.group(v, "web")
	number := func(n int) *int32 { return ptr(int32(n)) }
	for name, tt := range map[string]struct {
		protocol *string
		from, to *int32
		want     string // "protocol from to", or code: text
	}{
		"tcp by number":      {ptr("6"), number(1), number(2), "tcp 1 2"},
		"udp by number":      {ptr("17"), number(0), number(65535), "udp 0 65535"},
		"udp":                {ptr("UDP"), number(53), number(53), "udp 53 53"},
		"icmp echo":          {ptr("icmp"), number(8), number(-1), "icmp 8 -1"},
		"icmp by number":     {ptr("1"), number(3), number(4), "icmp 3 4"},
		"icmp all":           {ptr("icmp"), number(-1), number(-1), "icmp -1 -1"},
		"icmpv6 without":     {ptr("icmpv6"), nil, nil, "icmpv6 -1 -1"},
		"icmpv6 by number":   {ptr("58"), number(128), number(0), "icmpv6 128 0"},
		"all, ports given":   {ptr("-1"), number(0), number(0), "-1 -1 -1"},
		"all":                {ptr("-1"), nil, nil, "-1 -1 -1"},
		"esp":                {ptr("50"), nil, nil, "50 -1 -1"},
		"esp, ports given":   {ptr("50"), number(1), number(2), "50 -1 -1"},
		"number 0":           {ptr("0"), nil, nil, "0 -1 -1"},
		"number 255":         {ptr("255"), nil, nil, "255 -1 -1"},
		"number 256":         {ptr("256"), nil, nil, "InvalidParameterValue: Invalid value '256' for IP protocol. Unknown protocol."},
		"signed number":      {ptr("+6"), number(1), number(2), "InvalidParameterValue: Invalid value '+6' for IP protocol. Unknown protocol."},
		"leading zero":       {ptr("050"), nil, nil, "InvalidParameterValue: Invalid value '050' for IP protocol. Unknown protocol."},
		"name":               {ptr("gre"), nil, nil, "InvalidParameterValue: Invalid value 'gre' for IP protocol. Unknown protocol."},
		"none":               {nil, nil, nil, "MissingParameter: ipProtocol"},
		"tcp without ports":  {ptr("tcp"), nil, nil, "InvalidParameterValue: Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."},
		"tcp without to":     {ptr("tcp"), number(1), nil, "InvalidParameterValue: Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."},
		"tcp -1":             {ptr("tcp"), number(-1), number(-1), "InvalidParameterValue: TCP/UDP port (-1) out of range"},
		"tcp 65536":          {ptr("tcp"), number(1), number(65536), "InvalidParameterValue: TCP/UDP port (65536) out of range"},
		"tcp backwards":      {ptr("tcp"), number(80), number(22), "InvalidParameterValue: Invalid TCP/UDP port range (80:22)"},
		"icmp without":       {ptr("icmp"), nil, nil, "InvalidParameterValue: Invalid value 'Must specify both from and to ports with ICMP.' for portRange."},
		"icmp code":          {ptr("icmp"), number(0), number(65535), "InvalidParameterValue: ICMP code (65535) out of range"},
		"icmp type":          {ptr("icmp"), number(256), number(0), "InvalidParameterValue: ICMP type (256) out of range"},
		"icmp code of all":   {ptr("icmp"), number(-1), number(0), "InvalidParameterValue: ICMP"},
		"icmpv6 without one": {ptr("icmpv6"), number(1), nil, "InvalidParameterValue: Must specify both"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			in := &api.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []api.IpPermission{{
				IpProtocol: tt.protocol, FromPort: tt.from, ToPort: tt.to, IpRanges: []api.IpRange{{CidrIp: ptr("192.0.2.1/32")}},
			}}}
			if code, text, ok := strings.Cut(tt.want, ": "); ok {
				w.fails("AuthorizeSecurityGroupIngress", in, code, text)
				return
			}
			r := call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", in).SecurityGroupRules[0]
			if got := fmt.Sprint(*r.IpProtocol, " ", *r.FromPort, " ", *r.ToPort); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			p := w.showGroup(group).IpPermissions[0]
			if (p.FromPort != nil) != hasPorts(*p.IpProtocol) {
				t.Errorf("shown with ports %v", p.FromPort)
			}
			call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{
				GroupId: &group, IpPermissions: []api.IpPermission{p}})
		})
	}
}

func TestAuthorizeRefused(t *testing.T) {
	w := newWorld(t)
	v, far := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	web, other := w.group(v, "web"), w.group(far, "other")
	w.allow(web, "tcp", 80, 80, web)
	w.allow(web, "-1", 0, 0, "192.0.2.0/24")
	w.allow(web, "50", 0, 0, "192.0.2.0/24")
	w.allow(web, "icmp", 8, -1, "192.0.2.0/24")
	w.allow(web, "udp", 53, 53, "2001:db8::/32")
	pair := func(p api.UserIdGroupPair) []api.IpPermission {
		return []api.IpPermission{{IpProtocol: ptr("-1"), UserIdGroupPairs: []api.UserIdGroupPair{p}}}
	}
	for name, tt := range map[string]struct {
		permissions []api.IpPermission
		code, text  string
	}{
		"nothing":             {nil, "MissingParameter", "ipPermissions"},
		"no peers":            {permission("tcp", 1, 1), "MissingParameter", "Missing source specification"},
		"no prefix length":    {permission("tcp", 1, 1, "192.0.2.1"), "InvalidParameterValue", "CIDR block 192.0.2.1 is malformed"},
		"not a block":         {permission("tcp", 1, 1, "everywhere"), "InvalidParameterValue", "CIDR block everywhere is malformed"},
		"IPv6 as IPv4":        {[]api.IpPermission{{IpProtocol: ptr("-1"), IpRanges: []api.IpRange{{CidrIp: ptr("::/0")}}}}, "InvalidParameterValue", "CIDR block ::/0 is malformed"},
		"IPv4 as IPv6":        {[]api.IpPermission{{IpProtocol: ptr("-1"), Ipv6Ranges: []api.Ipv6Range{{CidrIpv6: ptr("0.0.0.0/0")}}}}, "InvalidParameterValue", "CIDR block 0.0.0.0/0 is malformed"},
		"mapped IPv4":         {permission("tcp", 1, 1, "::ffff:192.0.2.1/128"), "InvalidParameterValue", "is malformed"},
		"empty range":         {[]api.IpPermission{{IpProtocol: ptr("-1"), IpRanges: []api.IpRange{{}}}}, "InvalidParameterValue", "CIDR block  is malformed"},
		"duplicate group":     {permission("tcp", 80, 80, web), "InvalidPermission.Duplicate", `the specified rule "peer: ` + web + `, TCP, from port: 80, to port: 80, ALLOW" already exists`},
		"duplicate all":       {permission("-1", 5, 5, "192.0.2.9/24"), "InvalidPermission.Duplicate", `the specified rule "peer: 192.0.2.0/24, ALL, ALLOW" already exists`},
		"duplicate number":    {permission("50", -1, -1, "192.0.2.0/24"), "InvalidPermission.Duplicate", `the specified rule "peer: 192.0.2.0/24, protocol: 50, ALLOW" already exists`},
		"duplicate icmp":      {permission("1", 8, -1, "192.0.2.0/24"), "InvalidPermission.Duplicate", `ICMP, type: 8, code: ALL, ALLOW" already exists`},
		"duplicate IPv6":      {permission("udp", 53, 53, "2001:0db8::/32"), "InvalidPermission.Duplicate", `peer: 2001:db8::/32, UDP`},
		"second is duplicate": {permission("tcp", 80, 80, "198.51.100.0/24", web), "InvalidPermission.Duplicate", web},
		"twice in a request":  {permission("tcp", 81, 81, "198.51.100.0/24", "198.51.100.1/24"), "InvalidParameterValue", "The same permission must not appear multiple times"},
		"malformed group":     {permission("tcp", 1, 1, "sg-x"), "InvalidGroupId.Malformed", `Invalid id: "sg-x" (expecting "sg-...")`},
		"unknown group":       {permission("tcp", 1, 1, "sg-0123456789abcdef0"), "InvalidGroup.NotFound", "The security group 'sg-0123456789abcdef0' does not exist"},
		"group of other VPC":  {permission("tcp", 1, 1, other), "InvalidGroup.NotFound", "You have specified two resources that belong to different networks."},
		"group by name":       {pair(api.UserIdGroupPair{GroupName: ptr("web")}), "InvalidParameterValue", "You may not reference Amazon VPC security groups by name."},
		"pair of nothing":     {pair(api.UserIdGroupPair{}), "MissingParameter", "Missing source specification"},
		"another's group":     {pair(api.UserIdGroupPair{GroupId: &web, UserId: ptr("210987654321")}), "InvalidGroup.NotFound", web},
		"over no peering":     {pair(api.UserIdGroupPair{GroupId: &web, VpcPeeringConnectionId: ptr("pcx-01234567")}), "InvalidVpcPeeringConnectionID.NotFound", "pcx-01234567"},
		"prefix list":         {[]api.IpPermission{{IpProtocol: ptr("-1"), PrefixListIds: []api.PrefixListId{{PrefixListId: ptr("pl-01234567")}}}}, "InvalidPrefixListID.NotFound", "pl-01234567"},
		"not a prefix list":   {[]api.IpPermission{{IpProtocol: ptr("-1"), PrefixListIds: []api.PrefixListId{{PrefixListId: ptr("x")}}}}, "InvalidPrefixListId.Malformed", `expecting "pl-..."`},
		"description charset": {[]api.IpPermission{{IpProtocol: ptr("-1"), IpRanges: []api.IpRange{{CidrIp: ptr("10.0.0.0/8"), Description: ptr("a<b")}}}}, "InvalidParameterValue", "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"},
		"description length":  {[]api.IpPermission{{IpProtocol: ptr("-1"), IpRanges: []api.IpRange{{CidrIp: ptr("10.0.0.0/8"), Description: ptr(strings.Repeat("x", 256))}}}}, "InvalidParameterValue", "Invalid rule description"},
	} {
		t.Run(name, func(t *testing.T) {
			w.in(t).fails("AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: tt.permissions}, tt.code, tt.text)
		})
	}
	w.fails("AuthorizeSecurityGroupEgress", &api.AuthorizeSecurityGroupEgressInput{GroupId: &web, IpPermissions: permission("-1", 0, 0, "0.0.0.0/0")},
		"InvalidPermission.Duplicate", `"peer: 0.0.0.0/0, ALL, ALLOW"`)
	w.fails("AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{IpPermissions: permission("-1", 0, 0, "0.0.0.0/0")}, "MissingParameter", "groupId")
	w.fails("AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: permission("tcp", 7, 7, web), TagSpecifications: tagSpec("security-group", "a", "b")},
		"InvalidParameterValue", "security-group")
}

func TestRuleQuota(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"rules-per-security-group": 3}})
	v := w.vpc("10.0.0.0/16")
	web := w.group(v, "web")
	w.allow(web, "tcp", 80, 80, "192.0.2.1/32", "192.0.2.2/32", web) // three of IPv4, one of IPv6
	full := func(peers ...string) {
		t.Helper()
		w.fails("AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: permission("tcp", 81, 81, peers...)},
			"RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	full("192.0.2.3/32")
	full(web)
	w.allow(web, "tcp", 80, 80, "2001:db8::1/128", "2001:db8::2/128")
	full("2001:db8::3/128")
	call[api.AuthorizeSecurityGroupEgressOutput](w, "AuthorizeSecurityGroupEgress", &api.AuthorizeSecurityGroupEgressInput{
		GroupId: &web, IpPermissions: permission("tcp", 80, 80, "192.0.2.1/32", "192.0.2.2/32")}) // counted apart
}

func TestRevokeDefaultEgress(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	web := w.group(v, "web")
	// Terraform's way: ports 0 to 0 are given, and IPv6 is tried as well.
	in := func(peer string) *api.RevokeSecurityGroupEgressInput {
		return &api.RevokeSecurityGroupEgressInput{GroupId: &web, IpPermissions: permission("-1", 0, 0, peer)}
	}
	out := call[api.RevokeSecurityGroupEgressOutput](w, "RevokeSecurityGroupEgress", in("0.0.0.0/0"))
	r := out.RevokedSecurityGroupRules[0]
	if !*out.Return || len(out.RevokedSecurityGroupRules) != 1 || out.UnknownIpPermissions != nil || !*r.IsEgress || *r.CidrIpv4 != "0.0.0.0/0" || *r.GroupId != web || *r.FromPort != -1 {
		t.Errorf("%+v", out)
	}
	w.fails("RevokeSecurityGroupEgress", in("::/0"), "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	if p := w.showGroup(web).IpPermissionsEgress; len(p) != 0 {
		t.Errorf("left: %+v", p)
	}
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	web, db := w.group(v, "web"), w.group(v, "db")
	rules := w.allow(web, "tcp", 80, 80, "192.0.2.1/32", "192.0.2.2/32", db)
	foreign := *w.allow(db, "tcp", 80, 80, "192.0.2.1/32")[0].SecurityGroupRuleId
	first := *rules[0].SecurityGroupRuleId
	var egress string
	for r := range state.SecurityGroupRules.By(w.snapshot(), state.ByGroup, web) {
		if r.Egress {
			egress = r.ID
		}
	}
	byID := func(ids ...string) *api.RevokeSecurityGroupIngressInput {
		return &api.RevokeSecurityGroupIngressInput{GroupId: &web, SecurityGroupRuleIds: ids}
	}
	byPermission := func(p []api.IpPermission) *api.RevokeSecurityGroupIngressInput {
		return &api.RevokeSecurityGroupIngressInput{GroupId: &web, IpPermissions: p}
	}
	for name, tt := range map[string]struct {
		in         *api.RevokeSecurityGroupIngressInput
		code, text string
	}{
		"nothing":         {byID(), "MissingParameter", "ipPermissions"},
		"both":            {&api.RevokeSecurityGroupIngressInput{GroupId: &web, SecurityGroupRuleIds: []string{first}, IpPermissions: permission("tcp", 80, 80, db)}, "InvalidParameterCombination", "securityGroupRuleIds"},
		"malformed id":    {byID("x"), "InvalidSecurityGroupRuleId.Malformed", `expecting "sgr-..."`},
		"unknown id":      {byID(first, "sgr-0123456789abcdef0"), "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID 'sgr-0123456789abcdef0' does not exist"},
		"rule of another": {byID(foreign), "InvalidSecurityGroupRuleId.NotFound", foreign},
		"other direction": {byID(egress), "InvalidSecurityGroupRuleId.NotFound", egress},
		"other ports":     {byPermission(permission("tcp", 80, 81, "192.0.2.1/32")), "InvalidPermission.NotFound", "The specified rule does not exist in this security group."},
		"one of two":      {byPermission(permission("tcp", 80, 80, "192.0.2.1/32", "192.0.2.3/32")), "InvalidPermission.NotFound", ""},
		"unknown group":   {byPermission(permission("tcp", 80, 80, "sg-0123456789abcdef0")), "InvalidPermission.NotFound", ""},
		"malformed":       {byPermission(permission("tcp", 80, 80, "x")), "InvalidParameterValue", "CIDR block x is malformed"},
	} {
		t.Run(name, func(t *testing.T) { w.in(t).fails("RevokeSecurityGroupIngress", tt.in, tt.code, tt.text) })
	}

	out := call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", byID(first, first))
	if len(out.RevokedSecurityGroupRules) != 1 || *out.RevokedSecurityGroupRules[0].SecurityGroupRuleId != first {
		t.Errorf("by id: %+v", out)
	}
	out = call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", byPermission(permission("tcp", 80, 80, db, "192.0.2.2/32")))
	if len(out.RevokedSecurityGroupRules) != 2 || *out.RevokedSecurityGroupRules[1].ReferencedGroupId != db {
		t.Errorf("by permission: %+v", out)
	}
	if got := w.ingress(web); got != "" {
		t.Errorf("left: %s", got)
	}
}

func TestRevokeInDefaultVpc(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	web := w.group(v, "web")
	w.write(func(tx *state.Tx) {
		old, _ := state.Vpcs.Get(tx, w.caller.Key(v))
		d := *old
		d.IsDefault = true
		state.Vpcs.Put(tx, &d)
	})
	w.allow(web, "tcp", 80, 80, "192.0.2.1/32")
	out := call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{
		GroupName: ptr("web"), IpPermissions: permission("tcp", 80, 80, "192.0.2.1/32", "192.0.2.2/32")})
	if len(out.RevokedSecurityGroupRules) != 1 || permissionText(out.UnknownIpPermissions) != "tcp 80-80 192.0.2.2/32\n" {
		t.Errorf("%+v", out)
	}
	// There groups have names: the source's, and that of the group itself.
	in := api.AuthorizeSecurityGroupIngressInput{GroupName: ptr("web"), SourceSecurityGroupName: ptr("web"), SourceSecurityGroupOwnerId: ptr("123456789012")}
	call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", &in)
	if got := w.ingress(web); got != "-1 123456789012/"+web+"\n" {
		t.Errorf("by name: %s", got)
	}
	call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{
		GroupName: in.GroupName, SourceSecurityGroupName: in.SourceSecurityGroupName, SourceSecurityGroupOwnerId: in.SourceSecurityGroupOwnerId})
	if got := w.ingress(web); got != "" {
		t.Errorf("left: %s", got)
	}
	w.fails("RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupName: ptr("web"), SourceSecurityGroupName: ptr("db")},
		"InvalidGroup.NotFound", "The security group 'db' does not exist in default VPC '"+v+"'")
	w.fails("RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: &web, GroupName: ptr("web")}, "InvalidParameterCombination", "groupName")
	w.fails("RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: &web, IpPermissions: permission("-1", 0, 0, "sg-x")}, "InvalidGroupId.Malformed", "sg-x")
}

func TestDescribeSecurityGroupRules(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	web := w.group(v, "web")
	rules := w.allow(web, "tcp", 80, 80, "192.0.2.1/32", "192.0.2.2/32")
	want := *rules[1].SecurityGroupRuleId
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{want}, Tags: tagList("k", "v")})
	for name, in := range map[string]*api.DescribeSecurityGroupRulesInput{
		"id":  {SecurityGroupRuleIds: []string{want}},
		"tag": {Filters: filtersOf("tag:k", "v", "group-id", web)},
		"ids": {Filters: filtersOf("security-group-rule-id", want)},
	} {
		got := call[api.DescribeSecurityGroupRulesOutput](w, "DescribeSecurityGroupRules", in).SecurityGroupRules
		if len(got) != 1 || *got[0].SecurityGroupRuleId != want || *got[0].CidrIpv4 != "192.0.2.2/32" || *got[0].Tags[0].Key != "k" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	all := call[api.DescribeSecurityGroupRulesOutput](w, "DescribeSecurityGroupRules", &api.DescribeSecurityGroupRulesInput{Filters: filtersOf("group-id", web)}).SecurityGroupRules
	if len(all) != 3 {
		t.Errorf("%d rules, want two and the default", len(all))
	}
	w.fails("DescribeSecurityGroupRules", &api.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{"sgr-0123456789abcdef0"}},
		"InvalidSecurityGroupRuleId.NotFound", "sgr-0123456789abcdef0")
	w.fails("DescribeSecurityGroupRules", &api.DescribeSecurityGroupRulesInput{Filters: filtersOf("group-name", "web")}, "InvalidParameterValue", "The filter 'group-name' is invalid")
}

// TestShownPermissionsCanBeRevoked: whatever rules a group has, giving back to
// Revoke what DescribeSecurityGroups shows removes them all, and giving it to
// another group's Authorize makes the same.
func TestShownPermissionsCanBeRevoked(t *testing.T) {
	w := newWorld(t, Config{Quotas: quota.Off()})
	v := w.vpc("10.0.0.0/16")
	groups := []string{w.group(v, "a"), w.group(v, "b"), w.group(v, "c")}
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		seen := map[string]bool{}
		for range 1 + random.IntN(12) {
			protocol := []string{"tcp", "udp", "icmp", "icmpv6", "-1", "47"}[random.IntN(6)]
			from := int32(random.IntN(3))
			to := from + int32(random.IntN(2))
			peer := groups[random.IntN(3)]
			switch random.IntN(3) {
			case 0:
				peer = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(random.IntN(3)), 0, 0}), 16).String()
			case 1:
				peer = fmt.Sprintf("2001:db8:%d::/48", random.IntN(3))
			}
			key := fmt.Sprint(protocol, from, to, peer)
			if !hasPorts(protocol) {
				key = protocol + peer
			}
			if !seen[key] {
				seen[key] = true
				w.allow(groups[0], protocol, from, to, peer)
			}
		}
		shown := w.showGroup(groups[0]).IpPermissions
		call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: &groups[1], IpPermissions: shown})
		if a, b := rulesText(w, groups[0]), rulesText(w, groups[1]); !slices.Equal(a, b) {
			t.Fatalf("the copy of\n%s\nis\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
		for _, id := range groups[:2] {
			out := call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: shown})
			if len(out.RevokedSecurityGroupRules) != len(seen) || w.ingress(id) != "" {
				t.Fatalf("revoked %d of %d rules, left:\n%s", len(out.RevokedSecurityGroupRules), len(seen), w.ingress(id))
			}
		}
	}
}

// rulesText spells a group's ingress rules, sorted.
func rulesText(w *world, group string) []string {
	var out []string
	for r := range state.SecurityGroupRules.By(w.snapshot(), state.ByGroup, group) {
		if !r.Egress {
			out = append(out, allowanceOf(r).String())
		}
	}
	slices.Sort(out)
	return out
}
