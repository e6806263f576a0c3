//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// clients is how many connections load the API at once.
const clients = 16

// apiRows loads localvpc and moto with the same requests, in turns.
func apiRows(ctx context.Context, b *bench) ([]row, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	m, err := startMoto()
	if err != nil && !errors.Is(err, errNoMoto) {
		return nil, err
	}
	if err == nil {
		defer m.end()
		if _, err := answered(ctx, m.addr); err != nil {
			return nil, fmt.Errorf("waiting for moto_server: %w", err)
		}
	} else {
		m = nil
	}
	var ours, theirs loads
	failed := int64(0)
	err = b.with(func(p *program) error {
		own, err := newMix(p.addr)
		if err != nil {
			return err
		}
		var other *mix
		if m != nil {
			if other, err = newMix(m.addr); err != nil {
				return fmt.Errorf("moto: %w", err)
			}
			other.lenient = true // its threads get in each other's way now and then
		}
		for range b.times(5) {
			if err := own.load(ctx, p.cmd.Process.Pid, pick(b, 4*time.Second, time.Second), &ours); err != nil {
				return err
			}
			if other == nil {
				continue
			}
			if err := other.load(ctx, m.cmd.Process.Pid, pick(b, 6*time.Second, 2*time.Second), &theirs); err != nil {
				return fmt.Errorf("moto: %w", err)
			}
			failed = other.failed.Load()
		}
		return nil
	}, "--data", dir, "--quotas", "off")
	if err != nil {
		return nil, err
	}
	rows := []row{
		{measure: "operations per second", value: median(ours.rate), unit: "/s", of: "moto", target: ratioAtLeast(20)},
		{measure: "CPU time of the server per operation", value: median(ours.cost), unit: "ms", of: "moto"},
		{measure: "time of an operation, p50", value: median(ours.took), unit: "ms", of: "moto"},
		{measure: "time of an operation, p99", value: quantile(ours.took, 0.99), unit: "ms", of: "moto"},
	}
	if m == nil {
		rows[0].note = errNoMoto.Error()
	} else {
		rows[0].yard, rows[0].ratio = median(theirs.rate), median(ratios(ours.rate, theirs.rate))
		rows[1].yard, rows[1].ratio = median(theirs.cost), median(ratios(ours.cost, theirs.cost))
		rows[2].yard, rows[3].yard = median(theirs.took), quantile(theirs.took, 0.99)
	}
	if failed > 0 {
		rows[0].note = fmt.Sprintf("moto gave up %d sessions with internal errors", failed)
	}
	if !b.onDisk() {
		rows[0].note = "this is not on a disk: choose one with -dir"
	}
	return rows, nil
}

// loads are the results of rounds.
type loads struct {
	rate []float64 // operations per second, one per round
	cost []float64 // CPU time of the server per operation in milliseconds, one per round
	took []float64 // times of all operations in milliseconds
}

// mix is the load: what a client does again and again, in a VPC that all share.
type mix struct {
	addr, vpc, subnet string
	serial            atomic.Int64
	lenient           bool         // an internal error ends the session only
	failed            atomic.Int64 // sessions that ended so
}

// newMix makes a VPC with 4 subnets and 20 groups, so that finding costs something.
func newMix(addr string) (*mix, error) {
	m := &mix{addr: addr}
	p := newPoster(addr)
	defer p.close()
	made := func(element, action string, parameters ...string) (string, error) {
		body, err := p.post(form(action, parameters...))
		if err != nil {
			return "", err
		}
		return between(body, element)
	}
	var err error
	if m.vpc, err = made("vpcId", "CreateVpc", "CidrBlock", "10.20.0.0/16"); err != nil {
		return nil, err
	}
	for i := range 4 {
		if m.subnet, err = made("subnetId", "CreateSubnet", "VpcId", m.vpc, "CidrBlock", fmt.Sprintf("10.20.%d.0/24", i)); err != nil {
			return nil, err
		}
	}
	for i := range 20 {
		if _, err := made("groupId", "CreateSecurityGroup", "VpcId", m.vpc, "GroupName", fmt.Sprint("there-", i), "GroupDescription", "x"); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// load runs the clients for d. server is the process that serves, alone or with
// those below it.
func (m *mix) load(ctx context.Context, server int, d time.Duration, into *loads) error {
	before, err := cpuOf(server)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	times, errs := make([][]float64, clients), make([]error, clients)
	begin := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			p := newPoster(m.addr)
			defer p.close()
			for ctx.Err() == nil && errs[i] == nil {
				times[i], errs[i] = m.session(p, times[i])
				if r := (*refusal)(nil); m.lenient && errors.As(errs[i], &r) && r.status/100 == 5 {
					m.failed.Add(1)
					errs[i] = nil
				}
			}
		})
	}
	all.Wait()
	seconds := time.Since(begin).Seconds()
	after, err := cpuOf(server)
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	took := slices.Concat(times...)
	into.rate = append(into.rate, float64(len(took))/seconds)
	into.cost = append(into.cost, (after-before)*1000/float64(len(took)))
	into.took = append(into.took, took...)
	return nil
}

// session is ten operations: four that look, six that change. It leaves nothing.
func (m *mix) session(p *poster, took []float64) ([]float64, error) {
	var failed error
	do := func(form []byte) []byte {
		if failed != nil {
			return nil
		}
		begin := time.Now()
		body, err := p.post(form)
		if failed = err; err == nil {
			took = append(took, milli(time.Since(begin)))
		}
		return body
	}
	name := fmt.Sprint("group-", m.serial.Add(1))
	body := do(form("CreateSecurityGroup", "VpcId", m.vpc, "GroupName", name, "GroupDescription", "mixed load"))
	if failed != nil {
		return took, failed
	}
	group, err := between(body, "groupId")
	if err != nil {
		return took, err
	}
	rule := []string{"GroupId", group, "IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", "443", "IpPermissions.1.ToPort", "443", "IpPermissions.1.IpRanges.1.CidrIp", "192.0.2.0/24"}
	do(form("DescribeSecurityGroups", "GroupId.1", group))
	do(form("CreateTags", "ResourceId.1", group, "Tag.1.Key", "Name", "Tag.1.Value", name))
	do(form("AuthorizeSecurityGroupIngress", rule...))
	do(form("DescribeSecurityGroups", "Filter.1.Name", "group-name", "Filter.1.Value.1", name, "Filter.2.Name", "vpc-id", "Filter.2.Value.1", m.vpc))
	do(form("DescribeSubnets", "SubnetId.1", m.subnet))
	do(form("DescribeVpcs", "Filter.1.Name", "cidr", "Filter.1.Value.1", "10.20.0.0/16"))
	do(form("RevokeSecurityGroupIngress", rule...))
	do(form("DeleteTags", "ResourceId.1", group, "Tag.1.Key", "Name"))
	do(form("DeleteSecurityGroup", "GroupId", group))
	return took, failed
}
