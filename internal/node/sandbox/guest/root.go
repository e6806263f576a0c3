//go:build linux

package guest

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// devices are the nodes of the host that an instance has; none of them reaches
// anything of the host.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// makeRoot turns the working directory, which the engine has left at the
// assembled root of the instance, into the root of this mount namespace, adds
// the kernel's file systems of the instance's own namespaces, and lets go of
// everything else. It returns the directory of the instance's devpts.
//
// Order matters: proc and sysfs may only be mounted by a user namespace while
// another one that hides nothing is still in sight (mount_namespaces(7)), and
// the device nodes are copied from the old /dev.
func makeRoot(ids bool) (pts int, err error) {
	unix.Umask(0)
	defer unix.Umask(0o022)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return -1, fmt.Errorf("making mounts private: %w", err)
	}
	const quiet = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	proc, err := newMount("proc", quiet)
	if err != nil {
		return -1, fmt.Errorf("mounting /proc: %w (in a container, start it with an unmasked /proc: docker run --security-opt systempaths=unconfined)", err)
	}
	defer unix.Close(proc)
	sys, sysErr := newMount("sysfs", quiet|unix.MOUNT_ATTR_RDONLY)
	if sysErr == nil {
		defer unix.Close(sys)
	}
	nodes := make(map[string]int, len(devices))
	for _, name := range devices {
		fd, err := unix.OpenTree(unix.AT_FDCWD, "/dev/"+name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return -1, fmt.Errorf("taking /dev/%s: %w", name, err)
		}
		defer unix.Close(fd)
		nodes[name] = fd
	}

	// The tree as inherited is locked in place; a copy of it on top of itself
	// can become the root and keeps the locks of what lies within.
	root, err := unix.OpenTree(unix.AT_FDCWD, ".", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return -1, fmt.Errorf("taking the root: %w", err)
	}
	defer unix.Close(root)
	if err := unix.MoveMount(root, "", unix.AT_FDCWD, ".", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return -1, fmt.Errorf("placing the root: %w", err)
	}
	if err := unix.Fchdir(root); err != nil {
		return -1, fmt.Errorf("entering the root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return -1, fmt.Errorf("changing to the root: %w", err)
	}
	// The old root lies on top now, at ".".
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return -1, fmt.Errorf("leaving the host's root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return -1, fmt.Errorf("entering the root: %w", err)
	}

	if err := place(proc, "/proc"); err != nil {
		return -1, err
	}
	if sysErr == nil {
		if err := place(sys, "/sys"); err != nil {
			return -1, err
		}
	}
	if err := mountAt("tmpfs", "/run", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode", "755", "size", "64m"); err != nil {
		return -1, err
	}
	if err := os.Mkdir("/run/lock", 0o1777|os.ModeSticky); err != nil {
		return -1, err
	}
	return makeDev(nodes, ids)
}

// makeDev makes /dev. Its tmpfs is 0755: in a sticky directory that others may
// write to, opening a node for writing with O_CREAT is refused.
func makeDev(nodes map[string]int, ids bool) (pts int, err error) {
	if err := mountAt("tmpfs", "/dev", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, "mode", "755", "size", "64k", "nr_inodes", "256"); err != nil {
		return -1, err
	}
	for _, name := range devices {
		path := "/dev/" + name
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o666)
		if err == nil {
			unix.Close(fd)
			err = unix.MoveMount(nodes[name], "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
		}
		if err != nil {
			return -1, fmt.Errorf("making %s: %w", path, err)
		}
	}
	for link, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx", "core": "/proc/kcore",
	} {
		if err := os.Symlink(target, "/dev/"+link); err != nil {
			return -1, err
		}
	}
	options := []string{"newinstance", "", "mode", "620", "ptmxmode", "666"}
	if ids {
		options = append(options, "gid", "5") // tty
	}
	if err := mountAt("devpts", "/dev/pts", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, options...); err != nil {
		return -1, err
	}
	if err := mountAt("tmpfs", "/dev/shm", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode", "1777", "size", "64m"); err != nil {
		return -1, err
	}
	// POSIX message queues are the instance's own by its ipc namespace; a
	// kernel without them is no reason not to boot.
	_ = mountAt("mqueue", "/dev/mqueue", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	pts, err = unix.Open("/dev/pts", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening /dev/pts: %w", err)
	}
	return pts, nil
}

// newMount makes a file system that is not attached yet. Options are pairs; an
// empty value makes a flag.
func newMount(kind string, attrs int, options ...string) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for i := 0; i+1 < len(options); i += 2 {
		if options[i+1] == "" {
			err = unix.FsconfigSetFlag(fs, options[i])
		} else {
			err = unix.FsconfigSetString(fs, options[i], options[i+1])
		}
		if err != nil {
			return -1, fmt.Errorf("option %s: %w", options[i], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attrs)
}

func place(mount int, at string) error {
	err := unix.MoveMount(mount, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err == unix.ENOENT {
		if err = os.Mkdir(at, 0o755); err == nil {
			err = unix.MoveMount(mount, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
		}
	}
	if err != nil {
		return fmt.Errorf("mounting %s: %w", at, err)
	}
	return nil
}

func mountAt(kind, at string, attrs int, options ...string) error {
	mount, err := newMount(kind, attrs, options...)
	if err != nil {
		return fmt.Errorf("mounting %s at %s: %w", kind, at, err)
	}
	defer unix.Close(mount)
	return place(mount, at)
}

// network brings loopback up and sets what this namespace may set for itself.
// Addresses and routes come from outside.
func network(ids bool) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if request, err := unix.NewIfreq("lo"); err == nil {
		request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		_ = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
	}
	last := 0
	if ids {
		last = 65535
	}
	// ping without privileges (icmp(7)), and a congestion control that does not
	// burn the processor on a veth.
	_ = os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 "+strconv.Itoa(last)), 0)
	_ = os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte("reno"), 0)
}
