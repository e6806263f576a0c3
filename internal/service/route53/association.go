package route53

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// vpcOf finds a VPC of any account; what a request leaves out is refused.
func vpcOf(r state.Reader, in *api.VPC) (state.ZoneVpc, error) {
	id, region := text(in.VPCId), text(in.VPCRegion)
	if id == "" || region == "" {
		return state.ZoneVpc{}, invalidInput("Invalid request: Expected both of [VPCId, VPCRegion] in VPC")
	}
	for v := range state.Vpcs.By(r, state.ByVpc, id) {
		if v.Region == region {
			return state.ZoneVpc{Region: region, ID: id, Account: v.Account}, nil
		}
	}
	return state.ZoneVpc{}, noVpc(id, region)
}

func noVpc(id, region string) error {
	return refuse(api.ErrInvalidVPCId, api.ErrInvalidVPCIdStatus, "The VPC: %s in region: %s does not exist.", awserr.Clip(id), region)
}

// ownVpc finds a VPC of the caller; another account's is answered as absent.
func ownVpc(r state.Reader, c authz.Caller, in *api.VPC) (state.ZoneVpc, error) {
	v, err := vpcOf(r, in)
	if err == nil && v.Account != c.Account {
		err = noVpc(v.ID, v.Region)
	}
	return v, err
}

// nameTaken finds the zone of that name that a VPC is associated with.
func nameTaken(r state.Reader, v state.ZoneVpc, name string) *state.HostedZone {
	for z := range state.HostedZones.By(r, state.ByVpcName, state.VpcName(v.Key(), name)) {
		return z
	}
	return nil
}

func sameVpc(v state.ZoneVpc) func(state.ZoneVpc) bool {
	return func(o state.ZoneVpc) bool { return o.ID == v.ID && o.Region == v.Region }
}

func notAuthorized(v state.ZoneVpc) error {
	return refuse(api.ErrNotAuthorized, api.ErrNotAuthorizedStatus, "The VPC: %s has not authorized to associate with your hosted zone.", v.ID)
}

// AssociateVPCWithHostedZone lets a VPC of the caller see a private zone: the
// caller's own, or one whose owner has authorized it.
func (s *Service) AssociateVPCWithHostedZone(tx *state.Tx, c authz.Caller, in *api.AssociateVPCWithHostedZoneInput) (*api.AssociateVPCWithHostedZoneOutput, error) {
	id := bare(in.HostedZoneId, zonePrefix)
	z, ok := zoneByID(tx, id)
	if !ok {
		return nil, noZone(id)
	}
	v, err := vpcOf(tx, in.VPC)
	if err != nil {
		return nil, err
	}
	switch {
	case !z.Private && z.Account != c.Account:
		return nil, noZone(id)
	case !z.Private:
		return nil, refuse(api.ErrPublicZoneVPCAssociation, api.ErrPublicZoneVPCAssociationStatus,
			"You're trying to associate a VPC with a public hosted zone. Amazon Route 53 doesn't support associating a VPC with a public hosted zone.")
	case v.Account != c.Account:
		return nil, notAuthorized(v)
	case z.Account != c.Account && !slices.ContainsFunc(z.Authorized, sameVpc(v)):
		return nil, notAuthorized(v)
	case nameTaken(tx, v, z.Name) != nil:
		return nil, conflictingDomain("The VPC that you chose, %s in region %s, is already associated with another private hosted zone that has an overlapping name space, %s.", v.ID, v.Region, z.Name)
	case len(z.Vpcs) >= maxVpcsOfZone:
		return nil, refuse(api.ErrLimitsExceeded, api.ErrLimitsExceededStatus, "Limits Exceeded: MAX_VPCS_ASSOCIATED_BY_ZONE=%d cannot be exceeded.", maxVpcsOfZone)
	}
	next := *z
	next.Vpcs = append(slices.Clone(z.Vpcs), v)
	state.HostedZones.Put(tx, &next)
	return &api.AssociateVPCWithHostedZoneOutput{ChangeInfo: changed(tx, c, in.Comment)}, nil
}

