package ec2

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// amazonDNS is the name server that stands for the VPC's own resolver.
const amazonDNS = "AmazonProvidedDNS"

// noDhcpOptions is what a VPC refers to that has no set.
const noDhcpOptions = "default"

// defaultDhcpSetting is the setting with the id of the Region's default set.
const defaultDhcpSetting = "ec2 default dhcp options"

// defaultDhcpOptions gives the id of the set that new VPCs have, and makes it if
// the scope has none (VPC User Guide, "DHCP option sets").
func defaultDhcpOptions(tx *state.Tx, scope state.Scope) string {
	if set, ok := state.Settings.Get(tx, scope.Key(defaultDhcpSetting)); ok {
		if _, ok := state.DhcpOptionSets.Get(tx, scope.Key(set.Value)); ok {
			return set.Value
		}
	}
	domain := scope.Region + ".compute.internal"
	if scope.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	d := &state.DhcpOptions{Meta: tx.Meta(scope, "dopt"), Options: []state.DhcpOption{
		{Key: "domain-name", Values: []string{domain}},
		{Key: "domain-name-servers", Values: []string{amazonDNS}},
	}}
	state.DhcpOptionSets.Put(tx, d)
	state.Settings.Put(tx, &state.Setting{Meta: state.Meta{Key: scope.Key(defaultDhcpSetting), Created: tx.Now()}, Value: d.ID})
	return d.ID
}

// CreateDhcpOptions makes a set of options; sets never change.
func (s *Service) CreateDhcpOptions(tx *state.Tx, c authz.Caller, in *api.CreateDhcpOptionsInput) (*api.CreateDhcpOptionsOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, "dhcp-options")
	if err != nil {
		return nil, err
	}
	if len(in.DhcpConfigurations) == 0 {
		return nil, awserr.MissingParameter("dhcpConfiguration")
	}
	d := &state.DhcpOptions{}
	for _, o := range in.DhcpConfigurations {
		key := val(o.Key)
		values, err := dhcpValues(key, o.Values)
		if err != nil {
			return nil, err
		}
		if d.Get(key) != nil {
			return nil, awserr.InvalidParameterValue("key", key, "The option is given more than once.")
		}
		d.Options = append(d.Options, state.DhcpOption{Key: key, Values: values})
	}
	slices.SortFunc(d.Options, func(a, b state.DhcpOption) int { return strings.Compare(a.Key, b.Key) })
	n := 1
	for range state.DhcpOptionSets.In(tx, c.Scope) {
		n++
	}
	if err := s.within(tx, c, "dhcp-options-per-region", n); err != nil {
		return nil, err
	}
	d.Meta = tx.Meta(c.Scope, "dopt")
	d.Tags = tags
	state.DhcpOptionSets.Put(tx, d)
	return &api.CreateDhcpOptionsOutput{DhcpOptions: ptr(apiDhcpOptions(d))}, nil
}

// dhcpValues checks the values of one option (EC2 API Reference,
// CreateDhcpOptions). Addresses may also come in one value, between commas.
func dhcpValues(key string, given []string) ([]string, error) {
	var values []string
	for _, v := range given {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				values = append(values, part)
			}
		}
	}
	if key == "" {
		return nil, awserr.MissingParameter("dhcpConfiguration.key")
	}
	if len(values) == 0 {
		return nil, awserr.InvalidParameterValue("value", "", "The option "+awserr.Clip(key)+" must have a value.")
	}
	switch key {
	case "domain-name":
		if len(values) > 1 || !searchable(values[0]) {
			return nil, awserr.InvalidParameterValue("domain-name", strings.Join(values, ","), "Expecting one domain name.")
		}
	case "domain-name-servers":
		if slices.Contains(values, amazonDNS) {
			if len(values) > 1 {
				return nil, awserr.InvalidParameterValue(key, strings.Join(values, ","), amazonDNS+" cannot be given with other servers.")
			}
			break
		}
		return values, dhcpAddresses(key, values, true)
	case "ntp-servers":
		return values, dhcpAddresses(key, values, true)
	case "netbios-name-servers":
		return values, dhcpAddresses(key, values, false)
	case "netbios-node-type":
		if len(values) > 1 || !slices.Contains([]string{"1", "2", "4", "8"}, values[0]) {
			return nil, awserr.InvalidParameterValue(key, strings.Join(values, ","), "Expecting 1, 2, 4 or 8.")
		}
	case "ipv6-address-preferred-lease-time":
		if n, err := strconv.ParseInt(values[0], 10, 64); len(values) > 1 || err != nil || n < 140 || n > 2147483647 {
			return nil, awserr.InvalidParameterValue(key, strings.Join(values, ","), "Expecting a number of seconds from 140 to 2147483647.")
		}
	default:
		return nil, awserr.InvalidParameterValue("key", key, "Unknown DHCP option.")
	}
	return values, nil
}

