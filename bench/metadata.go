//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/localvpc/localvpc/bench/report"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/iam"
)

// metadataAddr is where instances find their metadata.
const metadataAddr = "169.254.169.254:80"

// metadataRows asks for metadata in an instance, alone and while another one asks
// for as much as it can.
func metadataRows(ctx context.Context, b *bench) (rows []row, err error) {
	err = b.with(func(p *program) error {
		one, greedy, err := p.askers(ctx)
		if err != nil {
			return err
		}
		defer one.end()
		defer greedy.end()
		const credentials = "meta-data/iam/security-credentials/bench"
		seconds := pick(b, 2.0, 0.5)
		alone, role, beside, flood := &waits{}, &waits{}, &waits{}, &waits{}
		paths := []struct {
			to   *waits
			path string
		}{{alone, "meta-data/instance-id"}, {role, credentials}}
		for round := range b.times(5) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for i := range paths { // another one begins each round
				p := paths[(round+i)%len(paths)]
				if err := p.to.add(one.say("metadata %s %g 1 1000 %s", metadataAddr, seconds, p.path)); err != nil {
					return err
				}
			}
			flooded := make(chan error, 1)
			go func() {
				flooded <- flood.add(greedy.say("metadata %s %g 64 0 meta-data/instance-id", metadataAddr, seconds))
			}()
			err := beside.add(one.say("metadata %s %g 1 1000 meta-data/instance-id", metadataAddr, seconds))
			if failed := <-flooded; err == nil {
				err = failed
			}
			if err != nil {
				return err
			}
		}
		rows = []row{
			alone.row("GET instance-id, 1,000 per second on one connection, p50", atMost(100)),
			role.row("GET the role's credentials, likewise, p50", atMost(100)),
			{measure: "answered to one that asks without a pause on 64 connections", value: median(flood.rate), unit: "/s", target: atLeast(1000)},
			beside.row("GET instance-id of another instance meanwhile, 1,000 per second, p50", atMost(500)),
		}
		return nil
	}, "--ephemeral", "--quotas", "off")
	return rows, err
}

// waits are the results of rounds, in microseconds and answers per second.
type waits struct{ p50, p99, rate []float64 }

func (w *waits) add(r report.Traffic, err error) error {
	if err == nil {
		w.p50, w.p99, w.rate = append(w.p50, r.P50*1e6), append(w.p99, r.P99*1e6), append(w.rate, float64(r.Count)/r.Seconds)
	}
	return err
}

func (w *waits) row(measure string, t target) row {
	return row{measure: measure, value: median(w.p50), unit: "µs", target: t,
		note: fmt.Sprintf("p99 %s µs; %s answers per second", number(median(w.p99)), number(median(w.rate)))}
}

// askers are two instances with a role, each with a load generator in it.
func (p *program) askers(ctx context.Context) (one, other *agent, err error) {
	const name = "bench"
	if _, err := identity[iam.CreateRoleOutput](ctx, p, "CreateRole", &iam.CreateRoleInput{RoleName: new(name), AssumeRolePolicyDocument: new(trustOf("Service", "ec2.amazonaws.com"))}); err != nil {
		return nil, nil, err
	}
	if _, err := identity[iam.CreateInstanceProfileOutput](ctx, p, "CreateInstanceProfile", &iam.CreateInstanceProfileInput{InstanceProfileName: new(name)}); err != nil {
		return nil, nil, err
	}
	if _, err := identity[iam.AddRoleToInstanceProfileOutput](ctx, p, "AddRoleToInstanceProfile", &iam.AddRoleToInstanceProfileInput{InstanceProfileName: new(name), RoleName: new(name)}); err != nil {
		return nil, nil, err
	}
	w, err := newNetwork(ctx, p, 130)
	if err != nil {
		return nil, nil, err
	}
	out, err := ask[ec2.RunInstancesOutput](ctx, p, "RunInstances", &ec2.RunInstancesInput{
		ImageId: &w.image, InstanceType: new("t3.micro"), MinCount: new(int32(2)), MaxCount: new(int32(2)), SubnetId: &w.subnets[0],
		IamInstanceProfile: &ec2.IamInstanceProfileSpecification{Name: new(name)},
	})
	if err != nil {
		return nil, nil, err
	}
	if err := w.running(ctx); err != nil {
		return nil, nil, err
	}
	if one, err = p.agentIn(ctx, *out.Instances[0].InstanceId, ""); err != nil {
		return nil, nil, err
	}
	other, err = p.agentIn(ctx, *out.Instances[1].InstanceId, "")
	return one, other, err
}
