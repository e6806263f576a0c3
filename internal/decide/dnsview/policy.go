package dnsview

import (
	"cmp"
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// Policy is a routing policy of Route 53.
type Policy string

// The policies (Developer Guide, "Choosing a routing policy").
const (
	Simple       Policy = "simple"
	Weighted     Policy = "weighted"
	Latency      Policy = "latency"
	Failover     Policy = "failover"
	Geolocation  Policy = "geolocation"
	Geoproximity Policy = "geoproximity"
	Multivalue   Policy = "multivalue"
	IPBased      Policy = "ip-based"
)

// PolicyOf is the policy of a record set.
func PolicyOf(s *state.RecordSet) Policy {
	switch {
	case s.Weight != nil:
		return Weighted
	case s.Latency != "":
		return Latency
	case s.Failover != "":
		return Failover
	case s.Geo != nil:
		return Geolocation
	case s.Proximity != nil:
		return Geoproximity
	case s.Multivalue:
		return Multivalue
	case s.Cidr != nil:
		return IPBased
	}
	return Simple
}

// maxMultivalue is how many records of a multivalue group an answer has.
const maxMultivalue = 8

// shuffle puts a list into an order that is drawn.
func shuffle[T any](a *asking, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := a.below(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// pick chooses one of a group by its policy, as if all were healthy; nil when the
// policy has none for the asker.
func (a *asking) pick(group []*state.RecordSet) *state.RecordSet {
	switch PolicyOf(group[0]) {
	case Weighted:
		return a.weighted(group)
	case Latency:
		return least(group, func(s *state.RecordSet) (float64, bool) {
			return distance(a.place.at(), sites[s.Latency]), true
		})
	case Failover:
		for _, s := range group {
			if s.Failover == "PRIMARY" {
				return s
			}
		}
		return group[0]
	case Geolocation:
		return least(group, func(s *state.RecordSet) (float64, bool) { return a.place.away(s.Geo) })
	case Geoproximity:
		return least(group, func(s *state.RecordSet) (float64, bool) { return biased(a.place, s.Proximity), true })
	case IPBased:
		return least(group, a.blockOf)
	}
	return group[a.below(len(group))]
}

// least is the member with the smallest measure, the first of equals.
func least(group []*state.RecordSet, measure func(*state.RecordSet) (float64, bool)) *state.RecordSet {
	var best *state.RecordSet
	var shortest float64
	for _, s := range group {
		if m, ok := measure(s); ok && (best == nil || m < shortest) {
			best, shortest = s, m
		}
	}
	return best
}

// weighted draws by weight. Members of weight zero count only when no other is
// left, and then equally.
func (a *asking) weighted(group []*state.RecordSet) *state.RecordSet {
	sum := 0
	for _, s := range group {
		sum += int(*s.Weight)
	}
	if sum == 0 {
		return group[a.below(len(group))]
	}
	return group[a.draw(Chance{Of: sum, weights: group})]
}

// away says how widely a geolocation record names the place: state, country,
// continent, default; false when it names another.
func (p Place) away(g *state.GeoLocation) (float64, bool) {
	switch {
	case g.Country == "*":
		return 3, true
	case g.Subdivision != "":
		return 0, g.Country == p.Country && g.Subdivision == p.Subdivision
	case g.Country != "":
		return 1, g.Country == p.Country
	}
	return 2, g.Continent == p.Continent && p.Continent != ""
}

// anyLocation is the location of the default record of IP-based routing.
const anyLocation = "*"

// blockOf measures how narrow a block of the record's location holds the client:
// the longest wins, and the query's prefix must be at least as long.
func (a *asking) blockOf(s *state.RecordSet) (float64, bool) {
	if s.Cidr.Location == anyLocation {
		return 1, true
	}
	c, ok := state.CidrCollections.Get(a.r, state.Key{Account: s.Account, ID: s.Cidr.CollectionID})
	if !ok || !a.place.Client.IsValid() {
		return 0, false
	}
	best := -1
	for _, l := range c.Locations {
		if l.Name != s.Cidr.Location {
			continue
		}
		for _, b := range l.Blocks {
			if holds(b, a.place.Client) {
				best = max(best, b.Bits())
			}
		}
	}
	return -float64(best), best >= 0
}

func holds(block, client netip.Prefix) bool {
	return block.Contains(client.Addr()) && client.Bits() >= block.Bits()
}

// choose resolves a group of record sets of one name and type: one is picked by
// the policy and its health is checked; if it is unhealthy it is left out and
// another is picked; if none is healthy all count as healthy (Developer Guide,
// "How Amazon Route 53 chooses records when health checking is configured").
func (a *asking) choose(group []*state.RecordSet, depth int) (records []Record, because []Cause) {
	if len(group) == 0 || depth > maxChain {
		return nil, nil
	}
	policy := PolicyOf(group[0])
	if policy == Multivalue {
		return a.several(group)
	}
	if policy == Latency || policy == Geolocation || policy == Geoproximity || policy == IPBased {
		a.located = true
		if a.locate != nil {
			a.place, a.locate = a.locate(), nil
		}
	}
	left := group
	var chosen *state.RecordSet
	for len(left) > 0 && chosen == nil {
		s := a.pick(left)
		if s == nil {
			break
		}
		if a.health.set(s) {
			chosen = s
			break
		}
		because = append(because, Cause{Decider: Unhealthy, Domain: a.owner, ID: cmp.Or(s.HealthCheckID, s.SetID)})
		others := make([]*state.RecordSet, 0, len(left)-1)
		for _, other := range left {
			if other != s {
				others = append(others, other)
			}
		}
		left = others
	}
	if chosen == nil {
		if chosen = a.pick(group); chosen == nil {
			return nil, append(because, Cause{Decider: Decider(policy), Domain: a.owner})
		}
	}
	because = append(because, setCauses(policy, a.owner, chosen)...)
	records, more := a.values(chosen, depth)
	return records, append(because, more...)
}

// several resolves a multivalue group: up to eight healthy ones, or if none is
// healthy up to eight of all.
func (a *asking) several(group []*state.RecordSet) (records []Record, because []Cause) {
	var some []*state.RecordSet
	for _, s := range group {
		if a.health.set(s) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		some = append(some, group...)
	}
	shuffle(a, some)
	if len(some) > maxMultivalue {
		some = some[:maxMultivalue]
	}
	for _, s := range some {
		more, _ := a.values(s, 0)
		records = append(records, more...)
		because = append(because, setCauses(Multivalue, a.owner, s)...)
	}
	return records, because
}

func setCauses(policy Policy, owner Name, s *state.RecordSet) []Cause {
	c := []Cause{{Decider: RecordSet, Domain: owner, ID: s.Type}}
	if policy != Simple {
		c = append(c, Cause{Decider: Decider(policy), Domain: owner, ID: s.SetID})
	}
	return c
}
