//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/route53"
)

// nameZone is the zone that is measured, with zoneSize names n0, n1, …: some less
// than the 10,000 record sets that Route 53 lets a zone have.
const (
	nameZone = "bench.test"
	zoneSize = 9990
)

// nameKind is one kind of question.
type nameKind struct {
	what, name string
	variants   int
	code       int     // of the answer
	floor      float64 // of the queries per second of CPU time, as a share of NSD's
}

var nameKinds = []nameKind{
	{"static hit", "n#." + nameZone, zoneSize, 0, 0.75},
	{"no such name", "x#." + nameZone, zoneSize, 3, 0.75},
	{"weighted", "w." + nameZone, 1, 0, 0.5},
}

// nameSide is a server that is asked, by clients that each ask its address.
type nameSide struct {
	what    string
	pid     int
	addr    string
	clients []*agent
	rate    int // per client; 0: as many as are answered
	perCPU  map[string][]float64
	rateOf  map[string][]float64
}

// dnsRows measures what answers cost, beside name servers that hold the same zone.
func dnsRows(ctx context.Context, b *bench) (rows []row, err error) {
	servers, missing, err := b.nameServers(nameZone, zoneText())
	for _, s := range servers {
		defer s.end()
	}
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	err = b.with(func(p *program) error {
		zone, err := p.fillZone(ctx)
		if err != nil {
			return err
		}
		one, err := startAgent(exec.CommandContext(ctx, b.traffic))
		if err != nil {
			return err
		}
		defer one.end()
		sides := []*nameSide{newNameSide("localvpc", p.cmd.Process.Pid, addr, 0, one)}
		for _, s := range servers {
			sides = append(sides, newNameSide(s.name, s.cmd.Process.Pid, s.addr, 0, one))
		}
		for _, s := range sides {
			if err := answering(ctx, one, s.addr, "n0."+nameZone); err != nil {
				return fmt.Errorf("%s: %w", s.what, err)
			}
		}
		if err := nameRounds(ctx, b, sides, nameKinds); err != nil {
			return err
		}
		for _, k := range nameKinds {
			rows = append(rows, nameRow(k, "from the internet", sides, k.floor, missing))
		}
		for _, k := range nameKinds[:1] {
			for _, s := range sides[1:] {
				if s.what == "CoreDNS" {
					rows = append(rows, nameRow(k, "from the internet", []*nameSide{sides[0], s}, 2.5, nil))
				}
			}
		}
		change, err := p.nameChange(ctx, b, zone, addr)
		rows = append(rows, change)
		if err != nil {
			return err
		}
		direct, err := p.namesDirect(ctx, b, zone, servers, missing)
		rows = append(rows, direct...)
		if err != nil {
			return err
		}
		inside, err := p.namesInside(ctx, b, servers, missing)
		rows = append(rows, inside...)
		return err
	}, "--data", dir, "--quotas", "off", "--dns", addr)
	if err != nil {
		return rows, err
	}
	many, err := b.manyZones(ctx)
	return append(rows, many), err
}

func newNameSide(what string, pid int, addr string, rate int, clients ...*agent) *nameSide {
	return &nameSide{what: what, pid: pid, addr: addr, rate: rate, clients: clients, perCPU: map[string][]float64{}, rateOf: map[string][]float64{}}
}

// nameRounds asks the sides in turns.
func nameRounds(ctx context.Context, b *bench, sides []*nameSide, kinds []nameKind) error {
	for round := range b.times(5) {
		for _, k := range kinds {
			for i := range sides {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				s := sides[(i+round)%len(sides)]
				if err := s.ask(k, pick(b, 2.0, 0.5)); err != nil {
					return fmt.Errorf("%s: %s: %w", s.what, k.what, err)
				}
			}
		}
	}
	return nil
}

// ask has all clients ask for a time.
func (s *nameSide) ask(k nameKind, seconds float64) error {
	before, err := cpuOfServer(s.pid)
	if err != nil {
		return err
	}
	counts, errs := make([]uint64, len(s.clients)), make([]error, len(s.clients))
	begin := time.Now()
	var all sync.WaitGroup
	for i, c := range s.clients {
		all.Go(func() {
			r, err := c.say("names %s %g %s 1 %d %d %d", s.addr, seconds, k.name, k.variants, s.rate, k.code)
			counts[i], errs[i] = r.Count, err
		})
	}
	all.Wait()
	took := time.Since(begin).Seconds()
	after, err := cpuOfServer(s.pid)
	if err != nil {
		return err
	}
	total := uint64(0)
	for i := range counts {
		if errs[i] != nil {
			return errs[i]
		}
		total += counts[i]
	}
	s.perCPU[k.what] = append(s.perCPU[k.what], float64(total)/max(after-before, 0.01))
	s.rateOf[k.what] = append(s.rateOf[k.what], float64(total)/took)
	return nil
}

