//go:build linux

package imds

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/state"
)

const testInstance = "i-0123456789abcdef0"

var (
	scope  = state.Scope{Account: "111122223333", Region: "eu-west-1"}
	launch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
)

func meta(id string) state.Meta { return state.Meta{Key: scope.Key(id)} }

// world is a VPC of loopback addresses with an instance of two interfaces, the
// first one 127.0.0.1, and another instance at 127.0.0.2.
type world struct {
	store    *state.Store
	instance state.Instance
	url      string
	late     atomic.Int64 // seconds that the clock is ahead
}

func run(t testing.TB) *world {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	attach := func(instance string, index int32) *state.Attachment {
		return &state.Attachment{ID: "eni-attach-1", InstanceID: instance, InstanceOwnerID: scope.Account, DeviceIndex: index}
	}
	ip := netip.MustParseAddr
	w := &world{store: store, instance: state.Instance{
		Meta: meta(testInstance), State: state.Running, LaunchTime: launch, LaunchIndex: 3, ReservationID: "r-1",
		ImageID: "ami-1", InstanceType: "t3.micro", KeyName: "my-key", VpcID: "vpc-1", SubnetID: "subnet-1",
		AvailabilityZone: "eu-west-1a", AvailZoneID: "euw1-az1", Architecture: "x86_64", RootDeviceName: "/dev/xvda",
		UserData: []byte("#!/bin/sh\necho \xff\n"), HostnameType: "ip-name", PrivateIP: ip("127.0.0.1"),
		Metadata: state.MetadataOptions{HttpTokens: "optional", HttpEndpoint: "enabled", InstanceTags: "enabled", HopLimit: 1},
	}}
	w.instance.Tags = state.Tags{{Key: "Name", Value: "web 1"}, {Key: "dnsname", Value: "a.example.com"}, {Key: "empty", Value: ""}, {Key: "a/b", Value: "x"}}
	w.write(t, func(tx *state.Tx) {
		state.Vpcs.Put(tx, &state.Vpc{Meta: meta("vpc-1"), EnableDnsSupport: true, EnableDnsHostnames: true, DhcpOptionsID: "default",
			Cidrs: []state.CidrAssociation{{Cidr: netip.MustParsePrefix("127.0.0.0/16")}, {Cidr: netip.MustParsePrefix("10.9.0.0/16")}}})
		state.Subnets.Put(tx, &state.Subnet{Meta: meta("subnet-1"), VpcID: "vpc-1", Cidr: netip.MustParsePrefix("127.0.0.0/24")})
		state.SecurityGroups.Put(tx, &state.SecurityGroup{Meta: meta("sg-1"), VpcID: "vpc-1", Name: "default"})
		state.SecurityGroups.Put(tx, &state.SecurityGroup{Meta: meta("sg-2"), VpcID: "vpc-1", Name: "web"})
		state.KeyPairs.Put(tx, &state.KeyPair{Meta: meta("key-1"), Name: "my-key", Type: "ed25519", PublicKey: "ssh-ed25519 AAAA"})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: meta("eni-1"), VpcID: "vpc-1", SubnetID: "subnet-1",
			MAC: "06:00:00:00:00:02", Groups: []string{"sg-1", "sg-2"}, Attachment: attach(testInstance, 0),
			Addresses: []state.PrivateAddress{{Addr: ip("127.0.0.1"), Primary: true, PublicIP: ip("203.0.113.9")}, {Addr: ip("127.0.0.7")}}})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: meta("eni-2"), VpcID: "vpc-1", SubnetID: "subnet-1",
			MAC: "06:00:00:00:00:01", Groups: []string{"sg-2"}, Attachment: attach(testInstance, 1),
			Addresses: []state.PrivateAddress{{Addr: ip("127.0.0.8"), Primary: true}}})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: meta("eni-3"), VpcID: "vpc-1", SubnetID: "subnet-1",
			MAC: "06:00:00:00:00:03", Attachment: attach("i-2", 0), Addresses: []state.PrivateAddress{{Addr: ip("127.0.0.2"), Primary: true}}})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: meta("eni-4"), VpcID: "vpc-1", SubnetID: "subnet-1",
			MAC: "06:00:00:00:00:04", Addresses: []state.PrivateAddress{{Addr: ip("127.0.0.4"), Primary: true}}})
		state.Instances.Put(tx, &w.instance)
		state.Instances.Put(tx, &state.Instance{Meta: meta("i-2"), VpcID: "vpc-1", PrivateIP: ip("127.0.0.2"),
			Metadata: state.MetadataOptions{HttpTokens: "optional"}})
	})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	s := New(Config{Snapshot: store.Snapshot, Notary: seals{}, Secret: [32]byte{1},
		Now: func() time.Time { return time.Now().Add(time.Duration(w.late.Load()) * time.Second) }})
	s.limit.Rate, s.limit.Burst = 1<<30, 1<<30
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l, scope.Key("vpc-1")) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) write(t testing.TB, fn func(*state.Tx)) {
	t.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// options changes the instance's metadata options.
func (w *world) options(t testing.TB, edit func(*state.MetadataOptions)) {
	t.Helper()
	next := w.instance
	edit(&next.Metadata)
	w.write(t, func(tx *state.Tx) { state.Instances.Put(tx, &next) })
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends "METHOD PATH" from an address with headers, given as name and value.
func (w *world) do(t testing.TB, source, request string, header ...string) answer {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequest(method, w.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true,
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}).DialContext}}
	res, err := client.Do(r)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func (w *world) token(t testing.TB, source string, ttl int) string {
	t.Helper()
	a := w.do(t, source, "PUT /latest/api/token", ttlHeader, fmt.Sprint(ttl))
	if a.status != 200 || a.header.Get(ttlHeader) != fmt.Sprint(ttl) || len(a.body) != 56 {
		t.Fatalf("token: %+v", a)
	}
	return a.body
}

