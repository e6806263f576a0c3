package health

import (
	"slices"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Result is what one probe has seen.
type Result struct {
	Healthy bool
	Status  string // as AWS words it: "Success: …", "Failure: …"
}

// checkers is how many checkers ask an endpoint. AWS has several in each Region.
const checkers = 3

// checkerRegions are the Regions that AWS has checkers in (Route 53 API Reference,
// HealthCheckConfig, "Regions"). A check that names none is asked from the first.
var checkerRegions = [...]string{
	"us-east-1", "us-west-2", "eu-west-1", "us-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1",
}

// regionsOf are the Regions that a check's checkers are in: of those that it names
// the first in the order of checkerRegions.
func regionsOf(h *state.HealthCheck) []string {
	out := make([]string, 0, checkers)
	for _, region := range checkerRegions {
		if len(out) < checkers && (len(h.Regions) == 0 || slices.Contains(h.Regions, region)) {
			out = append(out, region)
		}
	}
	return out
}

// healthyShare is the share of checkers, in percent, that has to be exceeded by
// those that see an endpoint healthy (Developer Guide, "How Amazon Route 53
// determines whether a health check is healthy").
const healthyShare = 18

// verdict says whether an endpoint is healthy of which up checkers of all think so.
func verdict(up, all int) bool { return all == 0 || 100*up > healthyShare*all }

// view is what one checker thinks of an endpoint.
type view struct {
	down   bool
	streak int32 // how many results in a row were against it
}

// see gives the view after another result: it changes when threshold results in a
// row are against it.
func (v view) see(healthy bool, threshold int32) view {
	if healthy != v.down {
		return view{down: v.down}
	}
	if v.streak++; v.streak < threshold {
		return v
	}
	return view{down: !v.down}
}

// noted puts what a checker has seen into a list that has one entry of each, and
// says whether that says anything new. The list itself stays as it is.
func noted(list []state.HealthObservation, o state.HealthObservation) ([]state.HealthObservation, bool) {
	i := slices.IndexFunc(list, func(old state.HealthObservation) bool { return old.Region == o.Region })
	if i < 0 {
		return append(slices.Clip(list), o), true
	}
	old := list[i]
	if old.Time = o.Time; old == o {
		return list, false
	}
	list = slices.Clone(list)
	list[i] = o
	return list, true
}

// of keeps what checkers in the Regions have seen.
func of(list []state.HealthObservation, regions []string) (out []state.HealthObservation) {
	for _, o := range list {
		if slices.Contains(regions, o.Region) {
			out = append(out, o)
		}
	}
	return out
}

// stagger is how long the i-th of n checkers waits for its first probe.
func stagger(interval time.Duration, i, n int) time.Duration {
	return interval * time.Duration(i) / time.Duration(max(n, 1))
}
