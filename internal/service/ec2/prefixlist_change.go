package ec2

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/cidr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// Bounds of prefix lists (EC2 API Reference, CreateManagedPrefixList; VPC User
// Guide, "Amazon VPC quotas").
const (
	maxPrefixListName     = 255 // characters
	maxPrefixListText     = 255 // of an entry's description
	maxPrefixListChanges  = 100 // in one request
	maxPrefixListVersions = 1000
	// maxKeptEntries bounds the entries of all versions together: a list is one
	// row, and a row is written whole. AWS has no such bound.
	maxKeptEntries = 20000
)

// CreateManagedPrefixList makes a list in its first version.
func (s *Service) CreateManagedPrefixList(tx *state.Tx, c authz.Caller, in *api.CreateManagedPrefixListInput) (*api.CreateManagedPrefixListOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, "prefix-list")
	if err != nil {
		return nil, err
	}
	l := &state.PrefixList{Name: val(in.PrefixListName), Family: val(in.AddressFamily), MaxEntries: val(in.MaxEntries), State: "create-complete", Version: 1}
	if l.Family != "IPv4" && l.Family != "IPv6" {
		return nil, awserr.InvalidParameterValue("addressFamily", l.Family, "Use IPv4 or IPv6 only.")
	}
	if err := checkPrefixListName(l.Name); err != nil {
		return nil, err
	}
	if err := s.checkMaxEntries(tx, c, l.MaxEntries); err != nil {
		return nil, err
	}
	if len(in.Entries) > maxPrefixListChanges {
		return nil, tooManyChanges()
	}
	entries, err := addEntries(l, nil, in.Entries)
	if err != nil {
		return nil, err
	}
	lists := 1
	for range state.PrefixLists.In(tx, c.Scope) {
		lists++
	}
	if err := s.within(tx, c, "prefix-lists-per-region", lists); err != nil {
		return nil, err
	}
	l.Meta = tx.Meta(c.Scope, "pl")
	l.Tags = tags
	l.Versions = []state.PrefixListVersion{{Version: 1, Entries: entries}}
	state.PrefixLists.Put(tx, l)
	return &api.CreateManagedPrefixListOutput{PrefixList: apiPrefixList(l)}, nil
}

func checkPrefixListName(name string) error {
	switch {
	case name == "" || utf8.RuneCountInString(name) > maxPrefixListName:
		return awserr.InvalidParameterValue("prefixListName", name, "A name has 1 to 255 characters.")
	case strings.HasPrefix(name, "com.amazonaws"):
		return awserr.InvalidParameterValue("prefixListName", name, "The name cannot start with com.amazonaws.")
	}
	return nil
}

func (s *Service) checkMaxEntries(r state.Reader, c authz.Caller, n int32) error {
	const name = "entries-per-prefix-list"
	limit := s.quota(r, c, name)
	if limit < 0 {
		limit = unlimited
	}
	if n < 1 || int(n) > limit {
		return quotaNamed(name).Exceeded(limit)
	}
	return nil
}

func tooManyChanges() error {
	return awserr.New("InvalidParameterValue", "The number of entries per request cannot exceeds limit (%d).", maxPrefixListChanges)
}

// readListEntry reads an entry's block, which must be of the list's family; the
// host's bits are cleared.
func readListEntry(l *state.PrefixList, text string) (netip.Prefix, error) {
	block, err := cidr.Parse(text)
	if err != nil || block.Addr().Is4() != (l.Family == "IPv4") {
		return netip.Prefix{}, awserr.InvalidParameterValue("cidr", text, "This is not a valid "+l.Family+" CIDR block.")
	}
	return block, nil
}

// addEntries gives the entries with further ones, all of which are new.
func addEntries(l *state.PrefixList, entries []state.PrefixListEntry, add []api.AddPrefixListEntry) ([]state.PrefixListEntry, error) {
	there := make(map[netip.Prefix]bool, len(entries))
	for _, e := range entries {
		there[e.Cidr] = true
	}
	for _, a := range add {
		block, err := readListEntry(l, val(a.Cidr))
		if err != nil {
			return nil, err
		}
		if utf8.RuneCountInString(val(a.Description)) > maxPrefixListText {
			return nil, awserr.InvalidParameterValue("description", *a.Description, "A description has at most 255 characters.")
		}
		if there[block] {
			return nil, awserr.New("InvalidRequest", "The request received was invalid: the entry %s is in the prefix list already.", block)
		}
		there[block] = true
		entries = append(entries, state.PrefixListEntry{Cidr: block, Description: val(a.Description)})
	}
	if len(entries) > int(l.MaxEntries) {
		return nil, awserr.New("PrefixListMaxEntriesExceeded", "You've reached the maximum number of entries for the prefix list (%d).", l.MaxEntries)
	}
	return entries, nil
}

