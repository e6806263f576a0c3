package app

import (
	"log/slog"
	"testing"

	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/service/access"
)

// TestEveryActionIsChecked: whatever is served has a row that says for which
// resources a caller needs permission.
func TestEveryActionIsChecked(t *testing.T) {
	e, err := build(settings{UpOptions: cli.UpOptions{Account: "000000000000", NoPackets: true, Ephemeral: true}}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer e.store.Close()
	actions := 0
	for _, svc := range e.services {
		for name, a := range svc.Actions {
			actions++
			if a.Service != svc.API.Service || !access.Known(a.Service, name) {
				t.Errorf("access.tsv has no row %s %s", a.Service, name)
			}
		}
	}
	if actions < 100 {
		t.Errorf("%d actions are served", actions)
	}
}
