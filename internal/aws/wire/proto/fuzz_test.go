package proto_test

import (
	"bytes"
	"net/http"
	"reflect"
	"testing"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/aws/wire/ssm"
	"github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

// FuzzDecodeEC2: whatever the body, the decoder answers with an Input or with one of
// AWS's errors; an Input it accepted survives our own encoder.
func FuzzDecodeEC2(f *testing.F) {
	f.Add("Action=DescribeVpcs&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&MaxResults=5")
	f.Add("Action=RunInstances&MinCount=1&MaxCount=1&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SecurityGroupId.1=sg-1&BlockDeviceMapping.1.Ebs.VolumeSize=8")
	f.Add("Action=AuthorizeSecurityGroupIngress&IpPermissions.1.Groups.1.GroupId=sg-1&IpPermissions.01=x&IpPermissions.1=")
	f.Add("Action=ImportKeyPair&KeyName=k&PublicKeyMaterial=AAAA&PublicKeyMaterial.1=x")
	f.Add("Action=AssumeRole&RoleArn=x&Tags.member.1.Key=k&Tags.member=&Tags=")
	f.Add("Action=CreateListener&LoadBalancerArn=x&Port=0&DefaultActions.member.1.Type=forward&DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.Weight=7&DefaultActions.member.2=")
	f.Add("Action=RegisterTargets&TargetGroupArn=x&Targets.member.1.Id=i-1&Targets.member.1.Port=80&Targets.member.3.Id=&Targets.member.1.Id.member.1=")
	f.Add("Action=ReportInstanceStatus&StartTime=2026-11-20&%zz&=&.&..&1.1")
	f.Fuzz(func(t *testing.T, body string) {
		for _, api := range []*proto.API{ec2.API, elbv2.API, sts.API} {
			r := &proto.Request{Method: http.MethodPost, Body: []byte(body)}
			name, err := api.Protocol.Action(api, r)
			if err != nil {
				checkError(t, api, err)
				continue
			}
			a, ok := api.Lookup(name)
			if !ok {
				continue
			}
			in, again := a.NewInput(), a.NewInput()
			if err := api.Protocol.DecodeInput(api, name, r, in); err != nil {
				checkError(t, api, err)
				continue
			}
			var b bytes.Buffer
			api.Protocol.EncodeInput(&b, api, name, in)
			if err := api.Protocol.DecodeInput(api, name, &proto.Request{Method: http.MethodPost, Body: b.Bytes()}, again); err != nil {
				t.Fatalf("%s: written again as %q: %v", name, b.String(), err)
			}
			if api == ec2.API && !reflect.DeepEqual(in, again) && !hasHole(reflect.ValueOf(in)) {
				t.Fatalf("%s: %+v became %+v", name, in, again)
			}
		}
	})
}

func checkError(t *testing.T, api *proto.API, err error) {
	e, ok := awserr.As(err)
	if !ok || e.Code == "" || e.Message == "" || e.Status/100 != 4 || len(e.Message) > 16<<10 {
		t.Fatalf("not an error for a caller: %#v", err)
	}
	var b bytes.Buffer
	api.Protocol.EncodeError(&b, api, "req-1", e)
	if back := api.Protocol.DecodeError(api, e.Status, b.Bytes()); back.Code != e.Code {
		t.Fatalf("unreadable: %s", b.String())
	}
}

// hasHole says whether v has an element or structure without members, which a form
// cannot say.
func hasHole(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && v.Type().Elem().Kind() == reflect.Struct && (v.Elem().IsZero() || hasHole(v.Elem()))
	case reflect.Slice:
		for i := range v.Len() {
			if e := v.Index(i); e.Kind() == reflect.Struct && e.IsZero() || hasHole(e) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && hasHole(v.Field(i)) {
				return true
			}
		}
	}
	return false
}

// FuzzDecodeAnswer: the client's reader takes any body without panic.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(encode(ec2.API, "DescribeInstances", instances(1))))
	f.Add([]byte("<Response><Errors><Error><Code>x</Code></Error></Errors></Response>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		out := &ec2.DescribeInstancesOutput{}
		if proto.EC2.DecodeOutput(ec2.API, "DescribeInstances", body, out) == nil {
			encode(ec2.API, "DescribeInstances", out)
		}
		if proto.EC2.DecodeError(ec2.API, 400, body).Code == "" {
			t.Fatal("an error without code")
		}
	})
}

// FuzzDecodeJSON: whatever the body, the decoder answers with an Input or with one of
// AWS's errors; an Input it accepted survives our own encoder; and as an answer the
// same body is read without panic.
func FuzzDecodeJSON(f *testing.F) {
	f.Add("GetParameters", `{"Names":["/aws/service/a","b"],"WithDecryption":true,"x":[{"y":null}]}`)
	f.Add("GetParametersByPath", `{"Path":"/a","MaxResults":5.0,"ParameterFilters":[{"Key":"Type","Values":["String"]},null]}`)
	f.Add("DescribeParameters", `{"Filters":[{"Key":"Name","Values":[]}],"Shared":false}`)
	f.Add("GetParameter", `{"Parameter":{"LastModifiedDate":1.7633376E9,"Version":1e300}}`)
	f.Add("ListTagsForResource", `[[[[{"a`)
	f.Fuzz(func(t *testing.T, name, body string) {
		a, ok := ssm.API.Lookup(name)
		if !ok {
			return
		}
		in, again, out := a.NewInput(), a.NewInput(), a.NewOutput()
		if proto.JSON.DecodeOutput(ssm.API, name, []byte(body), out) == nil {
			text := encode(ssm.API, name, out)
			if err := proto.JSON.DecodeOutput(ssm.API, name, []byte(text), a.NewOutput()); err != nil {
				t.Fatalf("%s: written as %s: %v", name, text, err)
			}
		}
		if proto.JSON.DecodeError(ssm.API, 400, []byte(body)).Code == "" {
			t.Fatal("an error without code")
		}
		if err := proto.JSON.DecodeInput(ssm.API, name, &proto.Request{Body: []byte(body)}, in); err != nil {
			checkError(t, ssm.API, err)
			return
		}
		var b bytes.Buffer
		proto.JSON.EncodeInput(&b, ssm.API, name, in)
		if err := proto.JSON.DecodeInput(ssm.API, name, &proto.Request{Body: b.Bytes()}, again); err != nil {
			t.Fatalf("%s: written again as %s: %v", name, b.String(), err)
		}
		if !reflect.DeepEqual(in, again) {
			t.Fatalf("%s: %+v became %+v", name, in, again)
		}
	})
}
