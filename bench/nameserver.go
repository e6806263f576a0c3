//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// nameServer is a yardstick of dns: NSD or CoreDNS with one zone.
type nameServer struct {
	name, addr string
	cmd        *exec.Cmd
}

// nameServers starts those that are installed, with a zone file, and says which
// are not.
func (b *bench) nameServers(apex, zone string) (all []*nameServer, missing []string, err error) {
	dir, err := os.MkdirTemp(b.dir, "names-")
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "zone")
	if err := os.WriteFile(file, []byte(zone), 0o644); err != nil {
		return nil, nil, err
	}
	for _, s := range []struct {
		name, program, install string
		config                 func(host, port string) string
		args                   func(config string) []string
	}{
		{"NSD", "nsd", "apt-get install nsd", func(host, port string) string {
			return fmt.Sprintf("server:\n ip-address: %s@%s\n server-count: 1\n rrl-ratelimit: 0\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n zonesdir: %q\n zonelistfile: \"%s/list\"\n xfrdfile: \"\"\n xfrdir: %q\nremote-control:\n control-enable: no\nzone:\n name: %s\n zonefile: %s\n",
				host, port, dir, dir, dir, apex, file)
		}, func(config string) []string { return []string{"-d", "-c", config} }},
		{"CoreDNS", "coredns", "coredns.io", func(host, port string) string {
			return fmt.Sprintf("%s:%s {\n bind %s\n file %s\n}\n", apex, port, host, file)
		}, func(config string) []string { return []string{"-quiet", "-conf", config} }},
	} {
		program, err := exec.LookPath(s.program)
		if err != nil {
			program, err = exec.LookPath("/usr/sbin/" + s.program) // where an ordinary user's PATH does not lead
		}
		if err != nil {
			missing = append(missing, s.name+" is not installed ("+s.install+")")
			continue
		}
		addr, err := freeAddr()
		if err != nil {
			return all, missing, err
		}
		host, port, _ := strings.Cut(addr, ":")
		config := filepath.Join(dir, s.program)
		if err := os.WriteFile(config, []byte(s.config(host, port)), 0o644); err != nil {
			return all, missing, err
		}
		n := &nameServer{name: s.name, addr: addr, cmd: exec.Command(program, s.args(config)...)}
		n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		if err := n.cmd.Start(); err != nil {
			return all, missing, fmt.Errorf("starting %s: %w", s.name, err)
		}
		all = append(all, n)
	}
	return all, missing, nil
}

func (n *nameServer) end() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	_ = n.cmd.Wait()
}

// answering waits until a question is answered at an address.
func answering(ctx context.Context, a *agent, addr, name string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := a.say("names %s 0.001 %s 1 1 0 0", addr, name)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for answers at %s: %w", addr, err)
		case <-again.C:
		}
	}
}
