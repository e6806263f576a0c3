package cidr

import (
	"net/netip"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"as it is", "10.0.0.0/16", "10.0.0.0/16"},
		{"host bits are cleared", "100.68.0.18/18", "100.68.0.0/18"},
		{"IPv6", "2600:1f13::1/56", "2600:1f13::/56"},
		{"no length", "10.0.0.0", ""},
		{"too long", "10.0.0.0/33", ""},
		{"leading zero", "10.0.0.01/16", ""},
		{"leading zero in the length", "10.0.0.0/016", ""},
		{"space", " 10.0.0.0/16", ""},
		{"three parts", "10.0.0/16", ""},
		{"IPv4 in IPv6", "::ffff:10.0.0.0/112", ""},
		{"zone", "fe80::1%eth0/64", ""},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse(c.in)
			if (err == nil) != (c.want != "") || err == nil && p.String() != c.want {
				t.Errorf("Parse(%q) = %v, %v; want %q", c.in, p, err, c.want)
			}
		})
	}
}

func TestAllowedForVpc(t *testing.T) {
	for _, c := range []struct {
		in   string
		want bool
	}{
		{"10.0.0.0/16", true}, {"10.0.0.0/28", true}, {"10.0.0.0/15", false}, {"10.0.0.0/29", false},
		{"54.0.0.0/16", true}, {"127.0.0.0/16", false}, {"169.254.0.0/20", false}, {"224.0.0.0/24", false},
		{"0.0.0.0/16", false}, {"2600::/20", false},
	} {
		if got := AllowedForVpc(netip.MustParsePrefix(c.in)); got != c.want {
			t.Errorf("AllowedForVpc(%s) = %v", c.in, got)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		outer, inner string
		want         bool
	}{
		{"10.0.0.0/16", "10.0.255.0/24", true}, {"10.0.0.0/16", "10.0.0.0/16", true}, {"10.0.0.0/16", "10.0.0.0/15", false},
		{"10.0.0.0/16", "10.1.0.0/24", false}, {"10.0.0.0/16", "2600::/56", false},
	} {
		if got := Within(netip.MustParsePrefix(c.outer), netip.MustParsePrefix(c.inner)); got != c.want {
			t.Errorf("Within(%s, %s) = %v", c.outer, c.inner, got)
		}
	}
}

func TestUsable(t *testing.T) {
	for in, want := range map[string]int{"10.0.0.0/28": 11, "10.0.0.0/24": 251, "10.0.0.0/16": 65531} {
		if got := Usable(netip.MustParsePrefix(in)); got != want {
			t.Errorf("Usable(%s) = %d, want %d", in, got, want)
		}
	}
}

func TestMayJoin(t *testing.T) {
	for _, c := range []struct {
		primary, block string
		want           bool
	}{
		{"10.0.0.0/16", "10.1.0.0/16", true}, {"10.0.0.0/16", "100.64.0.0/16", true}, {"10.0.0.0/16", "54.0.0.0/16", true},
		{"10.1.0.0/16", "10.0.0.0/20", false}, {"10.2.0.0/16", "10.0.0.0/16", true}, {"10.0.0.0/16", "192.168.0.0/16", false}, {"10.0.0.0/16", "172.20.0.0/16", false}, {"10.0.0.0/16", "198.19.0.0/24", false},
		{"172.20.0.0/16", "172.21.0.0/16", true}, {"172.20.0.0/16", "172.31.0.0/16", false}, {"172.20.0.0/16", "10.0.0.0/16", false},
		{"192.168.0.0/24", "192.168.1.0/24", true}, {"192.168.0.0/24", "172.20.0.0/16", false},
		{"100.64.0.0/16", "100.65.0.0/16", true}, {"100.64.0.0/16", "10.0.0.0/16", false},
	} {
		if got := MayJoin(netip.MustParsePrefix(c.primary), netip.MustParsePrefix(c.block)); got != c.want {
			t.Errorf("MayJoin(%s, %s) = %v", c.primary, c.block, got)
		}
	}
}
