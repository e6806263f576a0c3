package scenario

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// outside makes a host of the internet that tells its callers what address they
// come from, and gives its own.
func (w *world) outside(name string) (addr string) {
	w.t.Helper()
	out, code := w.cli("host", "add", name, "--json")
	var host struct{ Addr string }
	if err := json.Unmarshal([]byte(out), &host); err != nil || code != 0 {
		w.t.Fatalf("host add: %s", out)
	}
	w.tells(name)
	return host.Addr
}

// tells has a machine tell its callers what address they come from, on port 80.
func (w *world) tells(machine string) {
	w.t.Helper()
	w.says(machine, "setsid localvpc guest serve --addr :80 --client >/dev/null 2>&1 & localvpc guest get --wait 20 -m 5 http://127.0.0.1/ >/dev/null")
}

// routed makes a subnet with a route table of its own, with one route.
func (w *world) routed(vpc, cidr, destination, nat string) (subnet string) {
	t, c := w.t, w.ec2
	t.Helper()
	subnet = *must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: &cidr}))(t).Subnet.SubnetId
	table := must(c.CreateRouteTable(tctx(t), &ec2.CreateRouteTableInput{VpcId: &vpc}))(t).RouteTable.RouteTableId
	must(c.AssociateRouteTable(tctx(t), &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: &subnet}))(t)
	must(c.CreateRoute(tctx(t), &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: &destination, NatGatewayId: &nat}))(t)
	return subnet
}

// natGateway makes one and waits for it with the SDK's waiter, which must not
// have to ask twice.
func (w *world) natGateway(in *ec2.CreateNatGatewayInput) types.NatGateway {
	t := w.t
	t.Helper()
	made := must(w.ec2.CreateNatGateway(tctx(t), in))(t).NatGateway
	if made.State != types.NatGatewayStatePending {
		t.Errorf("made %s", made.State)
	}
	waiter := ec2.NewNatGatewayAvailableWaiter(w.ec2, func(o *ec2.NatGatewayAvailableWaiterOptions) { o.MinDelay = time.Minute; o.MaxDelay = time.Minute })
	out := must(waiter.WaitForOutput(tctx(t), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*made.NatGatewayId}}, 30*time.Second))(t)
	return out.NatGateways[0]
}

// leaves asks a telling host several times, and gives the addresses it has seen.
func (w *world) leaves(from, host string, times int) []string {
	w.t.Helper()
	out := w.says(from, "for i in $(seq "+strconv.Itoa(times)+"); do localvpc guest get -m 5 http://"+host+"/; done")
	seen := strings.Fields(out)
	slices.Sort(seen)
	return slices.Compact(seen)
}

