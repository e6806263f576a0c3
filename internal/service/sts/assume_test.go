package sts

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

const (
	home  = "123456789012"
	other = "999999999999"
)

// world is a store with a user and roles.
type world struct {
	*testing.T
	store *state.Store
	seal  session.Seal
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, seal: session.Seal{7}, now: time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)}
	var err error
	if w.store, err = state.Open(state.Config{Now: func() time.Time { return w.now }, Rand: rand.NewChaCha8([32]byte{})}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	w.write(func(tx *state.Tx) {
		state.Users.Put(tx, &state.User{Meta: state.Meta{Key: state.NameKey(home, "bob")}, Principal: state.Principal{Name: "bob", UniqueID: "AIDABOB", Path: "/"}})
	})
	return w
}

func (w *world) write(fn func(*state.Tx)) {
	w.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
}

// role makes a role with a trust policy of the given principal and condition.
func (w *world) role(account, name, principal, condition string) string {
	w.Helper()
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	row := &state.Role{
		Meta:      state.Meta{Key: state.NameKey(account, name)},
		Principal: state.Principal{Name: name, UniqueID: "AROA" + name, Path: "/"}, MaxSession: 7200,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":` + principal + condition + `}]}`,
	}
	w.write(func(tx *state.Tx) { state.Roles.Put(tx, row) })
	return row.ARN()
}

func (w *world) bob() service.Caller {
	c := service.Root(home, "us-east-1", "AKIABOB")
	c.User, c.ARN, c.UserID = "bob", "arn:aws:iam::"+home+":user/bob", "AIDABOB"
	return c
}

func (w *world) do(c service.Caller, in any) (any, error) {
	w.Helper()
	name := strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
	for _, a := range New(Config{Account: home, Seal: w.seal}).Actions() {
		if a.Name == name {
			before := w.store.Snapshot().Index
			out, _, err := a.Run(context.Background(), w.store, c, in)
			if w.store.Snapshot().Index != before {
				w.Errorf("%s has changed the state", name)
			}
			return out, err
		}
	}
	w.Fatalf("%s is not served", name)
	return nil, nil
}

func (w *world) fails(c service.Caller, in any, code, text string) {
	w.Helper()
	out, err := w.do(c, in)
	if !awserr.Is(err, code) || !strings.Contains(err.Error(), text) {
		w.Errorf("%+v, %v\nwant %s: %s", out, err, code, text)
	}
}

// assume gives the caller that the credentials of a role are for.
func (w *world) assume(c service.Caller, in *api.AssumeRoleInput) (*api.AssumeRoleOutput, service.Caller) {
	w.Helper()
	out, err := w.do(c, in)
	if err != nil {
		w.Fatal(err)
	}
	a := out.(*api.AssumeRoleOutput)
	return a, w.caller(a.Credentials)
}

func (w *world) caller(c *api.Credentials) service.Caller {
	w.Helper()
	h, err := (&service.Keys{Store: w.store, Seal: w.seal, Account: home, Now: func() time.Time { return w.now }}).Find(*c.AccessKeyId, *c.SessionToken)
	if err != nil || h.Secret != *c.SecretAccessKey {
		w.Fatalf("%+v %v", h, err)
	}
	h.Caller.Region = "us-east-1"
	return h.Caller
}

