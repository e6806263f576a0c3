//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// peeringLeast is the share of the speed inside one VPC that has to be reached by a
// peering connection, whose packets pass two routers with rules and flows of their own.
const peeringLeast = 0.8

// peeringRows measures the way from an instance to one of a peered VPC, whose rule
// refers to the client's group, against the way inside one VPC with the same rules and
// members.
func peeringRows(ctx context.Context, b *bench) ([]row, error) {
	var inside, across []*pathSide
	sizes := b.sizes()[:2]
	err := b.with(func(p *program) error {
		var sides []*pathSide
		for i, size := range sizes {
			client, server, err := pathNetwork(ctx, p, 100+3*i, size[0], size[1])
			if err != nil {
				return fmt.Errorf("a VPC with %s: %w", sizeName(size), err)
			}
			defer client.end()
			defer server.end()
			inside = append(inside, newSide("inside, "+sizeName(size), client, server))
			if client, server, err = peeringNetwork(ctx, p, 101+3*i, size[0], size[1]); err != nil {
				return fmt.Errorf("two VPCs with %s: %w", sizeName(size), err)
			}
			defer client.end()
			defer server.end()
			across = append(across, newSide(sizeName(size), client, server))
			sides = append(sides, inside[i], across[i])
		}
		return inTurns(ctx, sides, patterns, b.times(11), pick(b, 0.75, 0.2))
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, l := range patterns {
		least := 0.0
		if l.least > 0 {
			least = peeringLeast
		}
		for i := range across {
			rows = append(rows, compare(l, across[i], inside[i], least, "one VPC"))
		}
	}
	return rows, nil
}

// peeringNetwork is pathNetwork with the client in a VPC of its own, peered with the
// server's.
func peeringNetwork(ctx context.Context, p *program, net, rules, members int) (client, server *agent, err error) {
	var ws [2]*network
	for i := range ws {
		if ws[i], err = newNetwork(ctx, p, net+i); err != nil {
			return nil, nil, err
		}
	}
	near, far := ws[0], ws[1]
	id, err := near.peer(ctx, far)
	if err != nil {
		return nil, nil, err
	}
	for i, w := range ws {
		table, err := w.table(ctx, i) // the client is in the first subnet, the server in the second
		if err != nil {
			return nil, nil, err
		}
		if _, err := ask[ec2.CreateRouteOutput](ctx, p, "CreateRoute", &ec2.CreateRouteInput{
			RouteTableId: &table, DestinationCidrBlock: new(fmt.Sprintf("10.%d.0.0/16", net+1-i)), VpcPeeringConnectionId: &id}); err != nil {
			return nil, nil, err
		}
	}
	web, err := far.group(ctx, "web")
	if err != nil {
		return nil, nil, err
	}
	app, err := near.group(ctx, "app")
	if err != nil {
		return nil, nil, err
	}
	if err := far.allowHosts(ctx, web, rules-1); err != nil {
		return nil, nil, err
	}
	if err := far.allow(ctx, web, app, 9000, 9000); err != nil {
		return nil, nil, err
	}
	if err := near.fill(ctx, members-1, 0, []string{app}); err != nil {
		return nil, nil, err
	}
	if client, err = near.agent(ctx, order{subnet: 0, groups: []string{app}}); err != nil {
		return nil, nil, err
	}
	if server, err = far.agent(ctx, order{subnet: 1, groups: []string{web}}); err == nil {
		_, err = server.say("serve 9000")
	}
	if err != nil {
		client.end()
		return nil, nil, err
	}
	return client, server, nil
}

// peer has two VPCs peered.
func (w *network) peer(ctx context.Context, other *network) (id string, err error) {
	made, err := ask[ec2.CreateVpcPeeringConnectionOutput](ctx, w.p, "CreateVpcPeeringConnection", &ec2.CreateVpcPeeringConnectionInput{VpcId: &w.vpc, PeerVpcId: &other.vpc})
	if err != nil {
		return "", err
	}
	id = *made.VpcPeeringConnection.VpcPeeringConnectionId
	_, err = ask[ec2.AcceptVpcPeeringConnectionOutput](ctx, w.p, "AcceptVpcPeeringConnection", &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id})
	return id, err
}
