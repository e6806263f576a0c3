//go:build linux

package kernel_test

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctlRename renames an interface (netdevice(7), SIOCSIFNAME).
func ioctlRename(fd int, from, to string) error {
	var request struct {
		from, to [unix.IFNAMSIZ]byte
		_        [8]byte
	}
	copy(request.from[:], from)
	copy(request.to[:], to)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFNAME, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return errno
	}
	return nil
}
