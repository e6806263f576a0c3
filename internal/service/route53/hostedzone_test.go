package route53

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
)

func create(name, reference string, more ...func(*api.CreateHostedZoneInput)) *api.CreateHostedZoneInput {
	in := &api.CreateHostedZoneInput{Name: &name, CallerReference: &reference}
	for _, m := range more {
		m(in)
	}
	return in
}

// TestPublicZone: what a new public zone is and holds.
func TestPublicZone(t *testing.T) {
	w := newWorld(t, 0)
	out := call[api.CreateHostedZoneOutput](w, "CreateHostedZone", create(`Ex\101mple.Test`, "r", func(in *api.CreateHostedZoneInput) {
		in.HostedZoneConfig = &api.HostedZoneConfig{Comment: new("mine")}
	}))
	z := out.HostedZone
	id := strings.TrimPrefix(*z.Id, zonePrefix)
	if *z.Name != "example.test." || len(id) != 21 || id[0] != 'Z' || *out.Location != "https://route53.amazonaws.com/2013-04-01/hostedzone/"+id || *out.ChangeInfo.Status != "PENDING" || out.VPC != nil ||
		*z.Config.PrivateZone || *z.Config.Comment != "mine" || *z.ResourceRecordSetCount != 2 {
		t.Errorf("%+v", out)
	}
	hosts := out.DelegationSet.NameServers
	ends := map[string]bool{}
	for _, h := range hosts {
		ends[h[strings.LastIndexByte(h, '.'):]] = true
	}
	if len(hosts) != 4 || len(ends) != 4 || out.DelegationSet.Id != nil {
		t.Errorf("delegation set %+v", out.DelegationSet)
	}
	sets := call[api.ListResourceRecordSetsOutput](w, "ListResourceRecordSets", &api.ListResourceRecordSetsInput{HostedZoneId: &id}).ResourceRecordSets
	if *sets[0].Type != "NS" || *sets[0].TTL != 172800 || *sets[0].ResourceRecords[3].Value != hosts[3]+"." ||
		*sets[1].Type != "SOA" || *sets[1].TTL != 900 || *sets[1].ResourceRecords[0].Value != hosts[0]+". awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400" {
		t.Errorf("it holds %+v", sets)
	}
	if got := call[api.GetDNSSECOutput](w, "GetDNSSEC", &api.GetDNSSECInput{HostedZoneId: &id}); *got.Status.ServeSignature != "NOT_SIGNING" {
		t.Errorf("%+v", got)
	}
	// A second one of the name shares no server with the first.
	for i := range 20 {
		again := call[api.CreateHostedZoneOutput](w, "CreateHostedZone", create("example.test", fmt.Sprint(i)))
		for _, h := range again.DelegationSet.NameServers {
			if slices.Contains(hosts, h) {
				t.Errorf("%s serves two zones of one name", h)
			}
		}
		hosts = append(hosts, again.DelegationSet.NameServers...)
	}
	w.fails("CreateHostedZone", create("other.test", "r"), "409 HostedZoneAlreadyExists: A hosted zone has already been created with the specified caller reference.")
	call[api.DeleteHostedZoneOutput](w, "DeleteHostedZone", &api.DeleteHostedZoneInput{Id: z.Id})
	w.fails("CreateHostedZone", create("other.test", "r"), "409 HostedZoneAlreadyExists: A hosted zone has already been created with the specified caller reference.")
	w.fails("GetHostedZone", &api.GetHostedZoneInput{Id: z.Id}, "404 NoSuchHostedZone: No hosted zone found with ID: "+id)
	call[api.CreateHostedZoneOutput](w.as("210987654321"), "CreateHostedZone", create("example.test", "r"))
}

