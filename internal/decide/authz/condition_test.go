package authz

import (
	"encoding/json"
	"strings"
	"testing"
)

// ctx reads "aws:username=bob; aws:TagKeys=a,b; x:empty=": keys with their values.
func ctx(text string) Context {
	var c Context
	for pair := range strings.SplitSeq(text, ";") {
		if key, values, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
			c = append(c, Key{key, strings.Split(values, ",")})
		}
	}
	return c
}

// quoted is a list as JSON.
func quoted(list []string) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestConditions: each row is an operator, a key, the policy's values and the
// request's keys (IAM User Guide, "Condition operators", "Multivalued context keys").
func TestConditions(t *testing.T) {
	type row struct {
		op, key, policy, request string
		want                     bool
	}
	for rule, rows := range map[string][]row{
		"String condition operators": {
			{"StringEquals", "aws:username", "bob", "aws:username=bob", true},
			{"StringEquals", "aws:username", "bob", "aws:username=Bob", false},
			{"StringEquals", "aws:UserName", "bob", "aws:username=bob", true},
			{"StringEquals", "aws:username", "alice|bob", "aws:username=bob", true},
			{"StringEquals", "aws:username", "alice|carol", "aws:username=bob", false},
			{"StringEquals", "aws:username", "b*", "aws:username=bob", false},
			{"StringEquals", "aws:username", "b*", "aws:username=b*", true},
			{"StringEquals", "aws:username", "bob", "", false},
			{"StringEquals", "aws:username", "", "aws:username=", true},
			{"StringNotEquals", "aws:username", "bob", "aws:username=bob", false},
			{"StringNotEquals", "aws:username", "bob", "aws:username=alice", true},
			{"StringNotEquals", "aws:username", "bob", "", true},
			{"StringNotEquals", "aws:username", "alice|bob", "aws:username=bob", false},
			{"StringNotEquals", "aws:username", "alice|carol", "aws:username=bob", true},
			{"StringEqualsIgnoreCase", "aws:username", "BOB", "aws:username=bob", true},
			{"StringEqualsIgnoreCase", "aws:username", "BOB", "aws:username=rob", false},
			{"StringEqualsIgnoreCase", "aws:username", "BOB", "", false},
			{"StringNotEqualsIgnoreCase", "aws:username", "BOB", "aws:username=bob", false},
			{"StringNotEqualsIgnoreCase", "aws:username", "BOB", "aws:username=rob", true},
			{"StringNotEqualsIgnoreCase", "aws:username", "BOB", "", true},
			{"StringLike", "aws:username", "b*", "aws:username=bob", true},
			{"StringLike", "aws:username", "b?b", "aws:username=bob", true},
			{"StringLike", "aws:username", "b?b", "aws:username=bb", false},
			{"StringLike", "aws:username", "b?b", "aws:username=böb", true},
			{"StringLike", "aws:username", "*", "aws:username=bob", true},
			{"StringLike", "aws:username", "*", "aws:username=", true},
			{"StringLike", "aws:username", "*", "", false},
			{"StringLike", "aws:username", "B*", "aws:username=bob", false},
			{"StringLike", "aws:username", "*o*", "aws:username=bob", true},
			{"StringLike", "aws:username", "*a*b", "aws:username=xaxab", true},
			{"StringLike", "aws:username", "*a*b", "aws:username=xaxabc", false},
			{"StringLike", "aws:userid", "AROA1:*", "aws:userid=AROA1:i-1", true},
			{"StringLike", "aws:userid", "*:i-?", "aws:userid=AROA1:i-1", true},
			{"StringNotLike", "aws:username", "b*", "aws:username=bob", false},
			{"StringNotLike", "aws:username", "b*", "aws:username=alice", true},
			{"StringNotLike", "aws:username", "b*", "", true},
			{"StringEqualsIfExists", "aws:username", "bob", "", true},
			{"StringEqualsIfExists", "aws:username", "bob", "aws:username=alice", false},
			{"StringEqualsIfExists", "aws:username", "bob", "aws:username=bob", true},
			{"StringNotEqualsIfExists", "aws:username", "bob", "", true},
			{"StringNotEqualsIfExists", "aws:username", "bob", "aws:username=bob", false},
			{"StringLikeIfExists", "aws:username", "b*", "", true},
			{"StringLikeIfExists", "aws:username", "b*", "aws:username=alice", false},
		},
		"Variables": {
			{"StringEquals", "ec2:ResourceTag/Owner", "${aws:username}", "aws:username=bob; ec2:ResourceTag/Owner=bob", true},
			{"StringEquals", "ec2:ResourceTag/Owner", "${aws:username}", "aws:username=bob; ec2:ResourceTag/Owner=alice", false},
			{"StringEquals", "ec2:ResourceTag/Owner", "${aws:username}", "ec2:ResourceTag/Owner=bob", false},
			{"StringEquals", "ec2:ResourceTag/Owner", "${AWS:UserName}", "aws:username=bob; ec2:ResourceTag/Owner=bob", true},
			{"StringEquals", "ec2:ResourceTag/Owner", "${aws:username, 'nobody'}", "ec2:ResourceTag/Owner=nobody", true},
			{"StringEquals", "ec2:ResourceTag/Owner", "${aws:username, 'nobody'}", "aws:username=bob; ec2:ResourceTag/Owner=nobody", false},
			{"StringEquals", "ec2:ResourceTag/Owner", "x-${aws:username}-y", "aws:username=bob; ec2:ResourceTag/Owner=x-bob-y", true},
			{"StringLike", "ec2:ResourceTag/Owner", "${aws:username}*", "aws:username=bob; ec2:ResourceTag/Owner=bobby", true},
			{"StringLike", "ec2:ResourceTag/Owner", "${aws:username}", "aws:username=b*; ec2:ResourceTag/Owner=bob", false},
			{"StringLike", "ec2:ResourceTag/Owner", "${*}", "ec2:ResourceTag/Owner=*", true},
			{"StringLike", "ec2:ResourceTag/Owner", "${*}", "ec2:ResourceTag/Owner=bob", false},
			{"StringLike", "ec2:ResourceTag/Owner", "a${?}", "ec2:ResourceTag/Owner=ab", false},
			{"StringLike", "ec2:ResourceTag/Owner", "a${?}", "ec2:ResourceTag/Owner=a?", true},
			{"StringLike", "ec2:ResourceTag/Owner", "${$}x", "ec2:ResourceTag/Owner=$x", true},
			{"StringEquals", "ec2:ResourceTag/Owner", "${aws:username", "ec2:ResourceTag/Owner=${aws:username", true},
			{"StringEquals", "ec2:ResourceTag/Owner", "${aws:TagKeys}", "aws:TagKeys=a,b; ec2:ResourceTag/Owner=a", false},
			{"StringNotEquals", "ec2:ResourceTag/Owner", "${aws:username}", "aws:username=bob; ec2:ResourceTag/Owner=alice", true},
			{"StringEquals", "aws:ResourceTag/team", "${aws:PrincipalTag/team}", "aws:PrincipalTag/team=red; aws:ResourceTag/team=red", true},
			{"StringEquals", "aws:ResourceTag/team", "${aws:PrincipalTag/team}", "aws:PrincipalTag/team=red; aws:ResourceTag/team=blue", false},
		},
		"Numeric condition operators": {
			{"NumericEquals", "sts:DurationSeconds", "900", "sts:DurationSeconds=900", true},
			{"NumericEquals", "sts:DurationSeconds", "900", "sts:DurationSeconds=900.0", true},
			{"NumericEquals", "sts:DurationSeconds", "900", "sts:DurationSeconds=901", false},
			{"NumericEquals", "sts:DurationSeconds", "900", "sts:DurationSeconds=x", false},
			{"NumericEquals", "sts:DurationSeconds", "x", "sts:DurationSeconds=900", false},
			{"NumericEquals", "sts:DurationSeconds", "900", "", false},
			{"NumericNotEquals", "sts:DurationSeconds", "900", "sts:DurationSeconds=900", false},
			{"NumericNotEquals", "sts:DurationSeconds", "900", "sts:DurationSeconds=3600", true},
			{"NumericNotEquals", "sts:DurationSeconds", "900", "", true},
			{"NumericLessThan", "sts:DurationSeconds", "3600", "sts:DurationSeconds=900", true},
			{"NumericLessThan", "sts:DurationSeconds", "3600", "sts:DurationSeconds=3600", false},
			{"NumericLessThanEquals", "sts:DurationSeconds", "3600", "sts:DurationSeconds=3600", true},
			{"NumericLessThanEquals", "sts:DurationSeconds", "3600", "sts:DurationSeconds=3601", false},
			{"NumericGreaterThan", "sts:DurationSeconds", "3600", "sts:DurationSeconds=3601", true},
			{"NumericGreaterThan", "sts:DurationSeconds", "3600", "sts:DurationSeconds=3600", false},
			{"NumericGreaterThanEquals", "sts:DurationSeconds", "3600", "sts:DurationSeconds=3600", true},
			{"NumericGreaterThanEquals", "sts:DurationSeconds", "3600", "sts:DurationSeconds=-1", false},
			{"NumericLessThanIfExists", "aws:MultiFactorAuthAge", "3600", "", true},
			{"NumericLessThanIfExists", "aws:MultiFactorAuthAge", "3600", "aws:MultiFactorAuthAge=7200", false},
			{"NumericLessThan", "ec2:VolumeSize", "10|100", "ec2:VolumeSize=50", true},
			{"NumericEquals", "ec2:VolumeSize", "1/2", "ec2:VolumeSize=0.5", false},
			{"NumericEquals", "ec2:VolumeSize", "1e3", "ec2:VolumeSize=1000", false},
			{"NumericEquals", "ec2:VolumeSize", "0.50", "ec2:VolumeSize=0.5", true},
		},
		"Date condition operators": {
			{"DateEquals", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T12:00:00Z", true},
			{"DateEquals", "aws:CurrentTime", "2026-11-20T13:00:00+01:00", "aws:CurrentTime=2026-11-20T12:00:00Z", true},
			{"DateEquals", "aws:CurrentTime", "2026-11-20", "aws:CurrentTime=2026-11-20T00:00:00Z", true},
			{"DateEquals", "aws:CurrentTime", "tomorrow", "aws:CurrentTime=2026-11-20T00:00:00Z", false},
			{"DateNotEquals", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T12:00:00Z", false},
			{"DateNotEquals", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T12:00:01Z", true},
			{"DateLessThan", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T11:59:59Z", true},
			{"DateLessThan", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T12:00:00Z", false},
			{"DateLessThanEquals", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T12:00:00Z", true},
			{"DateGreaterThan", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T12:00:01Z", true},
			{"DateGreaterThan", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T12:00:00Z", false},
			{"DateGreaterThanEquals", "aws:CurrentTime", "2026-11-20T12:00:00Z", "aws:CurrentTime=2026-11-20T12:00:00Z", true},
			{"DateLessThan", "aws:EpochTime", "1800000000", "aws:EpochTime=1795132800", true},
			{"DateLessThan", "aws:EpochTime", "2027-01-01T00:00:00Z", "aws:EpochTime=1795132800", true},
			{"DateGreaterThan", "aws:EpochTime", "2027", "aws:EpochTime=1795132800", false},
			{"DateLessThan", "aws:CurrentTime", "2027-01-01T00:00:00Z", "", false},
			{"DateLessThanIfExists", "aws:TokenIssueTime", "2026-01-01T00:00:00Z", "", true},
		},
		"Boolean condition operators": {
			{"Bool", "aws:SecureTransport", "true", "aws:SecureTransport=true", true},
			{"Bool", "aws:SecureTransport", "true", "aws:SecureTransport=false", false},
			{"Bool", "aws:SecureTransport", "True", "aws:SecureTransport=true", true},
			{"Bool", "aws:SecureTransport", "true", "", false},
			{"BoolIfExists", "aws:MultiFactorAuthPresent", "true", "", true},
			{"BoolIfExists", "aws:MultiFactorAuthPresent", "true", "aws:MultiFactorAuthPresent=false", false},
			{"Bool", "aws:MultiFactorAuthPresent", "false", "", false},
		},
		"Binary condition operators": {
			{"BinaryEquals", "x:key", "QUJD", "x:key=QUJD", true},
			{"BinaryEquals", "x:key", "QUJD", "x:key=QUJE", false},
			{"BinaryEquals", "x:key", "!", "x:key=!", false},
		},
		"IP address condition operators": {
			{"IpAddress", "aws:SourceIp", "203.0.113.0/24", "aws:SourceIp=203.0.113.9", true},
			{"IpAddress", "aws:SourceIp", "203.0.113.0/24", "aws:SourceIp=203.0.114.9", false},
			{"IpAddress", "aws:SourceIp", "203.0.113.9", "aws:SourceIp=203.0.113.9", true},
			{"IpAddress", "aws:SourceIp", "203.0.113.9/32", "aws:SourceIp=203.0.113.9", true},
			{"IpAddress", "aws:SourceIp", "0.0.0.0/0", "aws:SourceIp=203.0.113.9", true},
			{"IpAddress", "aws:SourceIp", "2001:db8::/32", "aws:SourceIp=2001:db8:1::1", true},
			{"IpAddress", "aws:SourceIp", "2001:db8::/32", "aws:SourceIp=2001:db9::1", false},
			{"IpAddress", "aws:SourceIp", "::/0", "aws:SourceIp=203.0.113.9", false},
			{"IpAddress", "aws:SourceIp", "203.0.113.0/24", "aws:SourceIp=::ffff:203.0.113.9", true},
			{"IpAddress", "aws:SourceIp", "10.0.0.0/8|203.0.113.0/24", "aws:SourceIp=203.0.113.9", true},
			{"IpAddress", "aws:SourceIp", "nonsense", "aws:SourceIp=203.0.113.9", false},
			{"IpAddress", "aws:SourceIp", "203.0.113.0/24", "", false},
			{"NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "aws:SourceIp=203.0.113.9", false},
			{"NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "aws:SourceIp=198.51.100.9", true},
			{"NotIpAddress", "aws:SourceIp", "203.0.113.0/24|198.51.100.0/24", "aws:SourceIp=198.51.100.9", false},
			{"NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "", true},
			{"IpAddressIfExists", "aws:SourceIp", "203.0.113.0/24", "", true},
		},
		"ARN condition operators": {
			{"ArnEquals", "ec2:Vpc", "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", true},
			{"ArnEquals", "ec2:Vpc", "arn:aws:ec2:*:111122223333:vpc/*", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", true},
			{"ArnLike", "ec2:Vpc", "arn:aws:ec2:*:111122223333:vpc/*", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", true},
			{"ArnLike", "ec2:Vpc", "arn:aws:ec2:*:vpc/*", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", false},
			{"ArnLike", "ec2:Vpc", "arn:aws:ec2:eu-*:*:vpc/vpc-?", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", true},
			{"ArnLike", "ec2:Vpc", "arn:aws:ec2:us-*:*:vpc/vpc-?", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", false},
			{"ArnLike", "ec2:Vpc", "*", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", true},
			{"ArnLike", "ec2:Vpc", "arn:aws:ec2:*:*:vpc/*", "ec2:Vpc=vpc-1", false},
			{"ArnNotEquals", "ec2:Vpc", "arn:aws:ec2:*:*:vpc/vpc-1", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", false},
			{"ArnNotLike", "ec2:Vpc", "arn:aws:ec2:*:*:vpc/vpc-2", "ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", true},
			{"ArnNotLike", "ec2:Vpc", "arn:aws:ec2:*:*:vpc/vpc-2", "", true},
			{"ArnLikeIfExists", "ec2:Vpc", "arn:aws:ec2:*:*:vpc/vpc-2", "", true},
			{"ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/${aws:PrincipalTag/team}-*", "aws:PrincipalTag/team=red; aws:PrincipalArn=arn:aws:iam::111122223333:role/red-ops", true},
		},
		"Null condition operator": {
			{"Null", "aws:TokenIssueTime", "true", "", true},
			{"Null", "aws:TokenIssueTime", "false", "", false},
			{"Null", "aws:TokenIssueTime", "true", "aws:TokenIssueTime=2026-01-01T00:00:00Z", false},
			{"Null", "aws:TokenIssueTime", "false", "aws:TokenIssueTime=2026-01-01T00:00:00Z", true},
			{"Null", "aws:RequestTag/Owner", "false", "aws:RequestTag/Owner=bob", true},
		},
		"Multivalued context keys": {
			{"ForAllValues:StringEquals", "aws:TagKeys", "Owner|Team", "aws:TagKeys=Owner", true},
			{"ForAllValues:StringEquals", "aws:TagKeys", "Owner|Team", "aws:TagKeys=Owner,Team", true},
			{"ForAllValues:StringEquals", "aws:TagKeys", "Owner|Team", "aws:TagKeys=Owner,Cost", false},
			{"ForAllValues:StringEquals", "aws:TagKeys", "Owner|Team", "", true},
			{"ForAnyValue:StringEquals", "aws:TagKeys", "Owner|Team", "aws:TagKeys=Owner,Cost", true},
			{"ForAnyValue:StringEquals", "aws:TagKeys", "Owner|Team", "aws:TagKeys=Cost", false},
			{"ForAnyValue:StringEquals", "aws:TagKeys", "Owner|Team", "", false},
			{"ForAllValues:StringLike", "route53:ChangeResourceRecordSetsNormalizedRecordNames", "*.dev.example.com", "route53:ChangeResourceRecordSetsNormalizedRecordNames=a.dev.example.com,b.dev.example.com", true},
			{"ForAllValues:StringLike", "route53:ChangeResourceRecordSetsNormalizedRecordNames", "*.dev.example.com", "route53:ChangeResourceRecordSetsNormalizedRecordNames=a.dev.example.com,example.com", false},
			{"ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes", "A|AAAA", "route53:ChangeResourceRecordSetsRecordTypes=A,TXT", false},
			{"ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsActions", "UPSERT", "route53:ChangeResourceRecordSetsActions=UPSERT", true},
			{"ForAllValues:StringNotEquals", "aws:TagKeys", "Secret", "aws:TagKeys=Owner,Team", true},
			{"ForAllValues:StringNotEquals", "aws:TagKeys", "Secret", "aws:TagKeys=Owner,Secret", false},
			{"ForAnyValue:StringNotEquals", "aws:TagKeys", "Owner", "aws:TagKeys=Owner,Secret", true},
			{"ForAnyValue:StringNotEquals", "aws:TagKeys", "Owner", "aws:TagKeys=Owner", false},
			{"ForAnyValue:StringNotEquals", "aws:TagKeys", "Owner", "", false},
			{"ForAnyValue:StringLike", "aws:TagKeys", "O*", "aws:TagKeys=Team,Owner", true},
			{"ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "Owner", "", true},
			{"ForAllValues:NumericLessThan", "x:n", "10", "x:n=1,2,3", true},
			{"ForAllValues:NumericLessThan", "x:n", "10", "x:n=1,20,3", false},
			{"ForAnyValue:IpAddress", "x:ip", "10.0.0.0/8", "x:ip=192.0.2.1,10.1.2.3", true},
			{"StringEquals", "aws:TagKeys", "Owner", "aws:TagKeys=Team,Owner", true},
			{"StringNotEquals", "aws:TagKeys", "Owner", "aws:TagKeys=Team,Owner", false},
		},
	} {
		for _, row := range rows {
			values := strings.Split(row.policy, "|")
			text := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"` + row.op + `":{"` + row.key + `":` + quoted(values) + `}}}}`
			doc, err := Parse(text, Identity)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if have := doc.Statements[0].meets(ctx(row.request)); have != row.want {
				t.Errorf("%s: %s %s %s for %q: %v", rule, row.op, row.key, values, row.request, have)
			}
		}
	}
}

// TestTwoConditions: all keys and all operators must hold.
func TestTwoConditions(t *testing.T) {
	doc, err := Parse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{
		"StringEquals":{"aws:a":"1","aws:b":["2","3"]}, "NumericLessThan":{"aws:c":5}, "Bool":{"aws:d":true}}}}`, Identity)
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]bool{
		"aws:a=1; aws:b=2; aws:c=4; aws:d=true":  true,
		"aws:a=1; aws:b=3; aws:c=4; aws:d=true":  true,
		"aws:a=2; aws:b=2; aws:c=4; aws:d=true":  false,
		"aws:a=1; aws:b=4; aws:c=4; aws:d=true":  false,
		"aws:a=1; aws:b=2; aws:c=5; aws:d=true":  false,
		"aws:a=1; aws:b=2; aws:c=4; aws:d=false": false,
		"aws:a=1; aws:b=2; aws:c=4":              false,
	} {
		if doc.Statements[0].meets(ctx(request)) != want {
			t.Errorf("%s: want %v", request, want)
		}
	}
}

// TestOldVersionHasNoVariables: in a document of 2008-10-17 they are text.
func TestOldVersionHasNoVariables(t *testing.T) {
	doc, err := Parse(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:a":"${aws:username}"}}}}`, Identity)
	if err != nil {
		t.Fatal(err)
	}
	if doc.Statements[0].meets(ctx("aws:a=bob; aws:username=bob")) || !doc.Statements[0].meets(ctx("aws:a=${aws:username}")) {
		t.Error("a variable was filled in")
	}
}
