package scenario

import (
	"context"
	"encoding/base64"
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

// kept starts localvpc on a data directory of its own.
func (w *world) kept(t *testing.T, args ...string) *world {
	t.Helper()
	w.dir = filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if w.uid != os.Getuid() {
		allow(t, w.dir, w.uid)
	}
	return w.up(t, append([]string{"--data", w.dir}, args...)...)
}

// start is launch with whatever a test wants to say in RunInstances.
func (w *world) start(name, subnet string, change func(*ec2.RunInstancesInput)) types.Instance {
	t := w.t
	t.Helper()
	images := must(w.ec2.DescribeImages(tctx(t), &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []types.Filter{{Name: aws.String("name"), Values: []string{"al2023-ami-2023*"}}}}))(t)
	in := &ec2.RunInstancesInput{
		ImageId: images.Images[0].ImageId, InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SubnetId: &subnet,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("Name"), Value: &name}}}},
	}
	if change != nil {
		change(in)
	}
	return w.running(w.ec2, *must(w.ec2.RunInstances(tctx(t), in))(t).Instances[0].InstanceId)
}

func script(text string) *string {
	return aws.String(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n" + text)))
}

// says runs a shell line in an instance that must succeed, and gives what it prints.
func (w *world) says(instance, line string) string {
	w.t.Helper()
	out, code := w.in(instance, line)
	if code != 0 {
		w.t.Fatalf("%s: %s: exit code %d\n%s", instance, line, code, out)
	}
	return strings.TrimSpace(out)
}

// await returns when a shell line succeeds in an instance, which may be booting
// anew meanwhile.
func (w *world) await(instance, line string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	for {
		out, code := w.in(instance, "timeout 5 sh -c 'until "+line+"; do :; done'")
		if code == 0 {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatalf("%s: %s: exit code %d\n%s", instance, line, code, out)
		}
	}
}

func (w *world) instance(id string) types.Instance {
	w.t.Helper()
	return must(w.ec2.DescribeInstances(tctx(w.t), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}))(w.t).Reservations[0].Instances[0]
}

// consoleSays waits until an instance's console output has a text in it.
func (w *world) consoleSays(id, text string) string {
	w.t.Helper()
	ctx := tctx(w.t)
	for {
		out := must(w.ec2.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &id}))(w.t)
		all, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(string(all), text) {
			return string(all)
		}
	}
}

// terminated waits with the SDK's waiter.
func (w *world) terminated(id string) {
	w.t.Helper()
	waiter := ec2.NewInstanceTerminatedWaiter(w.ec2, func(o *ec2.InstanceTerminatedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	if err := waiter.Wait(tctx(w.t), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}, 30*time.Second); err != nil {
		w.t.Fatal(err)
	}
}

// boots is user data that writes down that it ran, and leaves an rc.local that
// does so at each later boot.
const boots = `echo first >> /root/boots
printf '#!/bin/sh\necho rc.local has run\necho local >> /root/boots\n' > /etc/rc.local
chmod +x /etc/rc.local
`

// TestInstanceLife: a stop keeps disk and private address, a reboot runs rc.local
// again but not the user data, an end removes the disk.
func TestInstanceLife(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.kept(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		group := w.group(c, vpc, "g")
		one := w.launch(c, "one", subnet, []string{group}, "#!/bin/sh\n"+boots)
		id := *one.InstanceId
		w.await("one", "test -x /etc/rc.local")
		w.says("one", "echo kept > /root/file && echo kept > /var/lib/file")
		if out := w.consoleSays(id, "boot finished"); strings.Contains(out, "rc.local has run") {
			t.Errorf("rc.local ran before there was one:\n%s", out)
		}

		must(c.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{id}}))(t)
		// The call returns when it has stopped: no waiter is needed.
		stopped := w.instance(id)
		if stopped.State.Name != types.InstanceStateNameStopped || *stopped.PrivateIpAddress != *one.PrivateIpAddress || *stopped.StateReason.Code != "Client.UserInitiatedShutdown" {
			t.Errorf("after the stop it is %s at %s because %s", stopped.State.Name, *stopped.PrivateIpAddress, *stopped.StateReason.Code)
		}
		if out, code := w.in("one", "true"); code == 0 || !strings.Contains(out, "aws ec2 start-instances --instance-ids "+id) {
			t.Errorf("a command in a stopped instance: exit code %d\n%s", code, out)
		}
		must(c.StartInstances(tctx(t), &ec2.StartInstancesInput{InstanceIds: []string{id}}))(t)
		started := w.instance(id)
		if started.State.Name != types.InstanceStateNameRunning || *started.PrivateIpAddress != *one.PrivateIpAddress || !started.LaunchTime.After(*one.LaunchTime) {
			t.Errorf("after the start it is %s at %s since %s", started.State.Name, *started.PrivateIpAddress, started.LaunchTime)
		}
		w.await("one", "grep -q local /root/boots")
		if out := w.says("one", "cat /root/file /var/lib/file /root/boots"); out != "kept\nkept\nfirst\nlocal" {
			t.Errorf("after a stop and a start: %q", out)
		}
		if out := w.says("one", "cat /proc/net/fib_trie"); !strings.Contains(out, "-- "+*one.PrivateIpAddress+"\n") {
			t.Errorf("it does not have %s:\n%s", *one.PrivateIpAddress, out)
		}

		must(c.RebootInstances(tctx(t), &ec2.RebootInstancesInput{InstanceIds: []string{id}}))(t)
		w.await("one", "test $(grep -c local /root/boots) = 2")
		if out := w.says("one", "cat /root/file /root/boots"); out != "kept\nfirst\nlocal\nlocal" {
			t.Errorf("after a reboot: %q", out)
		}
		if i := w.instance(id); i.State.Name != types.InstanceStateNameRunning || !i.LaunchTime.Equal(*started.LaunchTime) {
			t.Errorf("after the reboot it is %s since %s, want running since %s", i.State.Name, i.LaunchTime, started.LaunchTime)
		}
		w.consoleSays(id, "rc.local has run")

		places := []string{filepath.Join(w.dir, "instances", id), filepath.Join(w.dir, "console", id)}
		for _, path := range places {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("before the end: %v", err)
			}
		}
		must(c.TerminateInstances(tctx(t), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}))(t)
		ended := w.instance(id)
		if ended.State.Name != types.InstanceStateNameTerminated || ended.PrivateIpAddress != nil || len(ended.NetworkInterfaces) != 0 {
			t.Errorf("after the end it is %s at %s with %d interfaces", ended.State.Name, aws.ToString(ended.PrivateIpAddress), len(ended.NetworkInterfaces))
		}
		if v := must(c.DescribeVolumes(tctx(t), &ec2.DescribeVolumesInput{}))(t).Volumes; len(v) != 0 {
			t.Errorf("%d volumes are left", len(v))
		}
		gone(t, places...)
		must(c.DeleteSecurityGroup(tctx(t), &ec2.DeleteSecurityGroupInput{GroupId: &group}))(t)

		// Stopped, and ended by another engine than the one that stopped it.
		two := *w.launch(c, "two", subnet, nil, "").InstanceId
		must(c.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{two}}))(t)
		w.stop(syscall.SIGTERM)
		w.up(t, "--data", w.dir)
		disk := filepath.Join(w.dir, "instances", two)
		if _, err := os.Stat(disk); err != nil {
			t.Errorf("the disk of a stopped instance: %v", err)
		}
		must(w.ec2.TerminateInstances(tctx(t), &ec2.TerminateInstancesInput{InstanceIds: []string{two}}))(t)
		gone(t, disk)
	})
}

