package dyndns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
)

// cloud is what the agent asks, in memory: as much of each service as it needs.
type cloud struct {
	mu      sync.Mutex
	meta    map[string]string
	me      Identity
	tags    map[string]string            // by DescribeTags; nil: it is refused
	states  map[string]string            // of instances; nil: DescribeInstances is refused
	zones   []types.HostedZone           //
	vpcs    []types.HostedZoneSummary    // private zones of the instance's VPC
	records map[string]map[string]string // by zone: "name type" to value
	changes int
	waited  []string
}

func (c *cloud) Text(_ context.Context, path string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.meta[path], nil
}

func (c *cloud) Identity(context.Context) (Identity, error) { return c.me, nil }

func denied() error { return &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"} }

func (c *cloud) DescribeTags(context.Context, *ec2.DescribeTagsInput, ...func(*ec2.Options)) (*ec2.DescribeTagsOutput, error) {
	if c.tags == nil {
		return nil, denied()
	}
	out := &ec2.DescribeTagsOutput{}
	for k, v := range c.tags {
		out.Tags = append(out.Tags, ec2types.TagDescription{Key: &k, Value: &v})
	}
	return out, nil
}

func (c *cloud) DescribeInstances(_ context.Context, in *ec2.DescribeInstancesInput, _ ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error) {
	if c.states == nil {
		return nil, denied()
	}
	state, ok := c.states[in.InstanceIds[0]]
	if !ok {
		return nil, &smithy.GenericAPIError{Code: "InvalidInstanceID.NotFound"}
	}
	i := ec2types.Instance{State: &ec2types.InstanceState{Name: ec2types.InstanceStateName(state)}}
	return &ec2.DescribeInstancesOutput{Reservations: []ec2types.Reservation{{Instances: []ec2types.Instance{i}}}}, nil
}

func (c *cloud) ListHostedZones(_ context.Context, in *route53.ListHostedZonesInput, _ ...func(*route53.Options)) (*route53.ListHostedZonesOutput, error) {
	at := 0 // a page has one zone
	if in.Marker != nil {
		fmt.Sscan(*in.Marker, &at)
	}
	out := &route53.ListHostedZonesOutput{}
	if at < len(c.zones) {
		out.HostedZones = c.zones[at : at+1]
	}
	if at+1 < len(c.zones) {
		out.IsTruncated, out.NextMarker = true, aws.String(fmt.Sprint(at+1))
	}
	return out, nil
}

func (c *cloud) ListHostedZonesByVPC(_ context.Context, in *route53.ListHostedZonesByVPCInput, _ ...func(*route53.Options)) (*route53.ListHostedZonesByVPCOutput, error) {
	if aws.ToString(in.VPCId) != "vpc-1" || in.VPCRegion != "eu-west-1" {
		return nil, denied()
	}
	return &route53.ListHostedZonesByVPCOutput{HostedZoneSummaries: c.vpcs}, nil
}

func (c *cloud) ListResourceRecordSets(_ context.Context, in *route53.ListResourceRecordSetsInput, _ ...func(*route53.Options)) (*route53.ListResourceRecordSetsOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &route53.ListResourceRecordSetsOutput{}
	key := canonical(*in.StartRecordName) + " " + string(in.StartRecordType)
	if v, ok := c.records[*in.HostedZoneId][key]; ok {
		out.ResourceRecordSets = []types.ResourceRecordSet{{Name: aws.String(canonical(*in.StartRecordName)), Type: in.StartRecordType, TTL: aws.Int64(60), ResourceRecords: []types.ResourceRecord{{Value: &v}}}}
	}
	return out, nil
}

func (c *cloud) ChangeResourceRecordSets(_ context.Context, in *route53.ChangeResourceRecordSetsInput, _ ...func(*route53.Options)) (*route53.ChangeResourceRecordSetsOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.records[*in.HostedZoneId]
	if now == nil {
		return nil, denied()
	}
	next := map[string]string{}
	for k, v := range now {
		next[k] = v
	}
	for _, ch := range in.ChangeBatch.Changes {
		set := ch.ResourceRecordSet
		key, value := canonical(*set.Name)+" "+string(set.Type), *set.ResourceRecords[0].Value
		old, there := next[key]
		switch {
		case ch.Action == types.ChangeActionCreate && there, ch.Action == types.ChangeActionDelete && (!there || old != value):
			return nil, &smithy.GenericAPIError{Code: "InvalidChangeBatch", Message: "[Tried to " + strings.ToLower(string(ch.Action)) + " " + key + "]"}
		case ch.Action == types.ChangeActionDelete:
			delete(next, key)
		default:
			next[key] = value
		}
	}
	c.records[*in.HostedZoneId] = next
	c.changes++
	return &route53.ChangeResourceRecordSetsOutput{ChangeInfo: &types.ChangeInfo{Id: aws.String(fmt.Sprintf("/change/C%d", c.changes))}}, nil
}

func zoneOf(id, name string, private bool) types.HostedZone {
	return types.HostedZone{Id: &id, Name: &name, Config: &types.HostedZoneConfig{PrivateZone: private}}
}

func newCloud() *cloud {
	return &cloud{
		me: Identity{"111122223333", "eu-west-1", "i-1"},
		meta: map[string]string{
			"tags/instance/dnsname": "web.ec2.example.com", "public-ipv4": "198.51.100.1", "local-ipv4": "10.0.0.1", "public-hostname": "ec2-198-51-100-1.eu-west-1.compute.amazonaws.com",
			"ipv6": "2001:db8::1", "mac": "06:00:00:00:00:01", "network/interfaces/macs/06:00:00:00:00:01/vpc-id": "vpc-1",
		},
		zones:   []types.HostedZone{zoneOf("Z1", "example.com.", false), zoneOf("Z2", "ec2.example.com.", false), zoneOf("Z3", "ec2.example.com.", true), zoneOf("Z5", "2.example.com.", false)},
		vpcs:    []types.HostedZoneSummary{{HostedZoneId: aws.String("Z4"), Name: aws.String("example.com.")}},
		records: map[string]map[string]string{"Z1": {}, "Z2": {}, "Z4": {}},
	}
}

func (c *cloud) agent(out io.Writer, change func(*Options)) *Agent {
	a := &Agent{
		Options: Options{Tag: "dnsname", Address: Public, TTL: 60}, Metadata: c, Zones: c, Compute: c, Out: out,
		InSync: func(_ context.Context, id string) error { c.waited = append(c.waited, id); return nil },
	}
	if change != nil {
		change(&a.Options)
	}
	return a
}

// text is what the zones hold.
func (c *cloud) text() string {
	var all []string
	for zone, sets := range c.records {
		for key, value := range sets {
			all = append(all, zone+" "+key+" "+value)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

const (
	mine   = `"ec2-dyndns instance=i-1 account=111122223333 region=eu-west-1"`
	theirs = `"ec2-dyndns instance=i-2 account=111122223333 region=eu-west-1"`
)

// TestOnce: what each option sets where, what is printed, and what is refused with
// nothing changed.
func TestOnce(t *testing.T) {
	owned := func(by string) func(*cloud) {
		return func(c *cloud) {
			c.records["Z2"] = map[string]string{"web.ec2.example.com. A": "192.0.2.9", "_owner.web.ec2.example.com. TXT": by}
		}
	}
	own := func(o *Options) { o.Own = true }
	for _, row := range []struct {
		name   string
		cloud  func(*cloud)
		change func(*Options)
		want   string // records
		out    string
		err    string
	}{
		{name: "the tag in the metadata", want: "Z2 web.ec2.example.com. A 198.51.100.1", out: "setting web.ec2.example.com to 198.51.100.1\n"},
		{name: "the tag by DescribeTags", cloud: func(c *cloud) {
			c.meta["tags/instance/dnsname"] = ""
			c.tags = map[string]string{"dnsname": "a.example.com."}
		},
			want: "Z1 a.example.com. A 198.51.100.1", out: "setting a.example.com to 198.51.100.1\n"},
		{name: "no tag", cloud: func(c *cloud) { c.meta["tags/instance/dnsname"] = ""; c.tags = map[string]string{} }, err: "the instance i-1 has no tag dnsname"},
		{name: "DescribeTags is denied", cloud: func(c *cloud) { c.meta["tags/instance/dnsname"] = "" }, err: "InstanceMetadataTags, or the role ec2:DescribeTags): AccessDenied: no"},
		{name: "no name", cloud: func(c *cloud) { c.meta["tags/instance/dnsname"] = "web" }, err: `"web" is not a domain name`},
		{name: "a name that is long", cloud: func(c *cloud) { c.meta["tags/instance/dnsname"] = strings.Repeat("a.", 200) }, err: "is not a domain name"},
		{name: "several names", cloud: func(c *cloud) { c.meta["tags/instance/dnsname"] = "a.example.com, b.c.example.com a.example.com" },
			want: "Z1 a.example.com. A 198.51.100.1\nZ1 b.c.example.com. A 198.51.100.1", out: "setting a.example.com to 198.51.100.1\nsetting b.c.example.com to 198.51.100.1\n"},
		{name: "one of several is in no zone", cloud: func(c *cloud) { c.meta["tags/instance/dnsname"] = "a.example.org b.example.com" },
			want: "Z1 b.example.com. A 198.51.100.1", out: "setting b.example.com to 198.51.100.1\n", err: "setting a.example.org to 198.51.100.1: there is no public hosted zone that the name is in, and nothing was changed: create one for example.org"},
		{name: "labels, not letters", change: func(o *Options) { o.Names = []string{"xec2.example.com"} }, want: "Z1 xec2.example.com. A 198.51.100.1", out: "setting xec2.example.com to 198.51.100.1\n"},
		{name: "capital letters and the apex", change: func(o *Options) { o.Names = []string{"EC2.Example.com"} }, want: "Z2 ec2.example.com. A 198.51.100.1", out: "setting EC2.Example.com to 198.51.100.1\n"},
		{name: "two zones of a name", cloud: func(c *cloud) { c.zones = append(c.zones, zoneOf("/hostedzone/Z9", "ec2.example.com.", false)) }, err: "there are 2 public hosted zones ec2.example.com., and nothing was changed: choose with --zone-id, of Z2, Z9"},
		{name: "a zone by id", change: func(o *Options) { o.ZoneID = "Z1" }, want: "Z1 web.ec2.example.com. A 198.51.100.1", out: "setting web.ec2.example.com to 198.51.100.1\n"},
		{name: "denied", cloud: func(c *cloud) { delete(c.records, "Z2") }, err: "setting web.ec2.example.com to 198.51.100.1: AccessDenied: no"},
		{name: "no public address", cloud: func(c *cloud) { c.meta["public-ipv4"] = "" }, err: "the instance i-1 has no public address"},
		{name: "an address that is none", cloud: func(c *cloud) { c.meta["public-ipv4"] = "<html>" }, err: "public-ipv4 is no address"},
		{name: "private", change: func(o *Options) { o.Address = Private }, want: "Z4 web.ec2.example.com. A 10.0.0.1", out: "setting web.ec2.example.com to 10.0.0.1\n"},
		{name: "private in the public zone", change: func(o *Options) { o.Address, o.Zone = Private, Public }, want: "Z2 web.ec2.example.com. A 10.0.0.1", out: "setting web.ec2.example.com to 10.0.0.1\n"},
		{name: "both", change: func(o *Options) { o.Address = Both }, want: "Z2 web.ec2.example.com. A 198.51.100.1\nZ4 web.ec2.example.com. A 10.0.0.1",
			out: "setting web.ec2.example.com to 198.51.100.1\nsetting web.ec2.example.com to 10.0.0.1\n"},
		{name: "IPv6", change: func(o *Options) { o.IPv6 = true }, want: "Z2 web.ec2.example.com. A 198.51.100.1\nZ2 web.ec2.example.com. AAAA 2001:db8::1",
			out: "setting web.ec2.example.com to 198.51.100.1\nsetting web.ec2.example.com to 2001:db8::1\n"},
		{name: "CNAME", change: func(o *Options) { o.CNAME = true }, want: "Z2 web.ec2.example.com. CNAME ec2-198-51-100-1.eu-west-1.compute.amazonaws.com",
			out: "setting web.ec2.example.com to ec2-198-51-100-1.eu-west-1.compute.amazonaws.com\n"},
		{name: "create", change: func(o *Options) { o.Create = true }, want: "Z2 web.ec2.example.com. A 198.51.100.1", out: "setting web.ec2.example.com to 198.51.100.1\n"},
		{name: "create what exists", cloud: owned(mine), change: func(o *Options) { o.Create = true },
			want: "Z2 _owner.web.ec2.example.com. TXT " + mine + "\nZ2 web.ec2.example.com. A 192.0.2.9", err: "InvalidChangeBatch: [Tried to create web.ec2.example.com. A]"},
		{name: "own", change: own, want: "Z2 _owner.web.ec2.example.com. TXT " + mine + "\nZ2 web.ec2.example.com. A 198.51.100.1", out: "setting web.ec2.example.com to 198.51.100.1\n"},
		{name: "own with two types", change: func(o *Options) { o.Own, o.IPv6 = true, true },
			want: "Z2 _owner.web.ec2.example.com. TXT " + mine + "\nZ2 web.ec2.example.com. A 198.51.100.1\nZ2 web.ec2.example.com. AAAA 2001:db8::1",
			out:  "setting web.ec2.example.com to 198.51.100.1\nsetting web.ec2.example.com to 2001:db8::1\n"},
		{name: "own what is its own", cloud: owned(mine), change: own, want: "Z2 _owner.web.ec2.example.com. TXT " + mine + "\nZ2 web.ec2.example.com. A 198.51.100.1", out: "setting web.ec2.example.com to 198.51.100.1\n"},
		{name: "own what nobody owns", cloud: func(c *cloud) { c.records["Z2"] = map[string]string{"web.ec2.example.com. A": "192.0.2.9"} }, change: own,
			want: "Z2 web.ec2.example.com. A 192.0.2.9", err: "InvalidChangeBatch: [Tried to create web.ec2.example.com. A]"},
		{name: "own a running instance's", cloud: func(c *cloud) { owned(theirs)(c); c.states = map[string]string{"i-2": "running"} }, change: own,
			want: "Z2 _owner.web.ec2.example.com. TXT " + theirs + "\nZ2 web.ec2.example.com. A 192.0.2.9", err: "it belongs to the instance i-2, which is running, and is not changed"},
		{name: "own a terminated instance's", cloud: func(c *cloud) { owned(theirs)(c); c.states = map[string]string{"i-2": "terminated"} }, change: own,
			want: "Z2 _owner.web.ec2.example.com. TXT " + mine + "\nZ2 web.ec2.example.com. A 198.51.100.1", out: "setting web.ec2.example.com to 198.51.100.1\n"},
		{name: "own what nobody knows any more", cloud: func(c *cloud) { owned(theirs)(c); c.states = map[string]string{} }, change: own,
			want: "Z2 _owner.web.ec2.example.com. TXT " + mine + "\nZ2 web.ec2.example.com. A 198.51.100.1", out: "setting web.ec2.example.com to 198.51.100.1\n"},
		{name: "own without seeing instances", cloud: owned(theirs), change: own,
			want: "Z2 _owner.web.ec2.example.com. TXT " + theirs + "\nZ2 web.ec2.example.com. A 192.0.2.9", err: "cannot be seen (allow the role ec2:DescribeInstances): AccessDenied"},
		{name: "own another account's", cloud: owned(strings.ReplaceAll(theirs, "1111", "9999")), change: own,
			want: "Z2 _owner.web.ec2.example.com. TXT " + strings.ReplaceAll(theirs, "1111", "9999") + "\nZ2 web.ec2.example.com. A 192.0.2.9", err: "of account 999922223333 in eu-west-1"},
		{name: "own beside somebody's TXT", cloud: owned(`"v=spf1"`), change: own, want: "Z2 _owner.web.ec2.example.com. TXT \"v=spf1\"\nZ2 web.ec2.example.com. A 192.0.2.9", err: "is not one of an owner's: it is not changed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newCloud()
			if row.cloud != nil {
				row.cloud(c)
			}
			var out bytes.Buffer
			err := c.agent(&out, row.change).Once(t.Context())
			if (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
				t.Errorf("error %v, want %q", err, row.err)
			}
			if c.text() != row.want {
				t.Errorf("the zones hold\n%s\nwant\n%s", c.text(), row.want)
			}
			if out.String() != row.out {
				t.Errorf("it prints %q, want %q", out.String(), row.out)
			}
		})
	}
}

func TestWait(t *testing.T) {
	c := newCloud()
	if err := c.agent(io.Discard, func(o *Options) { o.Wait = true }).Once(t.Context()); err != nil || !slices.Equal(c.waited, []string{"/change/C1"}) {
		t.Errorf("%v, waited for %v", err, c.waited)
	}
}

// TestWatch: an address that changes is followed, nothing is done while it does
// not; a failure is told once and tried again; at the end what is owned goes.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		var out, errs bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.agent(&out, func(o *Options) { o.Own = true }).Watch(ctx, 10*time.Second, &errs) }()
		after := func(d time.Duration) {
			timer := time.NewTimer(d)
			<-timer.C
			synctest.Wait()
		}
		change := func(fn func()) {
			c.mu.Lock()
			fn()
			c.mu.Unlock()
			after(2 * time.Minute)
		}
		change(func() {})
		change(func() {
			if c.changes != 1 {
				t.Errorf("%d changes of an address that stays", c.changes)
			}
			c.meta["public-ipv4"] = ""
		})
		var zone map[string]string
		change(func() {
			c.meta["public-ipv4"] = "198.51.100.2"
			zone = c.records["Z2"]
			delete(c.records, "Z2")
		})
		change(func() { c.records["Z2"] = zone })
		if want := "setting web.ec2.example.com to 198.51.100.1\nsetting web.ec2.example.com to 198.51.100.2\n"; out.String() != want {
			t.Errorf("it prints %q, want %q", out.String(), want)
		}
		if lines := strings.Count(errs.String(), "\n"); lines != 2 || !strings.Contains(errs.String(), "has no public address") || !strings.Contains(errs.String(), "AccessDenied") {
			t.Errorf("it told\n%s", errs.String())
		}
		stop()
		if err := <-ended; err != nil || c.text() != "" {
			t.Errorf("at the end: %v, the zones hold\n%s", err, c.text())
		}
	})
}

