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

// terraform starts localvpc, copies a configuration and applies it; the test is
// skipped where there is no Terraform with the AWS provider.
func terraform(t *testing.T, from string) (w *world, dir string) {
	t.Helper()
	t.Parallel()
	needPackets(t)
	have(t, "terraform")
	mirrors := pluginFolders()
	if len(mirrors) == 0 {
		t.Skip("there is no folder with the AWS provider for terraform")
	}
	w = (&world{uid: os.Getuid()}).up(t)
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	rc := "provider_installation {\n  filesystem_mirror { path = \"" + mirrors[0] + "\" }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "terraform.rc"), []byte(rc), 0o644); err != nil {
		t.Fatal(err)
	}
	w.run(dir, "terraform", "init", "-input=false", "-no-color")
	w.run(dir, "terraform", "apply", "-auto-approve", "-input=false", "-no-color")
	return w, dir
}

// read is a Terraform output of several values.
func (w *world) read(dir, name string) (values map[string]any) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.run(dir, "terraform", "output", "-json", name)), &values); err != nil {
		w.t.Fatal(err)
	}
	return values
}

// TestTerraform applies what stands in terraform/: main.tf is a VPC with two
// subnets, two groups that refer to each other and two instances, reads.tf the
// other resources and data sources of the kinds that are served. A second plan
// is empty; destroy leaves nothing.
func TestTerraform(t *testing.T) {
	w, dir := terraform(t, "terraform")
	name := w.run(dir, "terraform", "output", "-raw", "db")
	if out, code := w.cli("exec", "app", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", "http://"+name+"/say-hello?name=Angela"); code != 0 || strings.TrimSpace(out) != "Hello, Angela!" {
		t.Errorf("%q, exit code %d", out, code)
	}
	read := w.read(dir, "read")
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
	if len(vpcs.Vpcs) != 1 || !*vpcs.Vpcs[0].IsDefault || len(keys.KeyPairs) != 0 {
		t.Errorf("%d VPCs with the default one, and %d key pairs are left", len(vpcs.Vpcs), len(keys.KeyPairs))
	}
}

// TestTerraformEdge applies what stands in terraform/edge: gateways, instances
// with public addresses and Elastic IPs. A second plan is empty; destroy leaves
// nothing.
func TestTerraformEdge(t *testing.T) {
	w, dir := terraform(t, "terraform/edge")
	web, hidden := w.run(dir, "terraform", "output", "-raw", "web"), w.run(dir, "terraform", "output", "-raw", "hidden")
	ip := strings.ReplaceAll(strings.TrimPrefix(strings.TrimSuffix(web, ".compute-1.amazonaws.com"), "ec2-"), "-", ".")
	w.serving("web", "80")
	w.reads("internet", ip, "web")
	if out, code := w.cli("exec", "internet", "--", "localvpc", "guest", "get", "-m", "5", "http://"+hidden+"/"); code != refused {
		t.Errorf("the instance with the Elastic IP, on which nothing listens: exit code %d, %s", code, out)
	}
	read := w.read(dir, "read")
	want := map[string]any{"mapped": true, "without": "", "front": "10.3.1.21", "eips": 4.0, "door": "door", "pointer": "mail.example.com."}
	if !maps.Equal(read, want) {
		t.Errorf("read %v\nwant %v", read, want)
	}
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	w.run(dir, "terraform", "destroy", "-auto-approve", "-input=false", "-no-color")
	gateways := must(w.ec2.DescribeInternetGateways(tctx(t), &ec2.DescribeInternetGatewaysInput{}))(t)
	addresses := must(w.ec2.DescribeAddresses(tctx(t), &ec2.DescribeAddressesInput{}))(t)
	if len(addresses.Addresses) != 0 {
		t.Errorf("%d Elastic IPs are left", len(addresses.Addresses))
	}
	for _, g := range gateways.InternetGateways {
		for _, tag := range g.Tags {
			t.Errorf("%s is left, with the tag %s", *g.InternetGatewayId, *tag.Key)
		}
	}
}