// nameRow compares the first side with the second one.
func nameRow(k nameKind, where string, sides []*nameSide, floor float64, missing []string) row {
	own := sides[0].perCPU[k.what]
	r := row{measure: k.what + " " + where, value: median(own) / 1000, unit: "k/CPU-s", target: ratioAtLeast(floor),
		note: fmt.Sprintf("%s µs per query; %s k/s", number(1e6/median(own)), number(median(sides[0].rateOf[k.what])/1000))}
	if len(sides) > 1 {
		yard := sides[1].perCPU[k.what]
		r.yard, r.of, r.ratio = median(yard)/1000, sides[1].what, median(ratios(own, yard))
	}
	for _, m := range missing {
		r.note += "; " + m
	}
	return r
}

// zoneText is the zone as a file.
func zoneText() string {
	var s strings.Builder
	fmt.Fprintf(&s, "$TTL 60\n%[1]s. 900 IN SOA ns.%[1]s. h.%[1]s. 1 7200 900 1209600 86400\n%[1]s. 172800 IN NS ns1.example.\n%[1]s. 172800 IN NS ns2.example.\n%[1]s. 172800 IN NS ns3.example.\n%[1]s. 172800 IN NS ns4.example.\n", nameZone)
	fmt.Fprintf(&s, "w.%s. 60 IN A 192.0.2.1\n", nameZone)
	for i := range zoneSize {
		fmt.Fprintf(&s, "n%d.%s. 60 IN A %s\n", i, nameZone, numbered(i))
	}
	return s.String()
}

func numbered(i int) string { return fmt.Sprintf("198.18.%d.%d", i/256%256, i%256) }

// fillZone makes the zone by the API.
func (p *program) fillZone(ctx context.Context) (string, error) {
	id, err := p.zone(ctx, nameZone, nil)
	if err != nil {
		return "", err
	}
	sets := []route53.ResourceRecordSet{
		{Name: new("w." + nameZone), Type: new("A"), TTL: new(int64(60)), SetIdentifier: new("a"), Weight: new(int64(1)), ResourceRecords: []route53.ResourceRecord{{Value: new("192.0.2.1")}}},
		{Name: new("w." + nameZone), Type: new("A"), TTL: new(int64(60)), SetIdentifier: new("b"), Weight: new(int64(3)), ResourceRecords: []route53.ResourceRecord{{Value: new("192.0.2.2")}}},
	}
	for i := range zoneSize {
		sets = append(sets, static("n"+strconv.Itoa(i)+"."+nameZone, numbered(i)))
	}
	return id, p.change(ctx, id, "CREATE", sets...)
}

func static(name, value string) route53.ResourceRecordSet {
	return route53.ResourceRecordSet{Name: &name, Type: new("A"), TTL: new(int64(60)), ResourceRecords: []route53.ResourceRecord{{Value: &value}}}
}

// zone makes a public zone, or a private one of a VPC.
func (p *program) zone(ctx context.Context, name string, vpc *string) (string, error) {
	in := &route53.CreateHostedZoneInput{Name: &name, CallerReference: &name}
	if vpc != nil {
		in.VPC = &route53.VPC{VPCRegion: new("us-east-1"), VPCId: vpc}
	}
	out, err := client.Call[route53.CreateHostedZoneOutput](ctx, p.client, route53.API, "CreateHostedZone", in)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(*out.HostedZone.Id, "/hostedzone/"), nil
}

// change changes record sets, as many in one batch as it takes.
func (p *program) change(ctx context.Context, zone, action string, sets ...route53.ResourceRecordSet) error {
	const most = 500
	for len(sets) > 0 {
		n := min(most, len(sets))
		in := &route53.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: &route53.ChangeBatch{}}
		for i := range sets[:n] {
			in.ChangeBatch.Changes = append(in.ChangeBatch.Changes, route53.Change{Action: &action, ResourceRecordSet: &sets[i]})
		}
		if _, err := client.Call[route53.ChangeResourceRecordSetsOutput](ctx, p.client, route53.API, "ChangeResourceRecordSets", in); err != nil {
			return err
		}
		sets = sets[n:]
	}
	return nil
}

