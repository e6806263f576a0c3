package servicequotas

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/servicequotas"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

// maxValue is the largest value that may be asked for (Service Quotas API
// Reference, RequestServiceQuotaIncrease); a quota that one can count to.
const maxValue = 1e10

// RequestServiceQuotaIncrease asks for more. It is granted at once, up to the
// most that AWS grants to anybody; beyond that the request is denied. SupportCaseAllowed
// changes nothing: there is nobody to open a case with.
func (s *Service) RequestServiceQuotaIncrease(tx *state.Tx, c authz.Caller, in *api.RequestServiceQuotaIncreaseInput) (*api.RequestServiceQuotaIncreaseOutput, error) {
	desired := *in.DesiredValue
	text := strconv.FormatFloat(desired, 'f', -1, 64)
	switch {
	case math.IsNaN(desired) || desired < 0:
		return nil, invalid(text, "greater than or equal to 0")
	case desired > maxValue:
		return nil, invalid(text, "less than or equal to 10000000000")
	}
	q, err := find(*in.ServiceCode, *in.QuotaCode)
	if err != nil {
		return nil, err
	}
	if err := noContext(in.ContextId); err != nil {
		return nil, err
	}
	switch {
	case !q.Adjustable:
		return nil, awserr.New("IllegalArgumentException", "The quota %s is not adjustable.", q.Code)
	case desired != math.Trunc(desired):
		return nil, awserr.New("IllegalArgumentException", "You must provide a quota value that is a whole number")
	case desired <= s.value(tx, c, q):
		return nil, awserr.New("IllegalArgumentException", "You must provide a quota value greater than the current quota value")
	}
	change := &state.QuotaChange{
		Meta:    state.Meta{Key: c.Key(newRequestID(tx)), Created: tx.Now()},
		Service: q.Service, Code: q.Code, Desired: int64(desired), Status: api.RequestStatusAPPROVED, Caller: c.ARN,
	}
	if q.Granted(tx, c.Scope, s.start, int(desired)) {
		q.Set(tx, c.Scope, int(desired))
	} else {
		change.Status = api.RequestStatusDENIED
	}
	state.QuotaChanges.Put(tx, change)
	return &api.RequestServiceQuotaIncreaseOutput{RequestedQuota: new(requested(c, change))}, nil
}

func invalid(value, must string) error {
	return awserr.New("ValidationException", "1 validation error detected: Value '%s' at 'desiredValue' failed to satisfy constraint: Member must have value %s", value, must)
}

// newRequestID is an id as Service Quotas gives requests: 32 hexadecimal digits.
func newRequestID(tx *state.Tx) string {
	var b [16]byte
	if _, err := io.ReadFull(tx.Rand(), b[:]); err != nil {
		panic(fmt.Sprintf("servicequotas: reading randomness: %v", err)) // crypto/rand never fails
	}
	return hex.EncodeToString(b[:])
}

// requested shows a request.
func requested(c authz.Caller, change *state.QuotaChange) api.RequestedServiceQuotaChange {
	name, _ := serviceName(change.Service)
	q, ok := quota.Coded(change.Service, change.Code)
	if !ok { // an older version's
		q = quota.Quota{Service: change.Service, Code: change.Code}
	}
	by, err := json.Marshal(struct {
		AccountID string `json:"accountId"`
		CallerARN string `json:"callerArn"`
	}{change.Account, change.Caller})
	if err != nil {
		panic("servicequotas: a caller is plain data: " + err.Error())
	}
	return api.RequestedServiceQuotaChange{
		Id: new(change.ID), ServiceCode: new(change.Service), ServiceName: &name, QuotaCode: new(change.Code), QuotaName: new(q.Title),
		DesiredValue: new(float64(change.Desired)), Status: new(change.Status), Created: new(change.Created), LastUpdated: new(change.Created),
		Requester: new(string(by)), QuotaArn: new(arn(c, q, c.Account)), GlobalQuota: new(false), Unit: new("None"),
		QuotaRequestedAtLevel: new(api.AppliedLevelEnumACCOUNT),
	}
}

// GetRequestedServiceQuotaChange shows one request.
func (s *Service) GetRequestedServiceQuotaChange(r state.Reader, c authz.Caller, in *api.GetRequestedServiceQuotaChangeInput) (*api.GetRequestedServiceQuotaChangeOutput, error) {
	change, ok := state.QuotaChanges.Get(r, c.Key(*in.RequestId))
	if !ok {
		return nil, awserr.New("NoSuchResourceException", "The request failed because the specified quota change request does not exist.")
	}
	return &api.GetRequestedServiceQuotaChangeOutput{RequestedQuota: new(requested(c, change))}, nil
}

// ListRequestedServiceQuotaChangeHistory lists the requests, the newest first.
func (s *Service) ListRequestedServiceQuotaChangeHistory(r state.Reader, c authz.Caller, in *api.ListRequestedServiceQuotaChangeHistoryInput) (*api.ListRequestedServiceQuotaChangeHistoryOutput, error) {
	if in.ServiceCode != nil {
		if _, err := serviceName(*in.ServiceCode); err != nil {
			return nil, err
		}
	}
	rows, next, err := page(history(r, c, in.ServiceCode, nil, in.Status, in.QuotaRequestedAtLevel), changeID, in.MaxResults, in.NextToken,
		"ListRequestedServiceQuotaChangeHistory", c.Scope, in.ServiceCode, in.Status, in.QuotaRequestedAtLevel)
	if err != nil {
		return nil, err
	}
	return &api.ListRequestedServiceQuotaChangeHistoryOutput{RequestedQuotas: rows, NextToken: next}, nil
}

// ListRequestedServiceQuotaChangeHistoryByQuota lists the requests for one quota,
// the newest first.
func (s *Service) ListRequestedServiceQuotaChangeHistoryByQuota(r state.Reader, c authz.Caller, in *api.ListRequestedServiceQuotaChangeHistoryByQuotaInput) (*api.ListRequestedServiceQuotaChangeHistoryByQuotaOutput, error) {
	if _, err := find(*in.ServiceCode, *in.QuotaCode); err != nil {
		return nil, err
	}
	rows, next, err := page(history(r, c, in.ServiceCode, in.QuotaCode, in.Status, in.QuotaRequestedAtLevel), changeID, in.MaxResults, in.NextToken,
		"ListRequestedServiceQuotaChangeHistoryByQuota", c.Scope, in.ServiceCode, in.QuotaCode, in.Status, in.QuotaRequestedAtLevel)
	if err != nil {
		return nil, err
	}
	return &api.ListRequestedServiceQuotaChangeHistoryByQuotaOutput{RequestedQuotas: rows, NextToken: next}, nil
}

func changeID(c api.RequestedServiceQuotaChange) string { return *c.Id }

// history lists requests; what is nil does not matter.
func history(r state.Reader, c authz.Caller, service, code, status, level *string) []api.RequestedServiceQuotaChange {
	out := []api.RequestedServiceQuotaChange{}
	if resourceLevel(level) {
		return out
	}
	is := func(want *string, have string) bool { return want == nil || *want == have }
	for change := range state.QuotaChanges.In(r, c.Scope) {
		if is(service, change.Service) && is(code, change.Code) && is(status, change.Status) {
			out = append(out, requested(c, change))
		}
	}
	slices.SortFunc(out, func(a, b api.RequestedServiceQuotaChange) int {
		if n := b.Created.Compare(*a.Created); n != 0 {
			return n
		}
		return strings.Compare(*a.Id, *b.Id)
	})
	return out
}