// ModifyManagedPrefixList renames or resizes a list, or makes a new version of
// it with entries taken away and added.
func (s *Service) ModifyManagedPrefixList(tx *state.Tx, c authz.Caller, in *api.ModifyManagedPrefixListInput) (*api.ModifyManagedPrefixListOutput, error) {
	old, err := prefixList(tx, c, val(in.PrefixListId))
	if err != nil {
		return nil, err
	}
	changes := len(in.AddEntries) + len(in.RemoveEntries)
	switch {
	case in.IpamPrefixListResolverSyncEnabled != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc has no IPAM prefix list resolvers: leave IpamPrefixListResolverSyncEnabled out.")
	case changes > 0 && in.MaxEntries != nil:
		return nil, awserr.InvalidParameterCombination("You cannot modify the entries of a prefix list and modify the size of a prefix list at the same time.")
	case changes == 0 && in.MaxEntries == nil && in.PrefixListName == nil:
		return nil, awserr.New("InvalidRequest", "The request received was invalid: it changes nothing.")
	case len(in.AddEntries) > maxPrefixListChanges || len(in.RemoveEntries) > maxPrefixListChanges:
		return nil, tooManyChanges()
	case in.CurrentVersion != nil && *in.CurrentVersion != old.Version:
		return nil, wrongVersion()
	}
	l := *old
	l.State, l.StateText = "modify-complete", ""
	if in.PrefixListName != nil {
		if l.Name = *in.PrefixListName; l.Name != old.Name {
			if err := checkPrefixListName(l.Name); err != nil {
				return nil, err
			}
		}
	}
	if in.MaxEntries != nil {
		if err := s.resize(tx, c, &l, *in.MaxEntries); err != nil {
			return nil, err
		}
	}
	if changes > 0 {
		entries, err := changeEntries(&l, in.AddEntries, in.RemoveEntries)
		if err != nil {
			return nil, err
		}
		addVersion(&l, entries)
	}
	state.PrefixLists.Put(tx, &l)
	return &api.ModifyManagedPrefixListOutput{PrefixList: apiPrefixList(&l)}, nil
}

func wrongVersion() error {
	return awserr.New("PrefixListVersionMismatch", "The prefix list has the incorrect version number.")
}

// changeEntries gives the current entries without some and with others.
func changeEntries(l *state.PrefixList, add []api.AddPrefixListEntry, remove []api.RemovePrefixListEntry) ([]state.PrefixListEntry, error) {
	gone := make(map[netip.Prefix]bool, len(remove))
	for _, e := range remove {
		block, err := readListEntry(l, val(e.Cidr))
		if err != nil {
			return nil, err
		}
		gone[block] = true
	}
	for _, e := range add {
		if block, err := readListEntry(l, val(e.Cidr)); err == nil && gone[block] {
			return nil, awserr.New("InvalidParameterValue", "Request cannot contain Cidr %s in both AddPrefixListEntries and RemovePrefixListEntries", block)
		}
	}
	var kept []state.PrefixListEntry
	for _, e := range l.Entries() {
		if gone[e.Cidr] {
			delete(gone, e.Cidr)
		} else {
			kept = append(kept, e)
		}
	}
	for _, e := range remove {
		if block, _ := readListEntry(l, val(e.Cidr)); gone[block] {
			return nil, awserr.New("InvalidPrefixListModification", "The CIDR %s does not exist.", block)
		}
	}
	return addEntries(l, kept, add)
}

// addVersion makes entries the current version; the oldest ones are dropped when
// there are too many.
func addVersion(l *state.PrefixList, entries []state.PrefixListEntry) {
	l.Version++
	versions := append(slices.Clone(l.Versions), state.PrefixListVersion{Version: l.Version, Entries: entries})
	kept, first := 0, len(versions)
	for first > 0 && len(versions)-first < maxPrefixListVersions {
		kept += len(versions[first-1].Entries)
		if kept > maxKeptEntries && first < len(versions) {
			break
		}
		first--
	}
	l.Versions = versions[first:]
}

