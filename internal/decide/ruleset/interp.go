package ruleset

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Packet is a packet as it arrives at a router.
type Packet struct {
	fabric.Header
	Link  string  // the router's end of the sender's link
	Flags Flags   // of TCP
	Ident uint16  // of ICMP requests and their answers
	About *Packet // of an ICMP error: the packet that it is about
}

// Flags are the combinations of TCP's flags that connection tracking tells apart.
type Flags string

// The combinations; the zero value stands for a first SYN.
const (
	Syn    Flags = ""
	SynAck Flags = "syn,ack"
	Ack    Flags = "ack"
	Rst    Flags = "rst"
)

func (p Packet) String() string {
	s := p.Link + ": " + p.Header.String()
	if p.Protocol == fabric.TCP {
		s += " " + cmp.Or(string(p.Flags), "syn")
	}
	if p.About != nil {
		s += " about " + p.About.Header.String()
	}
	return s
}

// Trace is what became of a packet.
type Trace struct {
	Link    string       // where it went: a link, or "lo" for the router itself; empty: nowhere
	Packet  Packet       // as it leaves, when it went somewhere
	Refused fabric.Stage // where it fell; zero: nowhere
	Cause   string       // the resource that refused it, if one did
	Steps   []Step       // the rules and elements that matched, in order
}

// Step is a rule or an element that matched and stands for a resource.
type Step struct {
	Stage fabric.Stage
	Cause string
}

// Causes gives the resources of one stage's steps.
func (t Trace) Causes(s fabric.Stage) []string {
	var ids []string
	for _, step := range t.Steps {
		if step.Stage == s {
			ids = append(ids, step.Cause)
		}
	}
	return ids
}

func (t Trace) String() string {
	var b strings.Builder
	if t.Refused == 0 {
		fmt.Fprintf(&b, "to %s", t.Link)
	} else {
		fmt.Fprintf(&b, "refused at %s %s", t.Refused, t.Cause)
	}
	for _, s := range t.Steps {
		fmt.Fprintf(&b, "; %s: %s", s.Stage, s.Cause)
	}
	return b.String()
}

// Interp walks packets through the objects of one router, as the kernel would,
// and remembers flows as its connection tracking does.
type Interp struct {
	chains map[string]plan.Chain
	sets   map[string]*setOf
	groups map[string]uint32 // of links
	local  map[netip.Addr]bool
	blocks []netip.Prefix // local as a whole
	routes map[int][]plan.Route
	rules  []plan.IPRule // by preference
	strict bool          // no flow begins in the middle of a connection
	flows  map[tuple]*flow
	errs   map[tuple]about // flows by what an ICMP error says of their packets
}

// NewInterp reads the objects of a router.
func NewInterp(objects plan.Objects, ns plan.Netns) *Interp {
	it := &Interp{
		chains: map[string]plan.Chain{}, sets: map[string]*setOf{}, groups: map[string]uint32{},
		local: map[netip.Addr]bool{}, routes: map[int][]plan.Route{}, flows: map[tuple]*flow{}, errs: map[tuple]about{},
		rules: []plan.IPRule{{Pref: prefMain, Table: tableMain}, {Pref: prefDefault, Table: tableDefault}},
	}
	var elements []plan.Element
	for _, o := range objects {
		if l, ok := o.(plan.Link); ok && l.Peer == ns {
			it.groups[l.PeerName] = l.PeerGroup
		}
		if o.NS() != ns {
			continue
		}
		switch o := o.(type) {
		case plan.Chain:
			it.chains[o.Name] = o
		case plan.Sysctl:
			it.strict = it.strict || o.Path == looseTCP && o.Value == "0"
		case plan.Set:
			it.sets[o.Name] = &setOf{exact: map[string]plan.Element{}}
		case plan.Element:
			elements = append(elements, o)
		case plan.Link:
			it.groups[o.Name] = o.Group
		case plan.Addr:
			it.local[o.Prefix.Addr()] = true
			if o.Link == "lo" && !o.Prefix.IsSingleIP() {
				it.blocks = append(it.blocks, o.Prefix)
			}
		case plan.Route:
			it.routes[o.Table] = append(it.routes[o.Table], o)
		case plan.IPRule:
			it.rules = append(it.rules, o)
		}
	}
	for _, e := range elements {
		if s := it.sets[e.Set]; s != nil {
			s.put(e)
		}
	}
	slices.SortFunc(it.rules, func(a, b plan.IPRule) int { return cmp.Compare(a.Pref, b.Pref) })
	return it
}

