//go:build linux

package netns

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/kernel/testns"
)

func TestMain(m *testing.M) { os.Exit(testns.Main(m)) }

// inode identifies the namespace of the calling thread.
func inode(t *testing.T) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(current, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestANamespaceLivesUnderItsName(t *testing.T) {
	d := Dir(testns.Dir(t))
	var inside uint64
	f, err := d.Create("a", func() error { inside = inode(t); return nil })
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, err = d.Open("a"); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var again uint64
	if err := Enter(f, func() error { again = inode(t); return nil }); err != nil || again != inside || inside == inode(t) {
		t.Errorf("made %d, entered %d, at home %d: %v", inside, again, inode(t), err)
	}
	if _, err := d.Create("a", func() error { return nil }); !errors.Is(err, unix.EEXIST) {
		t.Errorf("twice the same name gives %v", err)
	}
	if list, err := d.List(); err != nil || !slices.Equal(list, []string{"a"}) {
		t.Errorf("listed %v, %v", list, err)
	}
	for range 2 {
		if err := d.Remove("a"); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Open("a"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening what is removed gives %v", err)
	}
}

func TestAFailedSetupLeavesNothing(t *testing.T) {
	d := Dir(testns.Dir(t))
	home := inode(t)
	no := errors.New("no")
	if _, err := d.Create("a", func() error { return no }); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(string(d)); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
	for range 20 { // on whichever thread
		if inode(t) != home {
			t.Fatal("a thread came back elsewhere")
		}
	}
}

func TestEnteringNoNamespace(t *testing.T) {
	testns.Need(t)
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Enter(f, func() error { t.Error("entered"); return nil }); !errors.Is(err, unix.EINVAL) {
		t.Errorf("got %v", err)
	}
}
