//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

var errLinux = errors.New("instances need Linux; without it use: localvpc up --no-packets")

// Host makes instances; on this system New refuses.
type Host struct{}

// Sandbox is an instance; there are none on this system.
type Sandbox struct{}

// Process is a command running in an instance; there are none on this system.
type Process struct {
	Pid int
	TTY *os.File
}

func New(Config) (*Host, error)                                 { return nil, errLinux }
func (h *Host) Prepare() error                                  { return errLinux }
func (h *Host) Status() (Status, error)                         { return Status{}, errLinux }
func (h *Host) Running() ([]string, error)                      { return nil, errLinux }
func (h *Host) Disks() ([]string, error)                        { return nil, errLinux }
func (h *Host) Create(Spec) (*Sandbox, error)                   { return nil, errLinux }
func (h *Host) Adopt(context.Context, string) (*Sandbox, error) { return nil, errLinux }
func (h *Host) Capture(string, string) (Image, error)           { return Image{}, errLinux }
func (h *Host) Destroy(string) error                            { return errLinux }

func (s *Sandbox) ID() string                                       { return "" }
func (s *Sandbox) Pid() int                                         { return 0 }
func (s *Sandbox) Netns() *os.File                                  { return nil }
func (s *Sandbox) Exited() <-chan struct{}                          { return nil }
func (s *Sandbox) Exit() Exit                                       { return Exit{} }
func (s *Sandbox) Close() error                                     { return nil }
func (s *Sandbox) Boot(context.Context) error                       { return errLinux }
func (s *Sandbox) Pause(context.Context, bool) error                { return errLinux }
func (s *Sandbox) Renew(context.Context, string) error              { return errLinux }
func (s *Sandbox) Shutdown(context.Context, time.Duration) error    { return errLinux }
func (s *Sandbox) Reboot(context.Context, time.Duration) error      { return errLinux }
func (s *Sandbox) Kill() error                                      { return errLinux }
func (s *Sandbox) Exec(context.Context, ExecSpec) (*Process, error) { return nil, errLinux }

func (p *Process) Signal(syscall.Signal) error { return errLinux }
func (p *Process) Resize(uint16, uint16) error { return errLinux }
func (p *Process) Wait() (ProcessExit, error)  { return ProcessExit{}, errLinux }
func (p *Process) Done() <-chan struct{}       { return nil }

// Console returns the last 64 KB of a console log.
func Console(string) ([]byte, error) { return nil, errLinux }
