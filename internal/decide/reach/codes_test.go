package reach_test

import (
	"errors"
	"io/fs"
	"os"
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