// DisassociateVPCFromHostedZone ends an association: the owner of the zone may,
// and the owner of the VPC.
func (s *Service) DisassociateVPCFromHostedZone(tx *state.Tx, c authz.Caller, in *api.DisassociateVPCFromHostedZoneInput) (*api.DisassociateVPCFromHostedZoneOutput, error) {
	id := bare(in.HostedZoneId, zonePrefix)
	z, ok := zoneByID(tx, id)
	if !ok {
		return nil, noZone(id)
	}
	v := state.ZoneVpc{ID: text(in.VPC.VPCId), Region: text(in.VPC.VPCRegion)}
	at := slices.IndexFunc(z.Vpcs, sameVpc(v))
	switch {
	case z.Account != c.Account && (at < 0 || z.Vpcs[at].Account != c.Account):
		return nil, noZone(id)
	case at < 0:
		return nil, refuse(api.ErrVPCAssociationNotFound, api.ErrVPCAssociationNotFoundStatus, "The specified VPC and hosted zone are not currently associated.")
	case len(z.Vpcs) == 1:
		return nil, refuse(api.ErrLastVPCAssociation, api.ErrLastVPCAssociationStatus,
			"The VPC that you're trying to disassociate from the private hosted zone is the last VPC that is associated with the hosted zone. Amazon Route 53 doesn't support disassociating the last VPC from a hosted zone.")
	}
	next := *z
	next.Vpcs = slices.Delete(slices.Clone(z.Vpcs), at, at+1)
	state.HostedZones.Put(tx, &next)
	return &api.DisassociateVPCFromHostedZoneOutput{ChangeInfo: changed(tx, c, in.Comment)}, nil
}

// CreateVPCAssociationAuthorization allows the owner of a VPC, of any account, to
// associate it with a zone of the caller.
func (s *Service) CreateVPCAssociationAuthorization(tx *state.Tx, c authz.Caller, in *api.CreateVPCAssociationAuthorizationInput) (*api.CreateVPCAssociationAuthorizationOutput, error) {
	z, err := zoneOf(tx, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	if !z.Private {
		return nil, refuse(api.ErrInvalidVPCId, api.ErrInvalidVPCIdStatus, "The hosted zone is public: only a private hosted zone can be associated with a VPC.")
	}
	v, err := vpcOf(tx, in.VPC)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(z.Authorized, sameVpc(v)) {
		if len(z.Authorized) >= maxAuthorizations {
			return nil, refuse(api.ErrTooManyVPCAssociationAuthorizations, api.ErrTooManyVPCAssociationAuthorizationsStatus,
				"You've created the maximum number of authorizations that can be created for the specified hosted zone.")
		}
		next := *z
		next.Authorized = append(slices.Clone(z.Authorized), state.ZoneVpc{Region: v.Region, ID: v.ID})
		state.HostedZones.Put(tx, &next)
	}
	return &api.CreateVPCAssociationAuthorizationOutput{HostedZoneId: &z.ID, VPC: in.VPC}, nil
}

// DeleteVPCAssociationAuthorization takes an authorization back; an association
// that was made with it stays.
func (s *Service) DeleteVPCAssociationAuthorization(tx *state.Tx, c authz.Caller, in *api.DeleteVPCAssociationAuthorizationInput) (*api.DeleteVPCAssociationAuthorizationOutput, error) {
	z, err := zoneOf(tx, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(z.Authorized, sameVpc(state.ZoneVpc{ID: text(in.VPC.VPCId), Region: text(in.VPC.VPCRegion)}))
	if at < 0 {
		return nil, refuse(api.ErrVPCAssociationAuthorizationNotFound, api.ErrVPCAssociationAuthorizationNotFoundStatus,
			"The VPC that you specified is not authorized to be associated with the hosted zone.")
	}
	next := *z
	next.Authorized = slices.Delete(slices.Clone(z.Authorized), at, at+1)
	state.HostedZones.Put(tx, &next)
	return &api.DeleteVPCAssociationAuthorizationOutput{}, nil
}

// authorizationPage is how many authorizations a page has.
const authorizationPage = 50

// ListVPCAssociationAuthorizations lists the VPCs that may be associated with a
// zone of the caller.
func (s *Service) ListVPCAssociationAuthorizations(r state.Reader, c authz.Caller, in *api.ListVPCAssociationAuthorizationsInput) (*api.ListVPCAssociationAuthorizationsOutput, error) {
	z, err := zoneOf(r, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	list, next, err := pageOf(z.Authorized, in.NextToken, in.MaxResults, authorizationPage, state.ZoneVpc.Key)
	if err != nil {
		return nil, err
	}
	out := &api.ListVPCAssociationAuthorizationsOutput{HostedZoneId: &z.ID, VPCs: []api.VPC{}, NextToken: next}
	for i := range list {
		out.VPCs = append(out.VPCs, api.VPC{VPCId: &list[i].ID, VPCRegion: &list[i].Region})
	}
	return out, nil
}

// pageOf cuts a page out of a list. A token is the name of the first of the next.
func pageOf[T any](list []T, token *string, max *int32, size int, name func(T) string) ([]T, *string, error) {
	most, err := limitOf(max, size, size)
	if err != nil {
		return nil, nil, err
	}
	if token != nil {
		at := slices.IndexFunc(list, func(v T) bool { return name(v) == *token })
		if at < 0 {
			return nil, nil, refuse(api.ErrInvalidPaginationToken, api.ErrInvalidPaginationTokenStatus, "The value of NextToken is not valid.")
		}
		list = list[at:]
	}
	if len(list) <= most {
		return list, nil, nil
	}
	return list[:most], new(name(list[most])), nil
}
