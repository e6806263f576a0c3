package scenario

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/wire/elbv2"
)

// balanced is a VPC with a public and a private subnet in each of two zones, an
// internet gateway, a NAT gateway per zone, an internet-facing network load balancer in
// the public subnets, and a server in each private one, by its zone's letter.
type balanced struct {
	*world
	elb      *client.Client
	vpc      string
	public   map[string]string // subnets
	private  map[string]string
	nat      map[string]string // the gateways' Elastic IPs
	server   map[string]string // ids
	addr     map[string]string // their addresses
	balancer elbv2.LoadBalancer
	targets  string // ARN of the group
}

var zonesOfS4 = []string{"a", "b"}

func elb[Out, In any](b *balanced, action string, in *In) *Out {
	b.t.Helper()
	out, err := client.Call[Out](tctx(b.t), b.elb, elbv2.API, action, in)
	if err != nil {
		b.t.Fatalf("%s: %v", action, err)
	}
	return out
}

// stageBalanced makes all of it. Checks ask every half second: 5 s, AWS's shortest
// interval, at a tenth.
func stageBalanced(t *testing.T, w *world, serve string, attributes ...elbv2.TargetGroupAttribute) *balanced {
	keeping := []string{"--ephemeral"}
	if w.dir != "" {
		keeping = []string{"--data", w.dir}
	}
	w.up(t, append(keeping, "--health-interval-scale", "0.1")...)
	c := w.ec2
	b := &balanced{world: w, elb: client.New(w.URL, "us-east-1", "test", "test"),
		public: map[string]string{}, private: map[string]string{}, nat: map[string]string{}, server: map[string]string{}, addr: map[string]string{}}
	t.Cleanup(b.elb.Close)
	b.vpc = *must(c.CreateVpc(tctx(t), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")}))(t).Vpc.VpcId
	w.opened(c, b.vpc)
	group := w.group(c, b.vpc, "api")
	must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(80)}))(t)
	subnet := func(zone string, n int) string {
		return *must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &b.vpc, CidrBlock: aws.String(fmt.Sprintf("10.0.%d.0/24", n)), AvailabilityZone: aws.String("us-east-1" + zone)}))(t).Subnet.SubnetId
	}
	for i, zone := range zonesOfS4 {
		b.public[zone] = subnet(zone, 1+i)
		allocation, ip := w.elastic(c)
		nat := w.natGateway(&ec2.CreateNatGatewayInput{SubnetId: aws.String(b.public[zone]), AllocationId: &allocation})
		b.nat[zone] = ip
		b.private[zone] = subnet(zone, 11+i)
		table := must(c.CreateRouteTable(tctx(t), &ec2.CreateRouteTableInput{VpcId: &b.vpc}))(t).RouteTable.RouteTableId
		must(c.AssociateRouteTable(tctx(t), &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: aws.String(b.private[zone])}))(t)
		must(c.CreateRoute(tctx(t), &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0"), NatGatewayId: nat.NatGatewayId}))(t)
		i := w.launch(c, zone, b.private[zone], []string{group}, "")
		b.server[zone], b.addr[zone] = *i.InstanceId, *i.PrivateIpAddress
		b.serves(zone, serve)
	}
	b.targets = *elb[elbv2.CreateTargetGroupOutput](b, "CreateTargetGroup", &elbv2.CreateTargetGroupInput{
		Name: new("api"), Protocol: new("TCP"), Port: new(int32(80)), VpcId: &b.vpc, TargetType: new("instance"),
		HealthCheckIntervalSeconds: new(int32(5)), HealthCheckTimeoutSeconds: new(int32(2)), HealthyThresholdCount: new(int32(2)), UnhealthyThresholdCount: new(int32(2)),
	}).TargetGroups[0].TargetGroupArn
	if len(attributes) > 0 {
		elb[elbv2.ModifyTargetGroupAttributesOutput](b, "ModifyTargetGroupAttributes", &elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: &b.targets, Attributes: attributes})
	}
	b.balancer = elb[elbv2.CreateLoadBalancerOutput](b, "CreateLoadBalancer", &elbv2.CreateLoadBalancerInput{
		Name: new("front"), Type: new("network"), Scheme: new("internet-facing"), Subnets: []string{b.public["a"], b.public["b"]},
	}).LoadBalancers[0]
	elb[elbv2.CreateListenerOutput](b, "CreateListener", &elbv2.CreateListenerInput{
		LoadBalancerArn: b.balancer.LoadBalancerArn, Protocol: new("TCP"), Port: new(int32(80)),
		DefaultActions: []elbv2.Action{{Type: new("forward"), TargetGroupArn: &b.targets}},
	})
	elb[elbv2.RegisterTargetsOutput](b, "RegisterTargets", &elbv2.RegisterTargetsInput{TargetGroupArn: &b.targets,
		Targets: []elbv2.TargetDescription{{Id: new(b.server["a"])}, {Id: new(b.server["b"])}}})
	return b
}

