package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/quota"
)

// prefixList makes a list and gives its id.
func (w *world) prefixList(family string, size int32, blocks ...string) string {
	w.Helper()
	in := &api.CreateManagedPrefixListInput{PrefixListName: ptr("list"), AddressFamily: &family, MaxEntries: &size, Entries: entriesFor(blocks...)}
	return *call[api.CreateManagedPrefixListOutput](w, "CreateManagedPrefixList", in).PrefixList.PrefixListId
}

func entriesFor(blocks ...string) (out []api.AddPrefixListEntry) {
	for _, b := range blocks {
		out = append(out, api.AddPrefixListEntry{Cidr: &b})
	}
	return out
}

func removalsOf(blocks ...string) (out []api.RemovePrefixListEntry) {
	for _, b := range blocks {
		out = append(out, api.RemovePrefixListEntry{Cidr: &b})
	}
	return out
}

func (w *world) listNow(id string) api.ManagedPrefixList {
	w.Helper()
	return call[api.DescribeManagedPrefixListsOutput](w, "DescribeManagedPrefixLists", &api.DescribeManagedPrefixListsInput{PrefixListIds: []string{id}}).PrefixLists[0]
}

func (w *world) wantEntriesOf(id string, version int64, want ...string) {
	w.Helper()
	in := &api.GetManagedPrefixListEntriesInput{PrefixListId: &id}
	if version > 0 {
		in.TargetVersion = &version
	}
	var got []string
	for _, e := range call[api.GetManagedPrefixListEntriesOutput](w, "GetManagedPrefixListEntries", in).Entries {
		got = append(got, strings.TrimSpace(*e.Cidr+" "+val(e.Description)))
	}
	wantSame(w.T, got, want)
}

