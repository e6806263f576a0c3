package route53

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// checkOf finds a health check of the caller.
func checkOf(r state.Reader, c authz.Caller, id *string) (*state.HealthCheck, error) {
	if h, ok := state.HealthChecks.Get(r, global(c).Key(*id)); ok {
		return h, nil
	}
	return nil, refuse(api.ErrNoSuchHealthCheck, api.ErrNoSuchHealthCheckStatus, "No health check exists with the specified ID %s.", awserr.Clip(*id))
}

func countChecks(r state.Reader, c authz.Caller) (n int) {
	for range state.HealthChecks.In(r, global(c)) {
		n++
	}
	return n
}

// CreateHealthCheck creates a health check. The same reference with the same
// settings gives the check that there is.
func (s *Service) CreateHealthCheck(tx *state.Tx, c authz.Caller, in *api.CreateHealthCheckInput) (*api.CreateHealthCheckOutput, error) {
	h := &state.HealthCheck{Meta: meta(tx, c, newUUID(tx)), CallerReference: *in.CallerReference, Version: 1}
	configure(h, in.HealthCheckConfig)
	if err := s.sound(tx, c, h); err != nil {
		return nil, err
	}
	if used, ok := state.CallerReferences.Get(tx, global(c).Key(refCheck+h.CallerReference)); ok {
		old, there := state.HealthChecks.Get(tx, global(c).Key(used.Resource))
		if there && old.Version == 1 && reflect.DeepEqual(checkConfig(old), checkConfig(h)) {
			return &api.CreateHealthCheckOutput{HealthCheck: checkOut(old), Location: location("healthcheck", old.ID)}, nil
		}
		return nil, refuse(api.ErrHealthCheckAlreadyExists, api.ErrHealthCheckAlreadyExistsStatus, "A health check with the specified caller reference already exists or existed before with other settings.")
	}
	if countChecks(tx, c) >= maxChecks {
		return nil, refuse(api.ErrTooManyHealthChecks, api.ErrTooManyHealthChecksStatus, "You have reached the maximum number of active health checks for an AWS account.")
	}
	useReference(tx, c, refCheck, h.CallerReference, h.ID)
	state.HealthChecks.Put(tx, h)
	return &api.CreateHealthCheckOutput{HealthCheck: checkOut(h), Location: location("healthcheck", h.ID)}, nil
}

