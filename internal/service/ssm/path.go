package ssm

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ssm"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// pageSize of GetParametersByPath unless MaxResults says less; it is also the most
// (Systems Manager API Reference, GetParametersByPath).
const pageSize = 10

// GetParametersByPath lists the parameters of a path by name: those directly
// below it, or all.
func (s *Service) GetParametersByPath(r state.Reader, c authz.Caller, in *api.GetParametersByPathInput) (*api.GetParametersByPathOutput, error) {
	path := strings.TrimSuffix(*in.Path, "/")
	if *in.Path != "/" && (!strings.HasPrefix(path, "/") || !validName.MatchString(path)) {
		return nil, malformedPath()
	}
	pass, err := compile(in.ParameterFilters, pathKeys)
	if err != nil {
		return nil, err
	}
	after, err := opened(in)
	if err != nil {
		return nil, err
	}
	limit := pageSize
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	out := &api.GetParametersByPathOutput{Parameters: []api.Parameter{}}
	for _, name := range names(r, path, in.Recursive != nil && *in.Recursive) {
		i, ok := lifecycle.ImageAtParameter(r, name)
		if name <= after || !ok {
			continue
		}
		p := parameter(c, name, i)
		if !pass(&p) {
			continue
		}
		if len(out.Parameters) == limit {
			out.NextToken = new(seal(in, *out.Parameters[limit-1].Name))
			break
		}
		out.Parameters = append(out.Parameters, p)
	}
	return out, nil
}

// names are the names of public parameters below a path, sorted. What is above
// /aws/service lists the account's own parameters, and there are none.
func names(r state.Reader, path string, recursive bool) []string {
	if !strings.HasPrefix(path+"/", public) {
		return nil
	}
	var list []string
	for i := range state.Images.All(r) {
		for _, name := range i.Parameters {
			rest, ok := strings.CutPrefix(name, path+"/")
			if ok && (recursive || !strings.Contains(rest, "/")) {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func malformedPath() error {
	return awserr.New("ValidationException", `The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "/". `+
		`It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the following symbols: `+
		`. (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". `+
		`Valid example: /get/parameters2-/by1./path0_.`)
}

// A token is the last name of the page before, sealed with a checksum of the
// request: it is good for the same path and filters only.

func opened(in *api.GetParametersByPathInput) (after string, err error) {
	if in.NextToken == nil {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
	if err == nil && len(raw) > sealSize {
		after = string(raw[sealSize:])
		if bytes.Equal(raw[:sealSize], sum(in, after)) {
			return after, nil
		}
	}
	return "", invalidToken()
}

func invalidToken() error {
	return awserr.New("InvalidNextToken", "The specified token isn't valid.")
}

const sealSize = 12

func seal(in *api.GetParametersByPathInput, after string) string {
	return base64.RawURLEncoding.EncodeToString(append(sum(in, after), after...))
}

func sum(in *api.GetParametersByPathInput, after string) []byte {
	b, err := json.Marshal([]any{in.Path, in.Recursive, in.ParameterFilters, after})
	if err != nil {
		panic("ssm: filters are plain data: " + err.Error())
	}
	h := sha256.Sum256(b)
	return h[:sealSize]
}
