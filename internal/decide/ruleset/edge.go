package ruleset

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/publicip"
)

// Internet is the namespace of the simulated internet.
const Internet plan.Netns = fabric.InternetSpace

// groupGateway is the group of a router's link to the internet; those of subnets
// end at 65000.
const groupGateway = 65001

// internetMTU is the largest packet outside of a VPC (EC2 User Guide, "Network MTU").
const internetMTU = 1500

// Ends of the links between a router and the internet. They have no addresses:
// each end knows the other one's as a neighbour.
var (
	gatewayEnd  = netip.MustParseAddr("169.254.64.1")
	internetEnd = netip.MustParseAddr("169.254.64.2")
)

const gatewayLink = "igw"

var everywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// internet gives the namespace outside of every VPC, with its resolver, the name
// servers of the public tree and AWS's endpoints. Everybody who hangs on it gives it; without anybody it
// is not there. The name servers' block is local as a whole, and one socket answers
// at all addresses: thousands of delegation sets cost no more than one.
func internet(own netip.Addr) []plan.Object {
	pre := plan.Chain{
		Netns: Internet, Name: chainPre, Hook: &plan.Hook{Type: "filter", Hook: "prerouting", Priority: -150, Policy: "accept"},
		Rules: []plan.Rule{
			plan.Do(plan.Accept, "", plan.Where(plan.IIfGroup, plan.Num(0))), // a VPC's, and lo
			plan.Do(plan.Accept, "", plan.In(setSource, plan.IIfName, plan.SAddr)),
			plan.Do(plan.Drop, ""),
		},
	}
	objects := []plan.Object{
		plan.Router{Name: Internet},
		plan.Addr{Netns: Internet, Link: "lo", Prefix: host(own)},
		closed(Internet, tableDefault, ""),
		plan.Set{Netns: Internet, Name: setSource, Types: []plan.DataType{plan.TypeIfname, plan.TypeIPv4}},
		pre,
		plan.Service{Netns: Internet, Name: "dns", Proto: "udp", Addr: everyAddress},
		plan.Service{Netns: Internet, Name: "dns", Proto: "tcp", Addr: everyAddress},
		plan.Service{Netns: Internet, Name: "api", Proto: "tcp", Addr: netip.AddrPortFrom(own, 80)},
		plan.Service{Netns: Internet, Name: "api-tls", Proto: "tcp", Addr: netip.AddrPortFrom(own, 443)},
	}
	for _, p := range publicip.Reserved() {
		if !p.IsSingleIP() {
			p = netip.PrefixFrom(p.Addr().Next(), p.Bits()) // an address of the block; the first is the network's
		}
		objects = append(objects, plan.Addr{Netns: Internet, Link: "lo", Prefix: p})
	}
	return objects
}

// everyAddress is where name servers and resolver listen: the address that was asked
// says which one is meant.
var everyAddress = netip.AddrPortFrom(netip.IPv4Unspecified(), 53)

// groupHost is the group of the links of outside hosts: they send from their own
// addresses, as the routers of the VPCs see to for theirs.
const groupHost = 1

// Gateway gives an internet gateway: the link, and what the router asks about it.
func Gateway(g fabric.Gateway) []plan.Object {
	ns := router(g.VPC)
	objects := append(internet(g.Internet),
		plan.Link{
			Netns: ns, Name: gatewayLink, MAC: g.MAC, Group: groupGateway,
			Peer: Internet, PeerName: g.Link, PeerMAC: g.OuterMAC, MTU: internetMTU,
		},
		plan.Neigh{Netns: ns, Link: gatewayLink, IP: internetEnd, MAC: g.OuterMAC},
		plan.Neigh{Netns: Internet, Link: g.Link, IP: gatewayEnd, MAC: g.MAC},
	)
	if g.Table != 0 {
		table := plan.Num(g.Table)
		objects = append(objects, plan.Element{Netns: ns, Set: mapMark, At: []plan.Value{plan.Num(groupGateway)}, To: &table, Cause: g.TableName})
	}
	return objects
}

