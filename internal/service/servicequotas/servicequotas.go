// Package servicequotas is what may be asked of Service Quotas: how many of
// something the account may have in the Region, and for more of it.
//
// Invariant: it shows the values that the other services obey, of decide/quota,
// and an increase that was granted is in force when the call has returned.
package servicequotas

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/servicequotas"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// Service serves the actions; it has no state of its own.
type Service struct{ start map[string]int }

// New makes the service. start are the quotas by name that this localvpc was
// started with; nil: AWS's defaults.
func New(start map[string]int) *Service { return &Service{start: start} }

// Actions lists every action that is served, once.
func (s *Service) Actions() []service.Action {
	return []service.Action{
		service.Read("ListServices", s.ListServices),
		service.Read("ListServiceQuotas", s.ListServiceQuotas),
		service.Read("GetServiceQuota", s.GetServiceQuota),
		service.Read("ListAWSDefaultServiceQuotas", s.ListAWSDefaultServiceQuotas),
		service.Read("GetAWSDefaultServiceQuota", s.GetAWSDefaultServiceQuota),
		service.Write("RequestServiceQuotaIncrease", s.RequestServiceQuotaIncrease),
		service.Read("GetRequestedServiceQuotaChange", s.GetRequestedServiceQuotaChange),
		service.Read("ListRequestedServiceQuotaChangeHistory", s.ListRequestedServiceQuotaChangeHistory),
		service.Read("ListRequestedServiceQuotaChangeHistoryByQuota", s.ListRequestedServiceQuotaChangeHistoryByQuota),
	}
}

// services are those that have quotas here, by code.
var services = []struct{ code, name string }{
	{"ec2", "Amazon Elastic Compute Cloud (Amazon EC2)"},
	{"elasticloadbalancing", "Elastic Load Balancing (ELB)"},
	{"vpc", "Amazon Virtual Private Cloud (Amazon VPC)"},
}

// serviceName is the name of a service. Error: NoSuchResourceException.
func serviceName(code string) (string, error) {
	for _, s := range services {
		if s.code == code {
			return s.name, nil
		}
	}
	return "", awserr.New("NoSuchResourceException", "The request failed because the specified service does not exist.")
}

// find gives a quota by AWS's codes. Error: NoSuchResourceException.
func find(service, code string) (quota.Quota, error) {
	if _, err := serviceName(service); err != nil {
		return quota.Quota{}, err
	}
	q, ok := quota.Coded(service, code)
	if !ok {
		return q, awserr.New("NoSuchResourceException", "The request failed because the specified quota %s of %s does not exist; localvpc has the quotas that it enforces.", awserr.Clip(code), service)
	}
	return q, nil
}

// of lists the quotas of a service by code, as AWS does.
func of(service string) []quota.Quota {
	list := slices.DeleteFunc(quota.All(), func(q quota.Quota) bool { return q.Service != service || q.Code == "" })
	slices.SortFunc(list, func(a, b quota.Quota) int { return strings.Compare(a.Code, b.Code) })
	return list
}

// unlimited is shown for a quota that is switched off.
const unlimited = 1<<31 - 1

// value is the limit in force, as a number.
func (s *Service) value(r state.Reader, c authz.Caller, q quota.Quota) float64 {
	v := q.Value(r, c.Scope, s.start)
	if v < 0 {
		v = unlimited
	}
	return float64(v)
}

// describe shows a quota. account is empty for AWS's default.
func describe(c authz.Caller, q quota.Quota, account string, value float64) api.ServiceQuota {
	name, _ := serviceName(q.Service)
	return api.ServiceQuota{
		ServiceCode: new(q.Service), ServiceName: &name, QuotaCode: new(q.Code), QuotaName: new(q.Title),
		QuotaArn: new(arn(c, q, account)), Value: &value, Unit: new("None"), Adjustable: new(q.Adjustable), GlobalQuota: new(false),
		QuotaAppliedAtLevel: new(api.AppliedLevelEnumACCOUNT),
	}
}

func arn(c authz.Caller, q quota.Quota, account string) string {
	return awsid.ARN("servicequotas", c.Region, account, q.Service+"/"+q.Code)
}

