package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Field is something an nft rule can read from a packet, in nft's own words.
type Field string

const (
	IIfGroup    Field = "meta iifgroup"
	OIfGroup    Field = "meta oifgroup"
	IIfName     Field = "iifname"
	OIfName     Field = "oifname"
	SAddr       Field = "ip saddr"
	DAddr       Field = "ip daddr"
	L4Proto     Field = "meta l4proto"
	SPort       Field = "th sport"
	DPort       Field = "th dport"
	TCPFlags    Field = "tcp flags"
	ICMPType    Field = "icmp type"
	ICMPCode    Field = "icmp code"
	CTState     Field = "ct state"
	CTDirection Field = "ct direction"
	CTMark      Field = "ct mark"
	CTStatus    Field = "ct status"
	CTOrigDAddr Field = "ct original ip daddr"
	Mark        Field = "meta mark"
	// Chance is a number from 0 to 99, another one for each packet.
	Chance Field = "numgen random mod 100"
)

// DataType is the type of one part of a set's key, or of a map's value. Protocols,
// ports, groups and marks are numbers there (Num, Span), as they read back.
type DataType string

const (
	TypeIPv4    DataType = "ipv4_addr"
	TypeIPv6    DataType = "ipv6_addr"
	TypeIfname  DataType = "ifname"
	TypeGroup   DataType = "devgroup"
	TypeProto   DataType = "inet_proto"
	TypeService DataType = "inet_service"
	TypeMark    DataType = "mark"
	TypeVerdict DataType = "verdict"
	// TypeEndpoint is an address and a port, as a map's value.
	TypeEndpoint DataType = "ipv4_addr . inet_service"
)

// Value is one part of a key or of a comparison: a name, an address or a
// number, or an interval of addresses or numbers. Exactly one form is set, but for
// a map's value that is an address and a port: then Lo and Hi are the port.
type Value struct {
	Name string
	From netip.Addr // From..To inclusive; a single address has From == To
	To   netip.Addr
	Lo   uint32 // Lo..Hi inclusive, when Num
	Hi   uint32
	Num  bool
}

// Str, IP, Net, Num and Span make Values.
func Str(s string) Value                  { return Value{Name: s} }
func IP(a netip.Addr) Value               { return Value{From: a, To: a} }
func Num(n uint32) Value                  { return Value{Lo: n, Hi: n, Num: true} }
func Span(lo, hi uint32) Value            { return Value{Lo: lo, Hi: hi, Num: true} }
func Addresses(from, to netip.Addr) Value { return Value{From: from, To: to} }

// At is an address and a port.
func At(a netip.Addr, port uint16) Value {
	return Value{From: a, To: a, Lo: uint32(port), Hi: uint32(port)}
}

