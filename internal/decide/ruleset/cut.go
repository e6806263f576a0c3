package ruleset

import (
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Cuts gives the connections that end with what operations take away: those of a
// public address that stands for another private one or for none, and those of a
// link's address, and those of a balancer's target that has none any more. AWS
// forgets them too; in the kernel they would go on.
func Cuts(ops []plan.Op) map[plan.Netns][]plan.Flows {
	var cuts map[plan.Netns][]plan.Flows
	for _, op := range ops {
		e, ok := op.Object.(plan.Element)
		if !ok || op.Verb == plan.Add {
			continue
		}
		var flows []plan.Flows
		switch {
		case e.Set == mapInside:
			public := e.At[0].From
			flows = []plan.Flows{{Dst: public}, {ReplyDst: public}}
		case e.Set == setLive && op.Verb == plan.Remove && len(e.At) == 5:
			if e.To == nil || e.To.Lo != flowsEnd {
				continue
			}
			flows = []plan.Flows{{Dst: e.At[0].From, Protocol: uint8(e.At[1].Lo), Port: uint16(e.At[2].Lo), ReplySrc: e.At[3].From}}
		case e.Set == setSource && op.Verb == plan.Remove && len(e.At) == 2:
			own := e.At[1].From
			flows = []plan.Flows{{Src: own}, {ReplySrc: own}}
		default:
			continue
		}
		if cuts == nil {
			cuts = map[plan.Netns][]plan.Flows{}
		}
		cuts[e.Netns] = append(cuts[e.Netns], flows...)
	}
	return cuts
}
