//go:build linux

package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// As root, ids 0 to 65535 of every instance are these on the host: above what
// accounts use, one block for all instances, which are kept apart by their
// namespaces.
const (
	idBase  = 0x20000000
	idCount = 65536
)

var (
	shifted = []syscall.SysProcIDMap{{ContainerID: 0, HostID: idBase, Size: idCount}}
	single  = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
)

// Host makes instances. Its methods may be called concurrently, for different
// instances at the same time.
type Host struct {
	cfg     Config
	keyring string // see joinKeyring

	prepare sync.Once // sets these
	ground  *ground
	binary  *os.File
	hide    []string
	failed  error

	mu    sync.Mutex
	bases map[string]string        // directory of an image → what to mount below
	busy  map[string]chan struct{} // instances being created, destroyed or captured
}

// New checks the configuration. It does nothing that takes time: the first
// instance, or Prepare, makes what all share.
func New(cfg Config) (*Host, error) {
	if cfg.HostRoot == "" {
		cfg.HostRoot = "/"
	}
	for _, dir := range []*string{&cfg.RunDir, &cfg.DataDir, &cfg.HostRoot} {
		if !filepath.IsAbs(*dir) {
			return nil, fmt.Errorf("sandbox: %q is not an absolute path", *dir)
		}
		*dir = filepath.Clean(*dir)
	}
	for _, dir := range []string{cfg.RunDir, filepath.Join(cfg.RunDir, "instances"), cfg.DataDir, filepath.Join(cfg.DataDir, "instances")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	return &Host{cfg: cfg, bases: map[string]string{}, busy: map[string]chan struct{}{}, keyring: "localvpc-" + rand.Text()}, nil
}

// Prepare makes what all instances share, once per world; an engine may do it
// ahead of the first instance.
func (h *Host) Prepare() error {
	h.prepare.Do(func() {
		if h.ground, h.failed = h.lay(); h.failed == nil {
			h.binary, h.failed = os.OpenFile(h.ground.Binary, unix.O_PATH, 0)
		}
	})
	return h.failed
}

// Status says what kind of instances this host makes.
func (h *Host) Status() (Status, error) {
	if err := h.Prepare(); err != nil {
		return Status{}, err
	}
	return Status{Rootful: h.cfg.Rootful, IDMapped: h.ground.IDMapped, Notes: h.ground.Notes}, nil
}

// Running lists the instances that have an init, or had one when the last
// engine looked: candidates for Adopt.
func (h *Host) Running() ([]string, error) { return subdirs(filepath.Join(h.cfg.RunDir, "instances")) }

// Disks lists the instances that have a disk.
func (h *Host) Disks() ([]string, error) { return subdirs(filepath.Join(h.cfg.DataDir, "instances")) }

func subdirs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && validID(entry.Name()) == nil {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

func (h *Host) runDir(id string) string  { return filepath.Join(h.cfg.RunDir, "instances", id) }
func (h *Host) diskDir(id string) string { return filepath.Join(h.cfg.DataDir, "instances", id) }

// claim keeps two operations on one instance apart: it waits for its turn.
func (h *Host) claim(id string) (release func(), err error) {
	if err := validID(id); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.busy[id] != nil {
		before := h.busy[id]
		h.mu.Unlock()
		<-before
		h.mu.Lock()
	}
	turn := make(chan struct{})
	h.busy[id] = turn
	return func() {
		h.mu.Lock()
		delete(h.busy, id)
		h.mu.Unlock()
		close(turn)
	}, nil
}

func validID(id string) error {
	ok := id != "" && len(id) <= 64 && id[0] != '-'
	for _, r := range id {
		ok = ok && (r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}
	if !ok {
		return fmt.Errorf("%q is not an instance id", id)
	}
	return nil
}

// Console returns the last 64 KB of a console log, as GetConsoleOutput gives
// them; nothing if there is none.
func Console(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, control.ConsoleMax))
	if len(text) > control.ConsoleKeep {
		text = text[len(text)-control.ConsoleKeep:]
	}
	return text, err
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}
