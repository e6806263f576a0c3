package ssm

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ssm"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

// key is one key of ParameterStringFilter (Systems Manager API Reference,
// ParameterStringFilter).
type key struct {
	name    string
	options []string
	values  []string // nil: any
	holds   func(*api.Parameter) string
}

var equals, begins = []string{"Equals"}, []string{"BeginsWith", "Equals"}

// keys of filters. Public parameters are not encrypted and have no labels, so
// that these match none.
var (
	typeKey  = key{"Type", begins, []string{api.ParameterTypeString, api.ParameterTypeStringList, api.ParameterTypeSecureString}, func(p *api.Parameter) string { return *p.Type }}
	keyIDKey = key{"KeyId", equals, nil, nil}
	labelKey = key{"Label", equals, nil, nil}

	// pathKeys are those of GetParametersByPath.
	pathKeys = []key{typeKey, keyIDKey, labelKey}
	// describeKeys are those of DescribeParameters, beside tag:….
	describeKeys = []key{
		{"Path", []string{"Recursive", "OneLevel"}, nil, nil},
		{"Name", []string{"BeginsWith", "Equals", "Contains"}, nil, nil},
		typeKey, keyIDKey,
		{"Tier", equals, []string{api.ParameterTierStandard, api.ParameterTierAdvanced, api.ParameterTierIntelligentTiering}, nil},
		{"DataType", equals, nil, nil},
		{"tag:", equals, nil, nil},
	}
)

// compile checks filters; pass says whether a parameter passes all of them.
// Errors: InvalidFilterKey, InvalidFilterOption, InvalidFilterValue.
func compile(filters []api.ParameterStringFilter, keys []key) (pass func(*api.Parameter) bool, err error) {
	var tests []func(*api.Parameter) bool
	seen := map[string]bool{}
	for _, f := range filters {
		name := *f.Key
		at := slices.IndexFunc(keys, func(k key) bool {
			return k.name == name || k.name == "tag:" && strings.HasPrefix(name, "tag:")
		})
		if at < 0 {
			return nil, awserr.New("InvalidFilterKey", "The following filter key is not valid: %s. Valid filter keys include: [%s].", awserr.Clip(name), keyNames(keys))
		}
		if seen[name] {
			return nil, awserr.New("InvalidFilterKey", "The following filter is duplicated in the request: %s. A request can contain only one occurrence of a specific filter.", awserr.Clip(name))
		}
		seen[name] = true
		test, err := keys[at].test(f)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	return func(p *api.Parameter) bool {
		return !slices.ContainsFunc(tests, func(t func(*api.Parameter) bool) bool { return !t(p) })
	}, nil
}

func (k key) test(f api.ParameterStringFilter) (func(*api.Parameter) bool, error) {
	option := k.options[len(k.options)-1]
	if slices.Contains(k.options, "Equals") {
		option = "Equals"
	}
	if f.Option != nil {
		if option = *f.Option; !slices.Contains(k.options, option) {
			return nil, awserr.New("InvalidFilterOption", "The following filter option is not valid: %s. Valid options include: [%s].", awserr.Clip(option), strings.Join(k.options, ", "))
		}
	}
	if len(f.Values) == 0 && k.name != "tag:" {
		return nil, awserr.New("InvalidFilterValue", "The following filter values are missing : null for filter key %s.", k.name)
	}
	for _, v := range f.Values {
		if k.values != nil && option == "Equals" && !slices.Contains(k.values, v) {
			return nil, awserr.New("InvalidFilterValue", "The following filter value is not valid: %s. Valid values include: [%s].", awserr.Clip(v), strings.Join(k.values, ", "))
		}
	}
	return func(p *api.Parameter) bool {
		return k.holds != nil && slices.ContainsFunc(f.Values, func(v string) bool {
			return k.holds(p) == v || option == "BeginsWith" && strings.HasPrefix(k.holds(p), v)
		})
	}, nil
}

func keyNames(keys []key) string {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}
