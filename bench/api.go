//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
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
	var ours, theirs, slow []float64
	var ownCost, otherCost []float64
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
		}
		for range b.times(5) {
			rate, cost, took, err := own.load(ctx, p.cmd.Process.Pid, pick(b, 4*time.Second, time.Second))
			if err != nil {
				return err
			}
			ours, ownCost, slow = append(ours, rate), append(ownCost, cost), append(slow, took...)
			if other == nil {
				continue
			}
			if rate, cost, _, err = other.load(ctx, m.cmd.Process.Pid, pick(b, 6*time.Second, 2*time.Second)); err != nil {
				return fmt.Errorf("moto: %w", err)
			}
			theirs, otherCost = append(theirs, rate), append(otherCost, cost)
		}
		return nil
	}, "--data", dir, "--quotas", "off")
	if err != nil {
		return nil, err
	}
	rows := []row{
		{measure: "operations per second", value: median(ours), unit: "/s", of: "moto", target: ratioAtLeast(20)},
		{measure: "CPU time of the server per operation", value: median(ownCost), unit: "ms", of: "moto"},
		{measure: "time of an operation, p50", value: median(slow), unit: "ms"},
		{measure: "time of an operation, p99", value: quantile(slow, 0.99), unit: "ms"},
	}
	if m == nil {
		rows[0].note = errNoMoto.Error()
	} else {
		rows[0].yard, rows[0].ratio = median(theirs), median(ratios(ours, theirs))
		rows[1].yard, rows[1].ratio = median(otherCost), median(ratios(ownCost, otherCost))
	}
	if !b.onDisk() {
		rows[0].note += " the directory is not on a disk: choose one with -dir"
	}
	return rows, nil
}

// mix is the load: what a client does again and again, in a VPC that all share.
type mix struct {
	addr, vpc, subnet string
	serial            atomic.Int64
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

// load runs the clients for d and gives the operations per second, the CPU time
// in milliseconds that the server, a process and all below it, used for each, and
// the times of all of them in milliseconds.
func (m *mix) load(ctx context.Context, server int, d time.Duration) (rate, cost float64, took []float64, err error) {
	before, err := cpuOf(server)
	if err != nil {
		return 0, 0, nil, err
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
			}
		})
	}
	all.Wait()
	seconds := time.Since(begin).Seconds()
	for _, t := range times {
		took = append(took, t...)
	}
	after, err := cpuOf(server)
	n := float64(len(took))
	return n / seconds, (after - before) * 1000 / n, took, errors.Join(append(errs, err)...)
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
		took = append(took, milli(time.Since(begin)))
		failed = err
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
