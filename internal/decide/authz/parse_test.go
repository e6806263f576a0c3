package authz

import (
	"errors"
	"strings"
	"testing"
)

// stmt is a document of one statement that begins with an Allow.
func stmt(members string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` + members + `}]}`
}

// TestParseAccepts documents of all forms that the grammar has.
func TestParseAccepts(t *testing.T) {
	for _, row := range []struct {
		name, text string
		kind       Kind
	}{
		{"one statement", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, Identity},
		{"a list of one", stmt(`"Action":"ec2:*","Resource":"*"`), Identity},
		{"no version", `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`, Identity},
		{"the old version", `{"Version":"2008-10-17","Id":"x","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`, Identity},
		{"lists", stmt(`"Action":["ec2:RunInstances","iam:Pass*"],"Resource":["arn:aws:ec2:*:*:instance/*","*"]`), Identity},
		{"NotAction", stmt(`"NotAction":"iam:*","Resource":"*"`), Identity},
		{"NotResource", stmt(`"Action":"s3:*","NotResource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]`), Identity},
		{"an action of a service that is not here", stmt(`"Action":"dynamodb:GetItem","Resource":"*"`), Identity},
		{"an unknown action", stmt(`"Action":"ec2:DoNonsense","Resource":"*"`), Identity},
		{"action in any case", stmt(`"Action":"EC2:runinstances","Resource":"*"`), Identity},
		{"sid", stmt(`"Sid":"One2","Action":"*","Resource":"*"`), Identity},
		{"sid that is empty", stmt(`"Sid":"","Action":"*","Resource":"*"`), Identity},
		{"conditions", stmt(`"Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"aws:x":[1,"2"]}}`), Identity},
		{"no condition", stmt(`"Action":"*","Resource":"*","Condition":{}`), Identity},
		{"ARN that ends early with a star", stmt(`"Action":"s3:*","Resource":"arn:aws:s3*"`), Identity},
		{"ARN with variables", stmt(`"Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"`), Identity},
		{"ARN of any partition", stmt(`"Action":"s3:*","Resource":"arn:*:s3:::b"`), Identity},
		{"members in another order", `{"Statement":[{"Resource":"*","Action":"*","Effect":"Allow"}],"Version":"2012-10-17"}`, Identity},
		{"trust of a service", stmt(`"Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}`), Trust},
		{"trust of services", stmt(`"Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"Service":["ec2.amazonaws.com","lambda.amazonaws.com"]}`), Trust},
		{"trust of an account", stmt(`"Action":"sts:AssumeRole","Principal":{"AWS":"111122223333"}`), Trust},
		{"trust of an account's root", stmt(`"Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::111122223333:root"}`), Trust},
		{"trust of a user", stmt(`"Action":"sts:AssumeRole","Principal":{"AWS":["arn:aws:iam::111122223333:user/a/b"]},"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`), Trust},
		{"trust of everybody", stmt(`"Action":"sts:AssumeRole","Principal":"*"`), Trust},
		{"trust of all of AWS", stmt(`"Action":"sts:*","Principal":{"AWS":"*"}`), Trust},
		{"trust of a provider", stmt(`"Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"accounts.google.com"}`), Trust},
		{"sid of a trust policy with blanks", stmt(`"Sid":"a b","Action":"sts:AssumeRole","Principal":"*"`), Trust},
		{"policy of a resource", stmt(`"Action":"*","Principal":"*","Resource":"*"`), Resource},
		{"policy of a resource, without Resource", stmt(`"Action":"s3:*","NotPrincipal":{"AWS":"111122223333"}`), Resource},
	} {
		if _, err := Parse(row.text, row.kind); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// TestParseRefuses with AWS's text, and says where.
func TestParseRefuses(t *testing.T) {
	many := `{"Version":"2012-10-17","Statement":[` + strings.Repeat(`{"Effect":"Allow","Action":"*","Resource":"*"},`, maxStatements) + `{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	for _, row := range []struct {
		name, text string
		kind       Kind
		want, why  string
		line       int
	}{
		{"nothing", ``, Identity, textJSON, "ends too early", 1},
		{"blanks", "\n\n ", Identity, textJSON, "ends too early", 3},
		{"no JSON", `Allow everything`, Identity, textJSON, "invalid character", 1},
		{"half of it", "{\n\"Version\":\"2012-10-17\",\n", Identity, textJSON, "ends too early", 3},
		{"a comma too many", "{\n\"Version\":\"2012-10-17\",\n}", Identity, textJSON, "", 3},
		{"a comma too few", "{\"Version\":\"2012-10-17\"\n\"Statement\":[]}", Identity, textJSON, "", 2},
		{"something behind it", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}} {}`, Identity, textJSON, "follows", 1},
		{"not UTF-8", "{\"\xff\":1}", Identity, textJSON, "UTF-8", 1},
		{"a list", `[]`, Identity, textSyntax, "JSON object", 1},
		{"a text", `"x"`, Identity, textSyntax, "JSON object", 1},
		{"null", `null`, Identity, textSyntax, "JSON object", 1},
		{"an empty object", `{}`, Identity, textSyntax, "no Statement", 1},
		{"no statement in it", `{"Version":"2012-10-17","Statement":[]}`, Identity, textSyntax, "empty", 1},
		{"a statement that is a text", `{"Statement":"x"}`, Identity, textSyntax, "object", 1},
		{"statements in a list of lists", `{"Statement":[[]]}`, Identity, textSyntax, "object", 1},
		{"deep nesting", `{"Statement":` + strings.Repeat("[", 50000), Identity, textSyntax, "object", 1},
		{"deep nesting of an action", stmt(`"Action":` + strings.Repeat("[", 50000)), Identity, textSyntax, "list of texts", 1},
		{"too many statements", many, Identity, textSyntax, "more than", 1},
		{"too long", strings.Repeat(" ", maxText+1), Identity, textSyntax, "bytes", 1},
		{"another version", "{\n\"Version\":\"2012-10-18\"}", Identity, textVersion, "2012-10-18", 2},
		{"a version that is a number", `{"Version":2012}`, Identity, textSyntax, "Version is a text", 1},
		{"an unknown element", `{"Statements":[]}`, Identity, textSyntax, `no element "Statements"`, 1},
		{"an element twice", `{"Version":"2012-10-17","Version":"2012-10-17"}`, Identity, textSyntax, "twice", 1},
		{"lower case", `{"version":"2012-10-17"}`, Identity, textSyntax, `"version"`, 1},
		{"an unknown element of a statement", "{\"Statement\":[\n{\"Effect\":\"Allow\",\n\"Actions\":\"*\"}]}", Identity, textSyntax, `Line 3: a statement has no element "Actions"`, 3},
		{"no effect", `{"Statement":{"Action":"*","Resource":"*"}}`, Identity, "Missing required field Effect", "", 1},
		{"another effect", `{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}`, Identity, "Invalid effect: allow", "", 1},
		{"no action", "{\"Statement\":[\n{\"Effect\":\"Allow\",\"Resource\":\"*\"}]}", Identity, textActions, "", 2},
		{"an empty list of actions", stmt(`"Action":[],"Resource":"*"`), Identity, textActions, "", 1},
		{"no resource", stmt(`"Action":"*"`), Identity, textResources, "", 1},
		{"an empty list of resources", stmt(`"Action":"*","Resource":[]`), Identity, textResources, "", 1},
		{"Action and NotAction", stmt(`"Action":"*","NotAction":"*","Resource":"*"`), Identity, textSyntax, "not both", 1},
		{"Resource and NotResource", stmt(`"Action":"*","Resource":"*","NotResource":"*"`), Identity, textSyntax, "not both", 1},
		{"Principal and NotPrincipal", stmt(`"Action":"*","Principal":"*","NotPrincipal":"*"`), Resource, textSyntax, "not both", 1},
		{"an action without vendor", stmt(`"Action":"RunInstances","Resource":"*"`), Identity, textVendor, "RunInstances", 1},
		{"an action with an empty vendor", stmt(`"Action":":RunInstances","Resource":"*"`), Identity, textVendor, "", 1},
		{"an action with two colons", stmt(`"Action":"a:b:c","Resource":"*"`), Identity, "Actions/Condition can contain only one colon.", "", 1},
		{"a vendor with a star", stmt(`"Action":"e*:RunInstances","Resource":"*"`), Identity, "Vendor e* is not valid", "", 1},
		{"an action with blanks", stmt(`"Action":"ec2:Run Instances","Resource":"*"`), Identity, textSyntax, "no action", 1},
		{"an action that is a number", stmt(`"Action":{"a":1},"Resource":"*"`), Identity, textSyntax, "list of texts", 1},
		{"an action of a list of lists", stmt(`"Action":[["a"]],"Resource":"*"`), Identity, textSyntax, "list of texts", 1},
		{"an action that is null", stmt(`"Action":null,"Resource":"*"`), Identity, textSyntax, "list of texts", 1},
		{"a resource without arn", stmt(`"Action":"*","Resource":"vpc-1"`), Identity, `Resource vpc-1 must be in ARN format or "*".`, "", 1},
		{"an empty resource", stmt(`"Action":"*","Resource":""`), Identity, `must be in ARN format`, "", 1},
		{"an ARN that is too short", stmt(`"Action":"*","Resource":"arn:aws:ec2"`), Identity, "must be in ARN format", "", 1},
		{"an ARN of no partition", stmt(`"Action":"*","Resource":"arn:azure:ec2:::x"`), Identity, `Partition "azure" is not valid for resource "arn:azure:ec2:::x".`, "", 1},
		{"an ARN of half a vendor", stmt(`"Action":"*","Resource":"arn:aws:ec*:::x"`), Identity, "Resource vendor must be fully qualified and cannot contain regexes.", "", 1},
		{"a principal where there is none", stmt(`"Action":"*","Resource":"*","Principal":"*"`), Identity, textNoPrincips, "", 1},
		{"a sid with blanks", stmt(`"Sid":"a b","Action":"*","Resource":"*"`), Identity, textSidForm, "", 1},
		{"a sid twice", `{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},` + "\n" + `{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]}`, Identity, textSidUnique, "", 2},
		{"an unknown operator", stmt(`"Action":"*","Resource":"*","Condition":{"StringIs":{"aws:x":"y"}}`), Identity, "Invalid Condition type : StringIs.", "", 1},
		{"an operator in lower case", stmt(`"Action":"*","Resource":"*","Condition":{"stringequals":{"aws:x":"y"}}`), Identity, "Invalid Condition type", "", 1},
		{"an unknown set operator", stmt(`"Action":"*","Resource":"*","Condition":{"ForMostValues:StringEquals":{"aws:x":"y"}}`), Identity, "Invalid Condition type", "", 1},
		{"Null if it exists", stmt(`"Action":"*","Resource":"*","Condition":{"NullIfExists":{"aws:x":"true"}}`), Identity, "Invalid Condition type", "", 1},
		{"a condition that is a text", stmt(`"Action":"*","Resource":"*","Condition":"x"`), Identity, textSyntax, "object of operators", 1},
		{"a condition's keys that are a list", stmt(`"Action":"*","Resource":"*","Condition":{"StringEquals":["x"]}`), Identity, textSyntax, "object of condition keys", 1},
		{"a condition key without vendor", stmt(`"Action":"*","Resource":"*","Condition":{"StringEquals":{"x":"y"}}`), Identity, textVendor, "condition key", 1},
		{"a condition's value that is an object", stmt(`"Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:x":{}}}`), Identity, textSyntax, "", 1},
		{"a control character", stmt(`"Action":"*","Resource":"arn:aws:s3:::\u0000"`), Identity, textSyntax, "control character", 1},
		{"trust without principal", stmt(`"Action":"sts:AssumeRole"`), Trust, "Missing required field Principal", "", 1},
		{"trust with a resource", stmt(`"Action":"sts:AssumeRole","Principal":"*","Resource":"*"`), Trust, "Has prohibited field Resource", "", 1},
		{"trust of another action", stmt(`"Action":"ec2:RunInstances","Principal":"*"`), Trust, "AssumeRole policy may only specify STS AssumeRole actions.", "", 1},
		{"trust of all actions", stmt(`"Action":"*","Principal":"*"`), Trust, "AssumeRole policy may only specify STS AssumeRole actions.", "", 1},
		{"trust of a kind that there is not", stmt(`"Action":"sts:AssumeRole","Principal":{"User":"x"}`), Trust, `Invalid principal in policy: "User"`, "", 1},
		{"trust of no ARN", stmt(`"Action":"sts:AssumeRole","Principal":{"AWS":"bob"}`), Trust, `Invalid principal in policy: "AWS":"bob"`, "", 1},
		{"trust of half an ARN", stmt(`"Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::11112222333:user/x"}`), Trust, "Invalid principal in policy", "", 1},
		{"trust of an ARN with a star", stmt(`"Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::111122223333:user/*"}`), Trust, "Invalid principal in policy", "", 1},
		{"trust of no service", stmt(`"Action":"sts:AssumeRole","Principal":{"Service":"ec2"}`), Trust, "Invalid principal in policy", "", 1},
		{"trust of an empty principal", stmt(`"Action":"sts:AssumeRole","Principal":{}`), Trust, "Missing required field Principal", "", 1},
		{"trust of a text", stmt(`"Action":"sts:AssumeRole","Principal":"bob"`), Trust, `Invalid principal in policy: "bob"`, "", 1},
	} {
		_, err := Parse(row.text, row.kind)
		var s *SyntaxError
		if !errors.As(err, &s) || !strings.Contains(s.Text, row.want) || !strings.Contains(s.Error(), row.why) || s.Line != row.line {
			t.Errorf("%s: line %d %v\nwant line %d %s … %s", row.name, lineOf(err), err, row.line, row.want, row.why)
		}
	}
}

