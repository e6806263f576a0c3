//go:build linux

// Command traffic is the load generator of the benchmarks. One copy of it runs
// at each end of a path, in an instance or in a plain namespace, and obeys
// commands that come by standard input, one per line, each answered by one line
// of JSON.
//
// Invariant: the two ends of every path that is compared run this same code with
// the same socket options, which are the kernel's defaults; and the loops that
// are measured make system calls and nothing else, so that CPU time is the
// kernel's and not this program's.
//
//	serve PORT                 listen; answers once it listens
//	stream ADDR:PORT SECONDS   one connection, as many bytes as go through
//	connect ADDR:PORT SECONDS  one connection after the other, one byte each way
//	request ADDR:PORT SECONDS  one connection, one byte each way again and again
//	once ADDR:PORT SECONDS     connect a single time, waiting at most that long
//	until ADDR:PORT SECONDS    ask for / by HTTP, again and again, until answered
//	who ADDR:PORT SECONDS      connect a single time and ask who is at both ends
//	hold ADDR:PORT SECONDS     one connection, one byte each way; it stays open until the next hold
//	still SECONDS              one byte each way on it, waiting at most that long
//	names ADDR:PORT SECONDS NAME TYPE VARIANTS RATE CODE
//	                           ask for names over UDP, as many as are answered or RATE per second
//	metadata ADDR:PORT SECONDS CONNECTIONS RATE PATH
//	                           get a path below latest, with a token, RATE times per second on each connection
//	pin first|last             stay on the first or last CPU from now on
//	cpu                        the CPU time used so far
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/bench/report"
)

func main() {
	debug.SetGCPercent(-1) // nothing is allocated where it is measured
	out := json.NewEncoder(os.Stdout)
	g := &generator{held: -1}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		r, err := g.obey(strings.Fields(lines.Text()))
		if err != nil {
			r.Error = err.Error()
		}
		if out.Encode(r) != nil {
			os.Exit(1) // nobody listens any more
		}
	}
}

var errUsage = errors.New("usage: serve PORT | pin first|last | stream|connect|request|once|until|who|hold ADDR:PORT SECONDS | still SECONDS | cpu")

// generator is what is kept from one command to the next.
type generator struct{ held int } // the connection that stays open; -1: none

func (g *generator) obey(args []string) (report.Traffic, error) {
	switch {
	case len(args) == 1 && args[0] == "cpu":
		return report.Traffic{CPU: cpu()}, nil
	case len(args) == 2 && args[0] == "pin":
		return report.Traffic{}, pin(args[1] == "last")
	case len(args) == 2 && args[0] == "serve":
		port, err := strconv.ParseUint(args[1], 10, 16)
		if err != nil {
			return report.Traffic{}, errUsage
		}
		return report.Traffic{}, serve(uint16(port))
	case len(args) == 2 && args[0] == "still":
		seconds, err := strconv.ParseFloat(args[1], 64)
		if err != nil {
			return report.Traffic{}, errUsage
		}
		return g.still(time.Duration(seconds * float64(time.Second)))
	case len(args) == 8 && args[0] == "names":
		to, err := netip.ParseAddrPort(args[1])
		seconds, err2 := strconv.ParseFloat(args[2], 64)
		typ, err3 := strconv.ParseUint(args[4], 10, 16)
		variants, err4 := strconv.Atoi(args[5])
		rate, err5 := strconv.Atoi(args[6])
		code, err6 := strconv.ParseUint(args[7], 10, 4)
		if err := errors.Join(err, err2, err3, err4, err5, err6); err != nil || variants < 1 {
			return report.Traffic{}, errUsage
		}
		before, start := cpu(), time.Now()
		r, err := names(sockaddr(to), time.Duration(seconds*float64(time.Second)), args[3], uint16(typ), variants, rate, byte(code))
		r.Seconds, r.CPU = time.Since(start).Seconds(), cpu()-before
		return r, err
	case len(args) == 6 && args[0] == "metadata":
		to, err := netip.ParseAddrPort(args[1])
		seconds, err2 := strconv.ParseFloat(args[2], 64)
		conns, err3 := strconv.Atoi(args[3])
		rate, err4 := strconv.Atoi(args[4])
		if err := errors.Join(err, err2, err3, err4); err != nil || conns < 1 {
			return report.Traffic{}, errUsage
		}
		before, start := cpu(), time.Now()
		r, err := metadata(sockaddr(to), time.Duration(seconds*float64(time.Second)), conns, rate, args[5])
		r.Seconds, r.CPU = time.Since(start).Seconds(), cpu()-before
		return r, err
	case len(args) == 3:
		loop, ok := map[string]func(unix.Sockaddr, time.Duration) (report.Traffic, error){
			"stream": stream, "connect": connects, "request": requests, "once": once, "until": until, "who": who, "hold": g.hold,
		}[args[0]]
		to, err := netip.ParseAddrPort(args[1])
		seconds, err2 := strconv.ParseFloat(args[2], 64)
		if !ok || err != nil || err2 != nil {
			return report.Traffic{}, errUsage
		}
		before, start := cpu(), time.Now()
		r, err := loop(sockaddr(to), time.Duration(seconds*float64(time.Second)))
		r.Seconds, r.CPU = time.Since(start).Seconds(), cpu()-before
		return r, err
	}
	return report.Traffic{}, errUsage
}

// pin keeps all threads of this process, those to come included, on one CPU:
// whether the two ends share one decides more than what lies between them.
func pin(last bool) error {
	var may, chosen unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return fmt.Errorf("reading the CPUs: %w", err)
	}
	for cpu := range len(may) * 64 {
		if may.IsSet(cpu) && (last || chosen.Count() == 0) {
			chosen = unix.CPUSet{}
			chosen.Set(cpu)
		}
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("listing the threads: %w", err)
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err == nil {
			err = unix.SchedSetaffinity(id, &chosen)
		}
		if err != nil && err != unix.ESRCH {
			return fmt.Errorf("choosing a CPU for thread %s: %w", t.Name(), err)
		}
	}
	return nil
}

// cpu is the CPU time of this process in seconds, user and system.
func cpu() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func family(to unix.Sockaddr) int {
	if _, ok := to.(*unix.SockaddrInet6); ok {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func open(to unix.Sockaddr, flags int) (int, error) {
	fd, err := unix.Socket(family(to), unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket: %w", err)
	}
	return fd, nil
}

// path says what the kernel chose for a connection.
func path(fd int, r *report.Traffic) error {
	var err error
	if r.Control, err = unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION); err != nil {
		return fmt.Errorf("reading the congestion control: %w", err)
	}
	if r.Segment, err = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG); err != nil {
		return fmt.Errorf("reading the segment size: %w", err)
	}
	return nil
}