// resize changes how many entries a list may have. What refers to it counts that
// against its quota: if one has no room, the modification fails as AWS's does,
// after the call (EC2 API Reference, ModifyManagedPrefixList).
func (s *Service) resize(tx *state.Tx, c authz.Caller, l *state.PrefixList, n int32) error {
	if err := s.checkMaxEntries(tx, c, n); err != nil {
		return err
	}
	if len(l.Entries()) > int(n) {
		return awserr.New("PrefixListMaxEntriesExceeded", "The prefix list has %d entries: remove some before its size is changed to %d.", len(l.Entries()), n)
	}
	before := l.MaxEntries
	l.MaxEntries = n
	state.PrefixLists.Put(tx, ptr(*l)) // for the counts, which read it
	var full []string
	for _, id := range prefixListUsers(tx, l) {
		if s.overfull(tx, c, id) {
			full = append(full, id)
		}
	}
	if len(full) > 0 && n > before {
		l.MaxEntries = before
		l.State = "modify-failed"
		l.StateText = "The following resources do not support the new maximum size: " + strings.Join(full[:min(len(full), maxNamedUsers)], ", ")
	}
	return nil
}

// maxNamedUsers is how many resources a state's message names.
const maxNamedUsers = 10

// overfull says whether a group or route table has more than its quota.
func (s *Service) overfull(r state.Reader, c authz.Caller, id string) bool {
	if t, ok := state.RouteTables.Get(r, c.Scope.Key(id)); ok {
		return s.within(r, c, "routes-per-route-table", countRoutes(r, t).most()) != nil
	}
	var in, out ruleCount
	for rule := range state.SecurityGroupRules.By(r, state.ByGroup, id) {
		if rule.Egress {
			out.add(r, rule.Scope(), rule.Peer)
		} else {
			in.add(r, rule.Scope(), rule.Peer)
		}
	}
	return s.within(r, c, "rules-per-security-group", max(in.most(), out.most())) != nil
}

// RestoreManagedPrefixListVersion makes a new version with the entries of an
// earlier one.
func (s *Service) RestoreManagedPrefixListVersion(tx *state.Tx, c authz.Caller, in *api.RestoreManagedPrefixListVersionInput) (*api.RestoreManagedPrefixListVersionOutput, error) {
	old, err := prefixList(tx, c, val(in.PrefixListId))
	if err != nil {
		return nil, err
	}
	if val(in.CurrentVersion) != old.Version {
		return nil, wrongVersion()
	}
	entries, err := entriesOf(old, val(in.PreviousVersion))
	if err != nil {
		return nil, err
	}
	if len(entries) > int(old.MaxEntries) {
		return nil, awserr.New("PrefixListMaxEntriesExceeded", "Version %d has %d entries, more than the prefix list can have (%d).", *in.PreviousVersion, len(entries), old.MaxEntries)
	}
	l := *old
	l.State, l.StateText = "restore-complete", ""
	addVersion(&l, entries)
	state.PrefixLists.Put(tx, &l)
	return &api.RestoreManagedPrefixListVersionOutput{PrefixList: apiPrefixList(&l)}, nil
}

// DeleteManagedPrefixList removes a list that nothing refers to. Otherwise the
// deletion fails as AWS's does: the list stays, and its state says why.
func (s *Service) DeleteManagedPrefixList(tx *state.Tx, c authz.Caller, in *api.DeleteManagedPrefixListInput) (*api.DeleteManagedPrefixListOutput, error) {
	old, err := prefixList(tx, c, val(in.PrefixListId))
	if err != nil {
		return nil, err
	}
	l := *old
	users := prefixListUsers(tx, old)
	if len(users) == 0 {
		l.State, l.StateText = "delete-complete", ""
		state.PrefixLists.Delete(tx, old.Key)
		return &api.DeleteManagedPrefixListOutput{PrefixList: apiPrefixList(&l)}, nil
	}
	l.State = "delete-failed"
	l.StateText = "The following resources still refer to the prefix list: " + strings.Join(users[:min(len(users), maxNamedUsers)], ", ")
	state.PrefixLists.Put(tx, &l)
	return &api.DeleteManagedPrefixListOutput{PrefixList: apiPrefixList(&l)}, nil
}
