package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

func (e *env) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo [S2|S4|S5|S6|S7]", Short: "Play a session: two instances, a group rule, its revocation; or another one by name",
		Example: "  localvpc demo\n  localvpc demo S2", Args: cobra.MaximumNArgs(1), ValidArgs: []string{"S2", "S4", "S5", "S6", "S7"},
		Long: `Play a session on an ephemeral localvpc of its own, each step printed as the AWS
CLI command that it stands for. The exit code says whether everything was as expected.

  S2  addresses that move, and the firewall in front of them
  S4  two zones behind a network load balancer: a server stands still, a zone goes down
  S5  one instance with two interfaces, two Elastic IPs and two firewalls
  S6  a bank: a public and a private subnet, network ACLs, a database nobody reaches
  S7  a service in one Region, its client in another: peering, and a private zone`,
		RunE: func(cmd *cobra.Command, args []string) error {
			play := (*story).play
			name := ""
			if len(args) > 0 {
				name = strings.ToUpper(args[0])
				var ok bool
				if play, ok = sessions[name]; !ok {
					return usage(cmd, fmt.Errorf("there is no session %q", args[0]))
				}
			}
			return e.demo(cmd.Context(), play, settings[name]...)
		},
	}
}

// sessions are those that have a name.
var sessions = map[string]func(*story) error{"S2": (*story).addresses, "S4": (*story).balanced, "S5": (*story).interfaces, "S6": (*story).bank, "S7": (*story).regions}

// settings are the options of up that sessions have: health checks that ask each second
// where AWS's shortest interval is five.
var settings = map[string][]string{"S4": {"--health-interval-scale", "0.2"}}

// demo starts a localvpc of its own and plays the session against it.
func (e *env) demo(ctx context.Context, play func(*story) error, options ...string) error {
	started := e.progress("starting")
	defer started()
	r, end, err := e.own(ctx, options)
	if err != nil {
		return err
	}
	started()
	defer func() {
		defer e.progress("waiting until everything has ended")()
		end()
	}()
	inner := *e
	inner.url, inner.account, inner.region, inner.json = r.URL, "", "us-east-1", false
	s := &story{e: &inner, ctx: ctx, ids: map[string]string{}}
	fmt.Fprintf(e.out, "%s\n$ localvpc %s\n", e.style.Dim("# A localvpc of its own, which keeps nothing."), strings.Join(append([]string{"up", "--ephemeral"}, options...), " "))
	inner.ready(r)
	fmt.Fprintln(e.out)
	if err := play(s); err != nil {
		return err
	}
	return s.verdict()
}

// own starts an ephemeral localvpc that ends with end, and with this process
// whatever ends it.
func (e *env) own(ctx context.Context, options []string) (r Ready, end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return r, nil, fmt.Errorf("finding the program's own file: %w", err)
	}
	up := exec.Command(self, append([]string{"up", "--ephemeral", "--listen", "127.0.0.1:0", "--dns", "off", "--json", "--until-stdin-ends"}, options...)...)
	up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process
	var problems bytes.Buffer
	up.Stderr = &problems
	hold, err := up.StdinPipe()
	if err != nil {
		return r, nil, fmt.Errorf("making a pipe: %w", err)
	}
	out, err := up.StdoutPipe()
	if err != nil {
		return r, nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := up.Start(); err != nil {
		return r, nil, fmt.Errorf("starting a localvpc: %w", err)
	}
	end = func() {
		_ = hold.Close()
		_ = up.Wait()
	}
	stop := context.AfterFunc(ctx, func() { _ = hold.Close() })
	defer stop()
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		end()
		if ctx.Err() != nil {
			return r, nil, errInterrupted
		}
		return r, nil, errors.New(strings.TrimPrefix(strings.TrimSpace(problems.String()), "localvpc: "))
	}
	return r, end, nil
}

// serverScript starts a web server in the first instance at its first boot.
const serverScript = "#!/bin/sh\nsetsid localvpc guest serve --addr :80 --say-hello >/var/log/web.log 2>&1 &\n"

