package fabrictest

import (
	"fmt"
	"net/netip"
	"strconv"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/state"
)

// What random states are made of. The pools are small, so that things meet:
// rules overlap, groups refer to each other and to nothing, subnets share ACLs.
const (
	subnets    = 3 // of each VPC
	groups     = 4
	rules      = 18
	acls       = 2
	lists      = 2 // of an account
	interfaces = 5
	instances  = 4
)

// Cidrs of rules and entries: nested, disjoint, of both families.
var Cidrs = []string{
	"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "10.0.1.0/28", "10.0.1.4/32", "10.0.2.0/24",
	"10.0.2.5/32", "10.0.3.0/25", "10.0.0.0/22", "10.9.0.0/16", "10.9.1.0/24", "192.0.2.0/24", "2001:db8::/32", "::/0",
}

// Protocols of rules and packets; numbers stand for themselves.
var Protocols = []string{"-1", "tcp", "tcp", "tcp", "udp", "udp", "icmp", "icmp", "icmpv6", "50", "253"}

var ranges = [][2]int32{{80, 80}, {443, 443}, {80, 90}, {85, 100}, {0, 65535}, {-1, -1}, {1000, 2000}, {1500, 2500}, {53, 53}, {22, 22}}

// entryRanges has the ports of clients too, without which a stateless ACL lets no
// answer pass.
var entryRanges = append([][2]int32{{1024, 65535}, {32768, 60999}, {0, 32767}}, ranges...)

// Ports of packets: around the ends of the ranges.
var Ports = []uint16{22, 53, 79, 80, 84, 85, 90, 91, 100, 443, 999, 1000, 1500, 2000, 2001, 2500, 40000, 65535}

var types = [][2]int32{{-1, -1}, {8, -1}, {8, 0}, {0, -1}, {3, -1}, {3, 4}, {13, 0}, {11, -1}}

func pick[T any](t *rapid.T, from []T, what string) T { return rapid.SampledFrom(from).Draw(t, what) }

func below(t *rapid.T, n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }

// Far is the number of a VPC of another account, with other blocks than those of 0
// and 1, which are equal.
const Far = 9

// Vpcs are the numbers of all VPCs.
var Vpcs = []int{0, 1, Far}

// digit is what stands for a VPC in ids.
func digit(v int) string {
	if v == Far {
		return "x"
	}
	return strconv.Itoa(v)
}

// VpcID, and the others, name the members of the pools. v is the VPC's number.
func VpcID(v int) string          { return "vpc-" + digit(v) }
func SubnetID(v, n int) string    { return fmt.Sprintf("subnet-%s%d", digit(v), n) }
func GroupID(v, n int) string     { return fmt.Sprintf("sg-%s%d", digit(v), n) }
func InterfaceID(v, n int) string { return fmt.Sprintf("eni-%s%d", digit(v), n) }
func InstanceID(v, n int) string  { return fmt.Sprintf("i-%s%d", digit(v), n) }

func aclID(v, n int) string  { return fmt.Sprintf("acl-%s%d", digit(v), n) }
func ruleID(v, n int) string { return fmt.Sprintf("sgr-%s%02d", digit(v), n) }

// ListID names a prefix list, of the account that has the VPC.
func ListID(v, n int) string {
	if v == Far {
		return fmt.Sprintf("pl-x%d", n)
	}
	return fmt.Sprintf("pl-%d", n)
}

// cidr is a block of a VPC: n is its third number.
func cidr(v, n, bits int) string { return fmt.Sprintf("10.%d.%d.0/%d", second(v), n, bits) }

// second is the second number of a VPC's addresses.
func second(v int) byte {
	if v == Far {
		return Far
	}
	return 0
}

// How many interfaces and instances a VPC has at most.
const (
	Interfaces = interfaces
	Instances  = instances
)

// Addr is the address of an interface in a subnet: each interface has its own
// everywhere, so that no two ever share one; a secondary one may be lent to another.
func Addr(v, subnet, n int, secondary bool) netip.Addr {
	last := byte(4 + n)
	if secondary {
		last += 40
	}
	return netip.AddrFrom4([4]byte{10, second(v), byte(subnet + 1), last})
}

// Block is the prefix of an interface in a subnet: its own everywhere, as Addr is.
func Block(v, subnet, n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second(v), byte(subnet + 1), byte(128 + 16*n)}), 28)
}

