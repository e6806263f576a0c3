package classic

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
)

// credentials finds who asks: options, the tools' variables, then the SDK's
// chain: its variables, the profile, the container's role, the instance's role.
//
// The chain is put together from the SDK's providers here, because the module
// that has it ready made (config) brings the clients of SSO, sign-in and STS:
// 0.6 MB of tables that each process of localvpc would fill as it starts, those
// inside instances too. What needs these clients is refused with a remedy.
// A localvpc takes any key: with local, the files and roles of the user, which
// are meant for AWS, are not asked.
func (r *run) credentials(env func(string) string, local bool) (aws.CredentialsProvider, error) {
	account := r.cfg.Defaults().Account
	for _, k := range []struct{ access, secret, token, names string }{
		{*r.accessKey, *r.secretKey, *r.token, "-O and -W"},
		{account, account, "", "--account"},
		{env("AWS_ACCESS_KEY"), env("AWS_SECRET_KEY"), env("AWS_DELEGATION_TOKEN"), "AWS_ACCESS_KEY and AWS_SECRET_KEY"},
		{env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"), env("AWS_SESSION_TOKEN"), "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
	} {
		if k.access == "" && k.secret == "" {
			continue
		}
		if k.access == "" || k.secret == "" {
			return nil, usage("%s belong together: one of them is missing", k.names)
		}
		if *r.token != "" {
			k.token = *r.token
		}
		return credentials.NewStaticCredentialsProvider(k.access, k.secret, k.token), nil
	}
	if local {
		return credentials.NewStaticCredentialsProvider("test", "test", ""), nil
	}
	return chain(env, noCredentials())
}

// Chain is the SDK's chain for other commands: its variables, the profile, the
// container's role, the instance's role. none is what they say when there is
// nobody.
func Chain(env func(string) string, none error) (aws.CredentialsProvider, error) {
	if id, secret := env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"); id != "" && secret != "" {
		return credentials.NewStaticCredentialsProvider(id, secret, env("AWS_SESSION_TOKEN")), nil
	}
	return chain(env, none)
}

func chain(env func(string) string, none error) (aws.CredentialsProvider, error) {
	if p, err := profileCredentials(env); p != nil || err != nil {
		return p, err
	}
	if p := containerCredentials(env); p != nil {
		return p, nil
	}
	if strings.EqualFold(env("AWS_EC2_METADATA_DISABLED"), "true") {
		return nil, none
	}
	return or(ec2rolecreds.New(), none), nil
}

func noCredentials() error {
	return usage("Required option '-O, --aws-access-key KEY' missing: give -O and -W, set AWS_ACCESS_KEY and AWS_SECRET_KEY, or have a profile")
}

// or says what to do in place of a provider's own error.
func or(p aws.CredentialsProvider, remedy error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		c, err := p.Retrieve(ctx)
		if err != nil {
			return c, fmt.Errorf("%w: %w", remedy, err)
		}
		return c, nil
	})
}

// containerCredentials is the role of a container (SDKs and Tools Reference
// Guide, "Container credential provider"), nil outside of one.
func containerCredentials(env func(string) string) aws.CredentialsProvider {
	at := env("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if path := env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		at = "http://169.254.170.2" + path
	}
	if at == "" {
		return nil
	}
	return endpointcreds.New(at, func(o *endpointcreds.Options) {
		o.AuthorizationToken = env("AWS_CONTAINER_AUTHORIZATION_TOKEN")
		if path := env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); path != "" {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
				token, err := os.ReadFile(path)
				return string(token), err
			})
		}
	})
}

// profileCredentials reads the profile of the shared files (SDKs and Tools
// Reference Guide, "Shared config and credentials files"); nil if there is none.
func profileCredentials(env func(string) string) (aws.CredentialsProvider, error) {
	name := env("AWS_PROFILE")
	asked := name != ""
	if !asked {
		name = "default"
	}
	values, found, err := profile(env, name)
	if err != nil {
		return nil, err
	}
	if !found && asked {
		return nil, fmt.Errorf("the profile '%s' of AWS_PROFILE is in no file: see 'aws configure list-profiles'", name)
	}
	switch {
	case values["aws_access_key_id"] != "" && values["aws_secret_access_key"] != "":
		return credentials.NewStaticCredentialsProvider(values["aws_access_key_id"], values["aws_secret_access_key"], values["aws_session_token"]), nil
	case values["credential_process"] != "":
		return processcreds.NewProvider(values["credential_process"]), nil
	}
	for _, key := range []string{"role_arn", "sso_session", "sso_start_url", "login_session", "web_identity_token_file"} {
		if values[key] != "" {
			return nil, fmt.Errorf(`the profile '%s' has a %s, which this command does not follow: run 'eval "$(aws configure export-credentials --profile %s --format env)"' first`, name, key, name)
		}
	}
	return nil, nil
}

// profile is what the shared files say about a profile; the credentials file
// comes first.
func profile(env func(string) string, name string) (values map[string]string, found bool, err error) {
	values = map[string]string{}
	home := env("HOME")
	for _, f := range []struct{ variable, base, section string }{
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", name},
		{"AWS_CONFIG_FILE", "config", "profile " + name},
	} {
		path := env(f.variable)
		if path == "" {
			if home == "" {
				continue
			}
			path = filepath.Join(home, ".aws", f.base)
		}
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading the profile '%s': %w", name, err)
		}
		sections := []string{f.section}
		if name == "default" {
			sections = []string{"default", "profile default"}
		}
		here, err := readProfile(file, sections, values)
		file.Close()
		if err != nil {
			return nil, false, fmt.Errorf("reading %s: %w", path, err)
		}
		found = found || here
	}
	return values, found, nil
}

// readProfile adds what the sections say and values does not have yet.
func readProfile(file io.Reader, sections []string, values map[string]string) (found bool, err error) {
	in := false
	scan := bufio.NewScanner(file)
	for scan.Scan() {
		line := scan.Text()
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' || line[0] == ' ' || line[0] == '\t' {
			continue // a line that is indented belongs to a nested setting
		}
		if trimmed[0] == '[' {
			title, _, _ := strings.Cut(trimmed[1:], "]")
			in = false
			for _, s := range sections {
				in = in || strings.Join(strings.Fields(title), " ") == s
			}
			found = found || in
			continue
		}
		key, value, ok := strings.Cut(trimmed, "=")
		if key = strings.ToLower(strings.TrimSpace(key)); in && ok && values[key] == "" {
			values[key] = strings.TrimSpace(value)
		}
	}
	return found, scan.Err()
}
