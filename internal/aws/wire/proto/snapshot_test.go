package proto_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/aws/wire/ssm"
	"github.com/localvpc/localvpc/internal/aws/wire/sts"
)

// snapshots returns the recorded requests of a service's Go SDK by action: each
// operation with every member filled, as the SDK's serializer writes it.
func snapshots(t *testing.T, service string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service).Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skipf("the SDK's module is not at hand: go list: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "request_snapshot", "*.request.snap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no snapshots in %s: %v", dir, err)
	}
	bodies := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, body, ok := strings.Cut(string(data), "\n\nContent-Type: application/x-www-form-urlencoded\n\n")
		if !ok {
			t.Fatalf("%s is not a form request", file)
		}
		bodies[strings.TrimSuffix(filepath.Base(file), ".request.snap")] = body
	}
	return bodies
}

// TestSnapshots: every recorded request of an action we have types for decodes
// with nothing unknown, and our own client writes the same parameters.
func TestSnapshots(t *testing.T) {
	for _, api := range []*proto.API{ec2.API, sts.API} {
		bodies := snapshots(t, api.Service)
		for i := range api.Actions {
			action := &api.Actions[i]
			body, ok := bodies[action.Name]
			if !ok {
				t.Errorf("%s %s has no snapshot", api.Service, action.Name)
				continue
			}
			t.Run(api.Service+"/"+action.Name, func(t *testing.T) {
				sent := parse(t, body)
				in := action.NewInput()
				names, values := proto.DecodeForm(api, sent, in)
				if names != nil {
					t.Fatalf("refused: %v", names)
				}
				if values != nil && !bounded(values) {
					t.Fatalf("refused: %v", values)
				}
				var b bytes.Buffer
				api.Protocol.EncodeInput(&b, api, action.Name, in)
				if got, want := canonical(parse(t, b.String())), canonical(sent); !slices.Equal(got, want) {
					t.Errorf("written again:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
				}
			})
		}
	}
}

// bounded says whether a refusal is for a bound that the recorded values (1 for
// every number) do not keep.
func bounded(err error) bool {
	return strings.Contains(err.Error(), "Expecting a value") || strings.Contains(err.Error(), "Expected at least")
}

func parse(t testing.TB, body string) proto.Form {
	t.Helper()
	form, err := (&proto.Request{Method: "POST", Body: []byte(body)}).Form()
	if err != nil {
		t.Fatalf("parsing form: %v", err)
	}
	return form
}

func canonical(form proto.Form) []string {
	lines := make([]string, len(form))
	for i, p := range form {
		lines[i] = p.Key + "=" + p.Value
	}
	slices.Sort(lines)
	return lines
}

// TestTypesDescribeThemselves builds the description of every generated type, so
// that no tag can fail in a running process.
func TestTypesDescribeThemselves(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || typ.PkgPath() == "time" {
			return
		}
		seen[typ] = true
		proto.Describe(typ)
		for i := range typ.NumField() {
			walk(typ.Field(i).Type)
		}
	}
	for _, api := range []*proto.API{ec2.API, route53.API, ssm.API, sts.API} {
		for i := range api.Actions {
			walk(reflect.TypeOf(api.Actions[i].NewInput()))
			walk(reflect.TypeOf(api.Actions[i].NewOutput()))
		}
	}
	t.Logf("%d types", len(seen))
}
