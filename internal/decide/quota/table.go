package quota

const (
	vpcs             = "vpcs-per-region"
	internetGateways = "internet-gateways-per-region"
	groupRules       = "rules-per-security-group"
	interfaceGroups  = "security-groups-per-interface"
)

// table is the one list of quotas (Amazon VPC User Guide, "Amazon VPC quotas";
// Amazon EC2 User Guide, "Amazon EC2 service quotas"; Elastic Load Balancing,
// "Quotas for your Network Load Balancers").
var table = [...]Quota{
	{vpcs, "vpc", "L-F678F1CE", "VPCs per Region", 5, 0, true,
		"VpcLimitExceeded", "The maximum number of VPCs has been reached."},
	{"cidr-blocks-per-vpc", "vpc", "L-83CA0A9D", "IPv4 CIDR blocks per VPC", 5, 50, true,
		"VpcCidrBlockLimitExceeded", "The maximum number of CIDR blocks per VPC has been reached."},
	{"subnets-per-vpc", "vpc", "L-407747CB", "Subnets per VPC", 200, 0, true,
		"SubnetLimitExceeded", "The maximum number of subnets has been reached."},
	{"dhcp-options-per-region", "vpc", "", "DHCP option sets per Region", 200, 0, false,
		"DhcpOptionsLimitExceeded", "The maximum number of DHCP options sets has been reached."},
	{internetGateways, "vpc", "L-A4707A72", "Internet gateways per Region", 5, 0, true,
		"InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached."},
	{"nat-gateways-per-availability-zone", "vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5, 0, true,
		"NatGatewayLimitExceeded", "Performing this operation would exceed the limit of %d NAT gateways"},
	{"elastic-ips-per-nat-gateway", "vpc", "L-5F53652F", "Elastic IP address quota per NAT gateway", 2, 8, true,
		"NatGatewayAddressLimitExceeded", "Performing this operation would exceed the limit of %d Elastic IP addresses per NAT gateway"},
	{"private-addresses-per-nat-gateway", "vpc", "L-DFA99DE7", "Private IP address quota per NAT gateway", 8, 31, true,
		"NatGatewayAddressLimitExceeded", "Performing this operation would exceed the limit of %d private IP addresses per NAT gateway"},
	{"active-peerings-per-vpc", "vpc", "L-7E9ECCDB", "Active VPC peering connections per VPC", 50, 125, true,
		"ActiveVpcPeeringConnectionPerVpcLimitExceeded", "The maximum number of active VPC peering connections per VPC has been reached."},
	{"outstanding-peering-requests", "vpc", "L-DC9F7029", "Outstanding VPC peering connection requests", 25, 0, true,
		"OutstandingVpcPeeringConnectionLimitExceeded", "The maximum number of outstanding VPC peering connection requests has been reached."},
	{"elastic-ips", "ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5, 0, true,
		"AddressLimitExceeded", "The maximum number of addresses has been reached."},
	{"prefix-lists-per-region", "vpc", "", "Prefix lists per Region", 100, 0, false,
		"PrefixListLimitExceeded", "The maximum number of prefix lists has been reached."},
	{"entries-per-prefix-list", "vpc", "", "Maximum number of entries per prefix list", 1000, 0, false,
		"InvalidParameterValue", "Must specify a max size between 1 and %d"},
	{"route-tables-per-vpc", "vpc", "L-589F43AA", "Route tables per VPC", 200, 0, true,
		"RouteTableLimitExceeded", "The maximum number of route tables has been reached."},
	{"routes-per-route-table", "vpc", "L-93826ACB", "Routes per route table", 500, 1000, true,
		"RouteLimitExceeded", "The maximum number of routes has been reached."},
	{"network-acls-per-vpc", "vpc", "L-B4A6D682", "Network ACLs per VPC", 200, 0, true,
		"NetworkAclLimitExceeded", "The maximum number of network ACLs has been reached."},
	{"rules-per-network-acl", "vpc", "L-2AEEBF1A", "Rules per network ACL", 20, 40, true,
		"NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached."},
	{"security-groups-per-region", "vpc", "L-E79EC296", "VPC security groups per Region", 2500, 0, true,
		"SecurityGroupLimitExceeded", "The maximum number of security groups has been reached."},
	{groupRules, "vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60, 1000, true,
		"RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached."},
	{interfaceGroups, "vpc", "L-2AFB9258", "Security groups per network interface", 5, 16, true,
		"SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached."},
	{"network-interfaces-per-region", "vpc", "L-DF5E4CA3", "Network interfaces per Region", 5000, 0, true,
		"NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached."},
	{"network-load-balancers-per-region", "elasticloadbalancing", "L-69A177A2", "Network Load Balancers per Region", 50, 0, true,
		"TooManyLoadBalancers", "The maximum number of load balancers has been reached"},
	{"listeners-per-network-load-balancer", "elasticloadbalancing", "L-57A373D6", "Listeners per Network Load Balancer", 50, 0, true,
		"TooManyListeners", "The maximum number of listeners per load balancer has been reached"},
	{"target-groups-per-region", "elasticloadbalancing", "L-B22855CB", "Target Groups per Region", 3000, 0, true,
		"TooManyTargetGroups", "The maximum number of target groups has been reached"},
	{"targets-per-target-group", "elasticloadbalancing", "L-A0D0B863", "Targets per Target Group per Region", 1000, 0, true,
		"TooManyTargets", "The maximum number of targets per target group has been reached: '%d'"},
	{"targets-per-network-load-balancer", "elasticloadbalancing", "L-EEF1AD04", "Targets per Network Load Balancer", 3000, 0, true,
		"TooManyTargets", "The maximum number of targets per load balancer has been reached: '%d'"},
	{"targets-per-zone-of-network-load-balancer", "elasticloadbalancing", "L-B211E961", "Targets per Availability Zone per Network Load Balancer", 500, 0, true,
		"TooManyTargets", "The maximum number of targets per load balancer and Availability Zone has been reached: '%d'"},
}
