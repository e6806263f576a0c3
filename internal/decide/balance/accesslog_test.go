package balance

import (
	"net/netip"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

func logging(bucket, prefix string) *state.LoadBalancer {
	b := &state.LoadBalancer{Name: "front", Hash: "0123456789abcdef", State: "active"}
	b.Key = state.Scope{Account: "123456789012", Region: "us-east-1"}.Key("net/front/0123456789abcdef")
	b.Attributes = b.Attributes.With(AttrLogs, "true").With(AttrLogBucket, bucket).With(AttrLogPrefix, prefix)
	return b
}

func TestLogPath(t *testing.T) {
	day := time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)
	want := "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2024/02/29/123456789012_elasticloadbalancing_us-east-1_net.front.0123456789abcdef_20240229.log"
	if got := LogPath(logging("my-logs", ""), day); got != "my-logs/"+want {
		t.Error(got)
	}
	if got := LogPath(logging("my-logs", "a/b"), day.In(time.FixedZone("", 7200))); got != "my-logs/a/b/"+want {
		t.Error(got)
	}
}

func TestLogLine(t *testing.T) {
	end := time.Date(2024, 2, 29, 12, 0, 1, 5e8, time.UTC)
	l := Logged{
		Balancer: logging("my-logs", ""), Listener: "net/front/0123456789abcdef/fedcba9876543210", Protocol: "tcp",
		Client: netip.MustParseAddrPort("203.0.113.9:40000"), Node: netip.MustParseAddrPort("10.0.1.5:80"), Target: netip.MustParseAddrPort("10.0.11.4:8080"),
		Begin: end.Add(-1250 * time.Millisecond), End: end, Counted: true, In: 400, Out: 900,
	}
	want := "tcp 2.0 2024-02-29T12:00:01 net/front/0123456789abcdef fedcba9876543210 203.0.113.9:40000 10.0.1.5:80 1250 - 400 900 - - - - - - - - - - 2024-02-29T12:00:00 10.0.11.4:8080"
	if got := l.Line(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	l.Begin, l.Counted, l.Target = time.Time{}, false, netip.AddrPort{}
	if got := l.Line(); len(strings.Fields(got)) != len(strings.Fields(want)) || !strings.Contains(got, "10.0.1.5:80 - - - -") {
		t.Error(got)
	}
}

func TestLogPlaces(t *testing.T) {
	for _, c := range []struct {
		bucket, prefix string
		ok             bool
	}{
		{"my-logs", "", true}, {"my.logs.2", "a", true}, {"abc", "a/b_c/(d)!", true},
		{"", "", false}, {"ab", "", false}, {strings.Repeat("a", 64), "", false}, {"a/b", "", false}, {"..", "", false}, {"a..b", "", false}, {"-ab", "", false},
		{"ab-", "", false}, {"Abc", "", false}, {"10.0.0.1", "", false}, {"ab\x00c", "", false}, {"ab\nc", "", false},
		{"abc", "/a", false}, {"abc", "a/", false}, {"abc", "a//b", false}, {"abc", "..", false}, {"abc", "a/../../b", false}, {"abc", ".", false}, {"abc", "a b", false},
		{"abc", "xAWSLogs", false}, {"abc", "a\nb", false}, {"abc", strings.Repeat("a", 256), false}, {"abc", strings.Repeat("a/", 256) + "aa", false},
	} {
		if got := Logs(logging(c.bucket, c.prefix)); got != c.ok {
			t.Errorf("bucket %q, prefix %q: %v", c.bucket, c.prefix, got)
		}
	}
}

// FuzzLogPlace: what is taken stays in its directory.
func FuzzLogPlace(f *testing.F) {
	f.Add("my-logs", "a/b")
	f.Add("..", "../..")
	f.Fuzz(func(t *testing.T, bucket, prefix string) {
		b := logging(bucket, prefix)
		if !Logs(b) {
			return
		}
		p := LogPath(b, time.Unix(0, 0))
		if path.Clean("/"+p) != "/"+p || !strings.HasPrefix(p, bucket+"/") || strings.Contains(bucket, "/") || len(p) > 1024 {
			t.Errorf("it leads to %q", p)
		}
	})
}
