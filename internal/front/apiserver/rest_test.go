package apiserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/client"
	wireec2 "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	wireroute53 "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/service/route53"
	"github.com/localvpc/localvpc/internal/state"
)

// restServer serves route53 beside an ec2 without actions.
func restServer(t *testing.T) string {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string]service.Action{}
	for _, a := range route53.New(route53.Config{Now: time.Now, Draw: rand.Uint64}).Actions() {
		actions[a.Name] = a
	}
	s := New(Config{
		Services: []Service{{API: wireec2.API, Signing: "ec2"}, {API: wireroute53.API, Signing: "route53", Actions: actions}},
		Runner:   &service.Runner{Store: store}, Account: "000000000000", Region: "us-east-1",
		Regions: func(name string) bool { return name == "us-east-1" },
		Log:     slog.New(slog.DiscardHandler),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-served, store.Close()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// TestRESTByOurClient: labels, query strings, headers and documents meet, in both
// directions, and the texts of a refused batch stay apart.
func TestRESTByOurClient(t *testing.T) {
	c := client.New(restServer(t), "us-east-1", "test", "test")
	defer c.Close()
	created, err := client.Call[wireroute53.CreateHostedZoneOutput](t.Context(), c, wireroute53.API, "CreateHostedZone",
		&wireroute53.CreateHostedZoneInput{Name: new("example.test"), CallerReference: new("1 <&>")})
	if err != nil {
		t.Fatal(err)
	}
	if created.Location == nil || !strings.HasSuffix(*created.Location, *created.HostedZone.Id) {
		t.Errorf("location %v of %s", created.Location, *created.HostedZone.Id)
	}
	list, err := client.Call[wireroute53.ListResourceRecordSetsOutput](t.Context(), c, wireroute53.API, "ListResourceRecordSets",
		&wireroute53.ListResourceRecordSetsInput{HostedZoneId: created.HostedZone.Id, MaxItems: new(int32(1)), StartRecordName: new("*.Example.test"), StartRecordType: new("A")})
	if err != nil || len(list.ResourceRecordSets) != 0 || *list.MaxItems != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	set := wireroute53.ResourceRecordSet{Name: new("x.test"), Type: new("A"), TTL: new(int64(1)), ResourceRecords: []wireroute53.ResourceRecord{{Value: new("192.0.2.1")}}}
	_, err = client.Call[wireroute53.ChangeResourceRecordSetsOutput](t.Context(), c, wireroute53.API, "ChangeResourceRecordSets",
		&wireroute53.ChangeResourceRecordSetsInput{HostedZoneId: created.HostedZone.Id, ChangeBatch: &wireroute53.ChangeBatch{Changes: []wireroute53.Change{
			{Action: new("CREATE"), ResourceRecordSet: &set}, {Action: new("UPSERT"), ResourceRecordSet: &set}}}})
	if e, ok := awserr.As(err); !ok || e.Code != "InvalidChangeBatch" || strings.Count(e.Message, "\n") != 1 {
		t.Errorf("a bad batch: %v", err)
	}
}

// TestRESTAnswers: what is on the wire, for requests good and bad.
func TestRESTAnswers(t *testing.T) {
	url := restServer(t)
	sign := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64)
	}
	const zone = `<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Name>a.test</Name><CallerReference>%</CallerReference></CreateHostedZoneRequest>`
	for _, test := range []struct {
		name, signed, method, path, body string
		status                           int
		has                              string
	}{
		{"create", "route53", "POST", "/2013-04-01/hostedzone", strings.Replace(zone, "%", "1", 1), 201, `<CreateHostedZoneResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZone><Id>/hostedzone/Z`},
		{"with a slash, unsigned", "", "POST", "/2013-04-01/hostedzone/", strings.Replace(zone, "%", "2", 1), 201, "<Name>a.test.</Name>"},
		{"list", "route53", "GET", "/2013-04-01/hostedzone?maxitems=1", "", 200, "<IsTruncated>true</IsTruncated>"},
		{"modelled error", "route53", "GET", "/2013-04-01/hostedzone//hostedzone/Z0", "", 404, `<Error><Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>No hosted zone found with ID: Z0</Message></Error><RequestId>`},
		{"an action that is not served", "route53", "GET", "/2013-04-01/trafficpolicies", "", 404, "<Code>UnknownOperationException</Code>"},
		{"no action", "route53", "GET", "/2013-04-01/nothing", "", 404, "<Code>UnknownOperationException</Code>"},
		{"no action, unsigned", "", "PATCH", "/2013-04-01/hostedzone", "", 404, "<Code>UnknownOperationException</Code>"},
		{"no path of its own", "route53", "GET", "/", "", 404, "<Code>UnknownOperationException</Code>"},
		{"no document", "route53", "POST", "/2013-04-01/hostedzone", "{}", 400, "<Code>MalformedInput</Code>"},
		{"not a number", "route53", "GET", "/2013-04-01/hostedzone?maxitems=x", "", 400, "<Code>InvalidInput</Code>"},
		{"half a signature", "x y", "GET", "/2013-04-01/hostedzone", "", 403, "<Code>IncompleteSignature</Code>"},
		{"too large", "route53", "POST", "/2013-04-01/hostedzone", strings.Repeat(" ", 5<<20), 413, "<Code>RequestEntityTooLarge</Code>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequest(test.method, url+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.signed != "" {
				r.Header.Set("Authorization", sign(test.signed))
				r.Header.Set("X-Amz-Date", "20261120T120000Z")
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.status || !strings.Contains(string(body), test.has) || resp.Header.Get("Content-Type") != "text/xml" {
				t.Errorf("%d %s\n%s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
			}
			if created := resp.Header.Get("Location"); (created != "") != (test.status == 201) {
				t.Errorf("location %q", created)
			}
		})
	}
}
