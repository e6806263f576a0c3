package plan

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Limits of the kernel on what it keeps.
const (
	maxLinkName = 15  // IFNAMSIZ-1
	maxName     = 127 // NFT_NAME_MAXLEN is 256, NFT_CHAIN_MAXNAMELEN once was 128
	maxComment  = 128 // NFTNL_UDATA_COMMENT_MAXLEN
)

// DataType is what a set has to hold for the field to be looked up in it; empty:
// the field cannot be looked up.
func (f Field) DataType() DataType {
	switch f {
	case IIfGroup, OIfGroup:
		return TypeGroup
	case IIfName, OIfName:
		return TypeIfname
	case SAddr, DAddr, CTOrigDAddr:
		return TypeIPv4
	case L4Proto:
		return TypeProto
	case SPort, DPort:
		return TypeService
	case CTMark, Mark:
		return TypeMark
	}
	return ""
}

// Check says why an object cannot be in a kernel, or would read back with
// another text than its own. What objects say of one another is not checked.
func Check(o Object) error {
	if o.NS() == "" || strings.ContainsAny(string(o.NS()), "/ \n") || len(o.NS()) > 200 || o.NS()[0] == '.' {
		return fmt.Errorf("%s: invalid namespace name", o.Key())
	}
	if err := check(o); err != nil {
		return fmt.Errorf("%s: %w", o.Key(), err)
	}
	return nil
}

func check(o Object) error {
	switch o := o.(type) {
	case Sysctl:
		if strings.Contains(o.Path, "..") || strings.HasPrefix(o.Path, "/") {
			return errors.New("invalid path")
		}
		return nil
	case Link:
		return o.check()
	case Addr:
		return errors.Join(linkName(o.Link), validPrefix(o.Prefix))
	case Neigh:
		if !o.IP.IsValid() {
			return errors.New("invalid address")
		}
		return errors.Join(linkName(o.Link), hardware(o.MAC))
	case Route:
		return o.check()
	case IPRule:
		return o.check()
	case Set:
		return o.check()
	case Timeout:
		if o.Seconds == 0 || o.Seconds > 1<<31-1 {
			return errors.New("no time")
		}
		return identifier(o.Name)
	case Chain:
		if o.Seen != nil {
			return errors.New("a chain read back has no rules to apply")
		}
		return errors.Join(identifier(o.Name), o.checkRules())
	case Element:
		if o.Verdict != nil && *o.Verdict == Reset {
			return errors.New("a map holds no reset")
		}
		return errors.Join(identifier(o.Set), comment(o.Cause))
	}
	return nil
}

func (o Link) check() error {
	if o.MTU < 68 || o.MTU > 65535 {
		return fmt.Errorf("MTU %d is not within 68 to 65535", o.MTU)
	}
	if o.Peer == "" || strings.ContainsAny(string(o.Peer), "/ \n") {
		return errors.New("invalid name of the peer's namespace")
	}
	return errors.Join(linkName(o.Name), linkName(o.PeerName), hardware(o.MAC), hardware(o.PeerMAC))
}

func (o Route) check() error {
	if err := validPrefix(o.Dst); err != nil {
		return err
	}
	if o.Dst != o.Dst.Masked() {
		return errors.New("the destination has host bits")
	}
	if o.Table <= 0 {
		return errors.New("no table")
	}
	switch o.Type {
	case Unicast:
		return linkName(o.Link)
	case Blackhole:
		if o.Link != "" || o.Via.IsValid() || o.Source.IsValid() || o.Onlink {
			return errors.New("a blackhole leads nowhere")
		}
		return nil
	}
	return fmt.Errorf("unknown type %q", o.Type)
}

func (o IPRule) check() error {
	if o.Family != 4 && o.Family != 6 {
		return fmt.Errorf("unknown family %d", o.Family)
	}
	if o.Pref <= 0 || o.Table <= 0 {
		return errors.New("no preference or table")
	}
	if o.Mask == 0 && o.Mark != 0 || o.Mark&^o.Mask != 0 {
		return errors.New("the mark has bits outside the mask")
	}
	if o.From.IsValid() && (o.From != o.From.Masked() || o.From.Bits() == 0 || o.From.Addr().Is4() != (o.Family == 4)) {
		return errors.New("invalid source")
	}
	return nil
}

func (o Set) check() error {
	if len(o.Types) == 0 {
		return errors.New("no key")
	}
	for _, t := range o.Types {
		switch t {
		case TypeIPv4, TypeIPv6, TypeIfname, TypeGroup, TypeProto, TypeService, TypeMark:
		default:
			return fmt.Errorf("unknown key type %q", t)
		}
	}
	if t := o.Types[0]; o.Interval && len(o.Types) == 1 && (t == TypeGroup || t == TypeMark || t == TypeIfname) {
		return fmt.Errorf("type %s has no intervals", t)
	}
	switch o.Data {
	case "", TypeVerdict, TypeIPv4, TypeIPv6, TypeMark, TypeEndpoint:
	default:
		return fmt.Errorf("unknown data type %q", o.Data)
	}
	return identifier(o.Name)
}

