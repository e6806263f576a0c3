package scenario

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// binary is the program under test, built once.
var binary string

// nobody runs localvpc as an ordinary user when the tests run as root.
const nobody = 65534

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	lastPort.Store(rand.Uint32N(12000))
	dir, err := os.MkdirTemp("", "localvpc-scenario-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // an ordinary user runs the program from here
	binary = filepath.Join(dir, "localvpc")
	build := exec.Command("go", "build", "-o", binary, "../cmd/localvpc")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // it is run in images without a C library, too
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building localvpc:", err)
		return 1
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		f.Value.Set(strconv.Itoa(max(6, runtime.GOMAXPROCS(0)))) // Terraform's provider waits by the clock
	}
	return m.Run()
}

// needPackets skips a test on a machine that permits no namespaces.
func needPackets(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(binary, "probe").CombinedOutput(); err != nil {
		t.Skipf("namespaces are not permitted here: %s", bytes.TrimSpace(out))
	}
}

// eachUser runs fn as who runs the tests and, if that is root, as an ordinary user
// at the same time, and beside other tests: most of what they do is waiting, for packets
// that must not come.
func eachUser(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Parallel()
	inTurn(t, func(t *testing.T, w *world) {
		t.Parallel()
		fn(t, w)
	})
}

// inTurn is eachUser where one after the other is meant.
func inTurn(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	needPackets(t)
	if os.Getuid() != 0 {
		t.Run("user", func(t *testing.T) { fn(t, &world{uid: os.Getuid()}) })
		return
	}
	t.Run("root", func(t *testing.T) { fn(t, &world{}) })
	t.Run("user", func(t *testing.T) { fn(t, &world{uid: nobody}) })
}

// world is one running localvpc.
type world struct {
	uid    int
	t      *testing.T
	URL    string
	dir    string // data directory, empty when ephemeral
	region string // where commands find instances by name; empty: us-east-1
	cmd    *exec.Cmd
	errs   bytes.Buffer
	ec2    *ec2.Client
}

// up starts localvpc on a free port and waits for its line. Without arguments it
// is ephemeral.
func (w *world) up(t *testing.T, args ...string) *world {
	t.Helper()
	w.t = t
	if len(args) == 0 {
		args = []string{"--ephemeral"}
	}
	if w.URL == "" {
		args = append(args, "--listen", free(t))
	} else {
		args = append(args, "--listen", strings.TrimPrefix(w.URL, "http://"))
	}
	w.cmd = w.command(append([]string{"up", "--until-stdin-ends", "--dns", "127.0.0.1:0"}, args...)...)
	w.errs.Reset()
	w.cmd.Stderr = &w.errs
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.cmd.StdinPipe(); err != nil { // whatever ends the tests ends it
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stop(syscall.SIGTERM) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		w.cmd.Wait()
		t.Fatalf("localvpc up ended before it was ready: %s", w.errs.String())
	}
	w.URL = regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	if w.URL == "" {
		t.Fatalf("the ready line names no endpoint: %q", line)
	}
	w.ec2 = w.client("us-east-1", "test")
	return w
}

// lastPort is the last one that was tried, from 20000.
var lastPort atomic.Uint32

// free is an address that nobody has: of a port that the kernel gives to no
// connection, so that it is still free when localvpc is started there again.
func free(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+lastPort.Add(1)%12000)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no port of 20000 to 31999 is free")
	return ""
}

// client is the stock AWS SDK.
func (w *world) client(region, key string) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: region, BaseEndpoint: &w.URL,
		Credentials: credentials.NewStaticCredentialsProvider(key, "test", ""),
		Retryer:     retry.NewStandard(brokenOff),
	})
}

// brokenOff has the SDK try again only when it has broken a connection off
// itself: it may close the body of a request while that is still being written,
// if the answer has come faster than that (smithy-go, ClientHandler.Handle), and
// then cannot read an answer of more than one segment. Its default retries this,
// too, but much else.
func brokenOff(o *retry.StandardOptions) {
	o.Retryables = []retry.IsErrorRetryable{retry.RetryableConnectionError{}}
	o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
	o.MaxAttempts = 10
}