// play is the session of the README.
func (s *story) play() error {
	ctx, e := s.ctx, s.e
	str := func(v string) *string { return &v }
	one := int32(1)
	port := int32(80)

	s.say("A VPC with one subnet.")
	if err := s.make("vpc", "aws ec2 create-vpc --cidr-block 172.30.0.0/16", func() (string, error) {
		out, err := call[ec2.CreateVpcOutput](ctx, e, "CreateVpc", &ec2.CreateVpcInput{CidrBlock: str("172.30.0.0/16")})
		if err != nil {
			return "", err
		}
		return *out.Vpc.VpcId, nil
	}); err != nil {
		return err
	}
	if err := s.make("", "aws ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames", func() (string, error) {
		yes := true
		_, err := call[ec2.ModifyVpcAttributeOutput](ctx, e, "ModifyVpcAttribute", &ec2.ModifyVpcAttributeInput{VpcId: str(s.ids["vpc"]), EnableDnsHostnames: &ec2.AttributeBooleanValue{Value: &yes}})
		return "", err
	}); err != nil {
		return err
	}
	if err := s.make("subnet", "aws ec2 create-subnet --vpc-id {vpc} --cidr-block 172.30.0.0/24", func() (string, error) {
		out, err := call[ec2.CreateSubnetOutput](ctx, e, "CreateSubnet", &ec2.CreateSubnetInput{VpcId: str(s.ids["vpc"]), CidrBlock: str("172.30.0.0/24")})
		if err != nil {
			return "", err
		}
		return *out.Subnet.SubnetId, nil
	}); err != nil {
		return err
	}

	s.say("Two groups: db takes port 80 from members of app, and from nobody else.")
	for _, name := range []string{"app", "db"} {
		if err := s.make("sg-"+name, "aws ec2 create-security-group --vpc-id {vpc} --group-name "+name+" --description "+name, func() (string, error) {
			out, err := call[ec2.CreateSecurityGroupOutput](ctx, e, "CreateSecurityGroup", &ec2.CreateSecurityGroupInput{VpcId: str(s.ids["vpc"]), GroupName: str(name), Description: str(name)})
			if err != nil {
				return "", err
			}
			return *out.GroupId, nil
		}); err != nil {
			return err
		}
	}
	rule := []ec2.IpPermission{{IpProtocol: str("tcp"), FromPort: &port, ToPort: &port, UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: str(s.ids["sg-app"])}}}}
	authorize := func() (string, error) {
		_, err := call[ec2.AuthorizeSecurityGroupIngressOutput](ctx, e, "AuthorizeSecurityGroupIngress", &ec2.AuthorizeSecurityGroupIngressInput{GroupId: str(s.ids["sg-db"]), IpPermissions: rule})
		return "", err
	}
	const authorizeCommand = "aws ec2 authorize-security-group-ingress --group-id {sg-db} --protocol tcp --port 80 --source-group {sg-app}"
	if err := s.make("", authorizeCommand, authorize); err != nil {
		return err
	}

	s.say("Two instances: db serves HTTP from its user data, app is the client.")
	for _, i := range []struct{ name, data, shown string }{{"db", serverScript, " --user-data file://server.sh"}, {"app", "", ""}} {
		command := "aws ec2 run-instances --image-id resolve:al2023 --instance-type t3.micro --subnet-id {subnet} --security-group-ids {sg-" + i.name + "}" + i.shown
		image, err := s.image()
		if err != nil {
			return err
		}
		if err := s.make(i.name, strings.Replace(command, "resolve:al2023", image, 1), func() (string, error) {
			in := &ec2.RunInstancesInput{ImageId: str(image), InstanceType: str("t3.micro"), MinCount: &one, MaxCount: &one, SubnetId: str(s.ids["subnet"]), SecurityGroupIds: []string{s.ids["sg-"+i.name]}}
			if i.data != "" {
				in.UserData = str(base64.StdEncoding.EncodeToString([]byte(i.data)))
			}
			out, err := call[ec2.RunInstancesOutput](ctx, e, "RunInstances", in)
			if err != nil {
				return "", err
			}
			s.ids["ip-"+i.name] = *out.Instances[0].PrivateIpAddress
			return *out.Instances[0].InstanceId, nil
		}); err != nil {
			return err
		}
	}

	name := "ip-" + strings.ReplaceAll(s.ids["ip-db"], ".", "-") + ".ec2.internal"
	url := "http://" + name + "/say-hello?name=Angela"
	get := "localvpc guest get -m %d "
	patient := "localvpc guest get --wait 20 -m 5 " + url
	if code, _, err := s.run("app", []string{"sh", "-c", "command -v curl"}); err == nil && code == 0 {
		get = "curl -sS -m %d "
		patient = "curl -sS -m 5 --retry 20 --retry-delay 1 --retry-connrefused " + url
	}
	get += url
	s.say("app reaches db by its internal DNS name, because it is a member of app.")
	if err := s.expect("app", patient, 0, "Hello, Angela!"); err != nil {
		return err
	}
	if err := s.explain("app", "db", "80", true); err != nil {
		return err
	}

	s.say("The rule is revoked: the next connection gets no answer, and explain says why.")
	if err := s.make("", strings.Replace(authorizeCommand, "authorize", "revoke", 1), func() (string, error) {
		_, err := call[ec2.RevokeSecurityGroupIngressOutput](ctx, e, "RevokeSecurityGroupIngress", &ec2.RevokeSecurityGroupIngressInput{GroupId: str(s.ids["sg-db"]), IpPermissions: rule})
		return "", err
	}); err != nil {
		return err
	}
	if err := s.expect("app", fmt.Sprintf(get, 1), 28, ""); err != nil {
		return err
	}
	if err := s.explain("app", "db", "80", false); err != nil {
		return err
	}

	s.say("Allowed again, it answers again.")
	if err := s.make("", authorizeCommand, authorize); err != nil {
		return err
	}
	return s.expect("app", fmt.Sprintf(get, 5), 0, "Hello, Angela!")
}

// image is the id of the default image.
func (s *story) image() (string, error) {
	key := "name"
	out, err := call[ec2.DescribeImagesOutput](s.ctx, s.e, "DescribeImages", &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []ec2.Filter{{Name: &key, Values: []string{"al2023-ami-2023*"}}}})
	if err != nil {
		return "", err
	}
	if len(out.Images) == 0 {
		return "", errors.New("the catalogue has no image al2023-ami-2023*")
	}
	return *out.Images[0].ImageId, nil
}
