package authz

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	bob   = Who{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/bob", ID: "AIDABOB"}
	web   = Who{Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/web/i-1", Role: "arn:aws:iam::111122223333:role/web", ID: "AROAWEB:i-1"}
	root  = Who{Account: "111122223333", ARN: "arn:aws:iam::111122223333:root", ID: "111122223333", Root: true}
	other = Who{Account: "444455556666", ARN: "arn:aws:iam::444455556666:user/eve", ID: "AIDAEVE"}
)

func parsed(t testing.TB, kind Kind, texts ...string) []Policy {
	t.Helper()
	var list []Policy
	for i, text := range texts {
		if !strings.HasPrefix(text, `{"Version"`) {
			text = `{"Version":"2012-10-17","Statement":[` + text + `]}`
		}
		doc, err := Parse(text, kind)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, Policy{Name: fmt.Sprint("p", i), Doc: doc})
	}
	return list
}

// TestResources: what an ARN with wildcards and variables is like.
func TestResources(t *testing.T) {
	const i = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"
	for _, row := range []struct {
		pattern, resource string
		want              bool
	}{
		{"*", i, true},
		{"*", "*", true},
		{"**", i, true},
		{i, i, true},
		{i, i + "2", false},
		{i + "2", i, false},
		{"arn:aws:ec2:eu-west-1:111122223333:INSTANCE/I-1", i, false},
		{"arn:aws:ec2:eu-west-1:111122223333:instance/*", i, true},
		{"arn:aws:ec2:eu-west-1:111122223333:instance/i-?", i, true},
		{"arn:aws:ec2:eu-west-1:111122223333:instance/i-??", i, false},
		{"arn:aws:ec2:*:*:instance/*", i, true},
		{"arn:aws:ec2:*:*:vpc/*", i, false},
		{"arn:aws:ec2:*:*:*", i, true},
		{"arn:aws:ec2:*", i, true},
		{"arn:aws:*", i, true},
		{"arn:*", i, true},
		{"arn:aws:ec2:eu-*:*:instance/*", i, true},
		{"arn:aws:ec2:us-*:*:instance/*", i, false},
		{"arn:aws:ec2:*-1:*:instance/*", i, true},
		{"arn:aws:ec2:*-2:*:instance/*", i, false},
		{"arn:aws:ec2:eu*instance/*", i, false}, // a star does not reach over a colon
		{"arn:aws:ec2:eu-west-1:1111*3333:instance/*", i, true},
		{"arn:aws:ec2:eu-west-1::instance/*", i, false},
		{"arn:*:ec2:*:*:instance/i-1", i, true},
		{"arn:aws:ec2:eu-west-?:111122223333:*/i-1", i, true},
		{"arn:aws:ec2:eu-west-1:111122223333:*-1", i, true},
		{"arn:aws:ec2:eu-west-1:111122223333:*-2", i, false},
		{"arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b/c", true},
		{"arn:aws:s3:::bucket/*/c", "arn:aws:s3:::bucket/a/b/c", true},
		{"arn:aws:s3:::bucket/*/d", "arn:aws:s3:::bucket/a/b/c", false},
		{"arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket", false},
		{"arn:aws:s3:::buck*", "arn:aws:s3:::bucket/a", true},
		{"arn:aws:logs:*:*:log-group:a:*", "arn:aws:logs:eu-west-1:111122223333:log-group:a:log-stream:b", true},
		{"arn:aws:logs:*:*:log-group:a*", "arn:aws:logs:eu-west-1:111122223333:log-group:ab:log-stream:b", true},
		{"arn:aws:logs:*:*:log-group:a*z:*", "arn:aws:logs:eu-west-1:111122223333:log-group:ab:log-stream:z:x", false},
		{"arn:aws:iam::111122223333:user/${aws:username}", "arn:aws:iam::111122223333:user/bob", true},
		{"arn:aws:iam::111122223333:user/${aws:username}", "arn:aws:iam::111122223333:user/alice", false},
		{"arn:aws:iam::111122223333:user/${aws:nobody}", "arn:aws:iam::111122223333:user/", false},
		{"arn:aws:iam::111122223333:user/${aws:nobody, 'bob'}", "arn:aws:iam::111122223333:user/bob", true},
		{"arn:aws:iam::${aws:PrincipalAccount}:user/*", "arn:aws:iam::111122223333:user/bob", true},
		{"arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/bob/x", true},
		{"arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/eve/x", false},
		{"arn:aws:s3:::b/${star}/x", "arn:aws:s3:::b/a/x", false}, // a value's star is a star
		{"arn:aws:s3:::b/${star}/x", "arn:aws:s3:::b/*/x", true},
		{"arn:aws:s3:::b/${*}", "arn:aws:s3:::b/a", false},
		{"arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", true},
		{"arn:aws:s3:::b/a?c", "arn:aws:s3:::b/aéc", true},
	} {
		p := parsed(t, Identity, `{"Effect":"Allow","Action":"*","Resource":"`+row.pattern+`"}`)
		r := &Request{Action: "ec2:X", Resource: row.resource, Who: bob, Context: ctx("aws:username=bob; aws:PrincipalAccount=111122223333; star=*")}
		if have := Evaluate(&Policies{Identity: p}, r).Outcome == Allowed; have != row.want {
			t.Errorf("%s on %s: %v", row.pattern, row.resource, have)
		}
		// What is left out is the opposite, unless a variable has no value.
		p = parsed(t, Identity, `{"Effect":"Allow","Action":"*","NotResource":"`+row.pattern+`"}`)
		if have := Evaluate(&Policies{Identity: p}, r).Outcome == Allowed; have == row.want && !strings.Contains(row.pattern, "nobody}") {
			t.Errorf("not %s on %s: %v", row.pattern, row.resource, have)
		}
	}
}

