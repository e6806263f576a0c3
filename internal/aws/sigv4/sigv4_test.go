package sigv4

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

var (
	keys = Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	now  = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
)

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSignVanilla is get-vanilla of AWS's Signature Version 4 test suite.
func TestSignVanilla(t *testing.T) {
	r := request(t, "GET", "http://example.amazonaws.com/", "")
	Sign(r, nil, keys, "us-east-1", "service", now)
	want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	if got := r.Header.Get("Authorization"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestVerifiesTheSDK: for requests that the SDK signed, in a header and presigned,
// our canonical request gives the same signature.
func TestVerifiesTheSDK(t *testing.T) {
	tests := []struct{ name, method, target, body string }{
		{"form", "POST", "http://127.0.0.1:4566/", "Action=DescribeVpcs&Version=2016-11-15"},
		{"query string", "GET", "http://127.0.0.1:4566/?Action=DescribeVpcs&b=2&a=%20x&a=1&empty=", ""},
		{"path to escape twice", "GET", "http://127.0.0.1:4566/2013-04-01/hostedzone/Z%20A%2FB/rrset", ""},
	}
	creds := aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.Secret, SessionToken: "token+/="}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx := context.Background()
			r := request(t, test.method, test.target, test.body)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded;   charset=utf-8")
			hash := PayloadHash([]byte(test.body))
			if err := v4.NewSigner().SignHTTP(ctx, creds, r, hash, "ec2", "eu-west-1", now); err != nil {
				t.Fatal(err)
			}
			s, err := Parse(r.Header, r.URL.RawQuery)
			if err != nil {
				t.Fatal(err)
			}
			if s.AccessKeyID != keys.AccessKeyID || s.Region != "eu-west-1" || s.Service != "ec2" || !s.Date.Equal(now) || s.SessionToken != creds.SessionToken || s.Presigned {
				t.Errorf("Parse = %+v", s)
			}
			if got := s.compute(r, hash, keys.Secret); got != s.Signature {
				t.Errorf("signature %s, the SDK made %s", got, s.Signature)
			}

			p := request(t, test.method, test.target, test.body)
			query := p.URL.Query()
			query.Set("X-Amz-Expires", "300")
			p.URL.RawQuery = query.Encode()
			signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, p, hash, "ec2", "eu-west-1", now)
			if err != nil {
				t.Fatal(err)
			}
			p = request(t, test.method, signed, test.body)
			if s, err = Parse(p.Header, p.URL.RawQuery); err != nil {
				t.Fatal(err)
			}
			if !s.Presigned || s.Expires != 300*time.Second {
				t.Errorf("Parse of presigned = %+v", s)
			}
			if got := s.compute(p, hash, keys.Secret); got != s.Signature {
				t.Errorf("presigned: signature %s, the SDK made %s", got, s.Signature)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/ec2/aws4_request,SignedHeaders=host;x-amz-date,Signature=" +
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	tests := []struct {
		name, header, date, code, text string
	}{
		{"another scheme", "Bearer x", "20150830T123600Z", "IncompleteSignature", "Unsupported AWS 'algorithm': 'Bearer'"},
		{"no date", good, "", "IncompleteSignature", "existence of either a 'X-Amz-Date'"},
		{"another day", good, "20150831T003600Z", "IncompleteSignature", "'20150830' != '20150831'"},
		{"other algorithm", "AWS4-ECDSA-P256-SHA256 x", "20150830T123600Z", "IncompleteSignature", "Unsupported AWS 'algorithm'"},
		{"no signature", good[:strings.Index(good, ",Signature")], "20150830T123600Z", "IncompleteSignature", "requires 'Signature' parameter"},
		{"short signature", good[:len(good)-2], "20150830T123600Z", "IncompleteSignature", "64 hexadecimal digits"},
		{"scope of four", strings.Replace(good, "/ec2", "", 1), "20150830T123600Z", "IncompleteSignature", "exactly 5 slash-delimited"},
		{"bad terminator", strings.Replace(good, "aws4_request", "aws5_request", 1), "20150830T123600Z", "IncompleteSignature", "terminator"},
		{"odd region", strings.Replace(good, "us-east-1", "us east", 1), "20150830T123600Z", "IncompleteSignature", "valid region"},
		{"host not signed", strings.Replace(good, "host;", "", 1), "20150830T123600Z", "IncompleteSignature", "'Host' must be"},
		{"too long", good + strings.Repeat(" ", maxAuthorization), "20150830T123600Z", "IncompleteSignature", "longer than"},
		{"many headers", strings.Replace(good, "host;", "host;"+strings.Repeat("a;", maxHeaders), 1), "20150830T123600Z", "IncompleteSignature", "signed headers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{URL: &url.URL{}, Header: http.Header{}}
			r.Header.Set("Authorization", test.header)
			if test.date != "" {
				r.Header.Set("X-Amz-Date", test.date)
			}
			_, err := Parse(r.Header, r.URL.RawQuery)
			e, ok := awserr.As(err)
			if !ok || e.Code != test.code || !strings.Contains(e.Message, test.text) {
				t.Errorf("got %v, want %s …%s…", err, test.code, test.text)
			}
		})
	}
	r := &http.Request{URL: &url.URL{}, Header: http.Header{"Authorization": {good}, "X-Amz-Date": {"20150830T123600Z"}}}
	if s, err := Parse(r.Header, r.URL.RawQuery); err != nil || s.AccessKeyID != "AKID" {
		t.Errorf("the good one: %+v, %v", s, err)
	}
}

func TestParseUnsigned(t *testing.T) {
	s, err := Parse(http.Header{}, "Action=AssumeRoleWithWebIdentity")
	if err != nil || s.Signed() {
		t.Errorf("Parse = %+v, %v", s, err)
	}
	if e := Unsigned(); e.Code != "MissingAuthenticationToken" || e.Status != 403 {
		t.Errorf("Unsigned = %+v", e)
	}
}

func FuzzParse(f *testing.F) {
	r, err := http.NewRequest("GET", "http://h/", nil)
	if err != nil {
		f.Fatal(err)
	}
	Sign(r, nil, keys, "us-east-1", "ec2", now)
	f.Add(r.Header.Get("Authorization"), "20150830T123600Z", "")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20150830/r/s/aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Signature="+strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, header, date, query string) {
		r := &http.Request{Method: "GET", URL: &url.URL{RawQuery: query}, Header: http.Header{"Authorization": {header}, "X-Amz-Date": {date}}}
		s, err := Parse(r.Header, r.URL.RawQuery)
		if err != nil {
			if _, ok := awserr.As(err); !ok {
				t.Fatalf("not an AWS error: %v", err)
			}
			return
		}
		if !s.Signed() {
			return
		}
		if !plain(s.AccessKeyID) || !plain(s.Region) || !plain(s.Service) || len(s.SignedHeaders) > maxHeaders || s.Date.IsZero() {
			t.Fatalf("unbounded: %+v", s)
		}
		s.compute(r, PayloadHash(nil), "secret")
	})
}
