//go:build linux

package guest

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// insideGrace is how long processes get to end when the instance was told from
// inside to power off.
const insideGrace = 5 * time.Second

// Signals of systemd(1) that halt, power off and reboot, from SIGRTMIN = 34.
const (
	sigHalt     = syscall.Signal(34 + 3)
	sigPowerOff = syscall.Signal(34 + 4)
	sigReboot   = syscall.Signal(34 + 5)
)

// watchSignals takes every signal that could reach init from inside, because
// the Go runtime would end the process on many of them. Only those that an init
// is known to obey do anything. SIGCHLD and SIGURG keep their default: the
// reaper waits by itself, the runtime uses the other.
func (g *guest) watchSignals() {
	var all []os.Signal
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPROF, 32, 33:
		default:
			all = append(all, n)
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, all...)
	go func() {
		for s := range signals {
			switch s {
			case syscall.SIGPWR, sigHalt, sigPowerOff:
				go g.shutdown(control.CausePowerOff, insideGrace)
			case syscall.SIGINT, sigReboot:
				go g.shutdown(control.CauseReboot, insideGrace)
			}
		}
	}()
}

// Records of initctl, the interface of SysV init, which poweroff, reboot and
// shutdown of both sysvinit and systemd fall back to: struct init_request in
// initreq.h of sysvinit, 384 bytes.
const (
	initctlSize  = 384
	initctlMagic = 0x03091969
	initctlRun   = 1 // INIT_CMD_RUNLVL
)

// watchInitctl makes /run/initctl and obeys the requests for run levels 0 and 6.
func (g *guest) watchInitctl() error {
	const path = "/run/initctl"
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	fifo := os.NewFile(uintptr(fd), path)
	go func() {
		buf := make([]byte, initctlSize)
		for {
			n, err := fifo.Read(buf)
			if err != nil {
				return
			}
			switch runLevel(buf[:n]) {
			case '0':
				go g.shutdown(control.CausePowerOff, insideGrace)
			case '6':
				go g.shutdown(control.CauseReboot, insideGrace)
			}
		}
	}()
	return nil
}

// runLevel reads one record; anything that is not a whole request to change
// the run level gives 0. Writes of this size to a fifo are atomic (pipe(7)).
func runLevel(record []byte) byte {
	if len(record) != initctlSize ||
		binary.NativeEndian.Uint32(record) != initctlMagic ||
		binary.NativeEndian.Uint32(record[4:]) != initctlRun {
		return 0
	}
	return byte(binary.NativeEndian.Uint32(record[8:]))
}
