//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/localvpc/localvpc/internal/aws/client"
)

// program is one running localvpc.
type program struct {
	b      *bench
	cmd    *exec.Cmd
	addr   string // host:port of the API
	client *client.Client
	errs   bytes.Buffer
}

// command runs a program file as the run's user.
func (b *bench) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "TMPDIR=" + os.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if b.uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(b.uid), Gid: uint32(b.uid)}
	}
	return cmd
}

// folder makes a directory that the run's user owns, on the disk.
func (b *bench) folder() (string, error) {
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return "", err
	}
	return dir, os.Chown(dir, b.uid, -1)
}

// freeAddr is an address of the loopback where nobody listens.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// launch starts localvpc and does not wait. Without arguments it is ephemeral.
func (b *bench) launch(args ...string) (*program, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		args = []string{"--ephemeral"}
	}
	p := &program{b: b, addr: addr, client: client.New("http://"+addr, "us-east-1", "test", "test")}
	p.cmd = b.command(b.binary, append([]string{"up", "--listen", addr}, args...)...)
	p.cmd.Stderr = &p.errs
	return p, nil
}

var readyLine = regexp.MustCompile(`http://\S+`)

// up starts localvpc and waits for the line that says it is ready.
func (b *bench) up(args ...string) (*program, error) {
	p, err := b.launch(args...)
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting localvpc: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !readyLine.MatchString(line) {
		return nil, fmt.Errorf("localvpc did not start: %s", p.end())
	}
	return p, nil
}

// end stops the program, waits until it is gone and gives what it complained of.
func (p *program) end() string {
	p.client.Close()
	if p.cmd.Process != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
		_ = p.cmd.Wait()
		late.Stop()
	}
	return strings.TrimSpace(p.errs.String())
}

// with runs fn with a localvpc of its own; what the program complained of goes
// with an error.
func (b *bench) with(fn func(p *program) error, args ...string) error {
	p, err := b.up(args...)
	if err != nil {
		return err
	}
	err = fn(p)
	if said := p.end(); err != nil && said != "" {
		err = fmt.Errorf("%w\nlocalvpc said: %s", err, said)
	}
	return err
}

// exec prepares a command in an instance.
func (p *program) exec(ctx context.Context, instance string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.b.binary, append([]string{"exec", instance, "--"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.b.dir, "LOCALVPC_URL=http://" + p.addr}
	return cmd
}

// processes are the program's own and all below it, those of instances included.
func (p *program) processes() ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid …; the name may hold anything.
		head, rest, _ := strings.Cut(string(text), "(")
		_, rest, ok := cutLast(rest, ") ")
		fields := strings.Fields(rest)
		pid, err := strconv.Atoi(strings.TrimSpace(head))
		if !ok || len(fields) < 2 || err != nil {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{p.cmd.Process.Pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// memory is the proportional set size of all processes, in bytes, and their number.
func (p *program) memory() (bytes float64, count int, err error) {
	pids, err := p.processes()
	if err != nil {
		return 0, 0, err
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return 0, 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
				kib, err := strconv.ParseFloat(f[1], 64)
				if err != nil {
					return 0, 0, err
				}
				bytes += kib * 1024
				count++
			}
		}
	}
	return bytes, count, nil
}
