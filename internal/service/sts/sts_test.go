package sts

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// do runs an action by its name.
func do(t *testing.T, name string, c service.Caller, in any) (any, error) {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, a := range New(Config{Account: "123456789012"}).Actions() {
		if a.Name == name {
			out, index, err := a.Run(context.Background(), store, c, in)
			if index != 0 {
				t.Errorf("%s has changed the state", name)
			}
			return out, err
		}
	}
	t.Fatalf("%s is not served", name)
	return nil, nil
}

func TestGetCallerIdentity(t *testing.T) {
	out, err := do(t, "GetCallerIdentity", service.Root("111122223333", "eu-west-1", "111122223333"), &api.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	id := out.(*api.GetCallerIdentityOutput)
	if *id.Account != "111122223333" || *id.Arn != "arn:aws:iam::111122223333:root" || *id.UserId != "111122223333" {
		t.Errorf("account %s, arn %s, user %s", *id.Account, *id.Arn, *id.UserId)
	}
}

func TestGetAccessKeyInfo(t *testing.T) {
	caller := service.Root("111122223333", "eu-west-1", "k")
	for _, c := range []struct{ name, key, want string }{
		{"digits are an account", "444455556666", "444455556666"},
		{"any other key", "AKIAIOSFODNN7EXAMPLE", "123456789012"},
		{"too many digits", "4444555566667", "123456789012"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := do(t, "GetAccessKeyInfo", caller, &api.GetAccessKeyInfoInput{AccessKeyId: &c.key})
			if err != nil {
				t.Fatal(err)
			}
			if got := *out.(*api.GetAccessKeyInfoOutput).Account; got != c.want {
				t.Errorf("account %s, want %s", got, c.want)
			}
		})
	}
	if _, err := do(t, "GetAccessKeyInfo", caller, &api.GetAccessKeyInfoInput{}); !awserr.Is(err, "ValidationError") {
		t.Errorf("without a key: %v", err)
	}
}
