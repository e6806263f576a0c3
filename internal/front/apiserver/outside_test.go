package apiserver

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestOutside: the simulated internet has AWS's services for keys that were issued
// here, and nothing of /_localvpc/.
func TestOutside(t *testing.T) {
	b := start(t, Limits{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.ServeOutside(l) }()
	hex := strings.Repeat("0", 64)
	scope := "AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=" + hex
	for _, row := range []struct {
		name, method, path, host, key string
		status                        int
		want                          string
	}{
		{"no key", "GET", "/?Action=DescribeVpcs&Version=2016-11-15", "ec2.us-east-1.amazonaws.com", "", 400, "MissingParameter"},
		{"any key", "GET", "/?Action=DescribeVpcs&Version=2016-11-15", "ec2.us-east-1.amazonaws.com", "test", 401, "AuthFailure"},
		{"an account", "GET", "/?Action=DescribeVpcs&Version=2016-11-15", "ec2.us-east-1.amazonaws.com", "000000000000", 401, "AuthFailure"},
		{"another host", "GET", "/?Action=DescribeVpcs&Version=2016-11-15", "example.com", "", 403, "AccessDenied"},
		{"control", "GET", "/_localvpc/health", "127.0.0.1", "", 400, "MissingAction"},
		{"the end", "POST", "/_localvpc/stop", "127.0.0.1", "", 400, "MissingAction"},
	} {
		t.Run(row.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), row.method, "http://"+l.Addr().String()+row.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = row.host
			if row.key != "" {
				req.Header.Set("Authorization", strings.Replace(scope, "KEY", row.key, 1))
				req.Header.Set("X-Amz-Date", "20260101T000000Z")
			}
			answer, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			if answer.StatusCode != row.status || !strings.Contains(string(body), row.want) {
				t.Errorf("%d %s, want %d %s", answer.StatusCode, body, row.status, row.want)
			}
		})
	}
	l.Close()
	if err := <-ended; err != nil {
		t.Errorf("a listener that is closed: %v", err)
	}
}
