package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/localvpc/localvpc/internal/aws/client"
	wire "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// TestCommandLine plays the transcripts of testdata/cli. Beside testscript's own
// commands they have:
//
//	code N command...   run it and want that exit code
//	begin [flag...]     up -d on a free port; LOCALVPC_URL names it, and the end of the script ends it
//	session             a VPC in it where app may reach db on port 80: $VPC $SUBNET $APP $APP_IP $DB $DB_IP
//	taken               $TAKEN is an address that something else listens on
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "cli"),
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("LOCALVPC_URL", "127.0.0.1:1") // where nothing listens, whatever runs on this machine
			return os.Mkdir(home, 0o755)
		},
		Condition: func(cond string) (bool, error) {
			if cond != "packets" {
				return false, errors.New("unknown condition " + cond)
			}
			return exec.Command(binary, "probe").Run() == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": wantCode, "begin": begin, "session": session, "taken": taken,
		},
		RequireUniqueNames: true,
	})
}

func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [argument...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// runQuietly runs the binary with the script's environment and returns its output.
func runQuietly(ts *testscript.TestScript, args ...string) string {
	cmd := exec.Command(binary, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LOCALVPC_URL"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("localvpc %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

func begin(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: begin [flag...]")
	}
	if !slices.Contains(args, "--data") {
		args = append(args, "--ephemeral")
	}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "-d") }) {
		args = append(args, "-d")
	}
	var ready struct{ URL string }
	ts.Check(json.Unmarshal([]byte(runQuietly(ts, append([]string{"up", "--json", "--listen", "127.0.0.1:0"}, args...)...)), &ready))
	ts.Setenv("LOCALVPC_URL", ready.URL)
	ts.Defer(func() { _ = exec.Command(binary, "down", "--url", ready.URL).Run() })
}

// session makes a VPC in which app reaches db on port 80, where nothing listens.
func session(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: session")
	}
	c := client.New(ts.Getenv("LOCALVPC_URL"), "us-east-1", "test", "test")
	defer c.Close()
	vpc := *ask[wire.CreateVpcOutput](ts, c, "CreateVpc", &wire.CreateVpcInput{CidrBlock: new("10.0.0.0/16")}).Vpc.VpcId
	subnet := *ask[wire.CreateSubnetOutput](ts, c, "CreateSubnet", &wire.CreateSubnetInput{VpcId: &vpc, CidrBlock: new("10.0.0.0/24")}).Subnet.SubnetId
	ts.Setenv("VPC", vpc)
	ts.Setenv("SUBNET", subnet)
	groups := map[string]string{}
	for _, name := range []string{"app", "db"} {
		groups[name] = *ask[wire.CreateSecurityGroupOutput](ts, c, "CreateSecurityGroup", &wire.CreateSecurityGroupInput{VpcId: &vpc, GroupName: &name, Description: &name}).GroupId
	}
	ask[wire.AuthorizeSecurityGroupIngressOutput](ts, c, "AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressInput{GroupId: new(groups["db"]),
		IpPermissions: []wire.IpPermission{{IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)), UserIdGroupPairs: []wire.UserIdGroupPair{{GroupId: new(groups["app"])}}}}})
	for _, name := range []string{"app", "db"} {
		i := ask[wire.RunInstancesOutput](ts, c, "RunInstances", &wire.RunInstancesInput{
			ImageId: new("ami-0abcdef1234567890"), InstanceType: new("t3.micro"), MinCount: new(int32(1)), MaxCount: new(int32(1)), SubnetId: &subnet, SecurityGroupIds: []string{groups[name]},
			TagSpecifications: []wire.TagSpecification{{ResourceType: new("instance"), Tags: []wire.Tag{{Key: new("Name"), Value: &name}}}},
		}).Instances[0]
		ts.Setenv(strings.ToUpper(name), *i.InstanceId)
		ts.Setenv(strings.ToUpper(name)+"_IP", *i.PrivateIpAddress)
	}
}

func ask[Out, In any](ts *testscript.TestScript, c *client.Client, action string, in *In) *Out {
	out, err := client.Call[Out](context.Background(), c, wire.API, action, in)
	ts.Check(err)
	return out
}

func taken(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv("TAKEN", l.Addr().String())
}
