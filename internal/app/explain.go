package app

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/front/apiserver"
	"github.com/localvpc/localvpc/internal/front/render"
	"github.com/localvpc/localvpc/internal/state"
)

// Explain implements apiserver.Control.
func (e *engine) Explain(_ context.Context, q apiserver.ExplainQuery) (any, error) {
	snap := e.store.Snapshot()
	scope := state.Scope{Account: q.Account, Region: q.Region}
	protocol, err := protocolOf(q.Protocol)
	if err != nil {
		return nil, err
	}
	if q.Port < 0 || q.Port > 65535 {
		return nil, awserr.New("InvalidParameterValue", "The port %d is not a number from 0 to 65535.", q.Port)
	}
	if q.Port == 0 && (protocol == fabric.TCP || protocol == fabric.UDP) {
		return nil, awserr.New("MissingParameter", "A %s packet needs a port: give the destination as NAME:PORT.", q.Protocol)
	}
	ask := reach.Query{Scope: scope, Protocol: protocol, Port: uint16(q.Port)}
	if protocol == fabric.ICMP {
		ask.Type = 8 // echo request
	}
	if ask.Source, err = endpoint(snap, scope, q.Source, dnsview.Internet(snap)); err != nil {
		return nil, err
	}
	if n, private, ok := fabric.PublicOwner(snap, ask.Source.Addr); ok && ask.Source.Outside && n.Scope() == scope {
		// What comes from a public address is sent by who has it.
		ask.Source = reach.Endpoint{Interface: n.ID, Addr: private}
	}
	if ask.Destination, err = endpoint(snap, scope, q.Destination, resolver(snap, scope, ask.Source)); err != nil {
		return nil, err
	}
	return explanation(snap, scope, q, reach.Walk(snap, ask)), nil
}

func protocolOf(text string) (uint8, error) {
	switch strings.ToLower(text) {
	case "tcp", "":
		return fabric.TCP, nil
	case "udp":
		return fabric.UDP, nil
	case "icmp":
		return fabric.ICMP, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil {
		return 0, awserr.New("InvalidParameterValue", "The protocol %q is none of tcp, udp, icmp and the numbers from 0 to 255.", awserr.Clip(text))
	}
	return uint8(n), nil
}

// endpoint finds what an end of an explanation names: an address, an id, an
// instance's Name tag, an outside host or a name of DNS, as the view sees it; a nil
// view sees none.
func endpoint(r state.Reader, scope state.Scope, text string, view *dnsview.View) (reach.Endpoint, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return reach.Endpoint{Addr: a, Outside: outside(r, scope, a)}, nil
	}
	if name, ok := strings.CutPrefix(text, "host:"); ok {
		if _, ok := state.Hosts.Get(r, lifecycle.HostKey(name)); !ok {
			return reach.Endpoint{}, awserr.New("InvalidParameterValue", "There is no outside host %s: 'localvpc host ls' lists them.", awserr.Clip(name))
		}
		return reach.Endpoint{Host: name}, nil
	}
	if strings.HasPrefix(text, "eni-") {
		at, ok := owner(r, state.NetworkInterfaces, scope, text)
		if !ok {
			return reach.Endpoint{}, awserr.New("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", awserr.Clip(text))
		}
		return reach.Endpoint{Scope: at, Interface: text}, nil
	}
	if strings.HasPrefix(text, "i-") {
		at, ok := owner(r, state.Instances, scope, text)
		if !ok {
			return reach.Endpoint{}, awserr.New("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", awserr.Clip(text))
		}
		return reach.Endpoint{Scope: at, Instance: text}, nil
	}
	found := named(r, scope, text)
	_, isHost := state.Hosts.Get(r, lifecycle.HostKey(text))
	switch {
	case text == lifecycle.Internet && isHost, isHost && len(found) == 0:
		return reach.Endpoint{Host: text}, nil
	case text == lifecycle.Internet: // no machine there has been used yet
		return reach.Endpoint{Addr: publicip.Router(r), Outside: true}, nil
	case isHost:
		return reach.Endpoint{}, awserr.New("InvalidParameterValue", "'%s' is an outside host and the Name tag of an instance: give the instance's id, or host:%s.", text, text)
	}
	switch len(found) {
	case 0:
		if a, ok := address(view, text); ok {
			return reach.Endpoint{Addr: a, Outside: outside(r, scope, a)}, nil
		}
		if strings.Contains(text, ".") {
			return reach.Endpoint{}, awserr.New("InvalidParameterValue", "Where the packet comes from, the name %s has no address, and no instance in %s has it as its Name tag.", awserr.Clip(text), scope.Region)
		}
		return reach.Endpoint{}, awserr.New("InvalidInstanceID.NotFound", "There is no instance with the Name tag '%s' in %s.", awserr.Clip(text), scope.Region)
	case 1:
		return reach.Endpoint{Scope: found[0].Scope(), Instance: found[0].ID}, nil
	}
	return reach.Endpoint{}, awserr.New("InvalidParameterValue", "%d instances have the Name tag '%s': give the id.", len(found), awserr.Clip(text))
}

