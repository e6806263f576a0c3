package scenario

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// stranger is an account besides the one that localvpc starts with.
const stranger = "222222222222"

// requests asks for a peering connection with a VPC of another account or Region.
func (w *world) requests(c *ec2.Client, vpc, peer, owner, region string) string {
	w.t.Helper()
	in := &ec2.CreateVpcPeeringConnectionInput{VpcId: &vpc, PeerVpcId: &peer, PeerOwnerId: &owner, PeerRegion: &region}
	return *must(c.CreateVpcPeeringConnection(tctx(w.t), in))(w.t).VpcPeeringConnection.VpcPeeringConnectionId
}

// peering is the status of a connection as a client sees it.
func (w *world) peering(c *ec2.Client, id string) types.VpcPeeringConnectionStateReasonCode {
	w.t.Helper()
	out := must(c.DescribeVpcPeeringConnections(tctx(w.t), &ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{id}}))(w.t)
	return out.VpcPeeringConnections[0].Status.Code
}

// leads adds a route to a VPC's main table and wants it to be active.
func (w *world) leads(c *ec2.Client, vpc, block, peering string) {
	w.t.Helper()
	tables := &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpc}}}}
	table := must(c.DescribeRouteTables(tctx(w.t), tables))(w.t).RouteTables[0].RouteTableId
	must(c.CreateRoute(tctx(w.t), &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: &block, VpcPeeringConnectionId: &peering}))(w.t)
	for _, r := range must(c.DescribeRouteTables(tctx(w.t), tables))(w.t).RouteTables[0].Routes {
		if *r.DestinationCidrBlock == block && r.State != types.RouteStateActive {
			w.t.Errorf("the route to %s is %s", block, r.State)
		}
	}
}

