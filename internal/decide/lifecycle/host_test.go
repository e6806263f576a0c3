package lifecycle

import (
	"context"
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

func TestAddHost(t *testing.T) {
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader, DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	add := func(name, addr string) (h *state.Host, err error) {
		var a netip.Addr
		if addr != "" {
			a = netip.MustParseAddr(addr)
		}
		_, err = s.Write(context.Background(), func(tx *state.Tx) (err error) {
			h, err = AddHost(tx, name, a)
			return err
		})
		return h, err
	}
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		state.Vpcs.Put(tx, &state.Vpc{Meta: state.Meta{Key: state.Key{Account: "000000000000", Region: "us-east-1", ID: "vpc-1"}},
			Cidrs: []state.CidrAssociation{{Cidr: netip.MustParsePrefix("198.19.0.0/16")}}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	h, err := add("web", "")
	if err != nil || !publicip.Contains(s.Snapshot(), h.Addr) || h.Boots == 0 || h.Running || len(h.MAC) != 17 {
		t.Fatalf("%+v, %v", h, err)
	}
	if h, err := add("far", "8.8.8.8"); err != nil || h.Addr.String() != "8.8.8.8" {
		t.Errorf("%+v, %v", h, err)
	}
	for _, tt := range []struct{ name, addr, why string }{
		{"web", "", "already"},
		{"", "", "is not a name"},
		{"Web", "", "is not a name"},
		{"9web", "", "is not a name"},
		{"web-", "", "is not a name"},
		{"-web", "", "is not a name"},
		{"a.b", "", "is not a name"},
		{"../x", "", "is not a name"},
		{strings.Repeat("a", 33), "", "is not a name"},
		{"i-web", "", "instance's id"},
		{"localhost", "", "localhost"},
		{"a", "10.1.2.3", "RFC 1918"},
		{"a", "172.31.0.9", "RFC 1918"},
		{"a", "192.168.0.9", "RFC 1918"},
		{"a", "127.0.0.2", "loopback"},
		{"a", "169.254.169.254", "link-local"},
		{"a", "224.0.0.1", "multicast"},
		{"a", "255.255.255.255", "reserved"},
		{"a", "0.0.0.0", "this network"},
		{"a", "2001:db8::1", "IPv6"},
		{"a", "198.19.3.4", "vpc-1"},
		{"a", "198.18.0.1", "taken"}, // the simulated internet's own
		{"a", "8.8.8.8", "taken"},
	} {
		before := s.Snapshot().Index
		if _, err := add(tt.name, tt.addr); err == nil || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%q %s: %v, want %q", tt.name, tt.addr, err, tt.why)
		}
		if s.Snapshot().Index != before {
			t.Errorf("%q %s changed the state", tt.name, tt.addr)
		}
	}
}

// TestHostFacts: late facts change nothing.
func TestHostFacts(t *testing.T) {
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader, DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	row := func() state.Host {
		h, ok := state.Hosts.Get(s.Snapshot(), HostKey(Internet))
		if !ok {
			t.Fatal("there is no host")
		}
		return *h
	}
	step := func(fn func(tx *state.Tx) error) {
		t.Helper()
		if _, err := s.Write(context.Background(), fn); err != nil {
			t.Fatal(err)
		}
	}
	step(func(tx *state.Tx) error { _, err := WakeHost(tx, Internet); return err }) // made at first use
	key := HostKey(Internet)
	first := row().Boots
	step(func(tx *state.Tx) error { return HostStarted(tx, key, first+7) })
	if h := row(); h.Running {
		t.Errorf("started by another boot: %+v", h)
	}
	step(func(tx *state.Tx) error { return HostStarted(tx, key, first) })
	step(func(tx *state.Tx) error { return HostExited(tx, key, first, Restart) })
	if h := row(); h.Running || h.Boots != first+1 || h.Ended != "" {
		t.Errorf("rebooted: %+v", h)
	}
	step(func(tx *state.Tx) error { return HostFailed(tx, key, first+1, "no room") })
	step(func(tx *state.Tx) error { return HostExited(tx, key, first+1, PowerOff) })
	if h := row(); h.Running || h.Ended != "it did not start: no room" {
		t.Errorf("failed: %+v", h)
	}
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error { _, err := WakeHost(tx, "web"); return err }); err == nil {
		t.Error("a host that is not there was woken")
	}
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error { return RemoveHost(tx, "web") }); err == nil {
		t.Error("a host that is not there was removed")
	}
	for _, bad := range []string{"10.0.0.0/16", "198.18.0.0/15,127.0.0.0/8", "172.0.0.0/8", "224.0.1.0/24", "169.254.0.0/16", "100.64.0.0/12"} {
		if _, err := publicip.Parse(bad); err == nil || !strings.Contains(err.Error(), "cannot hold public addresses") {
			t.Errorf("pool %s: %v", bad, err)
		}
	}
}
