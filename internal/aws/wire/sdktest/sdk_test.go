package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdkroute53 "github.com/aws/aws-sdk-go-v2/service/route53"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/localvpc/localvpc/internal/aws/sigv4"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

// unsigned actions are those whose caller has no key yet.
var unsigned = map[string]bool{"AssumeRoleWithSAML": true, "AssumeRoleWithWebIdentity": true}

// home is the Region that requests to a service are signed for.
var home = map[string]string{"ec2": "eu-west-1", "route53": "us-east-1", "sts": "eu-west-1"}

// endpoint answers every request of the SDK with what answer gives for the action,
// after it has decoded the request as the service would.
func endpoint(t *testing.T, api *proto.API, answer func(action string) (any, error)) aws.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := proto.ReadRequest(r, 1<<20)
		if err != nil {
			t.Error(err)
			return
		}
		action, err := api.Protocol.Action(api, req)
		if err != nil {
			t.Error(err)
			return
		}
		s, err := sigv4.Parse(r.Header, r.URL.RawQuery)
		if unsigned[action] {
			if s.Signed() {
				t.Errorf("%s is signed", action)
			}
		} else if err != nil || s.Region != home[api.Service] || s.Service != api.Service {
			t.Errorf("%s: signature %+v: %v", action, s, err)
		}
		w.Header().Set("Content-Type", api.Protocol.ContentType())
		w.Header().Set("X-Amzn-Requestid", "req-1")
		var b bytes.Buffer
		out, err := answer(action)
		if err != nil {
			e := awserr.From(err)
			api.Protocol.EncodeError(&b, api, "req-1", e)
			w.WriteHeader(e.Status)
		} else {
			api.Protocol.EncodeOutput(&b, api, action, "req-1", out)
			w.WriteHeader(api.Protocol.OutputHeader(w.Header(), api, action, out))
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(server.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("000000000000", "secret", ""),
		// The SDK gives a request's context up while it still sends; an answer that is
		// faster than that may break off (smithy-go, ClientHandler.Handle).
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Retryables = []retry.IsErrorRetryable{retry.RetryableConnectionError{}}
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			})
		},
		APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error {
			if _, ok := s.Initialize.Get("OperationInputValidation"); !ok {
				return nil
			}
			_, err := s.Initialize.Remove("OperationInputValidation") // the inputs are empty
			return err
		}},
	}
}

// TestOutputs: every Output with every member set arrives whole in the SDK's own
// type, for every action of the model.
func TestOutputs(t *testing.T) {
	for _, api := range []*proto.API{ec2.API, route53.API, sts.API} {
		outputs := map[string]any{}
		cfg := endpoint(t, api, func(action string) (any, error) { return outputs[action], nil })
		var client reflect.Value
		switch api {
		case ec2.API:
			client = reflect.ValueOf(sdkec2.NewFromConfig(cfg))
		case route53.API:
			cfg.Region = home["route53"]
			client = reflect.ValueOf(sdkroute53.NewFromConfig(cfg))
		default:
			client = reflect.ValueOf(sdksts.NewFromConfig(cfg))
		}
		checked := 0
		newer := map[string]bool{}
		for i := range api.Actions {
			a := &api.Actions[i]
			method := client.MethodByName(a.Name)
			if !method.IsValid() {
				t.Errorf("the SDK has no %s", a.Name)
				continue
			}
			out := a.NewOutput()
			fill(reflect.ValueOf(out).Elem(), a.Name, 12)
			if f := reflect.ValueOf(out).Elem().FieldByName("Location"); f.IsValid() {
				f.Set(reflect.ValueOf(new("https://route53.amazonaws.com/" + a.Name))) // a header
			}
			outputs[a.Name] = out
			input := reflect.New(method.Type().In(1).Elem())
			if api == route53.API {
				label(input.Elem()) // without which there is no request
			}
			results := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), input})
			if err, _ := results[1].Interface().(error); err != nil {
				t.Errorf("%s %s: %v", api.Service, a.Name, err)
				continue
			}
			sent := tree(reflect.ValueOf(out))
			forget(sent, results[0].Type(), newer)
			for _, line := range differences(a.Name, sent, tree(results[0])) {
				t.Errorf("%s %s", api.Service, line)
			}
			checked++
		}
		t.Logf("%s: %d actions; members that this SDK does not know: %v", api.Service, checked, slices.Sorted(maps.Keys(newer)))
		if len(newer) > 20 {
			t.Errorf("%s: the SDK lacks %d members: raise its version", api.Service, len(newer))
		}
	}
}

