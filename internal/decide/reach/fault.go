package reach

import (
	"fmt"

	"github.com/localvpc/localvpc/internal/decide/fabric"
)

// Broken is the state of what carries nothing because it was broken on purpose: the
// component is then the fault.
const Broken = "broken on purpose"

// broken gives the hop of what is broken about an interface that the packet passes,
// nil when nothing is. A link that loses some packets lets this one pass, and says so.
func (l *leg) broken(e end, dir fabric.Direction) *Hop {
	if e.eni == nil {
		return nil
	}
	f := fabric.FaultOf(l.r, e.eni)
	if f.ID == "" {
		return nil
	}
	hop := &Hop{Kind: KindFault, ID: f.ID, Direction: dir}
	if !f.Closes() {
		hop.Rule = fmt.Sprintf("loses %d of 100 packets", f.Loss)
		return hop
	}
	hop.Blocked = []Cause{{Code: BadState, Component: f.ID, Interface: e.eni.ID, State: Broken}}
	return hop
}
