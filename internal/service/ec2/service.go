// Package ec2 is what may be asked of Amazon EC2: one method per action, named
// as AWS names it.
//
// Invariant: an action depends on the state, its caller and its input alone, and
// a refused one has changed nothing. What it finds belongs to the caller's
// account and Region; another's id is answered as if it did not exist.
package ec2

import (
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Config is what the service cannot find in the state.
type Config struct {
	// Quotas overrides AWS's default quotas by name (see decide/quota); a negative
	// one is no limit, and quota.Off() is none at all.
	Quotas map[string]int
	// Console gives what an instance has written to its console, and when last;
	// ok is false if it never ran. Nil: nothing runs.
	Console func(id string) (text []byte, at time.Time, ok bool)
	// NoPackets: nothing runs, so the service itself reports that instances have
	// started and ended.
	NoPackets bool
	// NoDefaultVpc: accounts begin without a default VPC, as after it was deleted.
	NoDefaultVpc bool
	// ImageDir says why a directory of this machine cannot be booted from. Nil:
	// every absolute path is taken.
	ImageDir func(path string) error
}

// Service serves the actions; it has no state of its own.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Prepared says whether the scope has what AWS gives it from the start.
func (s *Service) Prepared(r state.Reader, scope state.Scope) bool {
	_, ok := state.Settings.Get(r, scope.Key(defaultDhcpSetting))
	return ok
}

// Prepare makes what every account has in every Region from the start: the
// default set of DHCP options and the default VPC.
func (s *Service) Prepare(tx *state.Tx, scope state.Scope) error {
	defaultDhcpOptions(tx, scope)
	if !s.cfg.NoDefaultVpc {
		makeDefaultVpc(tx, scope)
	}
	return nil
}
