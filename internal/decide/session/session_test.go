package session

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

func TestSession(t *testing.T) {
	s, foreign := Seal{1}, Seal{2}
	id := s.KeyID(Temporary, [5]byte{1, 2, 3, 4, 5})
	if len(id) != 20 || !s.Issued(id) || foreign.Issued(id) || s.Issued(id[:19]+"A") || s.Issued("ASIAIOSFODNN7EXAMPLE") || s.Issued("") {
		t.Errorf("id %q", id)
	}
	v := &Session{
		AccessKey: id, Account: "111122223333", Kind: Role, Principal: "AROAX", Name: "web", Session: "i-1",
		Issued: time.Unix(1795132800, 0).UTC(), Expires: time.Unix(1795136400, 0).UTC(),
		Tags: state.Tags{{Key: "a", Value: "b"}}, Policy: strings.Repeat("{", 2048),
	}
	secret, token := s.Credentials(v)
	if len(secret) != 40 || strings.Contains(token, "web") {
		t.Errorf("secret %q token %q", secret, token)
	}
	back, secret2, err := s.Open(id, token)
	if err != nil || secret2 != secret || !reflect.DeepEqual(back, v) {
		t.Errorf("%+v %v", back, err)
	}
	short := *v
	short.Policy = ""
	_, token2 := s.Credentials(&short)
	if back, _, err := s.Open(id, token2); err != nil || !reflect.DeepEqual(back, &short) {
		t.Errorf("%+v %v", back, err)
	}
	for name, bad := range map[string]string{
		"nothing": "", "text": "token", "changed": token[:40] + "AAAA" + token[44:], "short": token[:20],
		"message": s.Message([]byte(`{"AccessKey":"` + id + `"}`)), "long": strings.Repeat("A", maxToken+1),
	} {
		if _, _, err := s.Open(id, bad); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := s.Open(s.KeyID(Temporary, [5]byte{9}), token); !errors.Is(err, ErrToken) {
		t.Errorf("under another key: %v", err)
	}
	if _, _, err := foreign.Open(id, token); !errors.Is(err, ErrToken) {
		t.Errorf("of another seal: %v", err)
	}
	text, err := s.OpenMessage(s.Message([]byte("why")))
	if err != nil || string(text) != "why" {
		t.Errorf("%q %v", text, err)
	}
}
