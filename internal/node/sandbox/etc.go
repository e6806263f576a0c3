//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Bounds of the copy of etc.
const (
	maxEtcFile  = 4 << 20
	maxEtcTotal = 128 << 20
)

// Files of etc that are never copied: they are the host's identity, name its
// disks, or are made anew.
var ownEtc = map[string]bool{
	"shadow": true, "shadow-": true, "gshadow": true, "gshadow-": true, "passwd": true, "passwd-": true, "group": true, "group-": true,
	"sudoers": true, "sudoers.d": true, "fstab": true, "crypttab": true, "mtab": true, "hostname": true, "hosts": true, "machine-id": true,
	"resolv.conf": true, "subuid": true, "subgid": true, "subuid-": true, "subgid-": true, "exports": true, "krb5.keytab": true, ".pwd.lock": true,
	"rc.local": true, "cloud": true, "localvpc": true, "wireguard": true, "kubernetes": true, "letsencrypt": true,
}

// copyEtc copies what any user of the host may read of its etc, and makes the
// rest: accounts without people and without passwords.
func (h *Host) copyEtc(to, from string) error {
	budget := int64(maxEtcTotal)
	if err := h.copyDir(to, from, "", &budget); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return h.accounts(to, from)
}

func (h *Host) copyDir(to, from, at string, budget *int64) error {
	entries, err := os.ReadDir(filepath.Join(from, at))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := filepath.Join(at, entry.Name())
		source, target := filepath.Join(from, name), filepath.Join(to, name)
		if at == "" && ownEtc[name] || strings.HasPrefix(name, "ssh/ssh_host_") || slices.Contains(h.hide, source) {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue // gone meanwhile
		}
		uid, gid := ownerOf(info)
		switch mode := info.Mode(); {
		case mode.IsDir():
			if mode&0o005 != 0o005 {
				continue
			}
			if err := h.mkdir(target, mode&(fs.ModePerm|fs.ModeSticky|fs.ModeSetgid), uid, gid); err != nil {
				return err
			}
			if err := h.copyDir(to, from, name, budget); err != nil {
				return err
			}
		case mode&fs.ModeSymlink != 0:
			link, err := os.Readlink(source)
			if err == nil {
				if err = os.Symlink(link, target); err == nil {
					err = h.owner(target, uid, gid)
				}
			}
			if err != nil {
				return err
			}
		case mode.IsRegular():
			if mode&0o004 == 0 || info.Size() > maxEtcFile || info.Size() > *budget {
				continue
			}
			*budget -= info.Size()
			if err := h.copyFile(target, source, info); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *Host) copyFile(to, from string, info fs.FileInfo) error {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil // unreadable after all, or gone
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, io.LimitReader(in, maxEtcFile)); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	uid, gid := ownerOf(info)
	if err := h.owner(to, uid, gid); err != nil {
		return err
	}
	return out.Chmod(info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky))
}

// accounts writes the account files: system users and groups only, every
// password locked, sudo for root and, without a password, for the groups that
// have it on common systems.
func (h *Host) accounts(to, from string) error {
	var passwd, shadow, group, gshadow strings.Builder
	people := map[string]bool{}
	root := false
	for _, line := range readTable(filepath.Join(from, "passwd"), 7) {
		if person(line[2]) {
			people[line[0]] = true
			continue
		}
		root = root || line[0] == "root"
		line[1] = "x"
		if line[0] == "root" {
			line[5] = "/root"
		}
		passwd.WriteString(strings.Join(line, ":") + "\n")
		shadow.WriteString(line[0] + ":*::0:99999:7:::\n")
	}
	if !root {
		passwd.WriteString("root:x:0:0:root:/root:/bin/sh\n")
		shadow.WriteString("root:*::0:99999:7:::\n")
	}
	shadowGroup := 0
	for _, line := range readTable(filepath.Join(from, "group"), 4) {
		if person(line[2]) {
			continue
		}
		var members []string
		for member := range strings.SplitSeq(line[3], ",") {
			if member != "" && !people[member] {
				members = append(members, member)
			}
		}
		line[1], line[3] = "x", strings.Join(members, ",")
		group.WriteString(strings.Join(line, ":") + "\n")
		gshadow.WriteString(line[0] + ":*::" + line[3] + "\n")
		if line[0] == "shadow" {
			shadowGroup, _ = strconv.Atoi(line[2])
		}
	}
	const sudoers = "Defaults env_reset\nDefaults secure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n" +
		"root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n%wheel ALL=(ALL:ALL) NOPASSWD: ALL\n@includedir /etc/sudoers.d\n"
	if err := h.mkdir(filepath.Join(to, "sudoers.d"), 0o750, 0, 0); err != nil {
		return err
	}
	for _, file := range []struct {
		name, text string
		mode       fs.FileMode
		gid        int
	}{
		{"passwd", passwd.String(), 0o644, 0}, {"group", group.String(), 0o644, 0},
		{"shadow", shadow.String(), 0o640, shadowGroup}, {"gshadow", gshadow.String(), 0o640, shadowGroup},
		{"sudoers", sudoers, 0o440, 0}, {"fstab", "", 0o644, 0}, {"subuid", "", 0o644, 0}, {"subgid", "", 0o644, 0},
	} {
		path := filepath.Join(to, file.name)
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			return err
		}
		if err := h.owner(path, 0, file.gid); err != nil {
			return err
		}
		if err := os.Chmod(path, file.mode); err != nil {
			return err
		}
	}
	return os.Symlink("/proc/self/mounts", filepath.Join(to, "mtab"))
}

// person tells whether an id is one of those that people get (login.defs(5):
// from 1000; 65534 is nobody).
func person(id string) bool {
	n, err := strconv.Atoi(id)
	return err != nil || n >= 1000 && n != 65534
}

// readTable reads a file of colon-separated lines, those with the right number
// of fields.
func readTable(path string, fields int) [][]string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var lines [][]string
	for line := range strings.SplitSeq(string(text), "\n") {
		if parts := strings.Split(line, ":"); len(parts) == fields {
			lines = append(lines, parts)
		}
	}
	return lines
}

func ownerOf(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), int(stat.Gid)
	}
	return 65534, 65534
}
