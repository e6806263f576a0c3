package iam

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// managed is a managed policy, AWS's or the account's, as the API sees both.
type managed struct {
	own *state.ManagedPolicy
	aws *awspolicy.Policy
}

// awsDate is when AWS's policies were made, as far as anybody is told.
var awsDate = time.Date(2015, 2, 6, 18, 40, 0, 0, time.UTC)

// find gives the managed policy with an ARN that the account can use.
func find(r state.Reader, c authz.Caller, arn string) (managed, bool) {
	if p, ok := awspolicy.Lookup(arn); ok {
		return managed{aws: p}, true
	}
	if !strings.HasPrefix(arn, "arn:aws:iam::"+c.Account+":policy/") {
		return managed{}, false
	}
	p, ok := authz.FindPolicy(r, arn)
	return managed{own: p}, ok
}

// policy finds a managed policy; the error is that of the actions that show one.
func policy(r state.Reader, c authz.Caller, arn string) (managed, error) {
	if !strings.HasPrefix(arn, "arn:") {
		return managed{}, invalidInput("ARN %s is not valid.", awserr.Clip(arn))
	}
	m, ok := find(r, c, arn)
	if !ok {
		return m, noSuchEntity("Policy %s was not found.", awserr.Clip(arn))
	}
	return m, nil
}

// ownPolicy finds a policy that may be changed: AWS's may not.
func ownPolicy(r state.Reader, c authz.Caller, arn string) (*state.ManagedPolicy, error) {
	m, err := policy(r, c, arn)
	if err != nil {
		return nil, err
	}
	if m.own == nil {
		return nil, awserr.New("AccessDenied", "Cannot perform the operation on AWS managed policies: %s", arn)
	}
	return m.own, nil
}

// attachable finds a policy to attach.
func attachable(r state.Reader, c authz.Caller, arn string) (managed, error) {
	if !strings.HasPrefix(arn, "arn:") {
		return managed{}, invalidInput("ARN %s is not valid.", awserr.Clip(arn))
	}
	m, ok := find(r, c, arn)
	if !ok {
		return m, noSuchEntity("Policy %s does not exist or is not attachable.", awserr.Clip(arn))
	}
	if m.aws != nil && m.aws.Path == "/aws-service-role/" {
		return m, awserr.New(api.ErrPolicyNotAttachable, "Cannot attach a Service Role Policy to a Customer Role.")
	}
	return m, nil
}

func (m managed) arn() string {
	if m.aws != nil {
		return m.aws.ARN()
	}
	return m.own.ARN()
}

func (m managed) name() string {
	if m.aws != nil {
		return m.aws.Name
	}
	return m.own.Name
}

func (m managed) path() string {
	if m.aws != nil {
		return m.aws.Path
	}
	return m.own.Path
}

// uses counts who of the account has the policy attached, and who as a boundary.
func (m managed) uses(r state.Reader, account string) (attached, boundary int32) {
	key := state.Within(account, m.arn())
	attached = int32(count(state.Users.By(r, state.ByPolicy, key)) + count(state.Groups.By(r, state.ByPolicy, key)) + count(state.Roles.By(r, state.ByPolicy, key)))
	return attached, int32(count(state.Users.By(r, state.ByBoundary, key)) + count(state.Roles.By(r, state.ByBoundary, key)))
}

func (m managed) wire(r state.Reader, account string) api.Policy {
	attached, boundary := m.uses(r, account)
	w := api.Policy{
		PolicyName: ptr(m.name()), Arn: ptr(m.arn()), Path: ptr(m.path()), IsAttachable: ptr(true),
		AttachmentCount: &attached, PermissionsBoundaryUsageCount: &boundary,
	}
	if m.aws != nil {
		w.PolicyId, w.DefaultVersionId, w.Description, w.CreateDate, w.UpdateDate = ptr(m.aws.UniqueID()), ptr("v1"), ptr(m.aws.Description), &awsDate, &awsDate
		return w
	}
	p := m.own
	w.PolicyId, w.DefaultVersionId, w.Description, w.Tags = ptr(p.UniqueID), ptr(version(p.Default)), opt(p.Description), wireTags(p.Tags)
	w.CreateDate, w.UpdateDate = seconds(p.Created), seconds(p.Updated)
	return w
}

// versions of the policy, newest first; with the documents or without.
func (m managed) versions(documents bool) []api.PolicyVersion {
	if m.aws != nil {
		v := api.PolicyVersion{VersionId: ptr("v1"), IsDefaultVersion: ptr(true), CreateDate: &awsDate}
		if documents {
			v.Document = encoded(string(m.aws.Document))
		}
		return []api.PolicyVersion{v}
	}
	var list []api.PolicyVersion
	for _, v := range slices.Backward(m.own.Versions) {
		w := wireVersion(m.own, v)
		if !documents {
			w.Document = nil
		}
		list = append(list, w)
	}
	return list
}