func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	bobs := w.role(home, "bobs", `{"AWS":"arn:aws:iam::`+home+`:user/bob"}`, "")
	ask := func(arn string) *api.AssumeRoleInput {
		return &api.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("s1")}
	}
	out, c := w.assume(w.bob(), ask(bobs))
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/bobs/s1" || *out.AssumedRoleUser.AssumedRoleId != "AROAbobs:s1" || c.ARN != *out.AssumedRoleUser.Arn || c.Role != "bobs" {
		t.Errorf("%+v, caller %+v", out, c)
	}
	if life := out.Credentials.Expiration.Sub(w.now); life != time.Hour || !strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") {
		t.Errorf("%s, %s", life, *out.Credentials.AccessKeyId)
	}
	w.fails(w.bob(), ask("arn:aws:iam::"+home+":role/none"), "AccessDenied", "User: arn:aws:iam::123456789012:user/bob is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/none")
	w.fails(w.bob(), ask("arn:aws:iam::"+home+":role/path/bobs"), "AccessDenied", "")
	w.fails(w.bob(), ask("arn:aws:iam::"+home+":user/bob0000"), "ValidationError", "is invalid")
	w.fails(w.bob(), ask(w.role(home, "machine", `{"Service":"ec2.amazonaws.com"}`, "")), "AccessDenied", "")
	account := w.role(home, "accounts", `{"AWS":"`+home+`"}`, "")
	w.fails(w.bob(), ask(account), "AccessDenied", "because no identity-based policy allows the sts:AssumeRole action")
	w.assume(service.Root(home, "us-east-1", "k"), ask(account))
	foreign := w.role(other, "foreign", `{"AWS":"`+home+`"}`, `{"StringEquals":{"sts:ExternalId":"x1"}}`)
	in := ask(foreign)
	w.fails(service.Root(home, "us-east-1", "k"), in, "AccessDenied", "")
	in.ExternalId = new("x1")
	if out, c := w.assume(service.Root(home, "us-east-1", "k"), in); c.Account != other || !strings.Contains(*out.AssumedRoleUser.Arn, other) {
		t.Errorf("%+v", c)
	}

	// Lives.
	in = ask(bobs)
	in.DurationSeconds = new(int32(7201))
	w.fails(w.bob(), in, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	in.DurationSeconds = new(int32(7200))
	w.assume(w.bob(), in)
	chain := ask(w.role(home, "next", `{"AWS":"`+bobs+`"}`, ""))
	chain.DurationSeconds = new(int32(3601))
	w.fails(c, chain, "ValidationError", "1 hour session limit for roles assumed by role chaining")
	chain.DurationSeconds = nil
	w.assume(c, chain)

	// What a session is limited to.
	in = ask(bobs)
	in.Policy = new(`{`)
	w.fails(w.bob(), in, "MalformedPolicyDocument", "This policy contains invalid Json")
	in.Policy = new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}`)
	in.PolicyArns = []api.PolicyDescriptorType{{Arn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")}}
	out, c = w.assume(w.bob(), in)
	if c.Session.Policy != *in.Policy || len(c.Session.PolicyArns) != 1 || *out.PackedPolicySize < 1 || *out.PackedPolicySize > 100 {
		t.Errorf("%+v", c.Session)
	}
	in.PolicyArns[0].Arn = new("arn:aws:iam::aws:policy/NoSuchThing")
	w.fails(w.bob(), in, "ValidationError", "does not exist")
	in.PolicyArns = nil
	in.Policy = new(`{"Version":"2012-10-17","Id":"` + strings.Repeat("x", 2048) + `","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}`)
	w.fails(w.bob(), in, "PackedPolicyTooLarge", "consumes")

	// A session ends; a role that is gone ends all.
	w.now = w.now.Add(time.Hour)
	keys := &service.Keys{Store: w.store, Seal: w.seal, Now: func() time.Time { return w.now }}
	if _, err := keys.Find(*out.Credentials.AccessKeyId, *out.Credentials.SessionToken); !awserr.Is(err, "ExpiredToken") {
		t.Errorf("after an hour: %v", err)
	}
	out, _ = w.assume(w.bob(), ask(bobs))
	w.write(func(tx *state.Tx) { state.Roles.Delete(tx, state.NameKey(home, "bobs")) })
	w.role(home, "bobs2", `"*"`, "")
	if _, err := keys.Find(*out.Credentials.AccessKeyId, *out.Credentials.SessionToken); !awserr.Is(err, "InvalidClientTokenId") {
		t.Errorf("without the role: %v", err)
	}
}

