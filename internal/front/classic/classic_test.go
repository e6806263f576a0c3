package classic

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write what the commands print into testdata")

// service is an EC2 that gives the answers it was told to, and writes down what
// it was asked.
type service struct {
	*httptest.Server
	answers map[string]string // by action
	asked   []string
	headers []http.Header
}

func newService(t *testing.T, answers map[string]string) *service {
	s := &service{answers: answers}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	form, _ := url.ParseQuery(string(body))
	var fields []string
	for key, values := range form {
		if key != "Action" && key != "Version" && key != "ClientToken" && (key != "DryRun" || values[0] != "false") {
			fields = append(fields, key+"="+strings.Join(values, ","))
		}
	}
	slices.Sort(fields)
	action := form.Get("Action")
	s.asked = append(s.asked, strings.Join(append([]string{action}, fields...), " "))
	s.headers = append(s.headers, req.Header)
	answer, ok := s.answers[action]
	if !ok {
		answer = "<Response><Errors><Error><Code>InvalidAction</Code><Message>not in this test</Message></Error></Errors><RequestID>r</RequestID></Response>"
	}
	if strings.Contains(answer, "<Errors>") {
		w.WriteHeader(http.StatusBadRequest)
	}
	fmt.Fprint(w, answer)
}

// clearEnv removes what the user's environment says about where to look and who asks.
func clearEnv(t *testing.T) {
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "EC2_") || strings.HasPrefix(name, "LOCALVPC_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("TZ", "UTC")
}

// invoke runs a command line against d.
func invoke(t *testing.T, d Defaults, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	root := &cobra.Command{Use: "test", SilenceErrors: true, SilenceUsage: true}
	root.AddGroup(&cobra.Group{ID: Group})
	root.AddCommand(Commands(Config{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Defaults: func() Defaults { return d },
	})...)
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	err = root.ExecuteContext(t.Context())
	var own *Error
	if err != nil && !errors.As(err, &own) {
		t.Errorf("%q: %v is no error of the commands", args, err)
	}
	return out.String(), err
}

// TestRecords plays the files of testdata: the lines of "commands" one after the
// other against a service with the answers of NAME.xml, and compares with
// "output" what was printed and with "requests" what was asked.
func TestRecords(t *testing.T) {
	clearEnv(t)
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal("there is no testdata", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			answers, parts := map[string]string{}, map[string]*txtar.File{}
			for i := range archive.Files {
				f := &archive.Files[i]
				if action, ok := strings.CutSuffix(f.Name, ".xml"); ok {
					answers[action] = string(f.Data)
				} else {
					parts[f.Name] = f
				}
			}
			s := newService(t, answers)
			var printed strings.Builder
			for line := range strings.Lines(string(parts["commands"].Data)) {
				line = strings.TrimSpace(line)
				out, err := invoke(t, Defaults{URL: s.URL}, "", words(line)...)
				fmt.Fprintf(&printed, "$ %s\n%s", line, out)
				if err != nil {
					fmt.Fprintf(&printed, "! %s\n", err)
				}
			}
			same(t, path, parts["output"], printed.String())
			same(t, path, parts["requests"], strings.Join(s.asked, "\n")+"\n")
			if *update {
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// words splits a line at spaces, but not inside single quotes.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

func same(t *testing.T, path string, f *txtar.File, got string) {
	t.Helper()
	if string(f.Data) == got {
		return
	}
	if *update {
		f.Data = []byte(got)
		return
	}
	t.Errorf("%s: %s is\n%s\nwant\n%s", path, f.Name, got, f.Data)
}