// label sets every text and number of an input.
func label(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case !f.CanSet():
		case f.Kind() == reflect.String:
			f.SetString("x")
		case f.Type() == reflect.TypeFor[*string]():
			f.Set(reflect.ValueOf(new("x")))
		case f.Type() == reflect.TypeFor[*int32]():
			f.Set(reflect.ValueOf(new(int32(1))))
		}
	}
}

// fill sets every member; strings say where they stand.
func fill(v reflect.Value, path string, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct && depth == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, depth)
	case reflect.Slice:
		switch {
		case v.Type().Elem().Kind() == reflect.Uint8:
			v.SetBytes([]byte(path))
		case v.Type().Elem().Kind() == reflect.Struct && depth == 0:
		default:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range 2 {
				fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i), depth)
			}
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 20, 11, 40, 0, 123e6, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, depth-1)
		}
	case reflect.String:
		v.SetString(path + " <&>\n")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(len(path)))
	case reflect.Float64:
		v.SetFloat(0.25)
	}
}

// tree reduces a value to maps, slices and scalars; what is absent is left out.
func tree(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return tree(v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return string(v.Bytes())
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = tree(v.Index(i))
		}
		return list
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return t.UTC().Format(time.RFC3339Nano)
		}
		members := map[string]any{}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if !v.Type().Field(i).IsExported() || name == "ResultMetadata" {
				continue
			}
			if below := tree(v.Field(i)); below != nil {
				members[name] = below
			}
		}
		return members
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Float32, reflect.Float64:
		return v.Float()
	}
	return fmt.Sprintf("kind %s", v.Kind())
}

// forget drops from sent what the SDK's type has no member for (our model may be
// the newer one) and notes the names.
func forget(sent any, t reflect.Type, newer map[string]bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch s := sent.(type) {
	case []any:
		for _, below := range s {
			forget(below, t.Elem(), newer)
		}
	case map[string]any:
		for name, below := range s {
			if f, ok := t.FieldByName(name); ok {
				forget(below, f.Type, newer)
			} else {
				newer[t.Name()+"."+name] = true
				delete(s, name)
			}
		}
	}
}

// differences lists where got, the SDK's view, is not what we sent.
func differences(path string, sent, got any) []string {
	if m, ok := sent.(map[string]any); ok {
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: sent a structure, got %v", path, got)}
		}
		var lines []string
		for name := range m {
			lines = append(lines, differences(path+"."+name, m[name], g[name])...)
		}
		for name := range g {
			if _, ok := m[name]; !ok {
				lines = append(lines, fmt.Sprintf("%s.%s: not sent, got %v", path, name, g[name]))
			}
		}
		sort.Strings(lines)
		return lines
	}
	if l, ok := sent.([]any); ok {
		g, ok := got.([]any)
		if !ok || len(g) != len(l) {
			return []string{fmt.Sprintf("%s: sent %d elements, got %v", path, len(l), got)}
		}
		var lines []string
		for i := range l {
			lines = append(lines, differences(fmt.Sprintf("%s[%d]", path, i), l[i], g[i])...)
		}
		return lines
	}
	if !reflect.DeepEqual(sent, got) {
		return []string{fmt.Sprintf("%s: sent %v, got %v", path, sent, got)}
	}
	return nil
}

// TestErrors: code, message, fault and request id arrive.
func TestErrors(t *testing.T) {
	answer := awserr.New("InvalidVpcID.NotFound", "The vpc ID 'vpc-<1>' does not exist")
	for _, api := range []*proto.API{ec2.API, sts.API} {
		cfg := endpoint(t, api, func(string) (any, error) { return nil, answer })
		var err error
		if api == ec2.API {
			_, err = sdkec2.NewFromConfig(cfg).DescribeVpcs(context.Background(), nil)
		} else {
			_, err = sdksts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), nil)
		}
		var e smithy.APIError
		var r *awshttp.ResponseError
		if !errors.As(err, &e) || e.ErrorCode() != answer.Code || e.ErrorMessage() != answer.Message {
			t.Errorf("%s: %v", api.Service, err)
		}
		if !errors.As(err, &r) || r.ServiceRequestID() != "req-1" || r.HTTPStatusCode() != 400 {
			t.Errorf("%s: response %v", api.Service, r)
		}
	}
}
