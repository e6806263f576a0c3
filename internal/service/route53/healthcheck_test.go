package route53

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

func check(reference string, config api.HealthCheckConfig) *api.CreateHealthCheckInput {
	return &api.CreateHealthCheckInput{CallerReference: &reference, HealthCheckConfig: &config}
}

// TestHealthChecks: what a check is when little is said, and how it is changed.
func TestHealthChecks(t *testing.T) {
	w := newWorld(t, 0)
	web := check("web", api.HealthCheckConfig{Type: new("HTTPS"), FullyQualifiedDomainName: new("www.example.test"), ResourcePath: new("/health")})
	h := call[api.CreateHealthCheckOutput](w, "CreateHealthCheck", web).HealthCheck
	c := h.HealthCheckConfig
	if *c.Port != 443 || *c.RequestInterval != 30 || *c.FailureThreshold != 3 || !*c.EnableSNI || *c.Inverted || *c.Disabled || *c.MeasureLatency || c.IPAddress != nil || *h.HealthCheckVersion != 1 {
		t.Errorf("%+v", c)
	}
	if again := call[api.CreateHealthCheckOutput](w, "CreateHealthCheck", web).HealthCheck; *again.Id != *h.Id {
		t.Error("the same reference and settings make a second check")
	}
	other := check("web", api.HealthCheckConfig{Type: new("HTTPS"), FullyQualifiedDomainName: new("www.example.test")})
	const exists = "409 HealthCheckAlreadyExists: A health check with the specified caller reference already exists or existed before with other settings."
	w.fails("CreateHealthCheck", other, exists)

	update := &api.UpdateHealthCheckInput{HealthCheckId: h.Id, HealthCheckVersion: new(int64(1)), Port: new(int32(8443)), Inverted: new(true), ResetElements: []string{"ResourcePath"}}
	u := call[api.UpdateHealthCheckOutput](w, "UpdateHealthCheck", update).HealthCheck
	if *u.HealthCheckVersion != 2 || *u.HealthCheckConfig.Port != 8443 || !*u.HealthCheckConfig.Inverted || u.HealthCheckConfig.ResourcePath != nil || *u.HealthCheckConfig.FullyQualifiedDomainName != "www.example.test" {
		t.Errorf("%+v", u.HealthCheckConfig)
	}
	w.fails("UpdateHealthCheck", update, "409 HealthCheckVersionMismatch: The value of HealthCheckVersion in the request doesn't match the value of HealthCheckVersion in the health check.")
	w.fails("UpdateHealthCheck", &api.UpdateHealthCheckInput{HealthCheckId: h.Id, IPAddress: new("10.0.0.1")}, "400 InvalidInput: Invalid parameter : The IP address must be a public address, not one of the local, private, nonroutable, or multicast ranges.")

	all := call[api.CreateHealthCheckOutput](w, "CreateHealthCheck", check("all", api.HealthCheckConfig{Type: new("CALCULATED"), HealthThreshold: new(int32(0)), ChildHealthChecks: []string{*h.Id}})).HealthCheck
	if all.HealthCheckConfig.RequestInterval != nil || all.HealthCheckConfig.Port != nil {
		t.Errorf("%+v", all.HealthCheckConfig)
	}
	w.fails("UpdateHealthCheck", &api.UpdateHealthCheckInput{HealthCheckId: all.Id, ChildHealthChecks: []string{*all.Id}}, "400 InvalidInput: Invalid parameter : A calculated health check cannot be its own child.")
	w.fails("GetHealthCheckStatus", &api.GetHealthCheckStatusInput{HealthCheckId: all.Id}, "400 InvalidInput: The status of a calculated health check is not observed by health checkers.")
	if n := len(call[api.GetHealthCheckStatusOutput](w, "GetHealthCheckStatus", &api.GetHealthCheckStatusInput{HealthCheckId: h.Id}).HealthCheckObservations); n != 0 {
		t.Errorf("%d observations before anything was observed", n)
	}
	if n := *call[api.GetHealthCheckCountOutput](w, "GetHealthCheckCount", &api.GetHealthCheckCountInput{}).HealthCheckCount; n != 2 {
		t.Errorf("there are %d checks", n)
	}
	if n := len(call[api.ListHealthChecksOutput](w, "ListHealthChecks", &api.ListHealthChecksInput{MaxItems: new(int32(1))}).HealthChecks); n != 1 {
		t.Errorf("a page of one has %d", n)
	}
	call[api.DeleteHealthCheckOutput](w, "DeleteHealthCheck", &api.DeleteHealthCheckInput{HealthCheckId: h.Id})
	w.fails("GetHealthCheck", &api.GetHealthCheckInput{HealthCheckId: h.Id}, "404 NoSuchHealthCheck: No health check exists with the specified ID "+*h.Id+".")
	w.fails("CreateHealthCheck", web, exists)
	w.as("210987654321").fails("DeleteHealthCheck", &api.DeleteHealthCheckInput{HealthCheckId: all.Id}, "404 NoSuchHealthCheck: No health check exists with the specified ID "+*all.Id+".")
}