// owner says in which account and Region an id is, the caller's first: an
// explanation may lead from one to another.
func owner[T any](r state.Reader, table *state.Table[T], scope state.Scope, id string) (state.Scope, bool) {
	if _, ok := table.Get(r, scope.Key(id)); ok {
		return scope, true
	}
	for row := range table.All(r) {
		if m := state.MetaOf(any(row).(state.Resource)); m.ID == id {
			return m.Scope(), true
		}
	}
	return state.Scope{}, false
}

// named finds instances by their Name tag: in the caller's Region, or else in the
// account's others.
func named(r state.Reader, scope state.Scope, text string) []state.Key {
	var here, elsewhere []state.Key
	for i := range state.Instances.All(r) {
		if name, ok := i.Tags.Get("Name"); !ok || name != text || i.State == state.Terminated || i.Account != scope.Account {
			continue
		}
		if i.Region == scope.Region {
			here = append(here, i.Key)
		} else {
			elsewhere = append(elsewhere, i.Key)
		}
	}
	if len(here) == 0 {
		return elsewhere
	}
	return here
}

// resolver is the one that an end asks: that of its VPC, if it answers, or one
// on the internet.
func resolver(r state.Reader, scope state.Scope, from reach.Endpoint) *dnsview.View {
	if from.Scope != (state.Scope{}) {
		scope = from.Scope
	}
	vpc := ""
	switch {
	case from.Instance != "":
		i, _ := state.Instances.Get(r, scope.Key(from.Instance))
		vpc = i.VpcID
	case from.Interface != "":
		n, _ := state.NetworkInterfaces.Get(r, scope.Key(from.Interface))
		vpc = n.VpcID
	case from.Outside || from.Host != "":
		return dnsview.Internet(r)
	default:
		for v := range state.Vpcs.In(r, scope) {
			if _, ok := fabric.InterfaceAt(r, scope, v.ID, from.Addr); ok {
				vpc = v.ID
				break
			}
		}
	}
	view, ok := dnsview.At(r, scope.Key(vpc))
	if !ok {
		return nil
	}
	return view
}

// address is the first that a name has in a view.
func address(view *dnsview.View, text string) (netip.Addr, bool) {
	name, err := dnsview.ParseName(text)
	if view == nil || err != nil {
		return netip.Addr{}, false
	}
	for _, rr := range view.Answer(dnsview.Question{Name: name, Type: dnsview.TypeA, Recurse: true}).Answer {
		if rr.Type == dnsview.TypeA {
			return netip.AddrFromSlice([]byte(rr.Data))
		}
	}
	return netip.Addr{}, false
}

// outside says whether an address alone is one of the simulated internet: a public
// one, and in no VPC of the caller's.
func outside(r state.Reader, scope state.Scope, a netip.Addr) bool {
	if !a.Is4() || publicip.Special(netip.PrefixFrom(a, a.BitLen())) != "" {
		return false
	}
	for v := range state.Vpcs.In(r, scope) {
		for _, c := range v.Cidrs {
			if c.Cidr.Contains(a) {
				return false
			}
		}
	}
	return true
}

