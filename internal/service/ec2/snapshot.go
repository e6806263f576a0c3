package ec2

import (
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

var snapshotFilters = filters[state.Image]{
	"description":   func(i *state.Image) []string { return one(snapshotDescription(i)) },
	"encrypted":     func(i *state.Image) []string { return yes(false) },
	"owner-alias":   func(i *state.Image) []string { return one(i.OwnerAlias) },
	"owner-id":      func(i *state.Image) []string { return one(i.Account) },
	"progress":      func(i *state.Image) []string { return one("100%") },
	"snapshot-id":   func(i *state.Image) []string { return one(i.SnapshotID) },
	"start-time":    func(i *state.Image) []string { return instant(i.Created) },
	"status":        func(i *state.Image) []string { return one(api.SnapshotStateCompleted) },
	"storage-tier":  func(i *state.Image) []string { return one("standard") },
	"transfer-type": func(i *state.Image) []string { return nil },
	"volume-id":     func(i *state.Image) []string { return nil },
	"volume-size":   func(i *state.Image) []string { return one(strconv.Itoa(int(i.RootVolumeSize))) },
}

func snapshotDescription(i *state.Image) string { return "The root volume of " + i.ID }

// DescribeSnapshots lists the snapshots of the catalogue's images, which anybody
// may see; there are no others.
func (s *Service) DescribeSnapshots(r state.Reader, c authz.Caller, in *api.DescribeSnapshotsInput) (*api.DescribeSnapshotsOutput, error) {
	pass, err := compile(in.Filters, snapshotFilters)
	if err != nil {
		return nil, err
	}
	owned, err := owners(c, in.OwnerIds)
	if err != nil {
		return nil, err
	}
	restorable, err := executableBy(c, in.RestorableByUserIds)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, id := range in.SnapshotIds {
		if !awsid.Valid("snap", id) {
			return nil, malformedID("InvalidSnapshotID.Malformed", "snap", id)
		}
		wanted[id] = true
	}
	var rows []*state.Image
	for i := range images(r, c) {
		if i.SnapshotID == "" || len(in.SnapshotIds) > 0 && !wanted[i.SnapshotID] {
			continue
		}
		delete(wanted, i.SnapshotID)
		if owned(i) && restorable(i) && pass(r, i) {
			rows = append(rows, i)
		}
	}
	for _, id := range in.SnapshotIds {
		if wanted[id] {
			return nil, awserr.New("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", id)
		}
	}
	key := func(i *state.Image) string { return i.SnapshotID }
	slices.SortFunc(rows, func(a, b *state.Image) int { return strings.Compare(key(a), key(b)) })
	list, next, err := page(slices.Values(rows), key, paging{
		action: "DescribeSnapshots", scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters, ids: in.SnapshotIds, set: "snapshotSet",
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeSnapshotsOutput{Snapshots: []api.Snapshot{}, NextToken: next}
	for _, i := range list {
		out.Snapshots = append(out.Snapshots, api.Snapshot{
			SnapshotId: ptr(i.SnapshotID), OwnerId: ptr(i.Account), OwnerAlias: opt(i.OwnerAlias), VolumeId: ptr("vol-ffffffff"),
			VolumeSize: ptr(i.RootVolumeSize), State: ptr(api.SnapshotStateCompleted), Progress: ptr("100%"), StartTime: ptr(i.Created),
			Description: ptr(snapshotDescription(i)), Encrypted: ptr(false), StorageTier: ptr("standard"),
		})
	}
	return out, nil
}