func TestCreateHostedZoneRefused(t *testing.T) {
	w := newWorld(t, 0)
	v := w.vpc("eu-west-1", "vpc-1")
	w.as("210987654321").vpc("eu-west-1", "vpc-2")
	w.zone("corp.test", v)
	private := func(v *api.VPC) func(*api.CreateHostedZoneInput) {
		return func(in *api.CreateHostedZoneInput) { in.VPC = v }
	}
	for _, tt := range []struct {
		in   *api.CreateHostedZoneInput
		want string
	}{
		{create("", "r"), "400 InvalidDomainName: FATAL problem: DomainNameEmpty (Domain name is empty) encountered with ''"},
		{create("a..b", "r"), "400 InvalidDomainName: FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with 'a..b'"},
		{create(strings.Repeat("a", 64)+".test", "r"), "400 InvalidDomainName: FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with '" + strings.Repeat("a", 64) + ".test'"},
		{create("*.test", "r"), "400 InvalidDomainName: The specified domain name is not valid: the leftmost label cannot be *."},
		{create("com", "r"), "400 InvalidDomainName: com is reserved by AWS!"},
		{create("a.test", ""), "400 InvalidInput: 1 validation error detected: Value '' at 'callerReference' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{create("a.test", "r", func(in *api.CreateHostedZoneInput) {
			in.HostedZoneConfig = &api.HostedZoneConfig{PrivateZone: new(true)}
		}),
			"400 InvalidInput: When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify values for VPCId and VPCRegion."},
		{create("a.test", "r", private(&api.VPC{VPCId: new("vpc-1")})), "400 InvalidInput: Invalid request: Expected both of [VPCId, VPCRegion] in VPC"},
		{create("a.test", "r", private(&api.VPC{VPCId: new("vpc-9"), VPCRegion: new("eu-west-1")})), "400 InvalidVPCId: The VPC: vpc-9 in region: eu-west-1 does not exist."},
		{create("a.test", "r", private(&api.VPC{VPCId: new("vpc-1"), VPCRegion: new("us-east-1")})), "400 InvalidVPCId: The VPC: vpc-1 in region: us-east-1 does not exist."},
		{create("a.test", "r", private(&api.VPC{VPCId: new("vpc-2"), VPCRegion: new("eu-west-1")})), "400 InvalidVPCId: The VPC: vpc-2 in region: eu-west-1 does not exist."},
		{create("Corp.Test.", "r", private(v)), "400 ConflictingDomainExists: A conflicting domain is already associated with the given VPC or Delegation Set."},
		{create("a.test", "r", func(in *api.CreateHostedZoneInput) { in.DelegationSetId = new("N0") }), "400 NoSuchDelegationSet: A reusable delegation set with the specified ID N0 does not exist."},
		{create("a.test", "r", private(v), func(in *api.CreateHostedZoneInput) { in.DelegationSetId = new("N0") }), "400 InvalidInput: You can't associate a reusable delegation set with a private hosted zone."},
	} {
		w.fails("CreateHostedZone", tt.in, tt.want)
	}
	// Of the same name and a single label are allowed to be private.
	call[api.CreateHostedZoneOutput](w, "CreateHostedZone", create("internal", "r", private(v)))
	call[api.CreateHostedZoneOutput](w, "CreateHostedZone", create("sub.corp.test", "r2", private(v)))
}

