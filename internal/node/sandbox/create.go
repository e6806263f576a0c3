//go:build linux

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// Create makes an instance's disk if it has none and starts its init in new
// namespaces. Init sets the root up and then waits for Boot; meanwhile the
// network namespace can be furnished. A failure in init shows in Boot.
func (h *Host) Create(spec Spec) (*Sandbox, error) {
	release, err := h.claim(spec.ID)
	if err != nil {
		return nil, err
	}
	defer release()
	sb, err := h.create(&spec)
	if err != nil {
		return nil, fmt.Errorf("creating instance %s: %w", spec.ID, err)
	}
	return sb, nil
}

func (h *Host) create(spec *Spec) (*Sandbox, error) {
	if err := h.Prepare(); err != nil {
		return nil, err
	}
	if h.alive(spec.ID) {
		return nil, errors.New("it is running")
	}
	if err := h.clearRun(spec.ID); err != nil {
		return nil, err
	}
	d, err := h.openDisk(spec.ID, spec.Image)
	if err != nil {
		return nil, err
	}
	dir := h.runDir(spec.ID)
	if err := os.MkdirAll(filepath.Join(dir, "root"), 0o700); err != nil {
		return nil, err
	}
	files, err := h.inherit(spec, dir)
	defer control.CloseAll(files)
	if err != nil {
		h.clearRun(spec.ID)
		return nil, err
	}
	process, err := h.start(spec.ID, d, filepath.Join(dir, "root"), files)
	if err != nil {
		h.clearRun(spec.ID)
		return nil, err
	}
	netns, err := os.Open("/proc/" + strconv.Itoa(process.Pid) + "/ns/net")
	if err != nil {
		_ = process.Kill()
		_, _ = process.Wait()
		err = h.whyFailed(dir, fmt.Errorf("opening its network namespace: %w", err))
		h.clearRun(spec.ID)
		return nil, err
	}
	sb := &Sandbox{id: spec.ID, host: h, dir: dir, pid: process.Pid, netns: netns, exited: make(chan struct{})}
	sb.kill = func() error { return process.Kill() }
	go func() {
		state, err := process.Wait()
		var status syscall.WaitStatus
		if err == nil {
			status, _ = state.Sys().(syscall.WaitStatus)
		}
		sb.ended(status)
	}()
	return sb, nil
}

// inherit opens what init is given, in the order of control's descriptors.
func (h *Host) inherit(spec *Spec, dir string) ([]*os.File, error) {
	config := control.Config{
		ID: spec.ID, Hostname: spec.Hostname, ResolvConf: spec.ResolvConf, Hosts: spec.Hosts, Trust: spec.Trust,
		UserData: spec.UserData, SSHKeys: spec.SSHKeys, PIDs: spec.PIDs, Ids: h.cfg.Rootful,
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	open := func(file *os.File, err error) error {
		if err == nil {
			files = append(files, file)
		}
		return err
	}
	if err := open(os.OpenFile(os.DevNull, os.O_RDWR, 0)); err != nil {
		return files, err
	}
	if err := open(os.OpenFile(filepath.Join(dir, "stderr"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)); err != nil {
		return files, err
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return files, err
	}
	if err := open(os.Open(path)); err != nil {
		return files, err
	}
	if err := open(h.listen(dir)); err != nil {
		return files, err
	}
	console := spec.ConsoleLog
	if console == "" {
		console = filepath.Join(dir, "console.log")
	}
	if err := open(os.OpenFile(console, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)); err != nil {
		return files, err
	}
	return files, open(os.OpenFile(filepath.Join(dir, "exit"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600))
}

// listen binds the control socket, by a short name whatever the length of the
// path, and gives the socket itself: only init will hold it.
func (h *Host) listen(dir string) (*os.File, error) {
	var file *os.File
	err := at(dir, func(short string) error {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: short + "/control", Net: "unix"})
		if err != nil {
			return fmt.Errorf("making the control socket: %w", err)
		}
		listener.SetUnlinkOnClose(false)
		defer listener.Close()
		file, err = listener.File()
		return err
	})
	return file, err
}

// at calls f with a name for dir of few bytes: the address of a unix socket has
// at most 107 (unix(7)).
func at(dir string, f func(short string) error) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	return f("/proc/self/fd/" + strconv.Itoa(fd))
}