func TestHealthCheckRefused(t *testing.T) {
	w := newWorld(t, 0)
	ip, alarm := new("192.0.2.1"), &api.AlarmIdentifier{Region: new("us-east-1"), Name: new("high")}
	for _, tt := range []struct {
		config api.HealthCheckConfig
		want   string
	}{
		{api.HealthCheckConfig{Type: new("HTTP")}, "Invalid parameter : Basic health checks must have an IP address or a fully qualified domain name specified."},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: new("127.0.0.1")}, "Invalid parameter : The IP address must be a public address, not one of the local, private, nonroutable, or multicast ranges."},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: new("nowhere")}, "Invalid parameter : The IP address must be a public address, not one of the local, private, nonroutable, or multicast ranges."},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: new("100.64.0.1")}, "Invalid parameter : The IP address must be a public address, not one of the local, private, nonroutable, or multicast ranges."},
		{api.HealthCheckConfig{Type: new("TCP"), IPAddress: ip}, "Invalid parameter : TCP health checks must have a port specified."},
		{api.HealthCheckConfig{Type: new("TCP"), IPAddress: ip, Port: new(int32(80)), FullyQualifiedDomainName: new("x")}, "TCP health checks that have IP address must not have a fully qualified domain name specified."},
		{api.HealthCheckConfig{Type: new("TCP"), IPAddress: ip, Port: new(int32(80)), ResourcePath: new("/")}, "Invalid parameter : TCP health checks must not have a resource path specified."},
		{api.HealthCheckConfig{Type: new("HTTP_STR_MATCH"), IPAddress: ip}, "Invalid parameter : Health checks of type HTTP_STR_MATCH must have a search string specified."},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: ip, SearchString: new("x")}, "Invalid parameter : Health checks of type HTTP must not have a search string specified."},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: ip, EnableSNI: new(true)}, "Invalid parameter : SNI can be enabled for health checks of the HTTPS types only."},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: ip, RequestInterval: new(int32(20))}, "Invalid parameter : The request interval must be 10 or 30."},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: ip, HealthThreshold: new(int32(1))}, "Invalid parameter : Basic health checks must not have child health checks or a health threshold specified."},
		{api.HealthCheckConfig{Type: new("CALCULATED")}, "Invalid parameter : Calculated health checks must have a health threshold specified."},
		{api.HealthCheckConfig{Type: new("CALCULATED"), HealthThreshold: new(int32(1)), IPAddress: ip}, "Invalid parameter : Calculated health checks must not have parameters of an endpoint specified."},
		{api.HealthCheckConfig{Type: new("CALCULATED"), HealthThreshold: new(int32(1)), ChildHealthChecks: []string{"none"}}, "Invalid parameter : The child health check none does not exist."},
		{api.HealthCheckConfig{Type: new("CLOUDWATCH_METRIC")}, "Invalid parameter : CloudWatch metric health checks must have an alarm identifier specified."},
		{api.HealthCheckConfig{Type: new("CLOUDWATCH_METRIC"), AlarmIdentifier: alarm, IPAddress: ip}, "Invalid parameter : CloudWatch metric health checks must not have parameters of an endpoint or of child health checks specified."},
		{api.HealthCheckConfig{Type: new("HTTP"), AlarmIdentifier: alarm, IPAddress: ip}, "Invalid parameter : Health checks of type HTTP must not have an alarm identifier or an insufficient data health status specified."},
		{api.HealthCheckConfig{Type: new("RECOVERY_CONTROL")}, "Invalid parameter : Health checks of type RECOVERY_CONTROL are not offered here: there are no routing controls."},
		{api.HealthCheckConfig{Type: new("HTTP"), FullyQualifiedDomainName: new("a\r\nX: y")}, "Invalid parameter : The fully qualified domain name a\r\nX: y is not valid."},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: ip, FailureThreshold: new(int32(11))}, "1 validation error detected: Value '11' at 'healthCheckConfig.failureThreshold' failed to satisfy constraint: Member must have value less than or equal to 10"},
		{api.HealthCheckConfig{Type: new("HTTP"), IPAddress: ip, Regions: []string{"us-east-1"}}, "1 validation error detected: Value '[us-east-1]' at 'healthCheckConfig.regions' failed to satisfy constraint: Member must have length greater than or equal to 3"},
	} {
		w.fails("CreateHealthCheck", check("r", tt.config), "400 InvalidInput: "+tt.want)
	}
}