// TestAssociations: which VPCs a private zone can have, and who may say so.
func TestAssociations(t *testing.T) {
	w := newWorld(t, 0)
	one, two := w.vpc("us-east-1", "vpc-1"), w.vpc("eu-west-1", "vpc-2")
	guest := w.as("210987654321")
	theirs := guest.vpc("us-east-1", "vpc-3")
	z := w.zone("corp.test", one)
	public := w.zone("public.test", nil)
	same := w.zone("corp.test", two)

	got := call[api.GetHostedZoneOutput](w, "GetHostedZone", &api.GetHostedZoneInput{Id: &z})
	if got.DelegationSet != nil || len(got.VPCs) != 1 || *got.VPCs[0].VPCId != "vpc-1" || !*got.HostedZone.Config.PrivateZone {
		t.Errorf("%+v", got)
	}
	associate := func(zone string, v *api.VPC) *api.AssociateVPCWithHostedZoneInput {
		return &api.AssociateVPCWithHostedZoneInput{HostedZoneId: &zone, VPC: v}
	}
	const overlap = "400 ConflictingDomainExists: The VPC that you chose, %s in region %s, is already associated with another private hosted zone that has an overlapping name space, corp.test.."
	w.fails("AssociateVPCWithHostedZone", associate(z, two), fmt.Sprintf(overlap, "vpc-2", "eu-west-1"))
	w.fails("AssociateVPCWithHostedZone", associate(z, one), fmt.Sprintf(overlap, "vpc-1", "us-east-1"))
	w.fails("AssociateVPCWithHostedZone", associate("Z0", one), "404 NoSuchHostedZone: No hosted zone found with ID: Z0")
	w.fails("AssociateVPCWithHostedZone", associate(public, one), "400 PublicZoneVPCAssociation: You're trying to associate a VPC with a public hosted zone. Amazon Route 53 doesn't support associating a VPC with a public hosted zone.")
	w.fails("AssociateVPCWithHostedZone", associate(z, &api.VPC{VPCId: new("vpc-9"), VPCRegion: new("us-east-1")}), "400 InvalidVPCId: The VPC: vpc-9 in region: us-east-1 does not exist.")
	w.fails("AssociateVPCWithHostedZone", associate(z, theirs), "401 NotAuthorizedException: The VPC: vpc-3 has not authorized to associate with your hosted zone.")
	guest.fails("AssociateVPCWithHostedZone", associate(z, theirs), "401 NotAuthorizedException: The VPC: vpc-3 has not authorized to associate with your hosted zone.")
	guest.fails("AssociateVPCWithHostedZone", associate(public, theirs), "404 NoSuchHostedZone: No hosted zone found with ID: "+public)

	authorize := &api.CreateVPCAssociationAuthorizationInput{HostedZoneId: &z, VPC: theirs}
	call[api.CreateVPCAssociationAuthorizationOutput](w, "CreateVPCAssociationAuthorization", authorize)
	call[api.CreateVPCAssociationAuthorizationOutput](w, "CreateVPCAssociationAuthorization", authorize)
	guest.fails("CreateVPCAssociationAuthorization", authorize, "404 NoSuchHostedZone: No hosted zone found with ID: "+z)
	list := call[api.ListVPCAssociationAuthorizationsOutput](w, "ListVPCAssociationAuthorizations", &api.ListVPCAssociationAuthorizationsInput{HostedZoneId: &z})
	if len(list.VPCs) != 1 || *list.VPCs[0].VPCId != "vpc-3" {
		t.Errorf("authorized are %+v", list.VPCs)
	}
	call[api.AssociateVPCWithHostedZoneOutput](guest, "AssociateVPCWithHostedZone", associate(z, theirs))
	take := &api.DeleteVPCAssociationAuthorizationInput{HostedZoneId: &z, VPC: theirs}
	call[api.DeleteVPCAssociationAuthorizationOutput](w, "DeleteVPCAssociationAuthorization", take)
	w.fails("DeleteVPCAssociationAuthorization", take, "404 VPCAssociationAuthorizationNotFound: The VPC that you specified is not authorized to be associated with the hosted zone.")
	if n := len(call[api.GetHostedZoneOutput](w, "GetHostedZone", &api.GetHostedZoneInput{Id: &z}).VPCs); n != 2 {
		t.Errorf("the zone has %d VPCs: an association outlives its authorization", n)
	}
	w.fails("ListHostedZonesByVPC", &api.ListHostedZonesByVPCInput{VPCId: theirs.VPCId, VPCRegion: theirs.VPCRegion}, "400 InvalidVPCId: The VPC: vpc-3 in region: us-east-1 does not exist.")
	byVpc := call[api.ListHostedZonesByVPCOutput](guest, "ListHostedZonesByVPC", &api.ListHostedZonesByVPCInput{VPCId: theirs.VPCId, VPCRegion: theirs.VPCRegion}).HostedZoneSummaries
	if len(byVpc) != 1 || *byVpc[0].HostedZoneId != z || *byVpc[0].Owner.OwningAccount != w.caller.Account {
		t.Errorf("%+v", byVpc)
	}

	leave := func(zone string, v *api.VPC) *api.DisassociateVPCFromHostedZoneInput {
		return &api.DisassociateVPCFromHostedZoneInput{HostedZoneId: &zone, VPC: v}
	}
	w.fails("DisassociateVPCFromHostedZone", leave(z, two), "404 VPCAssociationNotFound: The specified VPC and hosted zone are not currently associated.")
	w.fails("DisassociateVPCFromHostedZone", leave(public, one), "404 VPCAssociationNotFound: The specified VPC and hosted zone are not currently associated.")
	guest.fails("DisassociateVPCFromHostedZone", leave(z, one), "404 NoSuchHostedZone: No hosted zone found with ID: "+z)
	w.fails("DisassociateVPCFromHostedZone", leave(same, two), "400 LastVPCAssociation: The VPC that you're trying to disassociate from the private hosted zone is the last VPC that is associated with the hosted zone. Amazon Route 53 doesn't support disassociating the last VPC from a hosted zone.")
	call[api.DisassociateVPCFromHostedZoneOutput](guest, "DisassociateVPCFromHostedZone", leave(z, theirs))
	w.fails("GetDNSSEC", &api.GetDNSSECInput{HostedZoneId: &z}, "400 InvalidArgument: Operation is unsupported for private hosted zones.")
}

