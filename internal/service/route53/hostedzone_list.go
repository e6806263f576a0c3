package route53

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// zonePage is how many zones a page has, by default and at most.
const zonePage = 100

// ListHostedZones lists the caller's zones in the order of their ids.
func (s *Service) ListHostedZones(r state.Reader, c authz.Caller, in *api.ListHostedZonesInput) (*api.ListHostedZonesOutput, error) {
	most, err := limitOf(in.MaxItems, zonePage, zonePage)
	if err != nil {
		return nil, err
	}
	set := ""
	if in.DelegationSetId != nil {
		d, err := delegationSet(r, c, in.DelegationSetId)
		if err != nil {
			return nil, err
		}
		set = d.ID
	}
	marker := bare(in.Marker, zonePrefix)
	if _, ok := state.HostedZones.Get(r, global(c).Key(marker)); !ok && marker != "" {
		return nil, noZone(marker)
	}
	out := &api.ListHostedZonesOutput{HostedZones: []api.HostedZone{}, Marker: new(text(in.Marker)), IsTruncated: new(false), MaxItems: new(int32(most))}
	for z := range state.HostedZones.From(r, global(c).Key(marker)) {
		if z.Account != c.Account {
			break
		}
		if set != "" && z.DelegationSetID != set || in.HostedZoneType != nil && !z.Private {
			continue
		}
		if len(out.HostedZones) == most {
			out.IsTruncated, out.NextMarker = new(true), &z.ID
			break
		}
		out.HostedZones = append(out.HostedZones, *zoneOut(z))
	}
	return out, nil
}

// ListHostedZonesByName lists the caller's zones by name with its labels
// reversed, and zones of one name by id.
func (s *Service) ListHostedZonesByName(r state.Reader, c authz.Caller, in *api.ListHostedZonesByNameInput) (*api.ListHostedZonesByNameOutput, error) {
	most, err := limitOf(in.MaxItems, zonePage, zonePage)
	if err != nil {
		return nil, err
	}
	if in.HostedZoneId != nil && in.DNSName == nil {
		return nil, invalidInput("Invalid request: A HostedZoneId can only be given together with a DNSName.")
	}
	out := &api.ListHostedZonesByNameOutput{HostedZones: []api.HostedZone{}, IsTruncated: new(false), MaxItems: new(int32(most)), DNSName: in.DNSName, HostedZoneId: in.HostedZoneId}
	reversed, id := "", bare(in.HostedZoneId, zonePrefix)
	if in.DNSName != nil {
		name, err := dnsview.ParseEscaped(*in.DNSName)
		if err != nil {
			return nil, refuse(api.ErrInvalidDomainName, api.ErrInvalidDomainNameStatus, "%s", err.Error())
		}
		reversed = name.Reversed()
	}
	for z := range state.HostedZones.ByFrom(r, state.ByReversed, state.Reversed(c.Account, reversed)) {
		if z.Account != c.Account {
			break
		}
		if z.Reversed == reversed && z.ID < id {
			continue
		}
		if len(out.HostedZones) == most {
			out.IsTruncated, out.NextDNSName, out.NextHostedZoneId = new(true), &z.Name, &z.ID
			break
		}
		out.HostedZones = append(out.HostedZones, *zoneOut(z))
	}
	return out, nil
}

// ListHostedZonesByVPC lists the private zones of any account that a VPC of the
// caller is associated with.
func (s *Service) ListHostedZonesByVPC(r state.Reader, c authz.Caller, in *api.ListHostedZonesByVPCInput) (*api.ListHostedZonesByVPCOutput, error) {
	most, err := limitOf(in.MaxItems, zonePage, zonePage)
	if err != nil {
		return nil, err
	}
	vpc, err := ownVpc(r, c, &api.VPC{VPCId: in.VPCId, VPCRegion: in.VPCRegion})
	if err != nil {
		return nil, err
	}
	out := &api.ListHostedZonesByVPCOutput{HostedZoneSummaries: []api.HostedZoneSummary{}, MaxItems: new(int32(most))}
	start := text(in.NextToken)
	if _, ok := zoneByID(r, start); !ok && start != "" {
		return nil, refuse(api.ErrInvalidPaginationToken, api.ErrInvalidPaginationTokenStatus, "The value of NextToken is not valid.")
	}
	begun := start == ""
	for z := range state.HostedZones.By(r, state.ByVpc, vpc.Key()) {
		if begun = begun || z.ID == start; !begun {
			continue
		}
		if len(out.HostedZoneSummaries) == most {
			out.NextToken = &z.ID
			break
		}
		out.HostedZoneSummaries = append(out.HostedZoneSummaries, api.HostedZoneSummary{
			HostedZoneId: &z.ID, Name: &z.Name, Owner: &api.HostedZoneOwner{OwningAccount: &z.Account}})
	}
	return out, nil
}

// zoneByID finds a zone of any account.
func zoneByID(r state.Reader, id string) (*state.HostedZone, bool) {
	for z := range state.HostedZones.By(r, state.ByZone, id) {
		return z, true
	}
	return nil, false
}

// GetHostedZoneCount counts the caller's zones.
func (s *Service) GetHostedZoneCount(r state.Reader, c authz.Caller, _ *api.GetHostedZoneCountInput) (*api.GetHostedZoneCountOutput, error) {
	return &api.GetHostedZoneCountOutput{HostedZoneCount: new(int64(countZones(r, c)))}, nil
}

func countZones(r state.Reader, c authz.Caller) (n int) {
	for range state.HostedZones.In(r, global(c)) {
		n++
	}
	return n
}
