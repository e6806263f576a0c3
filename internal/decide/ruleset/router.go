package ruleset

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Routing tables and rules of a router. Places between them are kept for marks:
// 50+k the way back of load-balanced flows, 90+k tables with routes more
// specific than local, 1000+m the tables of subnets.
const (
	tableMain   = 254
	tableClosed = 253 // drops what nothing routes, silently as AWS does
	prefMain    = 100
	prefClosed  = 32000
)

// Router gives what every VPC has: its namespace, the chains of the stages, the
// empty sets that units fill, its services, and routes that drop what is not there.
func Router(v fabric.VPC) []plan.Object {
	ns := router(v.Key.ID)
	objects := []plan.Object{plan.Router{Name: ns}}
	for _, s := range v.Services {
		addr := plan.Addr{Netns: ns, Link: "lo", Prefix: host(s.Addr)}
		if objects[len(objects)-1] != plan.Object(addr) { // a service's protocols follow each other
			objects = append(objects, addr)
		}
	}
	for _, c := range v.Cidrs {
		objects = append(objects, plan.Route{Netns: ns, Table: tableMain, Dst: c, Type: plan.Blackhole, Cause: v.Key.ID})
	}
	objects = append(objects,
		plan.Route{Netns: ns, Table: tableClosed, Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Type: plan.Blackhole, Cause: v.Key.ID},
		plan.IPRule{Netns: ns, Family: 4, Pref: prefMain, Table: tableMain},
		plan.IPRule{Netns: ns, Family: 4, Pref: prefClosed, Table: tableClosed},
		plan.Set{Netns: ns, Name: setSource, Types: []plan.DataType{plan.TypeIfname, plan.TypeIPv4}},
		plan.Set{Netns: ns, Name: setService, Types: []plan.DataType{plan.TypeIPv4, plan.TypeProto, plan.TypeService}},
		plan.Set{Netns: ns, Name: setSame, Types: []plan.DataType{plan.TypeGroup, plan.TypeGroup}},
		plan.Set{Netns: ns, Name: mapAclOut, Types: []plan.DataType{plan.TypeGroup}, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapAclIn, Types: []plan.DataType{plan.TypeGroup}, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapGroupOut, Types: []plan.DataType{plan.TypeIfname}, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapGroupIn, Types: []plan.DataType{plan.TypeIfname}, Data: plan.TypeVerdict},
	)
	for _, c := range stages(v.Filters) {
		c.Netns = ns
		objects = append(objects, c)
	}
	for _, s := range v.Services {
		objects = append(objects, plan.Element{
			Netns: ns, Set: setService, Cause: v.Key.ID,
			At: []plan.Value{plan.IP(s.Addr), plan.Num(uint32(s.Protocol)), plan.Num(uint32(s.Port))},
		})
	}
	for _, s := range v.Services {
		objects = append(objects, plan.Service{Netns: ns, Name: s.Name, Proto: protoName(s.Protocol), Addr: netip.AddrPortFrom(s.Addr, s.Port)})
	}
	return objects
}

