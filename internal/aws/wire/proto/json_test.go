package proto_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/aws/wire/ssm"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

// everything has a member of each kind, which no served JSON action has.
type everything struct {
	Text    *string
	Flag    *bool
	Short   *int32
	Long    *int64 `aws:"query=long min=1"`
	Number  *float64
	At      *time.Time
	Raw     []byte
	Numbers []int32
	Raws    [][]byte
	Inner   *everything
	Inners  []everything
	Words   map[string]string
	Counts  map[string]int32
}

var allKinds = &proto.API{Service: "test", Target: "Test", Protocol: proto.JSON, Actions: []proto.Action{
	{Name: "Do", NewInput: func() any { return new(everything) }, NewOutput: func() any { return new(everything) }},
}}

func TestDecodeJSON(t *testing.T) {
	at := time.Date(2026, 11, 20, 11, 40, 0, 123e6, time.UTC)
	tests := []struct {
		name   string
		api    *proto.API
		action string
		body   string
		want   any
	}{
		{"no body", ssm.API, "DescribeParameters", "", &ssm.DescribeParametersInput{}},
		{"no members", ssm.API, "DescribeParameters", " {} ", &ssm.DescribeParametersInput{}},
		{"strings and a boolean", ssm.API, "GetParameter", `{"Name":"/a/\u00e9\n","WithDecryption":true}`,
			&ssm.GetParameterInput{Name: new("/a/é\n"), WithDecryption: new(true)}},
		{"lists", ssm.API, "GetParameters", `{"Names":["a","b"]}`, &ssm.GetParametersInput{Names: []string{"a", "b"}}},
		{"lists of structures", ssm.API, "DescribeParameters", `{"ParameterFilters":[{"Key":"Type","Values":["String"]},{"Key":"tag:x"}]}`,
			&ssm.DescribeParametersInput{ParameterFilters: []ssm.ParameterStringFilter{{Key: new("Type"), Values: []string{"String"}}, {Key: new("tag:x")}}}},
		{"null is absent", ssm.API, "GetParametersByPath", `{"Path":"/a","Recursive":null,"ParameterFilters":null}`, &ssm.GetParametersByPathInput{Path: new("/a")}},
		{"unknown members are skipped, however deep", ssm.API, "GetParameter", `{"x":{"y":[1,{"z":[[]]}]},"Name":"a","name":"b"}`, &ssm.GetParameterInput{Name: new("a")}},
		{"the last of two counts", ssm.API, "GetParameter", `{"Name":"a","Name":"b"}`, &ssm.GetParameterInput{Name: new("b")}},
		{"every kind", allKinds, "Do", `{"Text":"","Flag":false,"Short":-5,"long":9007199254740993,"Number":1.5e-3,"At":1795174800.123,"Raw":"/w==","Numbers":[1,2.0,3e2],"Raws":["","AA=="],"Inner":{"Flag":true},"Inners":[{}]}`,
			&everything{Text: new(""), Flag: new(false), Short: new(int32(-5)), Long: new(int64(9007199254740993)), Number: new(1.5e-3), At: &at, Raw: []byte{0xff},
				Numbers: []int32{1, 2, 300}, Raws: [][]byte{{}, {0}}, Inner: &everything{Flag: new(true)}, Inners: []everything{{}}}},
		{"maps", allKinds, "Do", `{"Words":{"b":"\"","a":""},"Counts":{"x":-1}}`, &everything{Words: map[string]string{"b": `"`, "a": ""}, Counts: map[string]int32{"x": -1}}},
		{"empty maps are maps", allKinds, "Do", `{"Words":{}}`, &everything{Words: map[string]string{}}},
		{"empty lists are lists", allKinds, "Do", `{"Numbers":[],"Inners":[]}`, &everything{Numbers: []int32{}, Inners: []everything{}}},
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

func TestDecodeJSONRefuses(t *testing.T) {
	const one, bad = "ValidationException: 1 validation error detected: ", "SerializationException: "
	tests := []struct {
		name   string
		api    *proto.API
		action string
		body   string
		want   string
	}{
		{"missing", ssm.API, "GetParameter", `{}`, one + "Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{"missing, without a body", ssm.API, "GetParameter", ``, one + "Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{"no map", allKinds, "Do", `{"Words":[]}`, "SerializationException: Start of list found where not expected"},
		{"no words in a map", allKinds, "Do", `{"Words":{"a":1}}`, "SerializationException: NUMBER_VALUE can not be converted to a String"},
		{"null does not give it", ssm.API, "GetParameter", `{"Name":null}`, one + "Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{"too short", ssm.API, "GetParameter", `{"Name":""}`, one + "Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"several", ssm.API, "GetParametersByPath", `{"MaxResults":11,"ParameterFilters":[{"Key":"Colour"},{}]}`,
			"ValidationException: 4 validation errors detected: " +
				"Value '11' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 10; " +
				"Value 'Colour' at 'parameterFilters.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: tag:.+|Name|Type|KeyId|Path|Label|Tier|DataType; " +
				"Value null at 'parameterFilters.2.member.key' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'path' failed to satisfy constraint: Member must not be null"},
		{"an empty list", ssm.API, "GetParameters", `{"Names":[]}`, one + "Value '[]' at 'names' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"a long list", ssm.API, "GetParameters", `{"Names":["a","b","c","d","e","f","g","h","i","j","k"]}`,
			one + "Value '[a, b, c, d, e, f, g, h, i, j, k]' at 'names' failed to satisfy constraint: Member must have length less than or equal to 10"},
		{"a bad element", ssm.API, "GetParameters", `{"Names":["a",""]}`, one + "Value '[a, ]' at 'names' failed to satisfy constraint: " +
			"Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1]"},
		{"null for an element", ssm.API, "GetParametersByPath", `{"Path":"/","ParameterFilters":[null]}`, one + "Value null at 'parameterFilters.1.member' failed to satisfy constraint: Member must not be null"},
		{"enum", ssm.API, "ListTagsForResource", `{"ResourceType":"parameter","ResourceId":"a"}`, one + "Value 'parameter' at 'resourceType' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [Association, Automation, CloudConnector, Document, MaintenanceWindow, ManagedInstance, OpsMetadata, OpsItem, Parameter, PatchBaseline]"},

		{"number for a string", ssm.API, "GetParameter", `{"Name":1}`, bad + "NUMBER_VALUE can not be converted to a String"},
		{"boolean for a string", ssm.API, "GetParameter", `{"Name":true}`, bad + "TRUE_VALUE can not be converted to a String"},
		{"string for an integer", ssm.API, "DescribeParameters", `{"MaxResults":"5"}`, bad + "STRING_VALUE can not be converted to an Integer"},
		{"fraction for an integer", ssm.API, "DescribeParameters", `{"MaxResults":5.5}`, bad + "5.5 can not be converted to an Integer"},
		{"33 bits", ssm.API, "DescribeParameters", `{"MaxResults":4294967296}`, bad + "4294967296 can not be converted to an Integer"},
		{"65 bits", allKinds, "Do", `{"long":18446744073709551616}`, bad + "18446744073709551616 can not be converted to a Long"},
		{"a huge exponent", allKinds, "Do", `{"Number":1e999}`, bad + "1e999 can not be converted to a Double"},
		{"string for a boolean", ssm.API, "GetParameter", `{"WithDecryption":"true"}`, bad + "STRING_VALUE can not be converted to a Boolean"},
		{"string for a timestamp", allKinds, "Do", `{"At":"2026-11-20T11:40:00Z"}`, bad + "STRING_VALUE can not be converted to a Timestamp"},
		{"after the year 9999", allKinds, "Do", `{"At":253402300800}`, bad + "253402300800 can not be converted to a Timestamp"},
		{"not base64", allKinds, "Do", `{"Raw":"%"}`, bad + "'%' is not base64-encoded."},
		{"number for a blob", allKinds, "Do", `{"Raw":0}`, bad + "NUMBER_VALUE can not be converted to a Blob"},
		{"list for a string", ssm.API, "GetParameter", `{"Name":["a"]}`, bad + "Start of list found where not expected"},
		{"structure for a list", ssm.API, "GetParameters", `{"Names":{}}`, bad + "Start of structure or map found where not expected."},
		{"string for a list", ssm.API, "GetParameters", `{"Names":"a"}`, bad + "STRING_VALUE can not be converted to a list"},
		{"string for a structure", allKinds, "Do", `{"Inner":"a"}`, bad + "STRING_VALUE can not be converted to a structure"},

		{"not JSON", ssm.API, "GetParameter", `Name=a`, bad + "The request body is not a JSON object."},
		{"not an object", ssm.API, "GetParameter", `["Name"]`, bad + "The request body is not a JSON object."},
		{"a string", ssm.API, "DescribeParameters", `"a"`, bad + "The request body is not a JSON object."},
		{"broken off", ssm.API, "GetParameter", `{"Name":"a"`, bad + "The request body is not a JSON object."},
		{"two objects", ssm.API, "GetParameter", `{"Name":"a"}{}`, bad + "The request body is not a JSON object."},
		{"deep, unknown", ssm.API, "GetParameter", `{"x":` + strings.Repeat("[", 1_000_000), bad + "The request body has more than 40 levels."},
		{"deep, known", allKinds, "Do", strings.Repeat(`{"Inner":`, 1000), bad + "The request body has more than 40 levels."},
		{"a very long value is clipped", ssm.API, "GetParameter", `{"Name":"` + strings.Repeat("x", 3000) + `"}`,
			one + "Value '" + strings.Repeat("x", 256) + "…' at 'name' failed to satisfy constraint: Member must have length less than or equal to 2048"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in, err := decode(test.api, test.action, test.body)
			e, ok := awserr.As(err)
			if !ok {
				t.Fatalf("accepted (%v): %+v", err, in)
			}
			if e.Error() != test.want || e.Status != 400 {
				t.Errorf("got  %d %s\nwant 400 %s", e.Status, e, test.want)
			}
		})
	}
}

func TestActionJSON(t *testing.T) {
	for _, test := range []struct{ name, header, want string }{
		{"served", "AmazonSSM.GetParameter", "GetParameter"},
		{"whatever its name", "AmazonSSM.PutParameter", "PutParameter"},
		{"another service", "Logs_20140328.GetQueryResults", ""},
		{"no action", "AmazonSSM.", ""},
		{"none", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{}
			h.Set("x-amz-target", test.header)
			got, err := proto.JSON.Action(ssm.API, &proto.Request{Method: "POST", Header: h, Body: []byte("Action=GetParameter")})
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("Action = %q, %v", got, err)
			}
			if err != nil && !awserr.Is(err, "UnknownOperationException") {
				t.Errorf("code of %v", err)
			}
		})
	}
}

