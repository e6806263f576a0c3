package apiserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/front/execstream"
	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// fakeControl is a node that notes what it is asked.
type fakeControl struct {
	committed uint64
	resets    atomic.Int32
	stops     atomic.Int32
	images    string
	asked     ExplainQuery
	ran       execstream.Request
	hosts     []HostRequest
	tunnelled tunnel.Request
	far       tunnel.Conn // what Tunnel opens; nil: it waits
	fail      func() error
	endless   bool
	waiting   chan struct{} // one for each that waits
}

func (f *fakeControl) Health() any               { return map[string]string{"Version": "test"} }
func (f *fakeControl) Settled() (uint64, uint64) { return f.committed - 1, f.committed }
func (f *fakeControl) Stop()                     { f.stops.Add(1) }

func (f *fakeControl) wait(ctx context.Context) error {
	if f.waiting != nil {
		f.waiting <- struct{}{}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fakeControl) WaitSettled(ctx context.Context, index uint64) error {
	if index > f.committed {
		return awserr.New("RequestExpired", "Commit %d has not settled: %v", index, f.wait(ctx))
	}
	return nil
}

func (f *fakeControl) Reset(context.Context) error {
	if f.fail != nil {
		return f.fail()
	}
	f.resets.Add(1)
	return nil
}

func (f *fakeControl) AddImages(_ context.Context, entries json.RawMessage) error {
	f.images = string(entries)
	return nil
}

func (f *fakeControl) Explain(_ context.Context, q ExplainQuery) (any, error) {
	f.asked = q
	return map[string]bool{"Reachable": true}, nil
}

func (f *fakeControl) DNS(_ context.Context, q DNSQuery) (any, error) { return q, nil }

func (f *fakeControl) Hosts() any { return f.hosts }

func (f *fakeControl) Scopes() any {
	return []map[string]string{{"Account": "000000000000", "Region": "us-east-1"}}
}

func (f *fakeControl) Quotas(account, region string) (any, error) {
	return map[string]string{"Account": account, "Region": region}, nil
}

func (f *fakeControl) SetQuota(_ context.Context, req QuotaRequest) (any, error) { return req, nil }

func (f *fakeControl) Faults() any { return []string{} }

func (f *fakeControl) SetFault(_ context.Context, req FaultRequest) (any, error) {
	return map[string]any{"Of": req.Account + " " + req.Region, "Fault": req}, nil
}

func (f *fakeControl) ClearFaults(context.Context) (any, error) {
	return []string{"zone us-east-1a"}, nil
}

func (f *fakeControl) AddHost(_ context.Context, req HostRequest) (any, error) {
	f.hosts = append(f.hosts, req)
	return req, nil
}

func (f *fakeControl) RemoveHost(_ context.Context, req HostRequest) error {
	return awserr.New("InvalidParameterValue", "There is no outside host %s", req.Name)
}

func (f *fakeControl) Tunnel(ctx context.Context, req tunnel.Request) (tunnel.Conn, error) {
	f.tunnelled = req
	if f.fail != nil {
		return nil, f.fail()
	}
	if f.far == nil {
		return nil, f.wait(ctx)
	}
	return f.far, nil
}

// Exec echoes standard input and tells the rest.
func (f *fakeControl) Exec(_ context.Context, req execstream.Request, s *execstream.Stream) execstream.Result {
	f.ran = req
	for {
		kind, payload, err := s.Read()
		if err != nil {
			return execstream.Result{Code: 255, Error: err.Error()}
		}
		if kind == execstream.Stdin && len(payload) == 0 {
			return execstream.Result{Code: 3}
		}
		if kind == execstream.Stdin {
			_ = s.Write(execstream.Stdout, payload)
			continue
		}
		_ = s.Write(execstream.Stderr, fmt.Appendf(nil, "%d %s", kind, payload))
	}
}

func (f *fakeControl) Changes(ctx context.Context, after uint64, fn func(any) error) error {
	for i := after + 1; i <= after+3 || f.endless; i++ {
		if err := fn(map[string]uint64{"Index": i}); err != nil {
			return err
		}
	}
	return f.wait(ctx)
}

func (f *fakeControl) Certificate() ([]byte, error) { return []byte("-----BEGIN"), nil }

func (f *fakeControl) Kernel(w io.Writer) error {
	if f.fail != nil {
		fmt.Fprint(w, "half")
		return f.fail()
	}
	_, err := fmt.Fprint(w, "link a\n")
	return err
}

func TestControlAnswers(t *testing.T) {
	b := start(t, Limits{})
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		has                      string
	}{
		{"health", "GET", "health", "", 200, `{"Version":"test"}`},
		{"settled", "GET", "settled", "", 200, `{"Committed":7,"Settled":6}`},
		{"settled at an index", "GET", "settled?index=7", "", 200, `"Committed":7`},
		{"settled at no number", "GET", "settled?index=x", "", 400, `index is a number, not \"x\".`},
		{"settled at nothing", "GET", "settled?index=", "", 400, "index is a number"},
		{"settled at a negative number", "GET", "settled?index=-1", "", 400, "index is a number"},
		{"reset", "POST", "reset", "", 200, "{}"},
		{"reset with a body", "POST", "reset", "whatever", 200, "{}"},
		{"images", "POST", "images", `[{"ImageId":"ami-1"}]`, 200, "{}"},
		{"no images", "POST", "images", " ", 400, `"Message":"The request has no list of images."`},
		{"explain", "POST", "explain", `{"Source":"a","Destination":"b","Port":80}`, 200, `{"Reachable":true}`},
		{"dns", "POST", "dns", `{"Vantage":"a","Name":"b"}`, 200, `"Account":"000000000000","Region":"us-east-1","Vantage":"a","Name":"b"`},
		{"dns nothing", "POST", "dns", "", 400, `"Code":"InvalidParameterValue"`},
		{"explain nothing", "POST", "explain", "", 400, `"Code":"InvalidParameterValue"`},
		{"explain no JSON", "POST", "explain", "<xml/>", 400, `cannot be read`},
		{"explain half of it", "POST", "explain", `{"Source":`, 400, `"Code":"RequestTimeout"`},
		{"explain another type", "POST", "explain", `[1]`, 400, `cannot be read`},
		{"explain with an unknown field", "POST", "explain", `{"Sauce":"a"}`, 400, `unknown field`},
		{"explain twice", "POST", "explain", `{"Source":"a"} {"Source":"b"}`, 400, `more follows`},
		{"explain and garbage", "POST", "explain", `{"Source":"a"} }`, 400, `cannot be read`},
		{"a port too large", "POST", "explain", `{"Port":1e99}`, 400, `cannot be read`},
		{"scopes", "GET", "scopes", "", 200, `[{"Account":"000000000000","Region":"us-east-1"}]`},
		{"quotas", "GET", "quotas", "", 200, `{"Account":"000000000000","Region":"us-east-1"}`},
		{"quotas of others", "GET", "quotas?account=123456789012&region=eu-west-1", "", 200, `{"Account":"123456789012","Region":"eu-west-1"}`},
		{"a quota", "POST", "quotas/set", `{"Name":"a","Value":-1}`, 200, `{"Account":"000000000000","Region":"us-east-1","Name":"a","Value":-1}`},
		{"a quota's default", "POST", "quotas/set", `{"Name":"a","Region":"eu-west-1"}`, 200, `"Region":"eu-west-1","Name":"a","Value":null`},
		{"no quota", "POST", "quotas/set", `{"Value":1}`, 400, `parameter Name`},
		{"a quota that is no number", "POST", "quotas/set", `{"Name":"a","Value":1.5}`, 400, `cannot be read`},
		{"faults", "GET", "fault", "", 200, "[]"},
		{"a fault", "POST", "fault/set", `{"Kind":"link","What":"eni-1","Effect":"loss","Rate":5}`, 200, `{"Fault":{"Kind":"link","What":"eni-1","Effect":"loss","Rate":5},"Of":"000000000000 us-east-1"}`},
		{"a fault of another's", "POST", "fault/set", `{"Kind":"link","Account":"123456789012"}`, 400, "unknown field"},
		{"a fault of a rate that is none", "POST", "fault/set", `{"Kind":"link","Rate":1e99}`, 400, "cannot be read"},
		{"a fault set by GET", "GET", "fault/set", "", 405, "takes POST"},
		{"no faults any more", "POST", "fault/clear", "", 200, `["zone us-east-1a"]`},
		{"kernel", "GET", "kernel", "", 200, "link a\n"},
		{"exec without an upgrade", "POST", "exec", `{"Instance":"i-1","Args":["ls"]}`, 426, `Upgrade: localvpc-exec/1`},
		{"no hosts", "GET", "hosts", "", 200, "null"},
		{"a host", "POST", "hosts/add", `{"Name":"web","Addr":"203.0.113.9"}`, 200, `{"Name":"web","Addr":"203.0.113.9"}`},
		{"hosts", "GET", "hosts", "", 200, `[{"Name":"web","Addr":"203.0.113.9"}]`},
		{"a host without a name", "POST", "hosts/add", `{"Addr":"203.0.113.9"}`, 400, `must contain the parameter Name`},
		{"a host with more", "POST", "hosts/add", `{"Name":"web","Mac":"1"}`, 400, `unknown field`},
		{"no host to remove", "POST", "hosts/remove", `{"Name":"db"}`, 400, `There is no outside host db`},
		{"removing nothing", "POST", "hosts/remove", "", 400, `cannot be read`},
		{"tunnel without an upgrade", "POST", "tunnel", `{"Host":"web","Port":80}`, 426, `Upgrade: localvpc-tunnel/1`},
		{"stop", "POST", "stop", "", 200, "{}"},
		{"an unknown path", "GET", "nothing", "", 404, `There is no /_localvpc/nothing; the paths of /_localvpc/ are certificate, changes, dns, exec,`},
		{"no path", "GET", "", "", 404, `There is no /_localvpc/`},
		{"a path below", "GET", "health/x", "", 404, `"Code":"InvalidAction"`},
		{"a path above", "GET", "../_localvpc/health", "", 404, `"Code":"InvalidAction"`},
		{"GET of what acts", "GET", "reset", "", 405, `/_localvpc/reset takes POST, not GET.`},
		{"POST of what tells", "POST", "health", "", 405, `/_localvpc/health takes GET, not POST.`},
		{"DELETE", "DELETE", "reset", "", 405, `takes POST, not DELETE.`},
		{"HEAD", "HEAD", "health", "", 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := b.ask(t, test.method, "/_localvpc/"+test.path, test.body)
			if resp.StatusCode != test.status || !strings.Contains(body, test.has) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			id := resp.Header.Get("x-amzn-RequestId")
			if id == "" || resp.StatusCode >= 400 && !strings.Contains(body, `"RequestId":"`+id+`"`) {
				t.Errorf("request id %q, body %s", id, body)
			}
			if (resp.StatusCode == 405) != (resp.Header.Get("Allow") != "") {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
		})
	}
	if n := b.control.resets.Load(); n != 2 {
		t.Errorf("%d resets", n)
	}
	if n := b.control.stops.Load(); n != 1 {
		t.Errorf("%d stops", n)
	}
	if want := (ExplainQuery{Account: "000000000000", Region: "us-east-1", Source: "a", Destination: "b", Port: 80}); b.control.asked != want {
		t.Errorf("asked for %+v", b.control.asked)
	}
	if b.control.images != `[{"ImageId":"ami-1"}]` {
		t.Errorf("images %s", b.control.images)
	}
	// Half a text that was read back is not sent as if it were all.
	b.control.fail = func() error { return awserr.New("UnsupportedOperation", "there is none") }
	if resp, body := b.ask(t, "GET", "/_localvpc/kernel", ""); resp.StatusCode != 400 || strings.Contains(body, "half") {
		t.Errorf("kernel: %d %s", resp.StatusCode, body)
	}
}

