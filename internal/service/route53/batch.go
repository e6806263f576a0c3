package route53

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// Bounds of one batch; an UPSERT counts twice (API Reference,
// ChangeResourceRecordSets, "Limits").
const (
	maxBatchRecords    = 1000
	maxBatchCharacters = 32000
)

// maxMessages bounds the answer to a batch in which much is wrong.
const maxMessages = 100

// batch applies changes in order to the transaction's copy of a zone, and collects
// what is wrong with them: one problem and nothing of it is committed.
type batch struct {
	tx       *state.Tx
	zone     *state.HostedZone
	apex     dnsview.Name
	messages []string
	count    int64 // of the zone's record sets
	weighted map[string]*state.RecordSet
}

func (b *batch) problem(text string) {
	if len(b.messages) < maxMessages {
		b.messages = append(b.messages, text)
	}
}

// ChangeResourceRecordSets applies a batch of changes to a zone: all or none.
func (s *Service) ChangeResourceRecordSets(tx *state.Tx, c authz.Caller, in *api.ChangeResourceRecordSetsInput) (*api.ChangeResourceRecordSetsOutput, error) {
	z, err := zoneOf(tx, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	changes := in.ChangeBatch.Changes
	for i := range changes {
		if err := complete(&changes[i]); err != nil {
			return nil, err
		}
	}
	if err := bounded(changes); err != nil {
		return nil, err
	}
	apex, err := dnsview.ParseEscaped(z.Name)
	if err != nil {
		return nil, err
	}
	b := &batch{tx: tx, zone: z, apex: apex, count: z.RecordSets, weighted: map[string]*state.RecordSet{}}
	for i := range changes {
		if err := b.apply(c, &changes[i]); err != nil {
			return nil, err
		}
	}
	b.groups()
	if len(b.messages) > 0 {
		return nil, badBatch(b.messages...)
	}
	if b.count > maxRecordSets && b.count > z.RecordSets {
		return nil, refuse(api.ErrLimitsExceeded, api.ErrLimitsExceededStatus, "Limits Exceeded: MAX_RRSETS_BY_ZONE=%d cannot be exceeded.", maxRecordSets)
	}
	next := *z
	next.RecordSets = b.count
	state.HostedZones.Put(tx, &next)
	return &api.ChangeResourceRecordSetsOutput{ChangeInfo: changed(tx, c, in.ChangeBatch.Comment)}, nil
}

// badBatch is InvalidChangeBatch with its messages, which the codec tells apart by
// the ends of lines.
func badBatch(messages ...string) error {
	for i, m := range messages {
		messages[i] = strings.ReplaceAll(m, "\n", " ")
	}
	return refuse(api.ErrInvalidChangeBatch, api.ErrInvalidChangeBatchStatus, "%s", strings.Join(messages, "\n"))
}

// bounded checks the size of a batch.
func bounded(changes []api.Change) error {
	records, characters := 0, 0
	for i := range changes {
		times := 1
		if *changes[i].Action == api.ChangeActionUPSERT {
			times = 2
		}
		for _, v := range changes[i].ResourceRecordSet.ResourceRecords {
			records += times
			characters += times * len(*v.Value)
		}
	}
	switch {
	case records > maxBatchRecords:
		return badBatch("Number of records limit of 1000 exceeded.")
	case characters > maxBatchCharacters:
		return badBatch("Number of characters limit of 32000 exceeded.")
	}
	return nil
}

// apply applies one change. The error is one that ends the request; what is wrong
// with the change itself is collected.
func (b *batch) apply(c authz.Caller, change *api.Change) error {
	in := change.ResourceRecordSet
	name, err := dnsview.ParseEscaped(*in.Name)
	if err != nil {
		b.problem(err.Error())
		return nil
	}
	set := setRow(b.zone, name, in)
	set.Created = b.tx.Now()
	if !name.In(b.apex) {
		b.problem("RRSet with DNS name " + set.Name + " is not permitted in zone " + b.zone.Name)
		return nil
	}
	if !b.data(set) {
		return nil
	}
	old, exists := state.RecordSets.Get(b.tx, set.Key)
	switch *change.Action {
	case api.ChangeActionDELETE:
		b.delete(old, exists, set)
		return nil
	case api.ChangeActionCREATE:
		if exists {
			b.problem("Tried to create resource record set " + label(set) + " but it already exists")
			return nil
		}
	}
	if err := b.references(c, set); err != nil {
		return err
	}
	if !b.fits(name, set) {
		return nil
	}
	if !exists {
		b.count++
	}
	state.RecordSets.Put(b.tx, set)
	if set.Weight != nil {
		b.weighted[set.Name+" "+set.Type] = set
	}
	return nil
}

// delete removes a record set that is described exactly.
func (b *batch) delete(old *state.RecordSet, exists bool, want *state.RecordSet) {
	switch {
	case !exists:
		b.problem("Tried to delete resource record set " + label(want) + " but it was not found")
	case !matches(old, want):
		b.problem("Tried to delete resource record set " + label(want) + " but the values provided do not match the current values")
	case old.Name == b.zone.Name && old.Type == "SOA":
		b.problem("A HostedZone must contain exactly one SOA record.")
	case old.Name == b.zone.Name && old.Type == "NS":
		b.problem("A HostedZone must contain at least one NS record for the zone itself.")
	default:
		state.RecordSets.Delete(b.tx, old.Key)
		b.count--
	}
}

// data reads the values of a record set.
func (b *batch) data(set *state.RecordSet) bool {
	before := len(b.messages)
	seen := map[string]bool{}
	for _, v := range set.Values {
		data, err := dnsview.ParseData(set.Type, v)
		switch {
		case err != nil:
			b.problem("Invalid Resource Record: '" + err.Error() + "'")
			continue
		case seen[string(data)]:
			b.problem("Duplicate Resource Record: '" + awserr.Clip(v) + "'")
		}
		seen[string(data)] = true
		set.Rdata = append(set.Rdata, data)
	}
	switch n := len(set.Values); {
	case n > 1 && (set.Type == "CNAME" || set.Type == "SOA"):
		b.problem("RRSet of type " + set.Type + " with DNS name " + set.Name + " can have only one value.")
	case n > maxValues:
		b.problem("RRSet with DNS name " + set.Name + ", type " + set.Type + " has more than 400 values.")
	}
	return len(b.messages) == before
}

// groups checks what holds for a group as a whole once all changes are applied:
// the members of a weighted one have one TTL.
func (b *batch) groups() {
	for _, set := range b.weighted {
		for _, other := range b.group(set) {
			if other.Alias == nil && set.Alias == nil && other.TTL != set.TTL {
				b.problem("RRSet with DNS name " + set.Name + ", type " + set.Type + ", SetIdentifier " + set.SetID + " cannot be created as weighted sets must contain the same TTL.")
				break
			}
		}
	}
}

// group gives the record sets of the same name and type, but for the set itself.
func (b *batch) group(set *state.RecordSet) (others []*state.RecordSet) {
	name, err := dnsview.ParseEscaped(set.Name)
	if err != nil {
		return nil
	}
	for _, other := range named(b.tx, b.zone, name) {
		if other.Type == set.Type && other.Key != set.Key {
			others = append(others, other)
		}
	}
	return others
}
