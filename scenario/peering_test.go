package scenario

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// party is an account in a Region, with a VPC.
type party struct {
	*ec2.Client
	account, region, vpc string
}

// party gives the account of a key; "test" is the one of keys that name none.
func (w *world) party(account, region, vpc string) party {
	p := party{account: account, region: region, vpc: vpc}
	p.Client = w.client(region, p.key())
	return p
}

// key is an access key of the account.
func (p party) key() string {
	if p.account == "000000000000" {
		return "test"
	}
	return p.account
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

// within runs a shell line in an instance of a party's.
func (w *world) within(p party, instance, line string) (string, int) {
	w.t.Helper()
	return w.cli("--account", p.account, "--region", p.region, "exec", instance, "--", "/bin/sh", "-c", line)
}

// TestPeeringsSurvive: twenty VPCs of two accounts in two Regions, and ten peering
// connections, with routes, rules that refer across them and names: the kernel's text
// is the same after the engine was killed, and after everything was.
func TestPeeringsSurvive(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.kept(t, "--quotas", "off")
		const one, two = "000000000000", "111111111111"
		var client, server party
		var name string
		for i := range 10 {
			from, to := w.party(one, "us-east-1", ""), w.party(two, "us-east-1", "")
			if i%2 == 1 {
				to = w.party(two, "eu-west-1", "")
			}
			near, far := fmt.Sprintf("10.%d.0.0/16", i), fmt.Sprintf("10.%d.0.0/16", 100+i)
			var fromSubnet, toSubnet string
			from.vpc, fromSubnet = w.vpc(from.Client, near, fmt.Sprintf("10.%d.1.0/24", i))
			to.vpc, toSubnet = w.vpc(to.Client, far, fmt.Sprintf("10.%d.1.0/24", 100+i))
			id := w.peered(from, to)
			from.route(t, far, id)
			to.route(t, near, id)
			from.names(t, id, true, true)
			to.names(t, id, false, true)
			if i > 0 {
				continue
			}
			users, web := w.group(from.Client, from.vpc, "users"), w.group(to.Client, to.vpc, "web")
			permission := fromGroup(users, 80)
			permission[0].UserIdGroupPairs[0].UserId = aws.String(one)
			must(to.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: permission}))(t)
			client, server = from, to
			w.launch(from.Client, "client", fromSubnet, []string{users}, "")
			w.launch(from.Client, "other", fromSubnet, nil, "")
			name = *w.launch(to.Client, "server", toSubnet, []string{web}, serves("peer")).PrivateIpAddress
		}
		works := func() {
			t.Helper()
			if out, code := w.within(server, "server", "localvpc guest get --wait 20 -m 5 http://127.0.0.1/"); code != 0 {
				t.Fatalf("the server: %q, exit code %d", out, code)
			}
			if out, code := w.within(client, "client", "localvpc guest get -m 5 http://"+name+"/"); code != 0 || strings.TrimSpace(out) != "peer" {
				t.Errorf("a member of the group that the other account's rule names: %q, exit code %d", out, code)
			}
			if _, code := w.within(client, "other", "localvpc guest get -m 1 http://"+name+"/"); code != timedOut {
				t.Errorf("who is no member: exit code %d", code)
			}
		}
		works()
		before := w.kernel()
		if n := strings.Count(before, "group 65002 mtu"); n != 10 {
			t.Errorf("%d links of peering connections", n)
		}
		if err := syscall.Kill(w.engine(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if after := w.kernel(); after != before {
			t.Errorf("the kernel's text differs after the engine was killed:\n%s", difference(before, after))
		}
		works()
		inside := watch(t, descendants(w.holder()))
		if err := w.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		w.cmd.Wait()
		inside.ended(t)
		w.cmd = nil
		w.up(t, "--data", w.dir, "--quotas", "off")
		w.running(client.Client, w.id("client"))
		w.running(client.Client, w.id("other"))
		if out, code := w.within(server, "server", "setsid localvpc guest serve --text peer >/dev/null 2>&1 &"); code != 0 { // a new boot runs no user data
			t.Fatalf("the server does not start again: %s", out)
		}
		works()
		if after := w.kernel(); after != before {
			t.Errorf("the kernel's text differs after everything was killed:\n%s", difference(before, after))
		}
	})
}

