package access

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	wireec2 "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	wireelbv2 "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	wireiam "github.com/localvpc/localvpc/internal/aws/wire/iam"
	wireroute53 "github.com/localvpc/localvpc/internal/aws/wire/route53"
	wiressm "github.com/localvpc/localvpc/internal/aws/wire/ssm"
	wirests "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

var (
	scope = state.Scope{Account: "123456789012", Region: "eu-west-1"}
	now   = time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)
	bob   = authz.Caller{Scope: scope, ARN: "arn:aws:iam::123456789012:user/bob", UserID: "AIDABOB", User: "bob", SourceIP: netip.MustParseAddr("203.0.113.9")}
)

// world is a store with a user whose policy is set by each test, and with
// something to be permitted to do something with.
type world struct {
	store *state.Store
	a     *Access
}

func newWorld(t testing.TB) *world {
	t.Helper()
	store, err := state.Open(state.Config{Now: func() time.Time { return now }, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{store, &Access{Library: &authz.Library{}, Now: func() time.Time { return now }}}
	meta := func(id string, tags ...state.Tag) state.Meta { return state.Meta{Key: scope.Key(id), Tags: tags} }
	w.write(t, func(tx *state.Tx) {
		state.Vpcs.Put(tx, &state.Vpc{Meta: meta("vpc-1", state.Tag{Key: "team", Value: "red"})})
		state.Subnets.Put(tx, &state.Subnet{Meta: meta("subnet-1"), VpcID: "vpc-1", AvailabilityZone: "eu-west-1a"})
		state.Instances.Put(tx, &state.Instance{Meta: meta("i-1", state.Tag{Key: "owner", Value: "bob"}), VpcID: "vpc-1", SubnetID: "subnet-1", InstanceType: "t3.micro", ProfileAssociation: "iip-assoc-1"})
		state.SecurityGroups.Put(tx, &state.SecurityGroup{Meta: meta("sg-9"), Name: "nine"})
		state.RouteTables.Put(tx, &state.RouteTable{Meta: meta("rtb-1", state.Tag{Key: "team", Value: "red"}), VpcID: "vpc-1", Associations: []state.RouteTableAssociation{{ID: "rtbassoc-1"}}})
		state.TargetGroups.Put(tx, &state.TargetGroup{Meta: meta("web/1", state.Tag{Key: "team", Value: "red"}), Name: "web"})
		state.Roles.Put(tx, &state.Role{Meta: state.Meta{Key: state.NameKey(scope.Account, "web")}, Principal: state.Principal{Name: "web", UniqueID: "AROAWEB", Path: "/srv/"}})
		state.InstanceProfiles.Put(tx, &state.InstanceProfile{Meta: state.Meta{Key: state.NameKey(scope.Account, "prof")}, Name: "prof", Path: "/", UniqueID: "AIPAX", Role: "web"})
	})
	return w
}

func (w *world) write(t testing.TB, fn func(*state.Tx)) {
	t.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// bobMay sets the statements of bob's policy.
func (w *world) bobMay(t testing.TB, statements ...string) {
	t.Helper()
	text := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	if _, err := authz.Parse(text, authz.Identity); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	w.write(t, func(tx *state.Tx) {
		state.Users.Put(tx, &state.User{
			Meta:      state.Meta{Key: state.NameKey(scope.Account, "bob"), Tags: state.Tags{{Key: "team", Value: "red"}}},
			Principal: state.Principal{Name: "bob", UniqueID: "AIDABOB", Path: "/", Inline: []state.Inline{{Name: "p", Document: text}}},
		})
	})
}

func allow(action, resource, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Effect":"Allow","Action":` + action + `,"Resource":"` + resource + `"` + condition + `}`
}

// TestAllow: what a request is about, and what is known of it.
func TestAllow(t *testing.T) {
	w := newWorld(t)
	const ec2 = "arn:aws:ec2:eu-west-1:123456789012:"
	const elb = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	vpcTag := func(value string) []wireec2.TagSpecification {
		return []wireec2.TagSpecification{{ResourceType: new("vpc"), Tags: []wireec2.Tag{{Key: new("team"), Value: &value}}}}
	}
	run := func(profile string) *wireec2.RunInstancesInput {
		in := &wireec2.RunInstancesInput{ImageId: new("ami-1"), SubnetId: new("subnet-1"), InstanceType: new("t3.micro"), SecurityGroupIds: []string{"sg-1"}}
		if profile != "" {
			in.IamInstanceProfile = &wireec2.IamInstanceProfileSpecification{Name: &profile}
		}
		return in
	}
	record := func(name, kind, action string) *wireroute53.ChangeResourceRecordSetsInput {
		return &wireroute53.ChangeResourceRecordSetsInput{HostedZoneId: new("/hostedzone/Z1"), ChangeBatch: &wireroute53.ChangeBatch{Changes: []wireroute53.Change{
			{Action: &action, ResourceRecordSet: &wireroute53.ResourceRecordSet{Name: &name, Type: &kind}},
		}}}
	}
	own := allow(`"route53:ChangeResourceRecordSets"`, "arn:aws:route53:::hostedzone/Z1", `{"ForAllValues:StringEquals":{"route53:ChangeResourceRecordSetsNormalizedRecordNames":["web.example.com"],"route53:ChangeResourceRecordSetsRecordTypes":["A"],"route53:ChangeResourceRecordSetsActions":["UPSERT"]}}`)
	all := allow(`"*"`, "*", "")
	for _, row := range []struct {
		name            string
		may             []string
		service, action string
		in              any
		denied          string // what of, empty: it is allowed
	}{
		{"nothing allowed", nil, "ec2", "DescribeVpcs", &wireec2.DescribeVpcsInput{}, "ec2:DescribeVpcs on resource: *"},
		{"a describe", []string{allow(`"ec2:Describe*"`, "*", "")}, "ec2", "DescribeVpcs", &wireec2.DescribeVpcsInput{}, ""},
		{"a describe of one", []string{allow(`"ec2:Describe*"`, ec2+"vpc/vpc-1", "")}, "ec2", "DescribeVpcs", &wireec2.DescribeVpcsInput{VpcIds: []string{"vpc-1"}}, "resource: *"},
		{"one by ARN", []string{allow(`"ec2:DeleteVpc"`, ec2+"vpc/vpc-1", "")}, "ec2", "DeleteVpc", &wireec2.DeleteVpcInput{VpcId: new("vpc-1")}, ""},
		{"another by ARN", []string{allow(`"ec2:DeleteVpc"`, ec2+"vpc/vpc-1", "")}, "ec2", "DeleteVpc", &wireec2.DeleteVpcInput{VpcId: new("vpc-2")}, ec2 + "vpc/vpc-2"},
		{"another Region", []string{allow(`"ec2:DeleteVpc"`, "arn:aws:ec2:us-east-1:*:*", "")}, "ec2", "DeleteVpc", &wireec2.DeleteVpcInput{VpcId: new("vpc-1")}, ec2 + "vpc/vpc-1"},
		{"by the resource's tag", []string{allow(`"ec2:DeleteVpc"`, "*", `{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}`)}, "ec2", "DeleteVpc", &wireec2.DeleteVpcInput{VpcId: new("vpc-1")}, ""},
		{"by EC2's own key of it", []string{allow(`"ec2:*"`, "*", `{"StringEquals":{"ec2:ResourceTag/owner":"${aws:username}"}}`)}, "ec2", "TerminateInstances", &wireec2.TerminateInstancesInput{InstanceIds: []string{"i-1"}}, ""},
		{"one of two without the tag", []string{allow(`"ec2:*"`, "*", `{"StringEquals":{"ec2:ResourceTag/owner":"bob"}}`)}, "ec2", "TerminateInstances", &wireec2.TerminateInstancesInput{InstanceIds: []string{"i-1", "i-2"}}, "instance/i-2"},
		{"by VPC", []string{allow(`"ec2:*"`, "*", `{"ArnEquals":{"ec2:Vpc":"`+ec2+`vpc/vpc-1"}}`)}, "ec2", "DeleteSubnet", &wireec2.DeleteSubnetInput{SubnetId: new("subnet-1")}, ""},
		{"by another VPC", []string{allow(`"ec2:*"`, "*", `{"ArnEquals":{"ec2:Vpc":"`+ec2+`vpc/vpc-2"}}`)}, "ec2", "DeleteSubnet", &wireec2.DeleteSubnetInput{SubnetId: new("subnet-1")}, "subnet/subnet-1"},
		{"by Region", []string{allow(`"*"`, "*", `{"StringEquals":{"ec2:Region":"eu-west-1","aws:RequestedRegion":"eu-west-1"}}`)}, "ec2", "DescribeVpcs", &wireec2.DescribeVpcsInput{}, ""},
		{"by address", []string{allow(`"*"`, "*", `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`)}, "ec2", "DescribeVpcs", &wireec2.DescribeVpcsInput{}, ""},
		{"by time", []string{allow(`"*"`, "*", `{"DateGreaterThan":{"aws:CurrentTime":"2027-01-01T00:00:00Z"}}`)}, "ec2", "DescribeVpcs", &wireec2.DescribeVpcsInput{}, "DescribeVpcs"},
		{"an association belongs to its table", []string{allow(`"ec2:DisassociateRouteTable"`, ec2+"route-table/rtb-1", "")}, "ec2", "DisassociateRouteTable", &wireec2.DisassociateRouteTableInput{AssociationId: new("rtbassoc-1")}, ""},
		{"a new one", []string{allow(`"ec2:CreateVpc"`, ec2+"vpc/*", "")}, "ec2", "CreateVpc", &wireec2.CreateVpcInput{}, ""},
		{"a new one in a VPC", []string{allow(`"ec2:CreateSubnet"`, ec2+"subnet/*", "")}, "ec2", "CreateSubnet", &wireec2.CreateSubnetInput{VpcId: new("vpc-1")}, "vpc/vpc-1"},
		{"with tags, that may not be set", []string{allow(`"ec2:CreateVpc"`, "*", "")}, "ec2", "CreateVpc", &wireec2.CreateVpcInput{TagSpecifications: vpcTag("red")}, "ec2:CreateTags"},
		{"with tags, at creation", []string{allow(`"ec2:CreateVpc"`, "*", ""), allow(`"ec2:CreateTags"`, "*", `{"StringEquals":{"ec2:CreateAction":"CreateVpc"}}`)}, "ec2", "CreateVpc", &wireec2.CreateVpcInput{TagSpecifications: vpcTag("red")}, ""},
		{"with the tag asked for", []string{allow(`["ec2:CreateVpc","ec2:CreateTags"]`, "*", `{"StringEquals":{"aws:RequestTag/team":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`)}, "ec2", "CreateVpc", &wireec2.CreateVpcInput{TagSpecifications: vpcTag("red")}, ""},
		{"with another", []string{allow(`["ec2:CreateVpc","ec2:CreateTags"]`, "*", `{"StringEquals":{"aws:RequestTag/team":"red"}}`)}, "ec2", "CreateVpc", &wireec2.CreateVpcInput{TagSpecifications: vpcTag("blue")}, "ec2:CreateVpc"},
		{"tags of what there is", []string{allow(`"ec2:CreateTags"`, ec2+"instance/i-1", "")}, "ec2", "CreateTags", &wireec2.CreateTagsInput{Resources: []string{"i-1"}, Tags: []wireec2.Tag{{Key: new("a"), Value: new("b")}}}, ""},
		{"a group by its name", []string{all, `{"Effect":"Deny","Action":"ec2:*","Resource":"` + ec2 + `security-group/sg-9"}`}, "ec2", "DeleteSecurityGroup", &wireec2.DeleteSecurityGroupInput{GroupName: new("nine")}, "security-group/sg-9"},
		{"a launch", []string{all}, "ec2", "RunInstances", run(""), ""},
		{"a launch of another type", []string{allow(`"*"`, "*", `{"StringEqualsIfExists":{"ec2:InstanceType":"t3.nano"}}`)}, "ec2", "RunInstances", run(""), "instance/*"},
		{"a launch without a subnet's permission", []string{all, `{"Effect":"Deny","Action":"ec2:RunInstances","Resource":"` + ec2 + `subnet/subnet-1"}`}, "ec2", "RunInstances", run(""), "subnet/subnet-1 with an explicit deny in an identity-based policy"},
		{"a launch from an image", []string{all, `{"Effect":"Deny","Action":"ec2:RunInstances","Resource":"arn:aws:ec2:eu-west-1::image/ami-1"}`}, "ec2", "RunInstances", run(""), "image/ami-1"},
		{"a launch that hands a role over", []string{allow(`"ec2:*"`, "*", "")}, "ec2", "RunInstances", run("prof"), "iam:PassRole on resource: arn:aws:iam::123456789012:role/srv/web"},
		{"and may", []string{allow(`"ec2:*"`, "*", ""), allow(`"iam:PassRole"`, "arn:aws:iam::123456789012:role/srv/*", `{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}`)}, "ec2", "RunInstances", run("prof"), ""},
		{"a role for another service", []string{allow(`"ec2:*"`, "*", ""), allow(`"iam:PassRole"`, "*", `{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}`)}, "ec2", "RunInstances", run("prof"), "iam:PassRole"},
		{"an unknown profile is the action's business", []string{allow(`"ec2:*"`, "*", "")}, "ec2", "RunInstances", run("none"), ""},
		{"replacing a profile", []string{allow(`"ec2:*"`, ec2+"instance/i-1", "")}, "ec2", "ReplaceIamInstanceProfileAssociation", &wireec2.ReplaceIamInstanceProfileAssociationInput{AssociationId: new("iip-assoc-1"), IamInstanceProfile: &wireec2.IamInstanceProfileSpecification{Arn: new("arn:aws:iam::123456789012:instance-profile/prof")}}, "iam:PassRole"},
		{"a role into a profile", []string{allow(`"iam:AddRoleToInstanceProfile"`, "*", "")}, "iam", "AddRoleToInstanceProfile", &wireiam.AddRoleToInstanceProfileInput{InstanceProfileName: new("prof"), RoleName: new("WEB")}, "iam:PassRole"},
		{"oneself", []string{allow(`"iam:GetUser"`, "arn:aws:iam::*:user/${aws:username}", "")}, "iam", "GetUser", &wireiam.GetUserInput{}, ""},
		{"somebody else", []string{allow(`"iam:GetUser"`, "arn:aws:iam::*:user/${aws:username}", "")}, "iam", "GetUser", &wireiam.GetUserInput{UserName: new("eve")}, "arn:aws:iam::123456789012:user/eve"},
		{"a role by its path", []string{allow(`"iam:GetRole"`, "arn:aws:iam::123456789012:role/srv/*", "")}, "iam", "GetRole", &wireiam.GetRoleInput{RoleName: new("web")}, ""},
		{"a service's own role", []string{allow(`"iam:CreateServiceLinkedRole"`, "arn:aws:iam::*:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing", `{"StringLike":{"iam:AWSServiceName":"elasticloadbalancing.amazonaws.com"}}`)}, "iam", "CreateServiceLinkedRole", &wireiam.CreateServiceLinkedRoleInput{AWSServiceName: new("elasticloadbalancing.amazonaws.com")}, ""},
		{"all of a kind", []string{allow(`"iam:ListUsers"`, "arn:aws:iam::123456789012:user/*", "")}, "iam", "ListUsers", &wireiam.ListUsersInput{}, ""},
		{"all below another path", []string{allow(`"iam:ListUsers"`, "arn:aws:iam::123456789012:user/a/*", "")}, "iam", "ListUsers", &wireiam.ListUsersInput{PathPrefix: new("/b/")}, "on resource: arn:aws:iam::123456789012:user/b/"},
		{"a new one by its path", []string{allow(`"iam:CreateRole"`, "arn:aws:iam::123456789012:role/srv/*", "")}, "iam", "CreateRole", &wireiam.CreateRoleInput{RoleName: new("x"), Path: new("/other/")}, "role/other/x"},
		{"what makes a service's role, without that permission", []string{allow(`"elasticloadbalancing:*"`, "*", "")}, "elbv2", "CreateLoadBalancer", &wireelbv2.CreateLoadBalancerInput{Name: new("nlb")}, "iam:CreateServiceLinkedRole on resource: arn:aws:iam::123456789012:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing"},
		{"what makes a service's role", []string{allow(`"elasticloadbalancing:*"`, "*", ""), allow(`"iam:CreateServiceLinkedRole"`, "*", `{"StringEquals":{"iam:AWSServiceName":"elasticloadbalancing.amazonaws.com"}}`)}, "elbv2", "CreateLoadBalancer", &wireelbv2.CreateLoadBalancerInput{Name: new("nlb")}, ""},
		{"a balancer by its name", []string{allow(`["elasticloadbalancing:CreateTargetGroup"]`, elb+"targetgroup/a-*/*", "")}, "elbv2", "CreateTargetGroup", &wireelbv2.CreateTargetGroupInput{Name: new("a-web")}, ""},
		{"another by its name", []string{allow(`"elasticloadbalancing:CreateTargetGroup"`, elb+"targetgroup/a-*/*", "")}, "elbv2", "CreateTargetGroup", &wireelbv2.CreateTargetGroupInput{Name: new("b-web")}, "elasticloadbalancing:CreateTargetGroup on resource: " + elb + "targetgroup/b-web/*"},
		{"tags at creation, that may not be set", []string{allow(`"elasticloadbalancing:CreateTargetGroup"`, "*", "")}, "elbv2", "CreateTargetGroup", &wireelbv2.CreateTargetGroupInput{Name: new("web"), Tags: []wireelbv2.Tag{{Key: new("a")}}}, "elasticloadbalancing:AddTags"},
		{"tags at creation", []string{allow(`"elasticloadbalancing:CreateTargetGroup"`, "*", ""), allow(`"elasticloadbalancing:AddTags"`, "*", `{"StringEquals":{"elasticloadbalancing:CreateAction":"CreateTargetGroup"}}`)}, "elbv2", "CreateTargetGroup", &wireelbv2.CreateTargetGroupInput{Name: new("web"), Tags: []wireelbv2.Tag{{Key: new("a")}}}, ""},
		{"only internal ones", []string{allow(`"*"`, "*", `{"StringEqualsIfExists":{"elasticloadbalancing:Scheme":"internal"}}`)}, "elbv2", "CreateLoadBalancer", &wireelbv2.CreateLoadBalancerInput{Name: new("nlb"), Scheme: new("internet-facing")}, "loadbalancer/net/nlb/*"},
		{"only in some subnets", []string{allow(`"*"`, "*", `{"ForAllValues:StringEquals":{"elasticloadbalancing:Subnet":["subnet-1"]}}`)}, "elbv2", "CreateLoadBalancer", &wireelbv2.CreateLoadBalancerInput{Name: new("nlb"), SubnetMappings: []wireelbv2.SubnetMapping{{SubnetId: new("subnet-2")}}}, "loadbalancer/net/nlb/*"},
		{"only some protocols", []string{allow(`"elasticloadbalancing:*"`, "*", `{"StringEquals":{"elasticloadbalancing:ListenerProtocol":"TCP"}}`)}, "elbv2", "CreateListener", &wireelbv2.CreateListenerInput{LoadBalancerArn: new(elb + "loadbalancer/net/nlb/1"), Protocol: new("UDP")}, "loadbalancer/net/nlb/1"},
		{"a balancer by its tag", []string{allow(`"elasticloadbalancing:*"`, "*", `{"StringEquals":{"elasticloadbalancing:ResourceTag/team":"red"}}`)}, "elbv2", "RegisterTargets", &wireelbv2.RegisterTargetsInput{TargetGroupArn: new(elb + "targetgroup/web/1")}, ""},
		{"another by its tag", []string{allow(`"elasticloadbalancing:*"`, "*", `{"StringEquals":{"aws:ResourceTag/team":"blue"}}`)}, "elbv2", "RegisterTargets", &wireelbv2.RegisterTargetsInput{TargetGroupArn: new(elb + "targetgroup/web/1")}, "targetgroup/web/1"},
		{"only with a boundary", []string{allow(`"iam:CreateRole"`, "*", `{"StringEquals":{"iam:PermissionsBoundary":"arn:b"}}`)}, "iam", "CreateRole", &wireiam.CreateRoleInput{RoleName: new("x")}, "iam:CreateRole"},
		{"only some policies", []string{allow(`"iam:AttachRolePolicy"`, "*", `{"ArnLike":{"iam:PolicyARN":"arn:aws:iam::aws:policy/*ReadOnly*"}}`)}, "iam", "AttachRolePolicy", &wireiam.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: new("arn:aws:iam::aws:policy/AdministratorAccess")}, "iam:AttachRolePolicy"},
		{"one's own record", []string{own}, "route53", "ChangeResourceRecordSets", record("Web.Example.com.", "A", "UPSERT"), ""},
		{"another's record", []string{own}, "route53", "ChangeResourceRecordSets", record("db.example.com.", "A", "UPSERT"), "arn:aws:route53:::hostedzone/Z1"},
		{"another type", []string{own}, "route53", "ChangeResourceRecordSets", record("web.example.com", "TXT", "UPSERT"), "hostedzone/Z1"},
		{"another change", []string{own}, "route53", "ChangeResourceRecordSets", record("web.example.com", "A", "DELETE"), "hostedzone/Z1"},
		{"a parameter", []string{allow(`"ssm:GetParameter"`, "arn:aws:ssm:eu-west-1:123456789012:parameter/a/*", "")}, "ssm", "GetParameter", &wiressm.GetParameterInput{Name: new("/a/b")}, ""},
		{"who am I", nil, "sts", "GetCallerIdentity", &wirests.GetCallerIdentityInput{}, ""},
		{"an action without a row", []string{allow(`"ec2:CreateNonsense"`, "*", "")}, "ec2", "CreateNonsense", &wireec2.CreateVpcInput{}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.may == nil {
				row.may = []string{allow(`"x:y"`, "*", "")}
			}
			w.bobMay(t, row.may...)
			err := w.a.Allow(w.store.Snapshot(), row.service, row.action, &bob, row.in)
			if row.denied == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			code := "AccessDenied"
			if row.service == "ec2" {
				code = "UnauthorizedOperation"
			}
			if !awserr.Is(err, code) || !strings.Contains(err.Error(), row.denied) {
				t.Errorf("%v\nwant %s … %s", err, code, row.denied)
			}
		})
	}
}

// TestLinkedRoleThatIsThere: where a service has its role, nobody needs permission to
// make it.
func TestLinkedRoleThatIsThere(t *testing.T) {
	w := newWorld(t)
	const principal = "elasticloadbalancing.amazonaws.com"
	w.bobMay(t, allow(`"elasticloadbalancing:*"`, "*", ""))
	made := 0
	for range 2 {
		w.write(t, func(tx *state.Tx) {
			row, ok := service.LinkRole(tx, scope.Account, principal, "", "of balancers")
			if ok {
				made++
			}
			if row.ARN() != "arn:aws:iam::123456789012:role/aws-service-role/"+principal+"/AWSServiceRoleForElasticLoadBalancing" || row.Service != principal || len(row.Attached) != 1 || !strings.HasPrefix(row.UniqueID, "AROA") {
				t.Errorf("%+v", row)
			}
			if none, ok := service.LinkRole(tx, scope.Account, "nobody.amazonaws.com", "", ""); none != nil || ok {
				t.Errorf("%+v", none)
			}
		})
	}
	if made != 1 {
		t.Errorf("the role was made %d times", made)
	}
	if err := w.a.Allow(w.store.Snapshot(), "elbv2", "CreateLoadBalancer", &bob, &wireelbv2.CreateLoadBalancerInput{Name: new("nlb")}); err != nil {
		t.Error(err)
	}
}

// TestMessage: the message of a denial says all that it was decided by.
func TestMessage(t *testing.T) {
	w := newWorld(t)
	w.bobMay(t, `{"Sid":"Never","Effect":"Deny","Action":"ec2:*","Resource":"*"}`)
	err := w.a.Allow(w.store.Snapshot(), "ec2", "DeleteVpc", &bob, &wireec2.DeleteVpcInput{VpcId: new("vpc-1")})
	text, sealed, ok := strings.Cut(fmt.Sprint(err), ". Encoded authorization failure message: ")
	if !ok || !strings.HasSuffix(text, "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/bob is not authorized to perform: ec2:DeleteVpc on resource: arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1 with an explicit deny in an identity-based policy") {
		t.Fatal(err)
	}
	raw, err := session.Seal{}.OpenMessage(sealed)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Allowed, ExplicitDeny bool
		MatchedStatements     struct {
			Items []struct{ StatementID, Effect string }
		}
		Context struct {
			Principal        struct{ ID, Name, ARN string }
			Action, Resource string
			Conditions       struct{ Items []struct{ Key string } }
		}
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if m.Allowed || !m.ExplicitDeny || m.MatchedStatements.Items[0].StatementID != "Never" || m.Context.Principal.Name != "bob" || m.Context.Action != "ec2:DeleteVpc" || len(m.Context.Conditions.Items) < 8 {
		t.Errorf("%s", raw)
	}
}

// TestSessions: what sessions of users may not ask, and what limits a session.
func TestSessions(t *testing.T) {
	w := newWorld(t)
	w.bobMay(t, allow(`"*"`, "*", ""))
	snap := w.store.Snapshot()
	describe := &wireec2.DescribeVpcsInput{}
	as := func(s session.Session) *authz.Caller {
		c := bob
		c.Session, c.AccessKey = &s, s.Kind+fmt.Sprint(s.PolicyArns)
		return &c
	}
	if err := w.a.Allow(snap, "iam", "GetUser", as(session.Session{Kind: session.User}), &wireiam.GetUserInput{}); !awserr.Is(err, "InvalidClientTokenId") {
		t.Error(err)
	}
	if err := w.a.Allow(snap, "sts", "GetSessionToken", as(session.Session{Kind: session.User}), &wirests.GetSessionTokenInput{}); !awserr.Is(err, "AccessDenied") {
		t.Error(err)
	}
	if err := w.a.Allow(snap, "ec2", "DescribeVpcs", as(session.Session{Kind: session.User}), describe); err != nil {
		t.Error(err)
	}
	if err := w.a.Allow(snap, "ec2", "DescribeVpcs", as(session.Session{Kind: session.Federated}), describe); !awserr.Is(err, "UnauthorizedOperation") || !strings.Contains(err.Error(), "because no session policy allows the ec2:DescribeVpcs action") {
		t.Error(err)
	}
	if err := w.a.Allow(snap, "ec2", "DescribeVpcs", as(session.Session{Kind: session.Federated, PolicyArns: []string{"arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"}}), describe); err != nil {
		t.Error(err)
	}
	root := authz.Root(scope, "k")
	if err := w.a.Allow(snap, "ec2", "DescribeVpcs", &root, describe); err != nil {
		t.Error(err)
	}
	root.Session = &session.Session{Kind: session.Root}
	if err := w.a.Allow(snap, "iam", "ListUsers", &root, &wireiam.ListUsersInput{}); !awserr.Is(err, "InvalidClientTokenId") {
		t.Error(err)
	}
}

// BenchmarkAllow authorises a caller with 20 policies.
func BenchmarkAllow(b *testing.B) {
	w := newWorld(b)
	var list []string
	for n := range 19 {
		list = append(list, allow(fmt.Sprintf(`["s3:Get%d*","s3:List*"]`, n), fmt.Sprintf("arn:aws:s3:::bucket-%d/*", n), ""))
	}
	w.bobMay(b, append(list, allow(`"ec2:*"`, "*", ""))...)
	w.write(b, func(tx *state.Tx) {
		u, _ := state.Users.Get(tx, state.NameKey(scope.Account, "bob"))
		next := *u
		next.Inline = nil
		for n, s := range append(list, allow(`"ec2:*"`, "*", "")) {
			next.Inline = append(next.Inline, state.Inline{Name: fmt.Sprint(n), Document: `{"Version":"2012-10-17","Statement":[` + s + `]}`})
		}
		state.Users.Put(tx, &next)
	})
	in := &wireec2.DeleteVpcInput{VpcId: new("vpc-1")}
	snap := w.store.Snapshot()
	b.ReportAllocs()
	for b.Loop() {
		if err := w.a.Allow(snap, "ec2", "DeleteVpc", &bob, in); err != nil {
			b.Fatal(err)
		}
	}
}
