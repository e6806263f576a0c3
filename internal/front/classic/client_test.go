package classic

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// asked is a run with options, as far as endpoint and keys go.
func asked(t *testing.T, d Defaults, args ...string) *run {
	t.Helper()
	r := &run{cfg: Config{Defaults: func() Defaults { return d }}, flags: pflag.NewFlagSet("test", pflag.ContinueOnError)}
	r.general()
	if err := r.flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return r
}

func in(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestTarget(t *testing.T) {
	local := Defaults{URL: "http://127.0.0.1:4566"}
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("[default]\nregion = sa-east-1\n[profile work]\nregion = ca-central-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args     []string
		env      map[string]string
		defaults Defaults
		want     target
	}{
		{want: target{region: "us-east-1"}},
		{defaults: local, want: target{"http://127.0.0.1:4566", "us-east-1", true}},
		{env: map[string]string{"LOCALVPC_URL": "127.0.0.1:1"}, want: target{"http://127.0.0.1:1", "us-east-1", true}},
		{env: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1"}, defaults: local, want: target{"http://127.0.0.1:1", "eu-west-1", false}},
		{env: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:2"}, want: target{"http://127.0.0.1:2", "us-east-1", false}},
		{env: map[string]string{"LOCALVPC_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL": "http://127.0.0.1:2", "EC2_URL": "http://127.0.0.1:3"}, want: target{"http://127.0.0.1:3", "us-east-1", false}},
		{env: map[string]string{"EC2_URL": "https://ec2.amazonaws.com", "AWS_REGION": "eu-west-1"}, want: target{"", "us-east-1", false}},
		{env: map[string]string{"EC2_URL": "https://ec2.eu-west-1.amazonaws.com", "LOCALVPC_URL": "http://127.0.0.1:1"}, want: target{"", "eu-west-1", false}},
		{env: map[string]string{"EC2_URL": "https://eu-west-1.ec2.amazonaws.com/"}, want: target{"", "eu-west-1", false}},
		{env: map[string]string{"EC2_URL": "https://ec2.cn-north-1.amazonaws.com.cn"}, want: target{"", "cn-north-1", false}},
		{args: []string{"--region", "eu-central-1"}, env: map[string]string{"EC2_URL": "https://ec2.eu-west-1.amazonaws.com"}, want: target{"", "eu-central-1", false}},
		{args: []string{"--region", "eu-central-1"}, defaults: local, want: target{"http://127.0.0.1:4566", "eu-central-1", true}},
		{args: []string{"-U", "https://ec2.us-west-2.amazonaws.com"}, env: map[string]string{"EC2_URL": "http://127.0.0.1:1"}, defaults: local, want: target{"", "us-west-2", false}},
		{args: []string{"-U", "https://ec2.us-west-2.amazonaws.com.example.com"}, want: target{"https://ec2.us-west-2.amazonaws.com.example.com", "us-east-1", false}},
		{env: map[string]string{"AWS_CONFIG_FILE": config}, want: target{"", "sa-east-1", false}},
		{env: map[string]string{"AWS_CONFIG_FILE": config, "AWS_PROFILE": "work"}, want: target{"", "ca-central-1", false}},
		{env: map[string]string{"AWS_CONFIG_FILE": config, "LOCALVPC_URL": "http://127.0.0.1:1"}, want: target{"http://127.0.0.1:1", "us-east-1", true}},
		{env: map[string]string{"AWS_DEFAULT_REGION": "ap-south-1"}, want: target{"", "ap-south-1", false}},
	} {
		got, err := asked(t, test.defaults, test.args...).target(in(test.env))
		if err != nil || got != test.want {
			t.Errorf("%q with %v: %+v, %v; want %+v", test.args, test.env, got, err, test.want)
		}
	}
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keys := write("credentials", "# mine\n[default]\naws_access_key_id = D\naws_secret_access_key=d\n\n[work]\naws_access_key_id=W\naws_secret_access_key=w=/+\naws_session_token=t\n")
	settings := write("config", "[default]\nregion = eu-west-1\n[profile tool]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"p\"}'\n[profile  sso ]\nsso_session = corp\ns3 =\n  aws_access_key_id = nested\n[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = default\n")
	files := map[string]string{"AWS_SHARED_CREDENTIALS_FILE": keys, "AWS_CONFIG_FILE": settings}
	with := func(more ...string) map[string]string {
		env := map[string]string{}
		for k, v := range files {
			env[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	for _, test := range []struct {
		name     string
		args     []string
		env      map[string]string
		defaults Defaults
		local    bool
		want     string // access, secret, token; or what the error says
	}{
		{name: "options", args: []string{"-O", "A", "-W", "a"}, env: with("AWS_ACCESS_KEY", "B", "AWS_SECRET_KEY", "b"), want: "A a "},
		{name: "options over account", args: []string{"-O", "A", "-W", "a", "-T", "t"}, defaults: Defaults{Account: "123456789012"}, want: "A a t"},
		{name: "account", env: with("AWS_ACCESS_KEY_ID", "C", "AWS_SECRET_ACCESS_KEY", "c"), defaults: Defaults{Account: "123456789012"}, want: "123456789012 123456789012 "},
		{name: "tools", env: with("AWS_ACCESS_KEY", "B", "AWS_SECRET_KEY", "b", "AWS_DELEGATION_TOKEN", "t", "AWS_ACCESS_KEY_ID", "C", "AWS_SECRET_ACCESS_KEY", "c"), want: "B b t"},
		{name: "half", env: with("AWS_ACCESS_KEY", "B"), want: "AWS_ACCESS_KEY and AWS_SECRET_KEY belong together: one of them is missing (-h for usage)"},
		{name: "sdk", env: with("AWS_ACCESS_KEY_ID", "C", "AWS_SECRET_ACCESS_KEY", "c", "AWS_SESSION_TOKEN", "t"), want: "C c t"},
		{name: "localvpc", env: files, local: true, want: "test test "},
		{name: "default profile", env: files, want: "D d "},
		{name: "profile", env: with("AWS_PROFILE", "work"), want: "W w=/+ t"},
		{name: "process", env: with("AWS_PROFILE", "tool"), want: "P p "},
		{name: "sso", env: with("AWS_PROFILE", "sso"), want: `the profile 'sso' has a sso_session, which this command does not follow: run 'eval "$(aws configure export-credentials --profile sso --format env)"' first`},
		{name: "role", env: with("AWS_PROFILE", "role"), want: `the profile 'role' has a role_arn, which this command does not follow: run 'eval "$(aws configure export-credentials --profile role --format env)"' first`},
		{name: "no profile", env: with("AWS_PROFILE", "nobody"), want: "the profile 'nobody' of AWS_PROFILE is in no file: see 'aws configure list-profiles'"},
		{name: "none", env: map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, want: "Required option '-O, --aws-access-key KEY' missing: give -O and -W, set AWS_ACCESS_KEY and AWS_SECRET_KEY, or have a profile (-h for usage)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := asked(t, test.defaults, test.args...).credentials(in(test.env), test.local)
			var got string
			if err != nil {
				got = err.Error()
			} else if c, err := p.Retrieve(context.Background()); err != nil {
				t.Fatal(err)
			} else {
				got = strings.Join([]string{c.AccessKeyID, c.SecretAccessKey, c.SessionToken}, " ")
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
