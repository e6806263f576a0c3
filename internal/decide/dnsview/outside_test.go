package dnsview

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

func TestPublicAddr(t *testing.T) {
	s, err := state.Open(state.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		for _, c := range []struct {
			region, id string
			names      bool
			public     string
		}{
			{"us-east-1", "1", true, "198.18.7.1"},
			{"eu-west-1", "2", true, "198.18.7.2"},
			{"eu-west-1", "3", false, "198.18.7.3"},
		} {
			scope := state.Scope{Account: "000000000000", Region: c.region}
			state.Vpcs.Put(tx, &state.Vpc{Meta: state.Meta{Key: scope.Key("vpc-" + c.id)}, EnableDnsSupport: true, EnableDnsHostnames: c.names})
			state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: scope.Key("eni-" + c.id)}, VpcID: "vpc-" + c.id,
				Addresses: []state.PrivateAddress{{Addr: netip.MustParseAddr("10.0.0.4"), Primary: true, PublicIP: netip.MustParseAddr(c.public)}}})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ec2-198-18-7-1.compute-1.amazonaws.com":         "198.18.7.1",
		"ec2-198-18-7-2.eu-west-1.compute.amazonaws.com": "198.18.7.2",
		"ec2-198-18-7-2.compute-1.amazonaws.com":         "", // another Region's
		"ec2-198-18-7-3.eu-west-1.compute.amazonaws.com": "", // its VPC gives no names
		"ec2-198-18-7-9.compute-1.amazonaws.com":         "", // nobody's
		"ec2-198-18-07-1.compute-1.amazonaws.com":        "",
		"ec2-198-18-7-1":             "",
		"ip-198-18-7-1.ec2.internal": "",
		"":                           "",
		"www.example.com":            "",
		"ec2-198-18-7-1.compute-1.amazonaws.com.evil.com": "",
	} {
		a, ok := PublicAddr(s.Snapshot(), name)
		if ok != (want != "") || ok && a.String() != want {
			t.Errorf("%s: %v, %v; want %q", name, a, ok, want)
		}
	}
}
