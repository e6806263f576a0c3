// Package localvpc holds the tests of the house: rules that every change keeps.
package localvpc

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/localvpc/localvpc"

// wings says which wing may import which, and why the others may not. A wing is
// the first folder under internal; a package may always import its own wing
// except where deeper rules below say otherwise.
var wings = map[string]struct {
	may []string
	why string
}{
	"base":    {nil, "the words of AWS and of networks: everything stands on them, so they stand on nothing"},
	"state":   {[]string{"base"}, "both worlds meet here, so it can know neither"},
	"decide":  {[]string{"base", "state"}, "a decision is a function of a snapshot; if it could see an effect it would not be repeatable"},
	"aws":     {[]string{"base"}, "the wire carries any resource, so it knows none"},
	"service": {[]string{"base", "aws", "state", "decide"}, "an action writes the state; if it touched the kernel, a restart would lose what it did"},
	"node":    {[]string{"base", "state", "decide"}, "the kernel follows the state, whoever asked for it and over whichever protocol"},
	"front":   {[]string{"base", "aws", "service"}, "people and programs get what the public API gives; looking into state or node would be a second, private API"},
	"app":     {[]string{"base", "aws", "service", "state", "decide", "node", "front"}, "the only place that knows them all"},
}

// forbidden are edges inside or between wings that the table above would allow.
var forbidden = []struct{ from, to, why string }{
	{"internal/service/ec2", "internal/service/sts", "a service never imports another: what they share is state"},
	{"internal/service/ec2", "internal/service/ssm", "a service never imports another: what they share is state"},
	{"internal/service/ssm", "internal/service/ec2", "a service never imports another: what they share is state"},
	{"internal/service/ssm", "internal/service/sts", "a service never imports another: what they share is state"},
	{"internal/service/sts", "internal/service/ec2", "a service never imports another: what they share is state"},
	{"internal/service/sts", "internal/service/ssm", "a service never imports another: what they share is state"},
	{"internal/service/servicequotas", "internal/service/ec2", "a service never imports another: what they share is state"},
	{"internal/service/ec2", "internal/service/servicequotas", "a service never imports another: what they share is state"},
	{"internal/service/iam", "internal/service/ec2", "a service never imports another: what they share is state"},
	{"internal/service/iam", "internal/service/sts", "a service never imports another: what they share is state"},
	{"internal/service/sts", "internal/service/iam", "a service never imports another: what they share is state"},
	{"internal/service/elbv2", "internal/service/ec2", "a service never imports another: what they share is state"},
	{"internal/service/ec2", "internal/service/elbv2", "a service never imports another: what they share is state"},
	{"internal/service/elbv2", "internal/service/iam", "a service never imports another: what they share is state"},
	{"internal/service/ec2", "internal/service/iam", "a service never imports another: what they share is state"},
	{"internal/service", "internal/aws/client", "a service answers, it does not call"},
	{"internal/node/kernel", "internal/state", "the kernel wing obeys plan's values; knowing resources it would decide again"},
	{"internal/node/sandbox", "internal/state", "the sandbox obeys a spec; knowing resources it would decide again"},
	{"internal/node/world", "internal/state", "the world outlives every engine, whatever its state looks like"},
	{"internal/front/render", "internal/aws/client", "rendering looks nothing up"},
}

// impure are packages of the standard library that a decision may not use.
var impure = []string{"os", "os/exec", "net", "net/http", "syscall", "crypto/rand", "math/rand", "math/rand/v2", "golang.org/x/sys/unix"}

type goPackage struct {
	ImportPath   string
	Dir          string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Doc,Imports,TestImports,XTestImports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func wingOf(importPath string) (wing, rel string) {
	rel, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return "", ""
	}
	parts := strings.Split(rel, "/")
	if parts[0] != "internal" || len(parts) < 2 {
		return "", rel
	}
	return parts[1], rel
}

