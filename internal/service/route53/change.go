package route53

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// changed notes a change, and tells the caller of it: a new one is PENDING, as AWS
// always says.
func changed(tx *state.Tx, c authz.Caller, comment *string) *api.ChangeInfo {
	row := &state.DnsChange{Meta: meta(tx, c, newID(tx, "C")), Comment: text(comment)}
	state.DnsChanges.Put(tx, row)
	return changeInfo(row, api.ChangeStatusPENDING)
}

func changeInfo(row *state.DnsChange, status string) *api.ChangeInfo {
	return &api.ChangeInfo{Id: new(changePrefix + row.ID), Status: &status, SubmittedAt: &row.Created, Comment: optional(row.Comment)}
}

// GetChange says whether a change has reached all name servers.
func (s *Service) GetChange(r state.Reader, c authz.Caller, in *api.GetChangeInput) (*api.GetChangeOutput, error) {
	id := bare(in.Id, changePrefix)
	row, ok := state.DnsChanges.Get(r, global(c).Key(id))
	if !ok {
		return nil, refuse(api.ErrNoSuchChange, api.ErrNoSuchChangeStatus, "Could not find resource with ID: %s", awserr.Clip(id))
	}
	status := api.ChangeStatusINSYNC
	if s.cfg.Delay > 0 && s.cfg.Now().Before(row.Created.Add(s.cfg.Delay)) {
		status = api.ChangeStatusPENDING
	}
	return &api.GetChangeOutput{ChangeInfo: changeInfo(row, status)}, nil
}
