package apiserver

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/sigv4"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// TestSignatures: a key that was issued is verified, by its holder's secret, its
// clock and its body; the answer is the service's own. What is secret stands in no
// log and in no answer.
func TestSignatures(t *testing.T) {
	const secret, token = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "c2VjcmV0IHNlc3Npb24gdG9rZW4="
	b := start(t, Limits{})
	ctx := context.Background()
	if _, err := b.runner.Store.Write(ctx, func(tx *state.Tx) error {
		state.Users.Put(tx, &state.User{Meta: state.Meta{Key: state.NameKey("123456789012", "bob")}, Principal: state.Principal{Name: "bob", UniqueID: "AIDABOB", Path: "/"}})
		state.AccessKeys.Put(tx, &state.AccessKey{Meta: state.Meta{Key: state.Global("123456789012").Key("AKIABOBBOBBOBBOBBOBB")}, User: "bob", Secret: secret})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	const ec2, sts = "Action=DescribeVpcs&Version=2016-11-15", "Action=GetCallerIdentity&Version=2011-06-15"
	for _, row := range []struct {
		name, service, body string
		secret, token       string
		late                time.Duration
		change              func(*http.Request)
		status              int
		has                 string
	}{
		{"ec2", "ec2", ec2, secret, "", 0, nil, 200, "<ownerId>123456789012</ownerId>"},
		{"sts", "sts", sts, secret, "", 0, nil, 200, "<Account>123456789012</Account>"},
		{"ec2, another secret", "ec2", ec2, "x", "", 0, nil, 401, "<Code>AuthFailure</Code><Message>AWS was not able to validate the provided access credentials</Message>"},
		{"sts, another secret", "sts", sts, "x", "", 0, nil, 403, "<Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated"},
		{"ec2, another body", "ec2", ec2, secret, "", 0, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(ec2+"&DryRun=1")), int64(len(ec2)+9)
		}, 401, "AuthFailure"},
		{"sts, another query", "sts", sts, secret, "", 0, func(r *http.Request) { r.URL.RawQuery = "x=1" }, 403, "SignatureDoesNotMatch"},
		{"ec2, replayed", "ec2", ec2, secret, "", -6 * time.Minute, nil, 400, "<Code>RequestExpired</Code><Message>Request has expired.</Message>"},
		{"sts, replayed", "sts", sts, secret, "", -6 * time.Minute, nil, 403, "<Code>SignatureDoesNotMatch</Code><Message>Signature expired: "},
		{"sts, of the future", "sts", sts, secret, "", 6 * time.Minute, nil, 403, "Signature not yet current: "},
		{"ec2, with a token", "ec2", ec2, secret, token, 0, nil, 401, "AuthFailure"},
		{"sts, with a token", "sts", sts, secret, token, 0, nil, 403, "<Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message>"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := http.NewRequest("POST", b.url+"/", strings.NewReader(row.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			sigv4.Sign(r, []byte(row.body), sigv4.Credentials{AccessKeyID: "AKIABOBBOBBOBBOBBOBB", Secret: row.secret, Token: row.token}, "us-east-1", row.service, time.Now().Add(row.late))
			if row.change != nil {
				row.change(r)
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
			if resp.StatusCode != row.status || !strings.Contains(string(body), row.has) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			for _, text := range []string{string(body), b.logged()} {
				if strings.Contains(text, secret) || strings.Contains(text, token) {
					t.Errorf("a secret is told: %s", text)
				}
			}
		})
	}
	if b.caller.User != "bob" || b.caller.ARN != "arn:aws:iam::123456789012:user/bob" {
		t.Errorf("caller %+v", b.caller)
	}
}

// refusing denies everything.
type refusing struct{ asked []string }

func (r *refusing) Allow(_ state.Reader, svc, action string, c *service.Caller, _ any) error {
	r.asked = append(r.asked, svc+":"+action)
	return awserr.New("AccessDenied", "no")
}

// TestRootIsNotAsked: only who is limited by policies is decided about.
func TestRootIsNotAsked(t *testing.T) {
	b := start(t, Limits{})
	no := &refusing{}
	b.runner.Access = no
	if resp, body := b.ask(t, "POST", "/", "Action=DescribeVpcs&Version=2016-11-15", signature("test", "us-east-1", "ec2")...); resp.StatusCode != 200 || len(no.asked) != 0 {
		t.Errorf("%d %s, asked %v", resp.StatusCode, body, no.asked)
	}
}
