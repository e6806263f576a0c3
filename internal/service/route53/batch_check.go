package route53

import (
	"fmt"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// Alternatives that texts list. AWS's lists have grown with its policies; theirs of
// today are not known.
const (
	contents = "[AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]"
	policies = "[Weight, Region, Failover, GeoLocation, MultiValueAnswer, CidrRoutingConfig, or GeoProximityLocation]"
)

// complete checks that a change says what it must, before anything is looked up.
func complete(change *api.Change) error {
	in := change.ResourceRecordSet
	set := "null"
	if in.SetIdentifier != nil {
		set = *in.SetIdentifier
	}
	where := fmt.Sprintf("Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=%s]",
		*change.Action, awserr.Clip(dotted(*in.Name)), *in.Type, set)
	values := in.TTL != nil && len(in.ResourceRecords) > 0
	partly := in.TTL != nil || len(in.ResourceRecords) > 0
	switch {
	case in.TrafficPolicyInstanceId != nil:
		return invalidInput("Invalid request: Traffic policy instances are not offered: TrafficPolicyInstanceId in %s", where)
	case in.AliasTarget != nil && partly:
		return invalidInput("Invalid request: Expected exactly one of %s, but found more than one in %s", contents, where)
	case in.AliasTarget == nil && !values:
		return invalidInput("Invalid request: Expected exactly one of %s, but found none in %s", contents, where)
	}
	n := 0
	for _, given := range []bool{in.Weight != nil, in.Region != nil, in.Failover != nil, in.GeoLocation != nil,
		in.MultiValueAnswer != nil && *in.MultiValueAnswer, in.CidrRoutingConfig != nil, in.GeoProximityLocation != nil} {
		if given {
			n++
		}
	}
	switch {
	case n > 0 && in.SetIdentifier == nil:
		return invalidInput("Invalid request: Missing field 'SetIdentifier' in %s", where)
	case n == 0 && in.SetIdentifier != nil:
		return invalidInput("Invalid request: Expected exactly one of %s, but found none in %s", policies, where)
	case n > 1:
		return invalidInput("Invalid request: Expected exactly one of %s, but found more than one in %s", policies, where)
	}
	return completePlace(in, where)
}

// completePlace checks the two policies that name a place.
func completePlace(in *api.ResourceRecordSet, where string) error {
	if g := in.GeoLocation; g != nil {
		l := location3{text(g.ContinentCode), text(g.CountryCode), text(g.SubdivisionCode)}
		if _, ok := geoLocation(l); !ok {
			return invalidInput("Invalid request: The GeoLocation is not one that ListGeoLocations lists in %s", where)
		}
	}
	if p := in.GeoProximityLocation; p != nil {
		n := 0
		for _, given := range []bool{p.AWSRegion != nil, p.LocalZoneGroup != nil, p.Coordinates != nil} {
			if given {
				n++
			}
		}
		if n != 1 {
			return invalidInput("Invalid request: Expected exactly one of [AWSRegion, LocalZoneGroup, or Coordinates] in %s", where)
		}
		if p.AWSRegion != nil && !dnsview.KnownRegion(*p.AWSRegion) {
			return invalidInput("Invalid request: %s is not a Region in %s", awserr.Clip(*p.AWSRegion), where)
		}
	}
	return nil
}

// references checks that what a record set refers to exists.
func (b *batch) references(c authz.Caller, set *state.RecordSet) error {
	if set.HealthCheckID != "" {
		if _, err := checkOf(b.tx, c, &set.HealthCheckID); err != nil {
			return err
		}
	}
	if set.Cidr == nil {
		return nil
	}
	if b.zone.Private {
		b.problem("RRSet with DNS name " + set.Name + ", type " + set.Type + ", SetIdentifier " + set.SetID + " cannot be created: IP-based routing is not supported in private hosted zones.")
	}
	col, err := collectionOf(b.tx, c, set.Cidr.CollectionID)
	if err != nil {
		return err
	}
	if set.Cidr.Location != "*" && !slices.ContainsFunc(col.Locations, func(l state.CidrLocation) bool { return l.Name == set.Cidr.Location }) {
		return refuse(api.ErrNoSuchCidrLocation, api.ErrNoSuchCidrLocationStatus, "The CIDR location %s doesn't exist in the collection.", set.Cidr.Location)
	}
	return nil
}

// fits checks a record set against the others of its name.
func (b *batch) fits(name dnsview.Name, set *state.RecordSet) bool {
	before := len(b.messages)
	atApex := name == b.apex
	policy := dnsview.PolicyOf(set)
	switch {
	case set.Type == "CNAME" && atApex:
		b.problem("RRSet of type CNAME with DNS name " + set.Name + " is not permitted at apex in zone " + b.zone.Name)
	case set.Type == "NS" && strings.HasPrefix(set.Name, `\052.`):
		b.problem("RRSet of type NS with DNS name " + set.Name + " is not permitted: a wildcard cannot have the type NS.")
	case set.Type == "SOA" && !atApex:
		b.problem("RRSet of type SOA with DNS name " + set.Name + " is not permitted in zone " + b.zone.Name)
	case set.Type == "DS" && atApex:
		b.problem("RRSet of type DS with DNS name " + set.Name + " is not permitted at apex in zone " + b.zone.Name)
	case policy != dnsview.Simple && (set.Type == "NS" || set.Type == "SOA" || set.Type == "DS"),
		policy == dnsview.Multivalue && set.Type == "CNAME",
		policy == dnsview.Multivalue && set.Alias != nil:
		what := "type " + set.Type
		if set.Alias != nil {
			what = "alias type " + set.Type
		}
		b.problem("RRSet with DNS name " + set.Name + ", " + what + ", SetIdentifier " + set.SetID + " cannot be created: its type does not support the " + string(policy) + " routing policy.")
	}
	for _, other := range named(b.tx, b.zone, name) {
		if other.Type == set.Type {
			continue
		}
		if set.Type == "CNAME" {
			b.problem("RRSet of type CNAME with DNS name " + set.Name + " is not permitted as it conflicts with other records with the same DNS name in zone " + b.zone.Name)
			break
		}
		if other.Type == "CNAME" {
			// The two blanks are AWS's.
			b.problem("RRSet of type " + set.Type + " with DNS name " + set.Name + " is not permitted because a conflicting RRSet of type  CNAME with the same DNS name already exists in zone " + b.zone.Name)
			break
		}
	}
	b.joins(set, policy)
	if set.Alias != nil {
		b.alias(set)
	}
	return len(b.messages) == before
}

// joins checks a record set against the group that it would join.
func (b *batch) joins(set *state.RecordSet, policy dnsview.Policy) {
	group := b.group(set)
	who := "RRSet with DNS name " + set.Name + ", type " + set.Type
	if set.SetID != "" {
		who += ", SetIdentifier " + set.SetID
	}
	most := maxGroup
	if policy == dnsview.Geoproximity {
		most = maxProximity
	}
	for _, other := range group {
		with := dnsview.PolicyOf(other)
		switch {
		case policy == dnsview.Simple:
			b.problem(who + " cannot be created as other RRSets exist with the same name and type.")
			return
		case with != policy:
			b.problem(who + " cannot be created as a non-" + string(policy) + " set exists with the same name and type.")
			return
		}
		twice := ""
		switch {
		case set.Latency != "" && set.Latency == other.Latency:
			b.problem(who + ", and Region Name=" + set.Latency + " cannot be created because a latency RRSet with the same name, type and region already exists.")
			return
		case set.Failover != "" && set.Failover == other.Failover:
			twice = "failover RRSet with the same name, type and failover role"
		case set.Geo != nil && *set.Geo == *other.Geo:
			twice = "geolocation RRSet with the same name, type and geolocation"
		case set.Cidr != nil && *set.Cidr == *other.Cidr:
			twice = "CIDR RRSet with the same name, type and location"
		case set.Cidr != nil && set.Cidr.CollectionID != other.Cidr.CollectionID:
			twice = "CIDR RRSet with the same name and type of another collection"
		}
		if twice != "" {
			b.problem(who + " cannot be created because a " + twice + " already exists.")
			return
		}
	}
	if len(group) >= most {
		b.problem(fmt.Sprintf("%s cannot be created as more than %d RRSets would exist with the same name and type.", who, most))
	}
}

// alias checks the target of an alias.
func (b *batch) alias(set *state.RecordSet) {
	who := fmt.Sprintf("Tried to create an alias that targets %s, type %s in zone %s, but ", set.Alias.Name, set.Type, set.Alias.ZoneID)
	target, err := dnsview.ParseEscaped(set.Alias.Name)
	if err != nil {
		b.problem(err.Error())
		return
	}
	if set.Type == "NS" || set.Type == "SOA" {
		b.problem("RRSet of type " + set.Type + " with DNS name " + set.Name + " cannot be an alias.")
		return
	}
	if set.Alias.ZoneID != b.zone.ID {
		// The zone of an AWS service, which has names under its own domain alone.
		if _, ours := zoneByID(b.tx, set.Alias.ZoneID); ours || !ofService(set.Alias.Name) {
			b.problem(who + "the alias target name does not lie within the target zone")
		}
		return
	}
	if !target.In(b.apex) {
		b.problem(who + "the alias target name does not lie within the target zone")
		return
	}
	for _, other := range named(b.tx, b.zone, target) {
		if other.Type == set.Type && other.Key != set.Key {
			return
		}
	}
	b.problem(who + "that target was not found")
}

// serviceDomains are where the names are that aliases of AWS's services stand for.
var serviceDomains = []string{".amazonaws.com.", ".amazonaws.com.cn.", ".cloudfront.net.", ".elasticbeanstalk.com.", ".awsglobalaccelerator.com.", ".awsapprunner.com."}

func ofService(name string) bool {
	return slices.ContainsFunc(serviceDomains, func(d string) bool { return strings.HasSuffix(name, d) })
}
