package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/front/execstream"
)

func (e *env) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Play a session: two instances, a group rule, its revocation", Example: "  localvpc demo", Args: cobra.NoArgs,
		Long: `Play a session on an ephemeral localvpc of its own, each step printed as the AWS
CLI command that it stands for. The exit code says whether everything was as expected.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.demo(cmd.Context()) },
	}
}

// story is a demo under way: what the steps have made, by name, and how many
// expectations did not hold.
type story struct {
	e      *env
	ctx    context.Context
	ids    map[string]string
	step   int
	failed int
}

// demo starts a localvpc of its own and plays the session against it.
func (e *env) demo(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's own file: %w", err)
	}
	up := exec.Command(self, "up", "--ephemeral", "--listen", "127.0.0.1:0")
	up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var problems bytes.Buffer
	up.Stderr = &problems
	out, err := up.StdoutPipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	if err := up.Start(); err != nil {
		return fmt.Errorf("starting a localvpc: %w", err)
	}
	defer func() {
		_ = up.Process.Signal(syscall.SIGTERM)
		_ = up.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = up.Wait()
		return fmt.Errorf("it did not start: %s", strings.TrimPrefix(strings.TrimSpace(problems.String()), "localvpc: "))
	}
	url := regexp.MustCompile(`http://\S+`).FindString(line)
	if url == "" {
		return fmt.Errorf("it started with a line that names no endpoint: %q", line)
	}
	inner := *e
	inner.url, inner.account = url, ""
	inner.region = "us-east-1"
	s := &story{e: &inner, ctx: ctx, ids: map[string]string{}}
	fmt.Fprintf(e.out, "%s\n$ localvpc up --ephemeral\n%s\n", e.style.Dim("# A localvpc of its own, which keeps nothing."), line)
	if err := s.play(); err != nil {
		return err
	}
	if s.failed > 0 {
		fmt.Fprintln(e.out, e.style.Bad(fmt.Sprintf("%d expectations did not hold.", s.failed)))
		return Exit(ExitNo)
	}
	fmt.Fprintln(e.out, e.style.Good("Everything was as expected."))
	return nil
}

func (s *story) say(text string) {
	s.step++
	fmt.Fprintln(s.e.out, s.e.style.Dim(fmt.Sprintf("# %d. %s", s.step, text)))
}

func (s *story) show(command string) { fmt.Fprintln(s.e.out, "$ "+command) }

func (s *story) result(text string) { fmt.Fprintf(s.e.out, "%s\n\n", text) }

// make runs one creating call, prints its command and keeps the id.
func (s *story) make(name, command string, do func() (string, error)) error {
	s.show(s.fill(command))
	id, err := do()
	if err != nil {
		return fmt.Errorf("step %d: %w", s.step, err)
	}
	if id != "" {
		s.ids[name] = id
		s.result(id)
	} else {
		s.result("ok")
	}
	return nil
}

// fill replaces {name} by the id that was made under that name.
func (s *story) fill(command string) string {
	for name, id := range s.ids {
		command = strings.ReplaceAll(command, "{"+name+"}", id)
	}
	return command
}

// expect runs a command in an instance and compares its exit code and output.
func (s *story) expect(instance, command string, code int, output string) error {
	command = s.fill(command)
	s.show(fmt.Sprintf("localvpc exec %s -- %s", instance, command))
	got, text, err := s.run(instance, strings.Fields(command))
	if err != nil {
		return fmt.Errorf("step %d: %w", s.step, err)
	}
	text = strings.TrimSpace(text)
	if text != "" {
		fmt.Fprintln(s.e.out, text)
	}
	if got != code || !strings.Contains(text, output) {
		s.failed++
		s.result(s.e.style.Bad(fmt.Sprintf("exit code %d: expected %d and %q", got, code, output)))
		return nil
	}
	s.result(s.e.style.Good(fmt.Sprintf("exit code %d, as expected", got)))
	return nil
}

func (s *story) run(instance string, args []string) (int, string, error) {
	conn, stream, err := s.e.dialExec(s.ctx, execstream.Request{Instance: s.ids[instance], Args: args})
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if err := stream.Write(execstream.Stdin, nil); err != nil {
		return 0, "", err
	}
	var out bytes.Buffer
	result, err := receive(stream, &out, &out)
	if err != nil {
		return 0, "", err
	}
	if result.Error != "" {
		return 0, "", errors.New(result.Error)
	}
	return result.Code, out.String(), nil
}

// explain prints the explanation and compares its verdict.
func (s *story) explain(source, destination string, reachable bool) error {
	s.show(fmt.Sprintf("localvpc explain %s %s:80", source, destination))
	err := s.e.explain(s.ctx, s.ids[source], s.ids[destination]+":80", "")
	var exit Exit
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("step %d: %w", s.step, err)
	}
	if (err == nil) != reachable {
		s.failed++
		fmt.Fprintln(s.e.out, s.e.style.Bad("that was not expected"))
	}
	_, err = io.WriteString(s.e.out, "\n")
	return err
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
	if err := s.explain("app", "db", true); err != nil {
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
	if err := s.explain("app", "db", false); err != nil {
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
