package proto_test

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

// restSnapshots returns the recorded requests of Route 53's Go SDK by action.
func restSnapshots(t *testing.T) map[string]*proto.Request {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/route53").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skipf("the SDK's module is not at hand: go list: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "request_snapshot", "*.request.snap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no snapshots in %s: %v", dir, err)
	}
	requests := map[string]*proto.Request{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line, rest, _ := strings.Cut(string(data), "\n")
		method, target, _ := strings.Cut(line, " ")
		path, query, _ := strings.Cut(target, "?")
		_, body, _ := strings.Cut(rest, "<")
		if body != "" {
			body = "<" + body
		}
		requests[strings.TrimSuffix(filepath.Base(file), ".request.snap")] = &proto.Request{
			Method: method, Path: path, RawQuery: query, Header: http.Header{}, Body: []byte(body)}
	}
	return requests
}

// leaves are the texts of a document with their paths, sorted.
func leaves(t *testing.T, body []byte) []string {
	t.Helper()
	var all, path []string
	dec := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := dec.Token()
		if token == nil {
			if len(path) > 0 {
				t.Fatalf("%s: %v", body, err)
			}
			break
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Space+" "+token.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			all = append(all, strings.Join(path, "/")+"="+string(token))
		}
	}
	slices.Sort(all)
	return all
}

