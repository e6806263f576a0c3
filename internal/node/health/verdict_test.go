package health

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// TestVerdict: more than 18 % of the checkers have to see an endpoint healthy.
func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		up, all int
		want    bool
	}{{0, 3, false}, {1, 3, true}, {3, 3, true}, {18, 100, false}, {19, 100, true}, {2, 11, true}, {1, 6, false}, {0, 0, true}} {
		if got := verdict(tt.up, tt.all); got != tt.want {
			t.Errorf("%d of %d: %v", tt.up, tt.all, got)
		}
	}
}

// TestThreshold: a view changes with so many results in a row against it.
func TestThreshold(t *testing.T) {
	for _, tt := range []struct {
		threshold int32
		results   string // + and -
		views     string // after each
	}{
		{1, "+-+--+", "+-+--+"},
		{3, "--+---", "+++++-"},
		{3, "---++-+++", "++------+"},
		{2, "-+-+--+-++", "+++++----+"},
	} {
		var v view
		var got strings.Builder
		for _, r := range tt.results {
			if v = v.see(r == '+', tt.threshold); v.down {
				got.WriteByte('-')
			} else {
				got.WriteByte('+')
			}
		}
		if got.String() != tt.views {
			t.Errorf("threshold %d, %s: %s, want %s", tt.threshold, tt.results, got.String(), tt.views)
		}
	}
}

func TestRegionsOf(t *testing.T) {
	for _, tt := range []struct{ named, want string }{
		{"", "us-east-1 us-west-2 eu-west-1"},
		{"sa-east-1 eu-west-1 us-west-1", "eu-west-1 us-west-1 sa-east-1"},
		{"us-east-1 us-west-1 us-west-2 sa-east-1 ap-northeast-1", "us-east-1 us-west-2 us-west-1"},
	} {
		if got := regionsOf(&state.HealthCheck{Regions: strings.Fields(tt.named)}); !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%q: %v, want %s", tt.named, got, tt.want)
		}
	}
}

// TestNoted: what has been seen before says nothing new, however late it is seen again.
func TestNoted(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	first := state.HealthObservation{Region: "us-east-1", Status: "Success: x", Time: at}
	list, fresh := noted(nil, first)
	if !fresh || len(list) != 1 {
		t.Fatalf("%v, %+v", fresh, list)
	}
	again := first
	again.Time = at.Add(time.Minute)
	if same, fresh := noted(list, again); fresh || !same[0].Time.Equal(at) {
		t.Errorf("seen again: %v, %+v", fresh, same)
	}
	again.Down = true
	next, fresh := noted(list, again)
	if !fresh || len(next) != 1 || !next[0].Down || list[0].Down {
		t.Errorf("another view: %v, %+v, before %+v", fresh, next, list)
	}
	other := first
	other.Region = "eu-west-1"
	if both, fresh := noted(list, other); !fresh || len(both) != 2 || len(list) != 1 {
		t.Errorf("another checker: %v, %+v", fresh, both)
	}
	if kept := of([]state.HealthObservation{first, other}, []string{"eu-west-1"}); len(kept) != 1 || kept[0].Region != "eu-west-1" {
		t.Errorf("%+v", kept)
	}
}
