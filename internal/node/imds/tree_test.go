//go:build linux

package imds

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

var update = flag.Bool("update", false, "write testdata/tree.txt anew")

// TestTree reads everything that the listings lead to, as cloud-init does, and
// compares it with testdata/tree.txt: "path = text".
func TestTree(t *testing.T) {
	w := run(t)
	var b strings.Builder
	get := func(path string) string {
		a := w.do(t, "127.0.0.1", "GET "+path)
		if a.status != 200 {
			t.Errorf("%s is listed, but %d", path, a.status)
		}
		fmt.Fprintf(&b, "%s = %q\n", path, a.body)
		return a.body
	}
	var crawl func(path string)
	crawl = func(path string) {
		for _, line := range strings.Split(get(path), "\n") {
			number, _, isKey := strings.Cut(line, "=")
			switch {
			case strings.HasSuffix(path, "/public-keys/") && isKey:
				crawl(path + number + "/")
			case strings.HasSuffix(line, "/"):
				crawl(path + line)
			default:
				get(path + line)
			}
		}
	}
	if got, want := get("/"), "1.0\n2007-01-19\n"; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\nlatest") {
		t.Errorf("versions %q", got)
	}
	get("/latest/")
	get("/latest/user-data")
	crawl("/latest/dynamic/")
	crawl("/latest/meta-data/")
	const file = "testdata/tree.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the tree is not %s (write it anew with -update):\n%s", file, b.String())
	}
}

func TestListingsAreSorted(t *testing.T) {
	w := run(t)
	s := &subject{snap: w.store.Snapshot(), instance: &w.instance}
	var check func(path string, d directory)
	check = func(path string, d directory) {
		if !slices.IsSortedFunc(d, func(a, b entry) int { return strings.Compare(a.name, b.name) }) {
			t.Errorf("%s is not sorted: %s", path, d.list(s))
		}
		for _, e := range d {
			if (e.sub == nil) == (e.text == nil) {
				t.Errorf("%s/%s is not either a text or a directory", path, e.name)
			}
			if e.sub != nil {
				check(path+"/"+e.name, e.sub(s))
			}
		}
	}
	check("", root)
}

func TestWhatIsNotThere(t *testing.T) {
	w := run(t)
	status := func(path string) int { return w.do(t, "127.0.0.2", "GET "+path).status }
	for _, path := range []string{"/latest/user-data", "/latest/meta-data/tags/", "/latest/meta-data/tags/instance/", "/latest/meta-data/public-keys/",
		"/latest/meta-data/public-ipv4", "/latest/meta-data/public-hostname", "/latest/meta-data/security-groups", "/latest/meta-data/iam/",
		"/latest/meta-data/network/interfaces/macs/06:00:00:00:00:02/", "/latest/meta-data/network/interfaces/macs/06:00:00:00:00:03/public-ipv4s"} {
		if got := status(path); got != 404 {
			t.Errorf("%s: %d", path, got)
		}
	}
	top := w.do(t, "127.0.0.2", "GET /latest/").body
	if top != "dynamic\nmeta-data" {
		t.Errorf("without user data: %q", top)
	}
	if list := w.do(t, "127.0.0.2", "GET /latest/meta-data/").body; strings.Contains(list, "tags") || strings.Contains(list, "public-") {
		t.Errorf("listed: %q", list)
	}
}

func TestSpellingsOfAPath(t *testing.T) {
	w := run(t)
	want := w.do(t, "127.0.0.1", "GET /latest/meta-data/").body
	for _, path := range []string{"/latest/meta-data", "//latest//meta-data", "/2021-07-15/meta-data/", "/latest/meta-data/?x=y"} {
		if got := w.do(t, "127.0.0.1", "GET "+path); got.body != want {
			t.Errorf("%s: %d %q", path, got.status, got.body)
		}
	}
	if got := w.do(t, "127.0.0.1", "GET /latest/meta-data/instance-id/"); got.body != testInstance {
		t.Errorf("a text with a slash: %d %q", got.status, got.body)
	}
	if got := w.do(t, "127.0.0.1", "GET /latest/meta-data/tags/instance/%4eame"); got.body != "web 1" {
		t.Errorf("an escape: %d %q", got.status, got.body)
	}
}

func TestPublicNamesFollowTheVpc(t *testing.T) {
	w := run(t)
	w.write(t, func(tx *state.Tx) {
		state.Vpcs.Put(tx, &state.Vpc{Meta: meta("vpc-1"), EnableDnsSupport: true, DhcpOptionsID: "default",
			Cidrs: []state.CidrAssociation{{Cidr: netip.MustParsePrefix("127.0.0.0/16")}}})
	})
	if got := w.do(t, "127.0.0.1", "GET /latest/meta-data/public-hostname"); got.status != 404 {
		t.Errorf("public-hostname with the attribute off: %d %s", got.status, got.body)
	}
	if got := w.do(t, "127.0.0.1", "GET /latest/meta-data/public-ipv4"); got.body != "203.0.113.9" {
		t.Errorf("public-ipv4: %d %s", got.status, got.body)
	}
}

// FuzzFind asks for any path: nothing but texts of this instance comes back.
func FuzzFind(f *testing.F) {
	for _, s := range []string{"/", "/latest/meta-data/", "/latest/meta-data/network/interfaces/macs/06:00:00:00:00:02/vpc-id", "/latest/meta-data/public-keys/0/openssh-key"} {
		f.Add(s)
	}
	w := run(f)
	s := &subject{snap: w.store.Snapshot(), instance: &w.instance}
	f.Fuzz(func(t *testing.T, path string) {
		found, ok := root.find(segments(path), s)
		if ok && found.contentType == "" {
			t.Errorf("%q: %+v", path, found)
		}
		if strings.Contains(found.text, "i-2") || strings.Contains(found.text, "eni-3") {
			t.Errorf("%q tells of another instance: %q", path, found.text)
		}
	})
}

func FuzzToken(f *testing.F) {
	w := run(f)
	s := New(Config{Snapshot: w.store.Snapshot, Now: func() time.Time { return launch }, Secret: [32]byte{1}})
	good := s.issue(&w.instance, launch.Add(time.Minute))
	f.Add(good)
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if s.left(&w.instance, token) > 0 && token != good {
			t.Errorf("%q is taken", token)
		}
	})
}
