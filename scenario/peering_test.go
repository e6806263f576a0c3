package scenario

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// party is an account in a Region, with a VPC.
type party struct {
	*ec2.Client
	account, region, vpc string
}

// party gives the account of a key; "test" is the one of keys that name none.
func (w *world) party(account, region, vpc string) party {
	key := account
	if account == "000000000000" {
		key = "test"
	}
	return party{w.client(region, key), account, region, vpc}
}

// requested has one VPC ask another for a peering connection.
func (w *world) requested(from, to party) (id string) {
	w.t.Helper()
	return *must(from.CreateVpcPeeringConnection(tctx(w.t), &ec2.CreateVpcPeeringConnectionInput{
		VpcId: &from.vpc, PeerVpcId: &to.vpc, PeerOwnerId: &to.account, PeerRegion: &to.region,
	}))(w.t).VpcPeeringConnection.VpcPeeringConnectionId
}

// peered has two VPCs peered.
func (w *world) peered(from, to party) (id string) {
	w.t.Helper()
	id = w.requested(from, to)
	must(to.AcceptVpcPeeringConnection(tctx(w.t), &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}))(w.t)
	return id
}

// state is that of a peering connection, as a party sees it.
func (p party) state(t *testing.T, id string) types.VpcPeeringConnectionStateReasonCode {
	t.Helper()
	out := must(p.DescribeVpcPeeringConnections(tctx(t), &ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{id}}))(t)
	return out.VpcPeeringConnections[0].Status.Code
}

// main is the main route table of a party's VPC.
func (p party) main(t *testing.T) types.RouteTable {
	t.Helper()
	return must(p.DescribeRouteTables(tctx(t), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{p.vpc}}, {Name: aws.String("association.main"), Values: []string{"true"}}}}))(t).RouteTables[0]
}

// route leads a block to a peering connection.
func (p party) route(t *testing.T, block, peering string) {
	t.Helper()
	must(p.CreateRoute(tctx(t), &ec2.CreateRouteInput{RouteTableId: p.main(t).RouteTableId, DestinationCidrBlock: &block, VpcPeeringConnectionId: &peering}))(t)
}

func (p party) unroute(t *testing.T, block string) {
	t.Helper()
	must(p.DeleteRoute(tctx(t), &ec2.DeleteRouteInput{RouteTableId: p.main(t).RouteTableId, DestinationCidrBlock: &block}))(t)
}

// routeState is that of the route to a block.
func (p party) routeState(t *testing.T, block string) types.RouteState {
	t.Helper()
	for _, r := range p.main(t).Routes {
		if aws.ToString(r.DestinationCidrBlock) == block {
			return r.State
		}
	}
	return ""
}

// names says whether names of a party's VPC are known on the other side.
func (p party) names(t *testing.T, peering string, requester, on bool) {
	t.Helper()
	in := &ec2.ModifyVpcPeeringConnectionOptionsInput{VpcPeeringConnectionId: &peering}
	options := &types.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: &on}
	if requester {
		in.RequesterPeeringConnectionOptions = options
	} else {
		in.AccepterPeeringConnectionOptions = options
	}
	must(p.ModifyVpcPeeringConnectionOptions(tctx(t), in))(t)
}

// fromBlock is a permission for one TCP port from a block.
func fromBlock(block string, port int32) []types.IpPermission {
	return []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: &block}}}}
}