func TestPrefixListLife(t *testing.T) {
	w := newWorld(t)
	in := &api.CreateManagedPrefixListInput{
		PrefixListName: ptr("offices"), AddressFamily: ptr("IPv4"), MaxEntries: ptr[int32](4), ClientToken: ptr("once"),
		Entries:           []api.AddPrefixListEntry{{Cidr: ptr("198.51.100.7/24"), Description: ptr("north")}, {Cidr: ptr("10.0.0.0/8")}},
		TagSpecifications: tagSpec("prefix-list", "Name", "offices"),
	}
	made := call[api.CreateManagedPrefixListOutput](w, "CreateManagedPrefixList", in).PrefixList
	id := *made.PrefixListId
	if again := call[api.CreateManagedPrefixListOutput](w, "CreateManagedPrefixList", in).PrefixList; *again.PrefixListId != id {
		t.Errorf("made twice: %s, %s", id, *again.PrefixListId)
	}
	if *made.State != "create-complete" || *made.Version != 1 || *made.MaxEntries != 4 || *made.OwnerId != "123456789012" || len(made.Tags) != 1 ||
		*made.PrefixListArn != "arn:aws:ec2:us-east-1:123456789012:prefix-list/"+id {
		t.Errorf("%+v", made)
	}
	w.wantEntriesOf(id, 0, "10.0.0.0/8", "198.51.100.0/24 north")

	modified := call[api.ModifyManagedPrefixListOutput](w, "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{
		PrefixListId: &id, CurrentVersion: ptr[int64](1), AddEntries: entriesFor("192.0.2.0/24"), RemoveEntries: removalsOf("10.0.0.0/8"),
	}).PrefixList
	if *modified.State != "modify-complete" || *modified.Version != 2 {
		t.Errorf("%+v", modified)
	}
	w.wantEntriesOf(id, 0, "192.0.2.0/24", "198.51.100.0/24 north")
	w.wantEntriesOf(id, 1, "10.0.0.0/8", "198.51.100.0/24 north")
	restored := call[api.RestoreManagedPrefixListVersionOutput](w, "RestoreManagedPrefixListVersion", &api.RestoreManagedPrefixListVersionInput{
		PrefixListId: &id, PreviousVersion: ptr[int64](1), CurrentVersion: ptr[int64](2),
	}).PrefixList
	if *restored.State != "restore-complete" || *restored.Version != 3 {
		t.Errorf("%+v", restored)
	}
	w.wantEntriesOf(id, 3, "10.0.0.0/8", "198.51.100.0/24 north")

	// A name and a size make no version.
	call[api.ModifyManagedPrefixListOutput](w, "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, PrefixListName: ptr("all"), MaxEntries: ptr[int32](2)})
	if now := w.listNow(id); *now.PrefixListName != "all" || *now.MaxEntries != 2 || *now.Version != 3 {
		t.Errorf("%+v", now)
	}
	for _, c := range []struct{ name, value string }{{"owner-id", "123456789012"}, {"prefix-list-id", id}, {"prefix-list-name", "al*"}, {"tag:Name", "offices"}} {
		out := call[api.DescribeManagedPrefixListsOutput](w, "DescribeManagedPrefixLists", &api.DescribeManagedPrefixListsInput{Filters: filtersOf(c.name, c.value)})
		if len(out.PrefixLists) != 1 {
			t.Errorf("%s=%s: %d lists", c.name, c.value, len(out.PrefixLists))
		}
	}
	page := call[api.GetManagedPrefixListEntriesOutput](w, "GetManagedPrefixListEntries", &api.GetManagedPrefixListEntriesInput{PrefixListId: &id, MaxResults: ptr[int32](1)})
	rest := call[api.GetManagedPrefixListEntriesOutput](w, "GetManagedPrefixListEntries", &api.GetManagedPrefixListEntriesInput{PrefixListId: &id, MaxResults: ptr[int32](1), NextToken: page.NextToken})
	if *page.Entries[0].Cidr != "10.0.0.0/8" || *rest.Entries[0].Cidr != "198.51.100.0/24" || rest.NextToken != nil {
		t.Errorf("%+v, then %+v", page, rest)
	}
	w.as("210987654321", "us-east-1").fails("DeleteManagedPrefixList", &api.DeleteManagedPrefixListInput{PrefixListId: &id}, "InvalidPrefixListID.NotFound", id)
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{id}, Tags: tagList("a", "b")})
	if got := w.tagText("resource-type", "prefix-list"); len(got) != 2 {
		t.Errorf("tags %v", got)
	}
	if gone := call[api.DeleteManagedPrefixListOutput](w, "DeleteManagedPrefixList", &api.DeleteManagedPrefixListInput{PrefixListId: &id}).PrefixList; *gone.State != "delete-complete" {
		t.Errorf("%+v", gone)
	}
	w.fails("DescribeManagedPrefixLists", &api.DescribeManagedPrefixListsInput{PrefixListIds: []string{id}}, "InvalidPrefixListID.NotFound", "The prefix list ID '"+id+"' does not exist")
}

