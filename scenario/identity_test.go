package scenario

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestTerraformIdentity applies what stands in terraform/iam: users, groups, roles,
// policies, keys, and an instance with a profile. A second plan is empty, a change
// of most of it is applied and leaves an empty plan, destroy leaves nothing. The
// key that Terraform has made opens what its policies allow.
func TestTerraformIdentity(t *testing.T) {
	w, dir := terraform(t, "terraform/iam")
	read := w.read(dir, "read")
	for name, want := range map[string]any{
		"role": "arn:aws:iam::000000000000:role/web", "managed": "arn:aws:iam::aws:policy/AmazonRoute53FullAccess", "allowed": true,
		"caller": "arn:aws:iam::000000000000:root", "policy": "arn:aws:iam::000000000000:policy/team/look",
	} {
		if read[name] != want {
			t.Errorf("%s is %v, want %v", name, read[name], want)
		}
	}
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	key := w.read(dir, "key")
	bob := w.signed(key["id"].(string), key["secret"].(string), "")
	if got := bob("ec2", "describe-vpcs", "--output", "text"); !strings.Contains(got, "10.4.0.0/16") {
		t.Errorf("bob does not see the VPC: %s", got)
	}
	if got := bob("ec2", "create-vpc", "--cidr-block", "10.9.0.0/16"); !strings.Contains(got, "UnauthorizedOperation") {
		t.Errorf("bob made a VPC: %s", got)
	}

	path := filepath.Join(dir, "main.tf")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(`"red"`, `"blue"`, "= 7200", "= 3600", `["ec2:Describe*"]`, `["ec2:Describe*", "ec2:Get*"]`, `"acme"`, `"acme-two"`,
		"= 12", "= 14", `"of web servers"`, `"of other servers"`, `"AmazonSSMManagedInstanceCore"`, `"ReadOnlyAccess"`, `"/people/"`, `"/men/"`).Replace(string(text))
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	w.run(dir, "terraform", "apply", "-auto-approve", "-input=false", "-no-color")
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	w.run(dir, "terraform", "destroy", "-auto-approve", "-input=false", "-no-color")
	if got := bob("sts", "get-caller-identity"); !strings.Contains(got, "InvalidClientTokenId") {
		t.Errorf("a key that is deleted is taken: %s", got)
	}
	have(t, "aws")
	root := w.signed("test", "test", "")
	for _, list := range []string{"list-users", "list-groups", "list-roles", "list-instance-profiles", "list-account-aliases"} {
		if got := strings.Join(strings.Fields(root("iam", list, "--output", "json")), ""); !strings.Contains(got, `:[]}`) {
			t.Errorf("%s: %s", list, got)
		}
	}
}