// TestNatGateway: who has no public address goes out as the gateway and comes
// back, on any of its addresses; nobody comes in; and what ends it.
func TestNatGateway(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, public := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		allocation, ip := w.elastic(c)

		// Without an internet gateway it fails, as a fact on the resource.
		failed := must(c.CreateNatGateway(tctx(t), &ec2.CreateNatGatewayInput{SubnetId: &public, AllocationId: &allocation}))(t).NatGateway
		described := must(c.DescribeNatGateways(tctx(t), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*failed.NatGatewayId}}))(t).NatGateways[0]
		if described.State != types.NatGatewayStateFailed || aws.ToString(described.FailureCode) != "Gateway.NotAttached" {
			t.Errorf("%s %s", described.State, aws.ToString(described.FailureCode))
		}

		w.opened(c, vpc)
		nat := w.natGateway(&ec2.CreateNatGatewayInput{SubnetId: &public, AllocationId: &allocation})
		id := nat.NatGatewayId
		hidden := w.routed(vpc, "10.0.2.0/24", "0.0.0.0/0", *id)
		group := w.group(c, vpc, "all")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(80)}))(t)
		in := func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{group} }
		inner := w.start("inner", hidden, in)
		w.tells("inner")
		far := w.outside("far")
		w.reads("inner", far, ip)
		w.reads("far", ip, "")
		w.reads("far", *inner.PrivateIpAddress, "")

		// A second address: connections leave by either.
		allocation2, ip2 := w.elastic(c)
		associated := must(c.AssociateNatGatewayAddress(tctx(t), &ec2.AssociateNatGatewayAddressInput{NatGatewayId: id, AllocationIds: []string{allocation2}}))(t)
		both := []string{ip, ip2}
		slices.Sort(both)
		if seen := w.leaves("inner", far, 40); !slices.Equal(seen, both) {
			t.Errorf("with two addresses it leaves by %v, want %v", seen, both)
		}
		association := must(c.DescribeNatGateways(tctx(t), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*id}}))(t).NatGateways[0].NatGatewayAddresses[1].AssociationId
		must(c.DisassociateNatGatewayAddress(tctx(t), &ec2.DisassociateNatGatewayAddressInput{NatGatewayId: id, AssociationIds: []string{*association}}))(t)
		if seen := w.leaves("inner", far, 10); !slices.Equal(seen, []string{ip}) {
			t.Errorf("with one address it leaves by %v, of %v", seen, associated.NatGatewayAddresses)
		}
		must(c.ReleaseAddress(tctx(t), &ec2.ReleaseAddressInput{AllocationId: &allocation2}))(t)

		// Nobody but AWS touches its interface and its address.
		_, err := c.ReleaseAddress(tctx(t), &ec2.ReleaseAddressInput{AllocationId: &allocation})
		if code(err) != "InvalidIPAddress.InUse" {
			t.Errorf("releasing its address: %v", err)
		}
		eni := nat.NatGatewayAddresses[0].NetworkInterfaceId
		_, err = c.DeleteNetworkInterface(tctx(t), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: eni})
		if code(err) != "OperationNotPermitted" {
			t.Errorf("deleting its interface: %v", err)
		}

		// A private one, in front of a neighbour.
		inside := w.natGateway(&ec2.CreateNatGatewayInput{SubnetId: &public, ConnectivityType: types.ConnectivityTypePrivate})
		own := *inside.NatGatewayAddresses[0].PrivateIp
		veiled := w.routed(vpc, "10.0.3.0/24", "10.0.2.0/24", *inside.NatGatewayId)
		w.start("veiled", veiled, in)
		w.reads("veiled", *inner.PrivateIpAddress, own)

		// Its end: routes lead nowhere, the address is free.
		for _, id := range []*string{id, inside.NatGatewayId} {
			must(c.DeleteNatGateway(tctx(t), &ec2.DeleteNatGatewayInput{NatGatewayId: id}))(t)
			waiter := ec2.NewNatGatewayDeletedWaiter(c, func(o *ec2.NatGatewayDeletedWaiterOptions) { o.MinDelay = time.Minute; o.MaxDelay = time.Minute })
			if err := waiter.Wait(tctx(t), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*id}}, 30*time.Second); err != nil {
				t.Error(err)
			}
		}
		w.reads("inner", far, "")
		w.reads("veiled", *inner.PrivateIpAddress, "")
		tables := must(c.DescribeRouteTables(tctx(t), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: aws.String("route.nat-gateway-id"), Values: []string{*id}}}}))(t)
		for _, r := range tables.RouteTables[0].Routes {
			if r.NatGatewayId != nil && r.State != types.RouteStateBlackhole {
				t.Errorf("the route to what is gone is %s", r.State)
			}
		}
		must(c.ReleaseAddress(tctx(t), &ec2.ReleaseAddressInput{AllocationId: &allocation}))(t)
	})
}

// TestTerraformNat applies what stands in terraform/nat, changes a gateway's
// addresses, and destroys it; plans in between are empty.
func TestTerraformNat(t *testing.T) {
	w, dir := terraform(t, "terraform/nat")
	var addresses []string
	if err := json.Unmarshal([]byte(w.run(dir, "terraform", "output", "-json", "addresses")), &addresses); err != nil {
		t.Fatal(err)
	}
	slices.Sort(addresses)
	if seen := w.leaves("inner", w.outside("far"), 40); !slices.Equal(seen, addresses) {
		t.Errorf("it leaves by %v, want %v", seen, addresses)
	}
	want := map[string]any{"public": true, "private": "10.5.1.9", "state": "available", "all": 3.0, "secondary": 2.0, "prefixes": 1.0, "quota": 6.0, "vpcs": 5.0}
	if read := w.read(dir, "read"); !maps.Equal(read, want) {
		t.Errorf("read %v\nwant %v", read, want)
	}
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	listed := `listed=["10.5.3.11","10.5.3.12"]`
	w.run(dir, "terraform", "apply", "-auto-approve", "-input=false", "-no-color", "-var", listed)
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color", "-var", listed)
	w.run(dir, "terraform", "destroy", "-auto-approve", "-input=false", "-no-color")
	for _, g := range must(w.ec2.DescribeNatGateways(tctx(t), &ec2.DescribeNatGatewaysInput{}))(t).NatGateways {
		if g.State != types.NatGatewayStateDeleted {
			t.Errorf("%s is left, %s", *g.NatGatewayId, g.State)
		}
	}
	if left := must(w.ec2.DescribeAddresses(tctx(t), &ec2.DescribeAddressesInput{}))(t).Addresses; len(left) != 0 {
		t.Errorf("%d Elastic IPs are left", len(left))
	}
}
