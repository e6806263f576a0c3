package privateip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "123456789012", Region: "us-east-1"}

func write(t *testing.T, fn func(*state.Tx)) {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestDraw: a subnet gives each of its addresses once, none that it reserves or that
// is excepted, and then says that it has no more.
func TestDraw(t *testing.T) {
	sub := &state.Subnet{Meta: state.Meta{Key: scope.Key("subnet-1")}, VpcID: "vpc-1", Cidr: netip.MustParsePrefix("10.0.0.16/28")}
	write(t, func(tx *state.Tx) {
		if Size(sub) != 16 || !Room(tx, sub, 11) || Room(tx, sub, 12) {
			t.Error("an empty /28 has 16 addresses, 11 of them free")
		}
		except := netip.MustParseAddr("10.0.0.25")
		seen := map[netip.Addr]bool{}
		for i := range 10 {
			a, err := Draw(tx, sub, map[netip.Addr]bool{except: true})
			if err != nil || seen[a] || a == except || sub.Reserved(a) || !sub.Cidr.Contains(a) {
				t.Fatalf("%v, %v", a, err)
			}
			seen[a] = true
			state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: scope.Key(fmt.Sprint("eni-", i))}, VpcID: "vpc-1", Addresses: []state.PrivateAddress{{Addr: a}}})
			if !Taken(tx, "vpc-1", a) || Taken(tx, "vpc-2", a) {
				t.Errorf("%s is taken in its VPC only", a)
			}
		}
		if _, err := Draw(tx, sub, map[netip.Addr]bool{except: true}); !errors.Is(err, ErrExhausted) {
			t.Error(err)
		}
		if !Room(tx, sub, 1) || Room(tx, sub, 2) {
			t.Error("one is left")
		}
	})
}

func TestMAC(t *testing.T) {
	form := regexp.MustCompile(`^0[26ae](:[0-9a-f]{2}){5}$`)
	write(t, func(tx *state.Tx) {
		for i := range 50 {
			mac, others := MAC(tx, scope)
			if !form.MatchString(mac) || others != i {
				t.Fatalf("%s beside %d", mac, others)
			}
			state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: scope.Key(fmt.Sprint("eni-", i))}, MAC: mac})
		}
	})
}
