package scenario

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/sigv4"
)

// forger signs requests, and does to them what an honest client does not.
type forger struct {
	w       *world
	secrets []string // nothing of which may be told anybody
}

var versions = map[string]string{"ec2": "2016-11-15", "iam": "2010-05-08", "sts": "2011-06-15"}

// send signs a form as of some time ago, changes the request and sends it.
func (f *forger) send(c sigv4.Credentials, service string, form url.Values, ago time.Duration, change func(*http.Request)) (int, string) {
	f.w.t.Helper()
	form.Set("Version", versions[service])
	body := form.Encode()
	r := must(http.NewRequest("POST", f.w.URL+"/", strings.NewReader(body)))(f.w.t)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.AccessKeyID != "" {
		sigv4.Sign(r, []byte(body), c, "us-east-1", service, time.Now().Add(-ago))
	}
	if change != nil {
		change(r)
	}
	resp := must(http.DefaultClient.Do(r))(f.w.t)
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body))(f.w.t))
}

// keys has credentials made by an action.
func (f *forger) keys(c sigv4.Credentials, service string, form url.Values) sigv4.Credentials {
	f.w.t.Helper()
	status, body := f.send(c, service, form, 0, nil)
	var made struct {
		Key struct {
			AccessKeyID  string `xml:"AccessKeyId"`
			Secret       string `xml:"SecretAccessKey"`
			SessionToken string
		} `xml:",any"`
	}
	_, body, _ = strings.Cut(body, "Result>")
	text, _, _ := strings.Cut(body, "</"+form.Get("Action")+"Result>")
	if err := xml.Unmarshal([]byte("<x>"+text+"</x>"), &made); status != 200 || err != nil || made.Key.Secret == "" {
		f.w.t.Fatalf("%v: %d %v", form, status, err)
	}
	k := made.Key
	f.secrets = append(f.secrets, k.Secret)
	if k.SessionToken != "" {
		f.secrets = append(f.secrets, k.SessionToken)
	}
	return sigv4.Credentials{AccessKeyID: k.AccessKeyID, Secret: k.Secret, Token: k.SessionToken}
}

// strict starts a localvpc that knows issued keys only, and gives root's.
func strict(t *testing.T) (*forger, sigv4.Credentials) {
	t.Helper()
	dir := t.TempDir()
	f := &forger{w: (&world{uid: os.Getuid()}).up(t, "--data", dir, "--no-packets", "--auth", "strict", "-v")}
	var root struct{ AccessKeyID, SecretAccessKey string }
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join(dir, "root-key.json")))(t), &root); err != nil {
		t.Fatal(err)
	}
	f.secrets = append(f.secrets, root.SecretAccessKey)
	return f, sigv4.Credentials{AccessKeyID: root.AccessKeyID, Secret: root.SecretAccessKey}
}

