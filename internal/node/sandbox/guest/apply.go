//go:build linux

package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/userdata"
)

// apply carries out one action of the user data. What fails is a line on the
// console.
func (g *guest) apply(action userdata.Action, output int, flush func()) {
	var err error
	what := ""
	switch a := action.(type) {
	case userdata.Log:
		g.console.printf("%s", a.Text)
	case userdata.WriteFile:
		what, err = "write_files: "+a.Path, writeFile(&a)
	case userdata.Hostname:
		what, err = "hostname", setHostname(&a)
	case userdata.Group:
		what, err = "group "+a.Name, newAccounts(g.config.Ids).addGroup(&a)
	case userdata.User:
		what, err = "user "+a.Name, newAccounts(g.config.Ids).addUser(&a)
	case userdata.AuthorizedKeys:
		what, err = "ssh_authorized_keys", authorize("/root", a.Keys, 0, 0)
	case userdata.Script:
		what, err = a.Name, g.script(&a, output, flush)
	}
	if err != nil {
		g.console.printf("user-data: %s: %v", what, err)
	}
}

// script keeps a script where cloud-init does, runs it, and waits for its end
// and for what it printed until then.
func (g *guest) script(s *userdata.Script, output int, flush func()) error {
	path := filepath.Join(g.instanceDir(), "scripts", s.Name)
	if err := replace(path, s.Body, 0o700); err != nil {
		return err
	}
	status, err := g.run(path, output)
	if err != nil {
		return fmt.Errorf("starting it: %w", err)
	}
	ended := <-status
	flush()
	switch {
	case ended.Signaled():
		return fmt.Errorf("ended by signal %d (%v)", ended.Signal(), ended.Signal())
	case ended.ExitStatus() != 0:
		return fmt.Errorf("exited with status %d", ended.ExitStatus())
	}
	return nil
}

func setHostname(h *userdata.Hostname) error {
	if err := replace("/etc/hostname", []byte(h.Name+"\n"), 0o644); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(h.Name)); err != nil {
		return err
	}
	names := h.Name
	if h.FQDN != "" && h.FQDN != h.Name {
		names = h.FQDN + " " + h.Name
	}
	return appendTo("/etc/hosts", "127.0.1.1 "+names+"\n")
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// writeFile writes a regular file of the instance. Init does the writing, so
// the kernel's own file systems are refused: through /proc, init would write to
// itself.
func writeFile(w *userdata.WriteFile) error {
	if err := os.MkdirAll(filepath.Dir(w.Path), 0o755); err != nil {
		return err
	}
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	if w.Append {
		flags |= unix.O_APPEND
	}
	fd, err := unix.Open(w.Path, flags, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), w.Path)
	defer file.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	switch int64(fs.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC:
		return fmt.Errorf("not a place for files")
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("not a regular file")
	}
	if !w.Append {
		if err := file.Truncate(0); err != nil {
			return err
		}
	}
	if _, err := file.Write(w.Content); err != nil {
		return err
	}
	if w.Owner != "" {
		uid, gid, err := ownerOf(w.Owner)
		if err == nil {
			err = file.Chown(uid, gid)
		}
		if err != nil {
			_ = file.Chmod(w.Mode)
			return fmt.Errorf("owner %s: %w", w.Owner, err)
		}
	}
	return file.Chmod(w.Mode) // after chown, which clears setuid
}

// ownerOf resolves "user:group", names or numbers; -1 leaves one as it is.
func ownerOf(owner string) (uid, gid int, err error) {
	user, group, _ := strings.Cut(owner, ":")
	if uid, err = idOf("/etc/passwd", user); err != nil {
		return 0, 0, err
	}
	gid, err = idOf("/etc/group", group)
	return uid, gid, err
}

func idOf(table, name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	text, err := os.ReadFile(table)
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if fields := strings.Split(line, ":"); len(fields) > 2 && fields[0] == name {
			return strconv.Atoi(fields[2])
		}
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	return 0, fmt.Errorf("%s is not in %s", name, table)
}