// gone waits until there is nothing at the paths: removing a disk may take
// longer than the call that ends the instance.
func gone(t *testing.T, paths ...string) {
	t.Helper()
	ctx := tctx(t)
	for _, path := range paths {
		for {
			if _, err := os.Lstat(path); os.IsNotExist(err) {
				break
			}
			if ctx.Err() != nil {
				t.Errorf("%s is left", path)
				break
			}
		}
	}
}

// TestShutdownFromInside stops or terminates, as the instance's attribute says.
func TestShutdownFromInside(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.1.0/24")
		off := "if command -v shutdown >/dev/null; then shutdown -h now; else kill -PWR 1; fi"
		stays := w.start("stays", subnet, func(in *ec2.RunInstancesInput) { in.UserData = script(boots) })
		w.await("stays", "test -x /etc/rc.local")
		w.in("stays", off)
		w.stopped(*stays.InstanceId)
		if i := w.instance(*stays.InstanceId); *i.StateReason.Code != "Client.InstanceInitiatedShutdown" {
			t.Errorf("it stopped because %s", *i.StateReason.Code)
		}
		must(w.ec2.StartInstances(tctx(t), &ec2.StartInstancesInput{InstanceIds: []string{*stays.InstanceId}}))(t)
		w.await("stays", "grep -q local /root/boots")

		// A reboot from inside is one, too, and no stop.
		w.in("stays", "if command -v reboot >/dev/null; then reboot; else kill -INT 1; fi")
		w.await("stays", "test $(grep -c local /root/boots) = 2")
		if i := w.instance(*stays.InstanceId); i.State.Name != types.InstanceStateNameRunning {
			t.Errorf("after a reboot from inside it is %s", i.State.Name)
		}

		ends := w.start("ends", subnet, func(in *ec2.RunInstancesInput) {
			in.InstanceInitiatedShutdownBehavior = types.ShutdownBehaviorTerminate
		})
		w.in("ends", "kill -PWR 1")
		w.terminated(*ends.InstanceId)

		// The attribute counts at the moment of the shutdown.
		must(w.ec2.ModifyInstanceAttribute(tctx(t), &ec2.ModifyInstanceAttributeInput{InstanceId: stays.InstanceId,
			InstanceInitiatedShutdownBehavior: &types.AttributeValue{Value: aws.String("terminate")}}))(t)
		w.in("stays", off)
		w.terminated(*stays.InstanceId)

		// An init that is killed is a crash: the instance stops.
		crash := w.start("crash", subnet, nil)
		w.in("crash", "kill -SEGV 1; kill -9 1; kill -9 -1")
		if out, code := w.in("crash", "true"); code != 0 {
			t.Errorf("an instance could kill its init: exit code %d, %s; it is %s", code, out, w.instance(*crash.InstanceId).State.Name)
		}
	})
}
