package dnsview

import "github.com/localvpc/localvpc/internal/state"

// privateZones is the layer of the private hosted zones that are associated with
// the VPC. Both attributes of the VPC must be on (Route 53 Developer Guide,
// "Considerations when working with a private hosted zone"). Once a zone is
// chosen its answer stands, whatever wider zones and the public tree may have.
type privateZones struct{}

func (privateZones) above(v *View, n Name) (Name, zone) {
	if !v.zones {
		return Root, nil
	}
	var narrowest *state.HostedZone
	state.ZonesAlong(v.r, v.zoneVpc(), n.Reversed(), func(z *state.HostedZone) {
		if narrowest == nil || len(z.Reversed) > len(narrowest.Reversed) {
			narrowest = z
		}
	})
	if narrowest == nil {
		return Root, nil
	}
	apex := n.last(narrowest.Reversed)
	return apex, privateZone{hosted{narrowest, apex}}
}

// zoneVpc is the VPC in the indexes of hosted zones.
func (v *View) zoneVpc() string { return state.ZoneVpc{Region: v.vpc.Region, ID: v.vpc.ID}.Key() }

// hasZones says whether private hosted zones answer in the VPC.
func hasZones(v *View) bool {
	if !v.vpc.EnableDnsSupport || !v.vpc.EnableDnsHostnames {
		return false
	}
	for range state.HostedZones.By(v.r, state.ByVpc, v.zoneVpc()) {
		return true
	}
	return false
}

type privateZone struct{ hosted }

func (z privateZone) answer(v *View, q Question) Answer {
	a := asking{r: v.r, place: RegionPlace(v.vpc.Region), seed: q.Draw, chances: q.Chances, health: health{r: v.r}}
	located := false // the Region of the VPC is the same for all who ask, but not their zones
	a.outside = func(n Name, t Type) []Record {
		ans := v.Answer(Question{Name: n, Type: t, Recurse: true, Draw: q.Draw, Client: q.Client, Chances: q.Chances, left: q.left})
		located = located || ans.Located
		return ans.Answer
	}
	ans := z.resolve(&a, q)
	ans.RA, ans.Located = true, located
	return ans
}
