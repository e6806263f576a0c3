package access

import (
	"reflect"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// resource is one thing that a request is about, with its condition keys.
type resource struct {
	arn  string
	kind string
	keys authz.Context
	made bool // by the request
}

// lookup finds the row behind an id.
type lookup func(state.Reader, state.Key) (state.Resource, bool)

func in[T any](t *state.Table[T]) lookup {
	return func(r state.Reader, k state.Key) (state.Resource, bool) {
		row, ok := t.Get(r, k)
		if !ok {
			return nil, false
		}
		return any(row).(state.Resource), true
	}
}

// kinds of EC2's resources: the prefix of their ids, and where their rows are, if
// there are any.
var kinds = map[string]struct {
	prefix string
	row    lookup
}{
	"vpc":                          {"vpc", in(state.Vpcs)},
	"subnet":                       {"subnet", in(state.Subnets)},
	"security-group":               {"sg", in(state.SecurityGroups)},
	"security-group-rule":          {"sgr", in(state.SecurityGroupRules)},
	"network-interface":            {"eni", in(state.NetworkInterfaces)},
	"instance":                     {"i", in(state.Instances)},
	"volume":                       {"vol", in(state.Volumes)},
	"image":                        {"ami", nil},
	"snapshot":                     {"snap", nil},
	"key-pair":                     {"key", in(state.KeyPairs)},
	"internet-gateway":             {"igw", in(state.InternetGateways)},
	"natgateway":                   {"nat", in(state.NatGateways)},
	"elastic-ip":                   {"eipalloc", in(state.Addresses)},
	"route-table":                  {"rtb", in(state.RouteTables)},
	"network-acl":                  {"acl", in(state.NetworkAcls)},
	"dhcp-options":                 {"dopt", in(state.DhcpOptionSets)},
	"prefix-list":                  {"pl", in(state.PrefixLists)},
	"vpc-peering-connection":       {"pcx", peeringSeen},
	"vpc-endpoint":                 {"vpce", nil},
	"vpc-endpoint-service":         {"vpce-svc", nil},
	"launch-template":              {"lt", nil},
	"placement-group":              {"pg", nil},
	"vpn-gateway":                  {"vgw", nil},
	"vpn-connection":               {"vpn", nil},
	"customer-gateway":             {"cgw", nil},
	"egress-only-internet-gateway": {"eigw", nil},
	"vpc-flow-log":                 {"fl", nil},
	"transit-gateway":              {"tgw", nil},
	"network-insights-path":        {"nip", nil},
	"network-insights-analysis":    {"nia", nil},
}

// peeringSeen finds a peering connection from either side, with that side's tags.
func peeringSeen(r state.Reader, k state.Key) (state.Resource, bool) {
	for p := range state.VpcPeerings.By(r, state.ByPeering, k.ID) {
		switch k.Scope() {
		case p.Requester.Vpc.Scope():
			return p, true
		case p.Accepter.Vpc.Scope():
			view := *p
			view.Tags = p.AccepterTags
			return &view, true
		}
	}
	return nil, false
}

// ofID gives the kind of an id by its prefix.
func ofID(id string) string {
	prefix := id[:max(strings.LastIndexByte(id, '-'), 0)]
	for kind, k := range kinds {
		if k.prefix == prefix {
			return kind
		}
	}
	return ""
}

// resources gives what a request is about. No resource at all is "*".
func resources(r state.Reader, c *authz.Caller, service string, rule rule, in any, tags map[string]authz.Context) []resource {
	var list []resource
	v := reflect.ValueOf(in)
	for _, s := range rule.resources {
		if s.name == "pass" || s.name == "link" {
			continue
		}
		if s.all {
			path := first(in, "PathPrefix")
			if path == "" {
				path = "/"
			}
			list = append(list, resource{arn: "arn:aws:iam::" + c.Account + ":" + s.name + path, kind: s.name})
			continue
		}
		if s.members == nil {
			list = append(list, resource{arn: arn(c, service, s.name, "*"), kind: s.name, keys: tags[s.name], made: true})
			continue
		}
		for _, path := range s.members {
			for _, value := range values(v, path) {
				if value != "" {
					list = append(list, one(r, c, service, s.name, value, in))
				}
			}
		}
		if len(list) == 0 && service == "iam" && s.name == "user" && c.User != "" {
			list = append(list, one(r, c, service, "user", c.User, in)) // who calls, when nobody is named
		}
	}
	if len(list) == 0 {
		list = append(list, resource{arn: "*"})
	}
	return list
}

// one is the resource of a kind that a member of the request names.
func one(r state.Reader, c *authz.Caller, service, kind, value string, in any) resource {
	switch service {
	case "ec2", "ec2-instance-connect":
		return compute(r, c, kind, value)
	case "elbv2":
		return balancing(r, c, kind, value)
	case "iam":
		return identity(r, c, kind, value, first(in, "Path"))
	case "route53":
		if kind == "resource" {
			kind = first(in, "ResourceType")
		}
		id := value[strings.LastIndexByte(value, '/')+1:]
		return resource{arn: "arn:aws:route53:::" + kind + "/" + id, kind: kind}
	}
	switch {
	case kind == "arn":
		return resource{arn: value, kind: kind}
	case kind == "parameter" && strings.HasPrefix(value, "/aws/"): // public ones are nobody's
		return resource{arn: "arn:" + awsid.Partition(c.Region) + ":ssm:" + c.Region + "::parameter" + value, kind: kind}
	}
	return resource{arn: arn(c, service, kind, strings.TrimPrefix(value, "/")), kind: kind}
}

// arn names a resource of the caller's account and Region.
func arn(c *authz.Caller, service, kind, id string) string {
	account, region := c.Account, c.Region
	switch {
	case service == "ec2-instance-connect":
		service = "ec2"
	case service == "sts":
		region = ""
	case kind == "image" || kind == "snapshot":
		account = ""
	}
	return "arn:" + awsid.Partition(c.Region) + ":" + Vendor(service) + ":" + region + ":" + account + ":" + kind + "/" + id
}

// compute is a resource of EC2, with the keys that its row gives.
func compute(r state.Reader, c *authz.Caller, kind, id string) resource {
	switch kind {
	case "any":
		kind = ofID(id)
	case "association":
		kind, id = associated(r, c, id)
	case "security-group-name":
		kind = "security-group"
		for g := range state.SecurityGroups.In(r, c.Scope) {
			if g.Name == id {
				id = g.ID
				break
			}
		}
	case "public-ip":
		kind = "elastic-ip"
		for a := range state.Addresses.By(r, state.ByPublic, id) {
			id = a.ID
		}
	case "key-pair":
		if row, ok := state.KeyPairs.Get(r, c.Scope.Key(id)); ok {
			return resource{arn: arn(c, "ec2", kind, row.Name), kind: kind, keys: rowKeys(c, row)}
		}
		for row := range state.KeyPairs.By(r, state.ByKeyName, state.NameIn(c.Scope, id)) {
			return resource{arn: arn(c, "ec2", kind, id), kind: kind, keys: rowKeys(c, row)}
		}
	}
	if kind == "" {
		return resource{arn: "*"}
	}
	out := resource{arn: arn(c, "ec2", kind, id), kind: kind}
	if find := kinds[kind].row; find != nil {
		if row, ok := find(r, c.Scope.Key(id)); ok {
			out.keys = rowKeys(c, row)
		}
	}
	return out
}

// associated gives what an association or attachment belongs to.
func associated(r state.Reader, c *authz.Caller, id string) (kind, of string) {
	switch {
	case strings.HasPrefix(id, "eipassoc-"):
		for a := range state.Addresses.By(r, state.ByAssociation, id) {
			return "elastic-ip", a.ID
		}
		for n := range state.NetworkInterfaces.In(r, c.Scope) {
			for _, a := range n.Addresses {
				if a.AssociationID == id {
					return "network-interface", n.ID
				}
			}
		}
	case strings.HasPrefix(id, "rtbassoc-"):
		for t := range state.RouteTables.In(r, c.Scope) {
			for _, a := range t.Associations {
				if a.ID == id {
					return "route-table", t.ID
				}
			}
		}
	case strings.HasPrefix(id, "aclassoc-"):
		for t := range state.NetworkAcls.In(r, c.Scope) {
			for _, a := range t.Associations {
				if a.ID == id {
					return "network-acl", t.ID
				}
			}
		}
	case strings.HasPrefix(id, "eni-attach-"):
		for n := range state.NetworkInterfaces.In(r, c.Scope) {
			if n.Attachment != nil && n.Attachment.ID == id {
				return "network-interface", n.ID
			}
		}
	case strings.HasPrefix(id, "iip-assoc-"):
		for i := range state.Instances.In(r, c.Scope) {
			if i.ProfileAssociation == id {
				return "instance", i.ID
			}
		}
	}
	return "", ""
}

// rowKeys are the keys that describe a resource (Service Authorization Reference,
// "Condition keys for Amazon EC2").
func rowKeys(c *authz.Caller, row state.Resource) authz.Context {
	var keys authz.Context
	for _, t := range state.MetaOf(row).Tags {
		value := []string{t.Value}
		keys = append(keys, authz.Key{Name: "aws:ResourceTag/" + t.Key, Values: value}, authz.Key{Name: "ec2:ResourceTag/" + t.Key, Values: value})
	}
	if p, ok := row.(*state.VpcPeering); ok {
		for name, vpc := range map[string]state.Key{"ec2:RequesterVpc": p.Requester.Vpc, "ec2:AccepterVpc": p.Accepter.Vpc} {
			keys.Add(name, awsid.ARN("ec2", vpc.Region, vpc.Account, "vpc/"+vpc.ID))
		}
		keys.Add("ec2:VpcPeeringConnectionID", p.ID)
	}
	vpc, subnet, zone, kind := placed(row)
	if vpc != "" {
		keys.Add("ec2:Vpc", arn(c, "ec2", "vpc", vpc))
	}
	if subnet != "" {
		keys.Add("ec2:Subnet", arn(c, "ec2", "subnet", subnet))
	}
	keys.Add("ec2:AvailabilityZone", zone)
	keys.Add("ec2:InstanceType", kind)
	return keys
}

// placed says where a resource is, and of what type.
func placed(row state.Resource) (vpc, subnet, zone, kind string) {
	switch v := row.(type) {
	case *state.Subnet:
		return v.VpcID, "", v.AvailabilityZone, ""
	case *state.Instance:
		return v.VpcID, v.SubnetID, v.AvailabilityZone, v.InstanceType
	case *state.NetworkInterface:
		return v.VpcID, v.SubnetID, v.AvailabilityZone, ""
	case *state.SecurityGroup:
		return v.VpcID, "", "", ""
	case *state.RouteTable:
		return v.VpcID, "", "", ""
	case *state.NetworkAcl:
		return v.VpcID, "", "", ""
	case *state.InternetGateway:
		return v.VpcID, "", "", ""
	case *state.NatGateway:
		return v.VpcID, v.SubnetID, "", ""
	case *state.Volume:
		return "", "", v.AvailabilityZone, ""
	}
	return "", "", "", ""
}

// identity is a resource of IAM by name; one that is to be made has the path of
// the request.
func identity(r state.Reader, c *authz.Caller, kind, name, path string) resource {
	if kind == "arn" {
		return resource{arn: name, kind: kind}
	}
	if kind == "linked-role" {
		role, _, _ := awspolicy.LinkedRole(name)
		kind, path, name = "role", "/aws-service-role/"+name+"/", role
	}
	if path == "" {
		path = "/"
	}
	out := resource{arn: "arn:aws:iam::" + c.Account + ":" + kind + path + name, kind: kind}
	key := state.NameKey(c.Account, name)
	var tags state.Tags
	switch kind {
	case "user":
		if row, ok := state.Users.Get(r, key); ok {
			out.arn, tags = row.ARN(), row.Tags
		}
	case "group":
		if row, ok := state.Groups.Get(r, key); ok {
			out.arn = row.ARN()
		}
	case "role":
		if row, ok := state.Roles.Get(r, key); ok {
			out.arn, tags = row.ARN(), row.Tags
		}
	case "instance-profile":
		if row, ok := state.InstanceProfiles.Get(r, key); ok {
			out.arn, tags = row.ARN(), row.Tags
		}
	}
	for _, t := range tags {
		out.keys = append(out.keys, authz.Key{Name: "aws:ResourceTag/" + t.Key, Values: []string{t.Value}}, authz.Key{Name: "iam:ResourceTag/" + t.Key, Values: []string{t.Value}})
	}
	return out
}
