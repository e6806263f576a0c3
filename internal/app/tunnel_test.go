package app

import (
	"context"
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/front/tunnel"
	"github.com/localvpc/localvpc/internal/state"
)

// TestLookup: names as the simulated internet sees them, and nothing of the host's.
func TestLookup(t *testing.T) {
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	scope := state.Scope{Account: "000000000000", Region: "us-east-1"}
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		state.Vpcs.Put(tx, &state.Vpc{Meta: state.Meta{Key: scope.Key("vpc-1")}, EnableDnsSupport: true, EnableDnsHostnames: true})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: scope.Key("eni-1")}, VpcID: "vpc-1",
			Addresses: []state.PrivateAddress{{Addr: netip.MustParseAddr("10.0.0.4"), Primary: true, PublicIP: netip.MustParseAddr("198.18.7.7")}}})
		_, err := lifecycle.AddHost(tx, "office", netip.MustParseAddr("203.0.113.10"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"203.0.113.10":                           "203.0.113.10",
		"::ffff:203.0.113.10":                    "203.0.113.10",
		"10.0.0.4":                               "10.0.0.4", // nobody's out there, which the packets find out
		"office":                                 "203.0.113.10",
		"OFFICE.":                                "203.0.113.10",
		"ec2-198-18-7-7.compute-1.amazonaws.com": "198.18.7.7",
		"EC2-198-18-7-7.Compute-1.amazonaws.com.": "198.18.7.7",
	} {
		if a, err := lookup(s.Snapshot(), name); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v; want %s", name, a, err, want)
		}
	}
	for name, code := range map[string]string{
		"localhost":                  tunnel.NotFound,
		"internet":                   tunnel.NotFound, // until it is used
		"ip-10-0-0-4.ec2.internal":   tunnel.NotFound,
		"www.example.com":            tunnel.NotFound,
		"":                           tunnel.NotFound,
		".":                          tunnel.NotFound,
		"2001:db8::1":                tunnel.Unreachable,
		"fe80::1%eth0":               tunnel.Unreachable,
		string(make([]byte, 100000)): tunnel.NotFound,
	} {
		if a, err := lookup(s.Snapshot(), name); !awserr.Is(err, code) || len(err.Error()) > 1000 {
			t.Errorf("%.20q: %v, %.200v; want %s", name, a, err, code)
		}
	}
}
