package route53

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// delegationSet finds a reusable delegation set of the caller.
func delegationSet(r state.Reader, c authz.Caller, id *string) (*state.DelegationSet, error) {
	if d, ok := state.DelegationSets.Get(r, global(c).Key(bare(id, setPrefix))); ok {
		return d, nil
	}
	return nil, refuse(api.ErrNoSuchDelegationSet, api.ErrNoSuchDelegationSetStatus, "A reusable delegation set with the specified ID %s does not exist.", awserr.Clip(bare(id, setPrefix)))
}

func zonesOfSet(r state.Reader, set string) (n int) {
	for range state.HostedZones.By(r, state.ByDelegationSet, set) {
		n++
	}
	return n
}

// CreateReusableDelegationSet makes a set of four name servers, or marks that of a
// zone as reusable.
func (s *Service) CreateReusableDelegationSet(tx *state.Tx, c authz.Caller, in *api.CreateReusableDelegationSetInput) (*api.CreateReusableDelegationSetOutput, error) {
	if err := unusedReference(tx, c, refSet, *in.CallerReference); err != nil {
		return nil, refuse(api.ErrDelegationSetAlreadyCreated, api.ErrDelegationSetAlreadyCreatedStatus, "A delegation set with the same owner and caller reference combination has already been created.")
	}
	d := &state.DelegationSet{Meta: meta(tx, c, newID(tx, "N")), CallerReference: *in.CallerReference}
	if in.HostedZoneId != nil {
		z, ok := state.HostedZones.Get(tx, global(c).Key(bare(in.HostedZoneId, zonePrefix)))
		switch {
		case !ok || z.Private:
			return nil, refuse(api.ErrHostedZoneNotFound, api.ErrHostedZoneNotFoundStatus, "The specified HostedZone can't be found.")
		case z.DelegationSetID != "":
			return nil, refuse(api.ErrDelegationSetAlreadyReusable, api.ErrDelegationSetAlreadyReusableStatus, "The specified delegation set has already been marked as reusable.")
		}
		d.NameServers = z.NameServers
		next := *z
		next.DelegationSetID = d.ID
		state.HostedZones.Put(tx, &next)
	} else {
		d.NameServers = drawServers(tx, nil)
	}
	n := 0
	for range state.DelegationSets.In(tx, global(c)) {
		n++
	}
	if n >= maxDelegationSets {
		return nil, refuse(api.ErrLimitsExceeded, api.ErrLimitsExceededStatus, "Limits Exceeded: MAX_REUSABLE_DELEGATION_SETS_BY_OWNER=%d cannot be exceeded.", maxDelegationSets)
	}
	useReference(tx, c, refSet, d.CallerReference, d.ID)
	state.DelegationSets.Put(tx, d)
	return &api.CreateReusableDelegationSetOutput{DelegationSet: setOut(d), Location: location("delegationset", d.ID)}, nil
}

func setOut(d *state.DelegationSet) *api.DelegationSet {
	return &api.DelegationSet{Id: new(setPrefix + d.ID), CallerReference: &d.CallerReference, NameServers: d.NameServers}
}

// DeleteReusableDelegationSet deletes a set that no zone uses.
func (s *Service) DeleteReusableDelegationSet(tx *state.Tx, c authz.Caller, in *api.DeleteReusableDelegationSetInput) (*api.DeleteReusableDelegationSetOutput, error) {
	d, err := delegationSet(tx, c, in.Id)
	if err != nil {
		return nil, err
	}
	if zonesOfSet(tx, d.ID) > 0 {
		return nil, refuse(api.ErrDelegationSetInUse, api.ErrDelegationSetInUseStatus, "The specified delegation contains associated hosted zones which must be deleted before the reusable delegation set can be deleted.")
	}
	state.DelegationSets.Delete(tx, d.Key)
	return &api.DeleteReusableDelegationSetOutput{}, nil
}

// GetReusableDelegationSet shows a set.
func (s *Service) GetReusableDelegationSet(r state.Reader, c authz.Caller, in *api.GetReusableDelegationSetInput) (*api.GetReusableDelegationSetOutput, error) {
	d, err := delegationSet(r, c, in.Id)
	if err != nil {
		return nil, err
	}
	return &api.GetReusableDelegationSetOutput{DelegationSet: setOut(d)}, nil
}

// ListReusableDelegationSets lists the caller's sets in the order of their ids.
func (s *Service) ListReusableDelegationSets(r state.Reader, c authz.Caller, in *api.ListReusableDelegationSetsInput) (*api.ListReusableDelegationSetsOutput, error) {
	most, err := limitOf(in.MaxItems, zonePage, zonePage)
	if err != nil {
		return nil, err
	}
	out := &api.ListReusableDelegationSetsOutput{DelegationSets: []api.DelegationSet{}, Marker: new(text(in.Marker)), IsTruncated: new(false), MaxItems: new(int32(most))}
	for d := range state.DelegationSets.From(r, global(c).Key(bare(in.Marker, setPrefix))) {
		if d.Account != c.Account {
			break
		}
		if len(out.DelegationSets) == most {
			out.IsTruncated, out.NextMarker = new(true), &d.ID
			break
		}
		out.DelegationSets = append(out.DelegationSets, *setOut(d))
	}
	return out, nil
}
