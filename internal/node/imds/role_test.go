//go:build linux

package imds

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// profile gives the instance a profile with the role Web.
func (w *world) profile(t testing.TB) *state.InstanceProfile {
	t.Helper()
	next := w.instance
	profile := &state.InstanceProfile{Meta: state.Meta{Key: state.NameKey(scope.Account, "prof")}, Name: "prof", Path: "/", UniqueID: "AIPAX", Role: "web"}
	next.ProfileArn, next.ProfileID = profile.ARN(), profile.UniqueID
	w.write(t, func(tx *state.Tx) {
		state.InstanceProfiles.Put(tx, profile)
		state.Roles.Put(tx, &state.Role{Meta: state.Meta{Key: state.NameKey(scope.Account, "Web")}, Principal: state.Principal{Name: "Web", UniqueID: "AROAX", Path: "/"},
			Trust: `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}}`})
		state.Instances.Put(tx, &next)
	})
	return profile
}

// TestRoleCredentials: an instance with a profile gets its role's, another none;
// they change in time, and not before.
func TestRoleCredentials(t *testing.T) {
	w := run(t)
	const path = "/latest/meta-data/iam/"
	get := func(from, what string) answer { return w.do(t, from, "GET "+path+what) }
	if a := get("127.0.0.1", ""); a.status != 404 {
		t.Errorf("without a profile: %+v", a)
	}
	profile := w.profile(t)
	if a := get("127.0.0.1", ""); a.body != "info\nsecurity-credentials/" {
		t.Errorf("%q", a.body)
	}
	if a := get("127.0.0.1", "security-credentials/"); a.body != "Web" {
		t.Errorf("%q", a.body)
	}
	if a := get("127.0.0.2", "security-credentials/"); a.status != 404 {
		t.Errorf("another instance: %+v", a)
	}
	if a := get("127.0.0.1", "security-credentials/other"); a.status != 404 {
		t.Errorf("another role: %+v", a)
	}
	var info struct{ Code, InstanceProfileArn, InstanceProfileId string }
	if a := get("127.0.0.1", "info"); json.Unmarshal([]byte(a.body), &info) != nil || info.Code != "Success" || info.InstanceProfileArn != profile.ARN() || info.InstanceProfileId != "AIPAX" {
		t.Errorf("%q", a.body)
	}
	type credentials struct {
		Code, Type, AccessKeyId, SecretAccessKey, Token string
		LastUpdated, Expiration                         time.Time
	}
	read := func() (c credentials) {
		t.Helper()
		a := get("127.0.0.1", "security-credentials/Web")
		if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.Code != "Success" || c.Type != "AWS-HMAC" {
			t.Fatalf("%q %v", a.body, err)
		}
		return c
	}
	now := func() time.Time { return time.Now().Add(time.Duration(w.late.Load()) * time.Second) }
	c := read()
	v, secret, err := session.Seal{}.Open(c.AccessKeyId, c.Token)
	if err != nil || secret != c.SecretAccessKey || v.Session != testInstance || v.Principal != "AROAX" || !v.Expires.Equal(c.Expiration) {
		t.Errorf("%+v %v", v, err)
	}
	if v.Instance != "arn:aws:ec2:eu-west-1:111122223333:instance/"+testInstance || v.VPC != "vpc-1" || v.Address.String() != "127.0.0.1" || v.Delivery != "1.0" {
		t.Errorf("%+v", v)
	}
	var second credentials
	token := w.token(t, "127.0.0.1", maxTTL)
	if a := w.do(t, "127.0.0.1", "GET "+path+"security-credentials/Web", tokenHeader, token); json.Unmarshal([]byte(a.body), &second) != nil || second.AccessKeyId == c.AccessKeyId {
		t.Errorf("%+v", a)
	}
	if v, _, err := (session.Seal{}).Open(second.AccessKeyId, second.Token); err != nil || v.Delivery != "2.0" {
		t.Errorf("with a token: %+v %v", v, err)
	}
	if left := c.Expiration.Sub(now()); left < 5*time.Hour-time.Minute || left > 6*time.Hour {
		t.Errorf("they last %s", left)
	}
	w.late.Store(3600)
	if later := read(); later.AccessKeyId == c.AccessKeyId || !later.Expiration.After(c.Expiration) || later.Expiration.Sub(now()) < 4*time.Hour {
		t.Errorf("after an hour: %+v", later)
	}
	w.write(t, func(tx *state.Tx) {
		role, _ := state.Roles.Get(tx, state.NameKey(scope.Account, "web"))
		other := *role
		other.Trust = `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}}`
		state.Roles.Put(tx, &other)
	})
	if a := get("127.0.0.1", "security-credentials/Web"); !strings.Contains(a.body, `"Code" : "AssumeRoleUnauthorizedAccess"`) || strings.Contains(a.body, "SecretAccessKey") {
		t.Errorf("a role that does not trust EC2: %q", a.body)
	}
	w.write(t, func(tx *state.Tx) { state.InstanceProfiles.Delete(tx, profile.Key) })
	if a := get("127.0.0.1", "security-credentials/Web"); a.status != 404 {
		t.Errorf("without the profile: %+v", a)
	}
	if a := get("127.0.0.1", "info"); json.Unmarshal([]byte(a.body), &info) != nil || info.Code != "InstanceProfileNotFound" {
		t.Errorf("%q", a.body)
	}
}

// TestRoleSessionDuration: new credentials are there after a sixth of the time that
// they last, in whole seconds.
func TestRoleSessionDuration(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 34, 56, 789e6, time.UTC)
	for _, row := range []struct{ life, begun time.Duration }{
		{6 * time.Second, 789 * time.Millisecond}, {9 * time.Second, 789 * time.Millisecond}, {13 * time.Second, 789 * time.Millisecond},
		{time.Minute, 6789 * time.Millisecond}, {6 * time.Hour, 34*time.Minute + 56789*time.Millisecond},
	} {
		s := &subject{now: at, life: row.life}
		if have := at.Sub(s.epoch()); have != row.begun {
			t.Errorf("of %s: they were made %s ago, want %s", row.life, have, row.begun)
		}
	}
}
