package ssm

import (
	"regexp"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ssm"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// public is where AWS's own parameters are (Systems Manager User Guide,
// "Discovering public parameters in Parameter Store").
const public = "/aws/service/"

// version of every public parameter: here none is ever written again.
const version = 1

// reference is how a request names a parameter: NAME or its ARN, each with or
// without :VERSION or :LABEL.
type reference struct {
	name     string
	selector string // with its colon; "" for the latest version
	region   string // of an ARN
	account  string // of an ARN; public parameters have none
	arn      bool
}

// validName is what a name may consist of: a path begins with a slash.
var validName = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$|^[A-Za-z0-9_.-]+$`)

// parse takes a name apart. Error: ValidationException.
func parse(text string) (reference, error) {
	ref := reference{name: text}
	if rest, ok := strings.CutPrefix(text, "arn:"); ok {
		part := strings.SplitN(rest, ":", 5) // partition, service, Region, account, resource
		path, ok := "", false
		if len(part) == 5 {
			path, ok = strings.CutPrefix(part[4], "parameter/")
		}
		if !ok || part[1] != "ssm" {
			return ref, malformed()
		}
		ref = reference{name: "/" + path, region: part[2], account: part[3], arn: true}
	}
	if i := strings.IndexByte(ref.name, ':'); i >= 0 {
		ref.name, ref.selector = ref.name[:i], ref.name[i:]
	}
	if !validName.MatchString(ref.name) || len(ref.name) >= 3 && strings.EqualFold(ref.name[:3], "ssm") || ref.selector == ":" {
		return ref, malformed()
	}
	return ref, nil
}

func malformed() error {
	return awserr.New("ValidationException", `Parameter name: can't be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of `+
		`sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_`)
}

// find gives the parameter that a request names. Errors: ValidationException,
// ParameterNotFound, ParameterVersionNotFound.
func find(r state.Reader, c authz.Caller, text string) (*api.Parameter, error) {
	ref, err := parse(text)
	if err != nil {
		return nil, err
	}
	i, ok := lifecycle.ImageAtParameter(r, ref.name)
	if !ok || ref.arn && (ref.region != c.Region || ref.account != "") {
		return nil, notFound(ref.name)
	}
	if ref.selector != "" && ref.selector != ":1" {
		return nil, awserr.New("ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.",
			awserr.Clip(ref.selector[1:]), awserr.Clip(ref.name))
	}
	p := parameter(c, ref.name, i)
	if ref.selector != "" {
		p.Selector = new(ref.selector)
	}
	return &p, nil
}

// notFound: AWS's answer has no text. Where AWS may well have the parameter and
// only localvpc has not, ours says so.
func notFound(name string) error {
	if !strings.HasPrefix(name, public) {
		return awserr.New("ParameterNotFound", "")
	}
	return awserr.New("ParameterNotFound", "localvpc has the public parameters of its own images only: list them with GetParametersByPath, Path=/aws/service and Recursive; "+
		"add images with --images.")
}

// parameter describes the parameter that gives an image's id. Canonical's are of
// the image data type, Amazon's own are text.
func parameter(c authz.Caller, name string, i *state.Image) api.Parameter {
	kind := "text"
	if strings.HasPrefix(name, public+"canonical/") {
		kind = "aws:ec2:image"
	}
	return api.Parameter{
		Name: &name, Type: new(api.ParameterTypeString), Value: new(i.ID), Version: new(int64(version)),
		LastModifiedDate: new(i.Created), ARN: new(awsid.ARN("ssm", c.Region, "", "parameter"+name)), DataType: &kind,
	}
}

// GetParameter gives one parameter.
func (s *Service) GetParameter(r state.Reader, c authz.Caller, in *api.GetParameterInput) (*api.GetParameterOutput, error) {
	p, err := find(r, c, *in.Name)
	if err != nil {
		return nil, err
	}
	return &api.GetParameterOutput{Parameter: p}, nil
}

// GetParameters gives several, and the names of those that there are not.
func (s *Service) GetParameters(r state.Reader, c authz.Caller, in *api.GetParametersInput) (*api.GetParametersOutput, error) {
	out := &api.GetParametersOutput{Parameters: []api.Parameter{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		p, err := find(r, c, name)
		switch {
		case awserr.Is(err, "ParameterNotFound", "ParameterVersionNotFound"):
			out.InvalidParameters = append(out.InvalidParameters, name)
		case err != nil:
			return nil, err
		default:
			out.Parameters = append(out.Parameters, *p)
		}
	}
	return out, nil
}

// DescribeParameters lists the caller's own parameters: there are none.
func (s *Service) DescribeParameters(_ state.Reader, _ authz.Caller, in *api.DescribeParametersInput) (*api.DescribeParametersOutput, error) {
	if len(in.Filters) > 0 && len(in.ParameterFilters) > 0 {
		return nil, awserr.New("ValidationException", "You can use either Filters or ParameterFilters in a single request.")
	}
	if _, err := compile(in.ParameterFilters, describeKeys); err != nil {
		return nil, err
	}
	if in.NextToken != nil {
		return nil, invalidToken()
	}
	return &api.DescribeParametersOutput{Parameters: []api.ParameterMetadata{}}, nil
}

// ListTagsForResource lists the tags of a parameter: public ones show none.
func (s *Service) ListTagsForResource(r state.Reader, c authz.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	invalid := awserr.New("InvalidResourceId", "The resource ID isn't valid. Verify that you entered the correct ID and try again.")
	if *in.ResourceType != api.ResourceTypeForTaggingParameter {
		return nil, invalid
	}
	if _, err := find(r, c, *in.ResourceId); err != nil {
		return nil, invalid.Because(err)
	}
	return &api.ListTagsForResourceOutput{TagList: []api.Tag{}}, nil
}
