//go:build linux

package guest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
	"github.com/localvpc/localvpc/internal/node/sandbox/userdata"
)

func TestRunLevel(t *testing.T) {
	record := func(magic, command, level uint32, size int) []byte {
		b := make([]byte, max(size, 12))
		binary.NativeEndian.PutUint32(b, magic)
		binary.NativeEndian.PutUint32(b[4:], command)
		binary.NativeEndian.PutUint32(b[8:], level)
		return b[:size]
	}
	for _, test := range []struct {
		name   string
		record []byte
		want   byte
	}{
		{"power off", record(initctlMagic, initctlRun, '0', initctlSize), '0'},
		{"reboot", record(initctlMagic, initctlRun, '6', initctlSize), '6'},
		{"short", record(initctlMagic, initctlRun, '0', 12), 0},
		{"empty", nil, 0},
		{"other magic", record(1, initctlRun, '0', initctlSize), 0},
		{"other command", record(initctlMagic, 2, '0', initctlSize), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := runLevel(test.record); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestConsoleFile writes in pieces of many sizes: the file stays bounded and
// ends with what was written last.
func TestConsoleFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c := newConsole(file)
	var all []byte
	for i, size := range []int{1, 0, 100, control.ConsoleKeep, control.ConsoleKeep - 1, 1, control.ConsoleMax, 3*control.ConsoleMax + 7, 5, 60000, 60000, 60000, 12} {
		piece := bytes.Repeat([]byte(fmt.Sprintf("%02d.", i)), size/3+1)[:size]
		all = append(all, piece...)
		if n, err := c.Write(piece); n != size || err != nil {
			t.Fatalf("write of %d: %d, %v", size, n, err)
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) > control.ConsoleMax || !bytes.HasSuffix(all, text) || len(text) < min(len(all), control.ConsoleKeep) {
			t.Fatalf("after a write of %d bytes the file has %d, a tail: %v (%v)", size, len(text), bytes.HasSuffix(all, text), err)
		}
	}
	again := newConsole(file) // the next boot
	if again.size != c.size {
		t.Errorf("taken over at %d, not %d", again.size, c.size)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"bin/run": 0o755, "bin/plain": 0o644, "sbin/plain": 0o755} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/nowhere", "PATH=relative::" + dir + "/bin:" + dir + "/sbin/"}
	for _, test := range []struct {
		name, want string
		err        error
	}{
		{"run", dir + "/bin/run", nil},
		{"plain", dir + "/sbin/plain", nil}, // past the one that cannot be executed
		{"none", "", errNotFound},
		{dir + "/bin/run", dir + "/bin/run", nil},
		{"bin/run", "bin/run", nil},
		{"./bin/plain", "./bin/plain", os.ErrPermission},
		{"bin", "", errNotFound},
		{dir, dir, os.ErrPermission},
		{"/none", "/none", os.ErrNotExist},
	} {
		got, err := lookPath(test.name, dir, env)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %q, %v, want %q, %v", test.name, got, err, test.want, test.err)
		}
	}
}

func TestAccounts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/sh\nshort:x:5\nalice:x:1000:1000::" + dir + "/alice:/bin/sh\n", "group": "root:x:0:\nsudo:x:27:alice\n", "shadow": "root:*::0:99999:7:::\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a := &accounts{passwd: load(dir+"/passwd", 0o644), group: load(dir+"/group", 0o644), shadow: load(dir+"/shadow", 0o640)}
	for _, user := range []userdata.User{
		{Name: "bob", Home: dir + "/bob", Groups: []string{"sudo", "ops"}, Shell: "/bin/sh", Keys: []string{"key"}},
		{Name: "carol", NoHome: true, UID: 1500, PrimaryGroup: "ops", Gecos: "Carol", Shell: "/bin/false"},
		{Name: "dave", NoHome: true, UID: 1500, Shell: "/bin/sh"}, // taken: another one
		{Name: "alice", Groups: []string{"sudo", "ops"}, Keys: []string{"key"}},
		{Name: "alice", Groups: []string{"ops"}, Keys: []string{"key"}},
	} {
		if err := a.addUser(&user); err != nil && !errors.Is(err, errOneID) {
			t.Fatalf("%s: %v", user.Name, err)
		}
	}
	if err := a.addGroup(&userdata.Group{Name: "team", Members: []string{"bob"}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"passwd":                   "root:x:0:0:root:/root:/bin/sh\nshort:x:5::::\nalice:x:1000:1000::DIR/alice:/bin/sh\nbob:x:1001:1001::DIR/bob:/bin/sh\ncarol:x:1500:1000:Carol:/home/carol:/bin/false\ndave:x:1002:1002::/home/dave:/bin/sh\n",
		"group":                    "root:x:0:\nsudo:x:27:alice,bob\nbob:x:1001:\nops:x:1000:bob,alice\ndave:x:1002:\nteam:x:1003:bob\n",
		"shadow":                   "root:*::0:99999:7:::\nbob:!::0:99999:7:::\ncarol:!::0:99999:7:::\ndave:!::0:99999:7:::\n",
		"bob/.ssh/authorized_keys": "key\n", "alice/.ssh/authorized_keys": "key\n",
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if got := strings.ReplaceAll(string(text), dir, "DIR"); got != want || err != nil {
			t.Errorf("%s:\n%s--- want\n%s(%v)", name, got, want, err)
		}
	}
}

// TestWriteFile: init writes for user data, so it must not be led to itself.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/proc/self/comm", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile("/proc/self/comm")
	for _, path := range []string{"/proc/self/comm", dir + "/link", "/proc/self/fd/1", dir, "/dev/null"} {
		if err := writeFile(&userdata.WriteFile{Path: path, Content: []byte("x"), Mode: 0o644}); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	if after, _ := os.ReadFile("/proc/self/comm"); string(after) != string(before) {
		t.Errorf("comm is %q", after)
	}
	for _, test := range []struct {
		write userdata.WriteFile
		want  string
	}{
		{userdata.WriteFile{Content: []byte("long text"), Mode: 0o600}, "long text"},
		{userdata.WriteFile{Content: []byte("short"), Mode: 0o640}, "short"},
		{userdata.WriteFile{Content: []byte("er"), Mode: 0o4755 &^ 0o4000, Append: true}, "shorter"},
	} {
		test.write.Path = dir + "/new/file"
		if err := writeFile(&test.write); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(test.write.Path)
		info, _ := os.Stat(test.write.Path)
		if string(text) != test.want || err != nil || info.Mode() != test.write.Mode {
			t.Errorf("%q %v, %v, want %q %v", text, info.Mode(), err, test.want, test.write.Mode)
		}
	}
}