// TestNoNameCrosses: of two accounts in two Regions, three VPCs with overlapping
// blocks, two of them equal, and the same private domain in each.
func TestNoNameCrosses(t *testing.T) {
	have(t, "getent")
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	parties := []party{w.party("000000000000", "us-east-1", ""), w.party("111111111111", "eu-west-1", ""), w.party("000000000000", "eu-west-1", "")}
	blocks := []string{"10.0.0.0/16", "10.0.0.0/16", "10.0.0.0/17"}
	addrs := make([]string, len(parties))
	for i := range parties {
		p := &parties[i]
		var subnet string
		p.vpc, subnet = w.vpc(p.Client, blocks[i], "10.0.1.0/24")
		addrs[i] = *w.launch(p.Client, "resident", subnet, nil, "").PrivateIpAddress
		dns := w.dns(p.key())
		zone := *must(dns.CreateHostedZone(tctx(t), &route53.CreateHostedZoneInput{
			Name: aws.String("corp"), CallerReference: aws.String(p.vpc), VPC: &r53.VPC{VPCId: &p.vpc, VPCRegion: r53.VPCRegion(p.region)}}))(t).HostedZone.Id
		for name, value := range map[string]string{"db.corp": fmt.Sprintf("192.0.2.%d", i+1), fmt.Sprintf("own%d.corp", i): addrs[i]} {
			must(dns.ChangeResourceRecordSets(tctx(t), &route53.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: &r53.ChangeBatch{Changes: []r53.Change{{
				Action: r53.ChangeActionCreate, ResourceRecordSet: &r53.ResourceRecordSet{Name: aws.String(name), Type: r53.RRTypeA, TTL: aws.Int64(60), ResourceRecords: []r53.ResourceRecord{{Value: aws.String(value)}}}}}}}))(t)
		}
	}
	crossed := 0
	for i, p := range parties {
		knows := func(name, want string) {
			t.Helper()
			out, code := w.within(p, "resident", "RES_OPTIONS='timeout:1 attempts:1' getent ahostsv4 "+name)
			if got, _, _ := strings.Cut(strings.TrimSpace(out), " "); want == "" && code != 2 || want != "" && (code != 0 || got != want) {
				crossed++
				t.Errorf("in VPC %d %s is %q, exit code %d, want %q", i, name, out, code, want)
			}
		}
		knows("db.corp", fmt.Sprintf("192.0.2.%d", i+1))
		for j, other := range parties {
			mine := ""
			if i == j {
				mine = addrs[j]
			}
			knows(fmt.Sprintf("own%d.corp", j), mine)
			name := "ip-" + strings.ReplaceAll(addrs[j], ".", "-")
			if other.region == "us-east-1" {
				name += ".ec2.internal"
			} else {
				name += ".eu-west-1.compute.internal"
			}
			if other.region == p.region { // made from the address, in every VPC of the Region
				mine = addrs[j]
			}
			knows(name, mine)
		}
	}
	if crossed > 0 {
		t.Errorf("%d names cross", crossed)
	}
}

// TestRegionLatency: a kernel that cannot make packets late is told of, before anything
// else; with one that can, Regions are apart.
func TestRegionLatency(t *testing.T) {
	needPackets(t)
	w := &world{uid: os.Getuid(), t: t}
	if !canDelay() {
		out, code := w.cli("up", "--ephemeral", "--listen", free(t), "--dns", "off", "--region-latency")
		if code != 2 || !strings.Contains(out, "has no netem") || !strings.Contains(out, "leave the flag out") {
			t.Errorf("exit code %d: %s", code, out)
		}
		return
	}
	w.up(t, "--ephemeral", "--region-latency")
	us, eu := w.party("000000000000", "us-east-1", ""), w.party("000000000000", "eu-west-1", "")
	var near, far string
	us.vpc, near = w.vpc(us.Client, "10.1.0.0/16", "10.1.1.0/24")
	eu.vpc, far = w.vpc(eu.Client, "10.2.0.0/16", "10.2.1.0/24")
	id := w.peered(us, eu)
	us.route(t, "10.2.0.0/16", id)
	eu.route(t, "10.1.0.0/16", id)
	group := w.group(eu.Client, eu.vpc, "open")
	must(eu.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(80)}))(t)
	server := w.launch(eu.Client, "far", far, []string{group}, serves("far"))
	w.launch(us.Client, "near", near, nil, "")
	w.says("near", "localvpc guest get --wait 20 -m 5 http://"+*server.PrivateIpAddress+"/")
	began := time.Now()
	w.says("near", "localvpc guest get -m 5 http://"+*server.PrivateIpAddress+"/")
	if took := time.Since(began); took < 120*time.Millisecond { // a handshake and a request
		t.Errorf("a request over the ocean takes %s", took)
	}
}

// canDelay says whether the kernel has netem, as the program would find out.
func canDelay() bool {
	cmd := exec.Command("tc", "qdisc", "add", "dev", "lo", "root", "netem")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	return cmd.Run() == nil
}