// TestActions are compared without case.
func TestActions(t *testing.T) {
	for _, row := range []struct {
		pattern string
		want    bool
	}{
		{"*", true}, {"ec2:*", true}, {"ec2:RunInstances", true}, {"EC2:runinstances", true}, {"ec2:Run*", true},
		{"ec2:*Instances", true}, {"ec2:R?nInstances", true}, {"ec2:R*n*s", true}, {"ec2:Describe*", false},
		{"iam:RunInstances", false}, {"ec2:RunInstance", false}, {"ec2:RunInstancesX", false}, {"ec2:?", false}, {"ec2:**", true},
	} {
		p := parsed(t, Identity, `{"Effect":"Allow","Action":"`+row.pattern+`","Resource":"*"}`)
		r := &Request{Action: "ec2:RunInstances", Resource: "*", Who: bob}
		if have := Evaluate(&Policies{Identity: p}, r).Outcome == Allowed; have != row.want {
			t.Errorf("%s: %v", row.pattern, have)
		}
		p = parsed(t, Identity, `{"Effect":"Allow","NotAction":"`+row.pattern+`","Resource":"*"}`)
		if have := Evaluate(&Policies{Identity: p}, r).Outcome == Allowed; have == row.want {
			t.Errorf("not %s: %v", row.pattern, have)
		}
	}
}

const (
	allow    = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	allowEC2 = `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`
	denyRun  = `{"Effect":"Deny","Action":"ec2:RunInstances","Resource":"*"}`
	allowIAM = `{"Effect":"Allow","Action":"iam:*","Resource":"*"}`
)

