package route53

import (
	"net/netip"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// What a configuration that leaves it out has.
const (
	defaultInterval  = 30 // seconds
	defaultThreshold = 3
	httpPort         = 80
	httpsPort        = 443
	maxChildren      = 255 // Developer Guide, "Quotas"; the model says 256
)

// configure fills a row from a configuration, and with defaults what that leaves
// out; what is wrong with it is sound's to say.
func configure(h *state.HealthCheck, in *api.HealthCheckConfig) {
	h.Type = *in.Type
	if a, err := netip.ParseAddr(text(in.IPAddress)); err == nil {
		h.IP = a
	} else if in.IPAddress != nil && *in.IPAddress != "" {
		h.IP = netip.IPv4Unspecified() // no address, which sound refuses
	}
	h.Path, h.Domain, h.Search = text(in.ResourcePath), text(in.FullyQualifiedDomainName), text(in.SearchString)
	h.Inverted, h.Disabled, h.MeasureLatency = isTrue(in.Inverted), isTrue(in.Disabled), isTrue(in.MeasureLatency)
	h.HealthThreshold, h.Children, h.Regions, h.EnableSNI = in.HealthThreshold, in.ChildHealthChecks, in.Regions, in.EnableSNI
	if a := in.AlarmIdentifier; a != nil {
		h.AlarmRegion, h.AlarmName = text(a.Region), text(a.Name)
	}
	h.InsufficientData = text(in.InsufficientDataHealthStatus)
	if in.Port != nil {
		h.Port = *in.Port
	}
	if in.RequestInterval != nil {
		h.Interval = *in.RequestInterval
	}
	if in.FailureThreshold != nil {
		h.Threshold = *in.FailureThreshold
	}
	if h.Type == api.HealthCheckTypeCLOUDWATCHMETRIC && h.InsufficientData == "" {
		h.InsufficientData = api.InsufficientDataHealthStatusLastKnownStatus
	}
	if !endpointType(h.Type) {
		return
	}
	if h.Interval == 0 {
		h.Interval = defaultInterval
	}
	if h.Threshold == 0 {
		h.Threshold = defaultThreshold
	}
	secure := strings.HasPrefix(h.Type, "HTTPS")
	switch {
	case h.Port != 0:
	case secure:
		h.Port = httpsPort
	case h.Type != api.HealthCheckTypeTCP:
		h.Port = httpPort
	}
	if h.EnableSNI == nil {
		h.EnableSNI = new(secure)
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

// endpointType says whether checks of the type ask an endpoint.
func endpointType(t string) bool {
	return t == api.HealthCheckTypeTCP || strings.HasPrefix(t, "HTTP")
}

// checkConfig is the configuration of a row.
func checkConfig(h *state.HealthCheck) *api.HealthCheckConfig {
	out := &api.HealthCheckConfig{
		Type: &h.Type, ResourcePath: optional(h.Path), FullyQualifiedDomainName: optional(h.Domain), SearchString: optional(h.Search),
		Inverted: &h.Inverted, Disabled: &h.Disabled, HealthThreshold: h.HealthThreshold, ChildHealthChecks: h.Children, Regions: h.Regions,
	}
	if endpointType(h.Type) {
		out.RequestInterval, out.FailureThreshold, out.MeasureLatency, out.EnableSNI = &h.Interval, &h.Threshold, &h.MeasureLatency, h.EnableSNI
	}
	if h.AlarmName != "" {
		out.AlarmIdentifier = &api.AlarmIdentifier{Region: &h.AlarmRegion, Name: &h.AlarmName}
	}
	out.InsufficientDataHealthStatus = optional(h.InsufficientData)
	if h.IP.IsValid() {
		out.IPAddress = new(h.IP.String())
	}
	if h.Port != 0 {
		out.Port = &h.Port
	}
	return out
}

func checkOut(h *state.HealthCheck) *api.HealthCheck {
	return &api.HealthCheck{Id: &h.ID, CallerReference: &h.CallerReference, HealthCheckVersion: &h.Version, HealthCheckConfig: checkConfig(h)}
}

// sound says what is wrong with a health check (API Reference, HealthCheckConfig).
// Few of the texts are known from AWS.
func (s *Service) sound(r state.Reader, c authz.Caller, h *state.HealthCheck) error {
	alarm := h.Type == api.HealthCheckTypeCLOUDWATCHMETRIC
	switch {
	case !alarm && (h.AlarmName != "" || h.InsufficientData != ""):
		return invalidInput("Invalid parameter : Health checks of type %s must not have an alarm identifier or an insufficient data health status specified.", h.Type)
	case h.Type == api.HealthCheckTypeCALCULATED:
		return calculated(r, c, h)
	case alarm && (h.AlarmName == "" || h.AlarmRegion == ""):
		return invalidInput("Invalid parameter : CloudWatch metric health checks must have an alarm identifier specified.")
	case alarm && (ofEndpoint(h) || h.HealthThreshold != nil || len(h.Children) > 0):
		return invalidInput("Invalid parameter : CloudWatch metric health checks must not have parameters of an endpoint or of child health checks specified.")
	case alarm:
		return nil
	case !endpointType(h.Type):
		return invalidInput("Invalid parameter : Health checks of type %s are not offered here: there are no routing controls.", h.Type)
	}
	tcp, matching := h.Type == api.HealthCheckTypeTCP, strings.HasSuffix(h.Type, "_STR_MATCH")
	switch {
	case h.HealthThreshold != nil || len(h.Children) > 0:
		return invalidInput("Invalid parameter : Basic health checks must not have child health checks or a health threshold specified.")
	case !h.IP.IsValid() && h.Domain == "":
		return invalidInput("Invalid parameter : Basic health checks must have an IP address or a fully qualified domain name specified.")
	case h.IP.IsValid() && !reachable(h.IP):
		return invalidInput("Invalid parameter : The IP address must be a public address, not one of the local, private, nonroutable, or multicast ranges.")
	case h.Domain != "" && !isHost(h.Domain):
		return invalidInput("Invalid parameter : The fully qualified domain name %s is not valid.", awserr.Clip(h.Domain))
	case tcp && h.IP.IsValid() && h.Domain != "":
		return invalidInput("TCP health checks that have IP address must not have a fully qualified domain name specified.")
	case tcp && h.Port == 0:
		return invalidInput("Invalid parameter : TCP health checks must have a port specified.")
	case tcp && h.Path != "":
		return invalidInput("Invalid parameter : TCP health checks must not have a resource path specified.")
	case matching && h.Search == "":
		return invalidInput("Invalid parameter : Health checks of type %s must have a search string specified.", h.Type)
	case !matching && h.Search != "":
		return invalidInput("Invalid parameter : Health checks of type %s must not have a search string specified.", h.Type)
	case isTrue(h.EnableSNI) && !strings.HasPrefix(h.Type, "HTTPS"):
		return invalidInput("Invalid parameter : SNI can be enabled for health checks of the HTTPS types only.")
	case h.Interval != 10 && h.Interval != 30:
		return invalidInput("Invalid parameter : The request interval must be 10 or 30.")
	}
	return nil
}

// isHost says whether a name can be asked for, and sent in a Host header.
func isHost(name string) bool {
	_, err := dnsview.ParseName(name)
	return err == nil && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// reachable says whether checkers may ask an address.
func reachable(a netip.Addr) bool {
	return a.Zone() == "" && a.IsGlobalUnicast() && !a.IsPrivate() && !sharedRange.Contains(a)
}

// sharedRange is that of carriers' address translation (RFC 6598).
var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

// ofEndpoint says whether a check has parameters of an endpoint.
func ofEndpoint(h *state.HealthCheck) bool {
	return h.IP.IsValid() || h.Domain != "" || h.Port != 0 || h.Path != "" || h.Search != "" || h.Interval != 0 || h.Threshold != 0 || len(h.Regions) > 0
}

// calculated checks a health check that others add up to.
func calculated(r state.Reader, c authz.Caller, h *state.HealthCheck) error {
	switch {
	case ofEndpoint(h):
		return invalidInput("Invalid parameter : Calculated health checks must not have parameters of an endpoint specified.")
	case len(h.Children) > maxChildren:
		return invalidInput("Invalid parameter : A calculated health check can have at most %d child health checks.", maxChildren)
	case h.HealthThreshold == nil:
		return invalidInput("Invalid parameter : Calculated health checks must have a health threshold specified.")
	}
	for i, id := range h.Children {
		if slices.Contains(h.Children[:i], id) {
			return invalidInput("Invalid parameter : The child health check %s is given more than once.", awserr.Clip(id))
		}
		if _, ok := state.HealthChecks.Get(r, global(c).Key(id)); !ok {
			return invalidInput("Invalid parameter : The child health check %s does not exist.", awserr.Clip(id))
		}
		if leads(r, c, id, h.ID, map[string]bool{}) {
			return invalidInput("Invalid parameter : A calculated health check cannot be its own child.")
		}
	}
	return nil
}

// leads says whether the children of a check lead to another one.
func leads(r state.Reader, c authz.Caller, from, to string, seen map[string]bool) bool {
	if from == to || seen[from] {
		return from == to
	}
	seen[from] = true
	h, ok := state.HealthChecks.Get(r, global(c).Key(from))
	return ok && slices.ContainsFunc(h.Children, func(child string) bool { return leads(r, c, child, to, seen) })
}