// start assembles the root and forks init into it. This happens on a thread
// with a working directory of its own: the root as mounted here. A clone of
// the mount namespace moves a working directory along to its own copy of the
// mount, so init needs no path, and no right to walk one, to find its root; and
// everything it finds there is locked for it. When init has its copy, the
// world's mounts of it are taken down again.
func (h *Host) start(id string, d *disk, root string, files []*os.File) (*os.Process, error) {
	type result struct {
		process *os.Process
		err     error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with this
		process, err := func() (*os.Process, error) {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return nil, fmt.Errorf("leaving the shared working directory: %w", err)
			}
			if err := joinKeyring(h.keyring); err != nil {
				return nil, err
			}
			defer unmount(root)
			if err := h.mountTrees(id, d, root); err != nil {
				return nil, err
			}
			if err := unix.Chdir(root); err != nil {
				return nil, err
			}
			defer unix.Chdir("/")
			return h.fork(files)
		}()
		done <- result{process, err}
	}()
	r := <-done
	return r.process, r.err
}

func (h *Host) fork(files []*os.File) (*os.Process, error) {
	sys := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWCGROUP,
		UidMappings: single, GidMappings: single,
		Setsid: true,
	}
	if h.cfg.Rootful {
		sys.UidMappings, sys.GidMappings, sys.GidMappingsEnableSetgroups = shifted, shifted, true
		sys.Credential = &syscall.Credential{Uid: 0, Gid: 0}
	}
	null, stderr := files[0], files[1]
	inherited := append([]*os.File{null, null, stderr}, files[2:]...)
	inherited = append(inherited, h.binary)
	// By its number in the child: any number of ours may be in use there.
	process, err := os.StartProcess("/proc/self/fd/"+strconv.Itoa(control.FdBinary), []string{control.Argv0}, &os.ProcAttr{
		// Small: init lives as long as the instance and does next to nothing.
		Env:   []string{"GOMAXPROCS=1", "GOGC=50"},
		Files: inherited,
		Sys:   sys,
	})
	if err != nil {
		if errors.Is(err, syscall.EACCES) {
			err = fmt.Errorf("%w (the program has to be executable by everybody: chmod a+rx)", err)
		}
		return nil, fmt.Errorf("starting init: %w", err)
	}
	return process, nil
}

// joinKeyring gives this thread, and what it forks, an empty session keyring
// that nobody can put anything into, instead of the one that localvpc was
// started in: a user namespace does not take away the keys of a session
// (session-keyring(7)). All instances have the same one, because a user may own
// few keys. Where there are no keyrings, none can leak.
func joinKeyring(name string) error {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	id, _, errno := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, uintptr(unsafe.Pointer(text)), 0)
	if errno == unix.ENOSYS || errno == unix.EPERM {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("leaving the session's keyring: %w", errno)
	}
	const ownerMaySearch = 0x00080000                                                         // KEY_USR_SEARCH of linux/key.h: to join again, and nothing else
	if err := unix.KeyctlSetperm(int(id), ownerMaySearch); err != nil && err != unix.EACCES { // closed before
		return fmt.Errorf("closing the instances' keyring: %w", err)
	}
	return nil
}

// clearRun removes what is left of an earlier run.
func (h *Host) clearRun(id string) error {
	dir := h.runDir(id)
	unmount(filepath.Join(dir, "root"))
	return os.RemoveAll(dir)
}

// whyFailed prefers what init left over err.
func (h *Host) whyFailed(dir string, err error) error {
	var exit control.Exit
	if readJSON(filepath.Join(dir, "exit"), &exit) == nil && exit.Error != "" {
		return errors.New(exit.Error)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "stderr")); len(text) > 0 {
		return fmt.Errorf("%w: %s", err, text[:min(len(text), 500)])
	}
	return err
}
