package awspolicy_test

import (
	"testing"

	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/authz"
)

// TestAllCanBeRead by the language's parser, and have names of their own.
func TestAllCanBeRead(t *testing.T) {
	ids := map[string]bool{}
	for _, p := range awspolicy.All() {
		if _, err := authz.Parse(string(p.Document), authz.Identity); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if found, ok := awspolicy.Lookup(p.ARN()); !ok || found != p || len(p.UniqueID()) != 21 || ids[p.UniqueID()] {
			t.Errorf("%s: %v %s", p.ARN(), ok, p.UniqueID())
		}
		ids[p.UniqueID()] = true
	}
	if _, ok := awspolicy.Lookup("arn:aws:iam::aws:policy/Nonsense"); ok {
		t.Error("a policy that there is not")
	}
}
