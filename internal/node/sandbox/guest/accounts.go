//go:build linux

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/localvpc/localvpc/internal/node/sandbox/userdata"
)

// accounts edits passwd(5), group(5) and shadow(5) of the instance by itself:
// an image needs no useradd, and as an ordinary user useradd could not work.
type accounts struct {
	passwd, group, shadow *table
	ids                   bool // files can be given to other users
}

func newAccounts(ids bool) *accounts {
	return &accounts{passwd: load("/etc/passwd", 0o644), group: load("/etc/group", 0o644), shadow: load("/etc/shadow", 0o640), ids: ids}
}

func (a *accounts) save() error {
	return errors.Join(a.passwd.save(), a.group.save(), a.shadow.save())
}

func (a *accounts) addGroup(g *userdata.Group) error {
	if _, err := a.ensureGroup(g.Name, 0); err != nil {
		return err
	}
	for _, member := range g.Members {
		a.join(g.Name, member)
	}
	return a.group.save()
}

// ensureGroup gives the id of a group and creates it where needed, with the
// wanted id if that is free.
func (a *accounts) ensureGroup(name string, want int) (int, error) {
	if line := a.group.find(name); line != nil {
		return strconv.Atoi(line[2])
	}
	gid, err := a.group.free(want)
	if err != nil {
		return 0, err
	}
	a.group.lines = append(a.group.lines, []string{name, "x", strconv.Itoa(gid), ""})
	return gid, nil
}

func (a *accounts) join(group, user string) {
	line := a.group.find(group)
	if line == nil {
		return
	}
	var members []string
	if line[3] != "" {
		members = strings.Split(line[3], ",")
	}
	if !slices.Contains(members, user) {
		line[3] = strings.Join(append(members, user), ",")
	}
}

// addUser creates a user, locked for passwords, with home, keys and sudo rules;
// for a user that exists it adds groups, keys and rules.
func (a *accounts) addUser(u *userdata.User) error {
	line := a.passwd.find(u.Name)
	created := line == nil
	if created {
		uid, err := a.passwd.free(u.UID)
		if err != nil {
			return err
		}
		primary := u.PrimaryGroup
		if primary == "" {
			primary = u.Name
		}
		gid, err := a.ensureGroup(primary, uid)
		if err != nil {
			return err
		}
		home, shell := u.Home, u.Shell
		if home == "" {
			home = "/home/" + u.Name
		}
		if shell == "" {
			shell = "/bin/sh"
			if _, err := os.Stat("/bin/bash"); err == nil {
				shell = "/bin/bash"
			}
		}
		line = []string{u.Name, "x", strconv.Itoa(uid), strconv.Itoa(gid), u.Gecos, home, shell}
		a.passwd.lines = append(a.passwd.lines, line)
		a.shadow.lines = append(a.shadow.lines, []string{u.Name, "!", "", "0", "99999", "7", "", "", ""})
	}
	for _, group := range u.Groups {
		if _, err := a.ensureGroup(group, 0); err != nil {
			return err
		}
		a.join(group, u.Name)
	}
	if err := a.save(); err != nil {
		return err
	}
	if len(u.Sudo) > 0 {
		var rules strings.Builder
		for _, rule := range u.Sudo {
			fmt.Fprintf(&rules, "%s %s\n", u.Name, rule)
		}
		const path = "/etc/sudoers.d/90-cloud-init-users"
		kept, _ := os.ReadFile(path)
		if err := replace(path, append(kept, rules.String()...), 0o440); err != nil {
			return err
		}
	}
	uid, err := strconv.Atoi(line[2])
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(line[3])
	if err != nil {
		return err
	}
	home := line[5]
	if !a.ids {
		uid, gid = 0, 0
	}
	if created && !u.NoHome {
		if err := makeHome(home, uid, gid); err != nil {
			return err
		}
	}
	if len(u.Keys) > 0 {
		if err := authorize(home, u.Keys, uid, gid); err != nil {
			return err
		}
	}
	if created && !a.ids {
		return errOneID
	}
	return nil
}

var errOneID = errors.New("its files stay root's: localvpc runs as an ordinary user, which has one user id to give to instances; run localvpc as root for more")

func makeHome(home string, uid, gid int) error {
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(home, 0o755); err != nil {
		return err
	}
	if skel, err := os.ReadDir("/etc/skel"); err == nil {
		for _, entry := range skel {
			if text, err := os.ReadFile("/etc/skel/" + entry.Name()); err == nil && entry.Type().IsRegular() {
				path := filepath.Join(home, entry.Name())
				if os.WriteFile(path, text, 0o644) == nil {
					_ = os.Lchown(path, uid, gid)
				}
			}
		}
	}
	return os.Lchown(home, uid, gid)
}

// authorize adds keys to the authorized_keys of a home directory.
func authorize(home string, keys []string, uid, gid int) error {
	dir := filepath.Join(home, ".ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "authorized_keys")
	kept, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimRight(string(kept), "\n"), "\n")
	for _, key := range keys {
		if !slices.Contains(lines, key) {
			lines = append(lines, key)
		}
	}
	if lines[0] == "" {
		lines = lines[1:]
	}
	if err := replace(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	if uid == 0 {
		return nil
	}
	return errors.Join(os.Lchown(path, uid, gid), os.Lchown(dir, uid, gid))
}

// table is one colon-separated file.
type table struct {
	path     string
	mode     os.FileMode
	uid, gid int
	lines    [][]string
}

// Fields of a line in passwd, group and shadow.
func fieldsOf(path string) int {
	switch filepath.Base(path) {
	case "passwd":
		return 7
	case "group":
		return 4
	}
	return 9
}

// load reads a table; a missing one is empty, short lines are kept in shape.
func load(path string, mode os.FileMode) *table {
	t := &table{path: path, mode: mode}
	if info, err := os.Stat(path); err == nil {
		t.mode = info.Mode().Perm()
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			t.uid, t.gid = int(stat.Uid), int(stat.Gid)
		}
	}
	text, _ := os.ReadFile(path)
	for line := range strings.SplitSeq(string(text), "\n") {
		if line == "" {
			continue
		}
		fields := strings.Split(line, ":")
		for len(fields) < fieldsOf(path) {
			fields = append(fields, "")
		}
		t.lines = append(t.lines, fields)
	}
	return t
}

func (t *table) save() error {
	var text strings.Builder
	for _, line := range t.lines {
		text.WriteString(strings.Join(line, ":") + "\n")
	}
	if err := replace(t.path, []byte(text.String()), t.mode); err != nil {
		return err
	}
	if t.uid != 0 || t.gid != 0 {
		_ = os.Lchown(t.path, t.uid, t.gid) // group shadow, where it can be kept
	}
	return nil
}

func (t *table) find(name string) []string {
	for _, line := range t.lines {
		if line[0] == name {
			return line
		}
	}
	return nil
}

// free gives want if no line has that id, else the next one from 1000
// (login.defs(5), UID_MIN and UID_MAX).
func (t *table) free(want int) (int, error) {
	taken := map[string]bool{}
	for _, line := range t.lines {
		taken[line[2]] = true
	}
	if want > 0 && !taken[strconv.Itoa(want)] {
		return want, nil
	}
	for id := 1000; id <= 60000; id++ {
		if !taken[strconv.Itoa(id)] {
			return id, nil
		}
	}
	return 0, fmt.Errorf("no id between 1000 and 60000 is free in %s", t.path)
}
