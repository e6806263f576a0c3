// Package ruleset spells the fabric as kernel objects.
//
// Invariant: a pure function of a fabric unit to plan's objects, always the same
// for the same unit. A packet passes the objects exactly when it passes the
// fabric's stages, and each nft rule and element carries the id of the resource
// that it stands for. Every object of a VPC lies in its router's namespace,
// except what a port needs inside its instance.
package ruleset

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/state"
)

// Objects derives the kernel objects of one unit. policy needs nothing but the
// router's namespace. wiring, of ports only, needs the namespace of the instance
// too. A unit that is not there has none. Chains of group combinations are given
// by every port that uses them: an object is there as long as one unit gives it.
func Objects(r state.Reader, u fabric.Unit) (policy, wiring []plan.Object) {
	switch u.Kind {
	case fabric.KindVPC:
		if v, ok := fabric.LoadVPC(r, u.Key); ok {
			return Router(v), nil
		}
	case fabric.KindSubnet:
		if s, ok := fabric.LoadSubnet(r, u.Key); ok {
			return Subnet(s), nil
		}
	case fabric.KindAcl:
		if a, ok := fabric.LoadAcl(r, u.Key); ok {
			return Acl(a), nil
		}
	case fabric.KindGroup:
		if g, ok := fabric.LoadGroup(r, u.Key); ok {
			return Group(g), nil
		}
	case fabric.KindPort:
		if p, ok := fabric.LoadPort(r, u.Key); ok {
			if p.Nat { // its namespace is ours to make
				return append(append(Policy(p), Translator(p)...), Wiring(p)...), nil
			}
			if p.Balancer != "" {
				return append(append(Policy(p), Checker(p)...), Wiring(p)...), nil
			}
			return Policy(p), Wiring(p)
		}
	case fabric.KindRouteTable:
		if t, ok := fabric.LoadRouteTable(r, u.Key); ok {
			v, _ := fabric.LoadVPC(r, u.Key.Scope().Key(t.VPC))
			return RouteTable(v, t), nil
		}
	case fabric.KindGateway:
		if g, ok := fabric.LoadGateway(r, u.Key); ok {
			return Gateway(g), nil
		}
	case fabric.KindBalancer:
		if b, ok := fabric.LoadBalancer(r, u.Key); ok {
			return Balancer(b), nil
		}
	case fabric.KindListener:
		if l, ok := fabric.LoadListener(r, u.Key); ok {
			return Listener(l), nil
		}
	case fabric.KindHost:
		if h, ok := fabric.LoadHost(r, u.Key); ok {
			return Outside(h)
		}
	case fabric.KindPeering:
		if p, ok := fabric.LoadPeering(r, u.Key); ok {
			return Peering(p), nil
		}
	}
	return nil, nil
}

// Names of the sets, maps and chains that every router has.
const (
	setSource   = "src_ok"   // link . address: what a port may send from
	setService  = "services" // address . protocol . port: what the VPC answers
	setSame     = "same"     // subnet . subnet: no ACL between
	setOnLink   = "onlink"   // subnet . its block: no route table between
	setNoCheck  = "nochk"    // links that pass on what is not their own
	setPublic   = "pub"      // public addresses, which alone leave by the gateway
	setBlocks   = "vpc_cidr" // the VPC's blocks, which nobody outside has
	mapMark     = "rtmark"   // subnet or gateway: the number of its route table
	mapInside   = "eip_in"   // public address: private address
	mapOutside  = "eip_out"
	mapAclOut   = "nacl_out" // subnet: its ACL, when it filters
	mapAclIn    = "nacl_in"
	mapGroupOut = "sg_out" // link: the chain of its groups
	mapGroupIn  = "sg_in"

	chainPre     = "pre"
	chainInput   = "input"
	chainForward = "forward"
	chainTracked = "sg"
	chainNew     = "sg_new"
	chainDst     = "sg_dst"
	chainAllow   = "allow"

	chainFromGateway = "from_igw"
	chainTo          = "sg_mb_to" // to a link that passes packets on
	chainFrom        = "sg_mb_from"
	chainInside      = "pre_nat" // public to private
	chainOutside     = "post_nat"
	chainLeave       = "post_flt"

	mapSending  = "fault_from" // link: what is broken about it
	mapTaking   = "fault_to"
	chainTaking = "post_fault"
)

// Bits of a flow's mark: both groups let it pass. A packet that is passed on by an
// instance comes through the router twice, as one flow; its second leg, from that
// instance on, has a bit of its own.
const (
	accepted = 1
	onward   = 2
)

// ident makes a resource id an nft identifier.
func ident(id string) string { return strings.ReplaceAll(id, "-", "_") }

func memberSet(group string) string { return "m_" + ident(group) }

// direction is the difference between the two directions of a group or an ACL.
type direction struct {
	fabric.Direction
	suffix string
	peer   plan.Field   // where the other side's address is
	link   plan.Field   // where its link is
	pass   plan.Verdict // of a group's rule that matches
}

var (
	in  = direction{fabric.Ingress, "_in", plan.SAddr, plan.IIfName, plan.Goto(chainAllow)}
	out = direction{fabric.Egress, "_out", plan.DAddr, plan.OIfName, plan.Goto(chainDst)}
)

func (d direction) group(id string) string { return "g_" + ident(id) + d.suffix }
func (d direction) ports(id string) string { return "r_" + ident(id) + d.suffix }
func (d direction) addrs(id string) string { return "a_" + ident(id) + d.suffix }
func (d direction) acl(id string) string   { return ident(id) + d.suffix }

// combo names the chain of a combination of groups, given sorted.
func (d direction) combo(groups []string) string {
	sum := sha256.Sum256([]byte(strings.Join(groups, " ")))
	return "c_" + hex.EncodeToString(sum[:8]) + d.suffix
}

// router is the namespace of a VPC.
func router(vpc string) plan.Netns { return plan.Netns(vpc) }

// stageOf names the stage that a chain, or a map of verdicts, belongs to.
// The empty name stands for routing.
func stageOf(chain string) (fabric.Stage, bool) {
	d, of, group := in, fabric.AclIn, fabric.GroupIn
	if strings.HasSuffix(chain, out.suffix) {
		d, of, group = out, fabric.AclOut, fabric.GroupOut
	}
	prefix, _, _ := strings.Cut(chain, "_")
	switch {
	case chain == mapSending:
		return fabric.Sending, true
	case chain == mapTaking || chain == chainTaking:
		return fabric.Taking, true
	case chain == chainPre || chain == chainFromGateway || chain == chainBack:
		return fabric.Source, true
	case chain == mapVoid || chain == chainAsk || chain == chainEnter || chain == chainBehind || prefix == "n":
		return fabric.Balance, true
	case chain == "" || chain == chainInput || chain == chainForward:
		return fabric.Destination, true
	case chain == chainLeave:
		return fabric.Leave, true
	case chain == chainTracked || chain == chainTo || chain == chainFrom:
		return fabric.Tracked, true
	case chain == chainNew:
		return fabric.GroupOut, true
	case chain == chainDst || chain == chainAllow:
		return fabric.GroupIn, true
	case !strings.HasSuffix(chain, d.suffix) || prefix == "":
		return 0, false
	case prefix == "acl" || prefix == "nacl" || prefix[0] == 'n': // of a subnet or of a node
		return of, true
	case prefix == "c" || prefix == "g":
		return group, true
	}
	return 0, false
}