// explanation puts a report into the words of the control API.
func explanation(r state.Reader, scope state.Scope, q apiserver.ExplainQuery, rep reach.Report) render.Explanation {
	x := render.Explanation{Reachable: rep.Reachable, Source: q.Source, Destination: q.Destination, Packet: packet(q, rep)}
	for _, h := range rep.Forward {
		x.Forward = append(x.Forward, hop(h))
	}
	for _, h := range rep.Return {
		x.Return = append(x.Return, hop(h))
	}
	for _, c := range rep.Because {
		x.Because = append(x.Because, cause(r, scope, c))
	}
	return x
}

func packet(q apiserver.ExplainQuery, rep reach.Report) string {
	protocol := strings.ToLower(q.Protocol)
	to := q.Destination
	if q.Port > 0 {
		to = fmt.Sprintf("%s:%d", to, q.Port)
	}
	text := fmt.Sprintf("%s %s > %s", protocol, q.Source, to)
	if len(rep.Forward) > 0 {
		if way := addresses(rep.Forward[0].Header); way != "" {
			text += " (" + way + ")"
		}
	}
	return text
}

// addresses of a packet, "10.0.0.5 > 203.0.113.9"; empty without them.
func addresses(h fabric.Header) string {
	if !h.Src.IsValid() || !h.Dst.IsValid() {
		return ""
	}
	return h.Src.String() + " > " + h.Dst.String()
}

func hop(h reach.Hop) render.Hop {
	return render.Hop{Kind: string(h.Kind), ID: h.ID, Direction: string(h.Direction), Rule: h.Rule, Stateful: h.Stateful, Blocked: len(h.Blocked) > 0,
		Packet: addresses(h.Header), After: addresses(h.After)}
}

func cause(r state.Reader, scope state.Scope, c reach.Cause) render.Cause {
	out := render.Cause{
		Code: string(c.Code), Component: c.Component, Direction: string(c.Direction), Return: c.Return,
		Interface: c.Interface, Subnet: c.Subnet, Rule: c.Rule, State: c.State, Zone: c.Zone, Peering: c.Peering, Groups: c.Groups, Packet: addresses(c.Header),
	}
	if c.Was.IsValid() {
		out.Was, out.Name = c.Was.String(), publicName(r, scope, c)
	}
	for _, a := range c.Addrs {
		out.Addresses = append(out.Addresses, a.String())
	}
	for _, p := range c.Ports {
		out.Ports = append(out.Ports, p.String())
	}
	for _, r := range c.Rules {
		considered := render.Considered{Group: r.Group, Rule: r.Rule.ID, Text: r.Rule.Match.String()}
		for _, d := range []struct {
			is   bool
			name string
		}{{r.Miss.Protocol, "protocol"}, {r.Miss.Ports, "ports"}, {r.Miss.Peer, "peer"}} {
			if d.is {
				considered.Differs = append(considered.Differs, d.name)
			}
		}
		if r.Miss.Void != "" {
			considered.Differs = append(considered.Differs, string(r.Miss.Void))
		}
		out.Rules = append(out.Rules, considered)
	}
	return out
}

// publicName is the DNS name of the public address that a refused packet was sent
// to, if the VPC gives it one.
func publicName(r state.Reader, scope state.Scope, c reach.Cause) string {
	vpc, ok := state.Vpcs.Get(r, scope.Key(c.Space))
	if !ok || !dnsview.HasPublicNames(vpc) {
		return ""
	}
	n, ok := fabric.InterfaceAt(r, scope, c.Space, c.Header.Dst)
	if !ok {
		return ""
	}
	public := fabric.PublicOf(n, c.Header.Dst)
	if !public.IsValid() {
		return ""
	}
	return dnsview.PublicName(n.Region, public)
}
