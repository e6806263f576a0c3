package scenario

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// TestSixthVPC is S6's: a sixth VPC in a Region is refused until the quota is
// raised, by AWS's own client and by ours, and it stays raised after a restart.
func TestSixthVPC(t *testing.T) {
	have(t, "aws")
	flags := []string{"--no-packets", "--data", t.TempDir()}
	w := (&world{uid: os.Getuid()}).up(t, flags...)
	created := len(must(w.ec2.DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{}))(t).Vpcs)
	vpc := func() error {
		_, err := w.ec2.CreateVpc(tctx(t), &ec2.CreateVpcInput{CidrBlock: new(fmt.Sprintf("10.%d.0.0/16", created))})
		if err == nil {
			created++
		}
		return err
	}
	for created < 5 {
		if err := vpc(); err != nil {
			t.Fatal(err)
		}
	}
	if got := code(vpc()); got != "VpcLimitExceeded" {
		t.Fatalf("the sixth VPC: %s", got)
	}

	quotas := func(args ...string) map[string]any {
		t.Helper()
		var out map[string]any
		text := w.run(t.TempDir(), "aws", append([]string{"service-quotas"}, args...)...)
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return out
	}
	asked := quotas("request-service-quota-increase", "--service-code", "vpc", "--quota-code", "L-F678F1CE", "--desired-value", "6")["RequestedQuota"].(map[string]any)
	if asked["Status"] != "APPROVED" {
		t.Errorf("%v", asked)
	}
	if err := vpc(); err != nil {
		t.Errorf("the sixth VPC, raised: %v", err)
	}
	if got := code(vpc()); got != "VpcLimitExceeded" {
		t.Errorf("the seventh VPC: %s", got)
	}
	got := quotas("get-service-quota", "--service-code", "vpc", "--quota-code", "L-F678F1CE")["Quota"].(map[string]any)
	history := quotas("list-requested-service-quota-change-history", "--service-code", "vpc")["RequestedQuotas"].([]any)
	services := quotas("list-services")["Services"].([]any)
	list := quotas("list-service-quotas", "--service-code", "vpc", "--page-size", "5")["Quotas"].([]any)
	if got["Value"] != 6.0 || len(history) != 1 || len(services) != 3 || len(list) < 15 {
		t.Errorf("%v\n%v\n%v\n%d quotas", got, history, services, len(list))
	}
	again := exec.Command("aws", "service-quotas", "request-service-quota-increase", "--service-code", "vpc", "--quota-code", "L-F678F1CE", "--desired-value", "6")
	again.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+w.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=us-east-1")
	if out, err := again.CombinedOutput(); err == nil || !strings.Contains(string(out), "(IllegalArgumentException)") {
		t.Errorf("asking for what is there: %s", out)
	}

	// Our own command changes it both ways, in one Region.
	for _, step := range []struct{ args, out string }{
		{"vpcs-per-region", "6"},
		{"L-F678F1CE 7", "7"},
	} {
		if out, code := w.cli(append([]string{"quota"}, strings.Fields(step.args)...)...); code != 0 || strings.TrimSpace(out) != step.out {
			t.Errorf("quota %s: %q, exit code %d", step.args, out, code)
		}
	}
	if out, code := w.cli("quota", "vpcs-per-region", "--region", "eu-west-1"); code != 0 || strings.TrimSpace(out) != "5" {
		t.Errorf("in another Region: %q, exit code %d", out, code)
	}
	if err := vpc(); err != nil {
		t.Errorf("the seventh VPC: %v", err)
	}
	if out, code := w.cli("quota", "vpcs-per-region", "2"); code != 0 || strings.TrimSpace(out) != "2" {
		t.Errorf("%q, exit code %d", out, code)
	}
	w.stop(syscall.SIGKILL)
	w.up(t, flags...)
	if got := code(vpc()); got != "VpcLimitExceeded" {
		t.Errorf("lowered, after a restart: %s", got)
	}
	if out, code := w.cli("quota"); code != 0 || !strings.Contains(out, "VPCs per Region") || !strings.Contains(out, "elastic-ips ") {
		t.Errorf("%s exit code %d", out, code)
	}
	if out, code := w.cli("quota", "vpcs-per-region", "default"); code != 0 || strings.TrimSpace(out) != "5" {
		t.Errorf("%q, exit code %d", out, code)
	}
	for _, bad := range [][]string{{"quota", "nothing"}, {"quota", "vpcs-per-region", "many"}, {"quota", "vpcs-per-region", "-5"}, {"quota", "vpcs-per-region", "--region", "mars-1"}} {
		if out, code := w.cli(bad...); code != 2 {
			t.Errorf("%v: %q, exit code %d", bad, out, code)
		}
	}
}
