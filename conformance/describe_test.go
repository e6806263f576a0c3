package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// recorded is the folder with answers that others have recorded, as JSON of an SDK.
const recorded = "../../shared/conformance"

// actionOf a list in an answer, where it is not Describe and the list's name.
var actionOf = map[string]string{"Reservations": "DescribeInstances", "InstanceStatuses": "DescribeInstanceStatus"}

// invented are values in the recordings that AWS has never sent: someone made them up.
var invented = []string{
	"fixinventory/describe-instances.json: DescribeInstances Reservations[0].Instances[0].PrivateDnsNameOptions.HostnameType is string, not true",
	"fixinventory/describe-subnets.json: DescribeSubnets Subnets[0].EnableLniAtDeviceIndex is int32, not false",
}

// TestDescribeAnswers: the types of our answers have every member that stands in
// an answer of AWS's, with the kind of value that it has there.
func TestDescribeAnswers(t *testing.T) {
	if _, err := os.Stat(recorded); err != nil {
		t.Skipf("there are no recorded answers: %v", err)
	}
	answers := map[string]int{}
	for _, collection := range []string{"custodian", "batfish", "fixinventory", "cloudmapper"} {
		err := filepath.WalkDir(filepath.Join(recorded, collection), func(path string, f fs.DirEntry, err error) error {
			if err != nil || f.IsDir() || filepath.Ext(path) != ".json" {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for member, list := range lists(content) {
				action, ok := ec2.API.Lookup(actionFor(member))
				if !ok || output(action.NewOutput(), member) == nil {
					continue // not served; ClassicLinkInstances are not what DescribeInstances lists
				}
				answers[action.Name]++
				name, _ := filepath.Rel(recorded, path)
				for _, what := range differences(member, list, output(action.NewOutput(), member)) {
					if what = fmt.Sprintf("%s: %s %s", name, action.Name, what); !slices.Contains(invented, what) {
						t.Error(what)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, action := range []string{"DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs", "DescribeNetworkInterfaces", "DescribeInstances",
		"DescribeRouteTables", "DescribeNetworkAcls", "DescribeInternetGateways", "DescribeNatGateways", "DescribeAddresses", "DescribeAvailabilityZones"} {
		if answers[action] == 0 {
			t.Errorf("no recorded answer of %s was found", action)
		}
	}
	t.Logf("answers compared: %v", answers)
}

func actionFor(member string) string {
	if name, ok := actionOf[member]; ok {
		return name
	}
	return "Describe" + member
}

// lists gives the lists of a recorded answer by member. Some recordings put the
// answer beside its status code.
func lists(content []byte) map[string][]any {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var answer map[string]any
	if d.Decode(&answer) != nil {
		return nil // a bare list, or none of JSON's
	}
	if data, ok := answer["data"].(map[string]any); ok {
		answer = data
	}
	out := map[string][]any{}
	for member, v := range answer {
		if list, ok := v.([]any); ok {
			out[member] = list
		}
	}
	return out
}

// output is the type of a member of an answer; nil if it has none.
func output(answer any, member string) reflect.Type {
	if f, ok := reflect.TypeOf(answer).Elem().FieldByName(member); ok {
		return f.Type
	}
	return nil
}

// differences says where a recorded value does not fit a type.
func differences(at string, v any, t reflect.Type) []string {
	if t == nil {
		return []string{at + " is unknown"}
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	wrong := []string{fmt.Sprintf("%s is %v, not %.40v", at, t, v)}
	var out []string
	switch v := v.(type) {
	case nil:
	case []any:
		if t.Kind() != reflect.Slice {
			return wrong
		}
		for i, e := range v {
			out = append(out, differences(fmt.Sprintf("%s[%d]", at, i), e, t.Elem())...)
		}
	case map[string]any:
		if t == reflect.TypeFor[time.Time]() && v["__class__"] == "datetime" {
			return nil
		}
		if t.Kind() != reflect.Struct {
			return wrong
		}
		for member, e := range v {
			f, _ := t.FieldByName(member)
			out = append(out, differences(at+"."+member, e, f.Type)...)
		}
	case bool:
		if t.Kind() != reflect.Bool {
			return wrong
		}
	case json.Number:
		if !numeric(t.Kind()) || (!strings.Contains(v.String(), ".")) == (t.Kind() == reflect.Float64) {
			return wrong
		}
	case string:
		if t.Kind() != reflect.String && t != reflect.TypeFor[time.Time]() {
			return wrong
		}
	}
	return out
}

func numeric(k reflect.Kind) bool {
	return k == reflect.Int32 || k == reflect.Int64 || k == reflect.Float64
}