// TestPeeringBetweenAccounts: a request between two accounts, its answer, and the
// rule of scenario S2 that opens a port to a group of another account, with the
// classic command, in packets.
func TestPeeringBetweenAccounts(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		mine, theirs := w.ec2, w.client("us-east-1", stranger)
		vpc, subnet := w.vpc(mine, "10.30.0.0/16", "10.30.0.0/24")
		peer, peerSubnet := w.vpc(theirs, "10.31.0.0/16", "10.31.0.0/24")
		db, app := w.group(mine, vpc, "dbserver"), w.group(theirs, peer, "appserver")
		server := w.launch(mine, "db", subnet, []string{db}, mysql("db"))
		client := w.launch(theirs, "app", peerSubnet, []string{app}, "")
		other := w.launch(theirs, "other", peerSubnet, nil, "")

		// What each of them can do with the request, and when.
		failed := w.requests(mine, vpc, peer, "333333333333", "us-east-1")
		if s := w.peering(mine, failed); s != types.VpcPeeringConnectionStateReasonCodeFailed {
			t.Errorf("a request for a VPC of the wrong account is %s", s)
		}
		id := w.requests(mine, vpc, peer, stranger, "us-east-1")
		accept := &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}
		if _, err := mine.AcceptVpcPeeringConnection(tctx(t), accept); code(err) != "OperationNotPermitted" {
			t.Errorf("accepting one's own request: %v", err)
		}
		if _, err := w.client("us-east-1", "333333333333").AcceptVpcPeeringConnection(tctx(t), accept); code(err) != "InvalidVpcPeeringConnectionID.NotFound" {
			t.Errorf("accepting somebody else's request: %v", err)
		}
		must(theirs.AcceptVpcPeeringConnection(tctx(t), accept))(t)
		if _, err := theirs.AcceptVpcPeeringConnection(tctx(t), accept); code(err) != "InvalidStateTransition" {
			t.Errorf("accepting twice: %v", err)
		}
		w.leads(mine, vpc, "10.31.0.0/16", id)
		w.leads(theirs, peer, "10.30.0.0/16", id)

		url := "http://" + *server.PrivateIpAddress + ":3306/"
		reach := func(from types.Instance, seconds, want int) {
			t.Helper()
			out, code := w.cli("--account", stranger, "exec", *from.InstanceId, "--", "localvpc", "guest", "get", "-m", strconv.Itoa(seconds), url)
			if code != want {
				t.Errorf("from %s: exit code %d, want %d: %s", *from.InstanceId, code, want, out)
			}
		}
		reach(client, 1, timedOut)
		for _, name := range []string{*client.InstanceId, "app"} {
			if out, code := w.cli("exec", name, "--", "true"); code != 255 || !strings.Contains(out, "; there is one with --region us-east-1 --account "+stranger) {
				t.Errorf("exec %s without its account: exit code %d, %s", name, code, out)
			}
		}
		dir := t.TempDir()
		allow(t, dir, w.uid)
		w.tool(dir, "ec2-authorize "+db+" -P tcp -p 3306 -u "+stranger+" -o appserver", 0, `(?s)GROUP.*PERMISSION.*`)
		w.served(*client.InstanceId, url)
		reach(other, 1, timedOut)
		reference := must(theirs.DescribeSecurityGroupReferences(tctx(t), &ec2.DescribeSecurityGroupReferencesInput{GroupId: []string{app}}))(t)
		if r := reference.SecurityGroupReferenceSet; len(r) != 1 || *r[0].ReferencingVpcId != vpc || *r[0].VpcPeeringConnectionId != id {
			t.Errorf("references %+v", r)
		}

		w.tool(dir, "ec2-revoke "+db+" -P tcp -p 3306 -u "+stranger+" -o "+app, 0, `(?s)GROUP.*PERMISSION.*`)
		reach(client, 1, timedOut)
		w.tool(dir, "ec2-authorize "+db+" -P tcp -p 3306 -u "+stranger+" -o "+app, 0, `(?s)GROUP.*PERMISSION.*`)
		w.served(*client.InstanceId, url)

		// Its end is one call, and the waiter of the SDK knows it.
		must(theirs.DeleteVpcPeeringConnection(tctx(t), &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}))(t)
		deleted := ec2.NewVpcPeeringConnectionDeletedWaiter(mine, func(o *ec2.VpcPeeringConnectionDeletedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
		})
		if err := deleted.Wait(tctx(t), &ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{id}}, 10*time.Second); err != nil {
			t.Error(err)
		}
		reach(client, 1, timedOut)
		stale := must(mine.DescribeStaleSecurityGroups(tctx(t), &ec2.DescribeStaleSecurityGroupsInput{VpcId: &vpc}))(t).StaleSecurityGroupSet
		if len(stale) != 1 || *stale[0].GroupId != db || *stale[0].StaleIpPermissions[0].UserIdGroupPairs[0].PeeringStatus != "deleted" {
			t.Errorf("stale groups %+v", stale)
		}
	})
}

// served waits until a server answers the stranger.
func (w *world) served(instance, url string) {
	w.t.Helper()
	if out, code := w.cli("--account", stranger, "exec", instance, "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", url); code != 0 {
		w.t.Errorf("%s from %s: exit code %d: %s", url, instance, code, out)
	}
}

// TestSharedImage: an image is shared with another account, which then has what was
// on its disk, and no more of it when it is withdrawn.
func TestSharedImage(t *testing.T) {
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	theirs := w.client("us-east-1", stranger)
	_, subnet := w.vpc(w.ec2, "10.30.0.0/16", "10.30.0.0/24")
	source := w.launch(w.ec2, "source", subnet, nil, "")
	w.says("source", "echo shared > /srv/file")
	image := w.image("golden", *source.InstanceId, true)
	_, theirSubnet := w.vpc(theirs, "10.30.0.0/16", "10.30.0.0/24")
	run := func() *ec2.RunInstancesInput { // the SDK puts a token into each
		return &ec2.RunInstancesInput{ImageId: &image, InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SubnetId: &theirSubnet}
	}
	if _, err := theirs.RunInstances(tctx(t), run()); code(err) != "InvalidAMIID.NotFound" {
		t.Errorf("before it is shared: %v", err)
	}
	permission := []types.LaunchPermission{{UserId: aws.String(stranger)}}
	must(w.ec2.ModifyImageAttribute(tctx(t), &ec2.ModifyImageAttributeInput{ImageId: &image, LaunchPermission: &types.LaunchPermissionModifications{Add: permission}}))(t)
	out := must(theirs.RunInstances(tctx(t), run()))(t)
	instance := w.running(theirs, *out.Instances[0].InstanceId)
	if out, code := w.cli("--account", stranger, "exec", *instance.InstanceId, "--", "cat", "/srv/file"); code != 0 || strings.TrimSpace(out) != "shared" {
		t.Errorf("exit code %d, %q", code, out)
	}
	if _, err := w.client("eu-west-1", stranger).RunInstances(tctx(t), &ec2.RunInstancesInput{ImageId: &image, MinCount: aws.Int32(1), MaxCount: aws.Int32(1)}); code(err) != "InvalidAMIID.NotFound" {
		t.Errorf("in another Region: %v", err)
	}
	must(w.ec2.ModifyImageAttribute(tctx(t), &ec2.ModifyImageAttributeInput{ImageId: &image, LaunchPermission: &types.LaunchPermissionModifications{Remove: permission}}))(t)
	if _, err := theirs.RunInstances(tctx(t), run()); code(err) != "InvalidAMIID.NotFound" {
		t.Errorf("after it is withdrawn: %v", err)
	}
}