// command is the binary with arguments, as the world's user.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LOCALVPC_URL=" + w.URL, "HOME=" + w.home()}
	if w.region != "" {
		cmd.Env = append(cmd.Env, "AWS_REGION="+w.region)
	}
	if w.uid != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.uid)}}
	}
	return cmd
}

func (w *world) home() string {
	if u, err := user.LookupId(strconv.Itoa(w.uid)); err == nil {
		return u.HomeDir
	}
	return "/nonexistent"
}

// stop ends localvpc with a signal and waits until it is gone.
func (w *world) stop(sig syscall.Signal) {
	if w.cmd == nil || w.cmd.ProcessState != nil {
		return
	}
	w.cmd.Process.Signal(sig)
	w.cmd.Wait()
	if w.t.Failed() {
		w.t.Logf("localvpc said:\n%s", w.errs.String())
	}
}

// cli runs a command of the binary and returns its output and exit code.
func (w *world) cli(args ...string) (string, int) {
	w.t.Helper()
	cmd := w.command(args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("localvpc %s: %v", strings.Join(args, " "), err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// in runs a shell line in an instance.
func (w *world) in(instance, line string) (string, int) {
	w.t.Helper()
	return w.cli("exec", instance, "--", "/bin/sh", "-c", line)
}

// get asks for a URL from inside an instance, waiting at most that many seconds.
func (w *world) get(instance, url string, seconds int) (string, int) {
	w.t.Helper()
	out, code := w.cli("exec", instance, "--", "localvpc", "guest", "get", "-m", strconv.Itoa(seconds), url)
	return strings.TrimSpace(out), code
}

// Exit codes of guest get, which are curl's.
const (
	unresolved = 6
	refused    = 7
	timedOut   = 28
)

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func tctx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// vpc makes a VPC with DNS hostnames and one subnet.
func (w *world) vpc(c *ec2.Client, cidr, subnet string) (vpcID, subnetID string) {
	t := w.t
	t.Helper()
	v := must(c.CreateVpc(tctx(t), &ec2.CreateVpcInput{CidrBlock: &cidr}))(t)
	must(c.ModifyVpcAttribute(tctx(t), &ec2.ModifyVpcAttributeInput{VpcId: v.Vpc.VpcId, EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))(t)
	s := must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: &subnet}))(t)
	return *v.Vpc.VpcId, *s.Subnet.SubnetId
}

func (w *world) group(c *ec2.Client, vpc, name string) string {
	w.t.Helper()
	return *must(c.CreateSecurityGroup(tctx(w.t), &ec2.CreateSecurityGroupInput{VpcId: &vpc, GroupName: &name, Description: &name}))(w.t).GroupId
}

// fromGroup is a permission for one TCP port from the members of a group.
func fromGroup(group string, port int32) []types.IpPermission {
	return []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &group}}}}
}

// launch starts one instance and waits with the SDK's waiter until it runs.
func (w *world) launch(c *ec2.Client, name, subnet string, groups []string, userData string) types.Instance {
	t := w.t
	t.Helper()
	images := must(c.DescribeImages(tctx(t), &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []types.Filter{{Name: aws.String("name"), Values: []string{"al2023-ami-2023*"}}}}))(t)
	if len(images.Images) == 0 {
		t.Fatal("the catalogue has no al2023 image")
	}
	in := &ec2.RunInstancesInput{
		ImageId: images.Images[0].ImageId, InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SubnetId: &subnet, SecurityGroupIds: groups,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("Name"), Value: &name}}}},
	}
	if userData != "" {
		in.UserData = aws.String(base64.StdEncoding.EncodeToString([]byte(userData)))
	}
	out := must(c.RunInstances(tctx(t), in))(t)
	return w.running(c, *out.Instances[0].InstanceId)
}

func (w *world) running(c *ec2.Client, id string) types.Instance {
	t := w.t
	t.Helper()
	waiter := ec2.NewInstanceRunningWaiter(c, func(o *ec2.InstanceRunningWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	out := must(waiter.WaitForOutput(tctx(t), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}, 30*time.Second))(t)
	return out.Reservations[0].Instances[0]
}

// code is the AWS error code of err, "" when it has none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
