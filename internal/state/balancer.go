package state

import (
	"net/netip"
	"time"
)

// LoadBalancer is a network load balancer; its id is what its ARN ends with,
// "net/NAME/HASH".
type LoadBalancer struct {
	Meta
	Name     string
	Hash     string // 16 hex digits
	Internal bool   `json:",omitempty"` // scheme "internal"; otherwise "internet-facing"
	VpcID    string
	State    string // "provisioning", "active", "failed"
	DNSName  string // "NAME-HASH.elb.REGION.amazonaws.com", lower case, without the final dot
	// Guarded: it was created with groups. One that was not can never have any and lets
	// everything in.
	Guarded    bool     `json:",omitempty"`
	Groups     []string `json:",omitempty"`
	Nodes      []BalancerNode
	Attributes Tags `json:",omitempty"` // what was set; the others have AWS's defaults
	// PrivateLinkOpen: its groups' inbound rules do not hold for PrivateLink. Stored:
	// there is no PrivateLink.
	PrivateLinkOpen bool `json:",omitempty"`
}

// BalancerNode is a balancer's node in one zone. Its interface is of the type
// "network_load_balancer" and has the balancer's groups; what it does with packets
// is the balancer's to say.
type BalancerNode struct {
	Zone         string
	ZoneID       string
	SubnetID     string
	InterfaceID  string
	PrivateIP    netip.Addr
	PublicIP     netip.Addr `json:",omitzero"`
	AllocationID string     `json:",omitempty"` // of the caller's Elastic IP
	Chosen       bool       `json:",omitempty"` // the caller chose PrivateIP
}

// Attribute is the value of an attribute, or the default.
func (b *LoadBalancer) Attribute(key, otherwise string) string {
	if v, ok := b.Attributes.Get(key); ok {
		return v
	}
	return otherwise
}

// LoadBalancers is the table of load balancers.
var LoadBalancers = &Table[LoadBalancer]{name: "load-balancer", indexes: []index[LoadBalancer]{
	{ByVpc, func(b *LoadBalancer) []string { return []string{b.VpcID} }},
	{ByGroup, func(b *LoadBalancer) []string { return b.Groups }},
	{ByName, func(b *LoadBalancer) []string { return []string{b.DNSName} }},
	{BySubnet, func(b *LoadBalancer) []string {
		keys := make([]string, len(b.Nodes))
		for i, n := range b.Nodes {
			keys[i] = n.SubnetID
		}
		return keys
	}},
	{ByInterface, func(b *LoadBalancer) []string {
		keys := make([]string, len(b.Nodes))
		for i, n := range b.Nodes {
			keys[i] = n.InterfaceID
		}
		return keys
	}},
}}

// Listener is a port of a load balancer; its id is what its ARN ends with,
// "net/NAME/HASH/HASH".
type Listener struct {
	Meta
	BalancerID string
	Protocol   string // "TCP", "UDP", "TCP_UDP"
	Port       int32
	TargetsID  string // id of the target group that it forwards to
	Weight     int32  `json:",omitempty"` // of the group, stored: it is the only one; 0: none was given
	Attributes Tags   `json:",omitempty"`
}

// Listeners is the table of listeners.
var Listeners = &Table[Listener]{name: "listener", indexes: []index[Listener]{
	{ByBalancer, func(l *Listener) []string { return []string{l.BalancerID} }},
	{ByTargetGroup, func(l *Listener) []string { return []string{l.TargetsID} }},
}}

// TargetGroup is a set of targets and how they are checked; its id is what its
// ARN ends with, "NAME/HASH".
type TargetGroup struct {
	Meta
	Name       string
	VpcID      string
	Protocol   string // "TCP", "UDP", "TCP_UDP"
	Port       int32
	TargetType string // "instance", "ip"
	Check      TargetCheck
	Attributes Tags `json:",omitempty"` // what was set; the others have AWS's defaults
}

// TargetCheck is how the targets of a group are checked.
type TargetCheck struct {
	Protocol  string // "TCP", "HTTP", "HTTPS"
	Port      int32  // 0: "traffic-port"
	Path      string `json:",omitempty"`
	Matcher   string `json:",omitempty"` // status codes: "200-399"
	Interval  int32  // seconds
	Timeout   int32  // seconds
	Healthy   int32  // successes in a row
	Unhealthy int32  // failures in a row
}

// Attribute is the value of an attribute, or the default.
func (g *TargetGroup) Attribute(key, otherwise string) string {
	if v, ok := g.Attributes.Get(key); ok {
		return v
	}
	return otherwise
}

// TargetGroups is the table of target groups.
var TargetGroups = &Table[TargetGroup]{name: "target-group", indexes: []index[TargetGroup]{
	{ByVpc, func(g *TargetGroup) []string { return []string{g.VpcID} }},
}}

// Target is a registered target, or one that drains; its id is the group's, a
// blank, the target's id and its port: "NAME/HASH i-…:80".
type Target struct {
	Meta
	GroupID string
	Target  string // an instance's id or an address
	Port    int32
	Zone    string // name of the zone, or "all"
	// Drains is when a target that was deregistered goes; zero: it is registered.
	Drains time.Time `json:",omitzero"`
	Health []TargetHealth
}

// TargetHealth is what the node of one zone of one balancer has seen of a target,
// a fact that the checks report.
type TargetHealth struct {
	BalancerID string
	Zone       string // the node's
	Healthy    bool
	Reason     string `json:",omitempty"` // "Target.FailedHealthChecks", …; empty when healthy
	Text       string `json:",omitempty"`
}

// Targets is the table of targets.
var Targets = &Table[Target]{name: "target", indexes: []index[Target]{
	{ByTargetGroup, func(t *Target) []string { return []string{t.GroupID} }},
	{ByInstance, func(t *Target) []string { return []string{t.Target} }},
}}