// Become puts the objects of another state in place of the router's. Flows stay,
// as they do in the kernel.
func (it *Interp) Become(objects plan.Objects, ns plan.Netns) {
	flows, errs := it.flows, it.errs
	*it = *NewInterp(objects, ns)
	it.flows, it.errs = flows, errs
}

// isLocal says whether an address is the router's own: all of a block that lo has is.
func (it *Interp) isLocal(a netip.Addr) bool {
	return it.local[a] || slices.ContainsFunc(it.blocks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Forget drops all flows.
func (it *Interp) Forget() { clear(it.flows); clear(it.errs) }

// Send walks one packet. An error means that the objects are not what a router
// can have: a reference to nothing, or a statement that no stage uses.
func (it *Interp) Send(p Packet) (Trace, error) {
	w := &walk{it: it, p: p, enter: p, state: "invalid"}
	w.track()
	if err := w.hook("prerouting"); err != nil || w.t.Refused != 0 {
		return w.t, err
	}
	hook, link := "input", "lo"
	if !it.isLocal(w.p.Dst) {
		route, ok := it.route(w.p.Dst, w.mark)
		if !ok || route.Type != plan.Unicast {
			w.t.Refused, _ = stageOf("")
			if w.flow != nil && w.flow.mark&through != 0 {
				w.t.Refused = w.t.Refused.Behind()
			}
			return w.t, nil
		}
		hook, link = "forward", route.Link
		w.out = link
	}
	if err := w.hook(hook); err != nil || w.t.Refused != 0 {
		return w.t, err
	}
	if hook == "forward" {
		if err := w.hook("postrouting"); err != nil || w.t.Refused != 0 {
			return w.t, err
		}
	}
	w.t.Link = link
	w.confirm()
	w.t.Packet = w.p
	return w.t, nil
}

func (it *Interp) route(a netip.Addr, mark uint32) (best plan.Route, ok bool) {
	for _, rule := range it.rules {
		if mark&rule.Mask != rule.Mark {
			continue
		}
		for _, r := range it.routes[rule.Table] {
			if r.Dst.Contains(a) && (!ok || r.Dst.Bits() > best.Dst.Bits()) {
				best, ok = r, true
			}
		}
		if ok {
			return best, true
		}
	}
	return plan.Route{}, false
}

// walk is one packet on its way.
type walk struct {
	it    *Interp
	p     Packet
	enter Packet // as it came
	out   string
	mark  uint32
	flow  *flow // nil: not tracked
	back  bool  // in the direction of the flow's answers
	state string
	at    string // the hook
	t     Trace
}

// stage is the one that a chain belongs to: behind the translation, of a balancer's
// flow, the second of its kind.
func (w *walk) stage(chain string) (fabric.Stage, bool) {
	s, ok := stageOf(chain)
	if w.at == "postrouting" {
		s = s.Behind()
	}
	return s, ok
}

// hook runs the base chains of a hook, by priority.
func (w *walk) hook(name string) error {
	w.at = name
	var bases []plan.Chain
	for _, c := range w.it.chains {
		if c.Hook != nil && c.Hook.Hook == name {
			bases = append(bases, c)
		}
	}
	slices.SortFunc(bases, func(a, b plan.Chain) int {
		return cmp.Or(cmp.Compare(a.Hook.Priority, b.Hook.Priority), cmp.Compare(a.Name, b.Name))
	})
	if !slices.ContainsFunc(bases, func(c plan.Chain) bool { return c.Hook.Type == "nat" }) {
		defer w.translate(name)
	}
	for _, c := range bases {
		if c.Hook.Type == "nat" && (w.flow == nil || w.flow.kept || w.back) {
			w.translate(name) // what was decided with the flow's first packet
			continue
		}
		end, err := w.chain(c, 0)
		if err != nil {
			return err
		}
		if c.Hook.Type == "nat" {
			w.translate(name)
		}
		if end.code == "" {
			end = ending{code: c.Hook.Policy, where: c.Name}
		}
		if end.code == plan.Drop.Code {
			stage, ok := w.stage(end.where)
			if !ok {
				return fmt.Errorf("no stage refuses packets in %q", end.where)
			}
			w.t.Refused, w.t.Cause = stage, end.cause
			return nil
		}
	}
	return nil
}

// ending says how a chain ended: accept, drop, or not (empty).
type ending struct{ code, where, cause string }

// maxDepth is the kernel's limit of nested jumps (NFT_JUMP_STACK_SIZE).
const maxDepth = 16

func (w *walk) chain(c plan.Chain, depth int) (ending, error) {
	for _, r := range c.Rules {
		hit, err := w.matches(c.Name, r)
		if err != nil {
			return ending{}, err
		}
		if !hit {
			continue
		}
		if r.CTMarkOr != 0 {
			if w.flow == nil {
				continue // the mark cannot be read: NFT_BREAK
			}
			w.flow.mark |= r.CTMarkOr
		}
		if r.MarkFrom != nil {
			e, found, err := w.lookup(r.MarkFrom.Map, r.MarkFrom.Fields)
			if err != nil {
				return ending{}, err
			}
			if !found {
				continue
			}
			w.mark = e.To.Lo
		}
		if r.NAT != nil {
			done, err := w.decideNAT(*r.NAT)
			if err != nil {
				return ending{}, err
			}
			if done {
				return ending{code: plan.Accept.Code, where: c.Name}, nil
			}
			continue
		}
		v, where, cause := r.Verdict, c.Name, r.Cause
		if r.VMap != nil {
			e, found, err := w.lookup(r.VMap.Map, r.VMap.Fields)
			if err != nil {
				return ending{}, err
			}
			if !found {
				continue
			}
			v, where, cause = e.Verdict, r.VMap.Map, e.Cause
		}
		if r.VMap == nil {
			w.note(where, cause)
		}
		if v == nil {
			continue
		}
		switch v.Code {
		case plan.Reset.Code:
			return ending{plan.Drop.Code, where, cause}, nil
		case plan.Accept.Code, plan.Drop.Code:
			return ending{v.Code, where, cause}, nil
		case plan.Return.Code:
			return ending{}, nil
		}
		next, ok := w.it.chains[v.Chain]
		if !ok {
			return ending{}, fmt.Errorf("chain %s: %s: there is no such chain", c.Name, v)
		}
		nested := depth
		if v.Code == "jump" {
			nested++
		}
		if nested >= maxDepth {
			return ending{}, fmt.Errorf("chain %s: %s: more than %d jumps", c.Name, v, maxDepth)
		}
		end, err := w.chain(next, nested)
		if err != nil || end.code != "" || v.Code == "goto" {
			return end, err
		}
	}
	return ending{}, nil
}

// note keeps the cause of a rule or an element that matched.
func (w *walk) note(where, cause string) {
	if stage, ok := w.stage(where); ok && cause != "" {
		w.t.Steps = append(w.t.Steps, Step{stage, cause})
	}
}

func (w *walk) matches(chain string, r plan.Rule) (bool, error) {
	var causes []string
	for _, m := range r.Match {
		if m.Set != "" {
			e, found, err := w.lookup(m.Set, m.Fields)
			if err != nil {
				return false, err
			}
			if found == m.Not {
				return false, nil
			}
			if found && r.Cause == "" {
				causes = append(causes, e.Cause)
			}
			continue
		}
		v, ok := w.read(m.Fields[0])
		if !ok {
			return false, nil // as NFT_BREAK: the field cannot be read
		}
		hit := slices.ContainsFunc(m.Values, func(want plan.Value) bool {
			if m.Mask != 0 {
				return v.Lo&m.Mask == want.Lo
			}
			return contains(want, v)
		})
		if hit == m.Not {
			return false, nil
		}
	}
	for _, cause := range causes {
		w.note(chain, cause)
	}
	return true, nil
}

// read gives the value of a field; ok is false when the packet has none.
func (w *walk) read(f plan.Field) (v plan.Value, ok bool) {
	switch f {
	case plan.IIfName:
		return plan.Str(w.p.Link), true
	case plan.OIfName:
		return plan.Str(w.out), w.out != ""
	case plan.IIfGroup:
		return plan.Num(w.it.groups[w.p.Link]), true
	case plan.OIfGroup:
		return plan.Num(w.it.groups[w.out]), w.out != ""
	case plan.SAddr:
		return plan.IP(w.p.Src), true
	case plan.DAddr:
		return plan.IP(w.p.Dst), true
	case plan.L4Proto:
		return plan.Num(uint32(w.p.Protocol)), true
	case plan.SPort:
		return plan.Num(uint32(w.p.SPort)), w.p.HasPorts()
	case plan.DPort:
		return plan.Num(uint32(w.p.DPort)), w.p.HasPorts()
	case plan.TCPFlags:
		return plan.Num(map[Flags]uint32{Syn: 0x02, SynAck: 0x12, Ack: 0x10, Rst: 0x04}[w.p.Flags]), w.p.Protocol == fabric.TCP
	case plan.ICMPType:
		return plan.Num(uint32(w.p.Type)), w.p.Protocol == fabric.ICMP
	case plan.ICMPCode:
		return plan.Num(uint32(w.p.Code)), w.p.Protocol == fabric.ICMP
	case plan.CTState:
		return plan.Str(w.state), true
	case plan.Chance:
		return plan.Num(99), true // nothing is lost here: a loss is no verdict
	case plan.CTMark:
		if w.flow == nil {
			return plan.Value{}, false
		}
		return plan.Num(w.flow.mark), true
	case plan.CTOrigDAddr:
		if w.flow == nil {
			return plan.Value{}, false
		}
		return plan.IP(w.flow.there.Dst), true
	case plan.CTDirection:
		if w.back {
			return plan.Str("reply"), w.flow != nil
		}
		return plan.Str("original"), w.flow != nil
	}
	return plan.Value{}, false
}

func (w *walk) lookup(set string, fields []plan.Field) (plan.Element, bool, error) {
	s, ok := w.it.sets[set]
	if !ok {
		return plan.Element{}, false, fmt.Errorf("there is no set %s", set)
	}
	at := make([]plan.Value, len(fields))
	for i, f := range fields {
		if at[i], ok = w.read(f); !ok {
			return plan.Element{}, false, nil
		}
	}
	return s.find(at)
}

// setOf holds the elements of a set: those of single values by their text.
type setOf struct {
	exact  map[string]plan.Element
	ranges []plan.Element
}

func text(at []plan.Value) string {
	var b strings.Builder
	for _, v := range at {
		b.WriteString(v.String() + " . ")
	}
	return b.String()
}

func (s *setOf) put(e plan.Element) {
	if slices.ContainsFunc(e.At, plan.Value.IsInterval) {
		s.ranges = append(s.ranges, e)
		return
	}
	s.exact[text(e.At)] = e
}

// find looks up a value in each part. Two elements that both match are an
// error: the kernel refuses sets whose elements overlap.
func (s *setOf) find(at []plan.Value) (found plan.Element, ok bool, err error) {
	found, ok = s.exact[text(at)]
	for _, e := range s.ranges {
		hit := true
		for i := range at {
			hit = hit && contains(e.At[i], at[i])
		}
		if hit && ok {
			return found, ok, fmt.Errorf("overlap: %s and %s", found, e)
		}
		if hit {
			found, ok = e, true
		}
	}
	return found, ok, nil
}

// contains says whether a value that was read lies in another.
func contains(want, v plan.Value) bool {
	switch {
	case want.Num:
		return v.Num && want.Lo <= v.Lo && v.Lo <= want.Hi
	case want.From.IsValid():
		return v.From.IsValid() && want.From.BitLen() == v.From.BitLen() && want.From.Compare(v.From) <= 0 && v.From.Compare(want.To) <= 0
	}
	return want.Name == v.Name
}
