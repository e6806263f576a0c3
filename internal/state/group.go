package state

import "net/netip"

// SecurityGroup is a stateful firewall that interfaces are members of. Its rules
// are rows of SecurityGroupRules.
type SecurityGroup struct {
	Meta
	VpcID       string
	Name        string
	Description string
}

// IsDefault says whether it is the group that every VPC has.
func (g *SecurityGroup) IsDefault() bool { return g.Name == "default" }

// SecurityGroups is the table of security groups.
var SecurityGroups = &Table[SecurityGroup]{name: "security-group", indexes: []index[SecurityGroup]{
	{ByVpc, func(g *SecurityGroup) []string { return []string{g.VpcID} }},
	{ByGroup, func(g *SecurityGroup) []string { return []string{g.ID} }},
}}

// SecurityGroupRule is one rule: one protocol and port range, one peer. A
// permission with several peers becomes several rules, as in
// DescribeSecurityGroupRules.
type SecurityGroupRule struct {
	Meta
	GroupID  string
	Egress   bool
	Protocol string // "-1", "tcp", "udp", "icmp", "icmpv6", or a number
	FromPort int32  // first port, or ICMP type; -1: all (no ports for the protocol)
	ToPort   int32  // last port, or ICMP code; -1: all
	Peer     Peer
	// Description is shown only.
	Description string `json:",omitempty"`
}

// Peer is the other side of a rule. Exactly one of Cidr, PrefixListID and
// GroupID is set.
type Peer struct {
	Cidr         netip.Prefix `json:",omitzero"` // IPv4 or IPv6
	PrefixListID string       `json:",omitempty"`
	GroupID      string       `json:",omitempty"`
	UserID       string       `json:",omitempty"` // owner of GroupID
	VpcID        string       `json:",omitempty"` // of GroupID, when over peering
	PeeringID    string       `json:",omitempty"`
}

// SecurityGroupRules is the table of rules.
var SecurityGroupRules = &Table[SecurityGroupRule]{name: "security-group-rule", indexes: []index[SecurityGroupRule]{
	{ByGroup, func(r *SecurityGroupRule) []string { return []string{r.GroupID} }},
	{ByPeer, func(r *SecurityGroupRule) []string { return []string{r.Peer.GroupID} }},
	{ByPrefixList, func(r *SecurityGroupRule) []string { return []string{r.Peer.PrefixListID} }},
}}
