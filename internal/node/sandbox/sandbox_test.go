//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox"
)

// place is a Host with its directories, on a tmpfs as in the world.
type place struct {
	*sandbox.Host
	run, data string
}

func newPlace(t testing.TB, change ...func(*sandbox.Config)) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{run: filepath.Join(dir, "run"), data: filepath.Join(dir, "data")}
	if err := os.Mkdir(p.run, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", p.run, "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(p.run, unix.MNT_DETACH) })
	cfg := sandbox.Config{RunDir: p.run, DataDir: p.data, Rootful: rootful()}
	for _, f := range change {
		f(&cfg)
	}
	p.Host = p.open(t, cfg)
	return p
}

func (p *place) open(t testing.TB, cfg sandbox.Config) *sandbox.Host {
	t.Helper()
	h, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// boot creates and boots an instance, which ends with the test.
func (p *place) boot(t testing.TB, spec sandbox.Spec) *sandbox.Sandbox {
	t.Helper()
	if spec.ID == "" {
		spec.ID = "i-0123456789abcdef0"
	}
	sb, err := p.Create(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sb.Kill(); err != nil {
			t.Error(err)
		}
		sb.Close()
	})
	if err := sb.Boot(limit(t)); err != nil {
		t.Fatal(err)
	}
	return sb
}

func limit(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// output runs a command and gives what it printed on both outputs, and its
// exit code.
func output(t testing.TB, sb *sandbox.Sandbox, args ...string) (string, int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: args, Stdout: w, Stderr: w})
	w.Close()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	var text bytes.Buffer
	if _, err := io.Copy(&text, r); err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return text.String(), exit.Code
}

// sh runs a shell command that has to succeed.
func sh(t testing.TB, sb *sandbox.Sandbox, script string) string {
	t.Helper()
	text, code := output(t, sb, "/bin/sh", "-c", script)
	if code != 0 {
		t.Fatalf("%s: exit code %d: %s", script, code, text)
	}
	return strings.TrimSpace(text)
}

// plug does the kernel side's part: an interface with an address.
func plug(t *testing.T, sb *sandbox.Sandbox, name, address string) {
	t.Helper()
	handle, err := netlink.NewHandleAt(netns.NsHandle(sb.Netns().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "peer"}
	if err := handle.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	ip, err := netlink.ParseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	made, err := handle.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := handle.AddrAdd(made, ip); err != nil {
		t.Fatal(err)
	}
	if err := handle.LinkSetUp(made); err != nil {
		t.Fatal(err)
	}
}

func truncate(path string) error { return os.WriteFile(path, nil, 0o600) }