// nameChange changes one name of the zone again and again, by a batch that makes or
// takes it away, until GetChange says INSYNC and the answer has changed.
func (p *program) nameChange(ctx context.Context, b *bench, zone, addr string) (row, error) {
	a, err := startAgent(exec.CommandContext(ctx, b.traffic))
	if err != nil {
		return row{}, err
	}
	defer a.end()
	var took []float64
	late := 0
	name := "change." + nameZone
	for i := range b.times(200) {
		action, code := "CREATE", 0
		if i%2 == 1 {
			action, code = "DELETE", 3
		}
		set := static(name, "192.0.2.3")
		in := &route53.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: &route53.ChangeBatch{Changes: []route53.Change{{Action: &action, ResourceRecordSet: &set}}}}
		begin := time.Now()
		out, err := client.Call[route53.ChangeResourceRecordSetsOutput](ctx, p.client, route53.API, "ChangeResourceRecordSets", in)
		if err != nil {
			return row{}, err
		}
		state, err := client.Call[route53.GetChangeOutput](ctx, p.client, route53.API, "GetChange", &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		if err != nil {
			return row{}, err
		}
		_, err = a.say("names %s 0.000001 %s 1 1 100 %d", addr, name, code)
		took = append(took, milli(time.Since(begin)))
		if err != nil || *state.ChangeInfo.Status != "INSYNC" {
			late++
		}
	}
	return row{measure: "a change in a zone of 10,000: INSYNC and answered, p50", value: median(took), unit: "ms", target: atMost(5),
		note: fmt.Sprintf("p99 %s ms, state on disk; %d of %d were not answered at once", number(quantile(took, 0.99)), late, len(took))}, nil
}

// askers is how many ask where each may ask 1,024 times per second, and askRate how
// often each does.
const (
	askers  = 16
	askRate = 1000
)

// namesDirect asks a name server of the zone from many outside hosts, and the name
// server that it is compared with from as many processes.
func (p *program) namesDirect(ctx context.Context, b *bench, zone string, servers []*nameServer, missing []string) (rows []row, err error) {
	out, err := client.Call[route53.GetHostedZoneOutput](ctx, p.client, route53.API, "GetHostedZone", &route53.GetHostedZoneInput{Id: &zone})
	if err != nil {
		return nil, err
	}
	var n int
	if _, err := fmt.Sscanf(out.DelegationSet.NameServers[0], "ns-%d.", &n); err != nil {
		return nil, fmt.Errorf("reading the name server %s: %w", out.DelegationSet.NameServers[0], err)
	}
	sides := []*nameSide{newNameSide("localvpc", p.cmd.Process.Pid, fmt.Sprintf("205.251.%d.%d:53", 192+n>>8, n&255), askRate)}
	if len(servers) > 0 {
		sides = append(sides, newNameSide(servers[0].name, servers[0].cmd.Process.Pid, servers[0].addr, askRate))
	}
	for i := range askers {
		a, err := p.outside(ctx, fmt.Sprintf("asker%d", i))
		if err != nil {
			return nil, err
		}
		defer a.end()
		sides[0].clients = append(sides[0].clients, a)
		for _, s := range sides[1:] {
			a, err := startAgent(exec.CommandContext(ctx, b.traffic))
			if err != nil {
				return nil, err
			}
			defer a.end()
			s.clients = append(s.clients, a)
		}
	}
	if err := nameRounds(ctx, b, sides, nameKinds); err != nil {
		return nil, err
	}
	for _, k := range nameKinds {
		rows = append(rows, nameRow(k, "at the zone's name server", sides, k.floor, missing))
	}
	return rows, nil
}