// TestPrefixListUsed: groups and route tables that refer to a list count its
// size against their quotas and keep it from going.
func TestPrefixListUsed(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"rules-per-security-group": 10, "routes-per-route-table": 8}})
	v := w.vpc("10.0.0.0/16")
	id := w.prefixList("IPv4", 6, "192.0.2.0/24")
	web, table := w.group(v, "web"), w.routeTable(v)
	gateway := w.putGateway(v)
	rules := func(list string) *api.AuthorizeSecurityGroupIngressInput {
		return &api.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: []api.IpPermission{{
			IpProtocol: ptr("tcp"), FromPort: ptr[int32](443), ToPort: ptr[int32](443), PrefixListIds: []api.PrefixListId{{PrefixListId: &list, Description: ptr("offices")}},
		}}}
	}
	made := call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", rules(id)).SecurityGroupRules
	if *made[0].PrefixListId != id || *made[0].Description != "offices" {
		t.Errorf("%+v", made)
	}
	w.fails("AuthorizeSecurityGroupIngress", rules(id), "InvalidPermission.Duplicate", `the specified rule "peer: `+id+`, TCP, from port: 443, to port: 443, ALLOW" already exists`)
	more, six := w.prefixList("IPv4", 5), w.prefixList("IPv6", 10)
	w.fails("AuthorizeSecurityGroupIngress", rules(more), "RulesPerSecurityGroupLimitExceeded", "")
	call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", rules(six)) // IPv6 is counted apart
	w.fails("ModifySecurityGroupRules", &api.ModifySecurityGroupRulesInput{GroupId: &web, SecurityGroupRules: []api.SecurityGroupRuleUpdate{{
		SecurityGroupRuleId: made[0].SecurityGroupRuleId, SecurityGroupRule: &api.SecurityGroupRuleRequest{
			IpProtocol: ptr("-1"), PrefixListId: ptr(w.prefixList("IPv4", 11)),
		},
	}}}, "RulesPerSecurityGroupLimitExceeded", "")

	route := func(list string) *api.CreateRouteInput {
		return &api.CreateRouteInput{RouteTableId: &table, DestinationPrefixListId: &list, GatewayId: &gateway}
	}
	call[api.CreateRouteOutput](w, "CreateRoute", route(id))
	w.fails("CreateRoute", route(id), "RouteAlreadyExists", "The route identified by "+id+" already exists.")
	w.fails("CreateRoute", route(more), "RouteLimitExceeded", "The maximum number of routes has been reached.")

	users := call[api.GetManagedPrefixListAssociationsOutput](w, "GetManagedPrefixListAssociations", &api.GetManagedPrefixListAssociationsInput{PrefixListId: &id})
	wantSame(t, ids(users.PrefixListAssociations, func(a api.PrefixListAssociation) *string { return a.ResourceId }), []string{table, web})

	grow := call[api.ModifyManagedPrefixListOutput](w, "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, MaxEntries: ptr[int32](9)}).PrefixList
	if *grow.State != "modify-failed" || *grow.MaxEntries != 6 || !strings.Contains(*grow.StateMessage, table) || strings.Contains(*grow.StateMessage, web) {
		t.Errorf("%+v", grow)
	}
	kept := call[api.DeleteManagedPrefixListOutput](w, "DeleteManagedPrefixList", &api.DeleteManagedPrefixListInput{PrefixListId: &id}).PrefixList
	if *kept.State != "delete-failed" || !strings.Contains(*kept.StateMessage, table+", "+web) {
		t.Errorf("%+v", kept)
	}
	if now := w.listNow(id); *now.State != "delete-failed" {
		t.Errorf("%+v", now)
	}
	call[api.DeleteRouteOutput](w, "DeleteRoute", &api.DeleteRouteInput{RouteTableId: &table, DestinationPrefixListId: &id})
	call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: &web, IpPermissions: rules(id).IpPermissions})
	call[api.DeleteManagedPrefixListOutput](w, "DeleteManagedPrefixList", &api.DeleteManagedPrefixListInput{PrefixListId: &id})
	w.fails("GetManagedPrefixListEntries", &api.GetManagedPrefixListEntriesInput{PrefixListId: &id}, "InvalidPrefixListID.NotFound", id)
}