// TestRemove takes away what is the instance's own, and nothing else.
func TestRemove(t *testing.T) {
	for _, owner := range []string{mine, theirs, ""} {
		c := newCloud()
		c.records["Z2"] = map[string]string{"web.ec2.example.com. A": "192.0.2.9", "web.ec2.example.com. MX": "10 mail"}
		if owner != "" {
			c.records["Z2"]["_owner.web.ec2.example.com. TXT"] = owner
		}
		before := c.text()
		var out bytes.Buffer
		if err := c.agent(&out, func(o *Options) { o.Own = true }).Remove(t.Context()); err != nil {
			t.Error(err)
		}
		switch {
		case owner == mine && (c.text() != "Z2 web.ec2.example.com. MX 10 mail" || out.String() != "removing web.ec2.example.com\n"):
			t.Errorf("its own: %q, %s", out.String(), c.text())
		case owner != mine && (c.text() != before || out.Len() > 0):
			t.Errorf("of %q: %q, %s", owner, out.String(), c.text())
		}
	}
}

func TestOptions(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--address", "nowhere"}, "--address is public, private or both"},
		{[]string{"--zone", "any"}, "--zone is public or private"},
		{[]string{"--address", "both", "--zone", "public"}, "give no --zone"},
		{[]string{"--cname", "--address", "private"}, "--cname is the public name"},
		{[]string{"--cname", "--ipv6"}, "none of the others can be"},
		{[]string{"--ttl", "-1"}, "--ttl is from 0"},
		{[]string{"--remove"}, "it needs --own"},
		{[]string{"--once", "--watch"}, "none of the others can be"},
		{[]string{"--own", "--create"}, "none of the others can be"},
		{[]string{"--watch", "--every", "1ms"}, "--every is at least 1s"},
	} {
		cmd := Command(Config{Stdout: io.Discard, Stderr: io.Discard, Region: func() string { return "" }})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(row.args)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v: %v, want %q", row.args, err, row.want)
		}
	}
}

