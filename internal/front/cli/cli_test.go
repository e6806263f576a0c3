package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/front/execstream"
	"github.com/localvpc/localvpc/internal/front/render"
)

// run executes a command line and returns its exit code and what it wrote.
func run(t *testing.T, cfg Config, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]*os.File{}
	for _, name := range []string{"in", "out", "err"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[name] = f
	}
	cfg.Version, cfg.Stdin, cfg.Stdout, cfg.Stderr = "test", files["in"], files["out"], files["err"]
	code = Run(t.Context(), cfg, args)
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return code, text("out"), text("err")
}

// clear removes what the user's environment says about where to look.
func clear(t *testing.T) {
	for _, name := range []string{"LOCALVPC_URL", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "")
	}
}

// TestSomethingElseListens: what answers is not localvpc.
func TestSomethingElseListens(t *testing.T) {
	clear(t)
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				fmt.Fprint(c, "220 mail ESMTP\r\n")
			}()
		}
	}()
	mail := "http://" + l.Addr().String()
	for _, test := range []struct {
		url  string
		args []string
		code int
		has  string
	}{
		{web.URL, []string{"status"}, ExitError, "answered 404 Not Found: is it localvpc that listens there?"},
		{web.URL, []string{"down"}, ExitError, "is it localvpc that listens there?"},
		{web.URL, []string{"reset"}, ExitError, "is it localvpc that listens there?"},
		{web.URL, []string{"explain", "a", "b:1"}, ExitError, "is it localvpc that listens there?"},
		{web.URL, []string{"ls"}, ExitError, "404"},
		{web.URL, []string{"exec", "i-1", "--", "ls"}, cannotExec, "404"},
		{mail, []string{"status"}, ExitError, "is it localvpc that listens at " + mail + "?"},
		{mail, []string{"ls"}, ExitError, "is it localvpc that listens at " + mail + "?"},
		{mail, []string{"down"}, ExitError, "is it localvpc that listens at " + mail + "?"},
	} {
		code, out, errs := run(t, Config{}, append([]string{"--url", test.url}, test.args...)...)
		if code != test.code || out != "" || !strings.HasPrefix(errs, "localvpc: ") || !strings.Contains(errs, test.has) {
			t.Errorf("%v at %s: exit code %d, %q, %q", test.args, test.url, code, out, errs)
		}
	}
}

