package ec2

import (
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// A quota bounds how many of something an account may have (Amazon VPC User
// Guide, "Amazon VPC quotas").
type quota struct {
	name  string // as Config.Quotas spells it
	code  string // Service Quotas' code
	limit int    // AWS's default
	err   string // the error's code
	text  string
}

// quotas is the one table of them.
var quotas = [...]quota{
	{"vpcs-per-region", "L-F678F1CE", 5, "VpcLimitExceeded", "The maximum number of VPCs has been reached."},
	{"cidr-blocks-per-vpc", "L-83CA0A9D", 5, "VpcCidrBlockLimitExceeded", "The maximum number of CIDR blocks per VPC has been reached."},
	{"subnets-per-vpc", "L-407747CB", 200, "SubnetLimitExceeded", "The maximum number of subnets has been reached."},
	{"dhcp-options-per-region", "L-1B52E74A", 200, "DhcpOptionsLimitExceeded", "The maximum number of DHCP options sets has been reached."},
	{"route-tables-per-vpc", "L-589F43AA", 200, "RouteTableLimitExceeded", "The maximum number of route tables has been reached."},
	{"routes-per-route-table", "L-93826ACB", 500, "RouteLimitExceeded", "The maximum number of routes has been reached."},
	{"network-acls-per-vpc", "L-B4A6D682", 200, "NetworkAclLimitExceeded", "The maximum number of network ACLs has been reached."},
	{"rules-per-network-acl", "L-2AEEBF1A", 20, "NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached."},
	{"security-groups-per-region", "L-E79EC296", 2500, "SecurityGroupLimitExceeded", "The maximum number of security groups has been reached."},
	{"rules-per-security-group", "L-0EA8095F", 60, "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached."},
	{"security-groups-per-interface", "L-2AFB9258", 5, "SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached."},
	{"network-interfaces-per-region", "L-DF5E4CA3", 5000, "NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached."},
}

// NoQuotas switches every quota off, as a value of Config.Quotas.
func NoQuotas() map[string]int {
	off := make(map[string]int, len(quotas))
	for _, q := range quotas {
		off[q.name] = -1
	}
	return off
}

// QuotaNames lists the names that Config.Quotas may have, in the table's order.
func QuotaNames() []string {
	names := make([]string, len(quotas))
	for i, q := range quotas {
		names[i] = q.name
	}
	return names
}

// quota is the limit in force under a name, -1 for none.
func (s *Service) quota(_ state.Reader, _ authz.Caller, name string) int {
	if limit, ok := s.cfg.Quotas[name]; ok {
		return limit
	}
	return quotaNamed(name).limit
}

// within refuses to have n of what the quota bounds, with AWS's error for it.
func (s *Service) within(r state.Reader, c authz.Caller, name string, n int) error {
	limit := s.quota(r, c, name)
	if limit < 0 || n <= limit {
		return nil
	}
	q := quotaNamed(name)
	return awserr.New(q.err, "%s", q.text)
}

func quotaNamed(name string) quota {
	for _, q := range quotas {
		if q.name == name {
			return q
		}
	}
	panic("ec2: no quota is named " + name) // a constant in this package
}