func TestStatus(t *testing.T) {
	w := run(t)
	good := w.token(t, "127.0.0.1", 60)
	foreign := w.token(t, "127.0.0.2", 60)
	forged := "B" + good[1:]
	tokens := func(v string) func(*state.MetadataOptions) {
		return func(o *state.MetadataOptions) { o.HttpTokens = v }
	}
	disabled := func(o *state.MetadataOptions) { o.HttpEndpoint = "disabled" }
	for _, c := range []struct {
		name    string
		edit    func(*state.MetadataOptions)
		request string
		header  []string
		want    int
	}{
		{"version 1", tokens("optional"), "GET /latest/meta-data/instance-id", nil, 200},
		{"version 1, HEAD", tokens("optional"), "HEAD /latest/meta-data/instance-id", nil, 200},
		{"version 1 where 2 is required", tokens("required"), "GET /latest/meta-data/instance-id", nil, 401},
		{"version 2", tokens("required"), "GET /latest/meta-data/instance-id", []string{tokenHeader, good}, 200},
		{"version 2 where it is optional", tokens("optional"), "GET /latest/meta-data/instance-id", []string{tokenHeader, good}, 200},
		{"header in lower case", tokens("required"), "GET /latest/meta-data/instance-id", []string{"x-aws-ec2-metadata-token", good}, 200},
		{"another instance's token", tokens("optional"), "GET /latest/meta-data/instance-id", []string{tokenHeader, foreign}, 401},
		{"a changed token", tokens("optional"), "GET /latest/meta-data/instance-id", []string{tokenHeader, forged}, 401},
		{"an empty token", tokens("optional"), "GET /latest/meta-data/instance-id", []string{tokenHeader, ""}, 401},
		{"not a token", tokens("optional"), "GET /latest/meta-data/instance-id", []string{tokenHeader, strings.Repeat("%", 56)}, 401},
		{"unknown path without token", tokens("required"), "GET /latest/meta-data/nothing", nil, 401},
		{"unknown path", tokens("optional"), "GET /latest/meta-data/nothing", nil, 404},
		{"unknown version", tokens("optional"), "GET /2006-01-01/meta-data/", nil, 404},
		{"below a text", tokens("optional"), "GET /latest/meta-data/instance-id/x", nil, 404},
		{"token without TTL", tokens("optional"), "PUT /latest/api/token", nil, 400},
		{"token with TTL 0", tokens("optional"), "PUT /latest/api/token", []string{ttlHeader, "0"}, 400},
		{"token with TTL 21601", tokens("optional"), "PUT /latest/api/token", []string{ttlHeader, "21601"}, 400},
		{"token with TTL -1", tokens("optional"), "PUT /latest/api/token", []string{ttlHeader, "-1"}, 400},
		{"token with TTL x", tokens("optional"), "PUT /latest/api/token", []string{ttlHeader, "x"}, 400},
		{"token with the longest TTL", tokens("required"), "PUT /latest/api/token", []string{ttlHeader, "21600"}, 200},
		{"token through a proxy", tokens("optional"), "PUT /latest/api/token", []string{ttlHeader, "60", "X-Forwarded-For", "10.0.0.1"}, 403},
		{"reading through a proxy", tokens("optional"), "GET /latest/meta-data/instance-id", []string{"X-Forwarded-For", "10.0.0.1"}, 200},
		{"GET of the token", tokens("optional"), "GET /latest/api/token", nil, 405},
		{"POST", tokens("optional"), "POST /latest/meta-data/instance-id", nil, 405},
		{"PUT elsewhere", tokens("optional"), "PUT /latest/meta-data/instance-id", nil, 405},
		{"DELETE", tokens("optional"), "DELETE /latest/user-data", nil, 405},
		{"OPTIONS", tokens("optional"), "OPTIONS /latest/user-data", nil, 200},
		{"switched off", disabled, "GET /latest/meta-data/instance-id", nil, 403},
		{"switched off, with token", disabled, "GET /latest/meta-data/instance-id", []string{tokenHeader, good}, 403},
		{"switched off, token", disabled, "PUT /latest/api/token", []string{ttlHeader, "60"}, 403},
	} {
		w.options(t, c.edit)
		a := w.do(t, "127.0.0.1", c.request, c.header...)
		if a.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, a.status, c.want, a.body)
		}
		if a.header.Get("Server") != "EC2ws" {
			t.Errorf("%s: header %v", c.name, a.header)
		}
		if title := fmt.Sprintf("<title>%d - %s</title>", c.want, http.StatusText(c.want)); c.want >= 400 && c.want != 405 &&
			(!strings.Contains(a.body, title) || a.header.Get("Content-Type") != "text/html") {
			t.Errorf("%s: %v %s", c.name, a.header, a.body)
		}
	}
}