func protoName(n uint8) string {
	if n == fabric.TCP {
		return "tcp"
	}
	return "udp"
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// spelling is what a stage is in nft: rules of the forward hook, in the order of
// fabric.Path, or chains of its own.
type spelling struct {
	forward []plan.Rule
	chains  []plan.Chain
}

// spell gives the kernel's words for each stage. Source and Destination are
// asked before the forward hook: by prerouting, and by routing and the input
// hook. Every chain that is entered by goto ends in a verdict.
func spell(s fabric.Stage) spelling {
	switch s {
	case fabric.Source:
		return spelling{chains: []plan.Chain{{
			Name: chainPre,
			Hook: &plan.Hook{Type: "filter", Hook: "prerouting", Priority: -150, Policy: "accept"},
			Rules: []plan.Rule{
				plan.Do(plan.Accept, "", plan.In(setSource, plan.IIfName, plan.SAddr)),
				plan.Do(plan.Accept, "", plan.Where(plan.IIfName, plan.Str("lo"))),
				{Counter: true, Verdict: &plan.Drop},
			},
		}}}
	case fabric.Destination:
		return spelling{chains: []plan.Chain{{
			Name: chainInput,
			Hook: &plan.Hook{Type: "filter", Hook: "input", Policy: "drop"},
			Rules: []plan.Rule{
				plan.Do(plan.Accept, "", plan.Where(plan.IIfName, plan.Str("lo"))),
				plan.Do(plan.Accept, "", plan.In(setService, plan.DAddr, plan.L4Proto, plan.DPort)),
			},
		}}}
	case fabric.AclOut:
		return spelling{forward: []plan.Rule{
			plan.Do(plan.Goto(chainTracked), "", plan.In(setSame, plan.IIfGroup, plan.OIfGroup)),
			{VMap: &plan.Lookup{Fields: []plan.Field{plan.IIfGroup}, Map: mapAclOut}},
		}}
	case fabric.AclIn:
		return spelling{forward: []plan.Rule{
			{VMap: &plan.Lookup{Fields: []plan.Field{plan.OIfGroup}, Map: mapAclIn}},
		}}
	case fabric.Tracked:
		return spelling{
			forward: []plan.Rule{plan.Do(plan.Goto(chainTracked), "")},
			chains: []plan.Chain{{
				Name: chainTracked,
				Rules: []plan.Rule{
					plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("established"), plan.Str("related"))),
					// Accepted but not answered yet: without this, every packet
					// of a one-way flow would walk the rules.
					plan.Do(plan.Accept, "", plan.Match{Fields: []plan.Field{plan.CTMark}, Mask: accepted, Values: []plan.Value{plan.Num(accepted)}}),
					plan.Do(plan.Goto(chainNew), ""),
				},
			}},
		}
	case fabric.GroupOut:
		return spelling{chains: []plan.Chain{{
			Name: chainNew,
			Rules: []plan.Rule{
				{VMap: &plan.Lookup{Fields: []plan.Field{plan.IIfName}, Map: mapGroupOut}},
				plan.Do(plan.Drop, ""),
			},
		}}}
	case fabric.GroupIn:
		return spelling{chains: []plan.Chain{{
			Name: chainDst,
			Rules: []plan.Rule{
				{VMap: &plan.Lookup{Fields: []plan.Field{plan.OIfName}, Map: mapGroupIn}},
				plan.Do(plan.Drop, ""),
			},
		}, {
			Name: chainAllow,
			Rules: []plan.Rule{
				{CTMarkOr: accepted, Verdict: &plan.Accept},
				// What belongs to no flow has no mark, and the rule above does
				// not match: a segment out of the blue, an ICMP error about nothing.
				plan.Do(plan.Accept, ""),
			},
		}}}
	}
	return spelling{}
}

// stages gives the chains of a router. Where no subnet's ACL filters, no packet
// asks for one: three lookups that find nothing cost 3 % of the throughput.
func stages(filters bool) []plan.Chain {
	forward := plan.Chain{Name: chainForward, Hook: &plan.Hook{Type: "filter", Hook: "forward", Policy: "drop"}}
	var chains []plan.Chain
	for _, s := range fabric.Path() {
		if !filters && (s == fabric.AclOut || s == fabric.AclIn) {
			continue
		}
		sp := spell(s)
		forward.Rules = append(forward.Rules, sp.forward...)
		chains = append(chains, sp.chains...)
	}
	return append(chains, forward)
}

// Subnet gives the gateway's address and what the ACL stages ask about it.
func Subnet(s fabric.Subnet) []plan.Object {
	ns := router(s.VPC)
	n := plan.Num(s.Number)
	objects := []plan.Object{
		plan.Addr{Netns: ns, Link: "lo", Prefix: host(s.Gateway)},
		plan.Element{Netns: ns, Set: setSame, At: []plan.Value{n, n}, Cause: s.Key.ID},
	}
	filter := func(filters bool, name string, d direction) {
		if !filters {
			return
		}
		v := plan.Drop
		if s.Acl != "" {
			v = plan.Jump(d.acl(s.Acl))
		}
		objects = append(objects, plan.Element{Netns: ns, Set: name, At: []plan.Value{n}, Verdict: &v, Cause: s.Key.ID})
	}
	filter(s.AclOut, mapAclOut, out)
	filter(s.AclIn, mapAclIn, in)
	return objects
}

// Acl gives the chains of an ACL's directions, except of open ones. An allowing
// entry returns: the next stage goes on.
func Acl(a fabric.Acl) []plan.Object {
	var objects []plan.Object
	for _, d := range []direction{in, out} {
		if a.Open(d.Direction) {
			continue
		}
		c := plan.Chain{Netns: router(a.VPC), Name: d.acl(a.Key.ID)}
		for _, e := range a.Entries(d.Direction) {
			v := plan.Drop
			if e.Allow {
				v = plan.Return
			}
			if ms, ok := d.asks(e.Match); ok {
				c.Rules = append(c.Rules, plan.Do(v, a.ID(e), ms...))
			}
		}
		c.Rules = append(c.Rules, plan.Do(plan.Drop, a.ID(fabric.Denial)))
		objects = append(objects, c)
	}
	return objects
}
