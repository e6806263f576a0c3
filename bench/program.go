//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
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

// command prepares a command of the program.
func (p *program) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.b.binary, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.b.dir, "LOCALVPC_URL=http://" + p.addr}
	return cmd
}

// exec prepares a command in an instance.
func (p *program) exec(ctx context.Context, instance string, args ...string) *exec.Cmd {
	return p.command(ctx, append([]string{"exec", instance, "--"}, args...)...)
}

// outside makes an outside host and starts a load generator in it.
func (p *program) outside(ctx context.Context, name string) (*agent, error) {
	cmd := p.command(ctx, "host", "add", name, "--json")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("making the outside host %s: %w: %s", name, err, bytes.TrimSpace(errs.Bytes()))
	}
	var host struct{ Addr string }
	if err := json.Unmarshal(out, &host); err != nil {
		return nil, fmt.Errorf("reading the outside host %s: %w", name, err)
	}
	return p.agentIn(ctx, name, host.Addr)
}