func TestPrefixListRefused(t *testing.T) {
	w := newWorld(t)
	id := w.prefixList("IPv4", 2, "10.0.0.0/8")
	create := func(name, family string, size int32, blocks ...string) *api.CreateManagedPrefixListInput {
		return &api.CreateManagedPrefixListInput{PrefixListName: &name, AddressFamily: &family, MaxEntries: &size, Entries: entriesFor(blocks...)}
	}
	modify := func(add, remove []string) *api.ModifyManagedPrefixListInput {
		return &api.ModifyManagedPrefixListInput{PrefixListId: &id, AddEntries: entriesFor(add...), RemoveEntries: removalsOf(remove...)}
	}
	restore := func(previous, current int64) *api.RestoreManagedPrefixListVersionInput {
		return &api.RestoreManagedPrefixListVersionInput{PrefixListId: &id, PreviousVersion: &previous, CurrentVersion: &current}
	}
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf("10.%d.0.0/16", i))
	}
	for _, c := range []struct {
		name, action string
		in           any
		code, text   string
	}{
		{"family", "CreateManagedPrefixList", create("a", "ipv4", 1), "InvalidParameterValue", "Use IPv4 or IPv6 only."},
		{"no name", "CreateManagedPrefixList", create("", "IPv4", 1), "InvalidParameterValue", "prefixListName"},
		{"long name", "CreateManagedPrefixList", create(strings.Repeat("x", 256), "IPv4", 1), "InvalidParameterValue", "prefixListName"},
		{"AWS's name", "CreateManagedPrefixList", create("com.amazonaws.us-east-1.s3", "IPv4", 1), "InvalidParameterValue", "com.amazonaws"},
		{"no size", "CreateManagedPrefixList", create("a", "IPv4", 0), "InvalidParameterValue", "Must specify a max size between 1 and 1000"},
		{"size", "CreateManagedPrefixList", create("a", "IPv4", 1001), "InvalidParameterValue", "Must specify a max size between 1 and 1000"},
		{"too many", "CreateManagedPrefixList", create("a", "IPv4", 1, "10.0.0.0/8", "11.0.0.0/8"), "PrefixListMaxEntriesExceeded", ""},
		{"other family", "CreateManagedPrefixList", create("a", "IPv4", 1, "2001:db8::/32"), "InvalidParameterValue", "IPv4 CIDR block"},
		{"no block", "CreateManagedPrefixList", create("a", "IPv6", 1, "x"), "InvalidParameterValue", "IPv6 CIDR block"},
		{"twice", "CreateManagedPrefixList", create("a", "IPv4", 2, "10.0.0.0/8", "10.0.0.1/8"), "InvalidRequest", "The request received was invalid"},
		{"many at once", "CreateManagedPrefixList", create("a", "IPv4", 500, many...), "InvalidParameterValue", "The number of entries per request cannot exceeds limit (100)."},
		{"long description", "CreateManagedPrefixList", &api.CreateManagedPrefixListInput{PrefixListName: ptr("a"), AddressFamily: ptr("IPv4"), MaxEntries: ptr[int32](1), Entries: []api.AddPrefixListEntry{{Cidr: ptr("10.0.0.0/8"), Description: ptr(strings.Repeat("x", 256))}}}, "InvalidParameterValue", "255 characters"},
		{"tags of another kind", "CreateManagedPrefixList", &api.CreateManagedPrefixListInput{PrefixListName: ptr("a"), AddressFamily: ptr("IPv4"), MaxEntries: ptr[int32](1), TagSpecifications: tagSpec("vpc", "a", "b")}, "InvalidParameterValue", "'vpc' is not a valid taggable resource type"},
		{"unknown", "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: ptr("pl-01234567")}, "InvalidPrefixListID.NotFound", "pl-01234567"},
		{"malformed", "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: ptr("x")}, "InvalidPrefixListId.Malformed", `expecting "pl-..."`},
		{"nothing to do", "ModifyManagedPrefixList", modify(nil, nil), "InvalidRequest", "The request received was invalid"},
		{"there already", "ModifyManagedPrefixList", modify([]string{"10.0.0.0/8"}, nil), "InvalidRequest", "The request received was invalid"},
		{"not there", "ModifyManagedPrefixList", modify(nil, []string{"11.0.0.0/8"}), "InvalidPrefixListModification", "does not exist."},
		{"both ways", "ModifyManagedPrefixList", modify([]string{"10.0.0.0/8"}, []string{"10.0.0.0/8"}), "InvalidParameterValue", "Request cannot contain Cidr 10.0.0.0/8 in both AddPrefixListEntries and RemovePrefixListEntries"},
		{"more than there is room", "ModifyManagedPrefixList", modify([]string{"11.0.0.0/8", "12.0.0.0/8"}, nil), "PrefixListMaxEntriesExceeded", ""},
		{"many additions", "ModifyManagedPrefixList", modify(many, nil), "InvalidParameterValue", "(100)"},
		{"removal of no block", "ModifyManagedPrefixList", modify(nil, []string{"x"}), "InvalidParameterValue", "IPv4 CIDR block"},
		{"old version", "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, CurrentVersion: ptr[int64](7), AddEntries: entriesFor("11.0.0.0/8")}, "PrefixListVersionMismatch", "The prefix list has the incorrect version number"},
		{"size and entries", "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, MaxEntries: ptr[int32](7), AddEntries: entriesFor("11.0.0.0/8")}, "InvalidParameterCombination", "at the same time"},
		{"resized to nothing", "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, MaxEntries: ptr[int32](0)}, "InvalidParameterValue", "Must specify a max size"},
		{"renamed", "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, PrefixListName: ptr("com.amazonaws")}, "InvalidParameterValue", "com.amazonaws"},
		{"IPAM", "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, IpamPrefixListResolverSyncEnabled: ptr(true)}, "UnsupportedOperation", "IPAM"},
		{"restore an unknown version", "RestoreManagedPrefixListVersion", restore(7, 1), "PrefixListVersionNotFound", "7"},
		{"restore from an old version", "RestoreManagedPrefixListVersion", restore(1, 7), "PrefixListVersionMismatch", ""},
		{"entries of an unknown version", "GetManagedPrefixListEntries", &api.GetManagedPrefixListEntriesInput{PrefixListId: &id, TargetVersion: ptr[int64](9)}, "PrefixListVersionNotFound", "9"},
		{"filter", "DescribeManagedPrefixLists", &api.DescribeManagedPrefixListsInput{Filters: filtersOf("vpc-id", "x")}, "InvalidParameterValue", "The filter 'vpc-id' is invalid"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails(c.action, c.in, c.code, c.text) })
	}
	call[api.ModifyManagedPrefixListOutput](w, "ModifyManagedPrefixList", modify([]string{"11.0.0.0/8"}, nil))
	w.fails("ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, MaxEntries: ptr[int32](1)}, "PrefixListMaxEntriesExceeded", "has 2 entries")
	call[api.ModifyManagedPrefixListOutput](w, "ModifyManagedPrefixList", modify(nil, []string{"11.0.0.0/8"}))
	call[api.ModifyManagedPrefixListOutput](w, "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, MaxEntries: ptr[int32](1)})
	w.fails("RestoreManagedPrefixListVersion", restore(2, 3), "PrefixListMaxEntriesExceeded", "Version 2 has 2 entries")
}

// TestPrefixListVersions: the oldest versions are dropped when there are too many.
func TestPrefixListVersions(t *testing.T) {
	w := newWorld(t)
	blocks := make([]string, 100)
	for i := range blocks {
		blocks[i] = fmt.Sprintf("10.%d.0.0/16", i)
	}
	id := w.prefixList("IPv4", 1000, blocks...)
	for i := range 250 {
		in := &api.ModifyManagedPrefixListInput{PrefixListId: &id, AddEntries: entriesFor("192.0.2.0/24")}
		if i%2 == 1 {
			in = &api.ModifyManagedPrefixListInput{PrefixListId: &id, RemoveEntries: removalsOf("192.0.2.0/24")}
		}
		call[api.ModifyManagedPrefixListOutput](w, "ModifyManagedPrefixList", in)
	}
	w.wantEntriesOf(id, 251, slices.Sorted(slices.Values(blocks))...)
	w.fails("GetManagedPrefixListEntries", &api.GetManagedPrefixListEntriesInput{PrefixListId: &id, TargetVersion: ptr[int64](1)}, "PrefixListVersionNotFound", "")
}

func TestPrefixListQuotas(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"prefix-lists-per-region": 1, "entries-per-prefix-list": 3}})
	id := w.prefixList("IPv4", 3)
	in := &api.CreateManagedPrefixListInput{PrefixListName: ptr("another"), AddressFamily: ptr("IPv4"), MaxEntries: ptr(int32(1))}
	w.fails("CreateManagedPrefixList", in, "PrefixListLimitExceeded", "The maximum number of prefix lists has been reached.")
	in.MaxEntries = ptr(int32(4))
	w.fails("CreateManagedPrefixList", in, "InvalidParameterValue", "Must specify a max size between 1 and 3")
	w.fails("ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: &id, MaxEntries: ptr(int32(4))}, "InvalidParameterValue", "Must specify a max size between 1 and 3")
	off := newWorld(t, Config{Quotas: quota.Off()})
	off.prefixList("IPv4", 5000)
}
