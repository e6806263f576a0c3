package proto_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

func decode(api *proto.API, action, body string) (any, error) {
	a, _ := api.Lookup(action)
	in := a.NewInput()
	err := api.Protocol.DecodeInput(api, action, &proto.Request{Method: http.MethodPost, Body: []byte(body)}, in)
	return in, err
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name   string
		api    *proto.API
		action string
		body   string
		want   any
	}{
		{"envelope and signature are not parameters", ec2.API, "DescribeVpcs",
			"Action=DescribeVpcs&Version=2014-10-01&X-Amz-Date=x&AWSAccessKeyId=k&SignatureVersion=2",
			&ec2.DescribeVpcsInput{}},
		{"scalars", ec2.API, "CreateVpc", "CidrBlock=10.0.0.0%2F16&DryRun=True&Ipv4NetmaskLength=24",
			&ec2.CreateVpcInput{CidrBlock: new("10.0.0.0/16"), DryRun: new(true), Ipv4NetmaskLength: new(int32(24))}},
		{"an empty string is a value", ec2.API, "CreateSecurityGroup", "GroupName=g&GroupDescription=",
			&ec2.CreateSecurityGroupInput{GroupName: new("g"), Description: new("")}},
		{"gaps, any order, numbers by value", ec2.API, "DescribeVpcs", "VpcId.10=c&VpcId.9=b&VpcId.2=a&VpcId.999999999=d",
			&ec2.DescribeVpcsInput{VpcIds: []string{"a", "b", "c", "d"}}},
		{"lists in lists", ec2.API, "DescribeVpcs", "Filter.2.Value.1=z&Filter.1.Name=vpc-id&Filter.1.Value.2=y&Filter.1.Value.1=x&Filter.2.Name=state",
			&ec2.DescribeVpcsInput{Filters: []ec2.Filter{{Name: new("vpc-id"), Values: []string{"x", "y"}}, {Name: new("state"), Values: []string{"z"}}}}},
		{"locationName of an output structure", ec2.API, "AuthorizeSecurityGroupIngress",
			"GroupId=sg-1&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.Groups.1.GroupId=sg-2",
			&ec2.AuthorizeSecurityGroupIngressInput{GroupId: new("sg-1"), IpPermissions: []ec2.IpPermission{{IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)), UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: new("sg-2")}}}}}},
		{"structures", ec2.API, "ModifyVpcAttribute", "VpcId=vpc-1&EnableDnsSupport.Value=false",
			&ec2.ModifyVpcAttributeInput{VpcId: new("vpc-1"), EnableDnsSupport: &ec2.AttributeBooleanValue{Value: new(false)}}},
		{"an empty structure and an empty list are absent", ec2.API, "ModifyVpcAttribute", "VpcId=vpc-1&EnableDnsSupport=",
			&ec2.ModifyVpcAttributeInput{VpcId: new("vpc-1")}},
		{"enum without case", ec2.API, "AllocateAddress", "Domain=VPC", &ec2.AllocateAddressInput{Domain: new(ec2.DomainTypeVpc)}},
		{"a new instance type", ec2.API, "RunInstances", "MinCount=1&MaxCount=1&InstanceType=z9.huge",
			&ec2.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), InstanceType: new("z9.huge")}},
		{"blob", ec2.API, "ImportKeyPair", "KeyName=k&PublicKeyMaterial=c3NoLXJzYSBBQUFB",
			&ec2.ImportKeyPairInput{KeyName: new("k"), PublicKeyMaterial: []byte("ssh-rsa AAAA")}},
		{"timestamps", ec2.API, "ReportInstanceStatus", "InstanceId.1=i-1&Status=ok&ReasonCode.1=other&StartTime=2026-11-20T11%3A40%3A00%2B01%3A00&EndTime=2026-11-20",
			&ec2.ReportInstanceStatusInput{Instances: []string{"i-1"}, Status: new("ok"), ReasonCodes: []string{"other"},
				StartTime: new(time.Date(2026, 11, 20, 10, 40, 0, 0, time.UTC)), EndTime: new(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))}},
		{"query lists have a word", sts.API, "AssumeRole",
			"RoleArn=arn:aws:iam::000000000000:role/r&RoleSessionName=ab&Tags.member.1.Key=k&Tags.member.1.Value=v&TransitiveTagKeys=&PolicyArns.member.1.arn=a",
			&sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::000000000000:role/r"), RoleSessionName: new("ab"), Tags: []sts.Tag{{Key: new("k"), Value: new("v")}},
				TransitiveTagKeys: []string{}, PolicyArns: []sts.PolicyDescriptorType{{Arn: new("a")}}}},
		{"query services ignore what they do not know", sts.API, "GetCallerIdentity", "Foo=bar&X.member.1=y", &sts.GetCallerIdentityInput{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := decode(test.api, test.action, test.body)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				a, _ := json.Marshal(got)
				b, _ := json.Marshal(test.want)
				t.Errorf("got  %s\nwant %s", a, b)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name, action, body, code, message string
	}{
		{"unknown parameter", "DescribeVpcs", "ImageType=machine", "UnknownParameter", "The parameter ImageType is not recognized"},
		{"unknown structure", "DescribeVpcs", "Sriov.Value=simple", "UnknownParameter", "The parameter Sriov is not recognized"},
		{"unknown member", "DescribeVpcs", "Filter.1.Nam=x", "UnknownParameter", "The parameter Filter.1.Nam is not recognized"},
		{"names are exact", "DescribeVpcs", "vpcid.1=x", "UnknownParameter", "The parameter vpcid is not recognized"},
		{"below a scalar", "CreateVpc", "CidrBlock.1=x", "UnknownParameter", "The parameter CidrBlock.1 is not recognized"},
		{"element zero", "DescribeVpcs", "VpcId.0=x", "UnknownParameter", "The parameter VpcId.0 is not recognized"},
		{"element with a leading zero", "DescribeVpcs", "VpcId.01=x", "UnknownParameter", "The parameter VpcId.01 is not recognized"},
		{"element of ten digits", "DescribeVpcs", "VpcId.1000000000=x", "UnknownParameter", "The parameter VpcId.1000000000 is not recognized"},
		{"the query protocol's list", "DescribeVpcs", "VpcId.member.1=x", "UnknownParameter", "The parameter VpcId.member.1 is not recognized"},
		{"no name", "DescribeVpcs", "=x", "UnknownParameter", "The parameter  is not recognized"},
		{"deep", "DescribeVpcs", "Filter.1.Value.1.Value.1=x", "UnknownParameter", "The parameter Filter.1.Value.1.Value.1 is not recognized"},
		{"missing", "DeleteVpc", "", "MissingParameter", "The request must contain the parameter VpcId"},
		{"missing, as the request spells it", "CreateSecurityGroup", "GroupName=g", "MissingParameter", "The request must contain the parameter GroupDescription"},
		{"missing list", "TerminateInstances", "", "MissingParameter", "The request must contain the parameter InstanceId"},
		{"unknown before missing", "CreateSecurityGroup", "Description=x&GroupName=g", "UnknownParameter", "The parameter Description is not recognized"},
		{"missing before invalid", "DeleteVpc", "DryRun=maybe", "MissingParameter", "The request must contain the parameter VpcId"},
		{"boolean", "CreateVpc", "DryRun=maybe", "InvalidParameterValue", "Value (maybe) for parameter dryRun is invalid. Expected true or false."},
		{"integer", "DescribeVpcs", "MaxResults=ten", "InvalidParameterValue", "Value (ten) for parameter maxResults is invalid. Expected an integer."},
		{"integer of 33 bits", "DescribeVpcs", "MaxResults=4294967296", "InvalidParameterValue", "Value (4294967296) for parameter maxResults is invalid. Expected an integer."},
		{"empty integer", "DescribeVpcs", "MaxResults=", "InvalidParameterValue", "Value () for parameter maxResults is invalid. Expected an integer."},
		{"too small", "DescribeVpcs", "MaxResults=1", "InvalidParameterValue", "Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5."},
		{"too large", "DescribeVpcs", "MaxResults=1001", "InvalidParameterValue", "Value ( 1001 ) for parameter maxResults is invalid. Expecting a value less than 1000."},
		{"enum", "CreateVpc", "InstanceTenancy=shared", "InvalidParameterValue", "Value (shared) for parameter instanceTenancy is invalid. Valid values: dedicated, default, host."},
		{"enum has case", "CreateVpc", "InstanceTenancy=Default", "InvalidParameterValue", "Value (Default) for parameter instanceTenancy is invalid. Valid values: dedicated, default, host."},
		{"attribute", "DescribeVpcAttribute", "VpcId=vpc-1&Attribute=colour", "InvalidParameterValue", "Value (colour) for parameter attribute is invalid. Unknown attribute."},
		{"base64", "ImportKeyPair", "KeyName=k&PublicKeyMaterial=%25", "InvalidParameterValue", "Value (%) for parameter publicKeyMaterial is invalid. Expected base64-encoded data."},
		{"timestamp", "ReportInstanceStatus", "InstanceId.1=i&Status=ok&ReasonCode.1=other&StartTime=noon", "InvalidParameterValue", "Value (noon) for parameter startTime is invalid. Expected a timestamp such as 2006-01-02T15:04:05Z."},
		{"in a list, with its key", "AuthorizeSecurityGroupIngress", "IpPermissions.2.FromPort=x", "InvalidParameterValue", "Value (x) for parameter IpPermissions.2.FromPort is invalid. Expected an integer."},
		{"twice", "CreateVpc", "CidrBlock=a&CidrBlock=b", "MalformedQueryString", "The parameter CidrBlock is given more than once."},
		{"element twice", "DescribeVpcs", "VpcId.1=a&VpcId.1=b", "MalformedQueryString", "The parameter VpcId.1 is given more than once."},
		{"a value for a structure", "ModifyVpcAttribute", "VpcId=vpc-1&EnableDnsSupport=true", "InvalidRequest", "The request received was invalid."},
		{"a value for a list", "DescribeVpcs", "VpcId=vpc-1", "InvalidRequest", "The request received was invalid."},
		{"not UTF-8", "CreateVpc", "CidrBlock=%ff", "MalformedQueryString", "The query string is not in UTF-8."},
		{"bad escape", "DescribeVpcs", "VpcId.1=%zz", "MalformedQueryString", "The query string contains a syntax error."},
		{"a very long value is clipped", "CreateVpc", "DryRun=" + strings.Repeat("x", 1000), "InvalidParameterValue", "Value (" + strings.Repeat("x", 256) + "…) for parameter dryRun is invalid. Expected true or false."},
		{"a very long name", "CreateVpc", strings.Repeat("x", 1000) + "=1", "MalformedQueryString", "The name of a parameter is longer than 512 bytes."},
		{"too many parameters", "CreateVpc", strings.Repeat("a=1&", 20001), "MalformedQueryString", "The request has more than 20000 parameters."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in, err := decode(ec2.API, test.action, test.body)
			e, ok := awserr.As(err)
			if !ok {
				t.Fatalf("accepted (%v): %+v", err, in)
			}
			if e.Code != test.code || e.Message != test.message || e.Status != 400 {
				t.Errorf("got  %d %s: %s\nwant 400 %s: %s", e.Status, e.Code, e.Message, test.code, test.message)
			}
		})
	}
}

