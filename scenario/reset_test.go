package scenario

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// post sends to /_localvpc/ and wants status 200.
func (w *world) post(path, body string) {
	w.t.Helper()
	resp, err := http.Post(w.URL+"/_localvpc/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s", path, resp.Status)
	}
}

// everything is the inventory of several Regions and accounts, with ids by their
// order: what is made anew for an account is as it was, under new ids.
func (w *world) everything() string {
	w.t.Helper()
	var b strings.Builder
	keep := w.ec2
	for _, region := range []string{"us-east-1", "eu-west-1"} {
		for _, key := range []string{"test", "123456789012"} {
			w.ec2 = w.client(region, key)
			out, code := w.cli("ls", "--json", "--region", region, "--account", strings.Replace(key, "test", "000000000000", 1))
			if code != 0 {
				w.t.Fatalf("ls: exit code %d\n%s", code, out)
			}
			b.WriteString(region + " " + key + "\n" + out + w.inventory())
		}
	}
	w.ec2 = keep
	number := map[string]string{}
	return regexp.MustCompile(`\b(vpc|subnet|sg|sgr|acl|aclassoc|rtb|rtbassoc|dopt|eni|i|r|vol|ami|snap|key|igw|eipalloc|eipassoc|nat|pl)-[0-9a-f]{17}\b`).ReplaceAllStringFunc(b.String(), func(id string) string {
		kind, _, _ := strings.Cut(id, "-")
		if kind == "ami" { // the catalogue's are the same always
			return id
		}
		if number[id] == "" {
			number[id] = kind + "-" + string(rune('A'+len(number)))
		}
		return number[id]
	})
}

// clutter makes something of most kinds, in two Regions and accounts.
func (w *world) clutter(t *testing.T) {
	t.Helper()
	w.post("images", `[{"ImageId":"ami-0123456789abcdef0","Name":"mine","OwnerId":"123456789012","Architecture":"x86_64","RootDeviceName":"/dev/xvda","path":""}]`)
	for _, c := range []*ec2.Client{w.ec2, w.client("eu-west-1", "test"), w.client("us-east-1", "123456789012")} {
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.0.0/24")
		group := w.group(c, vpc, "web")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: fromGroup(group, 80)}))(t)
		must(c.CreateNetworkInterface(tctx(t), &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet}))(t)
		must(c.CreateKeyPair(tctx(t), &ec2.CreateKeyPairInput{KeyName: aws.String("k")}))(t)
		must(c.CreateInternetGateway(tctx(t), &ec2.CreateInternetGatewayInput{}))(t)
		must(c.AllocateAddress(tctx(t), &ec2.AllocateAddressInput{}))(t)
		must(c.CreateDhcpOptions(tctx(t), &ec2.CreateDhcpOptionsInput{DhcpConfigurations: []types.NewDhcpConfiguration{{Key: aws.String("domain-name"), Values: []string{"example.com"}}}}))(t)
		must(c.CreateTags(tctx(t), &ec2.CreateTagsInput{Resources: []string{vpc}, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}))(t)
	}
	if out, code := w.cli("host", "add", "office"); code != 0 {
		t.Fatalf("host add: exit code %d\n%s", code, out)
	}
}

