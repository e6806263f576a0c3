package ec2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// lastRouteTableNumber is the highest number that the data plane can give a
// route table of a VPC.
const lastRouteTableNumber = 30000

// freeRouteTableNumber is the lowest number that no route table of the VPC has;
// 0 if they all have one.
func freeRouteTableNumber(r state.Reader, vpcID string) uint32 {
	taken := map[uint32]bool{}
	for t := range state.RouteTables.By(r, state.ByVpc, vpcID) {
		taken[t.Number] = true
	}
	for n := uint32(1); n <= lastRouteTableNumber; n++ {
		if !taken[n] {
			return n
		}
	}
	return 0
}

// CreateRouteTable makes a table with a local route to each block of the VPC.
func (s *Service) CreateRouteTable(tx *state.Tx, c authz.Caller, in *api.CreateRouteTableInput) (*api.CreateRouteTableOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, "route-table")
	if err != nil {
		return nil, err
	}
	v, err := vpc(tx, c, val(in.VpcId))
	if err != nil {
		return nil, err
	}
	n := 1
	for range state.RouteTables.By(tx, state.ByVpc, v.ID) {
		n++
	}
	if err := s.within(tx, c, "route-tables-per-vpc", n); err != nil {
		return nil, err
	}
	t := &state.RouteTable{Meta: tx.Meta(c.Scope, "rtb"), VpcID: v.ID, Number: freeRouteTableNumber(tx, v.ID)}
	if t.Number == 0 {
		return nil, awserr.New("RouteTableLimitExceeded", "The vpc '%s' has %d route tables, the most that localvpc can number.", v.ID, lastRouteTableNumber)
	}
	for _, a := range v.Cidrs {
		t.Routes = append(t.Routes, localRoute(a.Cidr))
	}
	t.Tags = tags
	state.RouteTables.Put(tx, t)
	return &api.CreateRouteTableOutput{RouteTable: ptr(apiRouteTable(tx, t)), ClientToken: in.ClientToken}, nil
}

// DeleteRouteTable removes a table that serves nothing; the main one always
// serves the subnets without one of their own.
func (s *Service) DeleteRouteTable(tx *state.Tx, c authz.Caller, in *api.DeleteRouteTableInput) (*api.DeleteRouteTableOutput, error) {
	t, err := routeTable(tx, c, val(in.RouteTableId))
	if err != nil {
		return nil, err
	}
	if len(t.Associations) > 0 {
		return nil, awserr.New("DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted.", t.ID)
	}
	state.RouteTables.Delete(tx, t.Key)
	return &api.DeleteRouteTableOutput{}, nil
}

