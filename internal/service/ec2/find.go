package ec2

import (
	"iter"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// kind is what the API calls a resource: in ids, in tag specifications and in
// the errors that say that there is none.
type kind[T any] struct {
	table     *state.Table[T]
	prefix    string // of ids: "vpc"
	resource  string // resource type in tags: "security-group"
	noun      string // in "The vpc ID 'vpc-…' does not exist"
	notFound  string // code
	malformed string // code
	set       string // the list of ids in the error about MaxResults
	// text of one unknown id, when it is not "The NOUN ID 'x' does not exist".
	text string
	// taggable says why a resource cannot have tags; nil: it can have any.
	taggable func(row *T, tags state.Tags) error
	// shared is for rows that belong to two scopes; nil: each has its own.
	shared *shared[T]
}

// shared is how rows are found, and put back, that a scope sees as its own
// although they may lie under the key of another.
type shared[T any] struct {
	get func(state.Reader, state.Scope, string) (*T, bool)
	in  func(state.Reader, state.Scope) iter.Seq[*T] // by id
	put func(*state.Tx, state.Scope, *T)
}

func (k kind[T]) get(r state.Reader, s state.Scope, id string) (*T, bool) {
	if k.shared != nil {
		return k.shared.get(r, s, id)
	}
	return k.table.Get(r, s.Key(id))
}

func (k kind[T]) in(r state.Reader, s state.Scope) iter.Seq[*T] {
	if k.shared != nil {
		return k.shared.in(r, s)
	}
	return k.table.In(r, s)
}

func (k kind[T]) put(tx *state.Tx, s state.Scope, row *T) {
	if k.shared != nil {
		k.shared.put(tx, s, row)
		return
	}
	k.table.Put(tx, row)
}

// The kinds of resources, with AWS's codes (EC2 API Reference, "Error codes").
var (
	vpcKind = kind[state.Vpc]{
		table: state.Vpcs, prefix: "vpc", resource: "vpc", noun: "vpc",
		notFound: "InvalidVpcID.NotFound", malformed: "InvalidVpcID.Malformed",
		set: "vpcSet",
	}
	subnetKind = kind[state.Subnet]{
		table: state.Subnets, prefix: "subnet", resource: "subnet", noun: "subnet",
		notFound: "InvalidSubnetID.NotFound", malformed: "InvalidSubnetID.Malformed",
		set: "subnetSet",
	}
	groupKind = kind[state.SecurityGroup]{
		table: state.SecurityGroups, prefix: "sg", resource: "security-group", noun: "security group",
		notFound: "InvalidGroup.NotFound", malformed: "InvalidGroupId.Malformed",
		set: "groupIdSet", text: "The security group '%s' does not exist",
	}
	groupRuleKind = kind[state.SecurityGroupRule]{
		table: state.SecurityGroupRules, prefix: "sgr", resource: "security-group-rule", noun: "security group rule",
		notFound: "InvalidSecurityGroupRuleId.NotFound", malformed: "InvalidSecurityGroupRuleId.Malformed",
		set: "securityGroupRuleIdSet",
	}
	networkInterfaceKind = kind[state.NetworkInterface]{
		table: state.NetworkInterfaces, prefix: "eni", resource: "network-interface", noun: "networkInterface",
		notFound: "InvalidNetworkInterfaceID.NotFound", malformed: "InvalidNetworkInterfaceId.Malformed",
		set: "networkInterfaceIdSet",
	}
	dhcpOptionsKind = kind[state.DhcpOptions]{
		table: state.DhcpOptionSets, prefix: "dopt", resource: "dhcp-options", noun: "dhcpOption",
		notFound: "InvalidDhcpOptionID.NotFound", malformed: "InvalidDhcpOptionsId.Malformed",
		set: "dhcpOptionsSet",
	}
	routeTableKind = kind[state.RouteTable]{
		table: state.RouteTables, prefix: "rtb", resource: "route-table", noun: "routeTable",
		notFound: "InvalidRouteTableID.NotFound", malformed: "InvalidRouteTableId.Malformed",
		set: "routeTableIdSet",
	}
	networkAclKind = kind[state.NetworkAcl]{
		table: state.NetworkAcls, prefix: "acl", resource: "network-acl", noun: "networkAcl",
		notFound: "InvalidNetworkAclID.NotFound", malformed: "InvalidNetworkAclId.Malformed",
		set: "networkAclIdSet",
	}
	internetGatewayKind = kind[state.InternetGateway]{
		table: state.InternetGateways, prefix: "igw", resource: "internet-gateway", noun: "internetGateway",
		notFound: "InvalidInternetGatewayID.NotFound", malformed: "InvalidInternetGatewayId.Malformed",
		set: "internetGatewayIdSet",
	}
	addressKind = kind[state.Address]{
		table: state.Addresses, prefix: "eipalloc", resource: "elastic-ip", noun: "allocation",
		notFound: "InvalidAllocationID.NotFound", malformed: "InvalidAllocationID.Malformed",
		set: "allocationIdSet",
	}
	prefixListKind = kind[state.PrefixList]{
		table: state.PrefixLists, prefix: "pl", resource: "prefix-list", noun: "prefix list",
		notFound: "InvalidPrefixListID.NotFound", malformed: "InvalidPrefixListId.Malformed",
		set: "prefixListIdSet",
	}
	imageKind = kind[state.Image]{
		table: state.Images, prefix: "ami", resource: "image", noun: "image",
		notFound: "InvalidAMIID.NotFound", malformed: "InvalidAMIID.Malformed",
		set: "imagesSet", text: "The image id '[%s]' does not exist",
	}
	keyPairKind = kind[state.KeyPair]{
		table: state.KeyPairs, prefix: "key", resource: "key-pair", noun: "key pair",
		notFound: "InvalidKeyPair.NotFound", malformed: "InvalidKeyPair.Malformed",
		set: "keyPairIdSet",
	}
	instanceKind = kind[state.Instance]{
		table: state.Instances, prefix: "i", resource: "instance", noun: "instance",
		notFound: "InvalidInstanceID.NotFound", malformed: "InvalidInstanceID.Malformed",
		set: "instancesSet", taggable: shownTags,
	}
	natGatewayKind = kind[state.NatGateway]{
		table: state.NatGateways, prefix: "nat", resource: "natgateway", noun: "Nat Gateway",
		notFound: "NatGatewayNotFound", malformed: "NatGatewayMalformed",
		set: "natGatewayIdSet", text: "The Nat Gateway %s was not found",
	}
	peeringKind = kind[state.VpcPeering]{
		table: state.VpcPeerings, prefix: "pcx", resource: "vpc-peering-connection", noun: "vpcPeeringConnection",
		notFound: "InvalidVpcPeeringConnectionID.NotFound", malformed: "InvalidVpcPeeringConnectionId.Malformed",
		set: "vpcPeeringConnectionIdSet", shared: &sharedPeerings,
	}
	volumeKind = kind[state.Volume]{
		table: state.Volumes, prefix: "vol", resource: "volume", noun: "volume",
		notFound: "InvalidVolume.NotFound", malformed: "InvalidVolumeID.Malformed",
		set: "volumeSet", text: "The volume '%s' does not exist.",
	}
)

// Lookups of one resource by id, in the caller's account and Region.

func vpc(r state.Reader, c authz.Caller, id string) (*state.Vpc, error) {
	return vpcKind.find(r, c, id)
}
func subnet(r state.Reader, c authz.Caller, id string) (*state.Subnet, error) {
	return subnetKind.find(r, c, id)
}
func group(r state.Reader, c authz.Caller, id string) (*state.SecurityGroup, error) {
	return groupKind.find(r, c, id)
}
func groupRule(r state.Reader, c authz.Caller, id string) (*state.SecurityGroupRule, error) {
	return groupRuleKind.find(r, c, id)
}
func networkInterface(r state.Reader, c authz.Caller, id string) (*state.NetworkInterface, error) {
	return networkInterfaceKind.find(r, c, id)
}
func routeTable(r state.Reader, c authz.Caller, id string) (*state.RouteTable, error) {
	return routeTableKind.find(r, c, id)
}
func dhcpOptions(r state.Reader, c authz.Caller, id string) (*state.DhcpOptions, error) {
	return dhcpOptionsKind.find(r, c, id)
}
func internetGateway(r state.Reader, c authz.Caller, id string) (*state.InternetGateway, error) {
	return internetGatewayKind.find(r, c, id)
}
func instance(r state.Reader, c authz.Caller, id string) (*state.Instance, error) {
	return instanceKind.find(r, c, id)
}
func natGateway(r state.Reader, c authz.Caller, id string) (*state.NatGateway, error) {
	return natGatewayKind.find(r, c, id)
}
func peering(r state.Reader, c authz.Caller, id string) (*state.VpcPeering, error) {
	return peeringKind.find(r, c, id)
}
func volume(r state.Reader, c authz.Caller, id string) (*state.Volume, error) {
	return volumeKind.find(r, c, id)
}

// malformedID is the error for an id that cannot be one of the kind.
func malformedID(code, prefix, id string) error {
	return awserr.New(code, `Invalid id: "%s" (expecting "%s-...")`, awserr.Clip(id), prefix)
}

// wellFormed checks the form of an id before anything is looked up.
func (k kind[T]) wellFormed(id string) error {
	if !awsid.Valid(k.prefix, id) {
		return malformedID(k.malformed, k.prefix, id)
	}
	return nil
}

// none is the error for ids that do not exist.
func (k kind[T]) none(ids ...string) error {
	if len(ids) > 1 {
		return awserr.New(k.notFound, "The %s IDs '%s' do not exist", k.noun, strings.Join(ids, ", "))
	}
	if k.text != "" {
		return awserr.New(k.notFound, k.text, ids[0])
	}
	return awserr.New(k.notFound, "The %s ID '%s' does not exist", k.noun, ids[0])
}

// find gives the resource of the caller's scope with the id.
func (k kind[T]) find(r state.Reader, c authz.Caller, id string) (*T, error) {
	if err := k.wellFormed(id); err != nil {
		return nil, err
	}
	row, ok := k.get(r, c.Scope, id)
	if !ok {
		return nil, k.none(id)
	}
	return row, nil
}

// findAll gives the resources with the ids, each once, in the order of the ids;
// the error names all that do not exist.
func (k kind[T]) findAll(r state.Reader, c authz.Caller, ids []string) ([]*T, error) {
	for _, id := range ids {
		if err := k.wellFormed(id); err != nil {
			return nil, err
		}
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(ids)))
	rows := make([]*T, 0, len(sorted))
	var missing []string
	for _, id := range sorted {
		if row, ok := k.get(r, c.Scope, id); ok {
			rows = append(rows, row)
		} else {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return nil, k.none(missing...)
	}
	return rows, nil
}

// query is a describe action's request, the same for every kind.
type query[T any] struct {
	action  string
	ids     []string
	filters []api.Filter
	max     *int32
	token   *string
	by      filters[T]
	also    lookups[T]
	hidden  func(*T) bool // rows that are not shown; nil: none
}

// describe answers a query in the order of the ids: those asked for, all of
// which must exist, or else all of the scope; the filters thin out either.
func (k kind[T]) describe(r state.Reader, c authz.Caller, q query[T]) ([]*T, *string, error) {
	pass, err := compile(q.filters, q.by, q.also)
	if err != nil {
		return nil, nil, err
	}
	p := paging{action: q.action, scope: c.Scope, max: q.max, token: q.token, filters: q.filters, ids: q.ids, set: k.set}
	if _, err := p.check(); err != nil {
		return nil, nil, err
	}
	rows := k.in(r, c.Scope)
	if len(q.ids) > 0 {
		found, err := k.findAll(r, c, q.ids)
		if err != nil {
			return nil, nil, err
		}
		rows = slices.Values(found)
	}
	return page(where(rows, func(row *T) bool {
		return (q.hidden == nil || !q.hidden(row)) && pass(r, row)
	}), idOf[T], p)
}

// where keeps the rows that pass.
func where[T any](rows iter.Seq[*T], pass func(*T) bool) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for row := range rows {
			if pass(row) && !yield(row) {
				return
			}
		}
	}
}