// CheckElement says why an element does not fit into the set.
func (o Set) CheckElement(e Element) error {
	if len(e.At) != len(o.Types) {
		return fmt.Errorf("%s: the key of the set has %d parts", e.Key(), len(o.Types))
	}
	for i, v := range e.At {
		if err := v.CheckType(o.Types[i]); err != nil {
			return fmt.Errorf("%s: %w", e.Key(), err)
		}
		if v.IsInterval() && !o.Interval {
			return fmt.Errorf("%s: the set has no intervals", e.Key())
		}
	}
	if (o.Data == TypeVerdict) != (e.Verdict != nil) || (o.Data != "" && o.Data != TypeVerdict) != (e.To != nil) {
		return fmt.Errorf("%s: the value is not of type %q", e.Key(), o.Data)
	}
	if e.To != nil {
		if err := e.To.CheckType(o.Data); err != nil {
			return fmt.Errorf("%s: value: %w", e.Key(), err)
		}
		if e.To.IsInterval() {
			return fmt.Errorf("%s: the value is an interval", e.Key())
		}
	}
	return nil
}

// CheckType says why a value is not of a type, in the one form that reads back:
// protocols, ports, groups and marks are numbers.
func (v Value) CheckType(t DataType) error {
	limit := uint32(0)
	switch t {
	case TypeEndpoint:
		if v.Num || v.Name != "" || !v.From.Is4() || v.From != v.To || v.Lo != v.Hi || v.Hi == 0 || v.Hi > 65535 {
			return fmt.Errorf("%s is not of type %s", v, t)
		}
		return nil
	case TypeIPv4, TypeIPv6:
		if v.Hi != 0 {
			return fmt.Errorf("%s is not of type %s", v, t)
		}
		fits := func(a netip.Addr) bool {
			return a.IsValid() && a.Is4() == (t == TypeIPv4) && !a.Is4In6() && a.Zone() == ""
		}
		if v.Num || v.Name != "" || !fits(v.From) || !fits(v.To) || v.To.Less(v.From) {
			return fmt.Errorf("%s is not of type %s", v, t)
		}
		return nil
	case TypeIfname:
		if v.Num || v.From.IsValid() || v.To.IsValid() {
			return fmt.Errorf("%s is not of type %s", v, t)
		}
		return linkName(v.Name)
	case TypeProto:
		limit = 255
	case TypeService:
		limit = 65535
	case TypeGroup, TypeMark:
		limit = 1<<32 - 1
		if v.Lo != v.Hi {
			return fmt.Errorf("%s: type %s has no intervals", v, t)
		}
	default:
		return fmt.Errorf("%s: no values of type %q", v, t)
	}
	if !v.Num || v.Name != "" || v.From.IsValid() || v.Lo > v.Hi || v.Hi > limit {
		return fmt.Errorf("%s is not of type %s", v, t)
	}
	return nil
}

func (o Chain) checkRules() error {
	for _, r := range o.Rules {
		if err := comment(r.Cause); err != nil {
			return fmt.Errorf("rule %s: %w", r, err)
		}
		if r.VMap != nil && r.Verdict != nil {
			return fmt.Errorf("rule %s: two verdicts", r)
		}
		if n := r.NAT; n != nil && (n.Hash != nil) != (n.Slots > 0) {
			return fmt.Errorf("rule %s: a hash has a number of slots", r)
		}
		for _, m := range r.Match {
			if len(m.Fields) == 0 || (m.Set == "") != (len(m.Values) > 0) || m.Set == "" && len(m.Fields) > 1 {
				return fmt.Errorf("rule %s: a match is neither a lookup nor a comparison", r)
			}
		}
	}
	return nil
}

func linkName(s string) error {
	if s == "" || len(s) > maxLinkName || s == "." || s == ".." || strings.ContainsAny(s, "/: \t\n%*") {
		return fmt.Errorf("invalid interface name %q", s)
	}
	return nil
}

func identifier(s string) error {
	for i, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.'):
		default:
			return fmt.Errorf("invalid name %q", s)
		}
	}
	if s == "" || len(s) > maxName {
		return fmt.Errorf("invalid name %q", s)
	}
	return nil
}

func comment(s string) error {
	if len(s) > maxComment || strings.ContainsAny(s, "\"\n\x00") {
		return fmt.Errorf("invalid comment %q", s)
	}
	return nil
}

func hardware(s string) error {
	valid := len(s) == 17 && strings.IndexByte("02468ace", s[1]) >= 0 // unicast
	for i := 0; valid && i < len(s); i++ {
		if i%3 == 2 {
			valid = s[i] == ':'
		} else {
			valid = strings.IndexByte("0123456789abcdef", s[i]) >= 0
		}
	}
	if !valid {
		return fmt.Errorf("invalid hardware address %q", s)
	}
	return nil
}

func validPrefix(p netip.Prefix) error {
	if !p.IsValid() || p.Addr().Is4In6() {
		return errors.New("invalid prefix")
	}
	return nil
}