// TestReset: everything in every Region is as at a fresh start, and without
// instances that is a matter of a moment.
func TestReset(t *testing.T) {
	inTurn(t, func(t *testing.T, w *world) {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if w.uid != os.Getuid() {
			allow(t, dir, w.uid)
		}
		w.up(t, "--data", dir, "--no-default-vpc") // whose six subnets come in the order of their new ids
		kernel, fresh := w.kernel(), w.everything()
		again := func(when string) {
			t.Helper()
			if now := w.kernel(); now != kernel {
				t.Errorf("%s: the kernel differs:\n%s", when, difference(kernel, now))
			}
			if now := w.everything(); now != fresh {
				t.Errorf("%s: the state differs:\n%s", when, difference(fresh, now))
			}
		}
		again("before anything was made")
		w.post("reset", "")
		again("nothing was made")

		took := make([]time.Duration, 200)
		vpc, subnet := "", ""
		for i := range took {
			vpc, subnet = w.vpc(w.ec2, "10.0.0.0/16", "10.0.0.0/24")
			start := time.Now()
			w.post("reset", "")
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		t.Logf("reset took %v, at most %v", took[len(took)/2], took[len(took)-1])
		if took[len(took)/2] > 50*time.Millisecond {
			t.Errorf("reset takes %v", took[len(took)/2])
		}
		again("many times")
		if _, err := w.ec2.DescribeSubnets(tctx(t), &ec2.DescribeSubnetsInput{SubnetIds: []string{subnet}}); code(err) != "InvalidSubnetID.NotFound" {
			t.Errorf("a subnet of %s: %v", vpc, err)
		}

		w.clutter(t)
		if w.everything() == fresh {
			t.Error("there is nothing to reset")
		}
		w.post("reset", "")
		again("everything was made")

		// Instances end, and their disks and images go with them.
		_, subnet = w.vpc(w.ec2, "10.0.0.0/16", "10.0.0.0/24")
		web := w.launch(w.ec2, "web", subnet, nil, "")
		stopped := w.launch(w.ec2, "stopped", subnet, nil, "")
		must(w.ec2.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{*stopped.InstanceId}}))(t)
		image := must(w.ec2.CreateImage(tctx(t), &ec2.CreateImageInput{InstanceId: web.InstanceId, Name: aws.String("layer")}))(t)
		waiter := ec2.NewImageAvailableWaiter(w.ec2, func(o *ec2.ImageAvailableWaiterOptions) {
			o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
		})
		if err := waiter.Wait(tctx(t), &ec2.DescribeImagesInput{ImageIds: []string{*image.ImageId}}, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		for _, sub := range []string{"instances", "console", "images"} {
			if list, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(list) == 0 {
				t.Errorf("%s holds nothing before: %v", sub, err)
			}
		}
		inside := watch(t, descendants(w.engine())[1:])
		w.post("reset", "")
		inside.ended(t)
		for _, sub := range []string{"instances", "console", "images"} {
			list, err := os.ReadDir(filepath.Join(dir, sub))
			if err != nil || len(list) > 0 {
				t.Errorf("%s still holds %v: %v", sub, list, err)
			}
		}
		again("instances ran")
		w.launchAgain(t)
	})
}

// launchAgain: what was reset works like new.
func (w *world) launchAgain(t *testing.T) {
	t.Helper()
	_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.0.0/24")
	w.launch(w.ec2, "web", subnet, nil, "")
	if out, code := w.in("web", "echo fine"); code != 0 || out != "fine\n" {
		t.Errorf("%q, exit code %d", out, code)
	}
}

// TestImageCatalogue: a catalogue's entries come from --images and from /_localvpc/images;
// reset keeps the former.
func TestImageCatalogue(t *testing.T) {
	w := &world{uid: os.Getuid()}
	file := filepath.Join(t.TempDir(), "images.json")
	if err := os.WriteFile(file, []byte(`[{"ImageId":"ami-11111111","Name":"from the file","OwnerId":"123456789012","Architecture":"x86_64","RootDeviceName":"/dev/sda1","path":""}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.up(t, "--ephemeral", "--no-packets", "--images", file)
	w.post("images", `[{"ImageId":"ami-22222222","Name":"from the call","OwnerId":"123456789012","Architecture":"arm64","RootDeviceName":"/dev/xvda","path":""}]`)
	names := func() string {
		var names []string
		for _, i := range must(w.ec2.DescribeImages(tctx(t), &ec2.DescribeImagesInput{Owners: []string{"123456789012"}}))(t).Images {
			names = append(names, *i.ImageId+" "+*i.Name+" "+string(i.Architecture)+" "+*i.RootDeviceName)
		}
		slices.Sort(names)
		return strings.Join(names, ", ")
	}
	const fromFile = "ami-11111111 from the file x86_64 /dev/sda1"
	if got := names(); got != fromFile+", ami-22222222 from the call arm64 /dev/xvda" {
		t.Errorf("images %s", got)
	}
	w.post("reset", "")
	if got := names(); got != fromFile {
		t.Errorf("after reset: %s", got)
	}
	for _, bad := range []string{"", "{}", "[] []", "[{}]", `[{"ImageId":"ami-33333333"`, `[{"ImageId":"ami-33333333","Name":"x","OwnerId":"1","Architecture":"x86_64","RootDeviceName":"/dev/xvda"}]`,
		`[{"ImageId":"ami-33333333","Name":"x","OwnerId":"123456789012","Architecture":"x86_64","RootDeviceName":"/dev/xvda","path":"/nonexistent"}]`} {
		resp, err := http.Post(w.URL+"/_localvpc/images", "application/json", strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		var fault struct{ Code, Message string }
		err = json.NewDecoder(resp.Body).Decode(&fault)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 400 || fault.Code != "InvalidParameterValue" || fault.Message == "" {
			t.Errorf("%s: %s %+v %v", bad, resp.Status, fault, err)
		}
	}
	if got := names(); got != fromFile {
		t.Errorf("after what was refused: %s", got)
	}
}
