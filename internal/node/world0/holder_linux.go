package world0

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Names in the environment between the processes of a world.
const (
	envFiles  = "LOCALVPC_WORLD_FILES"  // names of the inherited descriptors, from 3 on
	envRunDir = "LOCALVPC_WORLD_RUNDIR" // where the tmpfs is mounted
	envRoot   = "LOCALVPC_WORLD_ROOT"   // "1" without a user namespace
	envProbe  = "LOCALVPC_WORLD_PROBE"  // "1": only try
)

const (
	controlFile  = "\x01control" // no name that may be stored
	storedPrefix = "stored:"
	exitGaveUp   = 3
	maxStored    = 16384
	maxName      = 200
	// maxFalseStarts is how often in a row an engine may end before it is ready.
	maxFalseStarts = 5
	// grace is how long an engine has to end in order.
	grace = 10 * time.Second
)

// holder is pid 1 of the world.
type holder struct {
	parent    *os.File
	listeners map[string]*os.File
	stored    map[string]*os.File
	runDir    string

	engine      int // process id
	ready       bool
	falseStarts int
	ending      bool
	deadline    *time.Timer
	events      chan any
}

// Events of the holder's one loop.
type (
	engineSaid struct {
		pid  int
		text string
		file *os.File
	}
	parentSaid struct{ text string }
	parentGone struct{}
	childEnded struct {
		pid    int
		status syscall.WaitStatus
	}
	overdue struct{}
)

// RunHolder is the holder's main; it returns the exit code.
func RunHolder() int {
	debug.SetGCPercent(20)
	if err := prepare(os.Getenv(envRunDir)); err != nil {
		fmt.Fprintln(os.Stderr, "localvpc:", err)
		return 1
	}
	if os.Getenv(envProbe) != "" {
		return 0
	}
	h := &holder{stored: map[string]*os.File{}, listeners: inherited(), runDir: os.Getenv(envRunDir), events: make(chan any, 64)}
	h.parent = h.listeners[controlFile]
	delete(h.listeners, controlFile)
	if h.parent == nil {
		fmt.Fprintln(os.Stderr, "localvpc: the holder is started by 'localvpc up' only")
		return 2
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) // the parent says when
	go h.reap(children)
	go h.hear()
	if err := h.start(); err != nil {
		fmt.Fprintln(os.Stderr, "localvpc:", err)
		return 1
	}
	debug.FreeOSMemory()
	return h.loop()
}

// prepare makes the mounts of the world.
func prepare(runDir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if runDir != "" {
		if err := unix.Mount("tmpfs", runDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("mounting %s: %w", runDir, err)
		}
	}
	return loopbackUp()
}

// loopbackUp brings lo of the world's own network namespace up.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making a socket: %w", err)
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("bringing lo up: %w", err)
	}
	return nil
}

// inherited gives the descriptors from 3 on by their names.
func inherited() map[string]*os.File {
	files := map[string]*os.File{}
	text := os.Getenv(envFiles)
	if text == "" {
		return files
	}
	for i, name := range strings.Split(text, ",") {
		syscall.CloseOnExec(3 + i)
		files[name] = os.NewFile(uintptr(3+i), name)
	}
	return files
}

// reap collects every process that ends: pid 1 inherits the orphans.
func (h *holder) reap(children <-chan os.Signal) {
	for range children {
		for {
			var status syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || pid == 0 {
				break
			}
			h.events <- childEnded{pid, status}
		}
	}
}

// hear reads the parent's words; their end is the parent's.
func (h *holder) hear() {
	for lines := bufio.NewScanner(h.parent); lines.Scan(); {
		h.events <- parentSaid{lines.Text()}
	}
	h.events <- parentGone{}
}

// start starts an engine with the listeners and all that is stored.
func (h *holder) start() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making a socket pair: %w", err)
	}
	theirs := pair[1]
	defer unix.Close(theirs)
	names, fds := []string{controlFile}, []uintptr{0, 1, 2, uintptr(theirs)}
	add := func(prefix string, files map[string]*os.File) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			names, fds = append(names, prefix+name), append(fds, files[name].Fd())
		}
	}
	add("", h.listeners)
	add(storedPrefix, h.stored)
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, envFiles+"=") })
	env = append(env, envFiles+"="+strings.Join(names, ","))
	if !inUserNamespace() {
		env = append(env, envRoot+"=1")
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{engineName}, &syscall.ProcAttr{Env: env, Files: fds})
	if err != nil {
		unix.Close(pair[0])
		return fmt.Errorf("starting the engine: %w", err)
	}
	h.engine, h.ready = pid, false
	conn, err := unixConn(os.NewFile(uintptr(pair[0]), "engine"))
	if err != nil {
		return fmt.Errorf("opening the engine's socket: %w", err)
	}
	go func() {
		defer conn.Close()
		for {
			text, file, err := receive(conn)
			if err != nil {
				return
			}
			h.events <- engineSaid{pid, text, file}
		}
	}()
	return nil
}

// inUserNamespace says whether uid 0 here is somebody else outside.
func inUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return true
	}
	f := strings.Fields(string(b))
	return len(f) != 3 || f[0] != "0" || f[1] != "0" || f[2] != "4294967295"
}

func (h *holder) loop() int {
	for e := range h.events {
		switch e := e.(type) {
		case engineSaid:
			h.obey(e)
		case parentSaid:
			if e.text == "shutdown" && !h.ending {
				h.ending = true
				_ = syscall.Kill(h.engine, syscall.SIGTERM)
				h.deadline = time.AfterFunc(grace, func() { h.events <- overdue{} })
			}
		case parentGone, overdue:
			return 0 // pid 1 ends, and the kernel ends the rest
		case childEnded:
			if e.pid != h.engine {
				continue
			}
			if h.ending {
				return 0
			}
			if h.ready {
				h.falseStarts = 0
			} else if h.falseStarts++; h.falseStarts == maxFalseStarts || e.status.Exited() && e.status.ExitStatus() == exitRefused {
				return exitGaveUp
			}
			if err := h.start(); err != nil {
				fmt.Fprintln(os.Stderr, "localvpc:", err)
				return exitGaveUp
			}
		}
	}
	return 0
}

// exitRefused is the engine's exit code when starting it again cannot help.
const exitRefused = 4

// obey does what the engine asks: ready, store, remove, exit.
func (h *holder) obey(e engineSaid) {
	verb, rest, _ := strings.Cut(e.text, " ")
	if verb == "store" && e.file != nil && validName(rest) && len(h.stored) < maxStored {
		if old, ok := h.stored[rest]; ok {
			old.Close()
		}
		h.stored[rest] = e.file
		return
	}
	if e.file != nil {
		e.file.Close()
	}
	switch verb {
	case "remove":
		if old, ok := h.stored[rest]; ok {
			old.Close()
			delete(h.stored, rest)
		}
	case "ready":
		if e.pid == h.engine {
			h.ready = true
			fmt.Fprintln(h.parent, "ready", rest)
		}
	case "exit":
		if e.pid == h.engine && !h.ending {
			h.ending = true
			_ = syscall.Kill(h.engine, syscall.SIGTERM)
			h.deadline = time.AfterFunc(grace, func() { h.events <- overdue{} })
		}
	}
}

// validName keeps the list of names one that can be read back.
func validName(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsAny(name, ",\x00\x01\n")
}
