package route53

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

// TestBatchRefused: every way in which a batch can be wrong, with Route 53's text.
// Nothing of the batch is applied.
func TestBatchRefused(t *testing.T) {
	w := newWorld(t, 0)
	z := w.zone("a.test", nil)
	other := w.zone("b.test", nil)
	check := *call[api.CreateHealthCheckOutput](w, "CreateHealthCheck", &api.CreateHealthCheckInput{CallerReference: new("1"),
		HealthCheckConfig: &api.HealthCheckConfig{Type: new("TCP"), IPAddress: new("192.0.2.1"), Port: new(int32(80))}}).HealthCheck.Id
	w.change(z,
		"CREATE www.a.test A 60 192.0.2.1|192.0.2.2",
		"CREATE c.a.test CNAME 60 www.a.test",
		"CREATE w.a.test A 60 192.0.2.1 ; id=one weight=1 check="+check,
		"CREATE l.a.test A 60 192.0.2.1 ; id=one region=us-east-1",
		"CREATE f.a.test A 60 192.0.2.1 ; id=one failover=PRIMARY",
		"CREATE g.a.test A 60 192.0.2.1 ; id=one country=FR")
	soa, ns := "", ""
	for _, s := range call[api.ListResourceRecordSetsOutput](w, "ListResourceRecordSets", &api.ListResourceRecordSetsInput{HostedZoneId: &z}).ResourceRecordSets {
		switch *s.Type {
		case "SOA":
			soa = *s.ResourceRecords[0].Value
		case "NS":
			var hosts []string
			for _, r := range s.ResourceRecords {
				hosts = append(hosts, *r.Value)
			}
			ns = strings.Join(hosts, "|")
		}
	}
	const batch, input = "400 InvalidChangeBatch: ", "400 InvalidInput: Invalid request: "
	fatal := func(code, text, in string) string {
		return batch + "Invalid Resource Record: 'FATAL problem: " + code + " (" + text + ") encountered with '" + in + "''"
	}
	before := w.listing(z)
	for _, tt := range []struct{ line, want string }{
		{"CREATE www.a.test A 60 192.0.2.9", batch + "Tried to create resource record set [name='www.a.test.', type='A'] but it already exists"},
		{"CREATE w.a.test A 60 192.0.2.9 ; id=one weight=2", batch + "Tried to create resource record set [name='w.a.test.', type='A', set-identifier='one'] but it already exists"},
		{"DELETE x.a.test A 60 192.0.2.9", batch + "Tried to delete resource record set [name='x.a.test.', type='A'] but it was not found"},
		{"DELETE w.a.test A 60 192.0.2.1 ; id=two weight=1", batch + "Tried to delete resource record set [name='w.a.test.', type='A', set-identifier='two'] but it was not found"},
		{"DELETE www.a.test A 61 192.0.2.1|192.0.2.2", batch + "Tried to delete resource record set [name='www.a.test.', type='A'] but the values provided do not match the current values"},
		{"DELETE www.a.test A 60 192.0.2.1", batch + "Tried to delete resource record set [name='www.a.test.', type='A'] but the values provided do not match the current values"},
		{"CREATE www.c.test A 60 192.0.2.1", batch + "RRSet with DNS name www.c.test. is not permitted in zone a.test."},
		{"CREATE xa.test A 60 192.0.2.1", batch + "RRSet with DNS name xa.test. is not permitted in zone a.test."},
		{"CREATE a.test CNAME 60 b.test", batch + "RRSet of type CNAME with DNS name a.test. is not permitted at apex in zone a.test.\nRRSet of type CNAME with DNS name a.test. is not permitted as it conflicts with other records with the same DNS name in zone a.test."},
		{"CREATE c.a.test A 60 192.0.2.1", batch + "RRSet of type A with DNS name c.a.test. is not permitted because a conflicting RRSet of type  CNAME with the same DNS name already exists in zone a.test."},
		{"CREATE www.a.test CNAME 60 b.test", batch + "RRSet of type CNAME with DNS name www.a.test. is not permitted as it conflicts with other records with the same DNS name in zone a.test."},
		{"CREATE www.a.test A 60 192.0.2.1 ; id=x weight=1", batch + "RRSet with DNS name www.a.test., type A, SetIdentifier x cannot be created as a non-weighted set exists with the same name and type."},
		{"CREATE w.a.test A 60 192.0.2.1", batch + "RRSet with DNS name w.a.test., type A cannot be created as other RRSets exist with the same name and type."},
		{"CREATE l.a.test A 60 192.0.2.1 ; id=x weight=1", batch + "RRSet with DNS name l.a.test., type A, SetIdentifier x cannot be created as a non-weighted set exists with the same name and type."},
		{"CREATE l.a.test A 60 192.0.2.1 ; id=x region=us-east-1", batch + "RRSet with DNS name l.a.test., type A, SetIdentifier x, and Region Name=us-east-1 cannot be created because a latency RRSet with the same name, type and region already exists."},
		{"CREATE f.a.test A 60 192.0.2.1 ; id=x failover=PRIMARY", batch + "RRSet with DNS name f.a.test., type A, SetIdentifier x cannot be created because a failover RRSet with the same name, type and failover role already exists."},
		{"CREATE g.a.test A 60 192.0.2.1 ; id=x country=FR", batch + "RRSet with DNS name g.a.test., type A, SetIdentifier x cannot be created because a geolocation RRSet with the same name, type and geolocation already exists."},
		{"CREATE w.a.test A 30 192.0.2.1 ; id=x weight=1", batch + "RRSet with DNS name w.a.test., type A, SetIdentifier x cannot be created as weighted sets must contain the same TTL."},
		{"CREATE x.a.test NS 60 b.test ; id=x weight=1", batch + "RRSet with DNS name x.a.test., type NS, SetIdentifier x cannot be created: its type does not support the weighted routing policy."},
		{"CREATE x.a.test CNAME 60 b.test ; id=x multi", batch + "RRSet with DNS name x.a.test., type CNAME, SetIdentifier x cannot be created: its type does not support the multivalue routing policy."},
		{"CREATE x.a.test A alias " + z + " www.b.test", batch + "Tried to create an alias that targets www.b.test., type A in zone " + z + ", but the alias target name does not lie within the target zone"},
		{"CREATE x.a.test A alias " + z + " gone.a.test", batch + "Tried to create an alias that targets gone.a.test., type A in zone " + z + ", but that target was not found"},
		{"CREATE x.a.test AAAA alias " + z + " www.a.test", batch + "Tried to create an alias that targets www.a.test., type AAAA in zone " + z + ", but that target was not found"},
		{"CREATE x.a.test A alias " + other + " www.b.test", batch + "Tried to create an alias that targets www.b.test., type A in zone " + other + ", but the alias target name does not lie within the target zone"},
		{"CREATE x.a.test A alias ZELB www.example.com", batch + "Tried to create an alias that targets www.example.com., type A in zone ZELB, but the alias target name does not lie within the target zone"},
		{"DELETE a.test SOA 900 " + soa, batch + "A HostedZone must contain exactly one SOA record."},
		{"DELETE a.test NS 172800 " + ns, batch + "A HostedZone must contain at least one NS record for the zone itself."},
		{"CREATE *.a.test NS 60 ns.b.test", batch + `RRSet of type NS with DNS name \052.a.test. is not permitted: a wildcard cannot have the type NS.`},
		{"CREATE x.a.test SOA 900 " + soa, batch + "RRSet of type SOA with DNS name x.a.test. is not permitted in zone a.test."},

		{"CREATE x.a.test A 60 192.0.2.256", fatal("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address", "192.0.2.256")},
		{"CREATE x.a.test A 60 192.0.2.1 192.0.2.2", fatal("ARRDATANotSingleField", "Value contains spaces", "192.0.2.1 192.0.2.2")},
		{"CREATE x.a.test AAAA 60 192.0.2.1", fatal("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address", "192.0.2.1")},
		{"CREATE x.a.test TXT 60 text", fatal("InvalidCharacterString", "Value should be enclosed in quotation marks", "text")},
		{`CREATE x.a.test TXT 60 "open`, fatal("InvalidCharacterString", "Value should be enclosed in quotation marks", `"open`)},
		{`CREATE x.a.test TXT 60 "` + strings.Repeat("x", 256) + `"`, fatal("CharacterStringTooLong", "Value is too long", `"`+strings.Repeat("x", 256)+`"`)},
		{"CREATE x.a.test MX 60 mail.a.test", fatal("MXRRDATANotTwoFields", "MX record doesn't have 2 fields", "mail.a.test")},
		{"CREATE x.a.test SRV 60 1 2 x.a.test", fatal("SRVRRDATANotFourFields", "SRV record doesn't have 4 fields", "1 2 x.a.test")},
		{"CREATE x.a.test CNAME 60 a..b", fatal("DomainLabelEmpty", "Domain label is empty", "a..b")},
		{"CREATE x.a.test CNAME 60 é.test", fatal("UnsupportedCharacter", "Value contains unsupported characters", "é.test")},
		{"CREATE x.a.test A 60 192.0.2.1|192.0.2.1", batch + "Duplicate Resource Record: '192.0.2.1'"},
		{"CREATE x.a.test CNAME 60 b.test|c.test", batch + "RRSet of type CNAME with DNS name x.a.test. can have only one value."},
		{"CREATE .a.test A 60 192.0.2.1", batch + "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with '.a.test'"},
		{"CREATE  A 60 192.0.2.1", batch + "FATAL problem: DomainNameEmpty (Domain name is empty) encountered with ''"},
		{"CREATE x.a.test A 60 " + strings.Repeat("192.0.2.1|", 1000) + "192.0.2.1", batch + "Number of records limit of 1000 exceeded."},
		{"UPSERT x.a.test A 60 " + strings.Repeat("192.0.2.1|", 500) + "192.0.2.1", batch + "Number of records limit of 1000 exceeded."},
		{"CREATE x.a.test TXT 60 " + strings.Repeat(strings.Repeat("x", 3999)+"|", 9), batch + "Number of characters limit of 32000 exceeded."},

		{"CREATE x.a.test A 60 192.0.2.1 ; weight=1", input + "Missing field 'SetIdentifier' in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=null]"},
		{"CREATE x.a.test A", input + "Expected exactly one of " + contents + ", but found none in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=null]"},
		{"CREATE x.a.test A 60", input + "Expected exactly one of " + contents + ", but found none in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=null]"},
		{"CREATE x.a.test A alias " + z + " www.a.test ; ttl=60", input + "Expected exactly one of " + contents + ", but found more than one in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=null]"},
		{"CREATE x.a.test A 60 192.0.2.1 ; id=x", input + "Expected exactly one of " + policies + ", but found none in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=x]"},
		{"CREATE x.a.test A 60 192.0.2.1 ; id=x weight=1 failover=PRIMARY", input + "Expected exactly one of " + policies + ", but found more than one in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=x]"},
		{"CREATE x.a.test A 60 192.0.2.1 ; id=x country=XX", input + "The GeoLocation is not one that ListGeoLocations lists in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=x]"},
		{"CREATE x.a.test A 60 192.0.2.1 ; id=x near=moon-1", input + "moon-1 is not a Region in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=x]"},
		{"CREATE x.a.test A 60 192.0.2.1 ; id=x policy=1", input + "Traffic policy instances are not offered: TrafficPolicyInstanceId in Change with [Action=CREATE, Name=x.a.test., Type=A, SetIdentifier=x]"},
		{"CREATE x.a.test A 60 192.0.2.1 ; id=x weight=256", "400 InvalidInput: 1 validation error detected: Value '256' at 'changeBatch.changes.1.member.resourceRecordSet.weight' failed to satisfy constraint: Member must have value less than or equal to 255"},
		{"CREATE x.a.test A 60 192.0.2.1 ; id=x weight=1 check=none", "404 NoSuchHealthCheck: No health check exists with the specified ID none."},
		{"CREATE x.a.test A 60 192.0.2.1 ; id=x cidr=00000000-0000-0000-0000-000000000000/x", "404 NoSuchCidrCollectionException: The CIDR collection 00000000-0000-0000-0000-000000000000 doesn't exist."},
	} {
		w.fails("ChangeResourceRecordSets", w.batch(z, tt.line), tt.want)
		// Nor is anything applied that stands before or behind it.
		_, err := w.do("ChangeResourceRecordSets", w.batch(z, "CREATE first.a.test A 60 192.0.2.1", tt.line, "CREATE last.a.test A 60 192.0.2.1"))
		if _, ok := awserr.As(err); !ok {
			t.Errorf("%s: in a batch: %v", tt.line, err)
		}
	}
	w.fails("ChangeResourceRecordSets", w.batch("Z0", "CREATE x.a.test A 60 192.0.2.1"), "404 NoSuchHostedZone: No hosted zone found with ID: Z0")
	if after := w.listing(z); !slices.Equal(before, after) {
		t.Errorf("the zone has become %q", after)
	}
}

