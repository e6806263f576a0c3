package servicequotas

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/servicequotas"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

const (
	vpcs   = "L-F678F1CE"
	groups = "L-2AFB9258" // per interface, at most 16
)

type world struct {
	*testing.T
	store   *state.Store
	now     *time.Time
	actions map[string]service.Action
	caller  service.Caller
}

func newWorld(t *testing.T, start map[string]int) *world {
	t.Helper()
	now := time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)
	store, err := state.Open(state.Config{Now: func() time.Time { return now }, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: store, now: &now, actions: map[string]service.Action{}, caller: service.Root("123456789012", "eu-west-1", "k")}
	t.Cleanup(func() {
		for _, m := range store.Mutations() {
			t.Errorf("a row was modified: %s", m)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, a := range New(start).Actions() {
		w.actions[a.Name] = a
	}
	return w
}

func (w *world) do(name string, in any) (any, error) {
	w.Helper()
	before := w.store.Snapshot().Index
	out, _, err := w.actions[name].Run(context.Background(), w.store, w.caller, in)
	if after := w.store.Snapshot().Index; (err != nil || !w.actions[name].Mutates()) && after != before {
		w.Errorf("%s has changed the state", name)
	}
	return out, err
}

func call[Out any](w *world, name string, in any) *Out {
	w.Helper()
	out, err := w.do(name, in)
	if err != nil {
		w.Fatalf("%s: %v", name, err)
	}
	return out.(*Out)
}

func (w *world) fails(name string, in any, code, text string) {
	w.Helper()
	_, err := w.do(name, in)
	if e, ok := awserr.As(err); !ok || e.Code != code || !strings.Contains(e.Message, text) || e.Status != 400 {
		w.Errorf("%s: got %v\nwant %s: %s", name, err, code, text)
	}
}

func (w *world) value(service, code string) float64 {
	w.Helper()
	return *call[api.GetServiceQuotaOutput](w, "GetServiceQuota", &api.GetServiceQuotaInput{ServiceCode: &service, QuotaCode: &code}).Quota.Value
}

func increase(code string, value float64) *api.RequestServiceQuotaIncreaseInput {
	return &api.RequestServiceQuotaIncreaseInput{ServiceCode: new("vpc"), QuotaCode: &code, DesiredValue: &value}
}

func TestQuotas(t *testing.T) {
	w := newWorld(t, map[string]int{"subnets-per-vpc": 3, "routes-per-route-table": quota.Unlimited})
	if s := call[api.ListServicesOutput](w, "ListServices", &api.ListServicesInput{}).Services; len(s) != 3 || *s[0].ServiceCode != "ec2" || *s[2].ServiceName != "Amazon Virtual Private Cloud (Amazon VPC)" {
		t.Errorf("%+v", s)
	}
	q := call[api.GetServiceQuotaOutput](w, "GetServiceQuota", &api.GetServiceQuotaInput{ServiceCode: new("vpc"), QuotaCode: new(vpcs)}).Quota
	if *q.Value != 5 || *q.QuotaName != "VPCs per Region" || *q.QuotaArn != "arn:aws:servicequotas:eu-west-1:123456789012:vpc/L-F678F1CE" || *q.Unit != "None" || !*q.Adjustable || *q.GlobalQuota {
		t.Errorf("%+v", q)
	}
	q = call[api.GetAWSDefaultServiceQuotaOutput](w, "GetAWSDefaultServiceQuota", &api.GetAWSDefaultServiceQuotaInput{ServiceCode: new("vpc"), QuotaCode: new("L-407747CB")}).Quota
	if *q.Value != 200 || *q.QuotaArn != "arn:aws:servicequotas:eu-west-1::vpc/L-407747CB" {
		t.Errorf("%+v", q)
	}
	if subnets, routes, addresses := w.value("vpc", "L-407747CB"), w.value("vpc", "L-93826ACB"), w.value("ec2", "L-0263D0A3"); subnets != 3 || routes != math.MaxInt32 || addresses != 5 {
		t.Error(subnets, routes, addresses)
	}
	// Every quota that AWS has a code for is listed once, over all pages.
	want := 0
	for _, q := range quota.All() {
		if q.Service == "vpc" && q.Code != "" {
			want++
		}
	}
	for _, list := range []func(token *string) ([]api.ServiceQuota, *string){
		func(token *string) ([]api.ServiceQuota, *string) {
			out := call[api.ListServiceQuotasOutput](w, "ListServiceQuotas", &api.ListServiceQuotasInput{ServiceCode: new("vpc"), MaxResults: new(int32(4)), NextToken: token})
			return out.Quotas, out.NextToken
		},
		func(token *string) ([]api.ServiceQuota, *string) {
			out := call[api.ListAWSDefaultServiceQuotasOutput](w, "ListAWSDefaultServiceQuotas", &api.ListAWSDefaultServiceQuotasInput{ServiceCode: new("vpc"), MaxResults: new(int32(4)), NextToken: token})
			return out.Quotas, out.NextToken
		},
	} {
		seen := map[string]bool{}
		quotas, token := list(nil)
		for {
			for _, q := range quotas {
				seen[*q.QuotaCode] = true
			}
			if token == nil {
				break
			}
			quotas, token = list(token)
		}
		if len(seen) != want {
			t.Errorf("%d quotas, want %d", len(seen), want)
		}
	}
	if one := call[api.ListServiceQuotasOutput](w, "ListServiceQuotas", &api.ListServiceQuotasInput{ServiceCode: new("vpc"), QuotaCode: new(vpcs)}); len(one.Quotas) != 1 {
		t.Errorf("%+v", one)
	}
	if none := call[api.ListServiceQuotasOutput](w, "ListServiceQuotas", &api.ListServiceQuotasInput{ServiceCode: new("vpc"), QuotaAppliedAtLevel: new("RESOURCE")}); len(none.Quotas) != 0 {
		t.Errorf("%+v", none)
	}
}

func TestIncrease(t *testing.T) {
	w := newWorld(t, nil)
	asked := call[api.RequestServiceQuotaIncreaseOutput](w, "RequestServiceQuotaIncrease", increase(vpcs, 6)).RequestedQuota
	if *asked.Status != "APPROVED" || *asked.DesiredValue != 6 || *asked.Requester != `{"accountId":"123456789012","callerArn":"arn:aws:iam::123456789012:root"}` || len(*asked.Id) != 32 {
		t.Errorf("%+v", asked)
	}
	got := call[api.GetRequestedServiceQuotaChangeOutput](w, "GetRequestedServiceQuotaChange", &api.GetRequestedServiceQuotaChangeInput{RequestId: asked.Id}).RequestedQuota
	if *got.Status != "APPROVED" || *got.QuotaName != "VPCs per Region" {
		t.Errorf("%+v", got)
	}
	if v := w.value("vpc", vpcs); v != 6 {
		t.Error(v)
	}
	if v := w.value("vpc", "L-A4707A72"); v != 6 {
		t.Errorf("internet gateways: %v", v)
	}
	other := *w
	other.caller = service.Root("123456789012", "us-east-1", "k")
	if v := other.value("vpc", vpcs); v != 5 {
		t.Errorf("in another Region: %v", v)
	}
	other.fails("GetRequestedServiceQuotaChange", &api.GetRequestedServiceQuotaChangeInput{RequestId: asked.Id}, "NoSuchResourceException", "does not exist")

	*w.now = w.now.Add(time.Minute)
	denied := call[api.RequestServiceQuotaIncreaseOutput](w, "RequestServiceQuotaIncrease", increase(groups, 17)).RequestedQuota
	if v := w.value("vpc", groups); *denied.Status != "DENIED" || v != 5 {
		t.Errorf("%+v, in force %v", denied, v)
	}
	const history, byQuota = "ListRequestedServiceQuotaChangeHistory", "ListRequestedServiceQuotaChangeHistoryByQuota"
	all := call[api.ListRequestedServiceQuotaChangeHistoryOutput](w, history, &api.ListRequestedServiceQuotaChangeHistoryInput{ServiceCode: new("vpc")}).RequestedQuotas
	if len(all) != 2 || *all[0].Id != *denied.Id {
		t.Errorf("%+v", all)
	}
	first := call[api.ListRequestedServiceQuotaChangeHistoryOutput](w, history, &api.ListRequestedServiceQuotaChangeHistoryInput{MaxResults: new(int32(1))})
	second := call[api.ListRequestedServiceQuotaChangeHistoryOutput](w, history, &api.ListRequestedServiceQuotaChangeHistoryInput{MaxResults: new(int32(1)), NextToken: first.NextToken})
	if len(second.RequestedQuotas) != 1 || *second.RequestedQuotas[0].Id != *asked.Id || second.NextToken != nil {
		t.Errorf("%+v", second)
	}
	for want, in := range map[int]*api.ListRequestedServiceQuotaChangeHistoryInput{
		1: {Status: new("DENIED")}, 0: {ServiceCode: new("ec2")}, 2: {QuotaRequestedAtLevel: new("ALL")},
	} {
		if got := call[api.ListRequestedServiceQuotaChangeHistoryOutput](w, history, in).RequestedQuotas; len(got) != want {
			t.Errorf("%d requests, want %d", len(got), want)
		}
	}
	one := call[api.ListRequestedServiceQuotaChangeHistoryByQuotaOutput](w, byQuota, &api.ListRequestedServiceQuotaChangeHistoryByQuotaInput{ServiceCode: new("vpc"), QuotaCode: new(vpcs)})
	if len(one.RequestedQuotas) != 1 || *one.RequestedQuotas[0].Id != *asked.Id {
		t.Errorf("%+v", one)
	}
	w.fails(history, &api.ListRequestedServiceQuotaChangeHistoryInput{MaxResults: new(int32(1)), NextToken: first.NextToken, Status: new("DENIED")}, "InvalidPaginationTokenException", "token")
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, nil)
	const noService, noQuota = "The request failed because the specified service does not exist.", "specified quota L-00000000 of vpc does not exist"
	resource := increase(vpcs, 9)
	resource.ContextId = new("x")
	elsewhere := increase(vpcs, 9)
	elsewhere.ServiceCode = new("s3")
	for i, c := range []struct {
		action     string
		in         any
		code, text string
	}{
		{"GetServiceQuota", &api.GetServiceQuotaInput{ServiceCode: new("s3"), QuotaCode: new(vpcs)}, "NoSuchResourceException", noService},
		{"GetServiceQuota", &api.GetServiceQuotaInput{ServiceCode: new("vpc"), QuotaCode: new("L-00000000")}, "NoSuchResourceException", noQuota},
		{"GetServiceQuota", &api.GetServiceQuotaInput{ServiceCode: new("ec2"), QuotaCode: new(vpcs)}, "NoSuchResourceException", "of ec2"},
		{"GetServiceQuota", &api.GetServiceQuotaInput{ServiceCode: new("vpc"), QuotaCode: new(vpcs), ContextId: new("x")}, "IllegalArgumentException", "ContextId"},
		{"GetAWSDefaultServiceQuota", &api.GetAWSDefaultServiceQuotaInput{ServiceCode: new("vpc"), QuotaCode: new("L-00000000")}, "NoSuchResourceException", noQuota},
		{"ListServiceQuotas", &api.ListServiceQuotasInput{ServiceCode: new("s3")}, "NoSuchResourceException", noService},
		{"ListServiceQuotas", &api.ListServiceQuotasInput{ServiceCode: new("vpc"), QuotaCode: new("L-00000000")}, "NoSuchResourceException", noQuota},
		{"ListServiceQuotas", &api.ListServiceQuotasInput{ServiceCode: new("vpc"), NextToken: new("abcd")}, "InvalidPaginationTokenException", "token"},
		{"ListServiceQuotas", &api.ListServiceQuotasInput{ServiceCode: new("vpc"), NextToken: new("AAAAAAAAAAAAAAAAAAAAAAAA")}, "InvalidPaginationTokenException", "token"},
		{"ListAWSDefaultServiceQuotas", &api.ListAWSDefaultServiceQuotasInput{ServiceCode: new("s3")}, "NoSuchResourceException", noService},
		{"RequestServiceQuotaIncrease", elsewhere, "NoSuchResourceException", noService},
		{"RequestServiceQuotaIncrease", increase("L-00000000", 9), "NoSuchResourceException", noQuota},
		{"RequestServiceQuotaIncrease", increase(vpcs, 5), "IllegalArgumentException", "You must provide a quota value greater than the current quota value"},
		{"RequestServiceQuotaIncrease", increase(vpcs, 4), "IllegalArgumentException", "greater than the current"},
		{"RequestServiceQuotaIncrease", increase(vpcs, 5.5), "IllegalArgumentException", "whole number"},
		{"RequestServiceQuotaIncrease", increase(vpcs, -1), "ValidationException", "Value '-1' at 'desiredValue' failed to satisfy constraint: Member must have value greater than or equal to 0"},
		{"RequestServiceQuotaIncrease", increase(vpcs, 1e11), "ValidationException", "Value '100000000000' at 'desiredValue'"},
		{"RequestServiceQuotaIncrease", increase(vpcs, math.NaN()), "ValidationException", "desiredValue"},
		{"RequestServiceQuotaIncrease", resource, "IllegalArgumentException", "ContextId"},
		{"GetRequestedServiceQuotaChange", &api.GetRequestedServiceQuotaChangeInput{RequestId: new("abc")}, "NoSuchResourceException", "does not exist"},
		{"ListRequestedServiceQuotaChangeHistory", &api.ListRequestedServiceQuotaChangeHistoryInput{ServiceCode: new("s3")}, "NoSuchResourceException", noService},
		{"ListRequestedServiceQuotaChangeHistoryByQuota", &api.ListRequestedServiceQuotaChangeHistoryByQuotaInput{ServiceCode: new("vpc"), QuotaCode: new("L-00000000")}, "NoSuchResourceException", noQuota},
	} {
		t.Run(fmt.Sprint(i, c.action), func(t *testing.T) {
			w := *w
			w.T = t
			w.fails(c.action, c.in, c.code, c.text)
		})
	}
}
