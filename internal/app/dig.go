package app

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/front/apiserver"
	"github.com/localvpc/localvpc/internal/front/render"
	"github.com/localvpc/localvpc/internal/state"
)

// rcodes are the response codes by their names.
var rcodes = map[dnsview.Rcode]string{
	dnsview.Success: "NOERROR", dnsview.FormatError: "FORMERR", dnsview.ServerFailure: "SERVFAIL", dnsview.NameError: "NXDOMAIN",
	dnsview.NotImplemented: "NOTIMP", dnsview.Refused: "REFUSED", dnsview.NameTooLong: "YXDOMAIN",
}

// DNS implements apiserver.Control.
func (e *engine) DNS(ctx context.Context, q apiserver.DNSQuery) (any, error) {
	question, err := questionOf(q)
	if err != nil {
		return nil, err
	}
	snap := e.store.Snapshot()
	out := render.Names{Vantage: q.Vantage, Name: question.Name.String(), Type: typeName(question.Type), Answer: []render.Record{}, Authority: []render.Record{}}
	view, vpc, client, err := vantageOf(snap, state.Scope{Account: q.Account, Region: q.Region}, q.Vantage)
	if err != nil {
		return nil, err
	}
	if view == nil {
		out.Because = []render.NameCause{{Decider: "dns-support", ID: vpc}}
		return out, nil
	}
	question.Client = client
	a := e.resolver.Ask(ctx, view, question)
	out.Status, out.Authoritative = rcodes[a.Rcode], a.AA
	for _, r := range a.Answer {
		out.Answer = append(out.Answer, record(r))
	}
	for _, r := range a.Authority {
		out.Authority = append(out.Authority, record(r))
	}
	for _, c := range a.Because {
		cause := render.NameCause{Decider: string(c.Decider), ID: c.ID}
		if c.Domain != "" {
			cause.Domain = c.Domain.String()
		}
		if c.Addr.IsValid() {
			cause.Address = c.Addr.String()
		}
		out.Because = append(out.Because, cause)
	}
	return out, nil
}

func record(r dnsview.Record) render.Record {
	return render.Record{Name: r.Name.String(), TTL: r.TTL, Type: typeName(r.Type), Value: r.Value()}
}

func typeName(t dnsview.Type) string {
	if t == dnsview.TypeANY {
		return "ANY"
	}
	return dnsview.TypeName(t)
}

// questionOf reads a question: a name and a type, or an address to look up the name
// of.
func questionOf(q apiserver.DNSQuery) (dnsview.Question, error) {
	out := dnsview.Question{Recurse: true, Draw: rand.Uint64()}
	if q.Reverse != "" {
		a, err := netip.ParseAddr(q.Reverse)
		if err != nil || a.Zone() != "" {
			return out, awserr.New("InvalidParameterValue", "%q is not an address whose name could be looked up.", awserr.Clip(q.Reverse))
		}
		out.Name, out.Type = dnsview.PointerName(a), dnsview.TypePTR
		return out, nil
	}
	var err error
	if out.Name, err = dnsview.ParseName(q.Name); err != nil {
		return out, awserr.New("InvalidParameterValue", "%s is not a domain name: %s.", awserr.Clip(q.Name), err)
	}
	typ := strings.ToUpper(q.Type)
	switch known := false; typ {
	case "":
		out.Type = dnsview.TypeA
	case "ANY":
		out.Type = dnsview.TypeANY
	default:
		if out.Type, known = dnsview.TypeOf(typ); !known {
			return out, awserr.New("InvalidParameterValue", "%s is none of the types of records that Route 53 has.", awserr.Clip(q.Type))
		}
	}
	return out, nil
}

// vantageOf finds from where a question is asked: a VPC by its id, what endpoint
// knows, or the address of a name server of the public tree. The view is nil when
// nobody answers in the VPC.
func vantageOf(r state.Reader, scope state.Scope, text string) (v *dnsview.View, vpc string, client netip.Prefix, err error) {
	if strings.HasPrefix(text, "vpc-") {
		if _, ok := state.Vpcs.Get(r, scope.Key(text)); !ok {
			return nil, "", client, awserr.New("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", awserr.Clip(text))
		}
		v, _ = dnsview.At(r, scope.Key(text))
		return v, text, client, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		if v, ok := dnsview.ServerAt(r, a); ok {
			return v, "", client, nil
		}
	}
	from, err := endpoint(r, scope, text, nil)
	if err != nil {
		return nil, "", client, err
	}
	if v = resolver(r, scope, from); v == nil {
		switch {
		case from.Instance != "":
			i, _ := state.Instances.Get(r, scope.Key(from.Instance))
			vpc = i.VpcID
		case from.Interface != "":
			n, _ := state.NetworkInterfaces.Get(r, scope.Key(from.Interface))
			vpc = n.VpcID
		default:
			return nil, "", client, awserr.New("InvalidParameterValue", "%s is neither an address of a VPC nor a public one.", awserr.Clip(text))
		}
	}
	addr := from.Addr
	if i, ok := state.Instances.Get(r, scope.Key(from.Instance)); ok && from.Instance != "" {
		addr = i.PrivateIP
	}
	if n, ok := state.NetworkInterfaces.Get(r, scope.Key(from.Interface)); ok && from.Interface != "" && len(n.Addresses) > 0 {
		addr = n.Primary()
	}
	if h, ok := state.Hosts.Get(r, state.Key{ID: from.Host}); ok && from.Host != "" {
		addr = h.Addr
	}
	if addr.IsValid() {
		client = netip.PrefixFrom(addr, addr.BitLen())
	}
	return v, vpc, client, nil
}