// signed gives the AWS CLI with credentials of its own; what it prints includes
// its errors.
func (w *world) signed(id, secret, token string) func(args ...string) string {
	dir := w.t.TempDir()
	return func(args ...string) string {
		w.t.Helper()
		line := append([]string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_SESSION_TOKEN=" + token, "AWS_MAX_ATTEMPTS=1", "aws"}, args...)
		out, _ := w.try(dir, "env", line...) // what is wrong stands in the output
		return out
	}
}

// TestInstanceRole: an instance with a profile finds its role's credentials in its
// metadata; they open what the role may do, and nothing else; without the profile
// there are none.
func TestInstanceRole(t *testing.T) {
	have(t, "curl")
	have(t, "aws")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		root := w.signed("test", "test", "")
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
		may := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:DescribeInstances","Resource":"*","Condition":{"ArnLike":{"ec2:SourceInstanceARN":"arn:aws:ec2:us-east-1:000000000000:instance/*"}}}]}`
		for _, args := range [][]string{
			{"iam", "create-role", "--role-name", "web", "--assume-role-policy-document", trust},
			{"iam", "wait", "role-exists", "--role-name", "web"},
			{"iam", "put-role-policy", "--role-name", "web", "--policy-name", "look", "--policy-document", may},
			{"iam", "create-instance-profile", "--instance-profile-name", "servers"},
			{"iam", "wait", "instance-profile-exists", "--instance-profile-name", "servers"},
			{"iam", "add-role-to-instance-profile", "--instance-profile-name", "servers", "--role-name", "web"},
		} {
			if out := root(args...); strings.Contains(out, "rror") {
				t.Fatalf("%v: %s", args, out)
			}
		}
		_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.1.0/24")
		name := "servers"
		one := w.start("one", subnet, func(in *ec2.RunInstancesInput) {
			in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: &name}
		})
		if status, body := w.metadata("one", "meta-data/iam/security-credentials/"); status != "200" || body != "web" {
			t.Fatalf("%s %q", status, body)
		}
		_, body := w.metadata("one", "meta-data/iam/security-credentials/web")
		var c struct{ AccessKeyId, SecretAccessKey, Token string }
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		role := w.signed(c.AccessKeyId, c.SecretAccessKey, c.Token)
		if got := role("sts", "get-caller-identity"); !strings.Contains(got, ":assumed-role/web/"+*one.InstanceId) {
			t.Errorf("the credentials are of %s", got)
		}
		if got := role("ec2", "describe-instances"); !strings.Contains(got, *one.InstanceId) {
			t.Errorf("what the role may do: %s", got)
		}
		for _, args := range [][]string{{"ec2", "describe-vpcs"}, {"ec2", "terminate-instances", "--instance-ids", *one.InstanceId}, {"iam", "list-users"}} {
			if got := role(args...); !strings.Contains(got, "is not authorized to perform: ") {
				t.Errorf("%v: %s", args, got)
			}
		}
		if got := w.signed(c.AccessKeyId, c.SecretAccessKey, "x"+c.Token)("ec2", "describe-instances"); !strings.Contains(got, "AuthFailure") {
			t.Errorf("another token: %s", got)
		}
		list := must(w.ec2.DescribeIamInstanceProfileAssociations(tctx(t), &ec2.DescribeIamInstanceProfileAssociationsInput{}))(t).IamInstanceProfileAssociations
		if len(list) != 1 {
			t.Fatalf("%d associations", len(list))
		}
		must(w.ec2.DisassociateIamInstanceProfile(tctx(t), &ec2.DisassociateIamInstanceProfileInput{AssociationId: list[0].AssociationId}))(t)
		if status, _ := w.metadata("one", "meta-data/iam/security-credentials/web"); status != "404" {
			t.Errorf("without the profile: %s", status)
		}
	})
}

// TestStrict: only keys that were issued are known, and the root key that the first
// start prints, which a file that nobody else can read keeps. What was issued
// outlives a restart, and ends with a reset.
func TestStrict(t *testing.T) {
	have(t, "aws")
	dir := t.TempDir()
	w := &world{uid: os.Getuid()}
	args := []string{"--data", dir, "--no-packets", "--auth", "strict"}
	w.up(t, args...)
	text, err := os.ReadFile(filepath.Join(dir, "root-key.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root struct{ AccessKeyID, SecretAccessKey string }
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"root-key.json", "session.key"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if got := w.signed("test", "test", "")("ec2", "describe-vpcs"); !strings.Contains(got, "AuthFailure") {
		t.Errorf("any key: %s", got)
	}
	if got := w.signed("000000000000", "test", "")("iam", "list-users"); !strings.Contains(got, "InvalidClientTokenId") {
		t.Errorf("an account: %s", got)
	}
	if got := w.signed(root.AccessKeyID, "wrong", "")("iam", "list-users"); !strings.Contains(got, "SignatureDoesNotMatch") {
		t.Errorf("root with another secret: %s", got)
	}
	as := w.signed(root.AccessKeyID, root.SecretAccessKey, "")
	as("iam", "create-user", "--user-name", "bob")
	var key struct {
		AccessKey struct{ AccessKeyId, SecretAccessKey string }
	}
	if err := json.Unmarshal([]byte(as("iam", "create-access-key", "--user-name", "bob")), &key); err != nil {
		t.Fatal(err)
	}
	var token struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	if err := json.Unmarshal([]byte(w.signed(key.AccessKey.AccessKeyId, key.AccessKey.SecretAccessKey, "")("sts", "get-session-token")), &token); err != nil {
		t.Fatal(err)
	}
	bob := w.signed(token.Credentials.AccessKeyId, token.Credentials.SecretAccessKey, token.Credentials.SessionToken)
	if got := bob("sts", "get-caller-identity"); !strings.Contains(got, ":user/bob") {
		t.Errorf("bob is %s", got)
	}
	w.stop(syscall.SIGTERM)
	w.up(t, args...)
	if got := bob("sts", "get-caller-identity"); !strings.Contains(got, ":user/bob") {
		t.Errorf("after a restart bob is %s", got)
	}
	if got := as("iam", "list-users"); !strings.Contains(got, ":user/bob") {
		t.Errorf("root after a restart: %s", got)
	}
	resp, err := http.Post(w.URL+"/_localvpc/reset", "application/json", strings.NewReader("{}"))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
	if got := bob("sts", "get-caller-identity"); !strings.Contains(got, "InvalidClientTokenId") {
		t.Errorf("after a reset bob is %s", got)
	}
}