// TestLogic: how layers and statements come together (IAM User Guide, "Policy
// evaluation logic").
func TestLogic(t *testing.T) {
	for _, row := range []struct {
		name                        string
		identity, boundary, session []string // nil: there is none
		who                         Who
		want                        Outcome
		by                          Layer
	}{
		{"nothing", nil, nil, nil, bob, ImplicitDeny, IdentityLayer},
		{"an Allow", []string{allowEC2}, nil, nil, bob, Allowed, 0},
		{"an Allow of another", []string{allowIAM}, nil, nil, bob, ImplicitDeny, IdentityLayer},
		{"one of two", []string{allowIAM, allowEC2}, nil, nil, bob, Allowed, 0},
		{"a Deny beside it", []string{allow, denyRun}, nil, nil, bob, ExplicitDeny, IdentityLayer},
		{"a Deny before it", []string{denyRun, allow}, nil, nil, bob, ExplicitDeny, IdentityLayer},
		{"a Deny alone", []string{denyRun}, nil, nil, bob, ExplicitDeny, IdentityLayer},
		{"a Deny and an Allow in one document", []string{allow + "," + denyRun}, nil, nil, bob, ExplicitDeny, IdentityLayer},
		{"a boundary that allows", []string{allow}, []string{allowEC2}, nil, bob, Allowed, 0},
		{"a boundary that does not", []string{allow}, []string{allowIAM}, nil, bob, ImplicitDeny, BoundaryLayer},
		{"a boundary that denies", []string{allow}, []string{allow, denyRun}, nil, bob, ExplicitDeny, BoundaryLayer},
		{"a boundary alone", nil, []string{allow}, nil, bob, ImplicitDeny, IdentityLayer},
		{"a boundary with nothing in it", []string{allow}, []string{}, nil, bob, ImplicitDeny, BoundaryLayer},
		{"a session that allows", []string{allow}, nil, []string{allowEC2}, web, Allowed, 0},
		{"a session that does not", []string{allow}, nil, []string{allowIAM}, web, ImplicitDeny, SessionLayer},
		{"a session that denies", []string{allow}, nil, []string{allow, denyRun}, web, ExplicitDeny, SessionLayer},
		{"a session gives nothing", []string{allowIAM}, nil, []string{allow}, web, ImplicitDeny, IdentityLayer},
		{"all three", []string{allow}, []string{allowEC2}, []string{allowEC2}, web, Allowed, 0},
		{"two of three", []string{allow}, []string{allowIAM}, []string{allowEC2}, web, ImplicitDeny, BoundaryLayer},
		{"root", nil, nil, nil, root, Allowed, 0},
		{"a session of root that is limited", nil, nil, []string{allowIAM}, root, ImplicitDeny, SessionLayer},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := &Policies{
				Identity: parsed(t, Identity, row.identity...),
				Boundary: parsed(t, Identity, row.boundary...), HasBoundary: row.boundary != nil,
				Session: parsed(t, Identity, row.session...), HasSession: row.session != nil,
			}
			d := Evaluate(p, &Request{Action: "ec2:RunInstances", Resource: "arn:aws:ec2:eu-west-1:111122223333:instance/*", Who: row.who})
			if d.Outcome != row.want || d.By != row.by {
				t.Errorf("%+v", d)
			}
			if d.Outcome == ExplicitDeny && (len(d.Matches) == 0 || d.Matches[0].Statement.Allow) {
				t.Errorf("no statement is told that denies: %+v", d.Matches)
			}
		})
	}
}