func TestDecodeQueryRefuses(t *testing.T) {
	tests := []struct{ name, action, body, want string }{
		{"all violations at once", "AssumeRole", "RoleSessionName=a!&DurationSeconds=1&Tags.member.1.Value=v",
			"ValidationError: 4 validation errors detected: " +
				"Value '1' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900; " +
				"Value 'a!' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*; " +
				"Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'roleArn' failed to satisfy constraint: Member must not be null"},
		{"one", "GetAccessKeyInfo", "", "ValidationError: 1 validation error detected: Value null at 'accessKeyId' failed to satisfy constraint: Member must not be null"},
		{"length", "GetAccessKeyInfo", "AccessKeyId=AKIA", "ValidationError: 1 validation error detected: Value 'AKIA' at 'accessKeyId' failed to satisfy constraint: Member must have length greater than or equal to 16"},
		{"a value for a structure", "AssumeRole", "Tags.member.1=x", "MalformedInput: Unexpected value at Tags.member.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := decode(sts.API, test.action, test.body)
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Error() != test.want {
				t.Errorf("got  %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestAction(t *testing.T) {
	tests := []struct {
		name string
		req  proto.Request
		want string
	}{
		{"POST form", proto.Request{Method: "POST", Body: []byte("Action=DescribeVpcs&Version=2016-11-15")}, "DescribeVpcs"},
		{"GET query string", proto.Request{Method: "GET", RawQuery: "Version=2016-11-15&Action=DescribeVpcs"}, "DescribeVpcs"},
		{"POST with a query string", proto.Request{Method: "POST", RawQuery: "Action=DescribeVpcs"}, "DescribeVpcs"},
		{"a GET's body is nothing", proto.Request{Method: "GET", Body: []byte("Action=DescribeVpcs")}, ""},
		{"none", proto.Request{Method: "POST"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := proto.EC2.Action(ec2.API, &test.req)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("Action = %q, %v", got, err)
			}
			if err != nil && !awserr.Is(err, "MissingAction") {
				t.Errorf("code of %v", err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	if _, ok := ec2.API.Lookup("CreateVpc"); !ok {
		t.Error("CreateVpc has no types")
	}
	for name, known := range map[string]bool{"CreateVpc": true, "CreateVerifiedAccessGroup": true, "AcceptAddressTransfer": true, "Zzz": false, "": false} {
		if ec2.API.Known(name) != known {
			t.Errorf("Known(%s) = %v", name, !known)
		}
	}
	for i := range ec2.API.Actions {
		if name := ec2.API.Actions[i].Name; !ec2.API.Known(name) {
			t.Errorf("%s is not among the names", name)
		}
	}
	e := proto.InvalidAction("Nope")
	if e.Code != "InvalidAction" || e.Message != "The action Nope is not valid for this web service." || e.Status != 400 {
		t.Errorf("InvalidAction = %+v", e)
	}
}

func TestReadRequestIsBounded(t *testing.T) {
	for _, length := range []int64{-1, 11} {
		r, err := http.NewRequest("POST", "http://h/", strings.NewReader("01234567890"))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		if _, err := proto.ReadRequest(r, 10); !awserr.Is(err, "RequestEntityTooLarge") {
			t.Errorf("length %d: %v", length, err)
		}
	}
	r, err := http.NewRequest("POST", "http://h/a%2Fb?x=1", strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := proto.ReadRequest(r, 10)
	if err != nil || string(req.Body) != "0123456789" || req.Path != "/a%2Fb" || req.RawQuery != "x=1" {
		t.Errorf("request %+v, %v", req, err)
	}
}