// TestRefused: what is no policy, and who is not whom it says, is refused with AWS's
// code by the program as it is; nothing is changed, and no secret, token or session
// key is told by an answer, or by a log that says everything.
func TestRefused(t *testing.T) {
	f, root := strict(t)
	other, otherRoot := strict(t)
	values := func(pairs ...string) url.Values {
		v := url.Values{"Action": {pairs[0]}}
		for i := 1; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	f.send(root, "iam", values("CreateUser", "UserName", "bob"), 0, nil)
	bob := f.keys(root, "iam", values("CreateAccessKey", "UserName", "bob"))
	off := f.keys(root, "iam", values("CreateAccessKey", "UserName", "bob"))
	f.send(root, "iam", values("UpdateAccessKey", "UserName", "bob", "AccessKeyId", off.AccessKeyID, "Status", "Inactive"), 0, nil)
	f.send(root, "iam", values("CreateUser", "UserName", "eve"), 0, nil)
	gone := f.keys(root, "iam", values("CreateAccessKey", "UserName", "eve"))
	f.send(root, "iam", values("DeleteAccessKey", "UserName", "eve", "AccessKeyId", gone.AccessKeyID), 0, nil)
	f.send(root, "iam", values("CreateRole", "RoleName", "web", "AssumeRolePolicyDocument", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"000000000000"}}}`), 0, nil)
	session := f.keys(bob, "sts", values("GetSessionToken"))
	role := f.keys(root, "sts", values("AssumeRole", "RoleArn", "arn:aws:iam::000000000000:role/web", "RoleSessionName", "one"))
	foreign := other.keys(otherRoot, "sts", values("GetSessionToken"))
	f.secrets = append(f.secrets, other.secrets...)
	with := func(c sigv4.Credentials, secret, token string) sigv4.Credentials {
		return sigv4.Credentials{AccessKeyID: c.AccessKeyID, Secret: secret, Token: token}
	}
	flip := func(s string) string { // one character in the middle is another
		b := []byte(s)
		if b[len(b)/2]++; b[len(b)/2] > 'z' {
			b[len(b)/2] = 'a'
		}
		return string(b)
	}
	who, look := values("GetCallerIdentity"), values("DescribeVpcs")
	policy := func(document string) url.Values {
		return values("CreatePolicy", "PolicyName", "p", "PolicyDocument", document)
	}
	body := func(text string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, row := range []struct {
		name    string
		keys    sigv4.Credentials
		service string
		form    url.Values
		ago     time.Duration
		change  func(*http.Request)
		status  int
		code    string
	}{
		{"who is well is not refused", bob, "sts", who, 0, nil, 200, "user/bob"},
		{"nor a session", role, "sts", who, 0, nil, 200, "assumed-role/web/one"},
		{"nor an action that nobody knows", root, "iam", policy(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:DoNonsense","Resource":"*"}}`), 0, nil, 200, "<PolicyName>p</PolicyName>"},

		{"a policy of 1 MB", root, "iam", policy(`{"Version":"2012-10-17","Statement":[` + strings.Repeat(`{"Effect":"Allow","Action":"ec2:*","Resource":"*"},`, 20000) + `{}]}`), 0, nil, 413, "RequestEntityTooLarge"},
		{"a policy of 1 MB of blanks", root, "iam", policy(strings.Repeat(" ", 1000000)), 0, nil, 400, "ValidationError"},
		{"a policy that is too long", root, "iam", policy(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":["` + strings.Repeat(`arn:aws:ec2:::x","`, 500) + `*"]}}`), 0, nil, 409, "LimitExceeded"},
		{"deep nesting", root, "iam", policy(`{"Version":"2012-10-17","Statement":` + strings.Repeat("[", 100000)), 0, nil, 400, "MalformedPolicyDocument"},
		{"deep nesting of objects", root, "iam", policy(`{"Version":"2012-10-17","Statement":` + strings.Repeat(`{"Statement":`, 10000)), 0, nil, 400, "MalformedPolicyDocument"},
		{"deep nesting of a condition", root, "iam", policy(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:x":` + strings.Repeat("[", 50000)), 0, nil, 400, "MalformedPolicyDocument"},
		{"no JSON", root, "iam", policy("Allow bob everything"), 0, nil, 400, "MalformedPolicyDocument"},
		{"half of it", root, "iam", policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow"`), 0, nil, 400, "MalformedPolicyDocument"},
		{"JSON that is no policy", root, "iam", policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps","Action":"*","Resource":"*"}]}`), 0, nil, 400, "MalformedPolicyDocument"},
		{"an action without a service", root, "iam", policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"RunInstances","Resource":"*"}]}`), 0, nil, 400, "MalformedPolicyDocument"},
		{"an unknown operator", root, "iam", policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringIs":{"aws:x":"y"}}}]}`), 0, nil, 400, "MalformedPolicyDocument"},
		{"a trust policy of 1 MB", root, "iam", values("CreateRole", "RoleName", "r", "AssumeRolePolicyDocument", strings.Repeat("x", 1000000)), 0, nil, 400, "ValidationError"},
		{"a session policy of 1 MB", root, "sts", values("AssumeRole", "RoleArn", "arn:aws:iam::000000000000:role/web", "RoleSessionName", "one", "Policy", strings.Repeat("x", 1000000)), 0, nil, 400, "MalformedPolicyDocument"},
		{"a session policy that is none", root, "sts", values("AssumeRole", "RoleArn", "arn:aws:iam::000000000000:role/web", "RoleSessionName", "one", "Policy", `{"Statement":[]}`), 0, nil, 400, "MalformedPolicyDocument"},

		{"an unknown action of IAM", root, "iam", values("DoNonsense"), 0, nil, 400, "InvalidAction"},
		{"an unknown action of STS", root, "sts", values("DoNonsense"), 0, nil, 400, "InvalidAction"},
		{"an unknown action of EC2", root, "ec2", values("DoNonsense"), 0, nil, 400, "InvalidAction"},

		{"unsigned", sigv4.Credentials{}, "sts", who, 0, nil, 403, "MissingAuthenticationToken"},
		{"an unknown key", sigv4.Credentials{AccessKeyID: "test", Secret: "test"}, "sts", who, 0, nil, 403, "InvalidClientTokenId"},
		{"an unknown key, EC2", sigv4.Credentials{AccessKeyID: "test", Secret: "test"}, "ec2", look, 0, nil, 401, "AuthFailure"},
		{"another secret", with(bob, flip(bob.Secret), ""), "sts", who, 0, nil, 403, "SignatureDoesNotMatch"},
		{"another secret, EC2", with(bob, flip(bob.Secret), ""), "ec2", look, 0, nil, 401, "AuthFailure"},
		{"an inactive key", off, "sts", who, 0, nil, 403, "InvalidClientTokenId"},
		{"a deleted key", gone, "sts", who, 0, nil, 403, "InvalidClientTokenId"},
		{"a session without its token", with(session, session.Secret, ""), "sts", who, 0, nil, 403, "InvalidClientTokenId"},
		{"a session with another's token", with(session, session.Secret, role.Token), "sts", who, 0, nil, 403, "InvalidClientTokenId"},
		{"a session with a changed token", with(session, session.Secret, flip(session.Token)), "sts", who, 0, nil, 403, "InvalidClientTokenId"},
		{"a changed token, EC2", with(session, session.Secret, flip(session.Token)), "ec2", look, 0, nil, 401, "AuthFailure"},
		{"a session of another localvpc", foreign, "sts", who, 0, nil, 403, "InvalidClientTokenId"},
		{"a session of another localvpc, EC2", foreign, "ec2", look, 0, nil, 401, "AuthFailure"},
		{"a long token", with(session, session.Secret, strings.Repeat("A", 12<<10)), "sts", who, 0, nil, 403, "InvalidClientTokenId"},

		{"replayed after six minutes", bob, "sts", who, 6 * time.Minute, nil, 403, "SignatureDoesNotMatch"},
		{"replayed after six minutes, EC2", bob, "ec2", look, 6 * time.Minute, nil, 400, "RequestExpired"},
		{"replayed with a new date", bob, "sts", who, 6 * time.Minute, header("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z")), 403, "SignatureDoesNotMatch"},
		{"of the future", bob, "sts", who, -6 * time.Minute, nil, 403, "SignatureDoesNotMatch"},
		{"a body changed after signing", bob, "sts", who, 0, body("Action=GetCallerIdentity&Version=2011-06-15&x=y"), 403, "SignatureDoesNotMatch"},
		{"a body changed after signing, EC2", bob, "ec2", look, 0, body("Action=DescribeSubnets&Version=2016-11-15"), 401, "AuthFailure"},
		{"a body changed under the signed hash", bob, "iam", values("ListUsers"), 0, func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			body("Action=ListRoles&Version=2010-05-08")(r)
		}, 403, "SignatureDoesNotMatch"},
		{"another host", bob, "sts", who, 0, func(r *http.Request) { r.Host = "localhost:1" }, 403, "SignatureDoesNotMatch"},
		{"a query", bob, "sts", who, 0, func(r *http.Request) { r.URL.RawQuery = "x=y" }, 403, "SignatureDoesNotMatch"},
		{"another content type", bob, "sts", who, 0, header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), 403, "SignatureDoesNotMatch"},
		{"half a signature", bob, "sts", who, 0, header("Authorization", "AWS4-HMAC-SHA256 Credential="+bob.AccessKeyID), 403, "<Type>Sender</Type><Code>IncompleteSignature</Code>"},
		{"another algorithm", bob, "sts", who, 0, header("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=x"), 403, "IncompleteSignature"},
		{"another service's signature", bob, "sts", who, 0, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/sts/", "/iam/", 1))
		}, 400, "InvalidAction"},
		{"another Region's signature", bob, "sts", who, 0, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "us-east-1", "eu-west-1", 1))
		}, 403, "SignatureDoesNotMatch"},
		{"a user without policies", bob, "iam", values("ListUsers"), 0, nil, 403, "AccessDenied"},
		{"a user without policies, EC2", bob, "ec2", look, 0, nil, 403, "UnauthorizedOperation"},
		{"a session of it, IAM", session, "iam", values("ListUsers"), 0, nil, 403, "InvalidClientTokenId"},
		{"a role's session without policies", role, "iam", values("ListUsers"), 0, nil, 403, "AccessDenied"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, answer := f.send(row.keys, row.service, row.form, row.ago, row.change)
			if status != row.status || !strings.Contains(answer, row.code) {
				t.Errorf("%d %.2000s\nwant %d %s", status, answer, row.status, row.code)
			}
			f.quiet(t, "the answer", answer)
		})
	}
	_, after := f.send(root, "iam", values("ListPolicies", "Scope", "Local"), 0, nil)
	_, roles := f.send(root, "iam", values("ListRoles"), 0, nil)
	if strings.Count(after, "<PolicyName>") != 1 || strings.Count(roles, "<RoleName>") != 1 {
		t.Errorf("something was made: %s %s", after, roles)
	}
	f.w.stop(syscall.SIGTERM)
	log := f.w.errs.String()
	if n := strings.Count(log, "\n"); n < 40 {
		t.Errorf("the log has %d lines: it is to say everything", n)
	}
	f.quiet(t, "the log", log)
}

// quiet says whether a text holds something that is secret.
func (f *forger) quiet(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range f.secrets {
		if strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) {
			t.Errorf("%s tells the secret %.4s…: %.2000s", what, secret, text)
		}
	}
}
