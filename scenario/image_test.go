package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// image makes an image of an instance and waits with the SDK's waiter.
func (w *world) image(name, instance string, noReboot bool) string {
	t := w.t
	t.Helper()
	out := must(w.ec2.CreateImage(tctx(t), &ec2.CreateImageInput{Name: &name, InstanceId: &instance, NoReboot: &noReboot}))(t)
	waiter := ec2.NewImageAvailableWaiter(w.ec2, func(o *ec2.ImageAvailableWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	if err := waiter.Wait(tctx(t), &ec2.DescribeImagesInput{ImageIds: []string{*out.ImageId}}, 30*time.Second); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return *out.ImageId
}

func from(image string) func(*ec2.RunInstancesInput) {
	return func(in *ec2.RunInstancesInput) {
		in.ImageId, in.UserData = &image, script("echo fresh >> /root/boots\n")
	}
}

// TestImages: what was on an instance's disk is on those that are made from its
// image, with a life of their own; and on those made from images of them.
func TestImages(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.kept(t)
		c := w.ec2
		_, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		mother := w.start("mother", subnet, func(in *ec2.RunInstancesInput) { in.UserData = script(boots) })
		w.await("mother", "test -x /etc/rc.local")
		w.says("mother", "mkdir -p /srv/data && echo one > /srv/data/file && rm -f /etc/motd && ln -s file /srv/data/link")

		// With a reboot: the source has booted once more, the disk was still.
		golden := w.image("golden", *mother.InstanceId, false)
		w.await("mother", "grep -q local /root/boots")
		w.says("mother", "echo later > /srv/data/later")
		daughter := w.start("daughter", subnet, from(golden))
		w.await("daughter", "grep -q fresh /root/boots")
		// rc.local ran before the user data, and user data ran although the mother's had.
		if out := w.says("daughter", "cat /srv/data/link /root/boots && ls /srv/data"); out != "one\nfirst\nlocal\nfresh\nfile\nlink" {
			t.Errorf("the daughter has %q", out)
		}
		if out := w.says("daughter", "hostname"); !strings.HasPrefix(out, "ip-"+strings.ReplaceAll(*daughter.PrivateIpAddress, ".", "-")) {
			t.Errorf("the daughter is called %s at %s", out, *daughter.PrivateIpAddress)
		}
		if a, b := w.says("mother", "cat /etc/machine-id"), w.says("daughter", "cat /etc/machine-id"); a == b {
			t.Errorf("both have the machine id %s", a)
		}
		if out := w.says("daughter", "cat /etc/hosts"); strings.Contains(out, *mother.PrivateIpAddress+" ") {
			t.Errorf("the daughter's hosts name her mother:\n%s", out)
		}

		// Without: the source goes on.
		w.says("mother", "echo $$ > /run/alive")
		live := w.image("live", *mother.InstanceId, true)
		w.says("mother", "test -e /run/alive")
		w.start("sister", subnet, from(live))
		if out := w.says("sister", "cat /srv/data/later"); out != "later" {
			t.Errorf("the sister has %q", out)
		}

		// An image of an instance of an image; then all that it was made of goes.
		w.says("daughter", "echo two > /srv/data/two && rm /srv/data/link")
		third := w.image("third", *daughter.InstanceId, false)
		must(c.DeregisterImage(tctx(t), &ec2.DeregisterImageInput{ImageId: &golden}))(t)
		must(c.TerminateInstances(tctx(t), &ec2.TerminateInstancesInput{InstanceIds: []string{*mother.InstanceId, *daughter.InstanceId}}))(t)
		w.start("grandchild", subnet, from(third))
		if out := w.says("grandchild", "cat /srv/data/file /srv/data/two && ls /srv/data"); out != "one\ntwo\nfile\ntwo" {
			t.Errorf("the grandchild has %q", out)
		}
		if _, err := c.RunInstances(tctx(t), &ec2.RunInstancesInput{ImageId: &golden, InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SubnetId: &subnet}); code(err) != "InvalidAMIID.Unavailable" && code(err) != "InvalidAMIID.NotFound" {
			t.Errorf("a deregistered image: %v", err)
		}

		// Of a stopped instance, which stays so.
		sister := w.id("sister")
		must(c.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{sister}}))(t)
		still := w.image("still", sister, false)
		if i := w.instance(sister); i.State.Name != types.InstanceStateNameStopped {
			t.Errorf("after its image was made it is %s", i.State.Name)
		}
		w.start("niece", subnet, from(still))
		if out := w.says("niece", "cat /srv/data/later"); out != "later" {
			t.Errorf("the niece has %q", out)
		}

		// Images outlive a restart of localvpc.
		w.stop(syscall.SIGTERM)
		w.up(t, "--data", w.dir)
		w.running(w.ec2, w.id("grandchild"))
		w.start("late", subnet, from(third))
		if out := w.says("late", "cat /srv/data/two"); out != "two" {
			t.Errorf("after a restart an instance of the image has %q", out)
		}
	})
}

// TestRegisterImage boots a directory that has nothing but a file: the programs
// of localvpc come with it.
func TestRegisterImage(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.1.0/24")
		dir := filepath.Join(t.TempDir(), "image")
		for _, sub := range []string{"usr/bin", "srv"} {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "srv", "file"), []byte("from the directory\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if w.uid != os.Getuid() {
			allow(t, dir, w.uid)
			for _, path := range []string{"usr", "usr/bin", "srv", "srv/file"} {
				if err := os.Chown(filepath.Join(dir, path), w.uid, w.uid); err != nil {
					t.Fatal(err)
				}
			}
		}
		id := must(w.ec2.RegisterImage(tctx(t), &ec2.RegisterImageInput{Name: aws.String("bare"), ImageLocation: &dir, RootDeviceName: aws.String("/dev/xvda")}))(t).ImageId
		bare := w.start("bare", subnet, func(in *ec2.RunInstancesInput) { in.ImageId = id })
		w.start("other", subnet, nil)
		if out, code := w.cli("exec", "bare", "--", "localvpc", "guest", "get", "-m", "2", "http://127.0.0.1:80/"); code != refused {
			t.Errorf("a program in the bare image: exit code %d\n%s", code, out)
		}
		if out, code := w.cli("exec", "bare", "--", "/bin/sh", "-c", "true"); code != 127 {
			t.Errorf("a shell that is not there: exit code %d\n%s", code, out)
		}
		w.says("other", "true")
		if _, err := os.Stat(filepath.Join(dir, "etc", "hostname")); !os.IsNotExist(err) {
			t.Errorf("the instance has changed its image's directory: %v", err)
		}
		w.consoleSays(*bare.InstanceId, "boot finished")
		// Refusals name what to do.
		for location, want := range map[string]string{
			filepath.Join(dir, "nothing"):     "cannot be booted from",
			filepath.Join(dir, "srv", "file"): "is not a directory",
			filepath.Join(dir, "srv"):         "no root file system",
			"relative/path":                   "absolute path",
			"/":                               "own root",
		} {
			_, err := w.ec2.RegisterImage(tctx(t), &ec2.RegisterImageInput{Name: aws.String("none"), ImageLocation: &location})
			if code(err) != "InvalidParameterValue" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", location, err)
			}
		}
	})
}