func TestChangesStream(t *testing.T) {
	b := start(t, Limits{})
	b.control.waiting = make(chan struct{}, 1)
	for path, first := range map[string]int{"changes": 8, "changes?after=0": 1, "changes?after=41": 42} {
		ctx, hangUp := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", b.url+"/_localvpc/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: %v", path, resp.Header)
		}
		lines := bufio.NewScanner(resp.Body)
		for i := range 3 { // each as soon as it happens
			if !lines.Scan() || lines.Text() != fmt.Sprintf(`{"Index":%d}`, first+i) {
				t.Errorf("%s: line %d is %q", path, i, lines.Text())
			}
		}
		<-b.control.waiting
		hangUp() // the server notices: its Shutdown would wait otherwise
		resp.Body.Close()
	}
	if resp, body := b.ask(t, "GET", "/_localvpc/changes?after=x", ""); resp.StatusCode != 400 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

const upgrade = "POST /_localvpc/exec HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: localvpc-exec/1\r\nContent-Length: %d\r\n\r\n%s"

func TestExecUpgrades(t *testing.T) {
	b := start(t, Limits{})
	const body = `{"Instance":"i-1","Args":["cat"],"TTY":true,"Size":{"Rows":24,"Cols":80}}`
	// The first frames may come together with the request.
	var early bytes.Buffer
	if err := execstream.New(nil, &early).Write(execstream.Stdin, []byte("early ")); err != nil {
		t.Fatal(err)
	}
	c := b.raw(t, fmt.Sprintf(upgrade, len(body), body)+early.String())
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != execstream.Protocol {
		t.Fatalf("%v %v", resp, err)
	}
	s := execstream.New(r, c)
	for _, f := range []struct {
		kind execstream.Kind
		text string
	}{{execstream.Stdin, "late"}, {execstream.Resize, "{}"}, {execstream.Stdin, ""}} {
		if err := s.Write(f.kind, []byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	var got strings.Builder
	for {
		kind, payload, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%d:%s ", kind, strings.TrimSpace(string(payload)))
		if kind == execstream.Exit {
			break
		}
	}
	if want := fmt.Sprintf(`%d:early %d:late %d:%d {} %d:{"Code":3} `, execstream.Stdout, execstream.Stdout, execstream.Stderr, execstream.Resize, execstream.Exit); got.String() != want {
		t.Errorf("got  %s\nwant %s", got.String(), want)
	}
	if !b.control.ran.TTY || b.control.ran.Size.Cols != 80 {
		t.Errorf("ran %+v", b.control.ran)
	}
}

func TestExecRefuses(t *testing.T) {
	b := start(t, Limits{})
	for _, test := range []struct {
		body   string
		status int
		has    string
	}{
		{``, 400, "cannot be read"},
		{`{}`, 400, "The request must contain the parameter Instance"},
		{`{"Instance":"i-1","Host":"web","Args":["ls"]}`, 400, "cannot be used together"},
		{`{"Instance":"i-1"}`, 400, "The request must contain the parameter Args"},
		{`{"Instance":"i-1","Args":[]}`, 400, "The request must contain the parameter Args"},
		{`{"Instance":"i-1","Args":"ls"}`, 400, "cannot be read"},
		{`{"Instance":"i-1","Args":["ls"],"Root":true}`, 400, "unknown field"},
		{`{"Instance":"i-1","Args":["ls"],"Size":{"Rows":70000}}`, 400, "cannot be read"},
	} {
		c := b.raw(t, fmt.Sprintf(upgrade, len(test.body), test.body))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.has) {
			t.Errorf("%s: %d %s", test.body, resp.StatusCode, body)
		}
		c.Close()
	}
}

const tunnelUpgrade = "POST /_localvpc/tunnel HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: localvpc-tunnel/1\r\n%sContent-Length: %d\r\n\r\n%s"

// TestTunnel: bytes pass both ways, each end in its own time.
func TestTunnel(t *testing.T) {
	b := start(t, Limits{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	b.control.far = near.(*net.TCPConn)
	const body = `{"Host":"web","Port":80}`
	c := b.raw(t, fmt.Sprintf(tunnelUpgrade, "", len(body), body)+"early ")
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != tunnel.Protocol {
		t.Fatalf("%v %v", resp, err)
	}
	if want := (tunnel.Request{Host: "web", Port: 80}); b.control.tunnelled != want {
		t.Errorf("asked for %+v", b.control.tunnelled)
	}
	fmt.Fprint(c, "late")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(far); err != nil || string(text) != "early late" {
		t.Errorf("%q, %v", text, err)
	}
	fmt.Fprint(far, "answer")
	far.Close()
	if text, err := io.ReadAll(r); err != nil || string(text) != "answer" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestTunnelRefuses(t *testing.T) {
	b := start(t, Limits{})
	b.control.fail = func() error { return awserr.New(tunnel.Refused, "nobody listens there") }
	for _, test := range []struct {
		header, body string
		status       int
		has          string
	}{
		{"", ``, 400, "cannot be read"},
		{"", `{}`, 400, "The request must contain the parameter Instance"},
		{"", `{"Instance":"i-1","Host":"web","Port":80}`, 400, "cannot be used together"},
		{"", `{"Host":"web"}`, 400, "The port 0 is not"},
		{"", `{"Host":"web","Port":65536}`, 400, "The port 65536 is not"},
		{"", `{"Host":"web","Port":-1}`, 400, "The port -1 is not"},
		{"", `{"Host":"web","Port":80,"From":"i-1"}`, 400, "unknown field"},
		{"", `{"Host":"web","Port":80}`, 400, `"Code":"ConnectionRefused"`},
		{"Origin: http://evil.example\r\n", `{"Host":"web","Port":80}`, 403, "AccessDenied"},
		{"Sec-Fetch-Site: cross-site\r\n", `{"Host":"web","Port":80}`, 403, "AccessDenied"},
	} {
		c := b.raw(t, fmt.Sprintf(tunnelUpgrade, test.header, len(test.body), test.body))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.has) {
			t.Errorf("%s: %d %s", test.body, resp.StatusCode, body)
		}
		c.Close()
	}
	// Who hangs up while it is being opened ends the attempt.
	b.control.fail, b.control.waiting = nil, make(chan struct{}, 1)
	const body = `{"Host":"web","Port":80}`
	c := b.raw(t, fmt.Sprintf(tunnelUpgrade, "", len(body), body))
	<-b.control.waiting
	c.Close()
	<-b.closed
}
