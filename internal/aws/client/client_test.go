package client

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/aws/sigv4"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

// serve answers one service's actions: act gets the decoded input.
func serve(t *testing.T, api *proto.API, act func(s sigv4.Credential, in any) (any, error)) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		fail := func(err error) {
			e := awserr.From(err)
			api.Protocol.EncodeError(&b, api, "req-1", e)
			w.WriteHeader(e.Status)
			w.Write(b.Bytes())
		}
		s, err := sigv4.Parse(r.Header, r.URL.RawQuery)
		if err != nil {
			fail(err)
			return
		}
		req, err := proto.ReadRequest(r, 1<<20)
		if err != nil {
			fail(err)
			return
		}
		name, err := api.Protocol.Action(api, req)
		if err != nil {
			fail(err)
			return
		}
		action, ok := api.Lookup(name)
		if !ok {
			fail(proto.InvalidAction(name))
			return
		}
		in := action.NewInput()
		if err := api.Protocol.DecodeInput(api, name, req, in); err != nil {
			fail(err)
			return
		}
		out, err := act(s, in)
		if err != nil {
			fail(err)
			return
		}
		api.Protocol.EncodeOutput(&b, api, name, "req-1", out)
		w.Write(b.Bytes())
	}))
	c := New(server.URL+"/", "eu-west-1", "000000000000", "x")
	t.Cleanup(func() { c.Close(); server.Close() })
	return c
}

func TestCallEC2(t *testing.T) {
	c := serve(t, ec2.API, func(s sigv4.Credential, in any) (any, error) {
		if s.Region != "us-west-2" || s.Service != "ec2" || s.AccessKeyID != "000000000000" || s.SessionToken != "tok" {
			t.Errorf("signature %+v", s)
		}
		i := in.(*ec2.CreateVpcInput)
		return &ec2.CreateVpcOutput{Vpc: &ec2.Vpc{CidrBlock: i.CidrBlock, Tags: i.TagSpecifications[0].Tags}}, nil
	}).InRegion("us-west-2").WithToken("000000000000", "x", "tok")
	out, err := Call[ec2.CreateVpcOutput](context.Background(), c, ec2.API, "CreateVpc", &ec2.CreateVpcInput{
		CidrBlock:         new("10.0.0.0/16"),
		TagSpecifications: []ec2.TagSpecification{{ResourceType: new("vpc"), Tags: []ec2.Tag{{Key: new("Name"), Value: new("a & <b>\n")}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Vpc.CidrBlock != "10.0.0.0/16" || *out.Vpc.Tags[0].Value != "a & <b>\n" {
		t.Errorf("answer %+v", out.Vpc)
	}
}

func TestCallSTS(t *testing.T) {
	c := serve(t, sts.API, func(s sigv4.Credential, in any) (any, error) {
		if s.Service != "sts" {
			t.Errorf("signed for %s", s.Service)
		}
		return &sts.GetCallerIdentityOutput{Account: new("000000000000"), Arn: new("arn:aws:iam::000000000000:root")}, nil
	})
	out, err := Call[sts.GetCallerIdentityOutput](context.Background(), c, sts.API, "GetCallerIdentity", &sts.GetCallerIdentityInput{})
	if err != nil || *out.Arn != "arn:aws:iam::000000000000:root" || out.UserId != nil {
		t.Errorf("answer %+v, %v", out, err)
	}
}

func TestCallErrors(t *testing.T) {
	answer := awserr.New("InvalidVpcID.NotFound", "The vpc ID 'vpc-<1>' does not exist")
	for _, api := range []*proto.API{ec2.API, sts.API} {
		c := serve(t, api, func(sigv4.Credential, any) (any, error) { return nil, answer })
		var err error
		if api == ec2.API {
			_, err = Call[ec2.DescribeVpcsOutput](context.Background(), c, api, "DescribeVpcs", &ec2.DescribeVpcsInput{})
		} else {
			_, err = Call[sts.GetCallerIdentityOutput](context.Background(), c, api, "GetCallerIdentity", &sts.GetCallerIdentityInput{})
		}
		e, ok := awserr.As(err)
		if !ok || e.Code != answer.Code || e.Message != answer.Message || e.Status != 400 {
			t.Errorf("%s: %v", api.Service, err)
		}
	}

	c := serve(t, ec2.API, nil)
	if _, err := Call[ec2.DescribeVpcsOutput](context.Background(), c, ec2.API, "DescribeNothing", &ec2.DescribeVpcsInput{}); err == nil || !strings.Contains(err.Error(), "no such action") {
		t.Errorf("unknown action: %v", err)
	}
	if _, err := Call[ec2.DescribeVpcsOutput](context.Background(), c, ec2.API, "CreateVpc", &ec2.DescribeVpcsInput{}); err == nil || !strings.Contains(err.Error(), "not its types") {
		t.Errorf("wrong types: %v", err)
	}

	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "<html>bad gateway", http.StatusBadGateway)
	}))
	defer proxy.Close()
	_, err := Call[ec2.DescribeVpcsOutput](context.Background(), New(proxy.URL, "us-east-1", "a", "b"), ec2.API, "DescribeVpcs", &ec2.DescribeVpcsInput{})
	if e, ok := awserr.As(err); !ok || e.Status != 502 || !strings.Contains(e.Message, "not an AWS error") {
		t.Errorf("a proxy's answer: %v", err)
	}
}
