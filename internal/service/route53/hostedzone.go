package route53

import (
	"encoding/binary"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// What a new zone holds (Developer Guide, "NS and SOA records that Amazon Route 53
// creates for a public hosted zone").
const (
	nsTTL    = 172800
	soaTTL   = 900
	soaRest  = " awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
	soaHost  = 3 // of a private zone: ns-1536.awsdns-00.co.uk
	refZone  = "hostedzone/"
	refSet   = "delegationset/"
	refCheck = "healthcheck/"
)

// zoneOf finds a hosted zone of the caller. id may have its prefix.
func zoneOf(r state.Reader, c authz.Caller, id *string) (*state.HostedZone, error) {
	if z, ok := state.HostedZones.Get(r, global(c).Key(bare(id, zonePrefix))); ok {
		return z, nil
	}
	return nil, noZone(bare(id, zonePrefix))
}

func noZone(id string) error {
	return refuse(api.ErrNoSuchHostedZone, api.ErrNoSuchHostedZoneStatus, "No hosted zone found with ID: %s", awserr.Clip(id))
}

// CreateHostedZone creates a public zone, or with a VPC a private one.
func (s *Service) CreateHostedZone(tx *state.Tx, c authz.Caller, in *api.CreateHostedZoneInput) (*api.CreateHostedZoneOutput, error) {
	name, err := zoneName(*in.Name)
	if err != nil {
		return nil, err
	}
	config := in.HostedZoneConfig
	if config == nil {
		config = &api.HostedZoneConfig{}
	}
	z := &state.HostedZone{
		Meta: meta(tx, c, newID(tx, "Z")), Name: name.Escaped(), Reversed: name.Reversed(),
		CallerReference: *in.CallerReference, Comment: text(config.Comment), Private: in.VPC != nil,
	}
	if config.PrivateZone != nil && *config.PrivateZone && in.VPC == nil {
		return nil, invalidInput("When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify values for VPCId and VPCRegion.")
	}
	if z.Private {
		if in.DelegationSetId != nil {
			return nil, invalidInput("You can't associate a reusable delegation set with a private hosted zone.")
		}
		v, err := ownVpc(tx, c, in.VPC)
		if err != nil {
			return nil, err
		}
		z.Vpcs = []state.ZoneVpc{v}
	} else if _, parent := name.First(); parent == dnsview.Root || name == dnsview.Root {
		return nil, refuse(api.ErrInvalidDomainName, api.ErrInvalidDomainNameStatus, "%s is reserved by AWS!", strings.TrimSuffix(z.Name, "."))
	}
	if err := unusedReference(tx, c, refZone, z.CallerReference); err != nil {
		return nil, refuse(api.ErrHostedZoneAlreadyExists, api.ErrHostedZoneAlreadyExistsStatus, "A hosted zone has already been created with the specified caller reference.")
	}
	if err := nameServers(tx, c, z, name, in.DelegationSetId); err != nil {
		return nil, err
	}
	if z.Private && nameTaken(tx, z.Vpcs[0], z.Name) != nil {
		return nil, conflictingDomain("A conflicting domain is already associated with the given VPC or Delegation Set.")
	}
	if !s.cfg.ManyZones && countZones(tx, c) >= maxZones {
		return nil, refuse(api.ErrTooManyHostedZones, api.ErrTooManyHostedZonesStatus, "This operation can't be completed because the current account has reached the limit on the number of hosted zones.")
	}
	useReference(tx, c, refZone, z.CallerReference, z.ID)
	z.RecordSets = 2
	state.HostedZones.Put(tx, z)
	if err := apexRecords(tx, z); err != nil {
		return nil, err
	}
	out := &api.CreateHostedZoneOutput{HostedZone: zoneOut(z), ChangeInfo: changed(tx, c, nil), Location: location("hostedzone", z.ID)}
	if z.Private {
		out.VPC = &api.VPC{VPCId: &z.Vpcs[0].ID, VPCRegion: &z.Vpcs[0].Region}
	} else {
		out.DelegationSet = delegationOf(tx, z)
	}
	return out, nil
}

func conflictingDomain(format string, args ...any) error {
	return refuse(api.ErrConflictingDomainExists, api.ErrConflictingDomainExistsStatus, format, args...)
}

// zoneName reads the name of a zone: no asterisk for its leftmost label.
func zoneName(given string) (dnsview.Name, error) {
	name, err := dnsview.ParseEscaped(given)
	if err != nil {
		return "", refuse(api.ErrInvalidDomainName, api.ErrInvalidDomainNameStatus, "%s", err.Error())
	}
	if label, _ := name.First(); label == "*" {
		return "", refuse(api.ErrInvalidDomainName, api.ErrInvalidDomainNameStatus, "The specified domain name is not valid: the leftmost label cannot be *.")
	}
	return name, nil
}

// nameServers chooses the four hosts of a zone: those of its reusable delegation
// set, or drawn ones that no zone of the same name has.
func nameServers(tx *state.Tx, c authz.Caller, z *state.HostedZone, name dnsview.Name, set *string) error {
	if z.Private {
		z.NameServers = dnsview.PrivateNameServers()
		return nil
	}
	if set != nil {
		d, err := delegationSet(tx, c, set)
		if err != nil {
			return err
		}
		for other := range state.HostedZones.By(tx, state.ByDelegationSet, d.ID) {
			n, err := dnsview.ParseEscaped(other.Name)
			if err == nil && (n.In(name) || name.In(n)) {
				return conflictingDomain("A conflicting domain is already associated with the given VPC or Delegation Set.")
			}
		}
		if zonesOfSet(tx, d.ID) >= maxZonesOfSet {
			return refuse(api.ErrLimitsExceeded, api.ErrLimitsExceededStatus, "Limits Exceeded: MAX_ZONES_BY_REUSABLE_DELEGATION_SET=%d cannot be exceeded.", maxZonesOfSet)
		}
		z.DelegationSetID, z.NameServers = d.ID, d.NameServers
		return nil
	}
	used := map[string]bool{}
	for other := range state.HostedZones.By(tx, state.ByName, z.Name) {
		for _, host := range other.NameServers {
			used[host] = true
		}
	}
	z.NameServers = drawServers(tx, used)
	return nil
}

// drawServers draws four hosts that are not used yet, one of each domain, in any
// order. When all are used, one is used again.
func drawServers(tx *state.Tx, used map[string]bool) []string {
	var hosts []string
	for try := 0; ; try++ {
		var numbers [4]int
		for i := range numbers {
			numbers[i] = 1 + int(binary.BigEndian.Uint16(random(tx, 2))%(dnsview.NameServerCount/4-1)) // 0: private zones'
		}
		hosts = dnsview.NameServerSet(numbers)
		if try == dnsview.NameServerCount || !slices.ContainsFunc(hosts, func(h string) bool { return used[h] }) {
			break
		}
	}
	turn := int(random(tx, 1)[0]) % len(hosts)
	return append(hosts[turn:], hosts[:turn]...)
}

// apexRecords makes the NS and SOA records of a new zone.
func apexRecords(tx *state.Tx, z *state.HostedZone) error {
	hosts := make([]string, len(z.NameServers))
	for i, h := range z.NameServers {
		hosts[i] = h + "."
	}
	primary := hosts[0]
	if z.Private {
		primary = hosts[soaHost]
	}
	for _, set := range []*state.RecordSet{
		{Type: "NS", TTL: nsTTL, Values: hosts},
		{Type: "SOA", TTL: soaTTL, Values: []string{primary + soaRest}},
	} {
		for _, v := range set.Values {
			data, err := dnsview.ParseData(set.Type, v)
			if err != nil {
				return err
			}
			set.Rdata = append(set.Rdata, data)
		}
		set.Meta = state.Meta{Key: state.Key{Account: z.Account, ID: state.RecordSetID(z.ID, z.Reversed, set.Type, "")}, Created: tx.Now()}
		set.ZoneID, set.Name = z.ID, z.Name
		state.RecordSets.Put(tx, set)
	}
	return nil
}

// unusedReference says whether a caller reference was never used for a kind.
func unusedReference(r state.Reader, c authz.Caller, kind, reference string) error {
	if _, used := state.CallerReferences.Get(r, global(c).Key(kind+reference)); used {
		return awserr.New("CallerReferenceUsed", "The caller reference was used.")
	}
	return nil
}

func useReference(tx *state.Tx, c authz.Caller, kind, reference, id string) {
	state.CallerReferences.Put(tx, &state.CallerReference{Meta: meta(tx, c, kind+reference), Resource: id})
}

// DeleteHostedZone deletes a zone that holds nothing but its own NS and SOA records.
func (s *Service) DeleteHostedZone(tx *state.Tx, c authz.Caller, in *api.DeleteHostedZoneInput) (*api.DeleteHostedZoneOutput, error) {
	z, err := zoneOf(tx, c, in.Id)
	if err != nil {
		return nil, err
	}
	var sets []state.Key
	for set := range setsOf(tx, z, "") {
		if set.Name != z.Name || set.Type != "NS" && set.Type != "SOA" {
			return nil, refuse(api.ErrHostedZoneNotEmpty, api.ErrHostedZoneNotEmptyStatus,
				"The specified hosted zone contains non-required resource record sets and so cannot be deleted.")
		}
		sets = append(sets, set.Key)
	}
	for _, k := range sets {
		state.RecordSets.Delete(tx, k)
	}
	for q := range state.QueryLoggingConfigs.By(tx, state.ByZone, z.ID) {
		state.QueryLoggingConfigs.Delete(tx, q.Key)
		break // a zone has one
	}
	state.HostedZones.Delete(tx, z.Key)
	return &api.DeleteHostedZoneOutput{ChangeInfo: changed(tx, c, nil)}, nil
}

// UpdateHostedZoneComment sets or removes the comment.
func (s *Service) UpdateHostedZoneComment(tx *state.Tx, c authz.Caller, in *api.UpdateHostedZoneCommentInput) (*api.UpdateHostedZoneCommentOutput, error) {
	z, err := zoneOf(tx, c, in.Id)
	if err != nil {
		return nil, err
	}
	next := *z
	next.Comment = text(in.Comment)
	state.HostedZones.Put(tx, &next)
	return &api.UpdateHostedZoneCommentOutput{HostedZone: zoneOut(&next)}, nil
}

// GetHostedZone shows a zone, its name servers or its VPCs.
func (s *Service) GetHostedZone(r state.Reader, c authz.Caller, in *api.GetHostedZoneInput) (*api.GetHostedZoneOutput, error) {
	z, err := zoneOf(r, c, in.Id)
	if err != nil {
		return nil, err
	}
	out := &api.GetHostedZoneOutput{HostedZone: zoneOut(z)}
	if !z.Private {
		out.DelegationSet = delegationOf(r, z)
	}
	for i := range z.Vpcs {
		out.VPCs = append(out.VPCs, api.VPC{VPCId: &z.Vpcs[i].ID, VPCRegion: &z.Vpcs[i].Region})
	}
	return out, nil
}

// zoneOut is a zone as answers show it.
func zoneOut(z *state.HostedZone) *api.HostedZone {
	return &api.HostedZone{
		Id: new(zonePrefix + z.ID), Name: &z.Name, CallerReference: &z.CallerReference, ResourceRecordSetCount: &z.RecordSets,
		Config: &api.HostedZoneConfig{PrivateZone: &z.Private, Comment: optional(z.Comment)},
	}
}

// delegationOf is the delegation set of a public zone.
func delegationOf(r state.Reader, z *state.HostedZone) *api.DelegationSet {
	out := &api.DelegationSet{NameServers: z.NameServers}
	if d, ok := state.DelegationSets.Get(r, z.Scope().Key(z.DelegationSetID)); ok && z.DelegationSetID != "" {
		out.Id, out.CallerReference = new(setPrefix+d.ID), &d.CallerReference
	}
	return out
}

// GetDNSSEC says that a public zone is not signed: signing is not offered.
func (s *Service) GetDNSSEC(r state.Reader, c authz.Caller, in *api.GetDNSSECInput) (*api.GetDNSSECOutput, error) {
	z, err := zoneOf(r, c, in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	if z.Private {
		return nil, refuse(api.ErrInvalidArgument, api.ErrInvalidArgumentStatus, "Operation is unsupported for private hosted zones.")
	}
	return &api.GetDNSSECOutput{Status: &api.DNSSECStatus{ServeSignature: new("NOT_SIGNING")}, KeySigningKeys: []api.KeySigningKey{}}, nil
}
