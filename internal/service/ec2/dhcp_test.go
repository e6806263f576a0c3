package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsid"
)

// options makes the configurations of a request: options("domain-name", "a b", …).
func options(keyAndValues ...string) []api.NewDhcpConfiguration {
	var out []api.NewDhcpConfiguration
	for i := 0; i < len(keyAndValues); i += 2 {
		out = append(out, api.NewDhcpConfiguration{Key: ptr(keyAndValues[i]), Values: strings.Split(keyAndValues[i+1], "|")})
	}
	return out
}

func optionText(d api.DhcpOptions) string {
	var out []string
	for _, o := range d.DhcpConfigurations {
		values := ids(o.Values, func(v api.AttributeValue) *string { return v.Value })
		out = append(out, fmt.Sprint(*o.Key, "=", values))
	}
	return strings.Join(out, " ")
}

func TestDefaultDhcpOptions(t *testing.T) {
	w := newWorld(t)
	for region, want := range map[string]string{
		"us-east-1": "domain-name=[ec2.internal] domain-name-servers=[AmazonProvidedDNS]",
		"eu-west-1": "domain-name=[eu-west-1.compute.internal] domain-name-servers=[AmazonProvidedDNS]",
	} {
		w := w.as("123456789012", region)
		all := call[api.DescribeDhcpOptionsOutput](w, "DescribeDhcpOptions", &api.DescribeDhcpOptionsInput{}).DhcpOptions
		if len(all) != 1 || optionText(all[0]) != want || !awsid.Valid("dopt", *all[0].DhcpOptionsId) || *all[0].OwnerId != "123456789012" {
			t.Errorf("%s: %+v", region, all)
		}
	}
	// It can be deleted; the next VPC has a new one.
	first := call[api.DescribeDhcpOptionsOutput](w, "DescribeDhcpOptions", &api.DescribeDhcpOptionsInput{}).DhcpOptions[0].DhcpOptionsId
	call[api.DeleteDhcpOptionsOutput](w, "DeleteDhcpOptions", &api.DeleteDhcpOptionsInput{DhcpOptionsId: first})
	v := call[api.CreateVpcOutput](w, "CreateVpc", &api.CreateVpcInput{CidrBlock: ptr("10.0.0.0/16")}).Vpc
	if *v.DhcpOptionsId == *first || !awsid.Valid("dopt", *v.DhcpOptionsId) {
		t.Errorf("the VPC has %s", *v.DhcpOptionsId)
	}
}