// TestRESTSnapshots: every recorded request finds its action, decodes, and is
// written again by our own client, line, query and document.
func TestRESTSnapshots(t *testing.T) {
	api := route53.API
	requests := restSnapshots(t)
	for i := range api.Actions {
		action := &api.Actions[i]
		t.Run(action.Name, func(t *testing.T) {
			r := requests[action.Name]
			if r == nil {
				t.Fatal("there is no snapshot")
			}
			if name, err := api.Protocol.Action(api, r); err != nil || name != action.Name {
				t.Fatalf("%s %s is %s: %v", r.Method, r.Path, name, err)
			}
			in := action.NewInput()
			err := api.Protocol.DecodeInput(api, action.Name, r, in)
			if e, ok := awserr.As(err); err != nil && (!ok || !strings.Contains(e.Message, "validation error")) {
				t.Fatalf("refused: %v", err) // the recorded values do not keep every bound
			}
			method, target := api.Protocol.Target(api, action.Name, in)
			path, query, _ := strings.Cut(target, "?")
			got, _ := url.ParseQuery(query)
			want, _ := url.ParseQuery(r.RawQuery)
			if method != r.Method || path != r.Path || !reflect.DeepEqual(got, want) {
				t.Errorf("written again: %s %s, want %s %s?%s", method, target, r.Method, r.Path, r.RawQuery)
			}
			var b bytes.Buffer
			api.Protocol.EncodeInput(&b, api, action.Name, in)
			if got, want := leaves(t, b.Bytes()), leaves(t, r.Body); !slices.Equal(got, want) {
				t.Errorf("written again:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		})
	}
}

// TestRESTRoutes: which action a request line asks for, and for which id.
func TestRESTRoutes(t *testing.T) {
	for line, want := range map[string]string{
		"GET /2013-04-01/hostedzone":                        "ListHostedZones",
		"GET /2013-04-01/hostedzone/":                       "ListHostedZones",
		"GET /2013-04-01/hostedzone/Z1":                     "GetHostedZone Z1",
		"GET /2013-04-01/hostedzone/Z1/":                    "GetHostedZone Z1",
		"GET /2013-04-01/hostedzone//hostedzone/Z1":         "GetHostedZone Z1",
		"GET /2013-04-01/hostedzone/hostedzone/Z1":          "GetHostedZone Z1",
		"GET /2013-04-01/hostedzone/%2Fhostedzone%2FZ1":     "GetHostedZone Z1",
		"DELETE /2013-04-01/hostedzone/Z1":                  "DeleteHostedZone Z1",
		"POST /2013-04-01/hostedzone/Z1":                    "UpdateHostedZoneComment Z1",
		"GET /2013-04-01/trafficpolicyinstances/hostedzone": "ListTrafficPolicyInstancesByHostedZone",
		"GET /2013-04-01/change/%2Fchange%2FC1":             "GetChange C1",
		"GET /2013-04-01/delegationset//delegationset/N1":   "GetReusableDelegationSet N1",
		"PUT /2013-04-01/hostedzone/Z1":                     "UnknownOperationException",
		"GET /2012-12-12/hostedzone/Z1":                     "UnknownOperationException",
		"GET /2013-04-01/hostedzone/Z1/%zz":                 "UnknownOperationException",
		"GET /":                                             "UnknownOperationException",
		"GET /2013-04-01/" + strings.Repeat("a/", 1000):     "UnknownOperationException",
	} {
		method, path, _ := strings.Cut(line, " ")
		r := &proto.Request{Method: method, Path: path}
		got, err := proto.RESTXML.Action(route53.API, r)
		if e, ok := awserr.As(err); ok && e.Status == http.StatusNotFound {
			got = e.Code
		} else if err == nil {
			act, _ := route53.API.Lookup(got)
			in := act.NewInput()
			_ = proto.RESTXML.DecodeInput(route53.API, got, r, in)
			if id := reflect.ValueOf(in).Elem().FieldByName("Id"); id.IsValid() && !id.IsNil() {
				got += " " + id.Elem().String()
			}
		}
		if got != want {
			t.Errorf("%.80s: %s, want %s", line, got, want)
		}
	}
}

// TestRESTRefusals: what is wrong with a document, in Route 53's words.
func TestRESTRefusals(t *testing.T) {
	const zone = `<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">`
	const batch = `<ChangeResourceRecordSetsRequest><ChangeBatch>`
	for _, tt := range []struct{ path, body, want string }{
		{"hostedzone", zone + `<Name>a.test</Name><CallerReference>r</CallerReference></CreateHostedZoneRequest>`, ""},
		{"hostedzone", `<x:CreateHostedZoneRequest xmlns:x="u"><x:Name>a</x:Name><x:CallerReference>r</x:CallerReference><x:New/></x:CreateHostedZoneRequest>`, ""},
		{"hostedzone", zone + `<Name>a</Name></CreateHostedZoneRequest>`,
			"InvalidInput: 1 validation error detected: Value null at 'callerReference' failed to satisfy constraint: Member must not be null"},
		{"hostedzone", "", "InvalidInput: 2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; Value null at 'callerReference' failed to satisfy constraint: Member must not be null"},
		{"hostedzone", zone, "MalformedInput: The request body is not a well-formed XML document of this operation."},
		{"hostedzone", "x", "MalformedInput: The request body is not a well-formed XML document of this operation."},
		{"hostedzone", "<Other/>", "MalformedInput: Unexpected element 'Other', 'CreateHostedZoneRequest' expected."},
		{"hostedzone", zone + `<VPC><VPCRegion>moon-1</VPCRegion></VPC><Name>a</Name><CallerReference>r</CallerReference></CreateHostedZoneRequest>`, "InvalidInput: 1 validation error detected: Value 'moon-1' at 'vPC.vPCRegion' failed to satisfy constraint: Member must satisfy enum value set: ["},
		{"hostedzone", strings.Repeat("<a>", 100), "MalformedInput: Unexpected element 'a'"},
		{"hostedzone", zone + strings.Repeat("<VPC>", 100), "MalformedInput: The request body is not"},
		{"hostedzone", zone + "</CreateHostedZoneRequest><a/>", "MalformedInput: The request body has a second root element."},
		{"hostedzone/Z1/rrset", batch + `<Changes></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`, "MalformedInput: Unexpected list element termination"},
		{"hostedzone/Z1/rrset", `<ChangeResourceRecordSetsRequest><ChangeBatch/></ChangeResourceRecordSetsRequest>`, "MalformedInput: Unexpected complex element termination"},
		{"hostedzone/Z1/rrset", batch + `<Changes><Change><Action>CREATE</Action><ResourceRecordSet><Name>a</Name><Type>X</Type><TTL>-1</TTL></ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`,
			"InvalidInput: 2 validation errors detected: Value 'X' at 'changeBatch.changes.1.member.resourceRecordSet.type' failed to satisfy constraint: Member must satisfy enum value set: ["},
		{"hostedzone/Z1/rrset", batch + `<Changes><Change><Action>CREATE</Action><ResourceRecordSet><Name>a</Name><Type>A</Type><TTL>x</TTL></ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`,
			"MalformedInput: 'x' is not a Integer at 'TTL'"},
		{"hostedzone/" + strings.Repeat("Z", 33) + "/rrset", batch + `<Changes><Change><Action>CREATE</Action><ResourceRecordSet><Name>a</Name><Type>A</Type></ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`,
			"InvalidInput: 1 validation error detected: Value 'ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ' at 'hostedZoneId' failed to satisfy constraint: Member must have length less than or equal to 32"},
	} {
		r := &proto.Request{Method: http.MethodPost, Path: "/2013-04-01/" + tt.path, Body: []byte(tt.body)}
		name, err := proto.RESTXML.Action(route53.API, r)
		if err != nil {
			t.Fatal(err)
		}
		act, _ := route53.API.Lookup(name)
		err = proto.RESTXML.DecodeInput(route53.API, name, r, act.NewInput())
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%.200s\n got %v\nwant %s", tt.body, err, tt.want)
		}
	}
}

// TestRESTErrors: both documents that an error can be come back as they were.
func TestRESTErrors(t *testing.T) {
	for _, e := range []*awserr.Error{
		awserr.New("NoSuchHostedZone", "No hosted zone found with ID: Z1").WithStatus(404),
		awserr.New("InvalidChangeBatch", "%s", "one <&>\ntwo"),
	} {
		var b bytes.Buffer
		proto.RESTXML.EncodeError(&b, route53.API, "req-1", e)
		if back := proto.RESTXML.DecodeError(route53.API, e.Status, b.Bytes()); back.Code != e.Code || back.Message != e.Message || back.Status != e.Status {
			t.Errorf("%s became %+v", b.String(), back)
		}
	}
}

// FuzzDecodeREST: whatever the request, the decoder answers with an Input or with
// one of AWS's errors; an Input it accepted survives our own encoder; and as an
// answer the same body is read without panic.
func FuzzDecodeREST(f *testing.F) {
	f.Add("POST", "/2013-04-01/hostedzone", "", "<CreateHostedZoneRequest><Name>a.test</Name><VPC><VPCId>vpc-1</VPCId><VPCRegion>us-east-1</VPCRegion></VPC><CallerReference>r</CallerReference></CreateHostedZoneRequest>")
	f.Add("POST", "/2013-04-01/hostedzone/Z1/rrset/", "", "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes><Change><Action>CREATE</Action><ResourceRecordSet><Name>a</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>10.0.0.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>")
	f.Add("GET", "/2013-04-01/hostedzone/%2Fhostedzone%2FZ1/rrset", "name=a.test&type=A&maxitems=5&maxitems=x", "")
	f.Add("POST", "/2013-04-01/tags/healthcheck/x", "", "<ChangeTagsForResourceRequest><AddTags><Tag><Key>a</Key></Tag></AddTags></ChangeTagsForResourceRequest>")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		api := route53.API
		r := &proto.Request{Method: method, Path: path, RawQuery: query, Body: []byte(body)}
		name, err := api.Protocol.Action(api, r)
		if err != nil {
			checkError(t, api, err)
			return
		}
		a, _ := api.Lookup(name)
		in, again, out := a.NewInput(), a.NewInput(), a.NewOutput()
		if api.Protocol.DecodeOutput(api, name, []byte(body), out) == nil {
			encode(api, name, out)
		}
		if err := api.Protocol.DecodeInput(api, name, r, in); err != nil {
			checkError(t, api, err)
			return
		}
		var b bytes.Buffer
		api.Protocol.EncodeInput(&b, api, name, in)
		method, target := api.Protocol.Target(api, name, in)
		path, query, _ = strings.Cut(target, "?")
		second := &proto.Request{Method: method, Path: path, RawQuery: query, Body: b.Bytes()}
		if got, err := api.Protocol.Action(api, second); err != nil || got != name {
			return // an id that is a word of the path, "rrset" say
		}
		if err := api.Protocol.DecodeInput(api, name, second, again); err != nil {
			t.Fatalf("%s: written again as %s %s: %v", name, target, b.String(), err)
		}
	})
}
