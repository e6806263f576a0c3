package iam

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// detail is one row of the account's authorisation details; add shows it.
type detail struct {
	key string
	add func(*api.GetAccountAuthorizationDetailsOutput)
}

// GetAccountAuthorizationDetails shows users, groups, roles and policies with all
// that they may do, page by page over all kinds.
func (s *Service) GetAccountAuthorizationDetails(r state.Reader, c authz.Caller, in *api.GetAccountAuthorizationDetailsInput) (*api.GetAccountAuthorizationDetailsOutput, error) {
	wanted := func(kind string) bool { return len(in.Filter) == 0 || slices.Contains(in.Filter, kind) }
	global := state.Global(c.Account)
	var rows []detail
	if wanted(api.EntityTypeUser) {
		for u := range state.Users.In(r, global) {
			rows = append(rows, detail{"1" + u.ID, func(out *api.GetAccountAuthorizationDetailsOutput) {
				out.UserDetailList = append(out.UserDetailList, userDetail(r, c, u))
			}})
		}
	}
	if wanted(api.EntityTypeGroup) {
		for g := range state.Groups.In(r, global) {
			rows = append(rows, detail{"2" + g.ID, func(out *api.GetAccountAuthorizationDetailsOutput) {
				out.GroupDetailList = append(out.GroupDetailList, api.GroupDetail{
					Path: ptr(g.Path), GroupName: ptr(g.Name), GroupId: ptr(g.UniqueID), Arn: ptr(g.ARN()), CreateDate: seconds(g.Created),
					GroupPolicyList: inlineDetail(&g.Principal), AttachedManagedPolicies: attachedDetail(r, c, &g.Principal),
				})
			}})
		}
	}
	if wanted(api.EntityTypeRole) {
		for row := range state.Roles.In(r, global) {
			rows = append(rows, detail{"3" + row.ID, func(out *api.GetAccountAuthorizationDetailsOutput) {
				out.RoleDetailList = append(out.RoleDetailList, roleDetail(r, c, row))
			}})
		}
	}
	for m := range policies(r, c.Account, "") {
		attached, boundary := m.uses(r, c.Account)
		// Of AWS's own those are told that are in use.
		if m.aws != nil && (!wanted(api.EntityTypeAWSManagedPolicy) || attached+boundary == 0) || m.own != nil && !wanted(api.EntityTypeLocalManagedPolicy) {
			continue
		}
		rows = append(rows, detail{"4" + m.arn(), func(out *api.GetAccountAuthorizationDetailsOutput) {
			w := m.wire(r, c.Account)
			out.Policies = append(out.Policies, api.ManagedPolicyDetail{
				PolicyName: w.PolicyName, PolicyId: w.PolicyId, Arn: w.Arn, Path: w.Path, DefaultVersionId: w.DefaultVersionId, AttachmentCount: &attached,
				PermissionsBoundaryUsageCount: &boundary, IsAttachable: w.IsAttachable, Description: w.Description, CreateDate: w.CreateDate, UpdateDate: w.UpdateDate,
				PolicyVersionList: m.versions(true),
			})
		}})
	}
	list, truncated, next, err := page(slices.Values(rows), func(d detail) string { return d.key }, in.Marker, in.MaxItems)
	out := &api.GetAccountAuthorizationDetailsOutput{IsTruncated: truncated, Marker: next}
	for _, d := range list {
		d.add(out)
	}
	return out, err
}

func inlineDetail(p *state.Principal) []api.PolicyDetail {
	return mapped(p.Inline, func(i state.Inline) api.PolicyDetail {
		return api.PolicyDetail{PolicyName: ptr(i.Name), PolicyDocument: encoded(i.Document)}
	})
}

func attachedDetail(r state.Reader, c authz.Caller, p *state.Principal) []api.AttachedPolicy {
	list := []api.AttachedPolicy{}
	for _, arn := range slices.Sorted(slices.Values(p.Attached)) {
		if m, ok := find(r, c, arn); ok {
			list = append(list, wireAttached(m))
		}
	}
	return list
}

func userDetail(r state.Reader, c authz.Caller, u *state.User) api.UserDetail {
	w := api.UserDetail{
		Path: ptr(u.Path), UserName: ptr(u.Name), UserId: ptr(u.UniqueID), Arn: ptr(u.ARN()), CreateDate: seconds(u.Created), GroupList: []string{},
		UserPolicyList: inlineDetail(&u.Principal), AttachedManagedPolicies: attachedDetail(r, c, &u.Principal), PermissionsBoundary: wireBoundary(u.Boundary), Tags: mapped(u.Tags, wireTag),
	}
	for _, id := range slices.Sorted(slices.Values(u.Groups)) {
		if g, ok := state.Groups.Get(r, state.Global(u.Account).Key(id)); ok {
			w.GroupList = append(w.GroupList, g.Name)
		}
	}
	return w
}

func roleDetail(r state.Reader, c authz.Caller, row *state.Role) api.RoleDetail {
	return api.RoleDetail{
		Path: ptr(row.Path), RoleName: ptr(row.Name), RoleId: ptr(row.UniqueID), Arn: ptr(row.ARN()), CreateDate: seconds(row.Created), AssumeRolePolicyDocument: encoded(row.Trust),
		InstanceProfileList: mapped(profilesOf(r, row), func(p *state.InstanceProfile) api.InstanceProfile { return wireProfile(r, p) }),
		RolePolicyList:      inlineDetail(&row.Principal), AttachedManagedPolicies: attachedDetail(r, c, &row.Principal), PermissionsBoundary: wireBoundary(row.Boundary),
		Tags: mapped(row.Tags, wireTag), RoleLastUsed: roleLastUsed(row),
	}
}