// ListServices lists the services that have quotas here.
func (s *Service) ListServices(_ state.Reader, c authz.Caller, in *api.ListServicesInput) (*api.ListServicesOutput, error) {
	out := &api.ListServicesOutput{Services: []api.ServiceInfo{}}
	for _, s := range services {
		out.Services = append(out.Services, api.ServiceInfo{ServiceCode: new(s.code), ServiceName: new(s.name)})
	}
	var err error
	out.Services, out.NextToken, err = page(out.Services, func(s api.ServiceInfo) string { return *s.ServiceCode },
		in.MaxResults, in.NextToken, "ListServices", c.Scope)
	return out, err
}

// ListServiceQuotas lists the quotas in force.
func (s *Service) ListServiceQuotas(r state.Reader, c authz.Caller, in *api.ListServiceQuotasInput) (*api.ListServiceQuotasOutput, error) {
	if _, err := serviceName(*in.ServiceCode); err != nil {
		return nil, err
	}
	if in.QuotaCode != nil {
		if _, err := find(*in.ServiceCode, *in.QuotaCode); err != nil {
			return nil, err
		}
	}
	out := &api.ListServiceQuotasOutput{Quotas: []api.ServiceQuota{}}
	for _, q := range of(*in.ServiceCode) {
		if in.QuotaCode == nil || *in.QuotaCode == q.Code {
			out.Quotas = append(out.Quotas, describe(c, q, c.Account, s.value(r, c, q)))
		}
	}
	if resourceLevel(in.QuotaAppliedAtLevel) {
		out.Quotas = out.Quotas[:0]
	}
	var err error
	out.Quotas, out.NextToken, err = page(out.Quotas, quotaCode, in.MaxResults, in.NextToken, "ListServiceQuotas", c.Scope, in.ServiceCode, in.QuotaCode, in.QuotaAppliedAtLevel)
	return out, err
}

// resourceLevel: no quota is applied to single resources.
func resourceLevel(level *string) bool { return level != nil && *level == api.AppliedLevelEnumRESOURCE }

func quotaCode(q api.ServiceQuota) string { return *q.QuotaCode }

// GetServiceQuota shows one quota in force.
func (s *Service) GetServiceQuota(r state.Reader, c authz.Caller, in *api.GetServiceQuotaInput) (*api.GetServiceQuotaOutput, error) {
	q, err := find(*in.ServiceCode, *in.QuotaCode)
	if err != nil {
		return nil, err
	}
	if err := noContext(in.ContextId); err != nil {
		return nil, err
	}
	return &api.GetServiceQuotaOutput{Quota: new(describe(c, q, c.Account, s.value(r, c, q)))}, nil
}

// noContext refuses to name a resource: these are quotas of accounts.
func noContext(id *string) error {
	if id == nil {
		return nil
	}
	return awserr.New("IllegalArgumentException", "The quota is applied to the account, not to resources: leave ContextId out.")
}

// ListAWSDefaultServiceQuotas lists AWS's defaults, whatever is in force.
func (s *Service) ListAWSDefaultServiceQuotas(_ state.Reader, c authz.Caller, in *api.ListAWSDefaultServiceQuotasInput) (*api.ListAWSDefaultServiceQuotasOutput, error) {
	if _, err := serviceName(*in.ServiceCode); err != nil {
		return nil, err
	}
	out := &api.ListAWSDefaultServiceQuotasOutput{Quotas: []api.ServiceQuota{}}
	for _, q := range of(*in.ServiceCode) {
		out.Quotas = append(out.Quotas, describe(c, q, "", float64(q.Default)))
	}
	var err error
	out.Quotas, out.NextToken, err = page(out.Quotas, quotaCode, in.MaxResults, in.NextToken, "ListAWSDefaultServiceQuotas", c.Scope, in.ServiceCode)
	return out, err
}

// GetAWSDefaultServiceQuota shows AWS's default of one quota.
func (s *Service) GetAWSDefaultServiceQuota(_ state.Reader, c authz.Caller, in *api.GetAWSDefaultServiceQuotaInput) (*api.GetAWSDefaultServiceQuotaOutput, error) {
	q, err := find(*in.ServiceCode, *in.QuotaCode)
	if err != nil {
		return nil, err
	}
	return &api.GetAWSDefaultServiceQuotaOutput{Quota: new(describe(c, q, "", float64(q.Default)))}, nil
}
