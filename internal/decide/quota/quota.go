// Package quota says how many of something an account may have in a Region.
//
// Invariant: every quota stands in one table, by AWS's names, codes and
// defaults; what is in force is the value that was asked for last: a row of the
// state, else what this localvpc was started with, else AWS's default.
package quota

import (
	"slices"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

// Quota is one row of the table.
type Quota struct {
	Name       string // as --quotas and 'localvpc quota' spell it
	Service    string // Service Quotas' service code: "vpc", "ec2"
	Code       string // Service Quotas' quota code; empty: AWS changes it through support only
	Title      string // AWS's name of it
	Default    int    // AWS's
	Max        int    // the most that AWS grants; 0: no bound is documented
	Adjustable bool
	Err        string // the error's code
	Text       string // its text; %d is the limit
}

// Unlimited is a quota that is switched off.
const Unlimited = -1

// All lists the quotas, in the table's order.
func All() []Quota { return slices.Clone(table[:]) }

// Names lists their names, in the table's order.
func Names() []string {
	names := make([]string, len(table))
	for i, q := range table {
		names[i] = q.Name
	}
	return names
}

// Named finds a quota by name.
func Named(name string) (Quota, bool) {
	return first(func(q Quota) bool { return q.Name == name })
}

// Coded finds a quota by AWS's codes.
func Coded(service, code string) (Quota, bool) {
	return first(func(q Quota) bool { return q.Code != "" && q.Service == service && q.Code == code })
}

func first(is func(Quota) bool) (Quota, bool) {
	if i := slices.IndexFunc(table[:], is); i >= 0 {
		return table[i], true
	}
	return Quota{}, false
}

// Off switches every quota off, as start values.
func Off() map[string]int {
	off := make(map[string]int, len(table))
	for _, q := range table {
		off[q.Name] = Unlimited
	}
	return off
}

// ID is that of the quota's row.
func (q Quota) ID() string {
	if q.Code != "" {
		return q.Code
	}
	return q.Name
}

// Value is the limit in force in an account and Region, or Unlimited. start are
// the values that this localvpc was started with, by name.
//
// A raised number of VPCs raises that of internet gateways by as much (Amazon VPC
// User Guide, "Amazon VPC quotas"), unless that was changed itself.
func (q Quota) Value(r state.Reader, scope state.Scope, start map[string]int) int {
	if row, ok := state.ServiceQuotas.Get(r, scope.Key(q.ID())); ok {
		return int(row.Value)
	}
	if v, ok := start[q.Name]; ok {
		return v
	}
	if q.Name == internetGateways {
		vpcs, _ := Named(vpcs)
		if v := vpcs.Value(r, scope, start); v < 0 || v > vpcs.Default {
			return v
		}
	}
	return q.Default
}

// rulesPerInterface bounds the rules of a group times the groups of an interface
// (Amazon VPC User Guide, "Amazon VPC quotas", security groups).
const rulesPerInterface = 1000

// Granted says whether AWS grants a value to anybody.
func (q Quota) Granted(r state.Reader, scope state.Scope, start map[string]int, value int) bool {
	if q.Max > 0 && value > q.Max {
		return false
	}
	for name, other := range map[string]string{groupRules: interfaceGroups, interfaceGroups: groupRules} {
		if q.Name == name {
			of, _ := Named(other)
			return value*of.Value(r, scope, start) <= rulesPerInterface
		}
	}
	return true
}

// Exceeded is AWS's error for more than a limit.
func (q Quota) Exceeded(limit int) error {
	if strings.Contains(q.Text, "%d") {
		return awserr.New(q.Err, q.Text, limit)
	}
	return awserr.New(q.Err, "%s", q.Text)
}

// Set puts a value in force in an account and Region.
func (q Quota) Set(tx *state.Tx, scope state.Scope, value int) {
	key := scope.Key(q.ID())
	state.ServiceQuotas.Put(tx, &state.ServiceQuota{Meta: state.Meta{Key: key, Created: tx.Now()}, Service: q.Service, Value: int64(value)})
}

// Unset puts the value back in force that was there at the start.
func (q Quota) Unset(tx *state.Tx, scope state.Scope) {
	state.ServiceQuotas.Delete(tx, scope.Key(q.ID()))
}
