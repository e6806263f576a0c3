package dnsview

// autodefined is the layer of zones that the resolver has in every VPC (Route 53
// Developer Guide, "Domain names that Resolver creates autodefined system rules
// for").
type autodefined struct{}

func (l autodefined) above(v *View, n Name) (Name, zone) {
	for ; n != Root; _, n = n.First() {
		if z := l.at(v, n); z != nil {
			return n, z
		}
	}
	return Root, nil
}

// at gives the zone whose domain is exactly the name, or nil.
func (autodefined) at(v *View, domain Name) zone {
	if z, ok := localZones[domain]; ok {
		return z
	}
	if !amazonNames(v) {
		return nil
	}
	if domain == v.domain {
		return private{v.vpc.Region, v.domain, ""}
	}
	if z, ok := computeZones[domain]; ok && v.knows(z.region) {
		return z
	}
	if z, ok := reverseAt(v.vpc, domain); ok {
		return z
	}
	for _, p := range v.peers {
		if z, ok := reverseAt(p.vpc, domain); ok {
			return z
		}
		if apex := mustName(Domain(p.vpc.Region)); domain == apex {
			return private{p.vpc.Region, apex, p.id}
		}
	}
	return nil
}

// amazonNames says whether the VPC's resolver knows the names that Amazon gives:
// with either attribute off it "cannot resolve Amazon-provided private DNS
// hostnames" (VPC User Guide, "DNS attributes for your VPC"). It is said that
// AWS in fact goes on answering ip-… names with EnableDnsHostnames off; if that
// is to be so here, it is changed here.
func amazonNames(v *View) bool { return v.vpc.EnableDnsSupport && v.vpc.EnableDnsHostnames }