func wireVersion(p *state.ManagedPolicy, v state.PolicyVersion) api.PolicyVersion {
	return api.PolicyVersion{Document: encoded(v.Document), VersionId: ptr(version(v.Number)), IsDefaultVersion: ptr(v.Number == p.Default), CreateDate: seconds(v.Created)}
}

func version(n int) string { return "v" + strconv.Itoa(n) }

// document checks the text of a managed policy.
func document(text string) error {
	if _, err := read(text, authz.Identity); err != nil {
		return err
	}
	if size(text) > maxPolicySize {
		return limitExceeded("Cannot exceed quota for PolicySize: %d", maxPolicySize)
	}
	return nil
}

// CreatePolicy makes a managed policy with its first version.
func (s *Service) CreatePolicy(tx *state.Tx, c authz.Caller, in *api.CreatePolicyInput) (*api.CreatePolicyOutput, error) {
	if err := document(*in.PolicyDocument); err != nil {
		return nil, err
	}
	key := state.NameKey(c.Account, *in.PolicyName)
	if _, ok := state.ManagedPolicies.Get(tx, key); ok {
		return nil, alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", *in.PolicyName)
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if count(state.ManagedPolicies.In(tx, state.Global(c.Account))) >= maxPolicies {
		return nil, limitExceeded("Cannot exceed quota for PoliciesPerAccount: %d", maxPolicies)
	}
	p := &state.ManagedPolicy{
		Meta: state.Meta{Key: key, Tags: tags, Created: tx.Now()},
		Name: *in.PolicyName, UniqueID: service.UniqueID(tx, "ANPA"), Path: pathOf(in.Path), Description: val(in.Description),
		Updated: tx.Now(), Default: 1, Last: 1, Versions: []state.PolicyVersion{{Number: 1, Document: *in.PolicyDocument, Created: tx.Now()}},
	}
	state.ManagedPolicies.Put(tx, p)
	return &api.CreatePolicyOutput{Policy: ptr(managed{own: p}.wire(tx, c.Account))}, nil
}

// GetPolicy shows a managed policy, without its document.
func (s *Service) GetPolicy(r state.Reader, c authz.Caller, in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	m, err := policy(r, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyOutput{Policy: ptr(m.wire(r, c.Account))}, nil
}

// GetPolicyVersion shows one version with its document.
func (s *Service) GetPolicyVersion(r state.Reader, c authz.Caller, in *api.GetPolicyVersionInput) (*api.GetPolicyVersionOutput, error) {
	m, err := policy(r, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	for _, v := range m.versions(true) {
		if *v.VersionId == *in.VersionId {
			return &api.GetPolicyVersionOutput{PolicyVersion: &v}, nil
		}
	}
	return nil, noVersion(m.arn(), *in.VersionId)
}

func noVersion(arn, id string) error {
	return noSuchEntity("Policy %s version %s does not exist or is not attachable.", arn, awserr.Clip(id))
}

// ListPolicyVersions lists versions, newest first.
func (s *Service) ListPolicyVersions(r state.Reader, c authz.Caller, in *api.ListPolicyVersionsInput) (*api.ListPolicyVersionsOutput, error) {
	m, err := policy(r, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	number := 0
	key := func(api.PolicyVersion) string { number++; return fmt.Sprintf("%02d", number) }
	list, truncated, next, err := pageOnce(m.versions(false), key, in.Marker, in.MaxItems)
	return &api.ListPolicyVersionsOutput{Versions: list, IsTruncated: truncated, Marker: next}, err
}

// pageOnce is page for rows whose key is their place.
func pageOnce[T any](rows []T, key func(T) string, marker *string, items *int32) ([]T, *bool, *string, error) {
	type placed struct {
		row T
		key string
	}
	list := make([]placed, len(rows))
	for i, row := range rows {
		list[i] = placed{row, key(row)}
	}
	out, truncated, next, err := page(slices.Values(list), func(p placed) string { return p.key }, marker, items)
	return mapped(out, func(p placed) T { return p.row }), truncated, next, err
}

// CreatePolicyVersion adds a version, of at most five.
func (s *Service) CreatePolicyVersion(tx *state.Tx, c authz.Caller, in *api.CreatePolicyVersionInput) (*api.CreatePolicyVersionOutput, error) {
	p, err := ownPolicy(tx, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if err := document(*in.PolicyDocument); err != nil {
		return nil, err
	}
	if len(p.Versions) >= maxVersions {
		return nil, limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
	}
	next := *p
	next.Last++
	v := state.PolicyVersion{Number: next.Last, Document: *in.PolicyDocument, Created: tx.Now()}
	next.Versions = append(slices.Clone(p.Versions), v)
	next.Updated = tx.Now()
	if val(in.SetAsDefault) {
		next.Default = v.Number
	}
	state.ManagedPolicies.Put(tx, &next)
	w := wireVersion(&next, v)
	w.Document = nil
	return &api.CreatePolicyVersionOutput{PolicyVersion: &w}, nil
}

// place finds a version of a policy by its id.
func place(p *state.ManagedPolicy, id string) (int, error) {
	i := slices.IndexFunc(p.Versions, func(v state.PolicyVersion) bool { return version(v.Number) == id })
	if i < 0 {
		return 0, noVersion(p.ARN(), id)
	}
	return i, nil
}

// DeletePolicyVersion removes a version that does not count.
func (s *Service) DeletePolicyVersion(tx *state.Tx, c authz.Caller, in *api.DeletePolicyVersionInput) (*api.DeletePolicyVersionOutput, error) {
	p, err := ownPolicy(tx, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i, err := place(p, *in.VersionId)
	if err != nil {
		return nil, err
	}
	if p.Versions[i].Number == p.Default {
		return nil, deleteConflict("Cannot delete the default version of a policy.")
	}
	next := *p
	next.Versions = slices.Delete(slices.Clone(p.Versions), i, i+1)
	state.ManagedPolicies.Put(tx, &next)
	return &api.DeletePolicyVersionOutput{}, nil
}

// SetDefaultPolicyVersion says which version counts.
func (s *Service) SetDefaultPolicyVersion(tx *state.Tx, c authz.Caller, in *api.SetDefaultPolicyVersionInput) (*api.SetDefaultPolicyVersionOutput, error) {
	p, err := ownPolicy(tx, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i, err := place(p, *in.VersionId)
	if err != nil {
		return nil, err
	}
	next := *p
	next.Default, next.Updated = p.Versions[i].Number, tx.Now()
	state.ManagedPolicies.Put(tx, &next)
	return &api.SetDefaultPolicyVersionOutput{}, nil
}

// DeletePolicy removes a policy that nobody has, with its last version.
func (s *Service) DeletePolicy(tx *state.Tx, c authz.Caller, in *api.DeletePolicyInput) (*api.DeletePolicyOutput, error) {
	p, err := ownPolicy(tx, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if attached, boundary := (managed{own: p}).uses(tx, c.Account); attached+boundary > 0 {
		return nil, deleteConflict("Cannot delete a policy attached to entities.")
	}
	if len(p.Versions) > 1 {
		return nil, deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	state.ManagedPolicies.Delete(tx, p.Key)
	return &api.DeletePolicyOutput{}, nil
}

// policies walks AWS's and the account's, by ARN.
func policies(r state.Reader, account, scope string) iter.Seq[managed] {
	var list []managed
	if scope != api.PolicyScopeTypeLocal {
		for _, p := range awspolicy.All() {
			list = append(list, managed{aws: p})
		}
	}
	if scope != api.PolicyScopeTypeAWS {
		for p := range state.ManagedPolicies.In(r, state.Global(account)) {
			list = append(list, managed{own: p})
		}
	}
	slices.SortFunc(list, func(a, b managed) int { return strings.Compare(a.arn(), b.arn()) })
	return slices.Values(list)
}

// ListPolicies lists managed policies.
func (s *Service) ListPolicies(r state.Reader, c authz.Caller, in *api.ListPoliciesInput) (*api.ListPoliciesOutput, error) {
	scope := val(in.Scope)
	rows := where(policies(r, c.Account, scope), func(m managed) bool {
		attached, boundary := m.uses(r, c.Account)
		if u := val(in.PolicyUsageFilter); u == api.PolicyUsageTypePermissionsPolicy && attached == 0 && val(in.OnlyAttached) || u == api.PolicyUsageTypePermissionsBoundary && boundary == 0 {
			return false
		}
		return below(m.path(), in.PathPrefix) && (!val(in.OnlyAttached) || attached+boundary > 0)
	})
	list, truncated, next, err := page(rows, managed.arn, in.Marker, in.MaxItems)
	return &api.ListPoliciesOutput{Policies: mapped(list, func(m managed) api.Policy {
		w := m.wire(r, c.Account)
		w.Tags, w.Description = nil, nil
		return w
	}), IsTruncated: truncated, Marker: next}, err
}

// count counts rows.
func count[T any](rows iter.Seq[T]) int {
	n := 0
	for range rows {
		n++
	}
	return n
}