// TestObservations: what checkers have seen, with the time of the last look where that
// has seen the same.
func TestObservations(t *testing.T) {
	w := newWorld(t, 0)
	id := *call[api.CreateHealthCheckOutput](w, "CreateHealthCheck", check("r", api.HealthCheckConfig{Type: new("HTTP"), IPAddress: new("192.0.2.1")})).HealthCheck.Id
	w.seen = w.now.Add(time.Hour)
	from := netip.MustParseAddr("198.18.0.1")
	fine := state.HealthObservation{Region: "us-east-1", IP: from, Status: "Success: HTTP Status Code 200, OK", Time: w.now}
	lost := state.HealthObservation{Region: "us-east-1", IP: from, Status: "Failure: HTTP Status Code 503, Service Unavailable", Time: w.now}
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error {
		h, _ := state.HealthChecks.Get(tx, state.Key{Account: w.caller.Account, ID: id})
		next := *h
		next.Observations, next.Failures = []state.HealthObservation{fine}, []state.HealthObservation{lost}
		state.HealthChecks.Put(tx, &next)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	is := func(what string, list []api.HealthCheckObservation, want state.HealthObservation) {
		t.Helper()
		if len(list) != 1 || *list[0].Region != want.Region || *list[0].IPAddress != want.IP.String() || *list[0].StatusReport.Status != want.Status || !list[0].StatusReport.CheckedTime.Equal(want.Time) {
			t.Errorf("%s: %+v, want %+v", what, list, want)
		}
	}
	reasons := func() []api.HealthCheckObservation {
		return call[api.GetHealthCheckLastFailureReasonOutput](w, "GetHealthCheckLastFailureReason", &api.GetHealthCheckLastFailureReasonInput{HealthCheckId: &id}).HealthCheckObservations
	}
	fine.Time = w.seen
	is("status", call[api.GetHealthCheckStatusOutput](w, "GetHealthCheckStatus", &api.GetHealthCheckStatusInput{HealthCheckId: &id}).HealthCheckObservations, fine)
	is("last failure", reasons(), lost)
	// An update keeps what was seen.
	call[api.UpdateHealthCheckOutput](w, "UpdateHealthCheck", &api.UpdateHealthCheckInput{HealthCheckId: &id, FailureThreshold: new(int32(1))})
	is("last failure after an update", reasons(), lost)
	if ranges := call[api.GetCheckerIpRangesOutput](w, "GetCheckerIpRanges", &api.GetCheckerIpRangesInput{}).CheckerIpRanges; len(ranges) != 1 || ranges[0] != "198.18.0.1/32" {
		t.Errorf("the checkers come from %v", ranges)
	}
}

// TestAlarmChecks: an alarm is stored, and what insufficient data means decides.
func TestAlarmChecks(t *testing.T) {
	w := newWorld(t, 0)
	in := check("r", api.HealthCheckConfig{Type: new("CLOUDWATCH_METRIC"), AlarmIdentifier: &api.AlarmIdentifier{Region: new("us-east-1"), Name: new("high")}})
	h := call[api.CreateHealthCheckOutput](w, "CreateHealthCheck", in).HealthCheck
	if c := h.HealthCheckConfig; *c.AlarmIdentifier.Name != "high" || *c.AlarmIdentifier.Region != "us-east-1" || *c.InsufficientDataHealthStatus != "LastKnownStatus" || c.RequestInterval != nil {
		t.Errorf("%+v", c)
	}
	healthy := func(want bool) {
		t.Helper()
		if got := dnsview.CheckHealthy(w.store.Snapshot(), state.Key{Account: w.caller.Account, ID: *h.Id}); got != want {
			t.Errorf("healthy: %v", got)
		}
	}
	healthy(true)
	call[api.UpdateHealthCheckOutput](w, "UpdateHealthCheck", &api.UpdateHealthCheckInput{HealthCheckId: h.Id, InsufficientDataHealthStatus: new("Unhealthy")})
	healthy(false)
	call[api.UpdateHealthCheckOutput](w, "UpdateHealthCheck", &api.UpdateHealthCheckInput{HealthCheckId: h.Id, Inverted: new(true)})
	healthy(true)
	w.fails("UpdateHealthCheck", &api.UpdateHealthCheckInput{HealthCheckId: h.Id, Port: new(int32(80))},
		"400 InvalidInput: Invalid parameter : CloudWatch metric health checks must not have parameters of an endpoint or of child health checks specified.")
}

// TestCidrCollections: blocks in locations, versions, and what stands in the way.
func TestCidrCollections(t *testing.T) {
	w := newWorld(t, 0)
	make := func(name, reference string) *api.CreateCidrCollectionInput {
		return &api.CreateCidrCollectionInput{Name: &name, CallerReference: &reference}
	}
	col := call[api.CreateCidrCollectionOutput](w, "CreateCidrCollection", make("offices", "1")).Collection
	if *col.Arn != "arn:aws:route53:::cidrcollection/"+*col.Id || *col.Version != 1 {
		t.Errorf("%+v", col)
	}
	if again := call[api.CreateCidrCollectionOutput](w, "CreateCidrCollection", make("offices", "1")).Collection; *again.Id != *col.Id {
		t.Error("asked once more it makes another")
	}
	w.fails("CreateCidrCollection", make("offices", "2"), "400 CidrCollectionAlreadyExistsException: A CIDR collection with this name or caller reference already exists.")
	put := func(action, location string, blocks ...string) *api.ChangeCidrCollectionInput {
		return &api.ChangeCidrCollectionInput{Id: col.Id, Changes: []api.CidrCollectionChange{{Action: &action, LocationName: &location, CidrList: blocks}}}
	}
	call[api.ChangeCidrCollectionOutput](w, "ChangeCidrCollection", put("PUT", "berlin", "198.51.100.0/24", "2001:db8::/48"))
	w.fails("ChangeCidrCollection", put("PUT", "paris", "198.51.100.0/24"), "400 CidrBlockInUseException: The CIDR block 198.51.100.0/24 is already in use in the location berlin.")
	w.fails("ChangeCidrCollection", put("PUT", "paris", "192.0.2.0/25"), "400 InvalidInput: The CIDR block 192.0.2.0/25 is not valid: IPv4 blocks are from /1 to /24, IPv6 blocks from /1 to /48.")
	w.fails("ChangeCidrCollection", put("PUT", "paris", "192.0.2.1/24"), "400 InvalidInput: The CIDR block 192.0.2.1/24 is not valid.")
	stale := put("PUT", "paris", "192.0.2.0/24")
	stale.CollectionVersion = new(int64(1))
	w.fails("ChangeCidrCollection", stale, "409 CidrCollectionVersionMismatchException: The CIDR collection version you provided, 1, does not match the one in the CIDR collection, 2.")

	z := w.zone("a.test", nil)
	w.change(z, "CREATE o.a.test A 60 192.0.2.1 ; id=b cidr="+*col.Id+"/berlin", "CREATE o.a.test A 60 192.0.2.2 ; id=d cidr="+*col.Id+"/*")
	w.fails("ChangeResourceRecordSets", w.batch(z, "CREATE o.a.test A 60 192.0.2.1 ; id=x cidr="+*col.Id+"/rome"), "404 NoSuchCidrLocationException: The CIDR location rome doesn't exist in the collection.")
	private := w.zone("b.test", w.vpc("us-east-1", "vpc-1"))
	w.fails("ChangeResourceRecordSets", w.batch(private, "CREATE o.b.test A 60 192.0.2.1 ; id=x cidr="+*col.Id+"/berlin"), "400 InvalidChangeBatch: RRSet with DNS name o.b.test., type A, SetIdentifier x cannot be created: IP-based routing is not supported in private hosted zones.")
	for client, want := range map[string]string{"198.51.100.9": "192.0.2.1", "203.0.113.9": "192.0.2.2"} {
		out := call[api.TestDNSAnswerOutput](w, "TestDNSAnswer", &api.TestDNSAnswerInput{HostedZoneId: &z, RecordName: new("o.a.test"), RecordType: new("A"), ResolverIP: new("192.0.2.53"), EDNS0ClientSubnetIP: &client})
		if len(out.RecordData) != 1 || out.RecordData[0] != want {
			t.Errorf("to %s: %+v", client, out.RecordData)
		}
	}
	w.fails("ChangeCidrCollection", put("DELETE_IF_EXISTS", "berlin", "198.51.100.0/24", "2001:db8::/48"), "400 CidrCollectionInUseException: The CIDR location berlin is in use by a record and can't be deleted.")
	call[api.ChangeCidrCollectionOutput](w, "ChangeCidrCollection", put("DELETE_IF_EXISTS", "berlin", "2001:db8::/48"))
	if out := call[api.ListCidrBlocksOutput](w, "ListCidrBlocks", &api.ListCidrBlocksInput{CollectionId: col.Id}); len(out.CidrBlocks) != 1 || *out.CidrBlocks[0].CidrBlock != "198.51.100.0/24" {
		t.Errorf("%+v", out.CidrBlocks)
	}
	if out := call[api.ListCidrLocationsOutput](w, "ListCidrLocations", &api.ListCidrLocationsInput{CollectionId: col.Id}); len(out.CidrLocations) != 1 {
		t.Errorf("%+v", out.CidrLocations)
	}
	w.fails("ListCidrBlocks", &api.ListCidrBlocksInput{CollectionId: col.Id, LocationName: new("rome")}, "404 NoSuchCidrLocationException: The CIDR location rome doesn't exist in the collection.")
	w.fails("DeleteCidrCollection", &api.DeleteCidrCollectionInput{Id: col.Id}, "400 CidrCollectionInUseException: This CIDR collection is in use, and isn't empty.")
	w.change(z, "DELETE o.a.test A 60 192.0.2.1 ; id=b cidr="+*col.Id+"/berlin", "DELETE o.a.test A 60 192.0.2.2 ; id=d cidr="+*col.Id+"/*")
	call[api.ChangeCidrCollectionOutput](w, "ChangeCidrCollection", put("DELETE_IF_EXISTS", "berlin", "198.51.100.0/24"))
	call[api.DeleteCidrCollectionOutput](w, "DeleteCidrCollection", &api.DeleteCidrCollectionInput{Id: col.Id})
	if n := len(call[api.ListCidrCollectionsOutput](w, "ListCidrCollections", &api.ListCidrCollectionsInput{}).CidrCollections); n != 0 {
		t.Errorf("%d collections are left", n)
	}
}

// TestOtherActions: tags, query logging, limits, places and TestDNSAnswer.
func TestOtherActions(t *testing.T) {
	w := newWorld(t, 0)
	z := w.zone("a.test", nil)
	private := w.zone("b.test", w.vpc("us-east-1", "vpc-1"))
	tags := func(kind, id string, add []api.Tag, remove ...string) *api.ChangeTagsForResourceInput {
		return &api.ChangeTagsForResourceInput{ResourceType: &kind, ResourceId: &id, AddTags: add, RemoveTagKeys: remove}
	}
	one := []api.Tag{{Key: new("k"), Value: new("v")}, {Key: new("empty")}}
	call[api.ChangeTagsForResourceOutput](w, "ChangeTagsForResource", tags("hostedzone", z, one))
	call[api.ChangeTagsForResourceOutput](w, "ChangeTagsForResource", tags("hostedzone", z, nil, "empty"))
	if got := call[api.ListTagsForResourceOutput](w, "ListTagsForResource", &api.ListTagsForResourceInput{ResourceType: new("hostedzone"), ResourceId: &z}).ResourceTagSet; len(got.Tags) != 1 || *got.Tags[0].Value != "v" || *got.ResourceId != z {
		t.Errorf("%+v", got)
	}
	w.fails("ChangeTagsForResource", tags("hostedzone", "Z0", one), "404 NoSuchHostedZone: No hosted zone found with ID: Z0")
	w.fails("ChangeTagsForResource", tags("healthcheck", "x", one), "404 NoSuchHealthCheck: No health check exists with the specified ID x.")
	w.fails("ChangeTagsForResource", tags("hostedzone", z, nil), "400 InvalidInput: Invalid request: Expected at least one of [AddTags, RemoveTagKeys]")
	w.fails("ChangeTagsForResource", tags("hostedzone", z, []api.Tag{{Key: new("AWS:x")}}), "400 InvalidInput: Invalid request: tag keys cannot start with 'aws:': 'AWS:x'.")
	w.fails("ListTagsForResources", &api.ListTagsForResourcesInput{ResourceType: new("hostedzone"), ResourceIds: []string{z, "Z0"}}, "404 NoSuchHostedZone: No hosted zone found with ID: Z0")

	logging := func(zone, arn string) *api.CreateQueryLoggingConfigInput {
		return &api.CreateQueryLoggingConfigInput{HostedZoneId: &zone, CloudWatchLogsLogGroupArn: &arn}
	}
	const group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/a:*"
	q := call[api.CreateQueryLoggingConfigOutput](w, "CreateQueryLoggingConfig", logging(z, group)).QueryLoggingConfig
	w.fails("CreateQueryLoggingConfig", logging(z, group), "409 QueryLoggingConfigAlreadyExists: You can create only one query logging configuration for a hosted zone, and a query logging configuration already exists for this hosted zone.")
	w.fails("CreateQueryLoggingConfig", logging(private, group), "400 InvalidInput: Query logging can only be configured for public hosted zones.")
	w.fails("CreateQueryLoggingConfig", logging(z, "x"), "400 InvalidInput: The ARN for the CloudWatch Logs log group is invalid: x")
	w.fails("CreateQueryLoggingConfig", logging(z, strings.Replace(group, "us-east-1", "eu-west-1", 1)), "400 InvalidInput: The log group arn:aws:logs:eu-west-1:123456789012:log-group:/aws/route53/a:* is not in us-east-1, where those of query logging must be.")
	if list := call[api.ListQueryLoggingConfigsOutput](w, "ListQueryLoggingConfigs", &api.ListQueryLoggingConfigsInput{HostedZoneId: &z}).QueryLoggingConfigs; len(list) != 1 || *list[0].Id != *q.Id {
		t.Errorf("%+v", list)
	}
	call[api.DeleteQueryLoggingConfigOutput](w, "DeleteQueryLoggingConfig", &api.DeleteQueryLoggingConfigInput{Id: q.Id})
	w.fails("GetQueryLoggingConfig", &api.GetQueryLoggingConfigInput{Id: q.Id}, "404 NoSuchQueryLoggingConfig: There is no DNS query logging configuration with the specified ID.")

	if got := call[api.GetAccountLimitOutput](w, "GetAccountLimit", &api.GetAccountLimitInput{Type: new("MAX_HOSTED_ZONES_BY_OWNER")}); *got.Limit.Value != 500 || *got.Count != 2 {
		t.Errorf("%+v", got)
	}
	if got := call[api.GetHostedZoneLimitOutput](w, "GetHostedZoneLimit", &api.GetHostedZoneLimitInput{HostedZoneId: &private, Type: new("MAX_VPCS_ASSOCIATED_BY_ZONE")}); *got.Limit.Value != 300 || *got.Count != 1 {
		t.Errorf("%+v", got)
	}
	w.fails("GetHostedZoneLimit", &api.GetHostedZoneLimitInput{HostedZoneId: &z, Type: new("MAX_VPCS_ASSOCIATED_BY_ZONE")}, "400 HostedZoneNotPrivate: The specified hosted zone is a public hosted zone, not a private hosted zone.")

	places := 0
	in := &api.ListGeoLocationsInput{MaxItems: new(int32(7))}
	for {
		out := call[api.ListGeoLocationsOutput](w, "ListGeoLocations", in)
		places += len(out.GeoLocationDetailsList)
		if !*out.IsTruncated {
			break
		}
		in.StartContinentCode, in.StartCountryCode, in.StartSubdivisionCode = out.NextContinentCode, out.NextCountryCode, out.NextSubdivisionCode
	}
	if places != len(geoPlaces()) || places < 300 {
		t.Errorf("%d places of %d are listed", places, len(geoPlaces()))
	}
	w.fails("GetGeoLocation", &api.GetGeoLocationInput{CountryCode: new("XX")}, "404 NoSuchGeoLocation: The geographic location specified is not supported by Amazon Route 53.")

	w.change(z, "CREATE www.a.test A 60 192.0.2.1")
	ask := func(zone, name string, more func(*api.TestDNSAnswerInput)) *api.TestDNSAnswerInput {
		in := &api.TestDNSAnswerInput{HostedZoneId: &zone, RecordName: &name, RecordType: new("A")}
		if more != nil {
			more(in)
		}
		return in
	}
	for name, want := range map[string]string{"www.A.test": "NOERROR [192.0.2.1]", "a.test": "NOERROR []", "x.a.test": "NXDOMAIN []", "b.test": "REFUSED []"} {
		out := call[api.TestDNSAnswerOutput](w, "TestDNSAnswer", ask(z, name, nil))
		if got := *out.ResponseCode + " [" + strings.Join(out.RecordData, " ") + "]"; got != want || *out.Protocol != "UDP" {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	w.fails("TestDNSAnswer", ask(private, "b.test", nil), "400 InvalidInput: TestDNSAnswer supports public hosted zones only.")
	w.fails("TestDNSAnswer", ask(z, "a.test", func(in *api.TestDNSAnswerInput) { in.ResolverIP = new("x") }), "400 InvalidInput: x is not a valid IP address.")
	w.fails("TestDNSAnswer", ask(z, "a.test", func(in *api.TestDNSAnswerInput) { in.EDNS0ClientSubnetMask = new("24") }), "400 InvalidInput: EDNS0ClientSubnetMask was given without EDNS0ClientSubnetIP.")
	w.fails("TestDNSAnswer", ask(z, "a.test", func(in *api.TestDNSAnswerInput) {
		in.EDNS0ClientSubnetIP, in.EDNS0ClientSubnetMask = new("192.0.2.1"), new("33")
	}), "400 InvalidInput: 33 is not a valid mask of 192.0.2.1.")
}
