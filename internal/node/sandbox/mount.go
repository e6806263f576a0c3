//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// overlay mounts lower directories, top first, below an upper one, not attached
// anywhere yet. All paths are named by descriptors: no length is too long, and
// the mount's options, which an instance can read, tell nothing of the host.
func overlay(lower []string, upper, work string, rootful bool) (int, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("overlay: %w", err)
	}
	defer unix.Close(fs)
	var held []int
	defer func() {
		for _, fd := range held {
			unix.Close(fd)
		}
	}()
	hold := func(path string) (string, error) {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", fmt.Errorf("opening %s: %w", path, err)
		}
		held = append(held, fd)
		return "/proc/self/fd/" + strconv.Itoa(fd), nil
	}
	names := make([]string, 0, len(lower))
	for _, path := range lower {
		name, err := hold(path)
		if err != nil {
			return -1, err
		}
		names = append(names, name)
	}
	if err := setLower(fs, names); err != nil {
		return -1, fmt.Errorf("overlay: lowerdir %v: %w", lower, err)
	}
	for option, path := range map[string]string{"upperdir": upper, "workdir": work} {
		name, err := hold(path)
		if err != nil {
			return -1, err
		}
		if err := unix.FsconfigSetString(fs, option, name); err != nil {
			return -1, fmt.Errorf("overlay: %s %s: %w", option, path, err)
		}
	}
	options := [][2]string{{"index", "off"}, {"metacopy", "off"}, {"redirect_dir", "nofollow"}}
	if !rootful {
		options = [][2]string{{"userxattr", ""}}
	}
	for _, option := range options {
		if option[1] == "" {
			err = unix.FsconfigSetFlag(fs, option[0])
		} else {
			err = unix.FsconfigSetString(fs, option[0], option[1])
		}
		if err != nil {
			return -1, fmt.Errorf("overlay: option %s: %w", option[0], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		if reason := reasonOf(fs); reason != "" {
			return -1, fmt.Errorf("overlay: %w: %s", err, reason)
		}
		return -1, fmt.Errorf("overlay: %w", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return -1, fmt.Errorf("overlay: %w", err)
	}
	return fd, nil
}

// setLower names the layers one by one where the kernel can (6.5), else in one
// string, which the mount interface limits to 255 bytes.
func setLower(fs int, names []string) error {
	one := ""
	for i, name := range names {
		err := unix.FsconfigSetString(fs, "lowerdir+", name)
		if err == unix.EINVAL && i == 0 {
			for _, name := range names {
				one += ":" + name
			}
			return unix.FsconfigSetString(fs, "lowerdir", one[1:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reasonOf reads what the kernel has to say about a failed mount.
func reasonOf(fs int) string {
	buf := make([]byte, 256)
	n, err := unix.Read(fs, buf)
	if err != nil || n <= 0 {
		return ""
	}
	return string(buf[:n])
}

// cloneMount copies the mount that path lies on, from path downwards, without
// what is mounted further below.
func cloneMount(path string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("taking %s: %w", path, err)
	}
	return fd, nil
}

// attach puts a mount that is not attached yet on a path.
func attach(mount int, path string) error {
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mounting on %s: %w", path, err)
	}
	return nil
}

// idmap makes a mount show the ids of the file system shifted as the user
// namespace maps them, and read-only.
func idmap(mount int, userns *os.File) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV, Userns_fd: uint64(userns.Fd())}
	if err := unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("mapping ids: %w", err)
	}
	return nil
}

// readOnly makes a mount read-only and free of devices.
func readOnly(mount int) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV}
	return unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr)
}

// isMount tells whether path is the root of a mount.
func isMount(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// unmount takes everything off path.
func unmount(path string) {
	for isMount(path) {
		if unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) != nil {
			return
		}
	}
}

// shiftedUserns makes a user namespace that maps ids 0 to idCount-1 to idBase
// and up, to be given to idmapped mounts. The process in it is stopped by its
// tracer, this thread, before it has run its first instruction, and ends here.
func shiftedUserns() (*os.File, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"localvpc-idmap"}, &syscall.ProcAttr{
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd()},
		Sys: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER, UidMappings: shifted, GidMappings: shifted,
			Ptrace: true, Pdeathsig: syscall.SIGKILL,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making a user namespace for shifted ids: %w", err)
	}
	defer func() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		for {
			_, err := syscall.Wait4(pid, nil, 0, nil)
			if !errors.Is(err, syscall.EINTR) {
				return
			}
		}
	}()
	return os.Open("/proc/" + strconv.Itoa(pid) + "/ns/user")
}