// UpdateHealthCheck changes what is given; the type and the interval stay.
func (s *Service) UpdateHealthCheck(tx *state.Tx, c authz.Caller, in *api.UpdateHealthCheckInput) (*api.UpdateHealthCheckOutput, error) {
	h, err := checkOf(tx, c, in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	if in.HealthCheckVersion != nil && *in.HealthCheckVersion != h.Version {
		return nil, refuse(api.ErrHealthCheckVersionMismatch, api.ErrHealthCheckVersionMismatchStatus, "The value of HealthCheckVersion in the request doesn't match the value of HealthCheckVersion in the health check.")
	}
	config := checkConfig(h)
	for _, name := range in.ResetElements {
		switch name {
		case api.ResettableElementNameChildHealthChecks:
			config.ChildHealthChecks = nil
		case api.ResettableElementNameFullyQualifiedDomainName:
			config.FullyQualifiedDomainName = nil
		case api.ResettableElementNameRegions:
			config.Regions = nil
		case api.ResettableElementNameResourcePath:
			config.ResourcePath = nil
		}
	}
	from, to := reflect.ValueOf(in).Elem(), reflect.ValueOf(config).Elem()
	for i := range to.NumField() { // members of one name have one type in both
		if f := from.FieldByName(to.Type().Field(i).Name); f.IsValid() && !f.IsNil() {
			to.Field(i).Set(f)
		}
	}
	next := &state.HealthCheck{Meta: h.Meta, CallerReference: h.CallerReference, Version: h.Version + 1, Down: h.Down, Observations: h.Observations, Failures: h.Failures}
	configure(next, config)
	if err := s.sound(tx, c, next); err != nil {
		return nil, err
	}
	state.HealthChecks.Put(tx, next)
	return &api.UpdateHealthCheckOutput{HealthCheck: checkOut(next)}, nil
}

// DeleteHealthCheck deletes a check; AWS does not ask whether records use it
// (API Reference, DeleteHealthCheck).
func (s *Service) DeleteHealthCheck(tx *state.Tx, c authz.Caller, in *api.DeleteHealthCheckInput) (*api.DeleteHealthCheckOutput, error) {
	h, err := checkOf(tx, c, in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	state.HealthChecks.Delete(tx, h.Key)
	return &api.DeleteHealthCheckOutput{}, nil
}

// GetHealthCheck shows a check.
func (s *Service) GetHealthCheck(r state.Reader, c authz.Caller, in *api.GetHealthCheckInput) (*api.GetHealthCheckOutput, error) {
	h, err := checkOf(r, c, in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	return &api.GetHealthCheckOutput{HealthCheck: checkOut(h)}, nil
}

// ListHealthChecks lists the caller's checks in the order of their ids.
func (s *Service) ListHealthChecks(r state.Reader, c authz.Caller, in *api.ListHealthChecksInput) (*api.ListHealthChecksOutput, error) {
	most, err := limitOf(in.MaxItems, zonePage, zonePage)
	if err != nil {
		return nil, err
	}
	out := &api.ListHealthChecksOutput{HealthChecks: []api.HealthCheck{}, Marker: new(text(in.Marker)), IsTruncated: new(false), MaxItems: new(int32(most))}
	for h := range state.HealthChecks.From(r, global(c).Key(text(in.Marker))) {
		if h.Account != c.Account {
			break
		}
		if len(out.HealthChecks) == most {
			out.IsTruncated, out.NextMarker = new(true), &h.ID
			break
		}
		out.HealthChecks = append(out.HealthChecks, *checkOut(h))
	}
	return out, nil
}

// GetHealthCheckCount counts the caller's checks.
func (s *Service) GetHealthCheckCount(r state.Reader, c authz.Caller, _ *api.GetHealthCheckCountInput) (*api.GetHealthCheckCountOutput, error) {
	return &api.GetHealthCheckCountOutput{HealthCheckCount: new(int64(countChecks(r, c)))}, nil
}

// GetHealthCheckStatus tells what each checker saw last. A calculated check has
// no checkers.
func (s *Service) GetHealthCheckStatus(r state.Reader, c authz.Caller, in *api.GetHealthCheckStatusInput) (*api.GetHealthCheckStatusOutput, error) {
	h, err := probed(r, c, in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	return &api.GetHealthCheckStatusOutput{HealthCheckObservations: s.observations(h, h.Observations)}, nil
}

// GetHealthCheckLastFailureReason tells the last failure that each checker saw.
func (s *Service) GetHealthCheckLastFailureReason(r state.Reader, c authz.Caller, in *api.GetHealthCheckLastFailureReasonInput) (*api.GetHealthCheckLastFailureReasonOutput, error) {
	h, err := probed(r, c, in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	return &api.GetHealthCheckLastFailureReasonOutput{HealthCheckObservations: s.observations(h, h.Failures)}, nil
}

func probed(r state.Reader, c authz.Caller, id *string) (*state.HealthCheck, error) {
	h, err := checkOf(r, c, id)
	if err == nil && h.Type == api.HealthCheckTypeCALCULATED {
		err = invalidInput("The status of a calculated health check is not observed by health checkers.")
	}
	return h, err
}

// observations shows what checkers have seen. The time is that of the last look as
// long as that has seen the same, which the row was not written for.
func (s *Service) observations(h *state.HealthCheck, list []state.HealthObservation) []api.HealthCheckObservation {
	out := make([]api.HealthCheckObservation, len(list))
	for i := range list {
		o := &list[i]
		at := o.Time
		if s.cfg.Seen != nil && slices.ContainsFunc(h.Observations, func(last state.HealthObservation) bool { return last.Region == o.Region && last.Status == o.Status }) {
			if seen := s.cfg.Seen(h.Key, o.Region); seen.After(at) {
				at = seen.UTC().Truncate(time.Millisecond)
			}
		}
		out[i] = api.HealthCheckObservation{Region: &o.Region, IPAddress: new(o.IP.String()), StatusReport: &api.StatusReport{Status: &o.Status, CheckedTime: &at}}
	}
	return out
}

// GetCheckerIpRanges lists the blocks that the health checkers come from: the one
// address of the simulated internet that they have, rather than AWS's. Whoever
// admits what is listed admits them.
func (s *Service) GetCheckerIpRanges(r state.Reader, _ authz.Caller, _ *api.GetCheckerIpRangesInput) (*api.GetCheckerIpRangesOutput, error) {
	from := publicip.Router(r)
	return &api.GetCheckerIpRangesOutput{CheckerIpRanges: []string{netip.PrefixFrom(from, from.BitLen()).String()}}, nil
}
