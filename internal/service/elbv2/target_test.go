package elbv2

import (
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

// health gives "state reason" of the targets asked for, or of all.
func (w *world) health(group string, list ...api.TargetDescription) (out []string) {
	w.Helper()
	for _, d := range call[api.DescribeTargetHealthOutput](w, &api.DescribeTargetHealthInput{TargetGroupArn: &group, Targets: list}).TargetHealthDescriptions {
		out = append(out, *d.Target.Id+" "+*d.TargetHealth.State+" "+val(d.TargetHealth.Reason))
	}
	return out
}

// find says that the node of a zone has found a target healthy.
func (w *world) find(balancer, group, target, zone string) {
	w.Helper()
	id := strings.SplitN(balancer, "loadbalancer/", 2)[1]
	w.write(func(tx *state.Tx) {
		for old := range state.Targets.By(tx, state.ByTargetGroup, strings.SplitN(group, "targetgroup/", 2)[1]) {
			if old.Target == target {
				t := *old
				t.Health = []state.TargetHealth{{BalancerID: id, Zone: zone, Healthy: true}}
				state.Targets.Put(tx, &t)
			}
		}
	})
}

func TestTargets(t *testing.T) {
	w := newWorld(t, nil)
	lb := *w.newBalancer().LoadBalancerArn
	group := w.newGroup()
	one := api.TargetDescription{Id: new(web)}
	register := func(list ...api.TargetDescription) *api.RegisterTargetsInput {
		return &api.RegisterTargetsInput{TargetGroupArn: &group, Targets: list}
	}
	w.ok(register(one, api.TargetDescription{Id: new(web2), Port: new(int32(8080))}, one), register(one))
	if got := w.health(group); len(got) != 2 || got[0] != web+" unused Target.NotInUse" {
		t.Errorf("%q", got)
	}
	l := w.newListener(lb, group, 80)
	if got := w.health(group); got[0] != web+" initial Elb.InitialHealthChecking" {
		t.Errorf("%q", got)
	}
	w.find(lb, group, web, "us-east-1a")
	if got := w.health(group, one, api.TargetDescription{Id: new(web2)}, api.TargetDescription{Id: new(web2), Port: new(int32(8080))}); got[0] != web+" healthy " ||
		got[1] != web2+" unused Target.NotRegistered" || got[2] != web2+" initial Elb.InitialHealthChecking" {
		t.Errorf("%q", got)
	}

	out := &api.DeregisterTargetsInput{TargetGroupArn: &group, Targets: []api.TargetDescription{one}}
	w.ok(out, out)
	if got := w.health(group, one); got[0] != web+" draining Target.DeregistrationInProgress" {
		t.Errorf("%q", got)
	}
	id := strings.SplitN(group, "targetgroup/", 2)[1] + " " + web + ":80"
	row, _ := state.Targets.Get(w.store.Snapshot(), w.caller.Scope.Key(id))
	if row.Drains.Sub(w.clock) != 300*time.Second {
		t.Errorf("drains until %v", row.Drains)
	}
	w.ok(register(one)) // it is back
	if got := w.health(group, one); got[0] != web+" initial Elb.InitialHealthChecking" {
		t.Errorf("%q", got)
	}
	w.ok(&api.ModifyTargetGroupAttributesInput{TargetGroupArn: &group, Attributes: []api.TargetGroupAttribute{{Key: new("deregistration_delay.timeout_seconds"), Value: new("0")}}}, out)
	if got := w.health(group, one); got[0] != web+" unused Target.NotRegistered" {
		t.Errorf("%q", got)
	}
	w.fails(&api.DeleteTargetGroupInput{TargetGroupArn: &group}, "ResourceInUse", "Target group '"+group+"' is currently in use by a listener or a rule")
	w.find(lb, group, web2, "us-east-1b")
	w.ok(&api.DeleteListenerInput{ListenerArn: &l})
	for row := range state.Targets.All(w.store.Snapshot()) {
		if len(row.Health) != 0 {
			t.Errorf("what was found out is still there: %+v", row)
		}
	}
	w.ok(&api.DeleteTargetGroupInput{TargetGroupArn: &group}, &api.DeleteTargetGroupInput{TargetGroupArn: &group})
	if n := state.Targets.Len(w.store.Snapshot()); n != 0 {
		t.Errorf("%d targets are left", n)
	}
}

// TestAddressTargets: addresses of the VPC bring their zone, others have to be given one.
func TestAddressTargets(t *testing.T) {
	w := newWorld(t, nil)
	group := w.newGroup(func(in *api.CreateTargetGroupInput) { in.TargetType = new("ip") })
	at := func(address, zone string) *api.RegisterTargetsInput {
		return &api.RegisterTargetsInput{TargetGroupArn: &group, Targets: []api.TargetDescription{{Id: &address, AvailabilityZone: opt(zone)}}}
	}
	w.ok(at("10.0.1.20", ""), at("10.0.2.20", "us-east-1b"), at("10.9.0.1", "all"), at("192.168.1.1", "us-east-1c"))
	zones := map[string]string{}
	for _, d := range call[api.DescribeTargetHealthOutput](w, &api.DescribeTargetHealthInput{TargetGroupArn: &group}).TargetHealthDescriptions {
		zones[*d.Target.Id] = *d.Target.AvailabilityZone
	}
	if len(zones) != 4 || zones["10.0.1.20"] != "us-east-1a" || zones["10.9.0.1"] != "all" || zones["192.168.1.1"] != "us-east-1c" {
		t.Errorf("%v", zones)
	}
	w.fails(at("10.0.1.20", "all"), "ValidationError", "The IP address '10.0.1.20' is within the VPC, and cannot have its Availability Zone overridden to 'all' from 'us-east-1a'")
	w.fails(at("10.9.0.1", ""), "ValidationError", "The Availability Zone is required for IP address '10.9.0.1' because it is not in the VPC")
	w.fails(at("10.9.0.1", "mars-1a"), "ValidationError", "valid Availability Zone or select 'all'")
	w.fails(at("8.8.8.8", "all"), "ValidationError", "'8.8.8.8'")
	w.fails(at("8.8.8", "all"), "ValidationError", "The IP address '8.8.8' is not a valid IPv4 address")
	w.fails(at("fd00::1", "all"), "ValidationError", "is not a valid IPv4 address")
	w.fails(at(web, ""), "ValidationError", "is not a valid IPv4 address")
}

func TestTargetsRefused(t *testing.T) {
	w := newWorld(t, map[string]int{"targets-per-target-group": 2, "targets-per-network-load-balancer": quota.Unlimited, "targets-per-zone-of-network-load-balancer": 1})
	group := w.newGroup()
	with := func(list ...api.TargetDescription) *api.RegisterTargetsInput {
		return &api.RegisterTargetsInput{TargetGroupArn: &group, Targets: list}
	}
	id := func(id string) api.TargetDescription { return api.TargetDescription{Id: &id} }
	port := func(id string, n int32) api.TargetDescription { return api.TargetDescription{Id: &id, Port: &n} }
	w.fails(with(), "ValidationError", "At least one target must be specified")
	w.fails(with(id("web")), "ValidationError", "Instance ID 'web' is not valid")
	w.fails(with(id(web), id("i-00000000000000099")), "InvalidTarget", "Instance ID 'i-00000000000000099' is not valid")
	w.fails(with(id(web), id(off)), "InvalidTarget", "The following targets are not in a running state and cannot be registered: '"+off+"'")
	w.fails(with(id(web), id(elsewhere)), "InvalidTarget", "The following targets are not in the target group VPC '"+vpc+"': '"+elsewhere+"'")
	w.fails(with(api.TargetDescription{Id: new(web), AvailabilityZone: new("all")}), "ValidationError", "cannot be overridden")
	w.fails(with(api.TargetDescription{Id: new(web), QuicServerId: new("1")}), "ValidationError", "QUIC")
	w.fails(with(port(web, 1), port(web, 2), port(web, 3)), "TooManyTargets", "'2'")
	w.fails(&api.RegisterTargetsInput{TargetGroupArn: new(group + "0"), Targets: []api.TargetDescription{id(web)}}, "TargetGroupNotFound", "not found")
	w.fails(&api.RegisterTargetsInput{TargetGroupArn: new("arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1"), Targets: []api.TargetDescription{id(web)}}, "ValidationError", "is not a valid target group ARN")
	w.fails(&api.DeregisterTargetsInput{TargetGroupArn: &group}, "ValidationError", "At least one target")
	w.fails(&api.DescribeTargetHealthInput{TargetGroupArn: &group, Targets: []api.TargetDescription{id("web")}}, "ValidationError", "Instance ID 'web' is not valid")

	w.ok(with(port(web, 1), port(web, 2)))
	w.fails(listener(*w.newBalancer().LoadBalancerArn, group, 80), "TooManyTargets", "Availability Zone")
}

// TestNoPackets: where nothing is checked a target is healthy as soon as it is used.
func TestNoPackets(t *testing.T) {
	w := newWorld(t, nil)
	for _, a := range New(Config{NoPackets: true}).Actions() {
		w.actions[a.Name] = a
	}
	group := w.newGroup()
	w.ok(&api.RegisterTargetsInput{TargetGroupArn: &group, Targets: []api.TargetDescription{{Id: new(web)}}})
	if got := w.health(group); got[0] != web+" unused Target.NotInUse" {
		t.Errorf("%q", got)
	}
	w.newListener(*w.newBalancer().LoadBalancerArn, group, 80)
	if got := w.health(group); got[0] != web+" healthy " {
		t.Errorf("%q", got)
	}
}
