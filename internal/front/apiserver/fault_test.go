package apiserver

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/aws/client"
)

// TestFaultsAreSigned: who breaks things is asked who he is, as by AWS's services. Where
// keys are strict, nobody else may.
func TestFaultsAreSigned(t *testing.T) {
	b := start(t, Limits{})
	keys := b.cfg.Keys
	keys.Strict, keys.RootKey, keys.RootSecret = true, "AKIAROOT", "secret"
	const body = `{"Kind":"zone","What":"us-east-1a","Effect":"down"}`
	for _, path := range []string{"fault/set", "fault/clear"} {
		if resp, text := b.ask(t, "POST", controlPath+path, body); resp.StatusCode/100 != 4 || strings.Contains(text, "Of") {
			t.Errorf("unsigned: %s %s", resp.Status, text)
		}
	}
	if resp, text := b.ask(t, "GET", controlPath+"fault", ""); resp.StatusCode/100 != 4 {
		t.Errorf("unsigned: %s %s", resp.Status, text)
	}
	for _, test := range []struct {
		key, secret string
		status      int
		has         string
	}{
		{"AKIAROOT", "secret", 200, `"Of":"000000000000 eu-west-1"`},
		{"AKIAROOT", "wrong", 403, "SignatureDoesNotMatch"},
		{"AKIANOBODY", "secret", 403, "InvalidClientTokenId"},
	} {
		c := client.New(b.url, "eu-west-1", test.key, test.secret)
		resp, err := c.Do(t.Context(), "localvpc", "POST", controlPath+"fault/set", http.Header{}, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != test.status || !bytes.Contains(text, []byte(test.has)) {
			t.Errorf("%s: %s %s, want %d %s", test.key, resp.Status, text, test.status, test.has)
		}
	}
}
