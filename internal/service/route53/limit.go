package route53

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// Quotas (Developer Guide, "Quotas").
const (
	maxZones          = 500
	maxChecks         = 200
	maxDelegationSets = 100
	maxZonesOfSet     = 100
	maxRecordSets     = 10000 // in a zone
	maxVpcsOfZone     = 300
	maxAuthorizations = 1000
	maxGroup          = 100 // record sets of one name and type
	maxProximity      = 30  // of these with geoproximity routing
	maxValues         = 400 // of one record set
	maxCollections    = 5
	maxBlocks         = 1000 // of a CIDR collection
	maxPolicies       = 50
	maxPolicyInstance = 5
)

// GetAccountLimit shows a quota of the account and how much of it is used.
func (s *Service) GetAccountLimit(r state.Reader, c authz.Caller, in *api.GetAccountLimitInput) (*api.GetAccountLimitOutput, error) {
	var value, used int
	switch *in.Type {
	case api.AccountLimitTypeMAXHOSTEDZONESBYOWNER:
		value, used = maxZones, countZones(r, c)
	case api.AccountLimitTypeMAXHEALTHCHECKSBYOWNER:
		value, used = maxChecks, countChecks(r, c)
	case api.AccountLimitTypeMAXREUSABLEDELEGATIONSETSBYOWNER:
		value = maxDelegationSets
		for range state.DelegationSets.In(r, global(c)) {
			used++
		}
	case api.AccountLimitTypeMAXTRAFFICPOLICIESBYOWNER:
		value = maxPolicies // there are none
	default:
		value = maxPolicyInstance
	}
	return &api.GetAccountLimitOutput{Limit: &api.AccountLimit{Type: in.Type, Value: new(int64(value))}, Count: new(int64(used))}, nil
}

// GetHostedZoneLimit shows a quota of a zone and how much of it is used.
func (s *Service) GetHostedZoneLimit(r state.Reader, c authz.Caller, in *api.GetHostedZoneLimitInput) (*api.GetHostedZoneLimitOutput, error) {
	z, err := zoneOf(r, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	value, used := int64(maxRecordSets), z.RecordSets
	if *in.Type == api.HostedZoneLimitTypeMAXVPCSASSOCIATEDBYZONE {
		if !z.Private {
			return nil, refuse(api.ErrHostedZoneNotPrivate, api.ErrHostedZoneNotPrivateStatus, "The specified hosted zone is a public hosted zone, not a private hosted zone.")
		}
		value, used = maxVpcsOfZone, int64(len(z.Vpcs))
	}
	return &api.GetHostedZoneLimitOutput{Limit: &api.HostedZoneLimit{Type: in.Type, Value: &value}, Count: &used}, nil
}

// GetReusableDelegationSetLimit shows how many zones may use a set, and do.
func (s *Service) GetReusableDelegationSetLimit(r state.Reader, c authz.Caller, in *api.GetReusableDelegationSetLimitInput) (*api.GetReusableDelegationSetLimitOutput, error) {
	d, err := delegationSet(r, c, in.DelegationSetId)
	if err != nil {
		return nil, err
	}
	return &api.GetReusableDelegationSetLimitOutput{
		Limit: &api.ReusableDelegationSetLimit{Type: in.Type, Value: new(int64(maxZonesOfSet))},
		Count: new(int64(zonesOfSet(r, d.ID)))}, nil
}