// TestZoneLists: order and pages of the three lists.
func TestZoneLists(t *testing.T) {
	w := newWorld(t, 0)
	var ids []string
	for _, name := range []string{"b.test", "a.b.test", "a.example", "b-c.test", "a.test", "b.test"} {
		ids = append(ids, w.zone(name, nil))
	}
	w.as("210987654321").zone("other.test", nil)
	slices.Sort(ids)
	for size := int32(1); size < 8; size++ {
		var got, names []string
		in := &api.ListHostedZonesInput{MaxItems: &size}
		for {
			out := call[api.ListHostedZonesOutput](w, "ListHostedZones", in)
			for _, z := range out.HostedZones {
				got = append(got, strings.TrimPrefix(*z.Id, zonePrefix))
			}
			if in.Marker = out.NextMarker; !*out.IsTruncated {
				break
			}
		}
		byName := &api.ListHostedZonesByNameInput{MaxItems: &size}
		for {
			out := call[api.ListHostedZonesByNameOutput](w, "ListHostedZonesByName", byName)
			for _, z := range out.HostedZones {
				names = append(names, *z.Name)
			}
			if byName.DNSName, byName.HostedZoneId = out.NextDNSName, out.NextHostedZoneId; !*out.IsTruncated {
				break
			}
		}
		if !slices.Equal(got, ids) || strings.Join(names, " ") != "a.example. a.test. b-c.test. b.test. b.test. a.b.test." {
			t.Errorf("in pages of %d: %v, %v", size, got, names)
		}
	}
	if out := call[api.ListHostedZonesByNameOutput](w, "ListHostedZonesByName", &api.ListHostedZonesByNameInput{DNSName: new("b.TEST")}); len(out.HostedZones) != 3 || *out.DNSName != "b.TEST" {
		t.Errorf("from b.test: %+v", out)
	}
	w.fails("ListHostedZonesByName", &api.ListHostedZonesByNameInput{HostedZoneId: &ids[0]}, "400 InvalidInput: Invalid request: A HostedZoneId can only be given together with a DNSName.")
	w.fails("ListHostedZones", &api.ListHostedZonesInput{Marker: new("Z0")}, "404 NoSuchHostedZone: No hosted zone found with ID: Z0")
	w.fails("ListHostedZones", &api.ListHostedZonesInput{DelegationSetId: new("N0")}, "400 NoSuchDelegationSet: A reusable delegation set with the specified ID N0 does not exist.")
	if n := *call[api.GetHostedZoneCountOutput](w, "GetHostedZoneCount", &api.GetHostedZoneCountInput{}).HostedZoneCount; n != 6 {
		t.Errorf("there are %d zones", n)
	}
}

// TestChange: PENDING for as long as is configured, then INSYNC.
func TestChange(t *testing.T) {
	for delay, want := range map[time.Duration][]string{0: {"INSYNC", "INSYNC"}, time.Minute: {"PENDING", "INSYNC"}} {
		w := newWorld(t, delay)
		z := w.zone("a.test", nil)
		in := w.batch(z, "CREATE www.a.test A 60 192.0.2.1")
		in.ChangeBatch.Comment = new("why")
		info := call[api.ChangeResourceRecordSetsOutput](w, "ChangeResourceRecordSets", in).ChangeInfo
		if *info.Status != "PENDING" || !strings.HasPrefix(*info.Id, "/change/C") || *info.Comment != "why" || !info.SubmittedAt.Equal(w.now) {
			t.Errorf("%+v", info)
		}
		first := *call[api.GetChangeOutput](w, "GetChange", &api.GetChangeInput{Id: info.Id}).ChangeInfo.Status
		w.now = w.now.Add(time.Minute)
		second := *call[api.GetChangeOutput](w, "GetChange", &api.GetChangeInput{Id: new(strings.TrimPrefix(*info.Id, "/change/"))}).ChangeInfo.Status
		if first != want[0] || second != want[1] {
			t.Errorf("with a delay of %v: %s, %s", delay, first, second)
		}
		w.fails("GetChange", &api.GetChangeInput{Id: new("C0")}, "404 NoSuchChange: Could not find resource with ID: C0")
		w.as("210987654321").fails("GetChange", &api.GetChangeInput{Id: new("C0")}, "404 NoSuchChange: Could not find resource with ID: C0")
	}
}

