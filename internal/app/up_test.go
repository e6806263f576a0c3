package app

import (
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/front/cli"
)

// TestPrepareRefuses what up cannot do, by the name of the flag.
func TestPrepareRefuses(t *testing.T) {
	for _, row := range []struct {
		want   string
		change func(*cli.UpOptions)
	}{
		{"", func(*cli.UpOptions) {}},
		{"", func(o *cli.UpOptions) { o.RoleSession = 6 }},
		{`--account "12345"`, func(o *cli.UpOptions) { o.Account = "12345" }},
		{`--auth is open or strict, not "none"`, func(o *cli.UpOptions) { o.Auth = "none" }},
		{`--authz is on or off, not "strict"`, func(o *cli.UpOptions) { o.Authz = "strict" }},
		{"--health-interval-scale", func(o *cli.UpOptions) { o.HealthScale = 2 }},
		{"--nat-idle-timeout 0", func(o *cli.UpOptions) { o.NatIdle = 0 }},
		{"--public-cidr", func(o *cli.UpOptions) { o.PublicCidr = "here" }},
		{"--role-session-duration 5", func(o *cli.UpOptions) { o.RoleSession = 5 }},
		{"--role-session-duration 43201", func(o *cli.UpOptions) { o.RoleSession = 43201 }},
		{"reading --images", func(o *cli.UpOptions) { o.Images = "testdata/absent.json" }},
		{"reading --quotas", func(o *cli.UpOptions) { o.Quotas = "testdata/absent.json" }},
	} {
		o := cli.UpOptions{Account: "000000000000", Ephemeral: true, NatIdle: 350}
		row.change(&o)
		_, err := prepare(o)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: %v, want %q", o, err, row.want)
		}
	}
}
