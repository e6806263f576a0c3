package elbv2

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

// TestRandom asks every action for anything, of what there is and of nonsense: each
// answers, or is refused with an error of AWS's and nothing changed; and what stands
// twice agrees.
func TestRandom(t *testing.T) {
	w := newWorld(t, nil)
	lb := *w.newBalancer(func(in *api.CreateLoadBalancerInput) { in.SecurityGroups = []string{group} }).LoadBalancerArn
	tcp := w.newGroup()
	l := w.newListener(lb, tcp, 80)
	// What members take, by a part of their name: half of the time what fits.
	hints := []struct {
		part  string
		texts func() []string
	}{
		{"LoadBalancerArn", func() []string { return arns(w, balancerKind) }}, {"TargetGroupArn", func() []string { return arns(w, groupKind) }}, {"ListenerArn", func() []string { return arns(w, listenerKind) }},
		{"Subnet", func() []string { return []string{subA, subB, subC, subA2} }}, {"SecurityGroups", func() []string { return []string{group, group2} }}, {"VpcId", func() []string { return []string{vpc} }},
		{"HealthCheckProtocol", func() []string { return []string{"TCP", "HTTP"} }}, {"Protocol", func() []string { return []string{"TCP", "UDP", "TCP_UDP"} }}, {"TargetType", func() []string { return []string{"instance", "ip"} }},
		{"Type", func() []string { return []string{"network", "forward"} }}, {"Scheme", func() []string { return []string{"internal", "internet-facing"} }},
		{"Name", func() []string { return []string{"front", "web", "other", "a", "b", "c"} }}, {"AllocationId", func() []string { return []string{eip, eip2} }}, {"Id", func() []string { return []string{web, web2, "10.0.1.99", "10.0.2.98"} }},
	}
	pick := func(random *rand.Rand, name string) string {
		if random.IntN(8) > 0 {
			for _, h := range hints {
				if list := h.texts(); strings.Contains(name, h.part) && len(list) > 0 {
					return list[random.IntN(len(list))]
				}
			}
		}
		texts := []string{lb, tcp, l, lb + "/x", "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/net/front/1/2/3",
			vpc2, subOther, groupElse, off, elsewhere, "10.9.9.9", "8.8.8.8", "all", "us-east-1a", "HTTP", "TLS", "redirect", "traffic-port", "80", "/", "200", "true", "false", "60", "off", "1",
			"load_balancing.cross_zone.enabled", "deletion_protection.enabled", "deregistration_delay.timeout_seconds", "tcp.idle_timeout.seconds", "dualstack", "", "\x00", "é"}
		return texts[random.IntN(len(texts))]
	}
	random := rand.New(rand.NewPCG(3, 4))
	var names []string
	for name := range w.actions {
		names = append(names, name)
		for range map[string]int{"Create": 5, "Regist": 5}[name[:6]] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	codes := map[string]int{}
	for range 20000 {
		name := names[random.IntN(len(names))]
		in := reflect.New(w.actions[name].In)
		fill(random, in.Elem(), name, pick)
		_, err := w.do(name, in.Interface())
		if e, ok := awserr.As(err); err != nil && (!ok || e.Status >= 500) {
			t.Fatalf("%s %+v: %v", name, in.Interface(), err)
		} else if err != nil {
			codes[e.Code]++
		} else {
			codes[""]++
		}
	}
	if codes[""] < 2000 || len(codes) < 20 {
		t.Errorf("answers by their code: %v", codes)
	}
	r := w.store.Snapshot()
	nodes := map[string]bool{}
	for b := range state.LoadBalancers.All(r) {
		zones := map[string]bool{}
		for _, n := range b.Nodes {
			eni, ok := state.NetworkInterfaces.Get(r, b.Scope().Key(n.InterfaceID))
			if !ok || eni.SubnetID != n.SubnetID || eni.Addresses[0].Addr != n.PrivateIP || eni.Addresses[0].PublicIP != n.PublicIP || eni.Addresses[0].AllocationID != n.AllocationID || !sameSet(eni.Groups, b.Groups) || zones[n.Zone] {
				t.Errorf("%+v of %s has the interface %+v", n, b.ID, eni)
			}
			nodes[n.InterfaceID], zones[n.Zone] = true, true
		}
	}
	for n := range state.NetworkInterfaces.All(r) {
		if n.RequesterManaged != nodes[n.ID] {
			t.Errorf("%s belongs to no balancer", n.ID)
		}
	}
	for l := range state.Listeners.All(r) {
		_, of := state.LoadBalancers.Get(r, l.Scope().Key(l.BalancerID))
		if _, to := state.TargetGroups.Get(r, l.Scope().Key(l.TargetsID)); !of || !to {
			t.Errorf("%s has lost what it belongs to", l.ID)
		}
	}
	for target := range state.Targets.All(r) {
		if _, ok := state.TargetGroups.Get(r, target.Scope().Key(target.GroupID)); !ok {
			t.Errorf("%s has lost its group", target.ID)
		}
	}
}

func arns[T any](w *world, k kind[T]) (list []string) {
	for row := range k.table.In(w.store.Snapshot(), w.caller.Scope) {
		list = append(list, k.arn(row))
	}
	return list
}

// fill sets members at random as the decoder may leave them: what is required is there.
func fill(random *rand.Rand, v reflect.Value, name string, pick func(*rand.Rand, string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(random, v.Elem(), name, pick)
	case reflect.Slice:
		list := reflect.MakeSlice(v.Type(), random.IntN(3), 3)
		for i := range list.Len() {
			fill(random, list.Index(i), name, pick)
		}
		v.Set(list)
	case reflect.Struct:
		// Some are asked for little, others for much.
		rarely := 1 + random.IntN(8)
		for i := range v.NumField() {
			f := v.Type().Field(i)
			basic := slices.Contains([]string{"Type", "Protocol", "Port", "VpcId", "Subnets", "Value"}, f.Name) && random.IntN(10) > 0
			if random.IntN(rarely+1) == 0 && random.IntN(2) == 0 || basic || strings.Contains(f.Tag.Get("aws"), "required") {
				fill(random, v.Field(i), f.Name, pick)
			}
		}
	case reflect.String:
		v.SetString(pick(random, name))
	case reflect.Bool:
		v.SetBool(random.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt([]int64{1, 2, 5, 10, 53, 80, 81, 400, 65535, 1 << 20}[random.IntN(10)])
	}
}
