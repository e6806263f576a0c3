// Package ssm is what may be asked of AWS Systems Manager: the public parameters
// that give the ids of images.
//
// Invariant: it changes nothing, and it gives of an image what EC2 would boot
// from "resolve:ssm:" and the parameter's name. Accounts have no parameters of
// their own: a name outside /aws/service/ is answered as if nobody had made it.
package ssm

import "github.com/localvpc/localvpc/internal/service"

// Service serves the actions; it has no state of its own.
type Service struct{}

// New makes the service.
func New() *Service { return &Service{} }

// Actions lists every action that is served, once.
func (s *Service) Actions() []service.Action {
	return []service.Action{
		service.Read("DescribeParameters", s.DescribeParameters),
		service.Read("GetParameter", s.GetParameter),
		service.Read("GetParameters", s.GetParameters),
		service.Read("GetParametersByPath", s.GetParametersByPath),
		service.Read("ListTagsForResource", s.ListTagsForResource),
	}
}