// namesInside asks the resolver of a VPC from many instances, since each interface
// may ask 1,024 times per second, and the name server from as many processes at the
// same rate.
func (p *program) namesInside(ctx context.Context, b *bench, servers []*nameServer, missing []string) (rows []row, err error) {
	const net = 120
	w, err := newNetwork(ctx, p, net)
	if err != nil {
		return nil, err
	}
	if _, err := ask[ec2.ModifyVpcAttributeOutput](ctx, p, "ModifyVpcAttribute", &ec2.ModifyVpcAttributeInput{VpcId: &w.vpc, EnableDnsHostnames: &ec2.AttributeBooleanValue{Value: new(true)}}); err != nil {
		return nil, err
	}
	id, err := p.zone(ctx, "corp.test", &w.vpc)
	if err != nil {
		return nil, err
	}
	var sets []route53.ResourceRecordSet
	for i := range zoneSize {
		sets = append(sets, static("n"+strconv.Itoa(i)+".corp.test", numbered(i)))
	}
	if err := p.change(ctx, id, "CREATE", sets...); err != nil {
		return nil, err
	}
	group, err := w.group(ctx, "askers")
	if err != nil {
		return nil, err
	}
	instances, err := w.run(ctx, order{count: askers, groups: []string{group}})
	if err != nil {
		return nil, err
	}
	if err := w.running(ctx); err != nil {
		return nil, err
	}
	public, err := w.publicName(ctx, *instances[0].InstanceId)
	if err != nil {
		return nil, err
	}
	inside := newNameSide("localvpc", p.cmd.Process.Pid, fmt.Sprintf("10.%d.0.2:53", net), askRate)
	sides := []*nameSide{inside}
	if len(servers) > 0 {
		sides = append(sides, newNameSide(servers[0].name, servers[0].cmd.Process.Pid, servers[0].addr, askRate))
	}
	for _, i := range instances {
		a, err := p.agentIn(ctx, *i.InstanceId, *i.PrivateIpAddress)
		if err != nil {
			return nil, err
		}
		defer a.end()
		inside.clients = append(inside.clients, a)
		for _, s := range sides[1:] {
			a, err := startAgent(exec.CommandContext(ctx, b.traffic))
			if err != nil {
				return nil, err
			}
			defer a.end()
			s.clients = append(s.clients, a)
		}
	}
	kinds := []nameKind{{"private zone", "n#.corp.test", zoneSize, 0, 0.75}, {"ec2-… name", public, 1, 0, 0.5}}
	for round := range b.times(5) {
		for _, k := range kinds {
			for i := range sides {
				s := sides[(i+round)%len(sides)]
				asked := k
				if s != inside {
					asked.name, asked.variants = nameKinds[0].name, zoneSize
				}
				if err := s.ask(asked, pick(b, 2.0, 0.5)); err != nil {
					return rows, fmt.Errorf("%s: %s: %w", s.what, k.what, err)
				}
			}
		}
	}
	for _, k := range kinds {
		rows = append(rows, nameRow(k, "inside a VPC", sides, k.floor, missing))
	}
	return rows, nil
}

// publicName gives an instance an Elastic IP and says the name of that.
func (w *network) publicName(ctx context.Context, instance string) (string, error) {
	gateway, err := ask[ec2.CreateInternetGatewayOutput](ctx, w.p, "CreateInternetGateway", &ec2.CreateInternetGatewayInput{})
	if err != nil {
		return "", err
	}
	if _, err := ask[ec2.AttachInternetGatewayOutput](ctx, w.p, "AttachInternetGateway", &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway.InternetGateway.InternetGatewayId, VpcId: &w.vpc}); err != nil {
		return "", err
	}
	a, err := ask[ec2.AllocateAddressOutput](ctx, w.p, "AllocateAddress", &ec2.AllocateAddressInput{})
	if err != nil {
		return "", err
	}
	if _, err := ask[ec2.AssociateAddressOutput](ctx, w.p, "AssociateAddress", &ec2.AssociateAddressInput{AllocationId: a.AllocationId, InstanceId: &instance}); err != nil {
		return "", err
	}
	return "ec2-" + strings.ReplaceAll(*a.PublicIp, ".", "-") + ".compute-1.amazonaws.com", nil
}

// manyZones loads 100,000 zones.
func (b *bench) manyZones(ctx context.Context) (row, error) {
	n := pick(b, 100000, 2000)
	var size float64
	begin := time.Now()
	err := b.with(func(p *program) error {
		var all sync.WaitGroup
		errs := make([]error, clients)
		for c := range clients {
			all.Go(func() {
				for i := c; i < n && errs[c] == nil && ctx.Err() == nil; i += clients {
					_, errs[c] = p.zone(ctx, fmt.Sprintf("z%d.test", i), nil)
				}
			})
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		var err error
		size, _, err = p.memory()
		return err
	}, "--ephemeral", "--quotas", "off")
	return row{measure: fmt.Sprintf("memory with %d zones", n), value: size / mib, unit: "MiB", target: atMost(1536), note: fmt.Sprintf("made in %s s", number(time.Since(begin).Seconds()))}, err
}
