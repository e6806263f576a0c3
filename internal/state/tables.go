package state

// tables lists every table once: the schema, the journal and Tx.Clear read it.
var tables = []table{
	Vpcs, Subnets, SecurityGroups, SecurityGroupRules, NetworkInterfaces, DhcpOptionSets,
	RouteTables, NetworkAcls, Images, KeyPairs, Instances, Volumes, ClientTokens, Settings,
	InternetGateways, Addresses, NatGateways, PrefixLists, Hosts, ServiceQuotas, QuotaChanges,
	HostedZones, RecordSets, DelegationSets, CallerReferences, DnsChanges, HealthChecks, QueryLoggingConfigs, CidrCollections,
	VpcPeerings, LoadBalancers, Listeners, TargetGroups, Targets, Faults,
	Users, Groups, Roles, InstanceProfiles, ManagedPolicies, AccessKeys, AccountsSettings,
}

// Names of indexes that several tables have.
const (
	ByVpc      = "vpc"
	BySubnet   = "subnet"
	ByGroup    = "group"
	ByInstance = "instance"
	ByImage    = "image"
	ByDhcp     = "dhcp"
	ByAddress  = "address" // NetworkInterfaces: VpcAddress(vpc, address)
	ByPeer     = "peer"    // SecurityGroupRules: the group that a rule refers to
	ByKeyName  = "keyname"

	ByPublic      = "public"      // by public address, in text: unique over all accounts and Regions
	ByInterface   = "interface"   // by the interface that something sits on
	ByUnchecked   = "unchecked"   // NetworkInterfaces: by VPC, those without source/destination check
	ByAssociation = "association" // Addresses: by association id
	ByRouteTarget = "target"      // RouteTables: by the id of a route's target or prefix list
	ByPrefixList  = "prefix-list" // SecurityGroupRules: by the list that a rule refers to

	ByPeering     = "peering"      // VpcPeerings: by id, from whichever side
	ByScope       = "scope"        // VpcPeerings: by either side's Scope, in text
	ByBalancer    = "balancer"     // Listeners: by load balancer
	ByTargetGroup = "target-group" // Listeners, Targets: by target group

	ByName          = "name"           // HostedZones: by name, over all accounts
	ByReversed      = "reversed"       // HostedZones: Reversed(account, reversed name)
	ByVpcName       = "vpc-name"       // HostedZones: VpcName(vpc, name)
	ByZone          = "zone"           // by the hosted zone that something belongs to
	ByDelegationSet = "delegation-set" // HostedZones: by the reusable delegation set
	ByHealthCheck   = "health-check"   // RecordSets: by their health check; HealthChecks: by their children
	ByCollection    = "collection"     // RecordSets: by CIDR collection, a blank and location
	ByUnique        = "unique"         // identities: by unique id, which no two have; access keys by id
	ByPolicy        = "policy"         // Users, Groups, Roles: Within(account, ARN of a managed policy)
	ByBoundary      = "boundary"       // Users, Roles: the same
	ByRole          = "role"           // InstanceProfiles: Within(account, role)
	ByUser          = "user"           // AccessKeys: Within(account, user)

	ByParameter = "parameter" // Images: the name of an SSM public parameter
)