func TestWhoAsks(t *testing.T) {
	w := run(t)
	for source, want := range map[string]string{
		"127.0.0.1": "200 " + testInstance, // by its primary address
		"127.0.0.7": "200 " + testInstance, // by a secondary one
		"127.0.0.8": "200 " + testInstance, // by its other interface
		"127.0.0.2": "200 i-2",
	} {
		if a := w.do(t, source, "GET /latest/meta-data/instance-id"); fmt.Sprint(a.status, " ", a.body) != want {
			t.Errorf("%s: %d %s, want %s", source, a.status, a.body, want)
		}
	}
	if a := w.do(t, "127.0.0.4", "GET /latest/meta-data/instance-id"); a.status != 404 {
		t.Errorf("an interface without instance: %d", a.status)
	}
	if a := w.do(t, "127.0.0.5", "GET /latest/meta-data/instance-id"); a.status != 0 {
		t.Errorf("an address of nobody: %d %s", a.status, a.body)
	}
}

func TestTokensEnd(t *testing.T) {
	w := run(t)
	token := w.token(t, "127.0.0.1", 60)
	for _, c := range []struct {
		late int64
		want int
	}{{0, 200}, {59, 200}, {62, 401}, {1 << 20, 401}} {
		w.late.Store(c.late)
		a := w.do(t, "127.0.0.1", "GET /latest/meta-data/instance-id", tokenHeader, token)
		if a.status != c.want {
			t.Errorf("after %d s: %d, want %d", c.late, a.status, c.want)
		}
	}
	w.late.Store(0)
	if left := w.do(t, "127.0.0.1", "GET /latest/", tokenHeader, token).header.Get(ttlHeader); left != "60" && left != "61" {
		t.Errorf("%s seconds left, want 60", left)
	}
}