func TestImportsFollowTheHouse(t *testing.T) {
	for _, p := range packages(t) {
		from, rel := wingOf(p.ImportPath)
		if from == "" {
			continue
		}
		rule, ok := wings[from]
		if !ok {
			t.Errorf("%s is in no wing: ARCHITECTURE.md lists them", rel)
			continue
		}
		for _, imp := range p.Imports {
			to, toRel := wingOf(imp)
			if to == "" {
				continue
			}
			allowed := to == from
			for _, may := range rule.may {
				allowed = allowed || may == to
			}
			if !allowed {
				t.Errorf("%s imports %s, which %s may not: %s", rel, toRel, from, rule.why)
			}
			for _, f := range forbidden {
				if within(rel, f.from) && within(toRel, f.to) && !(within(rel, f.to)) {
					t.Errorf("%s imports %s: %s", rel, toRel, f.why)
				}
			}
		}
	}
}

func within(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func TestDecisionsArePure(t *testing.T) {
	for _, p := range packages(t) {
		if wing, rel := wingOf(p.ImportPath); wing == "decide" || wing == "base" {
			for _, imp := range p.Imports {
				for _, bad := range impure {
					if imp == bad {
						t.Errorf("%s imports %s: a decision reads no clock, no file, no network and no randomness", rel, imp)
					}
				}
			}
		}
	}
	clock := regexp.MustCompile(`\btime\.(Now|Since|Until|Sleep|After|Tick|NewTimer|NewTicker)\b`)
	walk(t, "internal/decide", func(path, text string) {
		if !strings.HasSuffix(path, "_test.go") && clock.MatchString(text) {
			t.Errorf("%s reads the clock: take the time as an argument", path)
		}
	})
}

func TestEveryPackageSaysItsInvariant(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.Imports) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// generated files and tables of data are exempt from the bound on files.
var bigFiles = regexp.MustCompile(`_gen\.go$|_data\.go$`)

func TestAFileIsOneSubject(t *testing.T) {
	const most = 650
	walk(t, ".", func(path, text string) {
		if n := strings.Count(text, "\n"); n > most && !bigFiles.MatchString(path) {
			t.Errorf("%s has %d lines: a file is one subject, at most %d lines", path, n, most)
		}
	})
}

func TestNobodySleeps(t *testing.T) {
	sleep := regexp.MustCompile(`\btime\.Sleep\(`)
	walk(t, ".", func(path, text string) {
		if path != "repo_test.go" && sleep.MatchString(text) {
			t.Errorf("%s sleeps: wait for the event that is meant", path)
		}
	})
}

// TestDependenciesHaveAReason compares go.mod's direct dependencies with the
// table in docs/dependencies.md.
func TestDependenciesHaveAReason(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]bool{}
	row := regexp.MustCompile("^\\| `([^`]+)` \\| (.{20,}) \\|$")
	for lines := bufio.NewScanner(strings.NewReader(string(doc))); lines.Scan(); {
		if m := row.FindStringSubmatch(lines.Text()); m != nil {
			reasons[m[1]] = false
		}
	}
	for _, r := range mod.Require {
		if r.Indirect {
			continue
		}
		if _, ok := reasons[r.Path]; !ok {
			t.Errorf("docs/dependencies.md does not say why %s is there", r.Path)
		}
		reasons[r.Path] = true
	}
	for path, used := range reasons {
		if !used {
			t.Errorf("docs/dependencies.md lists %s, which go.mod does not require", path)
		}
	}
}

// TestTheTreeNamesNoMachine keeps paths of the machine it was written on out.
func TestTheTreeNamesNoMachine(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	above := filepath.Dir(dir) + "/"
	if len(above) < 6 {
		t.Skip("the checkout stands too near the root of the file system to tell its path from others")
	}
	walk(t, ".", func(path, text string) {
		if strings.Contains(text, above+filepath.Base(dir)+"/") {
			t.Errorf("%s names a path of this machine", path)
		}
	})
}

// walk calls fn with every Go file below dir.
func walk(t *testing.T, dir string, fn func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			fn(path, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBuildsElsewhere: where there are no namespaces the program still runs API and
// explain, so it must compile there, tests included.
func TestBuildsElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling everything for another system takes long; run without -short")
	}
	for _, args := range [][]string{
		{"build", "-o", filepath.Join(t.TempDir(), "localvpc"), "./cmd/localvpc"},
		{"vet", "./cmd/...", "./internal/..."},
	} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "GOOS=darwin", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("GOOS=darwin go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
