package route53

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// setsOf walks the record sets of a zone in the order in which they are listed,
// from a key on: a reversed name, and behind blanks a type and a set identifier.
func setsOf(r state.Reader, z *state.HostedZone, from string) iter.Seq[*state.RecordSet] {
	return func(yield func(*state.RecordSet) bool) {
		prefix := z.ID + "/"
		for set := range state.RecordSets.From(r, z.Scope().Key(prefix+from)) {
			if set.Account != z.Account || !strings.HasPrefix(set.ID, prefix) || !yield(set) {
				return
			}
		}
	}
}

// named gives the record sets of one name, of all types.
func named(r state.Reader, z *state.HostedZone, name dnsview.Name) (sets []*state.RecordSet) {
	prefix := z.ID + "/" + name.Reversed() + " "
	for set := range setsOf(r, z, name.Reversed()+" ") {
		if !strings.HasPrefix(set.ID, prefix) {
			break
		}
		sets = append(sets, set)
	}
	return sets
}

// setRow makes the row of a record set; its values are not read yet.
func setRow(z *state.HostedZone, name dnsview.Name, in *api.ResourceRecordSet) *state.RecordSet {
	set := &state.RecordSet{
		Meta:   state.Meta{Key: z.Scope().Key(state.RecordSetID(z.ID, name.Reversed(), *in.Type, text(in.SetIdentifier)))},
		ZoneID: z.ID, Name: name.Escaped(), Type: *in.Type, SetID: text(in.SetIdentifier),
		Weight: in.Weight, Latency: text(in.Region), Failover: text(in.Failover),
		Multivalue:    in.MultiValueAnswer != nil && *in.MultiValueAnswer,
		HealthCheckID: text(in.HealthCheckId),
	}
	if in.TTL != nil {
		set.TTL = *in.TTL
	}
	for _, v := range in.ResourceRecords {
		set.Values = append(set.Values, *v.Value)
	}
	if g := in.GeoLocation; g != nil {
		set.Geo = &state.GeoLocation{Continent: text(g.ContinentCode), Country: text(g.CountryCode), Subdivision: text(g.SubdivisionCode)}
	}
	if t := in.CidrRoutingConfig; t != nil {
		set.Cidr = &state.CidrRouting{CollectionID: *t.CollectionId, Location: *t.LocationName}
	}
	if p := in.GeoProximityLocation; p != nil {
		set.Proximity = &state.GeoProximity{Region: text(p.AWSRegion), LocalZoneGroup: text(p.LocalZoneGroup)}
		if p.Bias != nil {
			set.Proximity.Bias = *p.Bias
		}
		if p.Coordinates != nil {
			set.Proximity.Latitude, set.Proximity.Longitude = *p.Coordinates.Latitude, *p.Coordinates.Longitude
		}
	}
	if a := in.AliasTarget; a != nil {
		set.Alias = &state.AliasTarget{ZoneID: bare(a.HostedZoneId, zonePrefix), Name: dotted(*a.DNSName), EvaluateHealth: *a.EvaluateTargetHealth}
		if n, err := dnsview.ParseEscaped(*a.DNSName); err == nil {
			set.Alias.Name = n.Escaped()
		}
	}
	return set
}

// dotted is a name with its final dot.
func dotted(name string) string { return strings.TrimSuffix(name, ".") + "." }