// Populate fills one VPC: everything drawn, everything consistent.
func Populate(t *rapid.T, tx *state.Tx, v int) {
	Vpc(tx, VpcID(v), cidr(v, 0, 16))
	for n := range subnets {
		Subnet(tx, SubnetID(v, n), VpcID(v), uint32(n+1), cidr(v, n+1, 24))
	}
	Acls(t, tx, v)
	present := rapid.IntRange(1, groups).Draw(t, "groups")
	for n := range present {
		Group(tx, GroupID(v, n), VpcID(v), fmt.Sprintf("g%d", n))
	}
	for n := range lists {
		drawList(t, tx, v, n)
	}
	for n := range rapid.IntRange(rules/3, rules).Draw(t, "rules") {
		drawRule(t, tx, v, n, present)
	}
	for n := range instances {
		Instance(tx, InstanceID(v, n), VpcID(v), pick(t, []state.InstanceState{state.Running, state.Running, state.Running, state.Running, state.Pending, state.Pending, state.Stopped}, "instance state"))
	}
	for n := range interfaces {
		drawInterface(t, tx, v, n, present)
	}
	border(t, tx, v)
	zones(tx, v)
	if rapid.IntRange(0, 5).Draw(t, "anything broken") == 0 {
		drawFault(t, tx, v, false)
	}
	drawBalancer(t, tx, v, present)
}

// Acls gives the subnets of a VPC ACLs: entries and associations are drawn anew.
func Acls(t *rapid.T, tx *state.Tx, v int) {
	byAcl := make([][]string, acls)
	for n := range subnets {
		a := below(t, acls, "acl of subnet")
		byAcl[a] = append(byAcl[a], SubnetID(v, n))
	}
	for a, served := range byAcl {
		entries := []state.NetworkAclEntry{Allow(100, false), Allow(100, true)}
		if rapid.Bool().Draw(t, "filtering acl") {
			entries = drawEntries(t)
		}
		Acl(tx, aclID(v, a), VpcID(v), entries, served...)
	}
}

func drawRule(t *rapid.T, tx *state.Tx, v, n, groups int) {
	proto := pick(t, Protocols, "protocol")
	span := [2]int32{-1, -1}
	switch proto {
	case "tcp", "udp":
		span = pick(t, ranges, "ports")
	case "icmp", "icmpv6":
		span = pick(t, types, "type")
	}
	peer := pick(t, Cidrs, "cidr")
	if rapid.IntRange(0, 2).Draw(t, "peer") == 0 {
		of := pick(t, append([]int{v, v}, neighbours(v)...), "peer group's vpc")
		peer = GroupID(of, below(t, groups+1, "peer group")) // one more than there are: stale
	}
	if rapid.IntRange(0, 5).Draw(t, "prefix list") == 0 {
		peer = ListID(v, below(t, lists+1, "peer list")) // one more than there are
	}
	// Some rules allow much, or too few packets would get anywhere.
	switch rapid.IntRange(0, 5).Draw(t, "wide") {
	case 0:
		proto, span, peer = "-1", [2]int32{-1, -1}, "0.0.0.0/0"
	case 1:
		proto, span = "-1", [2]int32{-1, -1}
	case 2:
		peer = "10.0.0.0/8"
	}
	Rule(tx, ruleID(v, n), GroupID(v, below(t, groups, "group of rule")), rapid.Bool().Draw(t, "egress"), proto, span[0], span[1], peer)
}

// drawList draws a prefix list's entries: they overlap each other and the blocks
// of other rules, and there may be none.
func drawList(t *rapid.T, tx *state.Tx, v, n int) {
	List(tx, ListID(v, n), rapid.SliceOfNDistinct(rapid.SampledFrom(Cidrs), 0, 4, rapid.ID).Draw(t, "entries of list")...)
}

func drawEntries(t *rapid.T) []state.NetworkAclEntry {
	var entries []state.NetworkAclEntry
	for n := range rapid.IntRange(0, 6).Draw(t, "entries") {
		e := Allow(int32(n*3%7+1)*10, rapid.Bool().Draw(t, "entry egress")) // not in the order of their numbers
		e.Allow = rapid.IntRange(0, 3).Draw(t, "allow") > 0
		e.Cidr = netip.MustParsePrefix(pick(t, Cidrs, "entry cidr"))
		e.Protocol = pick(t, []string{"-1", "-1", "6", "17", "1", "58", "50"}, "entry protocol")
		switch e.Protocol {
		case "6", "17":
			span := pick(t, entryRanges, "entry ports")
			e.FromPort, e.ToPort = span[0], span[1]
		case "1":
			span := pick(t, types, "entry type")
			e.ICMPType, e.ICMPCode = span[0], span[1]
		}
		entries = append(entries, e)
	}
	// Behind the others, or too few packets would get to the end and back.
	for _, egress := range []bool{false, true} {
		if rapid.Bool().Draw(t, "allow the rest") {
			entries = append(entries, Allow(100, egress))
		}
	}
	return entries
}

