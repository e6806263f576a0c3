package ec2

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"iter"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

// paging is what a describe action says about its pages. A token goes on after
// the last row of the page before, so that rows which come and go meanwhile
// neither shift nor repeat the others; it is good for the same action, caller's
// scope and filters only.
type paging struct {
	action  string // "DescribeVpcs"
	scope   state.Scope
	max     *int32  // MaxResults; the wire decoder has checked its bounds
	token   *string // NextToken
	filters []api.Filter
	ids     []string // ids that were asked for: they exclude MaxResults
	set     string   // what AWS calls them in that error: "vpcSet"
}

// page cuts rows, which come in the order of key, down to the page asked for.
// next is nil on the last page. Errors: InvalidParameterCombination,
// InvalidParameterValue for a token that was not made here for this request.
func page[T any](rows iter.Seq[*T], key func(*T) string, p paging) (out []*T, next *string, err error) {
	after, err := p.check()
	if err != nil {
		return nil, nil, err
	}
	limit := -1
	if p.max != nil {
		limit = int(*p.max)
	}
	for row := range rows {
		if p.token != nil && key(row) <= after {
			continue
		}
		if len(out) == limit {
			return out, ptr(p.seal(key(out[len(out)-1]))), nil
		}
		out = append(out, row)
	}
	return out, nil, nil
}

// check gives the key that the page begins after. Actions that list what has no
// rows call it alone.
func (p paging) check() (after string, err error) {
	if len(p.ids) > 0 && p.max != nil {
		return "", awserr.InvalidParameterCombination("The parameter %s cannot be used with the parameter maxResults", p.set)
	}
	if p.max != nil && *p.max < 1 {
		return "", awserr.InvalidParameterValue("maxResults", "0", "Expecting a value greater than 0.")
	}
	if p.token == nil {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*p.token)
	if err == nil && len(raw) > sealSize {
		after = string(raw[sealSize:])
		if bytes.Equal(raw[:sealSize], p.sum(after)) {
			return after, nil
		}
	}
	return "", awserr.New("InvalidParameterValue", "Value ( %s ) for parameter NextToken is invalid. The token is invalid.", awserr.Clip(*p.token))
}

const sealSize = 12

func (p paging) seal(after string) string {
	return base64.RawURLEncoding.EncodeToString(append(p.sum(after), after...))
}

// sum ties a position to its request. It is a checksum, not a secret: a position
// in one's own listing opens nothing.
func (p paging) sum(after string) []byte {
	b, err := json.Marshal([]any{p.action, p.scope, p.filters, after})
	if err != nil {
		panic("ec2: filters are plain data: " + err.Error())
	}
	h := sha256.Sum256(b)
	return h[:sealSize]
}
