package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/client"
	wireec2 "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	wiressm "github.com/localvpc/localvpc/internal/aws/wire/ssm"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/service/ssm"
	"github.com/localvpc/localvpc/internal/state"
)

const parameterName = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"

// jsonServer serves ssm beside an ec2 without actions, and one image.
func jsonServer(t *testing.T) string {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	image := &state.Image{Meta: state.Meta{Key: state.Key{Account: "137112412989", ID: "ami-0abcdef1234567890"}, Created: time.Unix(1795132800, 0)}, State: "available", Public: true, Parameters: []string{parameterName}}
	if _, err := store.Write(context.Background(), func(tx *state.Tx) error { state.Images.Put(tx, image); return nil }); err != nil {
		t.Fatal(err)
	}
	actions := map[string]service.Action{}
	for _, a := range ssm.New().Actions() {
		actions[a.Name] = a
	}
	s := New(Config{
		Services: []Service{{API: wireec2.API, Signing: "ec2"}, {API: wiressm.API, Signing: "ssm", Actions: actions}},
		Runner:   &service.Runner{Store: store}, Account: "000000000000", Region: "us-east-1",
		Regions: func(name string) bool { return name == "us-east-1" },
		Log:     slog.New(slog.DiscardHandler),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-served, store.Close()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// TestJSONByOurClient: signature, target and both bodies meet.
func TestJSONByOurClient(t *testing.T) {
	c := client.New(jsonServer(t), "us-east-1", "test", "test")
	defer c.Close()
	out, err := client.Call[wiressm.GetParameterOutput](t.Context(), c, wiressm.API, "GetParameter", &wiressm.GetParameterInput{Name: new(parameterName)})
	if err != nil {
		t.Fatal(err)
	}
	if p := out.Parameter; *p.Value != "ami-0abcdef1234567890" || !p.LastModifiedDate.Equal(time.Unix(1795132800, 0)) {
		t.Errorf("parameter %+v", p)
	}
	_, err = client.Call[wiressm.GetParameterOutput](t.Context(), c, wiressm.API, "GetParameter", &wiressm.GetParameterInput{Name: new("/my")})
	if !awserr.Is(err, "ParameterNotFound") {
		t.Errorf("a parameter that there is not: %v", err)
	}
	_, err = client.Call[wiressm.GetParameterOutput](t.Context(), c.InRegion("mars-1"), wiressm.API, "GetParameter", &wiressm.GetParameterInput{Name: new(parameterName)})
	if !awserr.Is(err, "InvalidSignatureException") {
		t.Errorf("a Region that there is not: %v", err)
	}
}

// TestJSONAnswers: what is on the wire, for requests good and bad.
func TestJSONAnswers(t *testing.T) {
	url := jsonServer(t)
	sign := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64)
	}
	for _, test := range []struct {
		name, signed, target, body string
		status                     int
		kind, has                  string // the error's type; what the body has
	}{
		{"good", "ssm", "AmazonSSM.GetParameter", `{"Name":"` + parameterName + `"}`, 200, "", `"LastModifiedDate":1795132800,"ARN":"arn:aws:ssm:us-east-1::parameter/aws/service/`},
		{"unsigned", "", "AmazonSSM.GetParameter", `{"Name":"` + parameterName + `"}`, 200, "", "ami-0abcdef1234567890"},
		{"an action that is not served", "ssm", "AmazonSSM.PutParameter", `{}`, 400, "UnknownOperationException", "PutParameter"},
		{"no target", "ssm", "", `{}`, 400, "UnknownOperationException", "X-Amz-Target"},
		{"another service's target", "ssm", "Logs_20140328.StartQuery", `{}`, 400, "UnknownOperationException", "Logs_20140328"},
		{"a JSON service that is not here", "logs", "Logs_20140328.StartQuery", `{}`, 400, "UnknownOperationException", "logs"},
		{"that neither, unsigned", "", "Logs_20140328.StartQuery", `{}`, 400, "UnknownOperationException", "Logs_20140328"},
		{"not JSON", "ssm", "AmazonSSM.GetParameter", `Name=a`, 400, "SerializationException", "not a JSON object"},
		{"lacking", "ssm", "AmazonSSM.GetParameter", `{}`, 400, "ValidationException", "1 validation error detected: Value null at 'name'"},
		{"half a signature", "x y", "AmazonSSM.GetParameter", `{}`, 400, "IncompleteSignatureException", ""},
		{"too large", "ssm", "AmazonSSM.GetParameter", strings.Repeat(" ", 5<<20), 413, "RequestEntityTooLargeException", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequest("POST", url, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Date", "20261120T114000Z")
			if test.signed != "" {
				r.Header.Set("Authorization", sign(test.signed))
			}
			if test.name == "half a signature" {
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test")
			}
			if test.target != "" {
				r.Header.Set("X-Amz-Target", test.target)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != test.status || answer.Header.Get("Content-Type") != "application/x-amz-json-1.1" ||
				answer.Header.Get("x-amzn-ErrorType") != test.kind || answer.Header.Get("x-amzn-RequestId") == "" {
				t.Errorf("%d %v", answer.StatusCode, answer.Header)
			}
			var said struct {
				Type string `json:"__type"`
			}
			if err := json.Unmarshal(body, &said); err != nil || said.Type != test.kind || !strings.Contains(string(body), test.has) {
				t.Errorf("body %s (%v), want type %q and %q", body, err, test.kind, test.has)
			}
		})
	}
}
