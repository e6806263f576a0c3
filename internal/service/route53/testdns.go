package route53

import (
	"net/netip"
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// Masks of a client subnet when none is given (API Reference, TestDNSAnswer).
const (
	subnetBits4 = 24
	subnetBits6 = 56
)

// rcodeNames are the response codes as TestDNSAnswer writes them.
var rcodeNames = map[dnsview.Rcode]string{
	dnsview.Success: "NOERROR", dnsview.ServerFailure: "SERVFAIL", dnsview.NameError: "NXDOMAIN", dnsview.Refused: "REFUSED",
}

// TestDNSAnswer says what a name server of a public zone would answer to a
// resolver or a client subnet.
func (s *Service) TestDNSAnswer(r state.Reader, c authz.Caller, in *api.TestDNSAnswerInput) (*api.TestDNSAnswerOutput, error) {
	z, err := zoneOf(r, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	if z.Private {
		return nil, invalidInput("TestDNSAnswer supports public hosted zones only.")
	}
	name, err := dnsview.ParseEscaped(*in.RecordName)
	if err != nil {
		return nil, invalidInput("%s", err.Error())
	}
	client, err := clientOf(in)
	if err != nil {
		return nil, err
	}
	code, _ := dnsview.TypeOf(*in.RecordType)
	q := dnsview.Question{Name: name, Type: code}
	ans := dnsview.PublicAnswer(r, z, q, dnsview.ClientPlace(r, client), s.cfg.Draw())
	out := &api.TestDNSAnswerOutput{
		Nameserver: &z.NameServers[0], RecordName: new(name.Escaped()), RecordType: in.RecordType,
		RecordData: []string{}, ResponseCode: new(rcodeNames[ans.Rcode]), Protocol: new("UDP"),
	}
	for _, rec := range ans.Answer {
		out.RecordData = append(out.RecordData, rec.Value())
	}
	return out, nil
}

// clientOf is the client subnet, or else the resolver, that a test stands for.
func clientOf(in *api.TestDNSAnswerInput) (netip.Prefix, error) {
	given, mask := in.EDNS0ClientSubnetIP, in.EDNS0ClientSubnetMask
	if mask != nil && given == nil {
		return netip.Prefix{}, invalidInput("EDNS0ClientSubnetMask was given without EDNS0ClientSubnetIP.")
	}
	subnet := given != nil
	if !subnet {
		given = in.ResolverIP
	}
	if given == nil {
		return netip.Prefix{}, nil
	}
	a, err := netip.ParseAddr(*given)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, invalidInput("%s is not a valid IP address.", awserr.Clip(*given))
	}
	bits := a.BitLen()
	if subnet {
		bits = subnetBits4
		if a.Is6() {
			bits = subnetBits6
		}
	}
	if mask != nil {
		if bits, err = strconv.Atoi(*mask); err != nil {
			bits = -1
		}
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return p, invalidInput("%s is not a valid mask of %s.", awserr.Clip(*mask), a)
	}
	return p, nil
}
