//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// everywhere is the destination of default routes.
const everywhere = "0.0.0.0/0"

// open attaches an internet gateway; nothing is routed there yet.
func (w *network) open(ctx context.Context) (gateway string, err error) {
	made, err := ask[ec2.CreateInternetGatewayOutput](ctx, w.p, "CreateInternetGateway", &ec2.CreateInternetGatewayInput{})
	if err != nil {
		return "", err
	}
	gateway = *made.InternetGateway.InternetGatewayId
	_, err = ask[ec2.AttachInternetGatewayOutput](ctx, w.p, "AttachInternetGateway", &ec2.AttachInternetGatewayInput{InternetGatewayId: &gateway, VpcId: &w.vpc})
	return gateway, err
}

// table gives a subnet a route table of its own.
func (w *network) table(ctx context.Context, subnet int) (string, error) {
	made, err := ask[ec2.CreateRouteTableOutput](ctx, w.p, "CreateRouteTable", &ec2.CreateRouteTableInput{VpcId: &w.vpc})
	if err != nil {
		return "", err
	}
	table := made.RouteTable.RouteTableId
	_, err = ask[ec2.AssociateRouteTableOutput](ctx, w.p, "AssociateRouteTable", &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: &w.subnets[subnet]})
	return *table, err
}

// route leads a table's packets for a destination to a gateway, or else to a NAT
// gateway.
func (w *network) route(ctx context.Context, table, destination, gateway, nat string) error {
	in := &ec2.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: &destination}
	if gateway != "" {
		in.GatewayId = &gateway
	} else {
		in.NatGatewayId = &nat
	}
	_, err := ask[ec2.CreateRouteOutput](ctx, w.p, "CreateRoute", in)
	return err
}

// elastic allocates an Elastic IP.
func (w *network) elastic(ctx context.Context) (allocation, addr string, err error) {
	made, err := ask[ec2.AllocateAddressOutput](ctx, w.p, "AllocateAddress", &ec2.AllocateAddressInput{Domain: new("vpc")})
	if err != nil {
		return "", "", err
	}
	return *made.AllocationId, *made.PublicIp, nil
}

// public gives an instance an Elastic IP.
func (w *network) public(ctx context.Context, instance string) (addr string, err error) {
	allocation, addr, err := w.elastic(ctx)
	if err != nil {
		return "", err
	}
	_, err = ask[ec2.AssociateAddressOutput](ctx, w.p, "AssociateAddress", &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: &instance})
	return addr, err
}

// nat makes a NAT gateway and waits for it.
func (w *network) nat(ctx context.Context, subnet int) (id, addr string, err error) {
	allocation, addr, err := w.elastic(ctx)
	if err != nil {
		return "", "", err
	}
	made, err := ask[ec2.CreateNatGatewayOutput](ctx, w.p, "CreateNatGateway", &ec2.CreateNatGatewayInput{SubnetId: &w.subnets[subnet], AllocationId: &allocation})
	if err != nil {
		return "", "", err
	}
	id = *made.NatGateway.NatGatewayId
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		out, err := ask[ec2.DescribeNatGatewaysOutput](ctx, w.p, "DescribeNatGateways", &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{id}})
		if err != nil {
			return "", "", err
		}
		switch state := *out.NatGateways[0].State; state {
		case "available":
			return id, addr, nil
		case "pending":
		default:
			return "", "", fmt.Errorf("the NAT gateway is %s", state)
		}
		select {
		case <-ctx.Done():
			return "", "", fmt.Errorf("the NAT gateway is pending: %w", ctx.Err())
		case <-again.C:
		}
	}
}

// guest starts one instance with a load generator in it, and gives its id too.
func (w *network) guest(ctx context.Context, o order) (id string, a *agent, err error) {
	o.count = 1
	made, err := w.run(ctx, o)
	if err != nil {
		return "", nil, err
	}
	if err := w.running(ctx); err != nil {
		return "", nil, err
	}
	id = *made[0].InstanceId
	a, err = w.p.agentIn(ctx, id, *made[0].PrivateIpAddress)
	return id, a, err
}
