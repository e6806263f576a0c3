package scenario

import (
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// breaks runs a fault command that has to succeed.
func (w *world) breaks(args ...string) {
	w.t.Helper()
	if out, code := w.cli(append([]string{"fault"}, args...)...); code != 0 {
		w.t.Fatalf("fault %v: exit code %d, %s", args, code, out)
	}
}

// explains has explain name the cause why a server is not reached; "" wants it reached.
func (w *world) explains(from, to, because string) {
	w.t.Helper()
	out, code := w.cli("explain", from, to+":80")
	if (code == 0) != (because == "") || !strings.Contains(out, because) {
		w.t.Errorf("explain %s %s: exit code %d, want it to say %q: %s", from, to, code, because, out)
	}
}

// TestFaults: what is broken on purpose carries nothing, is named as the cause, stays
// broken while engines come and go, and is mended.
func TestFaults(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc := *must(c.CreateVpc(tctx(t), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")}))(t).Vpc.VpcId
		in := map[string]string{}
		for zone, cidr := range map[string]string{"us-east-1a": "10.0.1.0/24", "us-east-1b": "10.0.2.0/24"} {
			in[zone] = *must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String(cidr), AvailabilityZone: aws.String(zone)}))(t).Subnet.SubnetId
		}
		w.opened(c, vpc)
		allocation, ip := w.elastic(c)
		nat := w.natGateway(&ec2.CreateNatGatewayInput{SubnetId: aws.String(in["us-east-1a"]), AllocationId: &allocation})
		group := w.group(c, vpc, "web")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(80)}))(t)
		member := func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{group} }
		a, b := w.start("a", in["us-east-1a"], member), w.start("b", in["us-east-1b"], member)
		w.start("c", in["us-east-1b"], member)
		w.tells("a")
		w.tells("b")
		far := w.outside("far")
		reads := func(toA, toB bool) {
			t.Helper()
			for _, s := range []struct {
				addr *string
				up   bool
			}{{a.PrivateIpAddress, toA}, {b.PrivateIpAddress, toB}} {
				want := ""
				if s.up {
					want = *w.instance(w.id("c")).PrivateIpAddress
				}
				w.reads("c", *s.addr, want)
			}
		}
		reads(true, true)

		link := *a.NetworkInterfaces[0].NetworkInterfaceId
		t.Run("link", func(t *testing.T) {
			w.t = t
			w.breaks("link", link, "down")
			reads(false, true)
			w.explains("c", "a", "link "+link+" is broken on purpose")
			w.explains("a", "b", "fault link "+link+" up")
			w.explains("c", "b", "")
			w.breaks("link", link, "loss", "99") // one of ten thousand connections' first segments is answered
			reads(false, true)
			if out, code := w.cli("explain", "c", "a:80"); code != 0 || !strings.Contains(out, "loses 99 of 100 packets") {
				t.Errorf("explain over a link with loss: exit code %d, %s", code, out)
			}
			w.breaks("link", link, "loss", "5") // TCP sends again
			w.breaks("link", link, "up")
			reads(true, true)
		})

		t.Run("zone", func(t *testing.T) {
			w.t = t
			// Out by the NAT gateway of the other zone.
			hidden := *must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.0.3.0/24"), AvailabilityZone: aws.String("us-east-1b")}))(t).Subnet.SubnetId
			table := must(c.CreateRouteTable(tctx(t), &ec2.CreateRouteTableInput{VpcId: &vpc}))(t).RouteTable.RouteTableId
			must(c.AssociateRouteTable(tctx(t), &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: &hidden}))(t)
			must(c.CreateRoute(tctx(t), &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0"), NatGatewayId: nat.NatGatewayId}))(t)
			w.start("hidden", hidden, member)
			w.reads("hidden", far, ip)
			w.breaks("zone", "us-east-1a", "down")
			reads(false, true)
			w.reads("hidden", far, "")
			w.explains("hidden", "far", "zone us-east-1a is broken on purpose")
			w.explains("c", "a", "zone us-east-1a is broken on purpose")
			if out, code := w.in("a", "localvpc guest get -m 1 http://169.254.169.254/latest/meta-data/"); code != timedOut {
				t.Errorf("metadata in a zone that is down: exit code %d, %s", code, out)
			}
			// The next engine finds it so.
			w.endEngine()
			reads(false, true)
			if out, _ := w.cli("status"); !strings.Contains(out, "1 on purpose") {
				t.Errorf("status: %s", out)
			}
			if out, _ := w.cli("fault", "ls"); !strings.Contains(out, "us-east-1a") {
				t.Errorf("fault ls: %s", out)
			}
			if out, _ := w.cli("fault", "clear"); !strings.Contains(out, "us-east-1a") {
				t.Errorf("fault clear: %s", out)
			}
			reads(true, true)
			w.reads("hidden", far, ip)
		})

		t.Run("instance", func(t *testing.T) {
			w.t = t
			w.says("a", "setsid sh -c 'echo $$ >/tmp/pid; while :; do echo x >>/tmp/count; done' >/dev/null 2>&1 & until [ -s /tmp/count ]; do :; done")
			before := strings.TrimSpace(w.says("a", "cat /tmp/pid"))
			w.breaks("instance", "a", "pause")
			reads(false, true)
			w.explains("c", "a", "instance "+*a.InstanceId+" is broken on purpose")
			if out, code := w.in("a", "true"); code == 0 || !strings.Contains(out, "paused") {
				t.Errorf("a command in a paused instance: exit code %d, %s", code, out)
			}
			w.endEngine()
			reads(false, true)
			w.breaks("instance", *a.InstanceId, "resume")
			reads(true, true)
			w.says("a", "n=$(wc -c </tmp/count); until [ $(wc -c </tmp/count) -gt $n ]; do :; done; [ $(cat /tmp/pid) = "+before+" ] && kill "+before)

			// Who stops it undoes it.
			w.breaks("instance", "a", "pause")
			must(c.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{*a.InstanceId}}))(t)
			w.stopped(*a.InstanceId)
			must(c.StartInstances(tctx(t), &ec2.StartInstancesInput{InstanceIds: []string{*a.InstanceId}}))(t)
			w.running(c, *a.InstanceId)
			if out, _ := w.cli("fault", "ls"); strings.Contains(out, "i-") {
				t.Errorf("after a restart: %s", out)
			}
			w.tells("a")
			reads(true, true)
		})
		w.t = t
		for _, bad := range [][]string{
			{"zone", "us-east-1z", "down"}, {"zone", "us-east-1a", "pause"}, {"instance", "nobody", "pause"}, {"link", "eni-1", "down"},
			{"link", link, "loss", "100"}, {"link", link, "down", "5"}, {"link", link}, {"cable", link, "down"},
		} {
			if out, code := w.cli(append([]string{"fault"}, bad...)...); code != 2 {
				t.Errorf("fault %v: exit code %d, %s", bad, code, out)
			}
		}
		if out, _ := w.cli("fault", "ls", "--json"); !strings.Contains(out, `"Faults": []`) {
			t.Errorf("faults are left: %s", out)
		}
	})
}

// endEngine kills the engine and waits for the next one.
func (w *world) endEngine() {
	w.t.Helper()
	engine := w.engine()
	if err := syscall.Kill(engine, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	w.fetch("settled") // the next one answers
}
