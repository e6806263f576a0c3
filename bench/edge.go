//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// edgeKind is a way out of a VPC. The floors lie a little below what the design's
// experiments measured as shares of plain routing through two routers: 0.90 and
// 0.74 with an Elastic IP, 0.71 and 0.37 through a NAT gateway, whose packets pass
// four times from one namespace to the next where two routers pass them twice.
type edgeKind struct {
	name                string
	throughput, connect float64
}

var edgeKinds = [2]edgeKind{{"Elastic IP", 0.85, 0.7}, byNAT: {"NAT gateway", 0.65, 0.33}}

const byNAT = 1 // of edgeKinds

// edgePatterns are patterns of path.
var edgePatterns = slices.DeleteFunc(slices.Clone(patterns), func(l pattern) bool { return l.name != "throughput" && l.name != "new connections" })

// edgeRows measures the ways from an instance to an outside host, with rules and
// members as pathRows has them, against plain routing through as many routers.
// Outside of the VPC the largest packet has 1,500 bytes on both sides.
func edgeRows(ctx context.Context, b *bench) ([]row, error) {
	var sides []*pathSide
	for i, routers := range []int{2, 4, 1, 2} {
		segment := 0
		if i == 3 {
			segment = largeSegment
		}
		mtus := []int{mtu}
		for len(mtus) <= routers {
			mtus = append(mtus, internetMTU)
		}
		if routers == 4 {
			mtus = []int{mtu, mtu, mtu, internetMTU, internetMTU}
		}
		client, server, err := b.plainPath(segment, mtus...)
		if err != nil {
			return nil, err
		}
		defer client.end()
		if _, err := server.say("serve 9000"); err != nil {
			return nil, err
		}
		sides = append(sides, newSide(fmt.Sprintf("plain, %d routers", routers), client, server))
	}
	plains := len(sides)
	err := b.with(func(p *program) error {
		server, err := p.outside(ctx, "far")
		if err != nil {
			return err
		}
		defer server.end()
		if _, err := server.say("serve 9000"); err != nil {
			return err
		}
		for i, size := range b.sizes() {
			for k, kind := range edgeKinds {
				client, err := edgeNetwork(ctx, p, 80+2*i+k, size[0], size[1], k == byNAT, server.addr)
				if err != nil {
					return fmt.Errorf("a VPC with %s: %w", sizeName(size), err)
				}
				defer client.end()
				sides = append(sides, newSide(kind.name+", "+sizeName(size), client, server))
			}
		}
		return inTurns(ctx, sides, edgePatterns, b.times(7), pick(b, 0.5, 0.2))
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	two, four, one, large := sides[0], sides[1], sides[2], sides[3]
	var rows []row
	for k, kind := range edgeKinds {
		for _, l := range edgePatterns {
			least := kind.connect
			if l.both {
				least = kind.throughput
			}
			var own []*pathSide // from the small VPC to the large one
			for i := plains + k; i < len(sides); i += len(edgeKinds) {
				own = append(own, sides[i])
			}
			for _, s := range own {
				r := compare(l, s, two, least, "2 routers")
				r.note += fmt.Sprintf("; of one router's %s", number(median(ratios(s.perCPU[l.name], one.perCPU[l.name]))))
				rows = append(rows, r)
			}
			if l.both {
				rows = append(rows, compare(l, own[0], large, 0, "2 routers, large segments"))
			}
			if k == byNAT {
				rows = append(rows, compare(l, own[0], four, 0, "4 routers"))
			}
			rows = append(rows, compare(l, own[len(own)-1], own[0], flat, "small VPC"))
		}
	}
	return rows, nil
}

// edgeNetwork makes a VPC with a client in a group that may send to far, one rule
// among many: it has an Elastic IP or is behind a NAT gateway. They have a VPC each,
// since packets are asked more where there is a NAT gateway.
func edgeNetwork(ctx context.Context, p *program, net, rules, members int, nat bool, far string) (*agent, error) {
	w, err := newNetwork(ctx, p, net)
	if err != nil {
		return nil, err
	}
	gateway, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	table, err := w.table(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := w.route(ctx, table, everywhere, gateway, ""); err != nil {
		return nil, err
	}
	app, err := w.group(ctx, "app")
	if err != nil {
		return nil, err
	}
	if err := w.confine(ctx, app, far, rules); err != nil {
		return nil, err
	}
	if err := w.fill(ctx, members-1, 0, []string{app}); err != nil {
		return nil, err
	}
	if !nat {
		id, client, err := w.guest(ctx, order{groups: []string{app}})
		if err != nil {
			return nil, err
		}
		if _, err := w.public(ctx, id); err != nil {
			client.end()
			return nil, err
		}
		return client, nil
	}
	id, _, err := w.nat(ctx, 0)
	if err != nil {
		return nil, err
	}
	if table, err = w.table(ctx, 1); err != nil {
		return nil, err
	}
	if err := w.route(ctx, table, everywhere, "", id); err != nil {
		return nil, err
	}
	return w.agent(ctx, order{subnet: 1, groups: []string{app}})
}

// confine lets a group send to port 9000 of one address only, by the last of n rules.
func (w *network) confine(ctx context.Context, group, to string, n int) error {
	if _, err := ask[ec2.RevokeSecurityGroupEgressOutput](ctx, w.p, "RevokeSecurityGroupEgress", &ec2.RevokeSecurityGroupEgressInput{GroupId: &group,
		IpPermissions: []ec2.IpPermission{{IpProtocol: new("-1"), IpRanges: []ec2.IpRange{{CidrIp: new(everywhere)}}}}}); err != nil {
		return err
	}
	add := func(p []ec2.IpPermission) error {
		_, err := ask[ec2.AuthorizeSecurityGroupEgressOutput](ctx, w.p, "AuthorizeSecurityGroupEgress", &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: p})
		return err
	}
	if err := hostRules(n-1, add); err != nil {
		return err
	}
	return add([]ec2.IpPermission{{IpProtocol: new("tcp"), FromPort: new(int32(9000)), ToPort: new(int32(9000)), IpRanges: []ec2.IpRange{{CidrIp: new(to + "/32")}}}})
}
