package state

// tables lists every table once: the schema, the journal and Tx.Clear read it.
var tables = []table{
	Vpcs, Subnets, SecurityGroups, SecurityGroupRules, NetworkInterfaces, DhcpOptionSets,
	RouteTables, NetworkAcls, Images, KeyPairs, Instances, Volumes, ClientTokens, Settings,
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

	ByParameter = "parameter" // Images: the name of an SSM public parameter
)