// TestEverywhere: 'ls --all' shows every account and Region where something was
// made, ids never cross, and commands work where --region and --account say.
func TestEverywhere(t *testing.T) {
	w := (&world{uid: os.Getuid()}).kept(t, "--no-packets")
	far, theirs := w.client("eu-west-1", "test"), w.client("ap-northeast-1", stranger)
	vpc, _ := w.vpc(far, "10.30.0.0/16", "10.30.0.0/24")
	peer, _ := w.vpc(theirs, "10.31.0.0/16", "10.31.0.0/24")
	for region := range map[string]bool{"us-east-1": true, "sa-east-1": true} { // looked at, not used
		must(w.client(region, stranger).DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{}))(t)
	}
	id := w.requests(far, vpc, peer, stranger, "ap-northeast-1")
	if _, err := w.ec2.DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{VpcIds: []string{vpc}}); code(err) != "InvalidVpcID.NotFound" {
		t.Errorf("a VPC of another Region: %v", err)
	}
	out, exit := w.cli("ls", "--all")
	tops := regexp.MustCompile(`(?m)^\w.*`).FindAllString(out, -1)
	if want := "account  000000000000  eu-west-1\naccount  222222222222  ap-northeast-1"; exit != 0 || strings.Join(tops, "\n") != want {
		t.Errorf("exit code %d, %q, want %q", exit, tops, want)
	}
	for _, line := range []string{
		"peering  " + id + "  pending-acceptance  to  " + peer + "  222222222222  ap-northeast-1",
		"peering  " + id + "  pending-acceptance  from  " + vpc + "  10.30.0.0/16  000000000000  eu-west-1",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
	for _, test := range []struct {
		args string
		has  string
	}{
		{"ls --all --account " + stranger, "account  222222222222  ap-northeast-1"},
		{"ls --account " + stranger + " --region ap-northeast-1", peer},
		{"ls --region eu-west-1", vpc},
		{"quota vpcs-per-region --json --account " + stranger + " --region ap-northeast-1", `"Value": 5`},
		{"__complete ls --account=", stranger},
		{"__complete ls --region=", "ap-northeast-1"},
	} {
		if out, exit := w.cli(strings.Fields(test.args)...); exit != 0 || !strings.Contains(out, test.has) {
			t.Errorf("%s: exit code %d, no %q in\n%s", test.args, exit, test.has, out)
		}
	}
	if out, _ := w.cli("ls", "--all", "--account", stranger); strings.Contains(out, "account  000000000000") {
		t.Errorf("another account in\n%s", out)
	}

	// An end of localvpc changes none of it.
	w.stop(syscall.SIGTERM)
	w.up(t, "--data", w.dir, "--no-packets")
	if again, _ := w.cli("ls", "--all"); again != out {
		t.Errorf("after a restart:\n%s\nbefore:\n%s", again, out)
	}
	theirs = w.client("ap-northeast-1", stranger)
	must(theirs.AcceptVpcPeeringConnection(tctx(t), &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}))(t)
	if s := w.peering(w.client("eu-west-1", "test"), id); s != types.VpcPeeringConnectionStateReasonCodeActive {
		t.Errorf("a request that was accepted after a restart is %s", s)
	}
}
