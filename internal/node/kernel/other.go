//go:build !linux

package kernel

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

var errLinux = errors.New("packets need Linux; without it use: localvpc up --no-packets")

// Kernel is the kernel of the world; on this system New refuses.
type Kernel struct{}

var _ Interface = (*Kernel)(nil)

// New refuses.
func New(Config) (*Kernel, error) { return nil, errLinux }

func (k *Kernel) Apply(context.Context, []plan.Op) error            { return errLinux }
func (k *Kernel) Read(plan.Netns) (plan.Objects, error)             { return nil, errLinux }
func (k *Kernel) Namespaces() ([]plan.Netns, error)                 { return nil, errLinux }
func (k *Kernel) Attach(plan.Netns, *os.File) error                 { return errLinux }
func (k *Kernel) Detach(plan.Netns) error                           { return errLinux }
func (k *Kernel) In(plan.Netns, func() error) error                 { return errLinux }
func (k *Kernel) Dump(io.Writer) error                              { return errLinux }
func (k *Kernel) CutFlows(plan.Netns, ...plan.Flows) (int, error)   { return 0, errLinux }
func (k *Kernel) CountFlows(plan.Netns, ...plan.Flows) (int, error) { return 0, errLinux }
func (k *Kernel) Close() error                                      { return errLinux }

// CanDelay says whether the kernel can make links slow: an error says why not.
func CanDelay() error { return errLinux }

// Watch is of no router here.
type Watch struct{}

func (k *Kernel) Watch(plan.Netns) (*Watch, error)      { return nil, errLinux }
func (w *Watch) Next(func(Flow)) (lost bool, err error) { return false, errLinux }
func (w *Watch) Close() error                           { return errLinux }
