package sigv4

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

const formBody = "Action=DescribeVpcs&Version=2016-11-15"

// signed is a form request that the SDK's signer has signed.
func signed(t testing.TB, edit func(*http.Request)) (*http.Request, Credential) {
	t.Helper()
	r, err := http.NewRequest("POST", "http://127.0.0.1:4566/?x=1", strings.NewReader(formBody))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	hash := PayloadHash([]byte(formBody))
	if edit != nil {
		edit(r)
	}
	if claimed := r.Header.Get(payloadHeader); claimed != "" {
		hash = claimed
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.Secret, SessionToken: "token"}, r, hash, "ec2", "eu-west-1", now); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(r.Header, r.URL.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

func TestVerify(t *testing.T) {
	for _, row := range []struct {
		name   string
		sign   func(*http.Request) // before it is signed
		change func(*http.Request) // after
		body   string
		secret string
		late   time.Duration
		want   string // "" is well
	}{
		{"as it was signed", nil, nil, formBody, keys.Secret, 0, ""},
		{"a little late", nil, nil, formBody, keys.Secret, 5 * time.Minute, ""},
		{"a little early", nil, nil, formBody, keys.Secret, -5 * time.Minute, ""},
		{"late", nil, nil, formBody, keys.Secret, 5*time.Minute + time.Second, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"},
		{"early", nil, nil, formBody, keys.Secret, -5*time.Minute - time.Second, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"},
		{"another body", nil, nil, formBody + "&DryRun=true", keys.Secret, 0, "does not match"},
		{"no body", nil, nil, "", keys.Secret, 0, "does not match"},
		{"another secret", nil, nil, formBody, "x", 0, "does not match"},
		{"another path", nil, func(r *http.Request) { r.URL.Path = "/x" }, formBody, keys.Secret, 0, "does not match"},
		{"another query", nil, func(r *http.Request) { r.URL.RawQuery = "x=2" }, formBody, keys.Secret, 0, "does not match"},
		{"another method", nil, func(r *http.Request) { r.Method = "PUT" }, formBody, keys.Secret, 0, "does not match"},
		{"another host", nil, func(r *http.Request) { r.Host = "localhost" }, formBody, keys.Secret, 0, "does not match"},
		{"another token", nil, func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") }, formBody, keys.Secret, 0, "does not match"},
		{"a header that is not signed", nil, func(r *http.Request) { r.Header.Set("User-Agent", "x") }, formBody, keys.Secret, 0, ""},
		{"the body's hash in a header", func(r *http.Request) { r.Header.Set(payloadHeader, PayloadHash([]byte(formBody))) }, nil, formBody, keys.Secret, 0, ""},
		{"another body under that hash", func(r *http.Request) { r.Header.Set(payloadHeader, PayloadHash([]byte(formBody))) }, nil, "x", keys.Secret, 0, "does not match"},
		{"an unsigned payload", func(r *http.Request) { r.Header.Set(payloadHeader, unsignedPayload) }, nil, "anything", keys.Secret, 0, ""},
		{"a payload that is said to be unsigned", nil, func(r *http.Request) { r.Header.Set(payloadHeader, unsignedPayload) }, "anything", keys.Secret, 0, "does not match"},
		{"chunks", func(r *http.Request) { r.Header.Set(payloadHeader, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") }, nil, formBody, keys.Secret, 0, "signed in chunks"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, s := signed(t, row.sign)
			if row.change != nil {
				row.change(r)
			}
			err := new(Verifier).Verify(&s, r, []byte(row.body), row.secret, now.Add(row.late))
			if row.want == "" && err != nil || row.want != "" && (!awserr.Is(err, "SignatureDoesNotMatch") || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("%v, want %q", err, row.want)
			}
			if err != nil && (strings.Contains(err.Error(), keys.Secret) || strings.Contains(err.Error(), s.Signature)) {
				t.Errorf("it tells a secret: %v", err)
			}
		})
	}
}

func TestVerifyPresigned(t *testing.T) {
	r := request(t, "GET", "http://127.0.0.1:4566/?Action=DescribeVpcs&X-Amz-Expires=60", "")
	text, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.Secret}, r, PayloadHash(nil), "ec2", "eu-west-1", now)
	if err != nil {
		t.Fatal(err)
	}
	r = request(t, "GET", text, "")
	s, err := Parse(r.Header, r.URL.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	for late, want := range map[time.Duration]bool{0: true, time.Minute: true, 61 * time.Second: false, -4 * time.Minute: true, -6 * time.Minute: false} {
		if err := new(Verifier).Verify(&s, r, nil, keys.Secret, now.Add(late)); (err == nil) != want {
			t.Errorf("%s late: %v", late, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r, s := signed(b, nil)
	v := &Verifier{}
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Verify(&s, r, []byte(formBody), keys.Secret, now); err != nil {
			b.Fatal(err)
		}
	}
}