// setOutput is a record set as answers show it.
func setOutput(set *state.RecordSet) api.ResourceRecordSet {
	out := api.ResourceRecordSet{
		Name: &set.Name, Type: &set.Type, SetIdentifier: optional(set.SetID), Weight: set.Weight, Region: optional(set.Latency),
		Failover: optional(set.Failover), HealthCheckId: optional(set.HealthCheckID),
	}
	if set.Multivalue {
		out.MultiValueAnswer = new(true)
	}
	if g := set.Geo; g != nil {
		out.GeoLocation = &api.GeoLocation{ContinentCode: optional(g.Continent), CountryCode: optional(g.Country), SubdivisionCode: optional(g.Subdivision)}
	}
	if t := set.Cidr; t != nil {
		out.CidrRoutingConfig = &api.CidrRoutingConfig{CollectionId: &t.CollectionID, LocationName: &t.Location}
	}
	if p := set.Proximity; p != nil {
		out.GeoProximityLocation = &api.GeoProximityLocation{AWSRegion: optional(p.Region), LocalZoneGroup: optional(p.LocalZoneGroup), Bias: &p.Bias}
		if p.Latitude != "" {
			out.GeoProximityLocation.Coordinates = &api.Coordinates{Latitude: &p.Latitude, Longitude: &p.Longitude}
		}
	}
	if a := set.Alias; a != nil {
		out.AliasTarget = &api.AliasTarget{HostedZoneId: &a.ZoneID, DNSName: &a.Name, EvaluateTargetHealth: &a.EvaluateHealth}
		return out
	}
	out.TTL = &set.TTL
	out.ResourceRecords = make([]api.ResourceRecord, len(set.Values))
	for i := range set.Values {
		out.ResourceRecords[i].Value = &set.Values[i]
	}
	return out
}

// matches says whether a record set is the one that a DELETE describes: every
// field, and the values in any order.
func matches(have, want *state.RecordSet) bool {
	if have.TTL != want.TTL || len(have.Rdata) != len(want.Rdata) || have.HealthCheckID != want.HealthCheckID || have.Multivalue != want.Multivalue ||
		have.Latency != want.Latency || have.Failover != want.Failover ||
		!same(have.Weight, want.Weight) || !same(have.Geo, want.Geo) || !same(have.Cidr, want.Cidr) || !same(have.Proximity, want.Proximity) || !same(have.Alias, want.Alias) {
		return false
	}
	a, b := slices.Clone(have.Rdata), slices.Clone(want.Rdata)
	slices.SortFunc(a, bytes.Compare)
	slices.SortFunc(b, bytes.Compare)
	return slices.EqualFunc(a, b, bytes.Equal)
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// setPage is how many record sets a page has, by default and at most.
const setPage = 300

// ListResourceRecordSets lists the record sets of a zone by name with its labels
// reversed, type and set identifier.
func (s *Service) ListResourceRecordSets(r state.Reader, c authz.Caller, in *api.ListResourceRecordSetsInput) (*api.ListResourceRecordSetsOutput, error) {
	z, err := zoneOf(r, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	most, err := limitOf(in.MaxItems, setPage, setPage)
	if err != nil {
		return nil, err
	}
	from := ""
	switch {
	case in.StartRecordType != nil && in.StartRecordName == nil:
		return nil, invalidInput("Invalid request: StartRecordType was given without StartRecordName.")
	case in.StartRecordIdentifier != nil && in.StartRecordType == nil:
		return nil, invalidInput("Invalid request: StartRecordIdentifier was given without StartRecordName and StartRecordType.")
	case in.StartRecordName != nil:
		name, err := dnsview.ParseEscaped(*in.StartRecordName)
		if err != nil {
			return nil, invalidInput("%s", err.Error())
		}
		from = name.Reversed() + " " + text(in.StartRecordType)
		if in.StartRecordIdentifier != nil {
			from += " " + *in.StartRecordIdentifier
		}
	}
	out := &api.ListResourceRecordSetsOutput{ResourceRecordSets: []api.ResourceRecordSet{}, IsTruncated: new(false), MaxItems: new(int32(most))}
	for set := range setsOf(r, z, from) {
		if len(out.ResourceRecordSets) == most {
			out.IsTruncated, out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier = new(true), &set.Name, &set.Type, optional(set.SetID)
			break
		}
		out.ResourceRecordSets = append(out.ResourceRecordSets, setOutput(set))
	}
	return out, nil
}

// label is a record set as messages name it: name='a.test.', type='A', and of a
// routed one set-identifier='x'.
func label(set *state.RecordSet) string {
	text := fmt.Sprintf("[name='%s', type='%s'", set.Name, set.Type)
	if set.SetID != "" {
		text += ", set-identifier='" + set.SetID + "'"
	}
	return text + "]"
}
