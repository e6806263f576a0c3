package dnsview

import (
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/publicip"
)

// endpointTTL is the TTL of the names of AWS's endpoints, in seconds, as seen on
// the internet.
const endpointTTL = 60

// Services whose endpoints are in the public tree, by the first label: those with
// an endpoint in each Region, and those with one for all (AWS General Reference,
// "Service endpoints and quotas").
var (
	regionalServices = []string{"ec2", "elasticloadbalancing", "servicequotas", "ssm", "sts"}
	globalServices   = []string{"ec2", "elasticloadbalancing", "iam", "route53", "sts"}
)

// endpoints are the names of the endpoints that are served, endpointsAbove those
// that exist only because one of them is below.
var endpoints, endpointsAbove = func() (map[Name]bool, map[Name]bool) {
	names, above := map[Name]bool{}, map[Name]bool{}
	put := func(text string) {
		n := mustName(text)
		names[n] = true
		for _, n = n.First(); !amazonDomains[n]; _, n = n.First() {
			above[n] = true
		}
	}
	for _, r := range awsregion.All() {
		for _, s := range regionalServices {
			put(s + "." + r.Name + "." + ServicesDomain(r.Name))
		}
	}
	for _, s := range globalServices {
		put(s + ".amazonaws.com")
	}
	return names, above
}()

// endpoint answers the name of an endpoint, or one above: the simulated internet's
// own address serves them.
func (b branch) endpoint(v *View, q Question, a Answer) (Answer, bool) {
	switch {
	case endpoints[q.Name]:
		addr := publicip.Router(v.r)
		a.Because = append(a.Because, Cause{Decider: ServiceName, Addr: addr})
		return a.records(q, b.apex, address(q.Name, endpointTTL, addr)), true
	case endpointsAbove[q.Name]:
		return a.records(q, b.apex), true
	}
	return a, false
}
