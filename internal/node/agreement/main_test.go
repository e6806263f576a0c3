//go:build linux

package agreement

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/node/kernel/testns"
)

var (
	pureCases   = flag.Int("agreement.pure", 2000, "random states for the explanation and the interpreter, 20 packets each")
	kernelCases = flag.Int("agreement.kernel", 200, "random states for the kernel as well, 20 packets each")
	seed        = flag.Uint64("agreement.seed", 1, "of the random states; 0: another one each time")
)

func TestMain(m *testing.M) { os.Exit(testns.Main(m)) }

// check runs a property on a number of cases, the same ones each time. What
// -rapid.checks and -rapid.seed say goes before.
func check(t *testing.T, cases int, property func(t *rapid.T)) {
	t.Helper()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	set := func(name string, value any) {
		if given[name] {
			return
		}
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(text(value)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Value.Set(before) })
	}
	set("rapid.checks", cases)
	set("rapid.seed", *seed)
	rapid.Check(t, property)
}
