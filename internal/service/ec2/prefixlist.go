package ec2

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

func prefixList(r state.Reader, c authz.Caller, id string) (*state.PrefixList, error) {
	return prefixListKind.find(r, c, id)
}

// DescribeManagedPrefixLists lists the caller's prefix lists. Those of AWS's own
// services are not there: no service has an endpoint here to route to.
func (s *Service) DescribeManagedPrefixLists(r state.Reader, c authz.Caller, in *api.DescribeManagedPrefixListsInput) (*api.DescribeManagedPrefixListsOutput, error) {
	rows, next, err := prefixListKind.describe(r, c, query[state.PrefixList]{
		action: "DescribeManagedPrefixLists", ids: in.PrefixListIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken, by: prefixListFilters,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeManagedPrefixListsOutput{NextToken: next, PrefixLists: []api.ManagedPrefixList{}}
	for _, l := range rows {
		out.PrefixLists = append(out.PrefixLists, *apiPrefixList(l))
	}
	return out, nil
}

var prefixListFilters = filters[state.PrefixList]{
	"owner-id":         func(l *state.PrefixList) []string { return []string{l.Account} },
	"prefix-list-id":   func(l *state.PrefixList) []string { return []string{l.ID} },
	"prefix-list-name": func(l *state.PrefixList) []string { return []string{l.Name} },
}

func apiPrefixList(l *state.PrefixList) *api.ManagedPrefixList {
	return &api.ManagedPrefixList{
		PrefixListId: ptr(l.ID), PrefixListName: ptr(l.Name), AddressFamily: ptr(l.Family), MaxEntries: ptr(l.MaxEntries),
		PrefixListArn: ptr(awsid.ARN("ec2", l.Region, l.Account, "prefix-list/"+l.ID)), OwnerId: ptr(l.Account),
		State: ptr(l.State), StateMessage: opt(l.StateText), Version: ptr(l.Version), Tags: tagSet(l.Tags),
	}
}

// DescribePrefixLists finds no lists of AWS's services: no service has an
// endpoint here to route to.
func (s *Service) DescribePrefixLists(_ state.Reader, c authz.Caller, in *api.DescribePrefixListsInput) (*api.DescribePrefixListsOutput, error) {
	if err := nothing("DescribePrefixLists", c, in.Filters, in.MaxResults, in.NextToken, "prefix-list-id", "prefix-list-name"); err != nil {
		return nil, err
	}
	if err := unknownIDs(in.PrefixListIds, "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound",
		"The prefix list ID '%s' does not exist", "The prefix list IDs '%s' do not exist"); err != nil {
		return nil, err
	}
	return &api.DescribePrefixListsOutput{PrefixLists: []api.PrefixList{}}, nil
}

// GetManagedPrefixListEntries lists the entries of a list's version, the current
// one by default, in the order of their blocks.
func (s *Service) GetManagedPrefixListEntries(r state.Reader, c authz.Caller, in *api.GetManagedPrefixListEntriesInput) (*api.GetManagedPrefixListEntriesOutput, error) {
	l, err := prefixList(r, c, val(in.PrefixListId))
	if err != nil {
		return nil, err
	}
	version := l.Version
	if in.TargetVersion != nil {
		version = *in.TargetVersion
	}
	entries, err := entriesOf(l, version)
	if err != nil {
		return nil, err
	}
	sorted := make([]*state.PrefixListEntry, len(entries))
	for i := range entries {
		sorted[i] = &entries[i]
	}
	// Of fixed width, so that the order of the texts is that of the blocks.
	key := func(e *state.PrefixListEntry) string {
		return fmt.Sprintf("%x/%03d", e.Cidr.Addr().As16(), e.Cidr.Bits())
	}
	slices.SortFunc(sorted, func(a, b *state.PrefixListEntry) int { return strings.Compare(key(a), key(b)) })
	rows, next, err := page(slices.Values(sorted), key, paging{
		action: "GetManagedPrefixListEntries " + l.ID + " " + strconv.FormatInt(version, 10), scope: c.Scope, max: in.MaxResults, token: in.NextToken,
	})
	if err != nil {
		return nil, err
	}
	out := &api.GetManagedPrefixListEntriesOutput{NextToken: next, Entries: []api.PrefixListEntry{}}
	for _, e := range rows {
		out.Entries = append(out.Entries, api.PrefixListEntry{Cidr: prefixText(e.Cidr), Description: opt(e.Description)})
	}
	return out, nil
}

// entriesOf gives what a list held in a version.
func entriesOf(l *state.PrefixList, version int64) ([]state.PrefixListEntry, error) {
	for _, v := range l.Versions {
		if v.Version == version {
			return v.Entries, nil
		}
	}
	return nil, awserr.New("PrefixListVersionNotFound", "The prefix list '%s' has no version %d.", l.ID, version)
}

// prefixListUsers are the ids of what refers to a list: security groups and
// route tables, in the order of their ids.
func prefixListUsers(r state.Reader, l *state.PrefixList) []string {
	seen := map[string]bool{}
	for rule := range state.SecurityGroupRules.By(r, state.ByPrefixList, l.ID) {
		if rule.Scope() == l.Scope() {
			seen[rule.GroupID] = true
		}
	}
	for t := range state.RouteTables.By(r, state.ByRouteTarget, l.ID) {
		if t.Scope() == l.Scope() {
			seen[t.ID] = true
		}
	}
	ids := make([]string, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// GetManagedPrefixListAssociations lists what refers to a list.
func (s *Service) GetManagedPrefixListAssociations(r state.Reader, c authz.Caller, in *api.GetManagedPrefixListAssociationsInput) (*api.GetManagedPrefixListAssociationsOutput, error) {
	l, err := prefixList(r, c, val(in.PrefixListId))
	if err != nil {
		return nil, err
	}
	var users []*string
	for _, id := range prefixListUsers(r, l) {
		users = append(users, ptr(id))
	}
	rows, next, err := page(slices.Values(users), func(id *string) string { return *id }, paging{
		action: "GetManagedPrefixListAssociations " + l.ID, scope: c.Scope, max: in.MaxResults, token: in.NextToken,
	})
	if err != nil {
		return nil, err
	}
	out := &api.GetManagedPrefixListAssociationsOutput{NextToken: next, PrefixListAssociations: []api.PrefixListAssociation{}}
	for _, id := range rows {
		out.PrefixListAssociations = append(out.PrefixListAssociations, api.PrefixListAssociation{ResourceId: id, ResourceOwner: ptr(l.Account)})
	}
	return out, nil
}
