package world0

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// World is a running world, in its parent.
type World struct {
	cmd   *exec.Cmd
	sock  *os.File
	ready chan string
	ended chan struct{}
	err   error
	stop  sync.Once
}

// namespaces that every world has; a user namespace is added for who is not root.
const namespaces = unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// attributes of the process that becomes pid 1 of a world.
func attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return attr
}

// Start makes a world and starts the first engine in it.
func Start(cfg Config) (*World, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "holder"), os.NewFile(uintptr(pair[1]), "parent")
	defer theirs.Close()
	files, names := []*os.File{theirs}, []string{controlFile}
	for _, name := range slices.Sorted(maps.Keys(cfg.Listeners)) {
		files, names = append(files, cfg.Listeners[name]), append(names, name)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the program's own file: %w", err)
	}
	cmd := &exec.Cmd{
		Path: self, Args: []string{holderName},
		Env: append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LOCALVPC_WORLD_") }),
			append(cfg.Env, envFiles+"="+strings.Join(names, ","), envRunDir+"="+cfg.RunDir)...),
		Stderr: cfg.Stderr, ExtraFiles: files, SysProcAttr: attributes(),
	}
	w := &World{cmd: cmd, sock: ours, ready: make(chan string, 1), ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The holder dies with the thread that started it: this one stays.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		w.err = cmd.Wait()
		close(w.ended)
	}()
	if err := <-started; err != nil {
		ours.Close()
		return nil, fmt.Errorf("making namespaces: %w", explain(err))
	}
	go w.listen()
	return w, nil
}

// listen reads what the holder says: "ready TEXT", and "failed TEXT" when it
// gives the engine up.
func (w *World) listen() {
	defer close(w.ready)
	for lines := bufio.NewScanner(w.sock); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			select {
			case w.ready <- text:
			default: // an engine that was restarted
			}
		}
	}
}

// Ready gives the text that the first engine had to say; it is closed without
// one when the world ends before.
func (w *World) Ready() <-chan string { return w.ready }

// Pid is the process id of the holder, in the host's namespace.
func (w *World) Pid() int { return w.cmd.Process.Pid }

// Wait returns when the world has ended: nil if it ended in order.
func (w *World) Wait() error {
	<-w.ended
	w.sock.Close()
	var exit *exec.ExitError
	if errors.As(w.err, &exit) {
		if exit.ExitCode() == exitGaveUp {
			return errors.New("the engine could not be started; its last words stand above")
		}
		return ErrEnded
	}
	return w.err
}

// Stop asks the world to end, and kills it when ctx ends first.
func (w *World) Stop(ctx context.Context) error {
	w.stop.Do(func() { fmt.Fprintln(w.sock, "shutdown") })
	select {
	case <-w.ended:
		return nil
	case <-ctx.Done():
		_ = w.cmd.Process.Kill()
		<-w.ended
		return ctx.Err()
	}
}

// Probe says why namespaces are not permitted here, and what to do about it;
// nil if they are. It makes and ends a small world.
func Probe() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's own file: %w", err)
	}
	cmd := &exec.Cmd{Path: self, Args: []string{holderName}, Env: []string{envProbe + "=1"}, SysProcAttr: attributes()}
	var text strings.Builder
	cmd.Stderr = &text
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(text.String()); said != "" {
			err = errors.New(said)
		}
		return explain(err)
	}
	return nil
}

// explain adds to a refusal by the kernel what usually refuses and how to allow it.
func explain(err error) error {
	read := func(name string) string {
		b, _ := os.ReadFile("/proc/sys/" + name)
		return strings.TrimSpace(string(b))
	}
	remedy := ""
	switch {
	case os.Getuid() == 0:
		remedy = "root lacks the capability to make namespaces: in a container, run it with --privileged or --cap-add SYS_ADMIN,NET_ADMIN and without a seccomp profile"
	case read("kernel/unprivileged_userns_clone") == "0":
		remedy = "allow user namespaces with 'sysctl kernel.unprivileged_userns_clone=1'"
	case read("user/max_user_namespaces") == "0":
		remedy = "allow user namespaces with 'sysctl user.max_user_namespaces=15000'"
	case read("kernel/apparmor_restrict_unprivileged_userns") == "1":
		remedy = "allow user namespaces with 'sysctl kernel.apparmor_restrict_unprivileged_userns=0', or give localvpc an AppArmor profile with 'userns,'"
	default:
		remedy = "user namespaces are refused, as containers with a seccomp profile do: run localvpc outside of it, or as root"
	}
	return fmt.Errorf("namespaces are not permitted here (%w): %s; or run without instances with --no-packets", err, remedy)
}

// unixConn makes a connection of an inherited descriptor.
func unixConn(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("the descriptor is not a unix socket")
	}
	return u, nil
}
