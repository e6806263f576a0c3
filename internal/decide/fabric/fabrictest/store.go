// Package fabrictest makes states for the tests of packets: one small VPC that a
// reader can hold in mind, and random ones that rapid draws and shrinks.
//
// Invariant: states are built by transactions only, and the same draws give the
// same state.
package fabrictest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Scope is where all resources are, except those of the VPC Far.
var Scope = state.Scope{Account: "000000000000", Region: "eu-west-1"}

// FarScope is where the resources of Far are: of another account, which the "-x" in
// their ids says. AwayScope is another Region of that account, for ids with "-y".
var (
	FarScope  = state.Scope{Account: "111111111111", Region: "eu-west-1"}
	AwayScope = state.Scope{Account: "111111111111", Region: "us-east-1"}
)

// Key is the key of a resource by its id.
func Key(id string) state.Key {
	switch {
	case strings.Contains(id, "-x"):
		return FarScope.Key(id)
	case strings.Contains(id, "-y"):
		return AwayScope.Key(id)
	}
	return Scope.Key(id)
}

// epoch is the time of every transaction.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Store is a store in memory whose commits can be read back.
type Store struct {
	*state.Store
	sub *state.Subscription
}

// fataler is a testing.TB or a *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Open makes an empty store. Close it.
func Open(t fataler) *Store {
	t.Helper()
	s, err := state.Open(state.Config{Now: func() time.Time { return epoch }})
	if err != nil {
		t.Fatalf("opening a store: %v", err)
	}
	_, sub := s.Subscribe()
	return &Store{s, sub}
}

// Change makes one transaction and gives the snapshot after it and its changes.
func (s *Store) Change(t fataler, fn func(tx *state.Tx)) (*state.Snapshot, []state.Change) {
	t.Helper()
	before := s.Snapshot().Index
	after, err := s.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil })
	if err != nil {
		t.Fatalf("changing the state: %v", err)
	}
	if after == before {
		return s.Snapshot(), nil
	}
	commits, snap, _, err := s.sub.Next(context.Background(), before)
	if err != nil || len(commits) != 1 {
		t.Fatalf("reading the commit back: %d commits, %v", len(commits), err)
	}
	return snap, commits[0].Changes
}

// Meta is the head of a resource with this id.
func Meta(id string) state.Meta { return state.Meta{Key: Key(id), Created: epoch} }

// Vpc puts a VPC with a main route table and a default ACL that allows all.
func Vpc(tx *state.Tx, id string, cidrs ...string) {
	v := &state.Vpc{Meta: Meta(id), State: "available", EnableDnsSupport: true}
	main := &state.RouteTable{Meta: Meta("rtb-" + id[4:]), VpcID: id, Number: 1, Associations: []state.RouteTableAssociation{{ID: "rtbassoc-" + id[4:], Main: true}}}
	for i, c := range cidrs {
		p := netip.MustParsePrefix(c)
		v.Cidrs = append(v.Cidrs, state.CidrAssociation{ID: fmt.Sprintf("vpc-cidr-assoc-%s%d", id[4:], i), Cidr: p, State: "associated"})
		main.Routes = append(main.Routes, state.Route{Destination: p, GatewayID: "local", Origin: "CreateRouteTable"})
	}
	state.Vpcs.Put(tx, v)
	state.RouteTables.Put(tx, main)
	Acl(tx, "acl-"+id[4:], id, []state.NetworkAclEntry{Allow(100, false), Allow(100, true)})
}

// Allow is an ACL entry that allows everything.
func Allow(number int32, egress bool) state.NetworkAclEntry {
	return state.NetworkAclEntry{Number: number, Egress: egress, Allow: true, Protocol: "-1", Cidr: netip.MustParsePrefix("0.0.0.0/0"), FromPort: -1, ToPort: -1, ICMPType: -1, ICMPCode: -1}
}

// Acl puts an ACL that serves the subnets.
func Acl(tx *state.Tx, id, vpc string, entries []state.NetworkAclEntry, subnets ...string) {
	acl := &state.NetworkAcl{Meta: Meta(id), VpcID: vpc, Entries: entries}
	for _, s := range subnets {
		acl.Associations = append(acl.Associations, state.NetworkAclAssociation{ID: "aclassoc-" + s[7:], SubnetID: s})
	}
	state.NetworkAcls.Put(tx, acl)
}

// Subnet puts a subnet.
func Subnet(tx *state.Tx, id, vpc string, number uint32, cidr string) {
	state.Subnets.Put(tx, &state.Subnet{Meta: Meta(id), VpcID: vpc, State: "available", Number: number, Cidr: netip.MustParsePrefix(cidr), AvailabilityZone: "eu-west-1a"})
}

