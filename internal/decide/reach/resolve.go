package reach

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/state"
)

// end is an endpoint that was found: an address of a VPC, and its interface if
// one has it.
type end struct {
	scope    state.Scope
	vpc      string
	addr     netip.Addr
	eni      *state.NetworkInterface
	instance *state.Instance
	nat      *state.NatGateway
	balancer *state.LoadBalancer
	subnet   *state.Subnet
	acl      fabric.Acl // of the subnet; without a key: none
	outside  bool       // in the simulated internet, with this name
	name     string
	own      netip.Addr // the address of the host, when it is one that is there
}

// key is that of the end's VPC.
func (e end) key() state.Key {
	if e.eni == nil {
		return e.scope.Key(e.vpc)
	}
	return e.eni.Scope().Key(e.vpc)
}

// resolve finds an endpoint; vpc is that of the other one, if it is known.
func (w *walk) resolve(e Endpoint, vpc string) (end, *Cause) {
	scope := w.q.Scope
	if e.Scope != (state.Scope{}) {
		scope = e.Scope
	}
	switch {
	case e.Interface != "":
		n, ok := state.NetworkInterfaces.Get(w.r, scope.Key(e.Interface))
		if !ok || len(n.Addresses) == 0 {
			return end{}, &Cause{Code: UnknownResource, Component: e.Interface}
		}
		return w.at(n, e.Addr), nil
	case e.Instance != "":
		i, ok := state.Instances.Get(w.r, scope.Key(e.Instance))
		if !ok {
			return end{}, &Cause{Code: UnknownResource, Component: e.Instance}
		}
		var primary *state.NetworkInterface
		for n := range state.NetworkInterfaces.By(w.r, state.ByInstance, e.Instance) {
			if n.Scope() == scope && len(n.Addresses) > 0 && (primary == nil || n.Attachment.DeviceIndex < primary.Attachment.DeviceIndex) {
				primary = n
			}
		}
		if primary == nil {
			// A terminated instance is described for an hour without interfaces.
			return end{}, &Cause{Code: BadState, Component: e.Instance, State: string(i.State)}
		}
		return w.at(primary, e.Addr), nil
	case e.Host != "":
		h, ok := state.Hosts.Get(w.r, state.Key{ID: e.Host})
		if !ok {
			return end{}, &Cause{Code: UnknownResource, Component: e.Host}
		}
		out := end{outside: true, name: e.Host, addr: e.Addr, own: h.Addr}
		if !e.Addr.IsValid() {
			out.addr = h.Addr
		}
		return out, nil
	case e.Outside && e.Addr.IsValid():
		name, _ := outsideAt(w.r, e.Addr)
		return end{outside: true, addr: e.Addr, name: name}, nil
	case !e.Addr.IsValid():
		return end{}, &Cause{Code: NoSourceOrDest}
	}
	if e.Vpc != "" {
		vpc = e.Vpc
	}
	if vpc == "" {
		// The one VPC that has an interface there.
		for v := range state.Vpcs.In(w.r, scope) {
			if _, ok := fabric.InterfaceAt(w.r, scope, v.ID, e.Addr); !ok {
				continue
			}
			if vpc != "" {
				return end{}, &Cause{Code: NoSourceOrDest, Addrs: []netip.Addr{e.Addr}}
			}
			vpc = v.ID
		}
	}
	if n, ok := fabric.InterfaceAt(w.r, scope, vpc, e.Addr); ok {
		return w.at(n, e.Addr), nil
	}
	return end{scope: scope, vpc: vpc, addr: e.Addr}, nil
}

// at is the end at an interface; the zero address is its primary one.
func (w *walk) at(n *state.NetworkInterface, a netip.Addr) end {
	e := end{scope: n.Scope(), vpc: n.VpcID, addr: a, eni: n}
	if !a.IsValid() {
		e.addr = n.Primary()
	}
	e.nat, _ = fabric.NatOf(w.r, n)
	if n.InterfaceType == fabric.BalancerInterface {
		e.balancer, _, _ = fabric.NodeOf(w.r, n)
	}
	if n.Attachment != nil {
		e.instance, _ = state.Instances.Get(w.r, n.Scope().Key(n.Attachment.InstanceID))
	}
	e.subnet, _ = state.Subnets.Get(w.r, n.Scope().Key(n.SubnetID))
	if e.subnet != nil {
		e.acl, _ = fabric.AclOf(w.r, n.Scope(), n.SubnetID)
	}
	return e
}

// has says whether the address is one of the interface's.
func (e end) has(a netip.Addr) bool {
	return e.eni != nil && e.eni.Has(a)
}

// state says why packets do not pass the end's interface at all, if so.
func (e end) state() *Cause {
	switch n := e.eni; {
	case n.InterfaceType == fabric.NatInterface:
		if e.nat != nil && e.nat.State != "available" {
			return &Cause{Code: BadState, Component: e.nat.ID, State: e.nat.State}
		}
		return nil
	case n.InterfaceType == fabric.BalancerInterface:
		if e.balancer == nil {
			return &Cause{Code: UnassociatedResource, Component: n.ID, State: n.Status}
		}
		if !balance.Carries(e.balancer) {
			return &Cause{Code: BadState, Component: e.balancer.ID, State: e.balancer.State}
		}
		return nil
	case n.Attachment == nil:
		return &Cause{Code: UnassociatedResource, Component: n.ID, State: n.Status}
	case e.instance == nil:
		return &Cause{Code: UnknownResource, Component: n.Attachment.InstanceID}
	case n.Attachment.Status == "detaching" || n.Attachment.Status == "detached":
		return &Cause{Code: BadStateAttachment, Component: n.Attachment.ID, State: n.Attachment.Status}
	case !fabric.Active(e.instance.State):
		return &Cause{Code: BadState, Component: e.instance.ID, State: string(e.instance.State)}
	}
	return nil
}
