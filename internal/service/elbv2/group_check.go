package elbv2

import (
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// trafficPort is the check's port when it is that of the target.
const trafficPort = "traffic-port"

// asked is what a request says of a group's health checks; nil: nothing.
type asked struct {
	protocol, port, path                  *string
	enabled                               *bool
	interval, timeout, healthy, unhealthy *int32
	matcher                               *api.Matcher
}

// defaultCheck has AWS's defaults of network load balancers (NLB User Guide, "Health
// checks for Network Load Balancer target groups").
func defaultCheck(protocol string) state.TargetCheck {
	k := state.TargetCheck{Protocol: api.ProtocolEnumTCP, Interval: 30, Timeout: 10, Healthy: 5, Unhealthy: 2}
	if overHTTP(protocol) {
		k.Protocol, k.Path, k.Matcher = protocol, "/", "200-399"
		if protocol == api.ProtocolEnumHTTP {
			k.Timeout = 6
		}
	}
	return k
}

func overHTTP(protocol string) bool {
	return protocol == api.ProtocolEnumHTTP || protocol == api.ProtocolEnumHTTPS
}

// checkOf applies what is asked to a check; bounds of numbers are the decoder's.
func checkOf(k state.TargetCheck, in asked) (state.TargetCheck, error) {
	if in.enabled != nil && !*in.enabled {
		return k, invalid("Health check enabled must be true for target groups with target type 'instance' or 'ip'")
	}
	if in.protocol != nil {
		if !slices.Contains([]string{api.ProtocolEnumTCP, api.ProtocolEnumHTTP, api.ProtocolEnumHTTPS}, *in.protocol) {
			return k, invalid("Health check protocol '%s' must be one of 'HTTPS, HTTP, TCP'", *in.protocol)
		}
		if k.Protocol != *in.protocol { // what depends on the protocol begins anew
			fresh := defaultCheck(*in.protocol)
			k.Protocol, k.Path, k.Matcher = fresh.Protocol, fresh.Path, fresh.Matcher
		}
	}
	if in.port != nil {
		switch n, err := strconv.Atoi(*in.port); {
		case *in.port == trafficPort:
			k.Port = 0
		case err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != *in.port:
			return k, invalid("Health check port '%s' must be '%s' or in between '1' and '65535' inclusive", awserr.Clip(*in.port), trafficPort)
		default:
			k.Port = int32(n)
		}
	}
	if in.path != nil {
		if !overHTTP(k.Protocol) {
			return k, awserr.New(api.ErrInvalidConfigurationRequest, "Health check paths are not supported for TCP health checks")
		}
		if !strings.HasPrefix(*in.path, "/") || strings.ContainsFunc(*in.path, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return k, invalid("Health check path '%s' must begin with a '/' and have no blanks", awserr.Clip(*in.path))
		}
		k.Path = *in.path
	}
	if in.matcher != nil {
		switch code := val(in.matcher.HttpCode); {
		case in.matcher.GrpcCode != nil:
			return k, invalid("Health check matchers of gRPC codes are not supported for %s health checks", k.Protocol)
		case code == "":
		case !overHTTP(k.Protocol):
			return k, awserr.New(api.ErrInvalidConfigurationRequest, "Health check matchers are not supported for TCP health checks")
		case !matches(code):
			return k, invalid("Health check matcher HTTP code '%s' must be within '200-599' inclusive", awserr.Clip(code))
		default:
			k.Matcher = code
		}
	}
	for _, n := range []struct {
		to   *int32
		from *int32
	}{{&k.Interval, in.interval}, {&k.Timeout, in.timeout}, {&k.Healthy, in.healthy}, {&k.Unhealthy, in.unhealthy}} {
		if n.from != nil {
			*n.to = *n.from
		}
	}
	if k.Timeout > k.Interval {
		return k, invalid("Health check timeout '%d' must be smaller than or equal to the interval '%d'", k.Timeout, k.Interval)
	}
	return k, nil
}

// matches says whether a text is codes and ranges of them, "200,300-399".
func matches(text string) bool {
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil || from < 200 || len(low) != 3 {
			return false
		}
		if to, err := strconv.Atoi(high); err != nil || to < from || to > 599 {
			return false
		}
	}
	return true
}

func checkPort(k state.TargetCheck) string {
	if k.Port == 0 {
		return trafficPort
	}
	return strconv.Itoa(int(k.Port))
}

// ModifyTargetGroup changes how the targets of a group are checked.
func (s *Service) ModifyTargetGroup(tx *state.Tx, c authz.Caller, in *api.ModifyTargetGroupInput) (*api.ModifyTargetGroupOutput, error) {
	old, err := groupKind.find(tx, c, *in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	g := *old
	if g.Check, err = checkOf(old.Check, asked{in.HealthCheckProtocol, in.HealthCheckPort, in.HealthCheckPath, in.HealthCheckEnabled,
		in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds, in.HealthyThresholdCount, in.UnhealthyThresholdCount, in.Matcher}); err != nil {
		return nil, err
	}
	state.TargetGroups.Put(tx, &g)
	return &api.ModifyTargetGroupOutput{TargetGroups: []api.TargetGroup{apiGroup(tx, &g)}}, nil
}