// Group puts a group.
func Group(tx *state.Tx, id, vpc, name string) {
	state.SecurityGroups.Put(tx, &state.SecurityGroup{Meta: Meta(id), VpcID: vpc, Name: name})
}

// Rule puts a rule: peer is a CIDR, a group or a prefix list.
func Rule(tx *state.Tx, id, group string, egress bool, protocol string, from, to int32, peer string) {
	r := &state.SecurityGroupRule{Meta: Meta(id), GroupID: group, Egress: egress, Protocol: protocol, FromPort: from, ToPort: to}
	switch {
	case len(peer) > 3 && peer[:3] == "sg-":
		r.Peer = state.Peer{GroupID: peer, UserID: Key(peer).Account}
	case len(peer) > 3 && peer[:3] == "pl-":
		r.Peer = state.Peer{PrefixListID: peer}
	default:
		r.Peer.Cidr = netip.MustParsePrefix(peer)
	}
	state.SecurityGroupRules.Put(tx, r)
}

// Interface puts an interface, attached to an instance unless that is empty.
func Interface(tx *state.Tx, id, vpc, subnet, instance string, index int32, groups []string, addrs ...string) {
	n := &state.NetworkInterface{Meta: Meta(id), VpcID: vpc, SubnetID: subnet, Groups: groups, SourceDestCheck: true, Status: "available", InterfaceType: "interface"}
	for i, a := range addrs {
		n.Addresses = append(n.Addresses, state.PrivateAddress{Addr: netip.MustParseAddr(a), Primary: i == 0})
	}
	sum := uint32(2166136261)
	for _, c := range []byte(id) {
		sum = (sum ^ uint32(c)) * 16777619
	}
	n.MAC = fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	if instance != "" {
		n.Status = "in-use"
		n.Attachment = &state.Attachment{ID: "eni-attach-" + id[4:], InstanceID: instance, InstanceOwnerID: Key(id).Account, DeviceIndex: index, Status: "attached", AttachTime: epoch}
	}
	state.NetworkInterfaces.Put(tx, n)
}

// Delegate gives an interface prefixes.
func Delegate(tx *state.Tx, id string, prefixes ...netip.Prefix) {
	row, ok := state.NetworkInterfaces.Get(tx, Key(id))
	if !ok {
		return
	}
	n := *row
	n.Prefixes = prefixes
	state.NetworkInterfaces.Put(tx, &n)
}

// Instance puts an instance in a state.
func Instance(tx *state.Tx, id, vpc string, s state.InstanceState) {
	state.Instances.Put(tx, &state.Instance{Meta: Meta(id), State: s, VpcID: vpc, LaunchTime: epoch})
}

// Small gives a store with one VPC: two subnets, the groups web, which anybody
// in the VPC may reach on port 80, and app, whose members may reach db on 5432,
// and three instances, one in each group.
func Small(t testing.TB) *Store {
	t.Helper()
	s := Open(t)
	t.Cleanup(func() { s.Close() })
	s.Change(t, func(tx *state.Tx) {
		Vpc(tx, "vpc-1", "172.30.0.0/16")
		Subnet(tx, "subnet-1", "vpc-1", 1, "172.30.0.0/24")
		Subnet(tx, "subnet-2", "vpc-1", 2, "172.30.1.0/24")
		Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{Allow(100, false), Allow(100, true)}, "subnet-1", "subnet-2")
		Group(tx, "sg-app", "vpc-1", "app")
		Group(tx, "sg-db", "vpc-1", "db")
		Rule(tx, "sgr-app-80", "sg-app", false, "tcp", 80, 80, "172.30.0.0/16")
		Rule(tx, "sgr-app-ping", "sg-app", false, "icmp", 8, -1, "0.0.0.0/0")
		Rule(tx, "sgr-app-out", "sg-app", true, "-1", -1, -1, "0.0.0.0/0")
		Rule(tx, "sgr-db-5432", "sg-db", false, "tcp", 5432, 5432, "sg-app")
		Rule(tx, "sgr-db-udp", "sg-db", true, "udp", 514, 514, "172.30.1.0/24")
		Instance(tx, "i-app1", "vpc-1", state.Running)
		Instance(tx, "i-app2", "vpc-1", state.Running)
		Instance(tx, "i-db1", "vpc-1", state.Pending)
		Interface(tx, "eni-app1", "vpc-1", "subnet-1", "i-app1", 0, []string{"sg-app"}, "172.30.0.4")
		Interface(tx, "eni-app2", "vpc-1", "subnet-2", "i-app2", 0, []string{"sg-app"}, "172.30.1.4", "172.30.1.5")
		Interface(tx, "eni-db1", "vpc-1", "subnet-2", "i-db1", 0, []string{"sg-app", "sg-db"}, "172.30.1.224")
	})
	return s
}