// TestExplainAsks: for the account and the Region that the other commands work in.
func TestExplainAsks(t *testing.T) {
	clear(t)
	var asked explainRequest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.Path != "/_localvpc/explain" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(render.Explanation{Packet: "a packet", Reachable: asked.Port == 80})
	}))
	defer server.Close()
	for _, test := range []struct {
		env  map[string]string
		args []string
		want explainRequest
		code int
	}{
		{nil, []string{"a", "b:80"}, explainRequest{"", "us-east-1", "a", "b", "tcp", 80}, ExitOK},
		{nil, []string{"a", "b"}, explainRequest{"", "us-east-1", "a", "b", "icmp", 0}, ExitNo},
		{nil, []string{"a", "10.0.0.1:53", "-p", "udp"}, explainRequest{"", "us-east-1", "a", "10.0.0.1", "udp", 53}, ExitNo},
		{nil, []string{"a", "fd00::1"}, explainRequest{"", "us-east-1", "a", "fd00::1", "icmp", 0}, ExitNo},
		{nil, []string{"a", "[fd00::1]:80"}, explainRequest{"", "us-east-1", "a", "fd00::1", "tcp", 80}, ExitOK},
		{map[string]string{"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "123456789012"}, []string{"a", "b:80"}, explainRequest{"123456789012", "eu-west-1", "a", "b", "tcp", 80}, ExitOK},
		{map[string]string{"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, []string{"a", "b:80"}, explainRequest{"", "eu-west-2", "a", "b", "tcp", 80}, ExitOK},
		{map[string]string{"AWS_ACCESS_KEY_ID": "123456789012"}, []string{"a", "b:80", "--account", "210987654321", "--region", "us-west-2"}, explainRequest{"210987654321", "us-west-2", "a", "b", "tcp", 80}, ExitOK},
	} {
		clear(t)
		for name, value := range test.env {
			t.Setenv(name, value)
		}
		code, out, errs := run(t, Config{}, append([]string{"--url", server.URL, "explain"}, test.args...)...)
		if code != test.code || asked != test.want || errs != "" || !strings.HasPrefix(out, "a packet: ") {
			t.Errorf("%v: exit code %d, asked %+v, %q, %q", test.args, code, asked, out, errs)
		}
	}
}

// TestDigAsks what it was told to ask, and ends with 1 when there is no answer.
func TestDigAsks(t *testing.T) {
	clear(t)
	var asked dnsRequest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.Path != "/_localvpc/dns" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		n := render.Names{Vantage: asked.Vantage, Name: "b.", Type: "A", Status: "NOERROR"}
		if asked.Type != "AAAA" {
			n.Answer = []render.Record{{Name: "b.", TTL: 60, Type: "A", Value: "10.0.0.1"}}
		}
		_ = json.NewEncoder(w).Encode(n)
	}))
	defer server.Close()
	for _, test := range []struct {
		args []string
		want dnsRequest
		code int
	}{
		{[]string{"a", "b"}, dnsRequest{"", "us-east-1", "a", "b", "", ""}, ExitOK},
		{[]string{"a", "b", "AAAA", "--region", "eu-west-1"}, dnsRequest{"", "eu-west-1", "a", "b", "AAAA", ""}, ExitNo},
		{[]string{"a", "-x", "10.0.0.1"}, dnsRequest{"", "us-east-1", "a", "", "", "10.0.0.1"}, ExitOK},
		{[]string{"a"}, dnsRequest{}, ExitError},
		{[]string{"a", "b", "-x", "10.0.0.1"}, dnsRequest{}, ExitError},
		{nil, dnsRequest{}, ExitError},
	} {
		asked = dnsRequest{}
		code, out, errs := run(t, Config{}, append([]string{"--url", server.URL, "dig"}, test.args...)...)
		if code != test.code || asked != test.want || (errs != "") != (code == ExitError) || (code != ExitError) != strings.HasPrefix(out, "b. A at a: ") {
			t.Errorf("%v: exit code %d, asked %+v, %q, %q", test.args, code, asked, out, errs)
		}
	}
}

// TestUpPassesItsFlags, and prints its line when told so.
func TestUpPassesItsFlags(t *testing.T) {
	clear(t)
	t.Setenv("XDG_STATE_HOME", "/state")
	var got UpOptions
	cfg := Config{Up: func(_ context.Context, o UpOptions, ready func(Ready)) error {
		got = o
		ready(Ready{URL: "http://127.0.0.1:1", Account: o.Account, Data: o.Data, Packets: !o.NoPackets})
		return nil
	}}
	for _, test := range []struct {
		args []string
		want UpOptions
		out  string
	}{
		{nil, UpOptions{Listen: "127.0.0.1:4566", DNS: "127.0.0.1:5300", Data: "/state/localvpc", Account: "000000000000", Auth: "open", Authz: "on", NatIdle: 350, RoleSession: 21600, HealthScale: 1}, "localvpc is ready at http://127.0.0.1:1 (account 000000000000, /state/localvpc)\n"},
		{[]string{"--data", "/d", "--no-packets", "--account", "123456789012", "--images", "i", "--quotas", "off", "--public-cidr", "203.0.113.0/24", "--health-interval-scale", "0.1", "--role-session-duration", "60", "-v", "--json"},
			UpOptions{Listen: "127.0.0.1:4566", DNS: "127.0.0.1:5300", Data: "/d", NoPackets: true, Account: "123456789012", Auth: "open", Authz: "on", Images: "i", Quotas: "off", PublicCidr: "203.0.113.0/24", NatIdle: 350, RoleSession: 60, HealthScale: 0.1, Verbose: true},
			`{"URL":"http://127.0.0.1:1","Account":"123456789012","Data":"/d","Packets":false}` + "\n"},
	} {
		if code, out, errs := run(t, cfg, append([]string{"up"}, test.args...)...); code != 0 || out != test.out || errs != "" || got != test.want {
			t.Errorf("%v: exit code %d, %+v, %q, %q", test.args, code, got, out, errs)
		}
	}
	cfg.Up = func(context.Context, UpOptions, func(Ready)) error { return errors.New("no, because") }
	if code, out, errs := run(t, cfg, "up"); code != ExitError || out != "" || errs != "localvpc: no, because\n" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}