func drawInterface(t *rapid.T, tx *state.Tx, v, n, groups int) {
	subnet := below(t, subnets, "subnet")
	var of []string
	if mask := rapid.IntRange(0, 1<<groups).Draw(t, "groups of interface"); mask < 1<<groups {
		for g := range groups {
			if mask>>g&1 == 0 { // fewer draws away from a member of all
				of = append(of, GroupID(v, g))
			}
		}
	}
	addrs := []string{Addr(v, subnet, n, false).String()}
	second := Addr(v, subnet, n, true)
	if held := holder(tx, v, second); rapid.IntRange(0, 3).Draw(t, "secondary") == 0 && (held == "" || held == InterfaceID(v, n)) {
		addrs = append(addrs, second.String())
	}
	// The last interface is a second one of the first instance, or attached to nothing.
	instance, index := InstanceID(v, n), int32(0)
	if n >= instances {
		instance, index = pick(t, []string{InstanceID(v, 0), ""}, "attached to"), 1
	}
	if !vacant(tx, instance, index, InterfaceID(v, n)) {
		instance = ""
	}
	Interface(tx, InterfaceID(v, n), VpcID(v), SubnetID(v, subnet), instance, index, of, addrs...)
	if rapid.IntRange(0, 3).Draw(t, "delegated") == 0 {
		Delegate(tx, InterfaceID(v, n), Block(v, subnet, n))
	}
}

// Disturb makes one random change, of the kinds that the API makes and of kinds
// that it would refuse: everything must follow from any state.
func Disturb(t *rapid.T, tx *state.Tx) {
	v := pick(t, Vpcs, "vpc")
	switch rapid.IntRange(0, 24).Draw(t, "change") {
	case 0:
		Populate(t, tx, v)
	case 1:
		if row, ok := state.Vpcs.Get(tx, Key(VpcID(v))); ok {
			next := *row
			next.EnableDnsSupport = !next.EnableDnsSupport
			state.Vpcs.Put(tx, &next)
		}
	case 2:
		state.Vpcs.Delete(tx, Key(VpcID(v)))
	case 3:
		n := below(t, subnets, "subnet")
		if rapid.Bool().Draw(t, "delete") {
			state.Subnets.Delete(tx, Key(SubnetID(v, n)))
		} else {
			Subnet(tx, SubnetID(v, n), VpcID(v), uint32(n+1), cidr(v, n+1, rapid.IntRange(24, 26).Draw(t, "bits")))
		}
	case 4:
		n := below(t, groups, "group")
		if rapid.Bool().Draw(t, "delete") {
			state.SecurityGroups.Delete(tx, Key(GroupID(v, n)))
		} else {
			Group(tx, GroupID(v, n), VpcID(v), fmt.Sprintf("g%d", n))
		}
	case 5, 6:
		n := below(t, rules, "rule")
		if rapid.Bool().Draw(t, "delete") {
			state.SecurityGroupRules.Delete(tx, Key(ruleID(v, n)))
		} else {
			drawRule(t, tx, v, n, groups)
		}
	case 7:
		id := aclID(v, below(t, acls, "acl"))
		if rapid.Bool().Draw(t, "delete") {
			state.NetworkAcls.Delete(tx, Key(id))
		} else {
			Acl(tx, id, VpcID(v), drawEntries(t), SubnetID(v, below(t, subnets, "served")))
		}
	case 8, 9:
		n := below(t, interfaces, "interface")
		if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
			state.NetworkInterfaces.Delete(tx, Key(InterfaceID(v, n)))
		} else {
			drawInterface(t, tx, v, n, groups)
		}
	case 10:
		Instance(tx, InstanceID(v, below(t, instances, "instance")), VpcID(v),
			pick(t, []state.InstanceState{state.Running, state.Pending, state.Stopping, state.Stopped, state.Terminated}, "instance state"))
	case 11:
		t := &state.RouteTable{Meta: Meta("rtb-" + digit(v)), VpcID: VpcID(v), Associations: []state.RouteTableAssociation{
			{Main: rapid.Bool().Draw(t, "main")}, {SubnetID: SubnetID(v, below(t, subnets, "routed"))},
		}}
		state.RouteTables.Put(tx, t)
	case 12, 13:
		move(t, tx, v)
	case 15, 16, 17, 18:
		disturbBorder(t, tx, v)
	case 19:
		drawFault(t, tx, v, true)
	case 22, 23, 24:
		disturbBalancer(t, tx, v)
	case 14:
		if n := below(t, lists, "list"); rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
			state.PrefixLists.Delete(tx, Key(ListID(v, n)))
		} else {
			drawList(t, tx, v, n)
		}
	case 20, 21:
		disturbPeering(t, tx, v)
	}
}