// public gives what makes a port's public addresses stand for its private ones.
func public(p fabric.Port) []plan.Object {
	ns := router(p.VPC)
	var objects []plan.Object
	for _, a := range p.Publics {
		in, out := plan.IP(a.Private), plan.IP(a.Public)
		objects = append(objects,
			plan.Element{Netns: ns, Set: mapInside, At: []plan.Value{out}, To: &in, Cause: p.Key.ID},
			plan.Element{Netns: ns, Set: mapOutside, At: []plan.Value{in}, To: &out, Cause: p.Key.ID},
			plan.Element{Netns: ns, Set: setPublic, At: []plan.Value{out}, Cause: p.Key.ID},
			plan.Route{
				Netns: Internet, Table: tableMain, Dst: host(a.Public), Cause: p.Key.ID,
				Link: p.Outer, Via: gatewayEnd, Onlink: true,
			},
		)
	}
	return objects
}

// Outside gives a machine of the simulated internet.
func Outside(h fabric.Host) (policy, wiring []plan.Object) {
	policy = append(internet(h.Internet),
		plan.Element{Netns: Internet, Set: setSource, At: []plan.Value{plan.Str(h.Link), plan.IP(h.Addr)}, Cause: h.Name},
	)
	inside := plan.Netns(h.Space)
	wiring = []plan.Object{
		plan.Link{
			Netns: Internet, Name: h.Link, MAC: h.OuterMAC, Group: groupHost,
			Peer: inside, PeerName: "eth0", PeerMAC: h.MAC, MTU: internetMTU,
		},
		plan.Addr{Netns: inside, Link: "eth0", Prefix: host(h.Addr)},
		plan.Neigh{Netns: inside, Link: "eth0", IP: internetEnd, MAC: h.OuterMAC},
		plan.Route{Netns: inside, Table: tableMain, Dst: everywhere, Link: "eth0", Via: internetEnd, Onlink: true},
		plan.Neigh{Netns: Internet, Link: h.Link, IP: h.Addr, MAC: h.MAC},
		plan.Route{Netns: Internet, Table: tableMain, Dst: host(h.Addr), Link: h.Link, Cause: h.Name},
	}
	return policy, wiring
}

// RouteTable gives the routes of a route table that lead elsewhere than to the
// VPC itself, in a table of its own, and one more for those that are more
// specific than the local ones. Routes that are equal are one: the first.
func RouteTable(v fabric.VPC, t fabric.RouteTable) []plan.Object {
	ns := router(t.VPC)
	var objects []plan.Object
	ordinary, specific := false, false
	seen := map[netip.Prefix]bool{}
	for _, listed := range []bool{false, true} { // a prefix list's route gives way to one that was written
		for _, r := range t.Routes {
			if (r.List != "") != listed || r.Target == fabric.Local || !r.Destination.Addr().Is4() || seen[r.Destination] {
				continue
			}
			seen[r.Destination] = true
			table := tableRoutes + int(t.Number)
			if v.Within(r.Destination) {
				table, specific = tableSpecific+int(t.Number), true
			} else {
				ordinary = true
			}
			o := plan.Route{Netns: ns, Table: table, Dst: r.Destination, Cause: t.ID(r)}
			switch {
			case r.State != fabric.RouteActive || r.Checked:
				o.Type = plan.Blackhole
			case r.Internet:
				o.Link, o.Via, o.Onlink = gatewayLink, internetEnd, true
			case r.Peering != "":
				o.Link, o.Via, o.Onlink = r.Link, r.Via, true
			default:
				o.Link, o.Via, o.Onlink = r.Link, r.Via, true
			}
			objects = append(objects, o)
		}
	}
	rule := func(pref, table int) {
		objects = append(objects, plan.IPRule{Netns: ns, Family: 4, Pref: pref + int(t.Number), Mark: t.Number, Mask: markTable, Table: table + int(t.Number)})
	}
	if specific {
		rule(prefSpecific, tableSpecific)
	}
	if ordinary {
		rule(prefRoutes, tableRoutes)
	}
	return objects
}