// serves starts the server of a zone.
func (b *balanced) serves(zone, options string) {
	b.t.Helper()
	b.says(zone, "setsid localvpc guest serve --addr :80 --text "+zone+" --client "+options+" >/dev/null 2>&1 & echo $! >/tmp/server; localvpc guest get --wait 20 -m 5 http://127.0.0.1/ >/dev/null || true")
}

// dies kills the server of a zone.
func (b *balanced) dies(zone string) {
	b.t.Helper()
	b.says(zone, "kill $(cat /tmp/server)")
}

// health is what DescribeTargetHealth says of the servers.
func (b *balanced) health() map[string]string {
	b.t.Helper()
	states := map[string]string{}
	for _, d := range elb[elbv2.DescribeTargetHealthOutput](b, "DescribeTargetHealth", &elbv2.DescribeTargetHealthInput{TargetGroupArn: &b.targets}).TargetHealthDescriptions {
		for zone, id := range b.server {
			if id == *d.Target.Id {
				states[zone] = *d.TargetHealth.State
			}
		}
	}
	return states
}

// until follows commits until something holds, and gives the time of when it was seen.
func (b *balanced) until(what string, holds func() bool) time.Time {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 40*time.Second)
	defer cancel()
	req := must(http.NewRequestWithContext(ctx, "GET", b.URL+"/_localvpc/changes", nil))(b.t)
	resp := must(http.DefaultClient.Do(req))(b.t)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for !holds() {
		if !lines.Scan() {
			b.t.Fatalf("waiting for %s: %v; health %v", what, ctx.Err(), b.health())
		}
	}
	return time.Now()
}

// becomes waits until the servers are in a state.
func (b *balanced) becomes(a, other string) time.Time {
	b.t.Helper()
	return b.until("health "+a+", "+other, func() bool { h := b.health(); return h["a"] == a && h["b"] == other })
}

// request is one of a steady stream.
type request struct {
	at     time.Time
	took   time.Duration
	failed bool
	text   string
}

// stream is 200 requests per second from an outside host to the balancer's name.
type stream struct {
	t    *testing.T
	mu   sync.Mutex
	all  []request
	some *sync.Cond
	end  bool
}

// loadLimit is how long a request may take, in seconds.
const loadLimit = "3"

func (b *balanced) load(host string) *stream {
	s := &stream{t: b.t}
	s.some = sync.NewCond(&s.mu)
	cmd := b.command("exec", host, "--", "localvpc", "guest", "load", "--rate", "200", "-m", loadLimit, "http://"+*b.balancer.DNSName+"/")
	out := must(cmd.StdoutPipe())(b.t)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			part := strings.SplitN(lines.Text(), " ", 4)
			if len(part) < 4 {
				continue
			}
			at, _ := strconv.ParseInt(part[0], 10, 64)
			took, _ := strconv.ParseInt(part[1], 10, 64)
			s.mu.Lock()
			s.all = append(s.all, request{time.UnixMilli(at), time.Duration(took) * time.Millisecond, part[2] != "ok", part[3]})
			s.some.Broadcast()
			s.mu.Unlock()
		}
		s.mu.Lock()
		s.end = true
		s.some.Broadcast()
		s.mu.Unlock()
	}()
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	return s
}

// since waits for n requests that began at a time or later, and gives those that are
// over by then.
func (s *stream) since(at time.Time, n int) []request {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var out []request
		for _, r := range s.all {
			if !r.at.Before(at) {
				out = append(out, r)
			}
		}
		if len(out) >= n {
			return out
		}
		if s.end {
			s.t.Fatalf("the stream ended after %d requests", len(s.all))
		}
		s.some.Wait()
	}
}

// answers has n requests from a time on all be answered, by these servers and no
// other, as from the client.
func (s *stream) answers(at time.Time, n int, client string, servers ...string) {
	s.t.Helper()
	by := map[string]int{}
	failed := 0
	for _, r := range s.since(at, n) {
		if r.failed {
			if failed++; failed < 4 {
				s.t.Errorf("a request %v after failed: %s", r.at.Sub(at), r.text)
			}
			continue
		}
		server, from, _ := strings.Cut(r.text, " ")
		if from != client {
			s.t.Errorf("%s sees %s, want %s", server, from, client)
		}
		by[server]++
	}
	if failed > 0 {
		s.t.Errorf("%d requests failed", failed)
	}
	for _, server := range servers {
		if by[server] == 0 {
			s.t.Errorf("%s got nothing of %v", server, by)
		}
	}
	if len(by) != len(servers) {
		s.t.Errorf("answered by %v, want %v", by, servers)
	}
}

