// Report reads what `go test -json` prints and prints what people look for: a line for
// each package, which tests were skipped and why, and all that failing tests said. It
// ends with status 1 if a test failed, or if one that needs namespaces was skipped
// and -namespaces says that there are some.
//
// Invariant: what a test said is shown if it failed, and never otherwise; nothing is run.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// event is one line (cmd/test2json).
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// wanted is what a test says that needs namespaces, behind its file, or a TestMain
// behind "skipped:"; a test's script may quote the words.
var wanted = regexp.MustCompile(`(?m)^(\s+\S+\.go:\d+|skipped): .*namespaces are not permitted`)

// most is how much of a failing test's output is shown, from its end, in bytes.
const most = 12 << 10

func main() {
	namespaces := flag.Bool("namespaces", false, "the machine permits namespaces: no test may be skipped for want of them")
	flag.Parse()
	failed := false
	said := map[[2]string]*strings.Builder{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil { // a build that fails speaks plainly
			fmt.Println(lines.Text())
			continue
		}
		key := [2]string{e.Package, e.Test}
		if said[key] == nil {
			said[key] = new(strings.Builder)
		}
		switch e.Action {
		case "output", "build-output":
			if !strings.HasPrefix(e.Output, "=== ") {
				said[key].WriteString(e.Output)
			}
		case "fail", "build-fail":
			failed = true
			text := said[key].String()
			fmt.Printf("FAIL %s %s (%.1fs)\n%s\n", e.Package, e.Test, e.Elapsed, text[max(0, len(text)-most):])
		case "skip":
			text := said[key].String()
			fmt.Printf("skipped: %s %s %s\n", e.Package, e.Test, strings.Join(strings.Fields(text), " "))
			failed = failed || *namespaces && wanted.MatchString(text)
		case "pass":
			if e.Test == "" {
				fmt.Printf("ok %s %.1fs\n", e.Package, e.Elapsed)
				failed = failed || *namespaces && wanted.MatchString(said[key].String())
			}
		}
		if e.Action != "output" && e.Action != "build-output" {
			delete(said, key)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Println("FAIL: reading the report:", err)
		failed = true
	}
	if failed {
		fmt.Println("FAIL: a test failed, or was skipped for want of namespaces on a machine that permits them")
		os.Exit(1)
	}
}