// TestTrust: who may assume a role of account 111122223333.
func TestTrust(t *testing.T) {
	trust := func(principal, more string) string {
		return `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + principal + more + `}`
	}
	const may = `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`
	ec2 := Who{Service: "ec2.amazonaws.com"}
	for _, row := range []struct {
		name            string
		trust, identity string
		who             Who
		context         string
		want            bool
		by              Layer
	}{
		{"a service", trust(`{"Service":"ec2.amazonaws.com"}`, ""), "", ec2, "", true, 0},
		{"another service", trust(`{"Service":"lambda.amazonaws.com"}`, ""), "", ec2, "", false, ResourceLayer},
		{"a user where a service is trusted", trust(`{"Service":"ec2.amazonaws.com"}`, ""), allow, bob, "", false, ResourceLayer},
		{"a service where the account is trusted", trust(`{"AWS":"111122223333"}`, ""), "", ec2, "", false, ResourceLayer},
		{"a user by ARN", trust(`{"AWS":"arn:aws:iam::111122223333:user/bob"}`, ""), "", bob, "", true, 0},
		{"a user by id", trust(`{"AWS":"AIDABOB"}`, ""), "", bob, "", true, 0},
		{"another user", trust(`{"AWS":"arn:aws:iam::111122223333:user/alice"}`, ""), allow, bob, "", false, ResourceLayer},
		{"the account, with a policy", trust(`{"AWS":"111122223333"}`, ""), may, bob, "", true, 0},
		{"the account's root, with a policy", trust(`{"AWS":"arn:aws:iam::111122223333:root"}`, ""), may, bob, "", true, 0},
		{"the account, without a policy", trust(`{"AWS":"111122223333"}`, ""), "", bob, "", false, IdentityLayer},
		{"the account, for root", trust(`{"AWS":"111122223333"}`, ""), "", root, "", true, 0},
		{"another account, for root", trust(`{"AWS":"444455556666"}`, ""), "", root, "", false, ResourceLayer},
		{"another account's user, with a policy", trust(`{"AWS":"444455556666"}`, ""), may, other, "", true, 0},
		{"another account's user, without", trust(`{"AWS":"444455556666"}`, ""), "", other, "", false, IdentityLayer},
		{"another account's user by ARN, without", trust(`{"AWS":"arn:aws:iam::444455556666:user/eve"}`, ""), "", other, "", false, IdentityLayer},
		{"a role's session by the role", trust(`{"AWS":"arn:aws:iam::111122223333:role/web"}`, ""), "", web, "", true, 0},
		{"a role's session by itself", trust(`{"AWS":"arn:aws:sts::111122223333:assumed-role/web/i-1"}`, ""), "", web, "", true, 0},
		{"a role's session by the role's id", trust(`{"AWS":"AROAWEB"}`, ""), "", web, "", true, 0},
		{"a session of another role", trust(`{"AWS":"arn:aws:iam::111122223333:role/db"}`, ""), allow, web, "", false, ResourceLayer},
		{"the account, for a role's session without a policy", trust(`{"AWS":"111122223333"}`, ""), "", web, "", false, IdentityLayer},
		{"everybody who has a tag", trust(`"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}`), "", bob, "aws:PrincipalTag/team=red", true, 0},
		{"everybody who has another", trust(`"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}`), "", bob, "aws:PrincipalTag/team=blue", false, ResourceLayer},
		{"everybody of some ARN", trust(`{"AWS":"*"}`, `,"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/b*"}}`), "", bob, "aws:PrincipalArn=arn:aws:iam::111122223333:user/bob", true, 0},
		{"until a date", trust(`{"AWS":"arn:aws:iam::111122223333:user/bob"}`, `,"Condition":{"DateLessThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}`), "", bob, "aws:CurrentTime=2026-11-20T12:00:00Z", false, ResourceLayer},
		{"from a network", trust(`{"AWS":"arn:aws:iam::111122223333:user/bob"}`, `,"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`), "", bob, "aws:SourceIp=203.0.113.9", true, 0},
		{"with a name of the session that is the user's", trust(`{"AWS":"111122223333"}`, `,"Condition":{"StringLike":{"sts:RoleSessionName":"${aws:username}"}}`), may, bob, "aws:username=bob; sts:RoleSessionName=bob", true, 0},
		{"with the name of another's", trust(`{"AWS":"111122223333"}`, `,"Condition":{"StringLike":{"sts:RoleSessionName":"${aws:username}"}}`), may, bob, "aws:username=bob; sts:RoleSessionName=eve", false, ResourceLayer},
		{"a service for an account only", trust(`{"Service":"ec2.amazonaws.com"}`, `,"Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}`), "", ec2, "aws:SourceAccount=111122223333", true, 0},
		{"a service for another account", trust(`{"Service":"ec2.amazonaws.com"}`, `,"Condition":{"StringEquals":{"aws:SourceAccount":"444455556666"}}`), "", ec2, "aws:SourceAccount=111122223333", false, ResourceLayer},
		{"a provider of identities, for a user", trust(`{"Federated":"cognito-identity.amazonaws.com"}`, ""), allow, bob, "", false, ResourceLayer},
		{"tags that are not allowed to be passed", trust(`"*"`, `,"Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`), "", bob, "aws:TagKeys=team,cost", false, ResourceLayer},
		{"everybody", trust(`"*"`, ""), "", bob, "", true, 0},
		{"everybody, of another account, without a policy", trust(`"*"`, ""), "", other, "", false, IdentityLayer},
		{"one of two", trust(`{"AWS":["arn:aws:iam::111122223333:user/alice","arn:aws:iam::111122223333:user/bob"]}`, ""), "", bob, "", true, 0},
		{"denied by the trust", trust(`"*"`, "") + `,{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"}}`, may, bob, "", false, ResourceLayer},
		{"denied by the identity", trust(`"*"`, ""), `{"Effect":"Deny","Action":"sts:*","Resource":"*"}`, bob, "", false, IdentityLayer},
		{"not somebody", `{"Effect":"Deny","Action":"sts:AssumeRole","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/bob"}},` + trust(`"*"`, ""), "", bob, "", true, 0},
		{"somebody else", `{"Effect":"Deny","Action":"sts:AssumeRole","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/alice"}},` + trust(`"*"`, ""), "", bob, "", false, ResourceLayer},
		{"with the external id", trust(`{"AWS":"444455556666"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`), may, other, "sts:ExternalId=x", true, 0},
		{"with another", trust(`{"AWS":"444455556666"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`), may, other, "sts:ExternalId=y", false, ResourceLayer},
		{"without", trust(`{"AWS":"444455556666"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`), may, other, "", false, ResourceLayer},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := &Policies{Resource: parsed(t, Trust, row.trust)}
			if row.identity != "" {
				p.Identity = parsed(t, Identity, row.identity)
			}
			d := EvaluateTrust(p, &Request{Action: "sts:AssumeRole", Resource: "arn:aws:iam::111122223333:role/r", Who: row.who, Context: ctx(row.context)}, "111122223333")
			if (d.Outcome == Allowed) != row.want || d.By != row.by {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestMonotone: adding an Allow never removes access, adding a Deny never adds any.
func TestMonotone(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	random := func(effect string) string {
		s := `{"Effect":"` + effect + `","` + pick("Action", "NotAction") + `":"` + pick("*", "ec2:*", "ec2:Run*", "iam:*", "ec2:RunInstances") + `","` +
			pick("Resource", "NotResource") + `":"` + pick("*", "arn:aws:ec2:*:*:instance/*", "arn:aws:ec2:*:*:vpc/*", "arn:aws:ec2:*:*:*/${aws:username}", "arn:aws:ec2:*:*:*/${x:no}") + `"`
		if rnd.IntN(2) == 0 {
			s += `,"Condition":{"` + pick("", "ForAllValues:", "ForAnyValue:") + pick("StringEquals", "StringNotEquals", "StringLike", "StringNotLike") + pick("", "IfExists") + `":{"` +
				pick("aws:username", "aws:TagKeys", "x:no") + `":["` + pick("bob", "a", "*", "${aws:username}", "${x:no}") + `"]}}`
		}
		return s + "}"
	}
	effect := func() string { return pick("Allow", "Allow", "Deny") }
	requests := []*Request{}
	for _, action := range []string{"ec2:RunInstances", "ec2:CreateVpc", "iam:GetUser"} {
		for _, resource := range []string{"*", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", "arn:aws:ec2:eu-west-1:111122223333:vpc/bob"} {
			requests = append(requests, &Request{Action: action, Resource: resource, Who: bob, Context: ctx("aws:username=bob; aws:TagKeys=a,b")})
		}
	}
	for range 3000 {
		var texts []string
		for range rnd.IntN(4) {
			texts = append(texts, random(effect()))
		}
		p := Policies{Identity: parsed(t, Identity, texts...)}
		if rnd.IntN(2) == 0 {
			p.HasBoundary, p.Boundary = true, parsed(t, Identity, random(effect()))
		}
		more := p
		extra := effect()
		text := random(extra)
		if rnd.IntN(2) == 0 || !p.HasBoundary {
			more.Identity = append(parsed(t, Identity, text), p.Identity...)
		} else {
			more.Boundary = append(parsed(t, Identity, text), p.Boundary...)
		}
		for _, r := range requests {
			before, after := Evaluate(&p, r).Outcome == Allowed, Evaluate(&more, r).Outcome == Allowed
			if extra == "Allow" && before && !after || extra == "Deny" && !before && after {
				t.Fatalf("%s changed %v to %v for %s on %s, beside %v", text, before, after, r.Action, r.Resource, texts)
			}
		}
	}
}

// TestSlowPatterns: a glob made to be slow is not.
func TestSlowPatterns(t *testing.T) {
	glob := strings.Repeat("a*", 1000) + "b"
	text := strings.Repeat("a", 2000)
	if stringLike(text, globOf(glob, true)) || matches(globOf("arn:"+glob, true), "arn:"+text+":x", true) {
		t.Error("matched")
	}
}

func TestConditionKeys(t *testing.T) {
	p := parsed(t, Identity, `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}","Condition":{"StringEquals":{"ec2:Region":"x","aws:UserName":"${aws:userid}"}}}`)
	if have := strings.Join(p[0].Doc.ConditionKeys(), " "); have != "aws:userid aws:username ec2:Region" && have != "aws:userid aws:UserName ec2:Region" {
		t.Error(have)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	var texts []string
	for i := range 19 {
		texts = append(texts, fmt.Sprintf(`{"Effect":"Allow","Action":["s3:Get%d*","s3:List*"],"Resource":"arn:aws:s3:::bucket-%d/*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}`, i, i))
	}
	p := &Policies{Identity: parsed(b, Identity, append(texts, allowEC2)...)}
	r := &Request{Action: "ec2:DescribeVpcs", Resource: "*", Who: bob, Context: ctx("aws:RequestedRegion=eu-west-1; aws:username=bob")}
	b.ReportAllocs()
	for b.Loop() {
		if Evaluate(p, r).Outcome != Allowed {
			b.Fatal("denied")
		}
	}
}