// AssociateRouteTable has a table serve a subnet instead of the main one, or
// what enters the VPC by a gateway.
func (s *Service) AssociateRouteTable(tx *state.Tx, c authz.Caller, in *api.AssociateRouteTableInput) (*api.AssociateRouteTableOutput, error) {
	if err := routeTableKind.wellFormed(val(in.RouteTableId)); err != nil {
		return nil, err
	}
	switch {
	case in.PublicIpv4Pool != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc has no public IPv4 pools: associate the route table with a subnet or an internet gateway.")
	case in.SubnetId != nil && in.GatewayId != nil:
		return nil, awserr.InvalidParameterCombination("The parameter gatewayId cannot be used with the parameter subnetId")
	case in.SubnetId == nil && in.GatewayId == nil:
		return nil, awserr.MissingParameter("subnetId")
	}
	a := state.RouteTableAssociation{SubnetID: val(in.SubnetId), GatewayID: val(in.GatewayId)}
	if a.SubnetID != "" {
		if err := subnetKind.wellFormed(a.SubnetID); err != nil {
			return nil, err
		}
	}
	t, err := routeTable(tx, c, *in.RouteTableId)
	if err != nil {
		return nil, err
	}
	if err := mayServe(tx, c, t, a); err != nil {
		return nil, err
	}
	if serves(tx, c, a) {
		return nil, awserr.New("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
	}
	a.ID = tx.ID("rtbassoc")
	associate(tx, t, a)
	return &api.AssociateRouteTableOutput{AssociationId: ptr(a.ID), AssociationState: associated()}, nil
}

func associated() *api.RouteTableAssociationState {
	return &api.RouteTableAssociationState{State: ptr("associated")}
}

func associate(tx *state.Tx, old *state.RouteTable, a state.RouteTableAssociation) {
	t := *old
	t.Associations = append(slices.Clone(t.Associations), a)
	state.RouteTables.Put(tx, &t)
}

func dissociate(tx *state.Tx, old *state.RouteTable, id string) {
	t := *old
	t.Associations = slices.DeleteFunc(slices.Clone(t.Associations), func(a state.RouteTableAssociation) bool { return a.ID == id })
	state.RouteTables.Put(tx, &t)
}

// mayServe says why a table cannot serve the subnet or gateway.
func mayServe(r state.Reader, c authz.Caller, t *state.RouteTable, a state.RouteTableAssociation) error {
	if a.SubnetID != "" {
		sub, err := subnet(r, c, a.SubnetID)
		if err != nil {
			return err
		}
		if sub.VpcID != t.VpcID {
			return awserr.New("InvalidParameterValue", "Route table %s and subnet %s belong to different networks", t.ID, sub.ID)
		}
		return nil
	}
	if err := targetGateway(r, c, t, a.GatewayID); err != nil {
		return err
	}
	v, err := vpc(r, c, t.VpcID)
	if err != nil {
		return err
	}
	for _, route := range t.Routes {
		if err := gatewayRoute(v, route); err != nil {
			return err
		}
	}
	return nil
}

// gatewayRoute says why the route table of a gateway cannot have a route: only
// parts of the VPC are behind a gateway, and only interfaces take what is for
// them (VPC User Guide, "Gateway route tables").
func gatewayRoute(v *state.Vpc, route state.Route) error {
	switch {
	case route.PrefixListID != "":
		return awserr.New("InvalidParameterValue", "Route table contains unsupported route destination. A prefix list is not supported as the destination in the route table of a gateway.")
	case !withinVpc(v, route.Destination):
		return awserr.New("InvalidParameterValue", "Route table contains unsupported route destination. The unsupported route destination is less specific than VPC local CIDR.")
	case route.GatewayID != "local" && route.InterfaceID == "":
		return awserr.New("InvalidParameterValue", "Route table contains unsupported route target: %s. The route table of a gateway only supports local and interface targets.", route.Target())
	}
	return nil
}

// serves says whether a table already serves the subnet or gateway.
func serves(r state.Reader, c authz.Caller, a state.RouteTableAssociation) bool {
	if a.SubnetID != "" {
		for range state.RouteTables.By(r, state.BySubnet, a.SubnetID) {
			return true
		}
		return false
	}
	for t := range state.RouteTables.By(r, state.ByRouteTarget, a.GatewayID) {
		if t.Scope() == c.Scope && servesGateway(t, a.GatewayID) {
			return true
		}
	}
	return false
}

func servesGateway(t *state.RouteTable, id string) bool {
	return slices.ContainsFunc(t.Associations, func(a state.RouteTableAssociation) bool { return a.GatewayID == id })
}

// isGatewayTable says whether the table serves a gateway.
func isGatewayTable(t *state.RouteTable) bool {
	return slices.ContainsFunc(t.Associations, func(a state.RouteTableAssociation) bool { return a.GatewayID != "" })
}

// association finds the table that has an association.
func association(r state.Reader, c authz.Caller, id string) (*state.RouteTable, state.RouteTableAssociation, error) {
	for t := range state.RouteTables.In(r, c.Scope) {
		for _, a := range t.Associations {
			if a.ID == id {
				return t, a, nil
			}
		}
	}
	return nil, state.RouteTableAssociation{}, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", awserr.Clip(id))
}

// DisassociateRouteTable leaves a subnet to the main table, and a gateway to the
// local routes.
func (s *Service) DisassociateRouteTable(tx *state.Tx, c authz.Caller, in *api.DisassociateRouteTableInput) (*api.DisassociateRouteTableOutput, error) {
	t, a, err := association(tx, c, val(in.AssociationId))
	if err != nil {
		return nil, err
	}
	if a.Main {
		return nil, awserr.New("InvalidParameterValue", "cannot disassociate the main route table association %s", a.ID)
	}
	dissociate(tx, t, a.ID)
	return &api.DisassociateRouteTableOutput{}, nil
}

// ReplaceRouteTableAssociation has another table serve what the association is
// about: a subnet, a gateway, or, with the main association, the subnets that
// have no table of their own. The association gets a new id.
func (s *Service) ReplaceRouteTableAssociation(tx *state.Tx, c authz.Caller, in *api.ReplaceRouteTableAssociationInput) (*api.ReplaceRouteTableAssociationOutput, error) {
	if err := routeTableKind.wellFormed(val(in.RouteTableId)); err != nil {
		return nil, err
	}
	from, a, err := association(tx, c, val(in.AssociationId))
	if err != nil {
		return nil, err
	}
	to, err := routeTable(tx, c, *in.RouteTableId)
	if err != nil {
		return nil, err
	}
	if from.VpcID != to.VpcID {
		return nil, awserr.New("InvalidParameterValue", "route table %s and route table %s belong to different networks", to.ID, from.ID)
	}
	if !a.Main {
		if err := mayServe(tx, c, to, a); err != nil {
			return nil, err
		}
	}
	dissociate(tx, from, a.ID)
	if to, err = routeTable(tx, c, to.ID); err != nil { // it may be the same table
		return nil, err
	}
	a.ID = tx.ID("rtbassoc")
	associate(tx, to, a)
	return &api.ReplaceRouteTableAssociationOutput{NewAssociationId: ptr(a.ID), AssociationState: associated()}, nil
}