// TestDelegationSets: reusable sets and the zones that share them.
func TestDelegationSets(t *testing.T) {
	w := newWorld(t, 0)
	set := func(reference string, zone *string) *api.CreateReusableDelegationSetInput {
		return &api.CreateReusableDelegationSetInput{CallerReference: &reference, HostedZoneId: zone}
	}
	d := call[api.CreateReusableDelegationSetOutput](w, "CreateReusableDelegationSet", set("1", nil)).DelegationSet
	if !strings.HasPrefix(*d.Id, "/delegationset/N") || len(d.NameServers) != 4 {
		t.Errorf("%+v", d)
	}
	with := func(in *api.CreateHostedZoneInput) { in.DelegationSetId = d.Id }
	z := call[api.CreateHostedZoneOutput](w, "CreateHostedZone", create("a.test", "a", with))
	if !slices.Equal(z.DelegationSet.NameServers, d.NameServers) || *z.DelegationSet.Id != *d.Id {
		t.Errorf("%+v", z.DelegationSet)
	}
	for _, name := range []string{"a.test", "x.a.test", "other.x.a.test"} {
		w.fails("CreateHostedZone", create(name, "b", with), "400 ConflictingDomainExists: A conflicting domain is already associated with the given VPC or Delegation Set.")
	}
	call[api.CreateHostedZoneOutput](w, "CreateHostedZone", create("b.test", "b", with))
	if zones := call[api.ListHostedZonesOutput](w, "ListHostedZones", &api.ListHostedZonesInput{DelegationSetId: d.Id}).HostedZones; len(zones) != 2 {
		t.Errorf("the set has %d zones", len(zones))
	}
	limit := call[api.GetReusableDelegationSetLimitOutput](w, "GetReusableDelegationSetLimit", &api.GetReusableDelegationSetLimitInput{DelegationSetId: d.Id, Type: new("MAX_ZONES_BY_REUSABLE_DELEGATION_SET")})
	if *limit.Count != 2 || *limit.Limit.Value != 100 {
		t.Errorf("%+v", limit)
	}
	plain := w.zone("c.test", nil)
	w.fails("CreateReusableDelegationSet", set("1", nil), "400 DelegationSetAlreadyCreated: A delegation set with the same owner and caller reference combination has already been created.")
	w.fails("CreateReusableDelegationSet", set("2", z.HostedZone.Id), "400 DelegationSetAlreadyReusable: The specified delegation set has already been marked as reusable.")
	w.fails("CreateReusableDelegationSet", set("2", new("Z0")), "400 HostedZoneNotFound: The specified HostedZone can't be found.")
	marked := call[api.CreateReusableDelegationSetOutput](w, "CreateReusableDelegationSet", set("2", &plain)).DelegationSet
	if got := call[api.GetHostedZoneOutput](w, "GetHostedZone", &api.GetHostedZoneInput{Id: &plain}).DelegationSet; *got.Id != *marked.Id || !slices.Equal(got.NameServers, marked.NameServers) {
		t.Errorf("%+v, %+v", got, marked)
	}
	w.fails("DeleteReusableDelegationSet", &api.DeleteReusableDelegationSetInput{Id: d.Id}, "400 DelegationSetInUse: The specified delegation contains associated hosted zones which must be deleted before the reusable delegation set can be deleted.")
	if n := len(call[api.ListReusableDelegationSetsOutput](w, "ListReusableDelegationSets", &api.ListReusableDelegationSetsInput{}).DelegationSets); n != 2 {
		t.Errorf("there are %d sets", n)
	}
	call[api.DeleteHostedZoneOutput](w, "DeleteHostedZone", &api.DeleteHostedZoneInput{Id: &plain})
	call[api.DeleteReusableDelegationSetOutput](w, "DeleteReusableDelegationSet", &api.DeleteReusableDelegationSetInput{Id: marked.Id})
	w.fails("GetReusableDelegationSet", &api.GetReusableDelegationSetInput{Id: marked.Id}, "400 NoSuchDelegationSet: A reusable delegation set with the specified ID "+strings.TrimPrefix(*marked.Id, setPrefix)+" does not exist.")
}