// whole has every request that began in a span of time be answered: also those that are
// late, for which it waits. What breaks at the end of the span may meet those that are
// under way then.
func (s *stream) whole(from, to time.Time) {
	s.t.Helper()
	failed, n := 0, 0
	s.since(to.Add(4*time.Second), 1) // all that began before are over then
	for _, r := range s.since(from, 1) {
		if underWay := r.at.Add(r.took).After(to) && to.Sub(r.at) < time.Second; underWay || !r.at.Before(to) {
			continue
		}
		if n++; r.failed {
			if failed++; failed < 4 {
				s.t.Errorf("a request %v after failed: %s", r.at.Sub(from), r.text)
			}
		}
	}
	if seconds := to.Sub(from).Seconds(); failed > 0 || float64(n) < 100*seconds {
		s.t.Errorf("of %d requests in %.1f s %d failed", n, seconds, failed)
	}
}

// addresses are those that the balancer's name has now, as the outside sees it.
func (b *balanced) addresses() []string {
	b.t.Helper()
	out, code := b.cli("dig", "internet", *b.balancer.DNSName, "--json")
	var names struct{ Answer []struct{ Value string } }
	if err := json.Unmarshal([]byte(out), &names); err != nil || code != 0 {
		b.t.Fatalf("dig: exit code %d, %s", code, out)
	}
	var addrs []string
	for _, r := range names.Answer {
		addrs = append(addrs, r.Value)
	}
	slices.Sort(addrs)
	return addrs
}

// TestS4 is scenario S4: both servers are used, see the client, and leave by their own
// zone's NAT gateway; under 200 requests per second a server is killed, and a zone
// goes down, and no request fails that began after that was detected.
func TestS4(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		b := stageBalanced(t, w, "")
		client, far := w.host("client"), w.outside("far")
		b.becomes("healthy", "healthy")
		both := b.addresses()
		if len(both) != 2 {
			t.Fatalf("the name has %v", both)
		}
		s := b.load("client")
		begun := time.Now()
		s.answers(begun, 200, client, "a", "b")

		// The servers leave by their own zone's gateway, and nobody comes in.
		for _, zone := range zonesOfS4 {
			w.reads(zone, far, b.nat[zone])
			w.reads("client", b.addr[zone], "")
			w.reads("client", b.nat[zone], "")
		}

		// A server is killed.
		killed := time.Now()
		b.dies("a")
		detected := b.becomes("unhealthy", "healthy")
		s.answers(detected, 400, client, "b")
		if now := b.addresses(); len(now) != 1 || !slices.Contains(both, now[0]) {
			t.Errorf("the name has %v, of %v", now, both)
		}
		b.serves("a", "")
		s.answers(b.becomes("healthy", "healthy"), 200, client, "a", "b")

		// A zone goes down.
		failed := time.Now()
		w.breaks("zone", "us-east-1a", "down")
		down := time.Now()
		if now := b.addresses(); len(now) != 1 {
			t.Errorf("with a zone down the name has %v", now)
		}
		s.answers(down, 400, client, "b")
		w.explains("client", *b.balancer.DNSName, "")
		w.explains("client", "us-east-1a."+*b.balancer.DNSName, "zone us-east-1a is broken on purpose")
		w.reads("client", "us-east-1a."+*b.balancer.DNSName, "")
		w.reads("a", far, "")
		b.becomes("unhealthy", "healthy") // its node asks in vain
		w.breaks("zone", "us-east-1a", "up")
		s.answers(b.becomes("healthy", "healthy"), 200, client, "a", "b")
		if now := b.addresses(); !slices.Equal(now, both) {
			t.Errorf("with both zones up the name has %v, want %v", now, both)
		}
		w.reads("a", far, b.nat["a"])

		// None was lost but those that began before it could be known.
		up := time.Now()
		s.whole(begun, killed)
		s.whole(detected, failed)
		s.whole(down, up)

		// An engine that ends holds up no packet.
		w.says("client", "setsid localvpc guest load --rate 200 -m 3 http://"+both[0]+"/ >/tmp/load 2>&1 & echo $! >/tmp/pid; until [ -s /tmp/load ]; do :; done")
		w.endEngine()
		w.says("client", "n=$(wc -l </tmp/load); until [ $(wc -l </tmp/load) -gt $((n+100)) ]; do :; done; kill $(cat /tmp/pid); ! grep failed /tmp/load")
	})
}

// TestProxyProtocol: targets are told about the client by the proxy in the balancer's
// namespace, which outlives an engine's death as far as its listening socket goes.
func TestProxyProtocol(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		b := stageBalanced(t, w, "--proxy-protocol", elbv2.TargetGroupAttribute{Key: new("proxy_protocol_v2.enabled"), Value: new("true")})
		client := w.host("client")
		b.becomes("healthy", "healthy")
		s := b.load("client")
		s.answers(time.Now(), 200, client, "a", "b")
		b.dies("b")
		s.answers(b.becomes("healthy", "unhealthy"), 200, client, "a")
		w.endEngine()
		b.load("client").answers(time.Now(), 200, client, "a")
	})
}
