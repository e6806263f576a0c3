//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/localvpc/localvpc/bench/report"
)

// agent is a running load generator, wherever it runs.
type agent struct {
	in   io.WriteCloser
	out  *bufio.Reader
	addr string // of its host
	end  func() string
}

// agentPath is where an instance keeps the load generator.
const agentPath = "/tmp/traffic"

// agentIn puts a load generator into an instance and starts it.
func (p *program) agentIn(ctx context.Context, instance, addr string) (*agent, error) {
	file, err := os.Open(p.b.traffic)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	put := p.exec(ctx, instance, "/bin/sh", "-c", "cat >"+agentPath+" && chmod 755 "+agentPath)
	put.Stdin = file
	if out, err := put.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("putting the load generator into %s: %w: %s", instance, err, bytes.TrimSpace(out))
	}
	a, err := startAgent(p.exec(ctx, instance, agentPath))
	if err != nil {
		return nil, fmt.Errorf("starting the load generator in %s: %w", instance, err)
	}
	a.addr = addr
	return a, nil
}

func startAgent(cmd *exec.Cmd) (*agent, error) {
	var problems bytes.Buffer
	cmd.Stderr = &problems
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	a := newAgent(in, out, "")
	a.end = func() string {
		_ = in.Close()
		_ = cmd.Wait()
		return strings.TrimSpace(problems.String())
	}
	return a, nil
}

func newAgent(in io.WriteCloser, out io.Reader, addr string) *agent {
	return &agent{in: in, out: bufio.NewReader(out), addr: addr}
}

// say sends a command and waits for its answer.
func (a *agent) say(format string, args ...any) (r report.Traffic, err error) {
	command := fmt.Sprintf(format, args...)
	if _, err = fmt.Fprintln(a.in, command); err != nil {
		return r, fmt.Errorf("%s: %w: %s", command, err, a.end())
	}
	line, err := a.out.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("%s: %w: %s", command, err, a.end())
	}
	if err = json.Unmarshal(line, &r); err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", command, err)
	}
	return r, nil
}
