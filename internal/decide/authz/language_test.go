package authz

import (
	"strings"
	"testing"
)

// saying is a row of the language's table: a rule as AWS's documentation has it, and
// one case of it.
type saying struct {
	rule  string // section of the IAM User Guide
	about string
	text  string // statements of the identity's policy, or a document
	what  string // "ACTION on RESOURCE"
	with  string // keys of the request, as ctx reads them
	want  Outcome
}

// Short forms.
const (
	start  = "ec2:StartInstances on arn:aws:ec2:eu-west-1:111122223333:instance/i-1"
	object = "s3:GetObject on arn:aws:s3:::media/bob/a.txt"
	yes    = Allowed
	no     = ImplicitDeny
	never  = ExplicitDeny
)

func when(condition string) string {
	return `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + condition + `}}`
}

func unless(condition string) string {
	return allow + `,{"Effect":"Deny","Action":"*","Resource":"*","Condition":{` + condition + `}}`
}

func may(action, resource string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
}

var language = []saying{
	{"Effect", "nothing is allowed by default", may("iam:*", "*"), start, "", no},
	{"Effect", "Allow", may("ec2:StartInstances", "*"), start, "", yes},
	{"Effect", "Deny overrides Allow", allow + `,{"Effect":"Deny","Action":"ec2:StartInstances","Resource":"*"}`, start, "", never},
	{"Effect", "Deny of something else", allow + `,{"Effect":"Deny","Action":"ec2:StopInstances","Resource":"*"}`, start, "", yes},
	{"Effect", "Deny without any Allow", `{"Effect":"Deny","Action":"*","Resource":"*"}`, start, "", never},
	{"Effect", "a Deny whose condition does not hold", unless(`"StringEquals":{"aws:username":"eve"}`), start, "aws:username=bob", yes},
	{"Effect", "a Deny whose condition holds", unless(`"StringEquals":{"aws:username":"bob"}`), start, "aws:username=bob", never},
	{"Statement", "one object in place of a list", `{"Version":"2012-10-17","Statement":` + allowEC2 + `}`, start, "", yes},
	{"Statement", "any of several", may("iam:*", "*") + "," + may("s3:*", "*") + "," + allowEC2, start, "", yes},
	{"Statement", "all parts of one, not parts of two", may("ec2:*", "arn:aws:s3:::*") + "," + may("s3:*", "*"), start, "", no},

	{"Action", "a service's prefix is needed", may("iam:StartInstances", "*"), start, "", no},
	{"Action", "without case", may("EC2:startinstances", "*"), start, "", yes},
	{"Action", "* at the end", may("ec2:Start*", "*"), start, "", yes},
	{"Action", "* at the beginning", may("ec2:*Instances", "*"), start, "", yes},
	{"Action", "* in the middle", may("ec2:S*Instances", "*"), start, "", yes},
	{"Action", "* is nothing, too", may("ec2:Start*Instances", "*"), start, "", yes},
	{"Action", "? is one character", may("ec2:S?artInstances", "*"), start, "", yes},
	{"Action", "? is not none", may("ec2:StartInstances?", "*"), start, "", no},
	{"Action", "* in another service's", may("elasticloadbalancing:*", "*"), start, "", no},
	{"Action", "a service whose name begins alike", may("ec2messages:*", "*"), start, "", no},
	{"Action", "no variables", may("ec2:*", "*"), "ec2:${aws:username} on *", "aws:username=bob", yes},
	{"Action", "a list", `{"Effect":"Allow","Action":["ec2:StopInstances","ec2:StartInstances"],"Resource":"*"}`, start, "", yes},
	{"NotAction", "Allow all but a service", `{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`, start, "", yes},
	{"NotAction", "what is left out is not denied", `{"Effect":"Allow","NotAction":"ec2:*","Resource":"*"},` + allowEC2, start, "", yes},
	{"NotAction", "what is left out is not allowed", `{"Effect":"Allow","NotAction":"ec2:*","Resource":"*"}`, start, "", no},
	{"NotAction", "Deny all but a list", allow + `,{"Effect":"Deny","NotAction":["iam:*","s3:*"],"Resource":"*"}`, start, "", never},
	{"NotAction", "Deny leaves the list", allow + `,{"Effect":"Deny","NotAction":["iam:*","ec2:Start*"],"Resource":"*"}`, start, "", yes},
	{"NotAction", "with a resource", `{"Effect":"Allow","NotAction":"s3:DeleteBucket","Resource":"arn:aws:s3:::*"}`, start, "", no},

	{"Resource", "the ARN", may("ec2:*", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"), start, "", yes},
	{"Resource", "another ARN", may("ec2:*", "arn:aws:ec2:eu-west-1:111122223333:instance/i-2"), start, "", no},
	{"Resource", "with case", may("ec2:*", "arn:aws:ec2:EU-WEST-1:111122223333:instance/i-1"), start, "", no},
	{"Resource", "* in the last segment spans slashes", may("s3:*", "arn:aws:s3:::media/*"), object, "", yes},
	{"Resource", "* between slashes", may("s3:*", "arn:aws:s3:::media/*/a.txt"), object, "", yes},
	{"Resource", "? in a segment", may("s3:*", "arn:aws:s3:::medi?/bob/?.txt"), object, "", yes},
	{"Resource", "empty Region and account", may("s3:*", "arn:aws:s3:eu-west-1:111122223333:media/*"), object, "", no},
	{"Resource", "* for Region and account", may("ec2:*", "arn:aws:ec2:*:*:instance/*"), start, "", yes},
	{"Resource", "a * does not reach over a colon", may("ec2:*", "arn:aws:ec2:e*instance/*"), start, "", no},
	{"Resource", "an action without resources needs *", may("ec2:*", "arn:aws:ec2:*:*:*"), "ec2:DescribeInstances on *", "", no},
	{"Resource", "an action without resources, by *", may("ec2:*", "*"), "ec2:DescribeInstances on *", "", yes},
	{"Resource", "a list", `{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::other/*","arn:aws:s3:::media/*"]}`, object, "", yes},
	{"Resource", "a bucket is not its objects", may("s3:*", "arn:aws:s3:::media"), object, "", no},
	{"NotResource", "Allow all but one", `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::media/*"}`, start, "", yes},
	{"NotResource", "the one", `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::media/*"}`, object, "", no},
	{"NotResource", "Deny all but one", allow + `,{"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::media","arn:aws:s3:::media/*"]}`, object, "", yes},
	{"NotResource", "Deny another", allow + `,{"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::other","arn:aws:s3:::other/*"]}`, object, "", never},
	{"NotResource", "with a variable", `{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::media/${aws:username}/*"}`, object, "aws:username=alice", yes},
	{"NotResource", "Deny with a variable that has no value", allow + `,{"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::media/${aws:username}/*"}`, object, "", never},

	{"Variables", "in Resource", may("s3:*", "arn:aws:s3:::media/${aws:username}/*"), object, "aws:username=bob", yes},
	{"Variables", "in Resource, another's", may("s3:*", "arn:aws:s3:::media/${aws:username}/*"), object, "aws:username=alice", no},
	{"Variables", "without a value nothing matches", may("s3:*", "arn:aws:s3:::media/${aws:username}/*"), object, "", no},
	{"Variables", "without case", may("s3:*", "arn:aws:s3:::media/${AWS:USERNAME}/*"), object, "aws:username=bob", yes},
	{"Variables", "of a tag", may("s3:*", "arn:aws:s3:::${aws:PrincipalTag/bucket}/*"), object, "aws:PrincipalTag/bucket=media", yes},
	{"Variables", "a default value", may("s3:*", "arn:aws:s3:::media/${aws:username, 'bob'}/*"), object, "", yes},
	{"Variables", "a default value is not needed", may("s3:*", "arn:aws:s3:::media/${aws:username, 'bob'}/*"), object, "aws:username=alice", no},
	{"Variables", "a default of a tag", when(`"StringEquals":{"s3:ExistingObjectTag/team":"${aws:PrincipalTag/team, 'company-wide'}"}`), object, "s3:ExistingObjectTag/team=company-wide", yes},
	{"Variables", "* of a value is no wildcard", may("s3:*", "arn:aws:s3:::media/${aws:username}"), object, "aws:username=*", no},
	{"Variables", "${*} is a star", may("s3:*", "arn:aws:s3:::media/${*}/a.txt"), object, "", no},
	{"Variables", "${?} is a question mark", may("s3:*", "arn:aws:s3:::media/bob/a${?}txt"), object, "", no},
	{"Variables", "${$} is a dollar", may("s3:*", "arn:aws:s3:::media/${$}{aws:username}"), "s3:GetObject on arn:aws:s3:::media/${aws:username}", "aws:username=bob", yes},
	{"Variables", "two in one value", may("s3:*", "arn:aws:s3:::${aws:PrincipalTag/bucket}/${aws:username}/*"), object, "aws:PrincipalTag/bucket=media; aws:username=bob", yes},
	{"Variables", "not in version 2008-10-17", `{"Version":"2008-10-17","Statement":` + may("s3:*", "arn:aws:s3:::media/${aws:username}/*") + `}`, object, "aws:username=bob", no},
	{"Variables", "not of a key with several values", may("s3:*", "arn:aws:s3:::media/${aws:TagKeys}/*"), object, "aws:TagKeys=bob,alice", no},
	{"Variables", "not in numbers", when(`"NumericEquals":{"x:a":"${x:b}"}`), start, "x:a=1; x:b=1", no},
	{"Variables", "not in dates", when(`"DateEquals":{"aws:CurrentTime":"${x:t}"}`), start, "aws:CurrentTime=2026-11-20T12:00:00Z; x:t=2026-11-20T12:00:00Z", no},
	{"Variables", "not in addresses", when(`"IpAddress":{"aws:SourceIp":"${x:ip}"}`), start, "aws:SourceIp=203.0.113.9; x:ip=203.0.113.9", no},
	{"Variables", "not in booleans", when(`"Bool":{"aws:SecureTransport":"${x:b}"}`), start, "aws:SecureTransport=true; x:b=true", no},
	{"Variables", "in ARN operators", when(`"ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:${aws:PrincipalAccount}:*"}`), start, "aws:SourceArn=arn:aws:sns:eu-west-1:111122223333:t; aws:PrincipalAccount=111122223333", yes},
	{"Variables", "a Deny with one without a value", unless(`"StringNotEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}`), start, "aws:ResourceTag/team=red", never},
	{"Variables", "a Deny with IfExists and none", unless(`"StringNotEqualsIfExists":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}`), start, "aws:PrincipalTag/team=red", never},

	{"Condition", "several values of a key are or", when(`"StringEquals":{"aws:username":["alice","bob"]}`), start, "aws:username=bob", yes},
	{"Condition", "several keys are and", when(`"StringEquals":{"aws:username":"bob","aws:RequestedRegion":"eu-west-1"}`), start, "aws:username=bob; aws:RequestedRegion=us-east-1", no},
	{"Condition", "several operators are and", when(`"StringEquals":{"aws:username":"bob"},"Bool":{"aws:SecureTransport":"true"}`), start, "aws:username=bob; aws:SecureTransport=false", no},
	{"Condition", "all hold", when(`"StringEquals":{"aws:username":"bob"},"Bool":{"aws:SecureTransport":"true"}`), start, "aws:username=bob; aws:SecureTransport=true", yes},
	{"Condition", "several values of a negated key are nor", when(`"StringNotEquals":{"aws:username":["alice","bob"]}`), start, "aws:username=bob", no},
	{"Condition", "neither of them", when(`"StringNotEquals":{"aws:username":["alice","bob"]}`), start, "aws:username=carol", yes},
	{"Condition", "the keys' names are without case", when(`"StringEquals":{"AWS:USERNAME":"bob"}`), start, "aws:username=bob", yes},
	{"Condition", "the values are with case", when(`"StringEquals":{"aws:username":"BOB"}`), start, "aws:username=bob", no},
	{"Condition", "a key that is missing does not match", when(`"StringEquals":{"aws:username":"bob"}`), start, "", no},
	{"Condition", "a key that is missing matches what is negated", when(`"StringNotEquals":{"aws:username":"bob"}`), start, "", yes},
	{"Condition", "an empty Condition", when(``), start, "", yes},
	{"Condition", "a number in place of a text", when(`"NumericLessThanEquals":{"sts:DurationSeconds":3600}`), start, "sts:DurationSeconds=3600", yes},
	{"Condition", "a boolean in place of a text", when(`"Bool":{"aws:SecureTransport":false}`), start, "aws:SecureTransport=false", yes},
	{"Condition", "no values match nothing", when(`"StringEquals":{"aws:username":[]}`), start, "aws:username=bob", no},

	{"String condition operators", "StringLike spans slashes", when(`"StringLike":{"s3:prefix":"home/*/x"}`), start, "s3:prefix=home/a/b/x", yes},
	{"String condition operators", "StringLike, all of it", when(`"StringLike":{"s3:prefix":"home"}`), start, "s3:prefix=home/", no},
	{"String condition operators", "StringLike with case", when(`"StringLike":{"s3:prefix":"HOME*"}`), start, "s3:prefix=home/", no},
	{"String condition operators", "StringNotLike, one of several", when(`"StringNotLike":{"s3:prefix":["a*","h*"]}`), start, "s3:prefix=home/", no},
	{"String condition operators", "StringEquals takes * as it is", when(`"StringEquals":{"s3:prefix":"home*"}`), start, "s3:prefix=home/", no},
	{"String condition operators", "StringEqualsIgnoreCase", when(`"StringEqualsIgnoreCase":{"aws:PrincipalTag/Team":"RED"}`), start, "aws:PrincipalTag/team=red", yes},
	{"String condition operators", "an empty value equals an empty one", when(`"StringEquals":{"aws:RequestTag/note":""}`), start, "aws:RequestTag/note=", yes},
	{"String condition operators", "* matches an empty value", when(`"StringLike":{"aws:RequestTag/note":"*"}`), start, "aws:RequestTag/note=", yes},
	{"String condition operators", "?* does not", when(`"StringLike":{"aws:RequestTag/note":"?*"}`), start, "aws:RequestTag/note=", no},
	{"String condition operators", "tags are compared with each other", when(`"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}`), start, "aws:ResourceTag/team=red; aws:PrincipalTag/team=red", yes},

	{"Numeric condition operators", "between two", when(`"NumericGreaterThan":{"ec2:VolumeSize":"10"},"NumericLessThan":{"ec2:VolumeSize":"100"}`), start, "ec2:VolumeSize=50", yes},
	{"Numeric condition operators", "above both", when(`"NumericGreaterThan":{"ec2:VolumeSize":"10"},"NumericLessThan":{"ec2:VolumeSize":"100"}`), start, "ec2:VolumeSize=100", no},
	{"Numeric condition operators", "numbers, not texts", when(`"NumericLessThan":{"ec2:VolumeSize":"9"}`), start, "ec2:VolumeSize=10", no},
	{"Numeric condition operators", "below zero", when(`"NumericLessThan":{"x:n":"-1"}`), start, "x:n=-1.5", yes},
	{"Numeric condition operators", "what is no number", when(`"NumericNotEquals":{"x:n":"1"}`), start, "x:n=one", yes},
	{"Numeric condition operators", "missing", when(`"NumericGreaterThanEquals":{"x:n":"0"}`), start, "", no},

	{"Date condition operators", "until a time", when(`"DateLessThan":{"aws:CurrentTime":"2026-12-31T23:59:59Z"}`), start, "aws:CurrentTime=2026-11-20T12:00:00Z", yes},
	{"Date condition operators", "after that", when(`"DateLessThan":{"aws:CurrentTime":"2026-11-01T00:00:00Z"}`), start, "aws:CurrentTime=2026-11-20T12:00:00Z", no},
	{"Date condition operators", "another time zone", when(`"DateGreaterThanEquals":{"aws:CurrentTime":"2026-11-20T13:00:00+01:00"}`), start, "aws:CurrentTime=2026-11-20T12:00:00Z", yes},
	{"Date condition operators", "seconds since 1970", when(`"DateGreaterThan":{"aws:EpochTime":"1700000000"}`), start, "aws:EpochTime=1795132800", yes},
	{"Date condition operators", "a date and seconds", when(`"DateLessThan":{"aws:CurrentTime":"1700000000"}`), start, "aws:CurrentTime=2026-11-20T12:00:00Z", no},
	{"Date condition operators", "sessions that are older are revoked", unless(`"DateLessThan":{"aws:TokenIssueTime":"2026-11-20T12:00:00Z"}`), start, "aws:TokenIssueTime=2026-11-20T11:59:59Z", never},
	{"Date condition operators", "sessions that are newer are not", unless(`"DateLessThan":{"aws:TokenIssueTime":"2026-11-20T12:00:00Z"}`), start, "aws:TokenIssueTime=2026-11-20T12:00:01Z", yes},
	{"Date condition operators", "long-term keys have no time of issue", unless(`"DateLessThan":{"aws:TokenIssueTime":"2026-11-20T12:00:00Z"}`), start, "", yes},

	{"Boolean condition operators", "without case", when(`"Bool":{"aws:SecureTransport":"TRUE"}`), start, "aws:SecureTransport=true", yes},
	{"Boolean condition operators", "Deny without TLS", unless(`"Bool":{"aws:SecureTransport":"false"}`), start, "aws:SecureTransport=false", never},
	{"Boolean condition operators", "Deny without MFA, of a long-term key", unless(`"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`), start, "", never},
	{"Boolean condition operators", "the same without IfExists", unless(`"Bool":{"aws:MultiFactorAuthPresent":"false"}`), start, "", yes},
	{"Boolean condition operators", "either", when(`"Bool":{"aws:SecureTransport":["true","false"]}`), start, "aws:SecureTransport=false", yes},
	{"Binary condition operators", "the same octets", when(`"BinaryEquals":{"x:key":"QmluYXJ5"}`), start, "x:key=QmluYXJ5", yes},
	{"Binary condition operators", "others", when(`"BinaryEquals":{"x:key":"QmluYXJ5"}`), start, "x:key=b3RoZXI=", no},

	{"IP address condition operators", "a range", when(`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`), start, "aws:SourceIp=203.0.113.255", yes},
	{"IP address condition operators", "beside it", when(`"IpAddress":{"aws:SourceIp":"203.0.113.0/25"}`), start, "aws:SourceIp=203.0.113.128", no},
	{"IP address condition operators", "one address is /32", when(`"IpAddress":{"aws:SourceIp":"203.0.113.9"}`), start, "aws:SourceIp=203.0.113.10", no},
	{"IP address condition operators", "both families", when(`"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:db8:1234:5678::/64"]}`), start, "aws:SourceIp=2001:db8:1234:5678::9", yes},
	{"IP address condition operators", "Deny from elsewhere", unless(`"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}`), start, "aws:SourceIp=198.51.100.1", never},
	{"IP address condition operators", "Deny from elsewhere, from there", unless(`"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}`), start, "aws:SourceIp=203.0.113.1", yes},
	{"IP address condition operators", "Deny from elsewhere, without an address", unless(`"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}`), start, "", never},
	{"IP address condition operators", "and through a service", unless(`"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"},"Bool":{"aws:ViaAWSService":"false"}`), start, "aws:SourceIp=198.51.100.1; aws:ViaAWSService=true", yes},

	{"ARN condition operators", "ArnEquals and ArnLike are the same", when(`"ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:111122223333:*"}`), start, "aws:SourceArn=arn:aws:sns:eu-west-1:111122223333:topic", yes},
	{"ARN condition operators", "each of the six parts by itself", when(`"ArnLike":{"aws:SourceArn":"arn:aws:s*:111122223333:*"}`), start, "aws:SourceArn=arn:aws:sns:eu-west-1:111122223333:topic", no},
	{"ARN condition operators", "the last part has colons", when(`"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:topic:*"}`), start, "aws:SourceArn=arn:aws:sns:eu-west-1:111122223333:topic:a:b", yes},
	{"ARN condition operators", "? is one character", when(`"ArnLike":{"aws:SourceArn":"arn:aws:sns:eu-west-?:*:*"}`), start, "aws:SourceArn=arn:aws:sns:eu-west-1:111122223333:topic", yes},
	{"ARN condition operators", "ArnNotLike", unless(`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/admin-*"}`), start, "aws:PrincipalArn=arn:aws:iam::111122223333:role/admin-1", yes},
	{"ARN condition operators", "ArnNotLike, another", unless(`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/admin-*"}`), start, "aws:PrincipalArn=arn:aws:iam::111122223333:role/web", never},
	{"ARN condition operators", "ArnNotEquals of a key that is missing", when(`"ArnNotEquals":{"aws:SourceArn":"arn:aws:sns:*:*:*"}`), start, "", yes},
	{"ARN condition operators", "StringLike spans the parts", when(`"StringLike":{"aws:SourceArn":"arn:aws:s*:topic"}`), start, "aws:SourceArn=arn:aws:sns:eu-west-1:111122223333:topic", yes},

	{"...IfExists condition operators", "there and well", when(`"StringLikeIfExists":{"ec2:InstanceType":["t3.*","m5.*"]}`), start, "ec2:InstanceType=t3.micro", yes},
	{"...IfExists condition operators", "there and not", when(`"StringLikeIfExists":{"ec2:InstanceType":["t3.*","m5.*"]}`), start, "ec2:InstanceType=p5.large", no},
	{"...IfExists condition operators", "not there", when(`"StringLikeIfExists":{"ec2:InstanceType":["t3.*","m5.*"]}`), start, "", yes},
	{"...IfExists condition operators", "of a negated operator", when(`"StringNotEqualsIfExists":{"ec2:InstanceType":"t3.nano"}`), start, "", yes},
	{"...IfExists condition operators", "numbers", when(`"NumericLessThanIfExists":{"aws:MultiFactorAuthAge":"3600"}`), start, "aws:MultiFactorAuthAge=3601", no},
	{"...IfExists condition operators", "dates", when(`"DateGreaterThanIfExists":{"aws:TokenIssueTime":"2026-01-01T00:00:00Z"}`), start, "", yes},
	{"...IfExists condition operators", "ARNs", when(`"ArnLikeIfExists":{"aws:SourceArn":"arn:aws:sns:*:*:*"}`), start, "aws:SourceArn=arn:aws:sqs:eu-west-1:111122223333:q", no},
	{"...IfExists condition operators", "addresses", when(`"NotIpAddressIfExists":{"aws:SourceIp":"203.0.113.0/24"}`), start, "aws:SourceIp=203.0.113.9", no},

	{"Null condition operator", "true: the key must be missing", when(`"Null":{"aws:TokenIssueTime":"true"}`), start, "", yes},
	{"Null condition operator", "false: it must be there", when(`"Null":{"aws:RequestTag/team":"false"}`), start, "", no},
	{"Null condition operator", "Deny without a tag", unless(`"Null":{"aws:RequestTag/team":"true"}`), start, "aws:RequestTag/other=x", never},
	{"Null condition operator", "Deny without a tag, with it", unless(`"Null":{"aws:RequestTag/team":"true"}`), start, "aws:RequestTag/team=x", yes},
	{"Null condition operator", "a boolean", when(`"Null":{"aws:TokenIssueTime":true}`), start, "", yes},

	{"Multivalued context keys", "ForAllValues: each value is one of the policy's", when(`"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]}`), start, "aws:TagKeys=cost,team", yes},
	{"Multivalued context keys", "ForAllValues: one is not", when(`"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]}`), start, "aws:TagKeys=cost,owner", no},
	{"Multivalued context keys", "ForAllValues: true without the key", when(`"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]}`), start, "", yes},
	{"Multivalued context keys", "ForAllValues: true for an empty value", when(`"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]}`), start, "aws:TagKeys=", yes},
	{"Multivalued context keys", "ForAllValues and Null: the key is needed", when(`"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]},"Null":{"aws:TagKeys":"false"}`), start, "", no},
	{"Multivalued context keys", "ForAllValues in a Deny without the key", unless(`"ForAllValues:StringEquals":{"aws:TagKeys":"x"}`), start, "", never},
	{"Multivalued context keys", "ForAnyValue: one is enough", when(`"ForAnyValue:StringEquals":{"aws:TagKeys":["team","cost"]}`), start, "aws:TagKeys=owner,team", yes},
	{"Multivalued context keys", "ForAnyValue: none is", when(`"ForAnyValue:StringEquals":{"aws:TagKeys":["team","cost"]}`), start, "aws:TagKeys=owner", no},
	{"Multivalued context keys", "ForAnyValue: false without the key", when(`"ForAnyValue:StringEquals":{"aws:TagKeys":["team","cost"]}`), start, "", no},
	{"Multivalued context keys", "ForAnyValue: false for an empty value", when(`"ForAnyValue:StringLike":{"aws:TagKeys":"*"}`), start, "aws:TagKeys=", no},
	{"Multivalued context keys", "ForAnyValue in a Deny", unless(`"ForAnyValue:StringEquals":{"aws:TagKeys":"secret"}`), start, "aws:TagKeys=team,secret", never},
	{"Multivalued context keys", "ForAllValues of what is negated: none", when(`"ForAllValues:StringNotEquals":{"aws:TagKeys":"secret"}`), start, "aws:TagKeys=team,secret", no},
	{"Multivalued context keys", "ForAnyValue of what is negated: one other", when(`"ForAnyValue:StringNotEquals":{"aws:TagKeys":"secret"}`), start, "aws:TagKeys=team,secret", yes},
	{"Multivalued context keys", "ForAnyValue with wildcards", when(`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-1/r-1/*"}`), start, "aws:PrincipalOrgPaths=o-1/r-1/ou-1/", yes},
	{"Multivalued context keys", "numbers", when(`"ForAllValues:NumericLessThan":{"x:n":"10"}`), start, "x:n=1,9", yes},
	{"Multivalued context keys", "ARNs", when(`"ForAnyValue:ArnLike":{"x:arns":"arn:aws:sns:*:*:*"}`), start, "x:arns=arn:aws:sqs:a:1:q,arn:aws:sns:a:1:t", yes},
	{"Multivalued context keys", "record names of Route 53", when(`"ForAllValues:StringLike":{"route53:ChangeResourceRecordSetsNormalizedRecordNames":["*.web.example.com","web.example.com"]}`), "route53:ChangeResourceRecordSets on arn:aws:route53:::hostedzone/Z1", "route53:ChangeResourceRecordSetsNormalizedRecordNames=a.web.example.com,web.example.com", yes},
	{"Multivalued context keys", "a record name that is another's", when(`"ForAllValues:StringLike":{"route53:ChangeResourceRecordSetsNormalizedRecordNames":["*.web.example.com","web.example.com"]}`), "route53:ChangeResourceRecordSets on arn:aws:route53:::hostedzone/Z1", "route53:ChangeResourceRecordSetsNormalizedRecordNames=notweb.example.com", no},
}

// TestLanguage: what single policies of an identity say. With the other tables of
// this package there are more than 300 rows.
func TestLanguage(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range language {
		t.Run(row.rule+"/"+row.about, func(t *testing.T) {
			if seen[row.rule+row.about] {
				t.Fatal("it stands twice")
			}
			seen[row.rule+row.about] = true
			action, resource, _ := strings.Cut(row.what, " on ")
			r := &Request{Action: action, Resource: resource, Context: ctx(row.with), Who: bob}
			if have := Evaluate(&Policies{Identity: parsed(t, Identity, row.text)}, r).Outcome; have != row.want {
				t.Errorf("%s\n%s with %q: %d, want %d", row.text, row.what, row.with, have, row.want)
			}
		})
	}
}
