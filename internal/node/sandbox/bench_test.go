//go:build linux

package sandbox_test

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/node/sandbox"
)

// BenchmarkBoot measures from Create to the first output of the instance's own
// process, one instance after the other.
func BenchmarkBoot(b *testing.B) {
	p := newPlace(b)
	if err := p.Prepare(); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		begin := time.Now()
		sb, err := up(b, p, i)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
		b.StopTimer()
		if err := sb.Kill(); err != nil {
			b.Fatal(err)
		}
		sb.Close()
		if err := p.Destroy(sb.ID()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// up starts an instance and waits for the output of a command in it.
func up(b testing.TB, p *place, i int) (*sandbox.Sandbox, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sb, err := p.Create(sandbox.Spec{ID: fmt.Sprintf("i-%017x", i), Hostname: "bench", ResolvConf: "nameserver 10.0.0.2\n"})
	if err == nil {
		err = sb.Boot(limit(b))
	}
	if err != nil {
		return nil, err
	}
	_, err = sb.Exec(limit(b), sandbox.ExecSpec{Args: []string{"echo", "running"}, Stdout: w})
	w.Close()
	if err == nil {
		_, err = io.ReadAll(r)
	}
	return sb, err
}

// BenchmarkHundred starts 100 instances, two at a time, and measures the memory
// of their inits.
func BenchmarkHundred(b *testing.B) {
	for b.Loop() {
		p := newPlace(b)
		if err := p.Prepare(); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		all := make([]*sandbox.Sandbox, 100)
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for i := worker; i < len(all); i += 4 {
					sb, err := up(b, p, i)
					if err != nil {
						b.Errorf("instance %d: %v", i, err)
						return
					}
					all[i] = sb
				}
			})
		}
		group.Wait()
		if b.Failed() {
			return
		}
		b.ReportMetric(time.Since(begin).Seconds(), "s/100")
		pss, rss, anonymous := 0, 0, 0
		for _, sb := range all {
			pss += kilobytes(b, sb.Pid(), "Pss")
			rss += kilobytes(b, sb.Pid(), "Rss")
			anonymous += kilobytes(b, sb.Pid(), "Pss_Anon")
		}
		b.ReportMetric(float64(pss)/100, "PSS-KB")
		b.ReportMetric(float64(rss)/100, "RSS-KB")
		b.ReportMetric(float64(anonymous)/100, "anon-KB")
		begin = time.Now()
		for _, sb := range all {
			group.Go(func() {
				if err := sb.Kill(); err != nil {
					b.Error(err)
				}
				sb.Close()
				if err := p.Destroy(sb.ID()); err != nil {
					b.Error(err)
				}
			})
		}
		group.Wait()
		b.ReportMetric(time.Since(begin).Seconds(), "s/100-destroyed")
	}
}

func kilobytes(b testing.TB, pid int, what string) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + what + `:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		b.Fatalf("no %s in %s", what, text)
	}
	n, _ := strconv.Atoi(string(found[1]))
	return n
}