// TestBatchInOrder: changes see those before them; all messages are told.
func TestBatchInOrder(t *testing.T) {
	w := newWorld(t, 0)
	z := w.zone("a.test", nil)
	w.change(z,
		"CREATE www.a.test A 60 192.0.2.1",
		"DELETE www.a.test A 60 192.0.2.1",
		"CREATE www.a.test CNAME 60 b.test",
		"UPSERT www.a.test CNAME 30 c.test",
		"CREATE target.a.test A 60 192.0.2.1",
		"CREATE alias.a.test A alias /hostedzone/"+z+" TARGET.a.test")
	if got := w.listing(z); !slices.Equal(got, []string{"alias.a.test. A", "target.a.test. A", "www.a.test. CNAME"}) {
		t.Errorf("%q", got)
	}
	w.fails("ChangeResourceRecordSets", w.batch(z, "CREATE x.a.test A 60 192.0.2.1", "CREATE x.a.test A 60 192.0.2.1", "DELETE y.a.test A 60 192.0.2.1", "DELETE www.a.test CNAME 30 c.test", "DELETE www.a.test CNAME 30 c.test"),
		"400 InvalidChangeBatch: Tried to create resource record set [name='x.a.test.', type='A'] but it already exists\n"+
			"Tried to delete resource record set [name='y.a.test.', type='A'] but it was not found\n"+
			"Tried to delete resource record set [name='www.a.test.', type='CNAME'] but it was not found")
	// Values in another order, names with and without the dot and in capitals.
	w.change(z, "CREATE v.a.test MX 60 10 b.test|20 c.test", "DELETE V.A.test. MX 60 20 C.test.|10 b.test")
	// The TTL of a weighted group changes in one batch.
	w.change(z, "CREATE w.a.test A 60 192.0.2.1 ; id=a weight=1", "CREATE w.a.test A 60 192.0.2.2 ; id=b weight=0")
	w.change(z, "UPSERT w.a.test A 30 192.0.2.1 ; id=a weight=1", "UPSERT w.a.test A 30 192.0.2.2 ; id=b weight=0")
	if n := *call[api.GetHostedZoneOutput](w, "GetHostedZone", &api.GetHostedZoneInput{Id: &z}).HostedZone.ResourceRecordSetCount; n != 7 {
		t.Errorf("the zone counts %d record sets", n)
	}
	// One bad change in a thousand.
	lines := make([]string, 1000)
	for i := range lines {
		lines[i] = fmt.Sprintf("CREATE n%d.a.test A 60 192.0.2.1", i)
	}
	lines[500] = "CREATE n500.b.test A 60 192.0.2.1"
	w.fails("ChangeResourceRecordSets", w.batch(z, lines...), "400 InvalidChangeBatch: RRSet with DNS name n500.b.test. is not permitted in zone a.test.")
	if got := len(w.listing(z)); got != 5 {
		t.Errorf("the zone has %d record sets", got)
	}
}

