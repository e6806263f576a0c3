//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/sigv4"
	"github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/aws/wire/sts"
)

// identity calls one action of IAM.
func identity[Out, In any](ctx context.Context, p *program, action string, in *In) (*Out, error) {
	return client.Call[Out](ctx, p.client, iam.API, action, in)
}

// trustOf is a trust policy about one principal.
func trustOf(kind, principal string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{%q:%q}}}`, kind, principal)
}

// attached is how many policies bear on those who are decided about.
const attached = 20

// policyNumber is one of the policies: 19 about something else, with a condition, and
// one that allows what is asked.
func policyNumber(i int) string {
	if i == attached-1 {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","sts:AssumeRole"],"Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]}}}]}`
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:PutObject"],"Resource":["arn:aws:s3:::bucket-%[1]d","arn:aws:s3:::bucket-%[1]d/${aws:PrincipalTag/team}/*"]},
		{"Effect":"Deny","NotAction":["ec2:*","sts:*"],"Resource":"*","Condition":{"StringNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/admin-%[1]d-*"}}}]}`, i)
}

// asker is somebody who asks the same again and again, on a connection of its own.
type asker struct {
	name  string
	post  *poster
	keys  sigv4.Credentials
	p50   []float64 // microseconds, one per round
	cost  []float64 // of the server's CPU time for a request, in microseconds, one per round
	times []float64 // of this round
}

// identityRows asks as root, about whom nothing is verified or decided, and as a user
// and a role's session with 20 policies, in turns. What their requests take longer is
// what verifying and deciding takes.
func identityRows(ctx context.Context, b *bench) (rows []row, err error) {
	err = b.with(func(p *program) error {
		user, err := p.limitedUser(ctx)
		if err != nil {
			return err
		}
		role, err := p.limitedRole(ctx)
		if err != nil {
			return err
		}
		root := &asker{name: "root", keys: sigv4.Credentials{AccessKeyID: "test", Secret: "test"}}
		askers := []*asker{root, {name: "a user", keys: user}, {name: "a role's session", keys: role}}
		for _, a := range askers {
			a.post = newPoster(p.addr)
			defer a.post.close()
		}
		for round := range b.times(10) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := identityRound(b, p, askers, round); err != nil {
				return err
			}
		}
		for _, a := range askers[1:] {
			rows = append(rows, row{
				measure: "verified and authorised: " + a.name + " with 20 policies, p50", unit: "µs", target: atMost(15),
				value: median(differences(a.p50, root.p50)),
				note: fmt.Sprintf("DescribeVpcs in %s µs, as root in %s; CPU time of the server %s µs more",
					number(median(a.p50)), number(median(root.p50)), number(median(differences(a.cost, root.cost)))),
			})
		}
		return nil
	}, "--ephemeral", "--no-packets")
	return rows, err
}

// identityRound has each ask once in turn for p50, then each by itself for a time for
// the CPU time.
func identityRound(b *bench, p *program, askers []*asker, round int) error {
	body := form("DescribeVpcs", "MaxResults", "5")
	for _, a := range askers {
		a.post.sign(a.keys, body)
		a.times = a.times[:0]
	}
	for n := range pick(b, 3000, 300) {
		for i := range askers {
			a := askers[(n+i)%len(askers)]
			begin := time.Now()
			if _, err := a.post.post(body); err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
			a.times = append(a.times, micro(time.Since(begin)))
		}
	}
	for i := range askers {
		a := askers[(round+i)%len(askers)]
		a.p50 = append(a.p50, median(a.times))
		before, err := cpuOf(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		count := 0
		for begin := time.Now(); time.Since(begin) < pick(b, time.Second, 200*time.Millisecond); count++ {
			if _, err := a.post.post(body); err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
		}
		after, err := cpuOf(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		a.cost = append(a.cost, (after-before)*1e6/float64(count))
	}
	return nil
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// differences subtracts round by round.
func differences(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] - b[i]
	}
	return out
}

// sign has all that is posted from now on signed as this body is.
func (p *poster) sign(c sigv4.Credentials, body []byte) {
	r := &http.Request{Method: "POST", Host: p.addr, URL: rootPath, Header: http.Header{"Content-Type": {formType}}}
	sigv4.Sign(r, body, c, "us-east-1", "ec2", time.Now())
	var header strings.Builder
	fmt.Fprintf(&header, "POST / HTTP/1.1\r\nHost: %s\r\n", p.addr)
	for name := range r.Header {
		fmt.Fprintf(&header, "%s: %s\r\n", name, r.Header.Get(name))
	}
	header.WriteString("Content-Length: ")
	p.header = []byte(header.String())
}

// limitedUser makes a user with ten policies of its own and ten of a group.
func (p *program) limitedUser(ctx context.Context) (c sigv4.Credentials, err error) {
	const name = "limited"
	if _, err = identity[iam.CreateUserOutput](ctx, p, "CreateUser", &iam.CreateUserInput{UserName: new(name)}); err != nil {
		return c, err
	}
	if _, err = identity[iam.CreateGroupOutput](ctx, p, "CreateGroup", &iam.CreateGroupInput{GroupName: new(name)}); err != nil {
		return c, err
	}
	if _, err = identity[iam.AddUserToGroupOutput](ctx, p, "AddUserToGroup", &iam.AddUserToGroupInput{GroupName: new(name), UserName: new(name)}); err != nil {
		return c, err
	}
	for i := range attached {
		policy, err := identity[iam.CreatePolicyOutput](ctx, p, "CreatePolicy", &iam.CreatePolicyInput{PolicyName: new(fmt.Sprint("number-", i)), PolicyDocument: new(policyNumber(i))})
		if err != nil {
			return c, err
		}
		if i%2 == 0 {
			_, err = identity[iam.AttachUserPolicyOutput](ctx, p, "AttachUserPolicy", &iam.AttachUserPolicyInput{UserName: new(name), PolicyArn: policy.Policy.Arn})
		} else {
			_, err = identity[iam.AttachGroupPolicyOutput](ctx, p, "AttachGroupPolicy", &iam.AttachGroupPolicyInput{GroupName: new(name), PolicyArn: policy.Policy.Arn})
		}
		if err != nil {
			return c, err
		}
	}
	key, err := identity[iam.CreateAccessKeyOutput](ctx, p, "CreateAccessKey", &iam.CreateAccessKeyInput{UserName: new(name)})
	if err != nil {
		return c, err
	}
	return sigv4.Credentials{AccessKeyID: *key.AccessKey.AccessKeyId, Secret: *key.AccessKey.SecretAccessKey}, nil
}

// limitedRole makes a role with ten managed policies and ten inline ones, and a
// session of it.
func (p *program) limitedRole(ctx context.Context) (c sigv4.Credentials, err error) {
	const name = "limited"
	role, err := identity[iam.CreateRoleOutput](ctx, p, "CreateRole", &iam.CreateRoleInput{RoleName: new(name), AssumeRolePolicyDocument: new(trustOf("AWS", "000000000000"))})
	if err != nil {
		return c, err
	}
	for i := range attached {
		if i%2 == 0 {
			_, err = identity[iam.AttachRolePolicyOutput](ctx, p, "AttachRolePolicy", &iam.AttachRolePolicyInput{RoleName: new(name), PolicyArn: new(fmt.Sprint("arn:aws:iam::000000000000:policy/number-", i))})
		} else {
			_, err = identity[iam.PutRolePolicyOutput](ctx, p, "PutRolePolicy", &iam.PutRolePolicyInput{RoleName: new(name), PolicyName: new(fmt.Sprint("number-", i)), PolicyDocument: new(policyNumber(i))})
		}
		if err != nil {
			return c, err
		}
	}
	out, err := client.Call[sts.AssumeRoleOutput](ctx, p.client, sts.API, "AssumeRole", &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: new(name)})
	if err != nil {
		return c, err
	}
	return sigv4.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, Secret: *out.Credentials.SecretAccessKey, Token: *out.Credentials.SessionToken}, nil
}
