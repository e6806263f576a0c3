package dnsview

import (
	"context"
	"crypto/rand"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// TestVersionsAreOfWhatIsRead: no table that counts as indifferent is read by this
// package, or by one that decides with it.
func TestVersionsAreOfWhatIsRead(t *testing.T) {
	names := map[string]string{} // by the variable in state
	for _, file := range parsed(t, "../../state") {
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			u, ok := v.Values[0].(*ast.UnaryExpr)
			if !ok {
				return true
			}
			if c, ok := u.X.(*ast.CompositeLit); ok {
				for _, e := range c.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						if k, ok := kv.Key.(*ast.Ident); ok && k.Name == "name" {
							names[v.Names[0].Name] = strings.Trim(kv.Value.(*ast.BasicLit).Value, `"`)
						}
					}
				}
			}
			return true
		})
	}
	for table := range indifferent {
		known := false
		for _, name := range names {
			known = known || name == table
		}
		if !known {
			t.Errorf("there is no table %q", table)
		}
	}
	dirs := []string{"."}
	for i := 0; i < len(dirs); i++ {
		for path, file := range parsed(t, dirs[i]) {
			for _, imported := range file.Imports {
				_, name, decides := strings.Cut(strings.Trim(imported.Path.Value, `"`), "/internal/decide/")
				if dir := "../" + name; decides && !slices.Contains(dirs, dir) {
					dirs = append(dirs, dir)
				}
			}
			if filepath.Base(path) == "version.go" {
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "state" && indifferent[names[s.Sel.Name]] {
						t.Errorf("%s reads state.%s", path, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func parsed(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*ast.File{}
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			if out[path], err = parser.ParseFile(token.NewFileSet(), path, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

func TestVersion(t *testing.T) {
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	version := func(fn func(tx *state.Tx)) uint64 {
		if _, err := store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		return Version(store.Snapshot())
	}
	scope := state.Scope{Account: "000000000000", Region: "us-east-1"}
	first := version(func(tx *state.Tx) { state.Vpcs.Put(tx, &state.Vpc{Meta: tx.Meta(scope, "vpc")}) })
	if same := version(func(tx *state.Tx) {
		state.KeyPairs.Put(tx, &state.KeyPair{Meta: tx.Meta(scope, "key")})
		state.Volumes.Put(tx, &state.Volume{Meta: tx.Meta(scope, "vol")})
	}); same != first {
		t.Errorf("a key pair changes answers: %d, before %d", same, first)
	}
	if other := version(func(tx *state.Tx) {
		state.KeyPairs.Put(tx, &state.KeyPair{Meta: tx.Meta(scope, "key")})
		state.Instances.Put(tx, &state.Instance{Meta: tx.Meta(scope, "i")})
	}); other == first {
		t.Error("an instance changes no answers")
	}
}
