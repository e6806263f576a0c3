package scenario

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/elbv2"
)

// TestAccessLog: each finished flow through a balancer that logs is a line of a file, with
// the client, the target and how much went either way; what was before and after is none.
func TestAccessLog(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.dir = filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(w.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if w.uid != os.Getuid() {
			allow(t, w.dir, w.uid)
		}
		b := stageBalanced(t, w, "")
		client := w.host("client")
		b.becomes("healthy", "healthy")
		set := func(pairs ...string) {
			in := &elbv2.ModifyLoadBalancerAttributesInput{LoadBalancerArn: b.balancer.LoadBalancerArn}
			for i := 0; i < len(pairs); i += 2 {
				in.Attributes = append(in.Attributes, elbv2.LoadBalancerAttribute{Key: new("access_logs.s3." + pairs[i]), Value: new(pairs[i+1])})
			}
			elb[elbv2.ModifyLoadBalancerAttributesOutput](b, "ModifyLoadBalancerAttributes", in)
		}
		// asks has the client ask, and gives the servers that answered.
		asks := func(times int) (servers []string) {
			for range times {
				server, from, _ := strings.Cut(w.says("client", "localvpc guest get -m 5 http://"+*b.balancer.DNSName+"/"), " ")
				if from != client {
					t.Errorf("%s sees %s, want %s", server, from, client)
				}
				servers = append(servers, b.addr[server]+":80")
			}
			return servers
		}
		asks(1)
		if _, err := os.Stat(filepath.Join(w.dir, "s3")); !os.IsNotExist(err) {
			t.Errorf("nothing logs, and there are files: %v", err)
		}
		set("enabled", "true", "bucket", "my-logs", "prefix", "front/end")
		want := asks(5)
		lines := logged(t, w, len(want))
		w.endEngine()
		more := asks(3)
		want = append(want, more...)
		lines = append(lines, logged(t, w, len(want))[len(lines):]...)
		set("enabled", "false")
		asks(2)
		set("enabled", "true") // and what is written next comes behind what those would have
		want = append(want, asks(1)...)
		lines = append(lines, logged(t, w, len(want))[len(lines):]...)

		var targets []string
		arn := *b.balancer.LoadBalancerArn
		for _, line := range lines {
			f := strings.Fields(line)
			if len(f) != 23 {
				t.Fatalf("a line has %d fields: %s", len(f), line)
			}
			in, _ := strconv.Atoi(f[9])
			out, _ := strconv.Atoi(f[10])
			took, err := strconv.Atoi(f[7])
			if f[0] != "tcp" || f[3] != arn[strings.Index(arn, "net/"):] || !strings.HasPrefix(f[5], client+":") || !strings.HasPrefix(f[6], "10.0.") || !strings.HasSuffix(f[6], ":80") ||
				in < 100 || in > 10000 || out < 100 || out > 10000 || err != nil || took > 5000 {
				t.Errorf("a line says %s", line)
			}
			targets = append(targets, f[22])
		}
		if !slices.Equal(targets, want) {
			t.Errorf("the targets are %v, want %v", targets, want)
		}
	})
}

// logged waits until the log has so many lines, and gives them.
func logged(t *testing.T, w *world, n int) (lines []string) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for bound := time.After(30 * time.Second); ; {
		files, err := filepath.Glob(filepath.Join(w.dir, "s3/my-logs/front/end/AWSLogs/000000000000/elasticloadbalancing/us-east-1/*/*/*/000000000000_elasticloadbalancing_us-east-1_net.front.*.log"))
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, file := range files {
			text += string(must(os.ReadFile(file))(t))
		}
		if lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n"); text != "" && len(lines) >= n {
			if len(lines) > n {
				t.Fatalf("%d lines, want %d:\n%s", len(lines), n, text)
			}
			return lines
		}
		select {
		case <-ticker.C:
		case <-bound:
			t.Fatalf("the log has not %d lines:\n%s", n, text)
		}
	}
}