func TestHeaders(t *testing.T) {
	w := run(t)
	a := w.do(t, "127.0.0.1", "GET /latest/meta-data/instance-id")
	for name, want := range map[string]string{"Content-Type": "text/plain", "Server": "EC2ws", "Accept-Ranges": "none",
		"Content-Length": "19", "Last-Modified": "Wed, 04 Mar 2026 05:06:07 GMT", ttlHeader: ""} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := w.do(t, "127.0.0.1", "GET /latest/user-data").header.Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("user data is %q", got)
	}
	if got := w.do(t, "127.0.0.1", "GET /latest/api/token").header.Get("Allow"); got != "OPTIONS, PUT" {
		t.Errorf("the token allows %q", got)
	}
}

// TestTheTokenHasTheHopLimit tells the client's socket to take no packet with a
// TTL below 100: only an answer with the hop limit that is set here comes through.
func TestTheTokenHasTheHopLimit(t *testing.T) {
	w := run(t)
	w.options(t, func(o *state.MetadataOptions) { o.HopLimit = 200 })
	c, err := net.Dial("tcp4", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	minTTL := func(n int) {
		t.Helper()
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MINTTL, n) }); cerr != nil || err != nil {
			t.Fatal(cerr, err)
		}
	}
	r := bufio.NewReader(c)
	read := func(request string) string {
		t.Helper()
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		return res.Status
	}
	minTTL(100)
	if got := read("PUT /latest/api/token HTTP/1.1\r\nHost: x\r\n" + ttlHeader + ": 60\r\n\r\n"); got != "200 OK" {
		t.Error(got)
	}
	minTTL(0)
	if got := read("GET /latest/ HTTP/1.1\r\nHost: x\r\n\r\n"); got != "200 OK" {
		t.Error(got)
	}
}

func TestBadRequests(t *testing.T) {
	w := run(t)
	for _, c := range []struct{ name, in, want string }{
		{"not HTTP", "\x00\x01\x02\r\n\r\n", "HTTP/1.1 400 "},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
		{"large header", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 3*maxHeaderSize) + "\r\n\r\n", "HTTP/1.1 431 "},
		{"large path", "GET /" + strings.Repeat("a", 3*maxHeaderSize) + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 431 "},
		{"bad escape", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
		{"dots", "GET /latest/meta-data/../user-data HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		{"no path", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
		{"a body", "PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" + ttlHeader + ": 60\r\n\r\nabc", "HTTP/1.1 200 "},
		{"HTTP/1.0", "GET /latest/meta-data/instance-id HTTP/1.0\r\n\r\n", "HTTP/1.0 200 "},
	} {
		conn, err := net.Dial("tcp4", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.in); err != nil {
			t.Fatal(err)
		}
		got, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q %v, want %q", c.name, got, err, c.want)
		}
		conn.Close()
	}
	if a := w.do(t, "127.0.0.1", "GET /latest/meta-data/instance-id"); a.status != 200 {
		t.Errorf("afterwards: %+v", a)
	}
}

func BenchmarkGet(b *testing.B) {
	w := run(b)
	token := w.token(b, "127.0.0.1", maxTTL)
	w.profile(b)
	for _, path := range []string{"/latest/meta-data/instance-id", "/latest/meta-data/iam/security-credentials/Web", "/latest/meta-data/network/interfaces/macs/06:00:00:00:00:02/vpc-ipv4-cidr-block"} {
		b.Run(path[strings.LastIndexByte(path, '/')+1:], func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			r, err := http.NewRequest("GET", w.url+path, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set(tokenHeader, token)
			b.ReportAllocs()
			for b.Loop() {
				res, err := client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
					b.Fatal(res.Status, err)
				}
				res.Body.Close()
			}
		})
	}
}

// seals is a notary who says what was signed how.
type seals struct{}

func (seals) PKCS7(document string) (string, error)     { return "PKCS7 of " + document[:3], nil }
func (seals) Signature(document string) (string, error) { return "signature of " + document[:3], nil }