// TestSpoken: AWS's code and text, and the cause is there still.
func TestSpoken(t *testing.T) {
	cause := fmt.Errorf("operation error Route 53: %w", denied())
	if err := spoken(cause); err.Error() != "AccessDenied: no" || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

// busy is Route 53 when it is: it refuses with these codes, then it does what it is
// asked.
type busy struct {
	codes []string
	asked []time.Time
}

func (b *busy) Do(r *http.Request) (*http.Response, error) {
	b.asked = append(b.asked, time.Now())
	status, body := 200, `<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-11-20T12:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>`
	if n := len(b.asked); n <= len(b.codes) {
		status, body = 400, `<ErrorResponse><Error><Type>Sender</Type><Code>`+b.codes[n-1]+`</Code><Message>Rate exceeded</Message></Error></ErrorResponse>`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestBusy: what AWS says to try again is tried again, with pauses; what it refuses
// is not.
func TestBusy(t *testing.T) {
	for _, row := range []struct {
		name  string
		codes []string
		asked int
		want  string // the code of the error
	}{
		{"throttled", []string{"Throttling", "Throttling"}, 3, ""},
		{"another change is under way", []string{"PriorRequestNotComplete"}, 2, ""},
		{"both", []string{"Throttling", "PriorRequestNotComplete", "Throttling"}, 4, ""},
		{"for good", slices.Repeat([]string{"PriorRequestNotComplete"}, 2*tries), tries, "PriorRequestNotComplete"},
		{"refused", []string{"InvalidChangeBatch"}, 1, "InvalidChangeBatch"},
		{"not allowed", []string{"AccessDenied"}, 1, "AccessDenied"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &busy{codes: row.codes}
				zones := route53.New(route53.Options{Region: "us-east-1", HTTPClient: b, Retryer: retryer(),
					Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
						return aws.Credentials{AccessKeyID: "x", SecretAccessKey: "x"}, nil
					})})
				_, err := zones.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{HostedZoneId: aws.String("Z1"), ChangeBatch: &types.ChangeBatch{Changes: []types.Change{
					{Action: types.ChangeActionUpsert, ResourceRecordSet: &types.ResourceRecordSet{Name: aws.String("a.example.com"), Type: types.RRTypeA, TTL: aws.Int64(60), ResourceRecords: []types.ResourceRecord{{Value: aws.String("192.0.2.1")}}}}}}})
				have := ""
				var api smithy.APIError
				if errors.As(err, &api) {
					have = api.ErrorCode()
				}
				if have != row.want || len(b.asked) != row.asked {
					t.Errorf("asked %d times, %v; want %d times, %q", len(b.asked), err, row.asked, row.want)
				}
				for i := 1; i < len(b.asked); i++ {
					if pause := b.asked[i].Sub(b.asked[i-1]); pause <= 0 || pause > mostWait {
						t.Errorf("try %d comes %s after the one before", i+1, pause)
					}
				}
			})
		})
	}
}