func TestCreateDhcpOptions(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name string
		in   []api.NewDhcpConfiguration
		want string
	}{
		{"sorted by key", options("ntp-servers", "169.254.169.123", "domain-name", "corp.example"), "domain-name=[corp.example] ntp-servers=[169.254.169.123]"},
		{"several names", options("domain-name", "a.example b.example"), "domain-name=[a.example b.example]"},
		{"several servers", options("domain-name-servers", "10.0.0.1|10.0.0.2"), "domain-name-servers=[10.0.0.1 10.0.0.2]"},
		{"between commas", options("domain-name-servers", "10.0.0.2, 10.0.0.1"), "domain-name-servers=[10.0.0.2 10.0.0.1]"},
		{"both families", options("domain-name-servers", "10.0.0.1|2600::1"), "domain-name-servers=[10.0.0.1 2600::1]"},
		{"Amazon's", options("domain-name-servers", "AmazonProvidedDNS"), "domain-name-servers=[AmazonProvidedDNS]"},
		{"NetBIOS", options("netbios-name-servers", "10.0.0.1", "netbios-node-type", "2"), "netbios-name-servers=[10.0.0.1] netbios-node-type=[2]"},
		{"lease time", options("ipv6-address-preferred-lease-time", "140"), "ipv6-address-preferred-lease-time=[140]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.in(t)
			d := call[api.CreateDhcpOptionsOutput](w, "CreateDhcpOptions", &api.CreateDhcpOptionsInput{
				DhcpConfigurations: c.in, TagSpecifications: tagSpec("dhcp-options", "Name", "x")}).DhcpOptions
			shown := call[api.DescribeDhcpOptionsOutput](w, "DescribeDhcpOptions", &api.DescribeDhcpOptionsInput{DhcpOptionsIds: []string{*d.DhcpOptionsId}}).DhcpOptions[0]
			if got := optionText(*d); got != c.want || optionText(shown) != got || *shown.Tags[0].Value != "x" {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
	for _, c := range []struct {
		name       string
		in         []api.NewDhcpConfiguration
		code, text string
	}{
		{"none", nil, "MissingParameter", "dhcpConfiguration"},
		{"no key", []api.NewDhcpConfiguration{{Values: []string{"x"}}}, "MissingParameter", "key"},
		{"unknown key", options("router", "10.0.0.1"), "InvalidParameterValue", "Value (router) for parameter key is invalid. Unknown DHCP option."},
		{"no value", []api.NewDhcpConfiguration{{Key: ptr("domain-name")}}, "InvalidParameterValue", "must have a value"},
		{"twice", options("domain-name", "a", "domain-name", "b"), "InvalidParameterValue", "more than once"},
		{"two names", options("domain-name", "a|b"), "InvalidParameterValue", "Expecting one domain name."},
		{"line break in a name", options("domain-name", "a\nnameserver 6.6.6.6"), "InvalidParameterValue", "Expecting one domain name."},
		{"no name", options("domain-name", "a..b"), "InvalidParameterValue", "Expecting one domain name."},
		{"long name", options("domain-name", strings.Repeat("a.", 200)), "InvalidParameterValue", "Expecting one domain name."},
		{"five servers", options("domain-name-servers", "10.0.0.1|10.0.0.2|10.0.0.3|10.0.0.4|10.0.0.5"), "InvalidParameterValue", "at most four"},
		{"server's name", options("domain-name-servers", "dns.example"), "InvalidParameterValue", "Value (dns.example) for parameter domain-name-servers is invalid."},
		{"Amazon's and another", options("domain-name-servers", "AmazonProvidedDNS|10.0.0.1"), "InvalidParameterValue", "cannot be given with other servers"},
		{"IPv6 with a zone", options("ntp-servers", "fe80::1%eth0"), "InvalidParameterValue", "Expecting an IP address."},
		{"NetBIOS over IPv6", options("netbios-name-servers", "2600::1"), "InvalidParameterValue", "Expecting an IP address."},
		{"node type", options("netbios-node-type", "3"), "InvalidParameterValue", "Expecting 1, 2, 4 or 8."},
		{"short lease", options("ipv6-address-preferred-lease-time", "139"), "InvalidParameterValue", "140"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.in(t).fails("CreateDhcpOptions", &api.CreateDhcpOptionsInput{DhcpConfigurations: c.in}, c.code, c.text)
		})
	}
	w.fails("CreateDhcpOptions", &api.CreateDhcpOptionsInput{DhcpConfigurations: options("domain-name", "a"), TagSpecifications: tagSpec("vpc", "a", "b")},
		"InvalidParameterValue", "'vpc' is not a valid taggable resource type")
}

func TestDhcpFilters(t *testing.T) {
	w := newWorld(t)
	d := *call[api.CreateDhcpOptionsOutput](w, "CreateDhcpOptions", &api.CreateDhcpOptionsInput{DhcpConfigurations: options("ntp-servers", "10.0.0.1")}).DhcpOptions.DhcpOptionsId
	for name, value := range map[string]string{"dhcp-options-id": d, "key": "ntp-servers", "value": "10.0.0.1"} {
		got := call[api.DescribeDhcpOptionsOutput](w, "DescribeDhcpOptions", &api.DescribeDhcpOptionsInput{Filters: filtersOf(name, value)}).DhcpOptions
		if len(got) != 1 || *got[0].DhcpOptionsId != d {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := call[api.DescribeDhcpOptionsOutput](w, "DescribeDhcpOptions", &api.DescribeDhcpOptionsInput{Filters: filtersOf("owner-id", "123456789012")}).DhcpOptions; len(got) != 2 {
		t.Errorf("%d of the owner", len(got))
	}
}

func TestAssociateDhcpOptions(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	d := *call[api.CreateDhcpOptionsOutput](w, "CreateDhcpOptions", &api.CreateDhcpOptionsInput{DhcpConfigurations: options("domain-name", "corp.example")}).DhcpOptions.DhcpOptionsId
	associate := func(id string) {
		t.Helper()
		call[api.AssociateDhcpOptionsOutput](w, "AssociateDhcpOptions", &api.AssociateDhcpOptionsInput{VpcId: &v, DhcpOptionsId: &id})
		got := call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{Filters: filtersOf("dhcp-options-id", id)}).Vpcs
		if len(got) != 1 || *got[0].DhcpOptionsId != id {
			t.Errorf("with %s: %+v", id, got)
		}
	}
	del := &api.DeleteDhcpOptionsInput{DhcpOptionsId: &d}
	associate(d)
	w.fails("DeleteDhcpOptions", del, "DependencyViolation", "The dhcpOptions '"+d+"' has dependencies and cannot be deleted.")
	associate("default")
	call[api.DeleteDhcpOptionsOutput](w, "DeleteDhcpOptions", del)
	w.fails("DeleteDhcpOptions", del, "InvalidDhcpOptionID.NotFound", "The dhcpOption ID '"+d+"' does not exist")
	for _, c := range []struct{ name, vpc, options, code, text string }{
		{"gone", v, d, "InvalidDhcpOptionID.NotFound", d},
		{"malformed", v, "none", "InvalidDhcpOptionsId.Malformed", `Invalid id: "none" (expecting "dopt-...")`},
		{"unknown VPC", "vpc-0123456789abcdef0", "default", "InvalidVpcID.NotFound", "vpc-0123456789abcdef0"},
		{"malformed VPC", "x", "default", "InvalidVpcID.Malformed", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.in(t).fails("AssociateDhcpOptions", &api.AssociateDhcpOptionsInput{VpcId: &c.vpc, DhcpOptionsId: &c.options}, c.code, c.text)
		})
	}
	if all := call[api.DescribeDhcpOptionsOutput](w, "DescribeDhcpOptions", &api.DescribeDhcpOptionsInput{}).DhcpOptions; slices.ContainsFunc(all, func(o api.DhcpOptions) bool { return *o.DhcpOptionsId == d }) {
		t.Error("it is still shown")
	}
}