func TestProbe(t *testing.T) {
	if code, out, _ := run(t, Config{Probe: func() error { return nil }}, "probe"); code != ExitOK || out != "namespaces are permitted\n" {
		t.Errorf("exit code %d, %q", code, out)
	}
	if code, _, errs := run(t, Config{Probe: func() error { return errors.New("no, because") }}, "probe"); code != ExitError || errs != "localvpc: no, because\n" {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

// TestAStoryThatFails: an expectation that does not hold is shown where it stands,
// the rest is played, and the exit code says so.
func TestAStoryThatFails(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n", execstream.Protocol)
		s := execstream.New(buf, conn)
		_, _ = s.Output(execstream.Stdout).Write([]byte("Hello, Angela!\n"))
		_ = s.WriteJSON(execstream.Exit, execstream.Result{Code: 7})
		_, _ = io.Copy(io.Discard, conn)
	}))
	defer server.Close()
	for _, test := range []struct {
		code   int
		output string
		want   error
	}{{7, "Hello, Angela!", nil}, {0, "Hello, Angela!", Exit(ExitNo)}, {7, "Hello, Brian!", Exit(ExitNo)}} {
		var out strings.Builder
		s := &story{e: &env{url: server.URL, out: &out}, ctx: t.Context(), ids: map[string]string{"app": "i-1"}}
		if err := s.expect("app", "curl http://{app}/", test.code, test.output); err != nil {
			t.Fatal(err)
		}
		if err := s.verdict(); err != test.want {
			t.Errorf("%d %q: %v\n%s", test.code, test.output, err, out.String())
		}
		if !strings.HasPrefix(out.String(), "$ localvpc exec app -- curl http://i-1/\nHello, Angela!\nexit code 7") {
			t.Errorf("it shows\n%s", out.String())
		}
	}
}

func TestForwardings(t *testing.T) {
	for arg, want := range map[string]forwarding{
		"8080:web:80":             {"127.0.0.1:8080", "web", 80},
		"0:i-0123:443":            {"127.0.0.1:0", "i-0123", 443},
		"127.0.0.2:8080:web:80":   {"127.0.0.2:8080", "web", 80},
		"localhost:8080:web:80":   {"localhost:8080", "web", 80},
		"[::1]:8080:198.18.0.9:1": {"[::1]:8080", "198.18.0.9", 1},
		"8080:host:office:80":     {"127.0.0.1:8080", "host:office", 80},
		"8080:[2001:db8::1]:80":   {"127.0.0.1:8080", "2001:db8::1", 80},
	} {
		if got, err := parseForwarding(arg); err != nil || got != want {
			t.Errorf("%s: %+v, %v", arg, got, err)
		}
	}
	for arg, why := range map[string]string{
		"":                     "is not like",
		"8080":                 "is not like",
		"8080:web":             "is not like",
		"web:80":               "is not like",
		"8080::80":             "is not like",
		"8080:web:0":           "is not like",
		"8080:web:65536":       "is not like",
		"65536:web:80":         "is not like",
		"8080:web:http":        "is not like",
		"[::1:8080:web:80":     "is not like",
		"0.0.0.0:8080:web:80":  "not a loopback address",
		"192.0.2.1:8080:web:1": "not a loopback address",
		"myhost:8080:web:80":   "not a loopback address",
	} {
		if got, err := parseForwarding(arg); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %+v, %v; want %q", arg, got, err, why)
		}
	}
}
