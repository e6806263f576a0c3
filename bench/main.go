//go:build linux

// Command bench measures localvpc against its yardsticks and says which of its
// targets it reaches.
//
// Invariant: every ratio has both of its sides measured in the same run, in
// interleaved rounds, by the same client; localvpc is measured as its users have
// it, as the built program behind its API, and nothing is measured inside it.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// subject is one table.
type subject struct {
	name, title string
	run         func(ctx context.Context, b *bench) ([]row, error)
}

var subjects = []subject{
	{"start", "start: from the process to its first answer", startRows},
	{"memory", "memory: proportional set size of all processes", memoryRows},
	{"api", "api: mixed load, 16 clients, durable", apiRows},
	{"boot", "boot: RunInstances to the first answer of the instance's own server", bootRows},
	{"rule", "rule: a security group rule is changed and obeyed", ruleRows},
	{"route", "route: a route is changed and obeyed", routeRows},
	{"address", "address: an Elastic IP moves and the next packet finds it", addressRows},
	{"path", "path: packets between two instances against plain routing", pathRows},
	{"edge", "edge: packets between an instance and an outside host against plain routing", edgeRows},
	{"peering", "peering: packets between two instances of peered VPCs against one VPC", peeringRows},
	{"balancer", "balancer: packets through a network load balancer against the straight way", balancerRows},
	{"scale", "scale: many interfaces, many instances", scaleRows},
	{"identity", "identity: what a signature and policies add to a request", identityRows},
	{"metadata", "metadata: instance metadata, from inside an instance", metadataRows},
	{"dns", "dns: answers to questions, against name servers with the same zone", dnsRows},
}

// bench is one run of the benchmarks.
type bench struct {
	uid     int    // whom the program runs as
	dir     string // everything that the run makes; gone afterwards
	binary  string // the program
	traffic string // the load generator
	quick   bool
	rounds  int
}

// pick is full, or little when the run is to be quick.
func pick[T any](b *bench, full, little T) T {
	if b.quick {
		return little
	}
	return full
}

// times is how many rounds to make where full is the normal number.
func (b *bench) times(full int) int {
	if b.rounds > 0 {
		return b.rounds
	}
	return pick(b, full, max(1, full/5))
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == plainArg {
		os.Exit(plainMain(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	missed, err := run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if missed > 0 {
		fmt.Printf("\n%d targets missed\n", missed)
		os.Exit(1)
	}
}

func run(ctx context.Context) (missed int, err error) {
	b := &bench{}
	names := make([]string, len(subjects))
	for i, s := range subjects {
		names[i] = s.name
	}
	only := flag.String("only", "", "subjects to measure, separated by commas: "+strings.Join(names, ","))
	flag.BoolVar(&b.quick, "quick", false, "few and short rounds: to see that everything works, not how fast it is")
	flag.IntVar(&b.rounds, "rounds", 0, "number of rounds (default: as each subject needs)")
	flag.IntVar(&b.uid, "user", os.Getuid(), "user id to run the program as; another than one's own needs root")
	where := flag.String("dir", "", "directory on a disk for state and disks (default: the one for temporary files)")
	flag.Parse()
	if flag.NArg() > 0 {
		return 0, fmt.Errorf("there is no argument %q; -h lists the flags", flag.Arg(0))
	}
	if b.uid != os.Getuid() && os.Getuid() != 0 {
		return 0, fmt.Errorf("-user %d needs root: run as that user instead", b.uid)
	}
	var wanted []string
	if *only != "" {
		wanted = strings.Split(*only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return 0, fmt.Errorf("there is no subject %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	if b.dir, err = os.MkdirTemp(*where, "localvpc-bench-"); err != nil {
		return 0, fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(b.dir)
	if err := b.build(ctx); err != nil {
		return 0, err
	}
	fmt.Println(b.machine())
	for _, s := range subjects {
		if len(wanted) > 0 && !slices.Contains(wanted, s.name) {
			continue
		}
		before, err := cpuUsage()
		if err != nil {
			return missed, fmt.Errorf("reading the use of the CPUs: %w", err)
		}
		rows, err := s.run(ctx, b)
		if ctx.Err() != nil {
			return missed, fmt.Errorf("interrupted")
		}
		after, failed := cpuUsage()
		if failed != nil {
			return missed, fmt.Errorf("reading the use of the CPUs: %w", failed)
		}
		missed += show(os.Stdout, fmt.Sprintf("%s (other programs had %.0f %% of the CPUs)", s.title, 100*after.others(before)), rows)
		if err != nil {
			missed++
			fmt.Printf("  MISS: %s could not be measured: %v\n", s.name, err)
		}
	}
	return missed, nil
}

// build compiles the program and the load generator to where any user may run them.
func (b *bench) build(ctx context.Context) error {
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	b.binary, b.traffic = filepath.Join(b.dir, "localvpc"), filepath.Join(b.dir, "traffic")
	for out, pkg := range map[string]string{b.binary: "cmd/localvpc", b.traffic: "bench/traffic"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/localvpc/localvpc/"+pkg)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("building %s (run the benchmarks inside the repository): %w", pkg, err)
		}
	}
	if out, err := exec.CommandContext(ctx, b.binary, "probe").CombinedOutput(); err != nil {
		return fmt.Errorf("localvpc cannot have instances here: %s", strings.TrimSpace(string(out)))
	}
	return nil
}

// machine is the line that results are read with.
func (b *bench) machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	var m unix.Sysinfo_t
	_ = unix.Sysinfo(&m)
	who := fmt.Sprintf("user %d", b.uid)
	if b.uid == 0 {
		who = "root"
	}
	kind := ""
	if b.quick {
		kind = ", QUICK: the numbers mean little"
	}
	return fmt.Sprintf("%s, %s/%s, kernel %s, %d CPUs, %.0f GiB, program run by %s%s", time.Now().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH,
		unix.ByteSliceToString(u.Release[:]), runtime.NumCPU(), math.Round(float64(m.Totalram)*float64(m.Unit)/(1<<30)), who, kind)
}

// onDisk tells whether what is written to the run's directory reaches a disk.
func (b *bench) onDisk() bool {
	var fs unix.Statfs_t
	return unix.Statfs(b.dir, &fs) == nil && fs.Type != unix.TMPFS_MAGIC
}
