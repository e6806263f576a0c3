package elbv2

import (
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

// limits are the names that DescribeAccountLimits has for quotas (ELBv2 API
// Reference, Limit).
var limits = []struct{ name, quota string }{
	{"listeners-per-network-load-balancer", "listeners-per-network-load-balancer"},
	{"network-load-balancers", "network-load-balancers-per-region"},
	{"target-groups", "target-groups-per-region"},
	{"targets-per-availability-zone-per-network-load-balancer", "targets-per-zone-of-network-load-balancer"},
	{"targets-per-network-load-balancer", "targets-per-network-load-balancer"},
}

// DescribeAccountLimits gives the quotas in force; one that is switched off is left
// out.
func (s *Service) DescribeAccountLimits(r state.Reader, c authz.Caller, in *api.DescribeAccountLimitsInput) (*api.DescribeAccountLimitsOutput, error) {
	list := []api.Limit{{Name: ptr("target-groups-per-action-on-network-load-balancer"), Max: ptr("1")}}
	for _, l := range limits {
		if _, limit := s.limit(r, c, l.quota); limit != quota.Unlimited {
			list = append(list, api.Limit{Name: ptr(l.name), Max: ptr(strconv.Itoa(limit))})
		}
	}
	list, next, err := page(list, func(l api.Limit) string { return *l.Name }, in.Marker, in.PageSize)
	return &api.DescribeAccountLimitsOutput{Limits: list, NextMarker: next}, err
}

// policies are security policies for TLS, which listeners here cannot use yet (NLB
// User Guide, "Security policies for your Network Load Balancer").
var policies = []struct {
	name      string
	protocols []string
	ciphers   []string
}{
	{"ELBSecurityPolicy-2016-08", []string{"TLSv1", "TLSv1.1", "TLSv1.2"}, append(append([]string{}, forward...), static...)},
	{"ELBSecurityPolicy-TLS13-1-2-2021-06", []string{"TLSv1.2", "TLSv1.3"}, append(append([]string{}, modern...), forward[:6]...)},
	{"ELBSecurityPolicy-TLS13-1-2-Res-2021-06", []string{"TLSv1.2", "TLSv1.3"}, append(append([]string{}, modern...), forward[:2]...)},
	{"ELBSecurityPolicy-TLS13-1-3-2021-06", []string{"TLSv1.3"}, modern},
}

var (
	modern  = []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
	forward = []string{
		"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256",
		"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384",
		"ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA",
	}
	static = []string{"AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "AES256-GCM-SHA384", "AES256-SHA256", "AES256-SHA"}
)

// DescribeSSLPolicies lists policies for TLS.
func (s *Service) DescribeSSLPolicies(_ state.Reader, _ authz.Caller, in *api.DescribeSSLPoliciesInput) (*api.DescribeSSLPoliciesOutput, error) {
	wanted := map[string]bool{}
	for _, name := range in.Names {
		wanted[name] = true
	}
	list := []api.SslPolicy{}
	for _, p := range policies {
		if len(in.Names) > 0 && !wanted[p.name] {
			continue
		}
		delete(wanted, p.name)
		if t := val(in.LoadBalancerType); t == api.LoadBalancerTypeEnumGateway {
			continue
		}
		row := api.SslPolicy{Name: ptr(p.name), SslProtocols: p.protocols, SupportedLoadBalancerTypes: []string{api.LoadBalancerTypeEnumApplication, api.LoadBalancerTypeEnumNetwork}}
		for i, name := range p.ciphers {
			row.Ciphers = append(row.Ciphers, api.Cipher{Name: ptr(name), Priority: ptr(int32(i + 1))})
		}
		list = append(list, row)
	}
	for name := range wanted {
		return nil, awserr.New(api.ErrSSLPolicyNotFound, "SSL policy '%s' not found", awserr.Clip(name))
	}
	list, next, err := page(list, func(p api.SslPolicy) string { return *p.Name }, in.Marker, in.PageSize)
	return &api.DescribeSSLPoliciesOutput{SslPolicies: list, NextMarker: next}, err
}

// DescribeCapacityReservation: nobody has reserved any.
func (s *Service) DescribeCapacityReservation(r state.Reader, c authz.Caller, in *api.DescribeCapacityReservationInput) (*api.DescribeCapacityReservationOutput, error) {
	if _, err := balancerKind.find(r, c, *in.LoadBalancerArn); err != nil {
		return nil, err
	}
	return &api.DescribeCapacityReservationOutput{DecreaseRequestsRemaining: ptr(int32(2)), CapacityReservationState: []api.ZonalCapacityReservationState{}}, nil
}

// ModifyCapacityReservation: capacity is this machine's, so none can be reserved; to
// have none is no change.
func (s *Service) ModifyCapacityReservation(tx *state.Tx, c authz.Caller, in *api.ModifyCapacityReservationInput) (*api.ModifyCapacityReservationOutput, error) {
	if _, err := balancerKind.find(tx, c, *in.LoadBalancerArn); err != nil {
		return nil, err
	}
	if in.MinimumLoadBalancerCapacity != nil && val(in.MinimumLoadBalancerCapacity.CapacityUnits) != 0 {
		return nil, awserr.New(api.ErrCapacityUnitsLimitExceeded, "The number of reserved load balancer capacity units of this account cannot exceed '0'")
	}
	return &api.ModifyCapacityReservationOutput{DecreaseRequestsRemaining: ptr(int32(2)), CapacityReservationState: []api.ZonalCapacityReservationState{}}, nil
}

// ModifyIpPools refuses: pools of IPAM are of application load balancers.
func (s *Service) ModifyIpPools(tx *state.Tx, c authz.Caller, in *api.ModifyIpPoolsInput) (*api.ModifyIpPoolsOutput, error) {
	if _, err := balancerKind.find(tx, c, *in.LoadBalancerArn); err != nil {
		return nil, err
	}
	return nil, awserr.New(api.ErrInvalidConfigurationRequest, "IPAM pools are only supported for Application Load Balancers")
}
