package ruleset

import (
	"fmt"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// lossChain names the chain that drops some packets of a hundred.
func lossChain(rate int) string { return fmt.Sprintf("loss_%d", rate) }

// taking: what leaves the router by a link that is broken does not arrive, whoever
// has sent it, the router itself included.
func taking(v fabric.VPC) spelling {
	if !v.Faulty {
		return spelling{}
	}
	return spelling{chains: []plan.Chain{{
		Name: chainTaking, Hook: &plan.Hook{Type: "filter", Hook: "postrouting", Priority: 310, Policy: "accept"},
		Rules: []plan.Rule{{VMap: &plan.Lookup{Fields: []plan.Field{plan.OIfName}, Map: mapTaking}}},
	}}}
}

// faultSets are those that a VPC with anything broken has.
func faultSets(v fabric.VPC) []plan.Object {
	if !v.Faulty {
		return nil
	}
	ns := router(v.Key.ID)
	return []plan.Object{
		plan.Set{Netns: ns, Name: mapSending, Types: []plan.DataType{plan.TypeIfname}, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapTaking, Types: []plan.DataType{plan.TypeIfname}, Data: plan.TypeVerdict},
	}
}

// broken gives what a fault does to a port's packets, in both directions.
func broken(p fabric.Port) []plan.Object {
	if p.Fault.ID == "" {
		return nil
	}
	ns, v := router(p.VPC), plan.Drop
	var objects []plan.Object
	if !p.Fault.Closes() {
		v = plan.Jump(lossChain(p.Fault.Loss)) // the others go on
		objects = append(objects, plan.Chain{Netns: ns, Name: v.Chain, Rules: []plan.Rule{
			{Match: []plan.Match{plan.Where(plan.Chance, plan.Span(0, uint32(p.Fault.Loss-1)))}, Counter: true, Verdict: &plan.Drop},
		}})
	}
	at := []plan.Value{plan.Str(p.Link)}
	return append(objects,
		plan.Element{Netns: ns, Set: mapSending, At: at, Verdict: &v, Cause: p.Fault.ID},
		plan.Element{Netns: ns, Set: mapTaking, At: at, Verdict: &v, Cause: p.Fault.ID},
	)
}
