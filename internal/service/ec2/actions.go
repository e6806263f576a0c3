package ec2

import (
	"slices"

	"github.com/localvpc/localvpc/internal/service"
)

// Actions lists every action that is served, once.
func (s *Service) Actions() []service.Action {
	return slices.Concat(s.networkActions(), s.addressActions(), s.groupActions(), s.instanceActions())
}