func TestSessionTags(t *testing.T) {
	w := newWorld(t)
	first := w.role(home, "first", `{"AWS":"arn:aws:iam::`+home+`:user/bob"}`, `{"StringEqualsIfExists":{"aws:RequestTag/team":"red"}}`)
	second := w.role(home, "second", `{"AWS":"`+first+`"}`, "")
	in := &api.AssumeRoleInput{RoleArn: &first, RoleSessionName: new("s1"), Tags: []api.Tag{{Key: new("team"), Value: new("red")}, {Key: new("cost"), Value: new("1")}}, TransitiveTagKeys: []string{"team"}, SourceIdentity: nil}
	_, c := w.assume(w.bob(), in)
	if v, _ := c.Session.Tags.Get("team"); v != "red" {
		t.Errorf("%+v", c.Session)
	}
	_, next := w.assume(c, &api.AssumeRoleInput{RoleArn: &second, RoleSessionName: new("s2")})
	if len(next.Session.Tags) != 1 || next.Session.Tags[0].Value != "red" {
		t.Errorf("handed on: %+v", next.Session)
	}
	w.fails(c, &api.AssumeRoleInput{RoleArn: &second, RoleSessionName: new("s2"), Tags: []api.Tag{{Key: new("Team"), Value: new("blue")}}}, "InvalidParameterValue", "conflicts with a transitive tag key")
	in.Tags[0].Value = new("blue")
	w.fails(w.bob(), in, "AccessDenied", "")
	in.Tags = []api.Tag{{Key: new("a"), Value: new("1")}, {Key: new("A"), Value: new("1")}}
	w.fails(w.bob(), in, "InvalidParameterValue", "Duplicate tag keys")
	in.Tags = in.Tags[:1]
	w.fails(w.bob(), in, "InvalidParameterValue", "transitive tag key team")
}

func TestOwnSessions(t *testing.T) {
	w := newWorld(t)
	out, err := w.do(w.bob(), &api.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	cred := out.(*api.GetSessionTokenOutput).Credentials
	c := w.caller(cred)
	if c.ARN != "arn:aws:iam::123456789012:user/bob" || c.User != "bob" || c.Session.Kind != session.User || cred.Expiration.Sub(w.now) != 12*time.Hour {
		t.Errorf("%+v", c)
	}
	w.fails(c, &api.GetSessionTokenInput{}, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	w.fails(w.bob(), &api.GetSessionTokenInput{SerialNumber: new("arn:aws:iam::1:mfa/x"), TokenCode: new("123456")}, "AccessDenied", "MultiFactorAuthentication failed")
	out, err = w.do(service.Root(home, "us-east-1", "k"), &api.GetSessionTokenInput{DurationSeconds: new(int32(7200))})
	if err != nil {
		t.Fatal(err)
	}
	cred = out.(*api.GetSessionTokenOutput).Credentials
	if c := w.caller(cred); c.ARN != "arn:aws:iam::123456789012:root" || cred.Expiration.Sub(w.now) != time.Hour {
		t.Errorf("%+v %s", c, cred.Expiration)
	}
	out, err = w.do(w.bob(), &api.GetFederationTokenInput{Name: new("guest"), PolicyArns: []api.PolicyDescriptorType{{Arn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")}}})
	if err != nil {
		t.Fatal(err)
	}
	fed := out.(*api.GetFederationTokenOutput)
	if c := w.caller(fed.Credentials); c.ARN != *fed.FederatedUser.Arn || c.ARN != "arn:aws:sts::123456789012:federated-user/guest" || c.UserID != home+":guest" || c.User != "bob" {
		t.Errorf("%+v", c)
	}
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	w := newWorld(t)
	out, err := w.do(w.bob(), &api.DecodeAuthorizationMessageInput{EncodedMessage: new(w.seal.Message([]byte(`{"allowed":false}`)))})
	if err != nil || *out.(*api.DecodeAuthorizationMessageOutput).DecodedMessage != `{"allowed":false}` {
		t.Errorf("%v %v", out, err)
	}
	w.fails(w.bob(), &api.DecodeAuthorizationMessageInput{EncodedMessage: new("x")}, "InvalidAuthorizationMessageException", "Message is not valid")
}
