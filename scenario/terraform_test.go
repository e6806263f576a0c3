package scenario

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// pluginFolders are where a machine may keep the provider for use without a registry.
func pluginFolders() []string {
	found, _ := filepath.Glob("/*/tf-plugins")
	if dir := os.Getenv("TF_PLUGIN_MIRROR"); dir != "" {
		found = append(found, dir)
	}
	return found
}

// TestTerraform applies what stands in terraform/: main.tf is a VPC with two
// subnets, two groups that refer to each other and two instances, reads.tf the
// other resources and data sources of the kinds that are served. A second plan
// is empty; destroy leaves nothing.
func TestTerraform(t *testing.T) {
	needPackets(t)
	have(t, "terraform")
	mirrors := pluginFolders()
	if len(mirrors) == 0 {
		t.Skip("there is no folder with the AWS provider for terraform")
	}
	w := (&world{uid: os.Getuid()}).up(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("terraform")); err != nil {
		t.Fatal(err)
	}
	rc := "provider_installation {\n  filesystem_mirror { path = \"" + mirrors[0] + "\" }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "terraform.rc"), []byte(rc), 0o644); err != nil {
		t.Fatal(err)
	}
	w.run(dir, "terraform", "init", "-input=false", "-no-color")
	w.run(dir, "terraform", "apply", "-auto-approve", "-input=false", "-no-color")
	name := w.run(dir, "terraform", "output", "-raw", "db")
	if out, code := w.cli("exec", "app", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", "http://"+name+"/say-hello?name=Angela"); code != 0 || strings.TrimSpace(out) != "Hello, Angela!" {
		t.Errorf("%q, exit code %d", out, code)
	}
	var read map[string]any
	if err := json.Unmarshal([]byte(w.run(dir, "terraform", "output", "-json", "read")), &read); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"account": "000000000000", "zone": "use1-az1", "vpcs": 1.0, "subnets": 2.0, "acls": 1.0, "groups": 2.0, "rules": 2.0,
		"instances": 3.0, "interfaces": 2.0, "volumes": 1.0, "volume_size": 8.0, "vcpus": 2.0, "ubuntu": 2.0,
		"domain": "example.internal", "key": "m/rLoBKPAaykL534CdzMYuoM0ceLRkpbNuwyYRFpOLA=",
	}
	if !maps.Equal(read, want) {
		t.Errorf("data sources read %v\nwant %v", read, want)
	}
	// -detailed-exitcode makes a plan that is not empty fail.
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	w.run(dir, "terraform", "destroy", "-auto-approve", "-input=false", "-no-color")
	vpcs := must(w.ec2.DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{}))(t)
	keys := must(w.ec2.DescribeKeyPairs(tctx(t), &ec2.DescribeKeyPairsInput{}))(t)
	if len(vpcs.Vpcs) != 0 || len(keys.KeyPairs) != 0 {
		t.Errorf("%d VPCs and %d key pairs are left", len(vpcs.Vpcs), len(keys.KeyPairs))
	}
}