func TestEncodeJSON(t *testing.T) {
	at := time.Date(2026, 11, 17, 0, 0, 0, 0, time.UTC)
	deep := &everything{Number: new(math.Inf(-1)), Raw: []byte{0xff}, Inner: &everything{At: new(at.Add(1500 * time.Microsecond))}, Inners: []everything{{}, {Flag: new(false)}}, Raws: [][]byte{{1}}}
	for _, test := range []struct {
		name   string
		api    *proto.API
		action string
		out    any
		want   string
	}{
		{"no members", ssm.API, "GetParameter", &ssm.GetParameterOutput{}, `{}`},
		{"empty lists are written, nil ones not", ssm.API, "GetParameters", &ssm.GetParametersOutput{InvalidParameters: []string{}}, `{"InvalidParameters":[]}`},
		{"a parameter", ssm.API, "GetParameter", &ssm.GetParameterOutput{Parameter: &ssm.Parameter{
			Name: new("/a"), Type: new(ssm.ParameterTypeString), Value: new(`<"ü">` + "\\\n\x01\xff"), Version: new(int64(1)), LastModifiedDate: &at}},
			`{"Parameter":{"Name":"/a","Type":"String","Value":"<\"ü\">\\\n\u0001` + "\uFFFD" + `","Version":1,"LastModifiedDate":1794873600}}`},
		{"every kind", allKinds, "Do", deep, `{"Number":"-Infinity","Raw":"/w==","Raws":["AQ=="],"Inner":{"At":1794873600.001},"Inners":[{},{"Flag":false}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := encode(test.api, test.action, test.out)
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("it is not JSON")
			}
		})
	}
}

func TestErrorsJSON(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    *awserr.Error
		status int
		want   string
	}{
		{"the service's own", awserr.New("ParameterNotFound", "It is not \"there\"."), 400, `{"__type":"ParameterNotFound","message":"It is not \"there\"."}`},
		{"without a message", awserr.New("ParameterNotFound", ""), 400, `{"__type":"ParameterNotFound"}`},
		{"an action that is not served", proto.InvalidAction("PutParameter"), 400, `{"__type":"UnknownOperationException","message":"The action PutParameter is not valid for this web service."}`},
		{"a bad signature", awserr.New("IncompleteSignature", "x"), 400, `{"__type":"IncompleteSignatureException","message":"x"}`},
		{"a request too large", awserr.New("RequestEntityTooLarge", "x"), 413, `{"__type":"RequestEntityTooLargeException","message":"x"}`},
		{"throttling", awserr.New("RequestLimitExceeded", "x"), 400, `{"__type":"ThrottlingException","message":"x"}`},
		{"our own fault", awserr.Internal(nil), 500, `{"__type":"InternalFailure","message":"An internal error has occurred"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := proto.JSON.Spell(test.err)
			var b bytes.Buffer
			proto.JSON.EncodeError(&b, ssm.API, "req-1", e)
			h := http.Header{}
			proto.JSON.ErrorHeader(h, e)
			if b.String() != test.want || e.Status != test.status || h.Get("x-amzn-ErrorType") != e.Code {
				t.Errorf("got  %d %s %v\nwant %d %s", e.Status, b.String(), h, test.status, test.want)
			}
			if back := proto.JSON.DecodeError(ssm.API, e.Status, b.Bytes()); back.Code != e.Code || back.Message != e.Message || back.Status != e.Status {
				t.Errorf("read back as %d %v", back.Status, back)
			}
		})
	}
	if e := proto.EC2.Spell(awserr.New("InvalidAction", "x")); e.Code != "InvalidAction" {
		t.Errorf("EC2 spells %v", e)
	}
	for _, body := range []string{`{"__type":"com.amazon.coral.validate#ValidationException","Message":"m"}`} {
		if e := proto.JSON.DecodeError(ssm.API, 400, []byte(body)); e.Code != "ValidationException" || e.Message != "m" {
			t.Errorf("%s is %v", body, e)
		}
	}
	for _, body := range []string{"", "{}", "<html>", `{"__type":1}`} {
		if e := proto.JSON.DecodeError(ssm.API, 502, []byte(body)); e.Code != "UnknownError" || e.Status != 502 {
			t.Errorf("%q is %v", body, e)
		}
	}
}

// TestHeaders: what a client of each protocol sends beside its body.
func TestHeaders(t *testing.T) {
	h := http.Header{}
	proto.JSON.InputHeader(h, ssm.API, "GetParameter")
	if h.Get("X-Amz-Target") != "AmazonSSM.GetParameter" || h.Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("JSON: %v", h)
	}
	h = http.Header{}
	proto.EC2.InputHeader(h, ec2.API, "DescribeVpcs")
	if len(h) != 1 || !strings.HasPrefix(h.Get("Content-Type"), "application/x-www-form-urlencoded") {
		t.Errorf("EC2: %v", h)
	}
}