// TestListing: labels reversed, in ASCII, on the escaped name with its final dot;
// then types; then set identifiers; pages go on where they end.
func TestListing(t *testing.T) {
	w := newWorld(t, 0)
	z := w.zone("a.test", nil)
	w.change(z,
		"CREATE b.a.test A 60 192.0.2.1", "CREATE a.b.a.test A 60 192.0.2.1", "CREATE b-c.a.test A 60 192.0.2.1", "CREATE b_c.a.test A 60 192.0.2.1",
		"CREATE *.a.test A 60 192.0.2.1", "CREATE b!.a.test A 60 192.0.2.1", "CREATE b0.a.test A 60 192.0.2.1", `CREATE x\056y.a.test A 60 192.0.2.1`,
		`CREATE b.a.test TXT 60 "x"`, "CREATE b.a.test AAAA 60 2001:db8::1", "CREATE Z.a.test A 60 192.0.2.1",
		"CREATE r.a.test A 60 192.0.2.1 ; id=b weight=1", "CREATE r.a.test A 60 192.0.2.1 ; id=a weight=1", "CREATE r.a.test A 60 192.0.2.1 ; id=B weight=1")
	want := []string{
		`\052.a.test. A`, "b-c.a.test. A", "b.a.test. A", "b.a.test. AAAA", "b.a.test. TXT", "a.b.a.test. A", "b0.a.test. A",
		`b\041.a.test. A`, "b_c.a.test. A", "r.a.test. A B", "r.a.test. A a", "r.a.test. A b", `x\056y.a.test. A`, "z.a.test. A",
	}
	if got := w.listing(z); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	// Page by page, of every size.
	for size := int32(1); size < 18; size++ {
		var got []string
		in := &api.ListResourceRecordSetsInput{HostedZoneId: &z, MaxItems: &size}
		for {
			out := call[api.ListResourceRecordSetsOutput](w, "ListResourceRecordSets", in)
			if len(out.ResourceRecordSets) > int(size) || *out.MaxItems != size {
				t.Fatalf("a page of %d has %d", size, len(out.ResourceRecordSets))
			}
			for _, s := range out.ResourceRecordSets {
				if *s.Type != "NS" && *s.Type != "SOA" {
					got = append(got, strings.TrimSpace(*s.Name+" "+*s.Type+" "+text(s.SetIdentifier)))
				}
			}
			if !*out.IsTruncated {
				break
			}
			in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d\n got %q\nwant %q", size, got, want)
		}
	}
	first := func(name, typ, id *string) string {
		out := call[api.ListResourceRecordSetsOutput](w, "ListResourceRecordSets", &api.ListResourceRecordSetsInput{HostedZoneId: &z, StartRecordName: name, StartRecordType: typ, StartRecordIdentifier: id})
		if len(out.ResourceRecordSets) == 0 {
			return ""
		}
		s := out.ResourceRecordSets[0]
		return strings.TrimSpace(*s.Name + " " + *s.Type + " " + text(s.SetIdentifier))
	}
	for _, tt := range []struct{ name, typ, id, want string }{
		{"b.a.test", "", "", "b.a.test. A"}, {"b.a.test", "AAAA", "", "b.a.test. AAAA"}, {"b.a.test", "MX", "", "b.a.test. TXT"},
		{"*.a.test.", "", "", `\052.a.test. A`}, {`\052.A.test.`, "A", "", `\052.a.test. A`}, {"r.a.test", "A", "a", "r.a.test. A a"}, {"r.a.test", "A", "c", `x\056y.a.test. A`},
		{"zz.a.test", "", "", ""}, {"test", "", "", "a.test. NS"}, {"zz", "", "", ""},
	} {
		if got := first(&tt.name, optional(tt.typ), optional(tt.id)); got != tt.want {
			t.Errorf("from %s %s %s: %s, want %s", tt.name, tt.typ, tt.id, got, tt.want)
		}
	}
	list := func(in api.ListResourceRecordSetsInput) *api.ListResourceRecordSetsInput {
		in.HostedZoneId = &z
		return &in
	}
	w.fails("ListResourceRecordSets", list(api.ListResourceRecordSetsInput{StartRecordType: new("A")}), "400 InvalidInput: Invalid request: StartRecordType was given without StartRecordName.")
	w.fails("ListResourceRecordSets", list(api.ListResourceRecordSetsInput{StartRecordName: new("a"), StartRecordIdentifier: new("x")}), "400 InvalidInput: Invalid request: StartRecordIdentifier was given without StartRecordName and StartRecordType.")
	w.fails("ListResourceRecordSets", list(api.ListResourceRecordSetsInput{MaxItems: new(int32(0))}), "400 InvalidInput: 1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1")
	w.fails("ListResourceRecordSets", list(api.ListResourceRecordSetsInput{StartRecordName: new("a..b")}), "400 InvalidInput: FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with 'a..b'")
}