// Net is all addresses of a prefix.
func Net(p netip.Prefix) Value {
	p = p.Masked()
	to := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(to)*8; bit++ {
		to[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(to)
	return Value{From: p.Addr(), To: last}
}

// IsInterval says whether the value holds more than one address or number.
func (v Value) IsInterval() bool {
	return v.From != v.To || v.Num && v.Lo != v.Hi
}

func (v Value) String() string {
	switch {
	case v.Num && v.Lo == v.Hi:
		return strconv.FormatUint(uint64(v.Lo), 10)
	case v.Num:
		return strconv.FormatUint(uint64(v.Lo), 10) + "-" + strconv.FormatUint(uint64(v.Hi), 10)
	case v.From.IsValid() && v.From == v.To && v.Hi != 0:
		return v.From.String() + " . " + strconv.FormatUint(uint64(v.Hi), 10)
	case v.From.IsValid() && v.From == v.To:
		return v.From.String()
	case v.From.IsValid():
		return v.From.String() + "-" + v.To.String()
	}
	return strconv.Quote(v.Name)
}

func values(vs []Value) string {
	if len(vs) == 1 {
		return vs[0].String()
	}
	s := make([]string, len(vs))
	for i, v := range vs {
		s[i] = v.String()
	}
	return strings.Join(s, " . ")
}

// TableName is the one nft table of every router (family ip).
const TableName = "vpc"

// Set is an nft set, or a map when Data is not empty. Elements are objects of
// their own.
type Set struct {
	Netns    Netns
	Name     string
	Types    []DataType // of the key, concatenated when more than one
	Data     DataType   // of the value; empty: a set
	Interval bool
}

func (o Set) Kind() Kind  { return KindSet }
func (o Set) NS() Netns   { return o.Netns }
func (o Set) Key() string { return fmt.Sprintf("set %s %s", o.Netns, o.Name) }
func (o Set) String() string {
	types := make([]string, len(o.Types))
	for i, t := range o.Types {
		types[i] = string(t)
	}
	s := fmt.Sprintf("%s { type %s", o.Key(), strings.Join(types, " . "))
	if o.Data != "" {
		s += " : " + string(o.Data)
	}
	if o.Interval {
		s += "; flags interval"
	}
	return s + " }"
}

// Timeout is how long connection tracking remembers a TCP flow that is idle, for
// flows whose rules say so.
type Timeout struct {
	Netns   Netns
	Name    string
	Seconds uint32
}

func (o Timeout) Kind() Kind  { return KindSet }
func (o Timeout) NS() Netns   { return o.Netns }
func (o Timeout) Key() string { return fmt.Sprintf("ct timeout %s %s", o.Netns, o.Name) }
func (o Timeout) String() string {
	return fmt.Sprintf("%s { protocol tcp; policy = { established : %d } }", o.Key(), o.Seconds)
}

// Element is one element of a set or map. Map values are a Verdict (verdict
// maps) or a Value.
type Element struct {
	Netns   Netns
	Set     string
	At      []Value // one per part of the set's key
	Verdict *Verdict
	To      *Value
	Cause   string // resource id; kept as the element's comment
}

func (o Element) Kind() Kind { return KindElement }
func (o Element) NS() Netns  { return o.Netns }
func (o Element) Key() string {
	return "element " + string(o.Netns) + " " + o.Set + " { " + values(o.At) + " }"
}
func (o Element) String() string {
	s := o.Key()
	if o.Verdict != nil {
		s += " : " + o.Verdict.String()
	}
	if o.To != nil {
		s += " : " + o.To.String()
	}
	if o.Cause != "" {
		s += " comment " + strconv.Quote(o.Cause)
	}
	return s
}

// Verdict ends a rule. Chain is set for jump and goto.
type Verdict struct{ Code, Chain string }

var (
	Accept = Verdict{Code: "accept"}
	Drop   = Verdict{Code: "drop"}
	Return = Verdict{Code: "return"}
	// Reset drops a TCP segment and answers it with a reset. In rules only.
	Reset = Verdict{Code: "reject with tcp reset"}
)

// Jump and Goto continue in a chain, with and without coming back.
func Jump(chain string) Verdict { return Verdict{"jump", chain} }
func Goto(chain string) Verdict { return Verdict{"goto", chain} }

func (v Verdict) String() string {
	if v.Chain == "" {
		return v.Code
	}
	return v.Code + " " + v.Chain
}

// Match is one condition of a rule. Exactly one of Set and Values is used:
// the concatenated Fields are looked up in Set, or the single field is compared
// with any of Values. Mask, when not zero, is applied to the field before the
// comparison (marks; ct state and ct status test "any bit of").
type Match struct {
	Fields []Field
	Not    bool
	Set    string
	Values []Value
	Mask   uint32
}

func (m Match) String() string {
	fields := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		fields[i] = string(f)
	}
	s := strings.Join(fields, " . ")
	if m.Mask != 0 {
		s += fmt.Sprintf(" and %#x", m.Mask)
	}
	if m.Not {
		s += " !="
	} else if m.Mask != 0 {
		s += " =="
	}
	if m.Set != "" {
		return s + " @" + m.Set
	}
	words := make([]string, len(m.Values))
	for i, v := range m.Values {
		words[i] = v.String()
		if v.Name != "" && m.Fields[0] != IIfName && m.Fields[0] != OIfName {
			words[i] = v.Name
		}
	}
	if m.Fields[0] == CTState || m.Fields[0] == CTStatus {
		return s + " " + strings.Join(words, ",")
	}
	if len(words) == 1 {
		return s + " " + words[0]
	}
	return s + " { " + strings.Join(words, ", ") + " }"
}

// Where is a match of one field with any of the values; ct states and
// directions are given by name with Str.
func Where(f Field, vs ...Value) Match { return Match{Fields: []Field{f}, Values: vs} }

// In is a lookup of the fields in a set.
func In(set string, fs ...Field) Match { return Match{Fields: fs, Set: set} }

// Rule is one nft rule: all matches hold, then the statements act in the order
// MarkFrom, CTMarkOr, Timeout, NAT, then VMap or Verdict. Cause is kept as the rule's
// comment: the id of the resource that it stands for.
type Rule struct {
	Match    []Match
	Counter  bool
	MarkFrom *Lookup // meta mark set FIELD map @map
	CTMarkOr uint32  // ct mark set ct mark or N
	Timeout  string  // ct timeout set "NAME"; of a flow that begins
	NAT      *NAT
	VMap     *Lookup // FIELDS vmap @map; no element: the rule does not match
	Verdict  *Verdict
	Cause    string
}

// Lookup reads a map with the fields' values as its key.
type Lookup struct {
	Fields []Field
	Map    string
}

// NAT translates: dnat or snat to the address that Map gives for Field, or to To
// with a port of Lo to Hi; or masquerade when neither is set. With Hash, Map gives an
// address and a port for a number below Slots that the fields' hash is.
type NAT struct {
	Code   string // "dnat", "snat", "masquerade"
	Field  Field
	Hash   []Field
	Slots  uint32
	Seed   uint32
	Map    string
	To     netip.Addr
	Lo, Hi uint16
}

func (n NAT) String() string {
	switch {
	case n.Hash != nil:
		return fmt.Sprintf("%s ip to jhash %s mod %d seed %#x map @%s", n.Code, Lookup{Fields: n.Hash}.fields(), n.Slots, n.Seed, n.Map)
	case n.Map != "":
		return fmt.Sprintf("%s ip to %s map @%s", n.Code, n.Field, n.Map)
	case n.To.IsValid() && n.Hi != 0:
		return fmt.Sprintf("%s to %s:%d-%d", n.Code, n.To, n.Lo, n.Hi)
	case n.To.IsValid():
		return fmt.Sprintf("%s to %s", n.Code, n.To)
	}
	return n.Code
}

// Do gives a rule with a verdict.
func Do(v Verdict, cause string, ms ...Match) Rule {
	return Rule{Match: ms, Verdict: &v, Cause: cause}
}

func (l Lookup) fields() string {
	fields := make([]string, len(l.Fields))
	for i, f := range l.Fields {
		fields[i] = string(f)
	}
	return strings.Join(fields, " . ")
}

func (r Rule) String() string {
	var w []string
	for _, m := range r.Match {
		w = append(w, m.String())
	}
	if r.Counter {
		w = append(w, "counter")
	}
	if r.MarkFrom != nil {
		w = append(w, fmt.Sprintf("meta mark set %s map @%s", r.MarkFrom.fields(), r.MarkFrom.Map))
	}
	if r.CTMarkOr != 0 {
		w = append(w, fmt.Sprintf("ct mark set ct mark or %#x", r.CTMarkOr))
	}
	if r.Timeout != "" {
		w = append(w, fmt.Sprintf("ct timeout set %q", r.Timeout))
	}
	if r.NAT != nil {
		w = append(w, r.NAT.String())
	}
	if r.VMap != nil {
		w = append(w, fmt.Sprintf("%s vmap @%s", r.VMap.fields(), r.VMap.Map))
	}
	if r.Verdict != nil {
		w = append(w, r.Verdict.String())
	}
	if r.Cause != "" {
		w = append(w, fmt.Sprintf("comment %q", r.Cause))
	}
	return strings.Join(w, " ")
}

// Hook attaches a base chain, with nft's names.
type Hook struct {
	Type     string // "filter" or "nat"
	Hook     string // "prerouting", "input", "forward", "postrouting"
	Priority int
	Policy   string // "accept" or "drop"
}

// Chain is an nft chain with all its rules in order.
type Chain struct {
	Netns Netns
	Name  string
	Hook  *Hook
	Rules []Rule
	Seen  []string // of a chain read back from the kernel: its rules' fingerprints
}

func (o Chain) Kind() Kind  { return KindChain }
func (o Chain) NS() Netns   { return o.Netns }
func (o Chain) Key() string { return fmt.Sprintf("chain %s %s", o.Netns, o.Name) }
func (o Chain) String() string {
	var b strings.Builder
	b.WriteString(o.Key() + " {")
	if o.Hook != nil {
		fmt.Fprintf(&b, " type %s hook %s priority %d; policy %s;", o.Hook.Type, o.Hook.Hook, o.Hook.Priority, o.Hook.Policy)
	}
	for _, r := range o.Rules {
		b.WriteString("\n  " + r.String())
	}
	if len(o.Rules) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("}")
	return b.String()
}

// Uses lists the names of the sets, maps, timeouts and chains that the chain refers to,
// sorted, without duplicates: what has to exist before it.
func (o Chain) Uses() []string {
	var names []string
	for _, r := range o.Rules {
		for _, m := range r.Match {
			names = append(names, m.Set)
		}
		for _, l := range []*Lookup{r.MarkFrom, r.VMap} {
			if l != nil {
				names = append(names, l.Map)
			}
		}
		names = append(names, r.Timeout)
		if r.NAT != nil {
			names = append(names, r.NAT.Map)
		}
		if r.Verdict != nil {
			names = append(names, r.Verdict.Chain)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(s string) bool { return s == "" })
}
