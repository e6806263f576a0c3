package route53

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// world is a store, the service and a caller. Requests go through the codec, as
// they come from outside.
type world struct {
	testing.TB
	store   *state.Store
	actions map[string]service.Action
	caller  service.Caller
	now     time.Time
	made    int       // references
	seen    time.Time // when checkers looked last
}

func newWorld(t testing.TB, delay time.Duration) *world {
	t.Helper()
	w := &world{TB: t, actions: map[string]service.Action{}, caller: service.Root("123456789012", "us-east-1", "k"), now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	store, err := state.Open(state.Config{Now: func() time.Time { return w.now }, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	w.store = store
	t.Cleanup(func() {
		for _, m := range store.Mutations() {
			t.Errorf("a row was modified: %s", m)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, a := range New(Config{Now: func() time.Time { return w.now }, Delay: delay, Draw: func() uint64 { return 1 },
		Seen: func(state.Key, string) time.Time { return w.seen }}).Actions() {
		w.actions[a.Name] = a
	}
	return w
}

// as is the same world for another account.
func (w *world) as(account string) *world {
	other := *w
	other.caller = service.Root(account, "us-east-1", "k")
	return &other
}

// vpc puts a VPC of the caller.
func (w *world) vpc(region, id string) *api.VPC {
	w.Helper()
	v := &state.Vpc{Meta: state.Meta{Key: state.Scope{Account: w.caller.Account, Region: region}.Key(id)}, EnableDnsSupport: true, EnableDnsHostnames: true}
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { state.Vpcs.Put(tx, v); return nil }); err != nil {
		w.Fatal(err)
	}
	return &api.VPC{VPCRegion: &region, VPCId: &id}
}

// do sends an input through the codec to its action. A refused one must have
// changed nothing.
func (w *world) do(name string, in any) (any, error) {
	w.Helper()
	a, ok := w.actions[name]
	if !ok {
		w.Fatalf("%s is not served", name)
	}
	var b bytes.Buffer
	proto.RESTXML.EncodeInput(&b, api.API, name, in)
	method, target := proto.RESTXML.Target(api.API, name, in)
	path, query, _ := strings.Cut(target, "?")
	r := &proto.Request{Method: method, Path: path, RawQuery: query, Body: b.Bytes(), Header: http.Header{}}
	decoded := a.NewInput()
	if err := proto.RESTXML.DecodeInput(api.API, name, r, decoded); err != nil {
		return nil, err
	}
	before := w.store.Snapshot().Index
	out, _, err := a.Run(context.Background(), w.store, w.caller, decoded)
	if after := w.store.Snapshot().Index; (err != nil || !a.Mutates()) && after != before {
		w.Errorf("%s has changed the state", name)
	}
	return out, err
}

// call runs an action that must succeed.
func call[Out any](w *world, name string, in any) *Out {
	w.Helper()
	out, err := w.do(name, in)
	if err != nil {
		w.Fatalf("%s: %v", name, err)
	}
	return out.(*Out)
}

// fails runs an action that must be refused with status, code and text: "404
// NoSuchHostedZone: No hosted zone found with ID: Z".
func (w *world) fails(name string, in any, want string) {
	w.Helper()
	_, err := w.do(name, in)
	e, ok := awserr.As(err)
	if !ok {
		w.Errorf("%s: got %v\nwant %s", name, err, want)
		return
	}
	if got := fmt.Sprintf("%d %s", e.Status, e.Error()); got != want {
		w.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

// zone makes a zone, private with VPCs, and gives its id.
func (w *world) zone(name string, vpc *api.VPC) string {
	w.Helper()
	w.made++
	out := call[api.CreateHostedZoneOutput](w, "CreateHostedZone", &api.CreateHostedZoneInput{Name: &name, CallerReference: new(strconv.Itoa(w.made)), VPC: vpc})
	return strings.TrimPrefix(*out.HostedZone.Id, zonePrefix)
}

// batch makes a request from lines "ACTION NAME TYPE TTL VALUE|VALUE ; option=…"; of
// an alias TTL is "alias" and VALUE "ZONE NAME".
func (w *world) batch(zone string, lines ...string) *api.ChangeResourceRecordSetsInput {
	w.Helper()
	in := &api.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: &api.ChangeBatch{}}
	for _, line := range lines {
		data, options, _ := strings.Cut(line, " ; ")
		part := strings.SplitN(data, " ", 5)
		set := &api.ResourceRecordSet{Name: &part[1], Type: &part[2]}
		if len(part) == 5 && part[3] == "alias" {
			zone, name, _ := strings.Cut(part[4], " ")
			set.AliasTarget = &api.AliasTarget{HostedZoneId: &zone, DNSName: &name, EvaluateTargetHealth: new(false)}
		} else if len(part) > 3 {
			ttl, err := strconv.ParseInt(part[3], 10, 64)
			if err != nil {
				w.Fatal(err)
			}
			set.TTL = &ttl
			if len(part) == 5 {
				for v := range strings.SplitSeq(part[4], "|") {
					set.ResourceRecords = append(set.ResourceRecords, api.ResourceRecord{Value: &v})
				}
			}
		}
		for word := range strings.FieldsSeq(options) {
			w.option(set, word)
		}
		in.ChangeBatch.Changes = append(in.ChangeBatch.Changes, api.Change{Action: &part[0], ResourceRecordSet: set})
	}
	return in
}

func (w *world) option(set *api.ResourceRecordSet, word string) {
	w.Helper()
	key, value, _ := strings.Cut(word, "=")
	n, _ := strconv.ParseInt(value, 10, 64)
	switch key {
	case "id":
		set.SetIdentifier = &value
	case "weight":
		set.Weight = &n
	case "region":
		set.Region = &value
	case "failover":
		set.Failover = &value
	case "country":
		set.GeoLocation = &api.GeoLocation{CountryCode: &value}
	case "multi":
		set.MultiValueAnswer = new(true)
	case "near":
		set.GeoProximityLocation = &api.GeoProximityLocation{AWSRegion: &value}
	case "check":
		set.HealthCheckId = &value
	case "cidr":
		collection, name, _ := strings.Cut(value, "/")
		set.CidrRoutingConfig = &api.CidrRoutingConfig{CollectionId: &collection, LocationName: &name}
	case "policy":
		set.TrafficPolicyInstanceId = &value
	case "ttl":
		set.TTL = &n
	default:
		w.Fatalf("the test knows no option %q", word)
	}
}

// change applies lines of batch that must be accepted.
func (w *world) change(zone string, lines ...string) {
	w.Helper()
	call[api.ChangeResourceRecordSetsOutput](w, "ChangeResourceRecordSets", w.batch(zone, lines...))
}

// listing is a zone as its list shows it: "NAME TYPE ID", without the apex's own.
func (w *world) listing(zone string) (lines []string) {
	w.Helper()
	in := &api.ListResourceRecordSetsInput{HostedZoneId: &zone}
	for {
		out := call[api.ListResourceRecordSetsOutput](w, "ListResourceRecordSets", in)
		for _, s := range out.ResourceRecordSets {
			if *s.Type != "SOA" && *s.Type != "NS" {
				lines = append(lines, strings.TrimSpace(*s.Name+" "+*s.Type+" "+text(s.SetIdentifier)))
			}
		}
		if !*out.IsTruncated {
			return lines
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier
	}
}
