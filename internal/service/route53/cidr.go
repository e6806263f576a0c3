package route53

import (
	"net/netip"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// Blocks are at least as wide as these (API Reference, CidrCollectionChange).
const (
	maxBits4 = 24
	maxBits6 = 48
)

func collectionOf(r state.Reader, c authz.Caller, id string) (*state.CidrCollection, error) {
	if col, ok := state.CidrCollections.Get(r, global(c).Key(id)); ok {
		return col, nil
	}
	return nil, refuse(api.ErrNoSuchCidrCollection, api.ErrNoSuchCidrCollectionStatus, "The CIDR collection %s doesn't exist.", id)
}

func collectionARN(col *state.CidrCollection) *string {
	return new("arn:aws:route53:::cidrcollection/" + col.ID)
}

// CreateCidrCollection makes an empty collection.
func (s *Service) CreateCidrCollection(tx *state.Tx, c authz.Caller, in *api.CreateCidrCollectionInput) (*api.CreateCidrCollectionOutput, error) {
	n := 0
	for col := range state.CidrCollections.In(tx, global(c)) {
		n++
		switch {
		case col.CallerReference == *in.CallerReference && col.Name == *in.Name:
			return created(col), nil // asked for once more
		case col.CallerReference == *in.CallerReference, col.Name == *in.Name:
			return nil, refuse(api.ErrCidrCollectionAlreadyExists, api.ErrCidrCollectionAlreadyExistsStatus, "A CIDR collection with this name or caller reference already exists.")
		}
	}
	if n >= maxCollections {
		return nil, refuse(api.ErrLimitsExceeded, api.ErrLimitsExceededStatus, "Limits Exceeded: an account can have at most %d CIDR collections.", maxCollections)
	}
	col := &state.CidrCollection{Meta: meta(tx, c, newUUID(tx)), Name: *in.Name, CallerReference: *in.CallerReference, Version: 1}
	state.CidrCollections.Put(tx, col)
	return created(col), nil
}

func created(col *state.CidrCollection) *api.CreateCidrCollectionOutput {
	return &api.CreateCidrCollectionOutput{Collection: &api.CidrCollection{Arn: collectionARN(col), Id: &col.ID, Name: &col.Name, Version: &col.Version}, Location: location("cidrcollection", col.ID)}
}

// ChangeCidrCollection puts blocks into locations of a collection or takes them
// away, all or none.
func (s *Service) ChangeCidrCollection(tx *state.Tx, c authz.Caller, in *api.ChangeCidrCollectionInput) (*api.ChangeCidrCollectionOutput, error) {
	col, err := collectionOf(tx, c, *in.Id)
	if err != nil {
		return nil, err
	}
	if in.CollectionVersion != nil && *in.CollectionVersion != col.Version {
		return nil, refuse(api.ErrCidrCollectionVersionMismatch, api.ErrCidrCollectionVersionMismatchStatus, "The CIDR collection version you provided, %d, does not match the one in the CIDR collection, %d.", *in.CollectionVersion, col.Version)
	}
	blocks := map[netip.Prefix]string{} // → location
	for _, l := range col.Locations {
		for _, b := range l.Blocks {
			blocks[b] = l.Name
		}
	}
	for _, change := range in.Changes {
		for _, given := range change.CidrList {
			b, err := parseBlock(given)
			if err != nil {
				return nil, err
			}
			at, there := blocks[b]
			switch {
			case *change.Action == api.CidrCollectionChangeActionDELETEIFEXISTS:
				if there && at == *change.LocationName {
					delete(blocks, b)
				}
			case there && at != *change.LocationName:
				return nil, refuse(api.ErrCidrBlockInUse, api.ErrCidrBlockInUseStatus, "The CIDR block %s is already in use in the location %s.", b, at)
			default:
				blocks[b] = *change.LocationName
			}
		}
	}
	if len(blocks) > maxBlocks {
		return nil, refuse(api.ErrLimitsExceeded, api.ErrLimitsExceededStatus, "Limits Exceeded: a CIDR collection can have at most %d CIDR blocks.", maxBlocks)
	}
	next := *col
	next.Version++
	next.Locations = locations(blocks)
	for _, old := range col.Locations {
		if !slices.ContainsFunc(next.Locations, func(l state.CidrLocation) bool { return l.Name == old.Name }) && routed(tx, col.ID, old.Name) {
			return nil, refuse(api.ErrCidrCollectionInUse, api.ErrCidrCollectionInUseStatus, "The CIDR location %s is in use by a record and can't be deleted.", old.Name)
		}
	}
	state.CidrCollections.Put(tx, &next)
	return &api.ChangeCidrCollectionOutput{Id: changed(tx, c, nil).Id}, nil
}

// locations sorts blocks into their locations.
func locations(blocks map[netip.Prefix]string) (out []state.CidrLocation) {
	byName := map[string][]netip.Prefix{}
	for b, name := range blocks {
		byName[name] = append(byName[name], b)
	}
	for name, list := range byName {
		slices.SortFunc(list, netip.Prefix.Compare)
		out = append(out, state.CidrLocation{Name: name, Blocks: list})
	}
	slices.SortFunc(out, func(a, b state.CidrLocation) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// routed says whether a record is for a location.
func routed(r state.Reader, collection, location string) bool {
	for range state.RecordSets.By(r, state.ByCollection, collection+" "+location) {
		return true
	}
	return false
}

func parseBlock(given string) (netip.Prefix, error) {
	b, err := netip.ParsePrefix(given)
	switch {
	case err != nil || b.Masked() != b:
		return b, invalidInput("The CIDR block %s is not valid.", awserr.Clip(given))
	case b.Bits() == 0 || b.Addr().Is4() && b.Bits() > maxBits4 || b.Addr().Is6() && b.Bits() > maxBits6:
		return b, invalidInput("The CIDR block %s is not valid: IPv4 blocks are from /1 to /%d, IPv6 blocks from /1 to /%d.", b, maxBits4, maxBits6)
	}
	return b, nil
}

// DeleteCidrCollection deletes a collection that is empty.
func (s *Service) DeleteCidrCollection(tx *state.Tx, c authz.Caller, in *api.DeleteCidrCollectionInput) (*api.DeleteCidrCollectionOutput, error) {
	col, err := collectionOf(tx, c, *in.Id)
	if err != nil {
		return nil, err
	}
	if len(col.Locations) > 0 || routed(tx, col.ID, "*") {
		return nil, refuse(api.ErrCidrCollectionInUse, api.ErrCidrCollectionInUseStatus, "This CIDR collection is in use, and isn't empty.")
	}
	state.CidrCollections.Delete(tx, col.Key)
	return &api.DeleteCidrCollectionOutput{}, nil
}

// ListCidrCollections lists the caller's collections.
func (s *Service) ListCidrCollections(r state.Reader, c authz.Caller, in *api.ListCidrCollectionsInput) (*api.ListCidrCollectionsOutput, error) {
	all := slices.Collect(state.CidrCollections.In(r, global(c)))
	list, next, err := pageOf(all, in.NextToken, in.MaxResults, zonePage, func(col *state.CidrCollection) string { return col.ID })
	if err != nil {
		return nil, err
	}
	out := &api.ListCidrCollectionsOutput{CidrCollections: []api.CollectionSummary{}, NextToken: next}
	for _, col := range list {
		out.CidrCollections = append(out.CidrCollections, api.CollectionSummary{Arn: collectionARN(col), Id: &col.ID, Name: &col.Name, Version: &col.Version})
	}
	return out, nil
}

// ListCidrLocations lists the locations of a collection.
func (s *Service) ListCidrLocations(r state.Reader, c authz.Caller, in *api.ListCidrLocationsInput) (*api.ListCidrLocationsOutput, error) {
	col, err := collectionOf(r, c, *in.CollectionId)
	if err != nil {
		return nil, err
	}
	list, next, err := pageOf(col.Locations, in.NextToken, in.MaxResults, zonePage, func(l state.CidrLocation) string { return l.Name })
	if err != nil {
		return nil, err
	}
	out := &api.ListCidrLocationsOutput{CidrLocations: []api.LocationSummary{}, NextToken: next}
	for i := range list {
		out.CidrLocations = append(out.CidrLocations, api.LocationSummary{LocationName: &list[i].Name})
	}
	return out, nil
}

// ListCidrBlocks lists the blocks of a collection, or of one location of it.
func (s *Service) ListCidrBlocks(r state.Reader, c authz.Caller, in *api.ListCidrBlocksInput) (*api.ListCidrBlocksOutput, error) {
	col, err := collectionOf(r, c, *in.CollectionId)
	if err != nil {
		return nil, err
	}
	var all []api.CidrBlockSummary
	found := in.LocationName == nil
	for i, l := range col.Locations {
		if in.LocationName != nil && l.Name != *in.LocationName {
			continue
		}
		found = true
		for _, b := range l.Blocks {
			all = append(all, api.CidrBlockSummary{CidrBlock: new(b.String()), LocationName: &col.Locations[i].Name})
		}
	}
	if !found {
		return nil, refuse(api.ErrNoSuchCidrLocation, api.ErrNoSuchCidrLocationStatus, "The CIDR location %s doesn't exist in the collection.", *in.LocationName)
	}
	list, next, err := pageOf(all, in.NextToken, in.MaxResults, zonePage, func(b api.CidrBlockSummary) string { return *b.CidrBlock })
	if err != nil {
		return nil, err
	}
	return &api.ListCidrBlocksOutput{CidrBlocks: append([]api.CidrBlockSummary{}, list...), NextToken: next}, nil
}
