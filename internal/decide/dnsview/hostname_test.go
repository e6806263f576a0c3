package dnsview

import (
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/state"
)

func TestNamesOfAddresses(t *testing.T) {
	private, public := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("203.0.113.25")
	for _, c := range []struct{ name, got, want string }{
		{"private", PrivateName("us-east-1", private), "ip-10-0-0-5.ec2.internal"},
		{"private elsewhere", PrivateName("ap-northeast-2", private), "ip-10-0-0-5.ap-northeast-2.compute.internal"},
		{"resource", ResourceName("us-east-1", testInstance), testInstance + ".ec2.internal"},
		{"resource elsewhere", ResourceName("eu-west-1", testInstance), testInstance + ".eu-west-1.compute.internal"},
		{"public", PublicName("us-east-1", public), "ec2-203-0-113-25.compute-1.amazonaws.com"},
		{"public elsewhere", PublicName("eu-west-1", public), "ec2-203-0-113-25.eu-west-1.compute.amazonaws.com"},
		{"public in China", PublicName("cn-north-1", public), "ec2-203-0-113-25.cn-north-1.compute.amazonaws.com.cn"},
		{"of an instance", InstancePrivateName("us-east-1", HostnameIP, testInstance, private), "ip-10-0-0-5.ec2.internal"},
		{"of an instance by resource", InstancePrivateName("us-east-1", HostnameResource, testInstance, private), testInstance + ".ec2.internal"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, c.got, c.want)
		}
	}
}

func TestHostname(t *testing.T) {
	for _, c := range []struct {
		name      string
		edit      func(*world)
		local, os string
	}{
		{"default options", func(*world) {}, "ip-10-0-0-5.ec2.internal", "ip-10-0-0-5.ec2.internal"},
		{"no options", func(w *world) { w.vpc.DhcpOptionsID = "default" }, "ip-10-0-0-5.ec2.internal", "ip-10-0-0-5.ec2.internal"},
		{"own domains", func(w *world) { w.options.Options[0].Values = []string{"a.example b.example"} }, "ip-10-0-0-5.a.example b.example", "ip-10-0-0-5.a.example"},
		{"no domain", func(w *world) { w.options.Options = w.options.Options[1:] }, "ip-10-0-0-5.ec2.internal", "ip-10-0-0-5.ec2.internal"},
		{"resource name", func(w *world) { w.instance.HostnameType = HostnameResource }, testInstance + ".ec2.internal", testInstance + ".ec2.internal"},
	} {
		w := newWorld("us-east-1")
		c.edit(w)
		snap := w.snapshot(t)
		if got := LocalHostname(snap, w.instance, w.instance.PrivateIP); got != c.local {
			t.Errorf("%s: local-hostname %q, want %q", c.name, got, c.local)
		}
		if got := Hostname(snap, w.instance); got != c.os {
			t.Errorf("%s: hostname %q, want %q", c.name, got, c.os)
		}
	}
}

func TestResolvConf(t *testing.T) {
	options := func(o ...state.DhcpOption) func(*world) { return func(w *world) { w.options.Options = o } }
	for _, c := range []struct {
		name string
		edit func(*world)
		want string
	}{
		{"default options", func(*world) {}, "search ec2.internal\nnameserver 10.0.0.2\n"},
		{"no options", func(w *world) { w.vpc.DhcpOptionsID = "default" }, ""},
		{"a set that is gone", func(w *world) { w.vpc.DhcpOptionsID = "dopt-2" }, ""},
		{"own servers", options(state.DhcpOption{Key: "domain-name-servers", Values: []string{"10.0.0.9", "2001:db8::1", AmazonProvidedDNS}}),
			"nameserver 10.0.0.9\nnameserver 2001:db8::1\nnameserver 10.0.0.2\n"},
		{"several domains", options(state.DhcpOption{Key: "domain-name", Values: []string{"a.example b.example."}}), "search a.example b.example\n"},
		{"not domains", options(state.DhcpOption{Key: "domain-name", Values: []string{"a..b .", "x\nnameserver 6.6.6.6"}}), "search x nameserver 6.6.6.6\n"},
		{"not an address", options(state.DhcpOption{Key: "domain-name-servers", Values: []string{"6.6.6.6\noptions rotate"}}), ""},
	} {
		w := newWorld("us-east-1")
		c.edit(w)
		if got := ResolvConf(w.snapshot(t), w.vpc.Key); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got := ResolvConf(newWorld("us-east-1").snapshot(t), state.Key{}); got != "" {
		t.Errorf("no VPC: %q", got)
	}
}
