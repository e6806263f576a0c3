package ec2

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeInstanceCreditSpecifications gives those of burstable instances: of
// the ids asked for or, without any, those that are not as their family's default
// (EC2 API Reference: "returns unlimited" ones).
func (s *Service) DescribeInstanceCreditSpecifications(r state.Reader, c authz.Caller, in *api.DescribeInstanceCreditSpecificationsInput) (*api.DescribeInstanceCreditSpecificationsOutput, error) {
	rows, next, err := instanceKind.describe(r, c, query[state.Instance]{
		action: "DescribeInstanceCreditSpecifications", ids: in.InstanceIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: filters[state.Instance]{"instance-id": func(i *state.Instance) []string { return one(i.ID) }},
		hidden: func(i *state.Instance) bool {
			return len(in.InstanceIds) == 0 && (i.CreditSpec != "unlimited" || i.State == state.Terminated)
		},
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceCreditSpecificationsOutput{InstanceCreditSpecifications: []api.InstanceCreditSpecification{}, NextToken: next}
	for _, i := range rows {
		if i.CreditSpec == "" {
			return nil, awserr.New("InvalidParameterValue", "The instance '%s' is not a burstable performance instance.", i.ID)
		}
		out.InstanceCreditSpecifications = append(out.InstanceCreditSpecifications, api.InstanceCreditSpecification{InstanceId: ptr(i.ID), CpuCredits: ptr(i.CreditSpec)})
	}
	return out, nil
}

// ModifyInstanceCreditSpecification stores credit specifications; what cannot be
// is in the answer, beside what could.
func (s *Service) ModifyInstanceCreditSpecification(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceCreditSpecificationInput) (*api.ModifyInstanceCreditSpecificationOutput, error) {
	out := &api.ModifyInstanceCreditSpecificationOutput{
		SuccessfulInstanceCreditSpecifications:   []api.SuccessfulInstanceCreditSpecificationItem{},
		UnsuccessfulInstanceCreditSpecifications: []api.UnsuccessfulInstanceCreditSpecificationItem{},
	}
	for _, want := range in.InstanceCreditSpecifications {
		id := val(want.InstanceId)
		if err := validCredit(val(want.CpuCredits)); err != nil {
			return nil, err
		}
		i, err := instance(tx, c, id)
		code, text := "", ""
		switch {
		case awserr.Is(err, instanceKind.malformed):
			code, text = "InvalidInstanceID.Malformed", awserr.From(err).Message
		case err != nil:
			code, text = "InvalidInstanceID.NotFound", awserr.From(err).Message
		case i.State == state.Terminated:
			code, text = "IncorrectInstanceState", "The instance '"+i.ID+"' is terminated."
		case i.CreditSpec == "":
			code, text = "InstanceCreditSpecification.NotSupported", "The instance type "+i.InstanceType+" has no CPU credits."
		}
		if code != "" {
			out.UnsuccessfulInstanceCreditSpecifications = append(out.UnsuccessfulInstanceCreditSpecifications, api.UnsuccessfulInstanceCreditSpecificationItem{
				InstanceId: ptr(id), Error: &api.UnsuccessfulInstanceCreditSpecificationItemError{Code: ptr(code), Message: ptr(text)},
			})
			continue
		}
		next := *i
		next.CreditSpec = *want.CpuCredits
		state.Instances.Put(tx, &next)
		out.SuccessfulInstanceCreditSpecifications = append(out.SuccessfulInstanceCreditSpecifications, api.SuccessfulInstanceCreditSpecificationItem{InstanceId: ptr(id)})
	}
	return out, nil
}

// creditDefault is what a burstable type has when nothing is asked: AWS's default by family (EC2 User Guide,
// "Unlimited mode").
func creditDefault(kind *catalog.InstanceType) string {
	switch {
	case !kind.Burstable:
		return ""
	case strings.HasPrefix(kind.Name, "t2."):
		return "standard"
	}
	return "unlimited"
}

func validCredit(v string) error {
	if !slices.Contains([]string{"standard", "unlimited"}, v) {
		return awserr.New("InvalidParameterValue", "Invalid value for CpuCredits: %s. Valid values are: standard, unlimited", awserr.Clip(v))
	}
	return nil
}
