package fabrictest

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/state"
)

// peerings is how many peering connections there are: from Far to each of the
// others, and one between these, whose blocks are equal.
const peerings = 3

var ends = [peerings][2]int{{0, Far}, {Far, 1}, {0, 1}}

// PeeringID names a peering connection.
func PeeringID(n int) string { return fmt.Sprintf("pcx-%d", n) }

// Peering puts a peering connection. Its row is the requester's.
func Peering(tx *state.Tx, id, requester, accepter, status string) {
	p := &state.VpcPeering{Meta: Meta(id), Status: status}
	p.Requester.Vpc, p.Accepter.Vpc = Key(requester), Key(accepter)
	p.Key = p.Requester.Vpc.Scope().Key(id)
	state.VpcPeerings.Put(tx, p)
}

// neighbours of a VPC.
func neighbours(v int) []int {
	if v == Far {
		return []int{0, 1}
	}
	return []int{Far}
}

// Peerings draws all peering connections.
func Peerings(t *rapid.T, tx *state.Tx) {
	for n := range peerings {
		drawPeering(t, tx, n)
	}
}

func drawPeering(t *rapid.T, tx *state.Tx, n int) {
	status := pick(t, []string{"active", "active", "active", "active", "active", "pending-acceptance", "deleted"}, "peering status")
	if n == peerings-1 && rapid.IntRange(0, 3).Draw(t, "equal blocks") > 0 {
		status = "failed" // as AWS says of them
	}
	Peering(tx, PeeringID(n), VpcID(ends[n][0]), VpcID(ends[n][1]), status)
}

// drawCrossing draws routes to a VPC's neighbours: often one, sometimes a narrower
// one by another way.
func drawCrossing(t *rapid.T, v int) (routes [][2]string) {
	for n := range rapid.IntRange(0, 2).Draw(t, "crossing") {
		by := pick(t, map[int][]int{0: {0, 0, 0, 2}, 1: {1, 1, 1, 2}, Far: {0, 1}}[v], "by peering")
		to := cidr(neighbours(v)[0], 0, 16)
		if n > 0 {
			to = cidr(neighbours(v)[0], 1+below(t, subnets, "to subnet"), 24)
		}
		routes = append(routes, [2]string{to, PeeringID(by)})
	}
	return routes
}

// disturbPeering changes one peering connection, or a VPC's routes and blocks.
func disturbPeering(t *rapid.T, tx *state.Tx, v int) {
	n := below(t, peerings, "peering")
	switch rapid.IntRange(0, 5).Draw(t, "disturb peering") {
	case 0:
		state.VpcPeerings.Delete(tx, Key(VpcID(ends[n][0])).Scope().Key(PeeringID(n)))
	case 1:
		drawRoutes(t, tx, v)
	case 2:
		Vpc(tx, VpcID(v), cidr(v, 0, 16), "100.64.0.0/16")
	case 3:
		drawRule(t, tx, v, below(t, rules, "rule"), groups)
	default:
		drawPeering(t, tx, n)
	}
}

// Neighbour adds to Small's VPC one of another account that is peered with it: vpc-x
// with an instance i-x at 10.9.0.4 in the group sg-x, which the members of app may
// reach on port 80, and app takes port 80 from it.
func Neighbour(tx *state.Tx) {
	Vpc(tx, "vpc-x", "10.9.0.0/16")
	Subnet(tx, "subnet-x", "vpc-x", 1, "10.9.0.0/24")
	Acl(tx, "acl-x", "vpc-x", []state.NetworkAclEntry{Allow(100, false), Allow(100, true)}, "subnet-x")
	Group(tx, "sg-x", "vpc-x", "far")
	Rule(tx, "sgr-x-in", "sg-x", false, "tcp", 80, 80, "sg-app")
	Rule(tx, "sgr-x-out", "sg-x", true, "-1", -1, -1, "0.0.0.0/0")
	Rule(tx, "sgr-app-far", "sg-app", false, "tcp", 80, 80, "sg-x")
	Instance(tx, "i-x", "vpc-x", state.Running)
	Interface(tx, "eni-x", "vpc-x", "subnet-x", "i-x", 0, []string{"sg-x"}, "10.9.0.4")
	Peering(tx, "pcx-1", "vpc-1", "vpc-x", "active")
	Routes(tx, "rtb-1", "vpc-1", 1, [][2]string{{"10.9.0.0/16", "pcx-1"}}, "main")
	Routes(tx, "rtb-x", "vpc-x", 1, [][2]string{{"172.30.0.0/16", "pcx-1"}}, "main")
}
