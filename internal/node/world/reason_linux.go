package world

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// facts are what a machine says about why it does not permit namespaces. Empty
// is unknown.
type facts struct {
	userns    bool   // the world needs a user namespace of its own
	root      bool   // who makes it is uid 0
	clone     string // /proc/sys/kernel/unprivileged_userns_clone (Debian, Arch)
	maxUser   string // /proc/sys/user/max_user_namespaces
	exhausted string // another sysctl of /proc/sys/user that is 0
	apparmor  string // /proc/sys/kernel/apparmor_restrict_unprivileged_userns (Ubuntu 23.10 and later)
	seccomp   bool   // a filter of system calls is on this process
	container bool
}

func hostFacts(userns, root bool) facts {
	f := facts{
		userns:   userns,
		root:     root,
		clone:    sysctl("kernel/unprivileged_userns_clone"),
		maxUser:  sysctl("user/max_user_namespaces"),
		apparmor: sysctl("kernel/apparmor_restrict_unprivileged_userns"),
	}
	for _, kind := range []string{"mnt", "pid", "net", "ipc", "uts"} {
		if name := "user/max_" + kind + "_namespaces"; sysctl(name) == "0" {
			f.exhausted = name
		}
	}
	status, _ := os.ReadFile("/proc/self/status")
	f.seccomp = strings.Contains(string(status), "\nSeccomp:\t2")
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			f.container = true
		}
	}
	return f
}

func sysctl(name string) string {
	text, _ := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(text))
}

// denied is a failure to make namespaces, as an error with its remedy.
func denied(err error, userns bool) error {
	e := &stepError{stepClone, err}
	if errors.Is(e, unix.EAGAIN) || errors.Is(e, unix.ENOMEM) || errors.Is(e, unix.ENOENT) {
		return e
	}
	return fmt.Errorf("%w: %s", ErrNotPermitted, explain(e, hostFacts(userns, os.Geteuid() == 0)))
}

// reason is the text for an error of furnish.
func reason(err error, h *handover) string {
	var e *stepError
	if errors.As(err, &e) {
		return explain(e, hostFacts(h.Userns, h.Root))
	}
	return err.Error()
}

// explain says why a step failed and what to do about it.
func explain(e *stepError, f facts) string {
	because := remedy(e, f)
	if because == "" {
		return e.Error()
	}
	return e.Error() + ": " + because
}

// remedy goes from the certain causes to the likely ones.
func remedy(e *stepError, f facts) string {
	const (
		docker   = "start the container with: docker run --privileged, or: --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
		noPacket = "; or do without packets: localvpc up --no-packets"
	)
	refused := errors.Is(e, unix.EPERM) || errors.Is(e, unix.EACCES)
	switch {
	case e.step == stepRun && !refused:
		return ""
	case e.step == stepClone && errors.Is(e, unix.EINVAL):
		return "this kernel lacks a kind of namespace (CONFIG_USER_NS, CONFIG_NET_NS, CONFIG_PID_NS, CONFIG_IPC_NS, CONFIG_UTS_NS): use one that has them" + noPacket
	case f.userns && f.clone == "0":
		return "ordinary users may not make user namespaces: sudo sysctl kernel.unprivileged_userns_clone=1, or run as root" + noPacket
	case f.userns && f.maxUser == "0":
		return "user namespaces are switched off: sudo sysctl user.max_user_namespaces=15000, or run as root" + noPacket
	case f.exhausted != "":
		return "namespaces are switched off: sudo sysctl " + strings.ReplaceAll(f.exhausted, "/", ".") + "=15000" + noPacket
	case errors.Is(e, unix.ENOSPC) || errors.Is(e, unix.EUSERS):
		return "there are too many namespaces already, or too deeply nested: raise user.max_*_namespaces with sysctl, or end what uses them" + noPacket
	case f.userns && f.apparmor == "1":
		return "AppArmor keeps ordinary users from using user namespaces: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with the rule userns, or run as root" + noPacket
	case e.step == stepProc && refused:
		return "a part of /proc is masked here, as containers do: " + docker + noPacket
	case f.container || f.seccomp && refused:
		return "a container or a filter of system calls forbids it: " + docker + noPacket
	case refused && f.root && f.userns:
		return "root lacks CAP_SYS_ADMIN here: " + docker + noPacket
	case refused:
		return "the machine forbids it, perhaps by a security module or because this is a chroot: run as root, or outside of it" + noPacket
	}
	return ""
}
