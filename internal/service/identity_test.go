package service

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// TestKeys: who holds which key, in both modes.
func TestKeys(t *testing.T) {
	s := newStore(t)
	seal := session.Seal{1}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	open := &Keys{Store: s, Seal: seal, Account: "000000000000", Now: func() time.Time { return now }}
	strict := &Keys{Store: s, Seal: seal, Account: "000000000000", Strict: true, RootKey: "AKIAROOTROOTROOTROOT", RootSecret: "s", Now: open.Now}
	const account = "123456789012"
	global := state.Global(account)
	key, gone := seal.KeyID(session.LongTerm, [5]byte{1}), seal.KeyID(session.LongTerm, [5]byte{2})
	off, rootKey := seal.KeyID(session.LongTerm, [5]byte{3}), seal.KeyID(session.LongTerm, [5]byte{4})
	write := func(fn func(*state.Tx)) {
		t.Helper()
		if _, err := s.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	write(func(tx *state.Tx) {
		state.Users.Put(tx, &state.User{Meta: state.Meta{Key: state.NameKey(account, "Bob")}, Principal: state.Principal{Name: "Bob", UniqueID: "AIDABOB", Path: "/"}})
		state.Roles.Put(tx, &state.Role{Meta: state.Meta{Key: state.NameKey(account, "web")}, Principal: state.Principal{Name: "web", UniqueID: "AROAWEB", Path: "/"}})
		state.AccessKeys.Put(tx, &state.AccessKey{Meta: state.Meta{Key: global.Key(key)}, User: "bob", Secret: "secret"})
		state.AccessKeys.Put(tx, &state.AccessKey{Meta: state.Meta{Key: global.Key(off)}, User: "bob", Secret: "secret", Inactive: true})
		state.AccessKeys.Put(tx, &state.AccessKey{Meta: state.Meta{Key: global.Key(rootKey)}, Secret: "secret"})
	})
	make := func(v session.Session, life time.Duration) (id, token string) {
		v.Account, v.Issued, v.Expires = account, now, now.Add(life)
		v.AccessKey = seal.KeyOf(session.Temporary, v.Kind+v.Principal+life.String())
		_, token = seal.Credentials(&v)
		return v.AccessKey, token
	}
	role, roleToken := make(session.Session{Kind: session.Role, Principal: "AROAWEB", Name: "web", Session: "i-1"}, time.Hour)
	old, oldToken := make(session.Session{Kind: session.Role, Principal: "AROAWEB", Name: "web", Session: "i-1"}, 0)
	former, formerToken := make(session.Session{Kind: session.Role, Principal: "AROAFORMER", Name: "web", Session: "i-1"}, time.Hour)
	user, userToken := make(session.Session{Kind: session.User, Principal: "AIDABOB"}, time.Hour)
	eve, eveToken := make(session.Session{Kind: session.User, Principal: "AIDAEVE"}, time.Hour)
	fed, fedToken := make(session.Session{Kind: session.Federated, Principal: "AIDABOB", Session: "guest"}, time.Hour)
	for _, row := range []struct {
		name         string
		id, token    string
		open, strict string // the caller's ARN, or the code of the error
		verified     bool
	}{
		{"unsigned", "", "", "arn:aws:iam::000000000000:root", "MissingAuthenticationToken", false},
		{"any key", "test", "", "arn:aws:iam::000000000000:root", "InvalidClientTokenId", false},
		{"an account", "111122223333", "", "arn:aws:iam::111122223333:root", "InvalidClientTokenId", false},
		{"somebody's real key", "AKIAIOSFODNN7EXAMPLE", "", "arn:aws:iam::000000000000:root", "InvalidClientTokenId", false},
		{"somebody's real session", "ASIAIOSFODNN7EXAMPLE", "token", "arn:aws:iam::000000000000:root", "InvalidClientTokenId", false},
		{"the root key of strict", "AKIAROOTROOTROOTROOT", "", "arn:aws:iam::000000000000:root", "arn:aws:iam::000000000000:root", false},
		{"a user's key", key, "", "arn:aws:iam::123456789012:user/Bob", "arn:aws:iam::123456789012:user/Bob", true},
		{"a user's key with a token", key, roleToken, "InvalidClientTokenId", "InvalidClientTokenId", false},
		{"root's key", rootKey, "", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root", true},
		{"an inactive key", off, "", "InvalidClientTokenId", "InvalidClientTokenId", false},
		{"a deleted key", gone, "", "InvalidClientTokenId", "InvalidClientTokenId", false},
		{"a role's session", role, roleToken, "arn:aws:sts::123456789012:assumed-role/web/i-1", "arn:aws:sts::123456789012:assumed-role/web/i-1", true},
		{"without its token", role, "", "InvalidClientTokenId", "InvalidClientTokenId", false},
		{"with another's token", role, userToken, "InvalidClientTokenId", "InvalidClientTokenId", false},
		{"with a changed token", role, roleToken[:len(roleToken)-8] + "AAAAAAA=", "InvalidClientTokenId", "InvalidClientTokenId", false},
		{"expired", old, oldToken, "ExpiredToken", "ExpiredToken", false},
		{"of a role that was there before", former, formerToken, "InvalidClientTokenId", "InvalidClientTokenId", false},
		{"a user's session", user, userToken, "arn:aws:iam::123456789012:user/Bob", "arn:aws:iam::123456789012:user/Bob", true},
		{"of a user who is gone", eve, eveToken, "InvalidClientTokenId", "InvalidClientTokenId", false},
		{"a guest", fed, fedToken, "arn:aws:sts::123456789012:federated-user/guest", "arn:aws:sts::123456789012:federated-user/guest", true},
	} {
		for k, want := range map[*Keys]string{open: row.open, strict: row.strict} {
			h, err := k.Find(row.id, row.token)
			have := h.Caller.ARN
			if e, ok := awserr.As(err); ok {
				have = e.Code
			}
			if have != want || err == nil && (h.Secret != "") != (row.verified || k.Strict) {
				t.Errorf("%s, strict %v: %s, verified %v; want %s", row.name, k.Strict, have, h.Secret != "", want)
			}
		}
	}

	// Use is noted, and kept when there is time.
	for _, id := range []string{key, role} {
		h, _ := open.Find(id, map[string]string{role: roleToken}[id])
		h.Caller.Region = "eu-west-1"
		open.Used(&h.Caller, "ec2")
	}
	if !open.Pending() || strict.Pending() {
		t.Error("nothing is noted")
	}
	write(open.Flush)
	if k, _ := state.AccessKeys.Get(s.Snapshot(), global.Key(key)); !k.LastUsed.Equal(now) || k.LastService != "ec2" || k.LastRegion != "eu-west-1" {
		t.Errorf("%+v", k)
	}
	if r, _ := state.Roles.Get(s.Snapshot(), global.Key("web")); !r.LastUsed.Equal(now) || open.Pending() {
		t.Errorf("%+v", r)
	}
}

// BenchmarkFind: who holds a key, a user's and a session's.
func BenchmarkFind(b *testing.B) {
	s := newStore(b)
	seal := session.Seal{1}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	k := &Keys{Store: s, Seal: seal, Account: "000000000000", Now: func() time.Time { return now }}
	const account = "123456789012"
	key := seal.KeyID(session.LongTerm, [5]byte{1})
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		state.Users.Put(tx, &state.User{Meta: state.Meta{Key: state.NameKey(account, "Bob")}, Principal: state.Principal{Name: "Bob", UniqueID: "AIDABOB", Path: "/"}})
		state.Roles.Put(tx, &state.Role{Meta: state.Meta{Key: state.NameKey(account, "web")}, Principal: state.Principal{Name: "web", UniqueID: "AROAWEB", Path: "/"}})
		state.AccessKeys.Put(tx, &state.AccessKey{Meta: state.Meta{Key: state.Global(account).Key(key)}, User: "bob", Secret: "secret"})
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	v := session.Session{AccessKey: seal.KeyOf(session.Temporary, "x"), Account: account, Kind: session.Role, Principal: "AROAWEB", Name: "web", Session: "i-1", Issued: now, Expires: now.Add(time.Hour)}
	_, token := seal.Credentials(&v)
	for _, who := range []struct{ name, id, token string }{{"user", key, ""}, {"role", v.AccessKey, token}} {
		b.Run(who.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if h, err := k.Find(who.id, who.token); err != nil || h.Secret == "" {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestTokensAreRemembered, and for their own key and time only.
func TestTokensAreRemembered(t *testing.T) {
	s := newStore(t)
	seal := session.Seal{1}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	k := &Keys{Store: s, Seal: seal, Account: "000000000000", Now: func() time.Time { return now }}
	v := session.Session{AccessKey: seal.KeyOf(session.Temporary, "x"), Account: "123456789012", Kind: session.Root, Issued: now, Expires: now.Add(time.Hour)}
	_, token := seal.Credentials(&v)
	find := func(id, want string) {
		t.Helper()
		_, err := k.Find(id, token)
		if have, _ := awserr.As(err); want == "" && err != nil || want != "" && (have == nil || have.Code != want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	find(v.AccessKey, "")
	find(v.AccessKey, "")
	find(seal.KeyOf(session.Temporary, "y"), "InvalidClientTokenId")
	now = now.Add(time.Hour)
	find(v.AccessKey, "ExpiredToken")
	for i := range 2 * mostOpened {
		other := v
		other.AccessKey, other.Session = seal.KeyOf(session.Temporary, fmt.Sprint(i)), fmt.Sprint(i)
		_, token = seal.Credentials(&other)
		find(other.AccessKey, "ExpiredToken")
	}
	if len(k.opened) > mostOpened {
		t.Errorf("%d tokens are remembered", len(k.opened))
	}
}