func lineOf(err error) int {
	var s *SyntaxError
	if errors.As(err, &s) {
		return s.Line
	}
	return 0
}

// TestPositions: where statements stand.
func TestPositions(t *testing.T) {
	doc, err := Parse("{\"Statement\": [\n  {\"Effect\":\"Allow\",\n   \"Action\":\"*\",\"Resource\":\"*\"},\n {\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}]}", Identity)
	if err != nil {
		t.Fatal(err)
	}
	a, b := doc.Statements[0], doc.Statements[1]
	if a.Start != (Position{2, 3}) || a.End.Line != 3 || b.Start != (Position{4, 2}) || b.End.Line != 4 {
		t.Errorf("%v-%v, %v-%v", a.Start, a.End, b.Start, b.End)
	}
}

// FuzzParse: whatever comes, a document that can be evaluated or one of AWS's texts.
func FuzzParse(f *testing.F) {
	f.Add(stmt(`"Action":["ec2:*"],"Resource":"arn:aws:ec2:*:*:vpc/${aws:username}","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a*",1,true]}}`), 0)
	f.Add(stmt(`"Action":"sts:AssumeRole","Principal":{"AWS":["111122223333"],"Service":"ec2.amazonaws.com"}`), 1)
	f.Add(stmt(`"NotAction":"iam:*","NotPrincipal":"*","NotResource":"*"`), 2)
	f.Add(`{"Statement":[{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"::/0"},"DateLessThan":{"aws:CurrentTime":"2026"}}}]}`, 0)
	f.Fuzz(func(t *testing.T, text string, kind int) {
		doc, err := Parse(text, Kind(kind&3%3))
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.Text == "" || s.Line < 1 || len(s.Error()) > 2000 {
				t.Fatalf("%#v", err)
			}
			return
		}
		r := &Request{Action: "ec2:RunInstances", Resource: "arn:aws:ec2:eu-west-1:111122223333:instance/*", Context: ctx("aws:username=bob; aws:SourceIp=192.0.2.1; aws:CurrentTime=2026-11-20T11:40:00Z; aws:TagKeys=a,b"), Who: bob}
		list := []Policy{{Name: "p", Doc: doc}}
		Evaluate(&Policies{Identity: list, HasBoundary: true, Boundary: list, Resource: list}, r)
		doc.ConditionKeys()
	})
}
