package reach_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
)

// knownCodes reads AWS's list of explanation codes, where it is at hand.
func knownCodes(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../../../shared/facts/reachability-codes.tsv")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the list of explanation codes is not beside the repository (../shared)")
	}
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		_, code, _ := strings.Cut(strings.TrimSpace(line), "\t")
		known[code] = true
	}
	return known
}

// TestCodesAreListed: every code that this package gives is one of AWS's.
func TestCodesAreListed(t *testing.T) {
	known := knownCodes(t)
	file, err := parser.ParseFile(token.NewFileSet(), "reach.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(at ast.Node) bool {
		v, ok := at.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := v.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			return true
		}
		n++
		code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil || !known[code] {
			t.Errorf("%s is no explanation code of AWS's: %q, %v", v.Names[0].Name, code, err)
		}
		return true
	})
	if n == 0 {
		t.Error("reach.go has no codes")
	}
}