// maxDhcpAddresses is how many addresses of a family an option can have.
const maxDhcpAddresses = 4

func dhcpAddresses(key string, values []string, ipv6 bool) error {
	var v4, v6 int
	for _, v := range values {
		a, err := netip.ParseAddr(v)
		switch {
		case err != nil || a.Zone() != "" || a.Is4In6() || a.Is6() && !ipv6 || a.IsUnspecified() || a.IsMulticast():
			return awserr.InvalidParameterValue(key, v, "Expecting an IP address.")
		case a.Is4():
			v4++
		default:
			v6++
		}
	}
	if v4 > maxDhcpAddresses || v6 > maxDhcpAddresses {
		return awserr.InvalidParameterValue(key, strings.Join(values, ","), "Expecting at most four addresses.")
	}
	return nil
}

// searchable says whether a resolver can take the text as its search list: one
// domain name, or several between blanks, which Linux takes.
func searchable(text string) bool {
	if len(text) > 253 {
		return false
	}
	for name := range strings.FieldsSeq(text) {
		for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
			if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
				return false
			}
		}
	}
	return !strings.ContainsAny(text, "\t\r\n\v\f")
}

// DescribeDhcpOptions lists sets.
func (s *Service) DescribeDhcpOptions(r state.Reader, c authz.Caller, in *api.DescribeDhcpOptionsInput) (*api.DescribeDhcpOptionsOutput, error) {
	rows, next, err := dhcpOptionsKind.describe(r, c, query[state.DhcpOptions]{
		action: "DescribeDhcpOptions", ids: in.DhcpOptionsIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken, by: dhcpFilters,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeDhcpOptionsOutput{NextToken: next, DhcpOptions: []api.DhcpOptions{}}
	for _, d := range rows {
		out.DhcpOptions = append(out.DhcpOptions, apiDhcpOptions(d))
	}
	return out, nil
}

var dhcpFilters = filters[state.DhcpOptions]{
	"dhcp-options-id": func(d *state.DhcpOptions) []string { return []string{d.ID} },
	"owner-id":        func(d *state.DhcpOptions) []string { return []string{d.Account} },
	"key": func(d *state.DhcpOptions) (out []string) {
		for _, o := range d.Options {
			out = append(out, o.Key)
		}
		return out
	},
	"value": func(d *state.DhcpOptions) (out []string) {
		for _, o := range d.Options {
			out = append(out, o.Values...)
		}
		return out
	},
}

func apiDhcpOptions(d *state.DhcpOptions) api.DhcpOptions {
	out := api.DhcpOptions{DhcpOptionsId: ptr(d.ID), OwnerId: ptr(d.Account), Tags: tagSet(d.Tags)}
	for _, o := range d.Options {
		option := api.DhcpConfiguration{Key: ptr(o.Key)}
		for _, v := range o.Values {
			option.Values = append(option.Values, api.AttributeValue{Value: ptr(v)})
		}
		out.DhcpConfigurations = append(out.DhcpConfigurations, option)
	}
	return out
}

// AssociateDhcpOptions gives a VPC a set, or none by the id "default".
func (s *Service) AssociateDhcpOptions(tx *state.Tx, c authz.Caller, in *api.AssociateDhcpOptionsInput) (*api.AssociateDhcpOptionsOutput, error) {
	id := val(in.DhcpOptionsId)
	if id != noDhcpOptions {
		if err := dhcpOptionsKind.wellFormed(id); err != nil {
			return nil, err
		}
	}
	old, err := vpc(tx, c, val(in.VpcId))
	if err != nil {
		return nil, err
	}
	if id != noDhcpOptions {
		if _, err := dhcpOptions(tx, c, id); err != nil {
			return nil, err
		}
	}
	v := *old
	v.DhcpOptionsID = id
	state.Vpcs.Put(tx, &v)
	return &api.AssociateDhcpOptionsOutput{}, nil
}

// DeleteDhcpOptions removes a set that no VPC has.
func (s *Service) DeleteDhcpOptions(tx *state.Tx, c authz.Caller, in *api.DeleteDhcpOptionsInput) (*api.DeleteDhcpOptionsOutput, error) {
	d, err := dhcpOptions(tx, c, val(in.DhcpOptionsId))
	if err != nil {
		return nil, err
	}
	for range state.Vpcs.By(tx, state.ByDhcp, d.ID) {
		return nil, awserr.New("DependencyViolation", "The dhcpOptions '%s' has dependencies and cannot be deleted.", d.ID)
	}
	state.DhcpOptionSets.Delete(tx, d.Key)
	return &api.DeleteDhcpOptionsOutput{}, nil
}
