//go:build linux

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// moto is the yardstick of the API: a running moto_server.
type moto struct {
	cmd  *exec.Cmd
	addr string
}

var errNoMoto = errors.New("moto_server is not installed: pip install 'moto[server,ec2]'")

// startMoto starts moto_server and does not wait.
func startMoto() (*moto, error) {
	path, err := exec.LookPath("moto_server")
	if err != nil {
		return nil, errNoMoto
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	m := &moto{addr: addr, cmd: exec.Command(path, "-H", "127.0.0.1", "-p", port)}
	m.cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	// A group of its own, since what is on the PATH may be a shim that forks.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return m, m.cmd.Start()
}

func (m *moto) end() {
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	_ = m.cmd.Wait()
}

// answered waits until DescribeRegions is answered and gives the time of that.
// While nobody listens it asks each millisecond.
func answered(ctx context.Context, addr string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	p := newPoster(addr)
	defer p.close()
	for question := form("DescribeRegions"); ; {
		_, err := p.post(question)
		if err == nil {
			return time.Now(), nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, errors.Join(err, ctx.Err())
		case <-again.C:
		}
	}
}
