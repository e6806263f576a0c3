//go:build linux

package guest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/userdata"
)

// cloudDir is where cloud-init keeps what it knows of instances, so that
// scripts which look there find it.
const cloudDir = "/var/lib/cloud"

// instanceDir holds the marker of the first boot and the scripts. It carries
// the instance id: an instance made from an image of this one boots for the
// first time.
func (g *guest) instanceDir() string { return cloudDir + "/instances/" + g.config.ID }

func (g *guest) firstBoot() bool {
	_, err := os.Lstat(g.instanceDir() + "/sem/user-data")
	return err != nil
}

// identity gives the instance its names: host name, hosts and machine id at the
// first boot, the resolver's configuration at every one.
func (g *guest) identity() error {
	if g.firstBoot() {
		hosts := g.config.Hosts
		if hosts == "" {
			hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
		}
		if err := replace("/etc/hosts", []byte(hosts), 0o644); err != nil {
			return fmt.Errorf("writing /etc/hosts: %w", err)
		}
		if g.config.Hostname != "" {
			if err := replace("/etc/hostname", []byte(g.config.Hostname+"\n"), 0o644); err != nil {
				return fmt.Errorf("writing /etc/hostname: %w", err)
			}
		}
		id := make([]byte, 16)
		_, _ = rand.Read(id)
		if err := replace("/etc/machine-id", []byte(hex.EncodeToString(id)+"\n"), 0o444); err != nil {
			return fmt.Errorf("writing /etc/machine-id: %w", err)
		}
	}
	if err := g.resolver(g.config.ResolvConf); err != nil {
		return err
	}
	if err := trust(g.config.Trust); err != nil {
		g.console.printf("certificate authorities: %v", err)
	}
	name := g.config.Hostname
	if text, err := os.ReadFile("/etc/hostname"); err == nil {
		if kept := strings.TrimSpace(string(text)); kept != "" && len(kept) <= 64 {
			name = kept
		}
	}
	if name != "" {
		if err := unix.Sethostname([]byte(name)); err != nil {
			return fmt.Errorf("setting the host name: %w", err)
		}
	}
	return nil
}

// resolver writes the resolver's configuration, "" nothing.
func (g *guest) resolver(conf string) error {
	if conf == "" {
		return nil
	}
	if err := replace("/etc/resolv.conf", []byte(conf), 0o644); err != nil {
		return fmt.Errorf("writing /etc/resolv.conf: %w", err)
	}
	return nil
}

// renew is what a DHCP client does at the renewal of its lease: it writes the
// resolver's configuration when the lease says something else than before, and
// otherwise leaves the file as the instance's user may have changed it.
func (g *guest) renew(conf string) error {
	g.lease.Lock()
	defer g.lease.Unlock()
	if conf == g.config.ResolvConf {
		return nil
	}
	if err := g.resolver(conf); err != nil {
		return err
	}
	g.config.ResolvConf = conf
	return nil
}

// firstSteps is what happens when the engine lets the instance go.
func (g *guest) firstSteps() {
	first := g.firstBoot()
	g.console.printf("booting %s", g.config.ID)
	g.listInterfaces()
	if info, err := os.Stat("/etc/rc.local"); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		ended, err := g.run("/etc/rc.local", g.console.writer)
		if err != nil {
			g.console.printf("/etc/rc.local: %v", err)
		} else if first {
			<-ended // cloud-final.service, which runs user data, is ordered after rc-local.service
		}
	}
	if first {
		g.runUserData()
	}
	g.console.printf("boot finished %.2f s after start", time.Since(g.started).Seconds())
}

func (g *guest) listInterfaces() {
	interfaces, err := net.Interfaces()
	if err != nil {
		return
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		addresses, _ := i.Addrs()
		g.console.printf("%s %s %v", i.Name, i.HardwareAddr, addresses)
	}
}

// runUserData marks the first boot as done, as cloud-init does before it runs
// scripts, and carries out what the user data asks for.
func (g *guest) runUserData() {
	dir := g.instanceDir()
	for _, sub := range []string{"/sem", "/scripts"} {
		if err := os.MkdirAll(dir+sub, 0o755); err != nil {
			g.console.printf("user-data: %v", err)
			return
		}
	}
	if err := os.WriteFile(dir+"/sem/user-data", nil, 0o644); err != nil {
		g.console.printf("user-data: %v", err)
		return
	}
	_ = os.Remove(cloudDir + "/instance")
	_ = os.Symlink(dir, cloudDir+"/instance")
	if len(g.config.SSHKeys) > 0 {
		g.apply(userdata.AuthorizedKeys{Keys: g.config.SSHKeys}, g.console.writer, nil)
	}
	if len(g.config.UserData) == 0 {
		return
	}
	_ = os.WriteFile(dir+"/user-data.txt", g.config.UserData, 0o600)
	output, flush, err := g.output("/var/log/cloud-init-output.log")
	if err != nil {
		g.console.printf("user-data: %v", err)
		output, flush = g.console.writer, func() {}
	} else {
		defer unix.Close(output)
	}
	for _, action := range parse(g.config.UserData) {
		g.apply(action, output, flush)
	}
}

// parse guards init against a fault in a parser, and gives the memory of a
// large document back: init stays for as long as the instance.
func parse(data []byte) (actions []userdata.Action) {
	defer func() {
		if fault := recover(); fault != nil {
			actions = []userdata.Action{userdata.Log{Text: fmt.Sprint("user-data: ", fault)}}
		}
	}()
	actions = userdata.Parse(data)
	if !bytes.HasPrefix(data, []byte("#!")) {
		go debug.FreeOSMemory()
	}
	return actions
}

// output makes a pipe whose readings go to the console and to a log of the
// instance, and returns its writing end, and what to call so that everything
// written before has been copied.
func (g *guest) output(log string) (writer int, flush func(), err error) {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return -1, nil, err
	}
	file, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o640)
	if err != nil {
		return -1, nil, err
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		file.Close()
		return -1, nil, err
	}
	_ = unix.SetNonblock(pipe[0], true)
	source, err := g.console.follow(os.NewFile(uintptr(pipe[0]), "user-data"), io.MultiWriter(g.console, file), file)
	if err != nil {
		unix.Close(pipe[1])
		file.Close()
		return -1, nil, err
	}
	return pipe[1], source.flush, nil
}

// run starts a program that writes to output.
func (g *guest) run(path string, output int) (<-chan syscall.WaitStatus, error) {
	null, err := os.Open("/dev/null")
	if err != nil {
		return nil, err
	}
	defer null.Close()
	out := uintptr(output)
	_, status, err := g.procs.start(path, []string{path}, defaultEnv, "/", [3]uintptr{null.Fd(), out, out}, false)
	return status, err
}

// replace writes a file in one step, in place of whatever was there: links are
// not followed.
func replace(path string, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	next := path + ".localvpc-new"
	_ = os.Remove(next)
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Chmod(mode)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	return err
}
