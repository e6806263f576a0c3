//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// Adopt finds an instance that an earlier engine of this world has started. One
// that has ended since is given with Exited closed. If the world never had it,
// or its end has been seen, the error is ErrNotRunning.
func (h *Host) Adopt(ctx context.Context, id string) (*Sandbox, error) {
	release, err := h.claim(id)
	if err != nil {
		return nil, err
	}
	defer release()
	s := &Sandbox{id: id, host: h, dir: h.runDir(id), exited: make(chan struct{})}
	if _, err := os.Lstat(s.dir); err != nil {
		return nil, fmt.Errorf("instance %s: %w", id, ErrNotRunning)
	}
	unmount(s.dir + "/root") // of an engine that died while it made this
	if !h.alive(id) {
		s.ended(0)
		return s, nil
	}
	if err := s.meet(ctx); err != nil {
		if errors.Is(err, ErrNotRunning) {
			return s, nil
		}
		return nil, fmt.Errorf("adopting instance %s: %w", id, err)
	}
	return s, nil
}

// meet gets init's pidfd and network namespace from init itself.
func (s *Sandbox) meet(ctx context.Context) error {
	conn, release, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer release()
	_, files, err := s.exchange(ctx, conn, control.Request{Op: control.OpHello})
	if err == nil && len(files) != 2 {
		err = fmt.Errorf("init sent %d descriptors instead of two", len(files))
	}
	if err != nil {
		control.CloseAll(files)
		return err
	}
	defer files[0].Close()
	s.netns = files[1]
	pidfd, err := unix.FcntlInt(files[0].Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(pidfd, true) // to be waited for with everything else
	}
	if err != nil {
		return err
	}
	s.pid = pidOf(pidfd)
	file := os.NewFile(uintptr(pidfd), "pidfd")
	s.kill = func() error { return sendKill(file) }
	go s.follow(file)
	return nil
}

func sendKill(pidfd *os.File) error {
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	if errors.Is(err, os.ErrClosed) {
		return os.ErrProcessDone
	}
	return errors.Join(err, sent)
}

// follow waits for the end of an init that is not our child. Its wait status is
// for its parent to read, the world's process 1; what a pidfd tells of it (since
// Linux 6.15) is the status of one thread, which a reboot(2) does not reach
// reliably.
func (s *Sandbox) follow(pidfd *os.File) {
	defer pidfd.Close()
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(poll, 0)
		return n > 0
	})
	s.ended(0)
}

// pidOf gives the number of a pidfd's process in this pid namespace, 0 if it
// has ended (proc_pid_fdinfo(5)).
func pidOf(pidfd int) int {
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(pidfd))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, "Pid:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return max(n, 0)
		}
	}
	return 0
}
