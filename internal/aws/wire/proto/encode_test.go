package proto_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

func encode(api *proto.API, action string, out any) string {
	var b bytes.Buffer
	api.Protocol.EncodeOutput(&b, api, action, "req-1", out)
	return strings.TrimPrefix(b.String(), `<?xml version="1.0" encoding="UTF-8"?>`+"\n")
}

func TestEncode(t *testing.T) {
	const open = ` xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>req-1</requestId>`
	tests := []struct {
		name   string
		api    *proto.API
		action string
		out    any
		want   string
	}{
		{"no members", ec2.API, "DeleteVpc", &ec2.DeleteVpcOutput{},
			"<DeleteVpcResponse" + open + "<return>true</return></DeleteVpcResponse>"},
		{"return is true unless said", ec2.API, "CreateRoute", &ec2.CreateRouteOutput{},
			"<CreateRouteResponse" + open + "<return>true</return></CreateRouteResponse>"},
		{"return said", ec2.API, "CreateRoute", &ec2.CreateRouteOutput{Return: new(false)},
			"<CreateRouteResponse" + open + "<return>false</return></CreateRouteResponse>"},
		{"a describe without results has its list, not its token", ec2.API, "DescribeVpcs", &ec2.DescribeVpcsOutput{},
			"<DescribeVpcsResponse" + open + "<vpcSet/></DescribeVpcsResponse>"},
		{"nil list left out below, empty one written; absent scalars left out", ec2.API, "DescribeVpcs",
			&ec2.DescribeVpcsOutput{Vpcs: []ec2.Vpc{{VpcId: new("vpc-1"), IsDefault: new(false), Tags: []ec2.Tag{}}}, NextToken: new("t")},
			"<DescribeVpcsResponse" + open + "<nextToken>t</nextToken><vpcSet><item><isDefault>false</isDefault><tagSet/><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"},
		{"one attribute of many", ec2.API, "DescribeInstanceAttribute", &ec2.DescribeInstanceAttributeOutput{InstanceId: new("i-1"), UserData: &ec2.AttributeValue{}},
			"<DescribeInstanceAttributeResponse" + open + "<instanceId>i-1</instanceId><userData></userData></DescribeInstanceAttributeResponse>"},
		{"escaped", ec2.API, "CreateVpc", &ec2.CreateVpcOutput{Vpc: &ec2.Vpc{OwnerId: new("<&>\"'\r\n\t\x00\xffé\uffff😀")}},
			"<CreateVpcResponse" + open + "<vpc><ownerId>&lt;&amp;&gt;&quot;'&#xD;&#xA;&#x9;\ufffd\ufffdé\ufffd😀</ownerId></vpc></CreateVpcResponse>"},
		{"time", ec2.API, "GetConsoleOutput", &ec2.GetConsoleOutputOutput{InstanceId: new("i-1"), Timestamp: new(time.Date(2026, 11, 20, 12, 40, 0, 5e6, time.FixedZone("", 3600)))},
			"<GetConsoleOutputResponse" + open + "<instanceId>i-1</instanceId><timestamp>2026-11-20T11:40:00.005Z</timestamp></GetConsoleOutputResponse>"},
		{"query", sts.API, "GetCallerIdentity", &sts.GetCallerIdentityOutput{Account: new("000000000000")},
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>000000000000</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := encode(test.api, test.action, test.out); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestEncodeError(t *testing.T) {
	tests := []struct {
		api  *proto.API
		err  *awserr.Error
		want string
	}{
		{ec2.API, awserr.New("InvalidVpcID.NotFound", "The vpc ID '<x>' does not exist"),
			`<?xml version="1.0" encoding="UTF-8"?>` + "\n<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>The vpc ID '&lt;x&gt;' does not exist</Message></Error></Errors><RequestID>req-1</RequestID></Response>"},
		{sts.API, awserr.New("AccessDenied", "no"),
			`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`},
		{sts.API, awserr.Internal(nil),
			`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Receiver</Type><Code>InternalError</Code><Message>An internal error has occurred</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`},
	}
	for _, test := range tests {
		var b bytes.Buffer
		test.api.Protocol.EncodeError(&b, test.api, "req-1", test.err)
		if b.String() != test.want {
			t.Errorf("got  %s\nwant %s", b.String(), test.want)
		}
		back := test.api.Protocol.DecodeError(test.api, test.err.Status, b.Bytes())
		if back.Code != test.err.Code || back.Message != test.err.Message || back.Status != test.err.Status {
			t.Errorf("read back: %+v", back)
		}
	}
}

// fill sets every member below v: lists get n elements, recursion ends at depth.
func fill(v reflect.Value, n, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct && depth == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n, depth)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{0, 1, 2, 255})
			return
		}
		if v.Type().Elem().Kind() == reflect.Struct && depth == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(v.Index(i), n, depth)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 20, 11, 40, 0, 123e6, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n, depth-1)
		}
	case reflect.String:
		v.SetString("a<b>&\n é")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1<<31 - 1)
	case reflect.Float64:
		v.SetFloat(0.1)
	}
}

// TestRoundTrip: every Output with every member set comes back as it went.
func TestRoundTrip(t *testing.T) {
	for _, api := range []*proto.API{ec2.API, sts.API} {
		for i := range api.Actions {
			a := &api.Actions[i]
			out, back := a.NewOutput(), a.NewOutput()
			fill(reflect.ValueOf(out).Elem(), 2, 12)
			var b bytes.Buffer
			api.Protocol.EncodeOutput(&b, api, a.Name, "req-1", out)
			if err := api.Protocol.DecodeOutput(api, a.Name, b.Bytes(), back); err != nil {
				t.Errorf("%s: %v", a.Name, err)
			} else if !reflect.DeepEqual(out, back) {
				t.Errorf("%s: not the same:\n%s", a.Name, b.String())
			}
		}
	}
}

func TestDecodeOutputRefuses(t *testing.T) {
	deep := "<DescribeVpcsResponse>" + strings.Repeat("<vpcSet>", 100)
	tests := map[string]string{
		"not xml":        "hello",
		"cut":            "<DescribeVpcsResponse><vpcSet><item>",
		"another answer": "<DescribeSubnetsResponse/>",
		"too deep":       deep,
	}
	for name, body := range tests {
		if err := proto.EC2.DecodeOutput(ec2.API, "DescribeVpcs", []byte(body), &ec2.DescribeVpcsOutput{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	out := &ec2.DescribeVpcsOutput{}
	body := `<?xml version="1.0"?><DescribeVpcsResponse xmlns="x"><later><a><b/></a></later><vpcSet><item><odd/><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>`
	if err := proto.EC2.DecodeOutput(ec2.API, "DescribeVpcs", []byte(body), out); err != nil || len(out.Vpcs) != 1 || *out.Vpcs[0].VpcId != "vpc-1" {
		t.Errorf("unknown elements: %+v, %v", out, err)
	}
}
