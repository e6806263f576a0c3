// Package proto is AWS's wire protocols, both directions: a request becomes an
// Input, an Output becomes an answer, and for our own client the reverse.
// Invariant: a codec knows names, types and bounds, never a resource; whatever
// comes from outside is bounded before it is looked at, and what is refused is
// refused with the code and text of AWS.
//
// One protocol is one value of type Protocol. Here are EC2 (ec2.go) and Query
// (query.go: sts, later iam, elbv2, autoscaling), which share form.go, decode.go
// and encode.go for requests and xmlwrite.go and xmlread.go for answers; and JSON
// (json.go: ssm, later route53resolver), which reads and writes both with
// jsonread.go and jsonwrite.go; and REST-XML (restxml.go: route53), with a table of
// routes in front (restroute.go), restread.go for requests and xmlwrite.go and
// xmlread.go for answers.
//
// Types describe themselves by struct tags (shape.go); a description is built when
// a type is first seen, so that a process that serves three actions pays for three.
package proto

import (
	"bytes"
	"net/http"
	"sort"
	"sync"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// API is one service as its codecs see it. Values are made by wiregen; they are
// safe for concurrent use and must not be copied.
type API struct {
	Service   string // "ec2", the name in the model
	Signing   string // the name in signatures where it is another: "elasticloadbalancing"
	Version   string // "2016-11-15"
	Namespace string // of the answers' root element (XML)
	Target    string // "AmazonSSM", the service in X-Amz-Target (JSON)
	Protocol  Protocol

	Actions []Action              // actions with types, sorted by name
	Names   []string              // names of all actions of the service, sorted
	Enum    func(string) []string // values of an enum; nil: open
	shapes  sync.Map              // reflect.Type → *shape

	routing sync.Once // of routes, at the first request
	routes  []route   // REST: sorted as they are tried
}

// Action is one operation of a service.
type Action struct {
	Name      string
	NewInput  func() any // *NameInput
	NewOutput func() any // *NameOutput

	// REST-XML: the request line, with labels as {Member}; the status of a
	// successful answer; the root elements of the bodies.
	Method, Path  string
	Status        int
	Root, OutRoot string
}

// Protocol is one of AWS's wire protocols.
type Protocol interface {
	// Action names the action that a request asks for.
	Action(*API, *Request) (string, error)
	// DecodeInput fills in (*ActionInput) from a request. The error is an *awserr.Error.
	DecodeInput(a *API, action string, r *Request, in any) error
	// EncodeOutput writes the body of a successful answer. out is *ActionOutput.
	EncodeOutput(b *bytes.Buffer, a *API, action, requestID string, out any)
	// EncodeError writes the body of an error answer.
	EncodeError(b *bytes.Buffer, a *API, requestID string, err *awserr.Error)
	// ErrorHeader sets what an error answer says in its header.
	ErrorHeader(h http.Header, err *awserr.Error)
	// Spell gives an error that all services share (InvalidAction, IncompleteSignature
	// …) the code and status that it has in this protocol; any other as it is. Who
	// answers calls it before EncodeError.
	Spell(err *awserr.Error) *awserr.Error
	// ContentType is that of both answers.
	ContentType() string
	// OutputHeader sets what a successful answer says in its header, and gives its
	// status.
	OutputHeader(h http.Header, a *API, action string, out any) int

	// Target is the method, and the path with its query, of a request: the client's side.
	Target(a *API, action string, in any) (method, path string)
	// InputHeader sets what a request says in its header: the client's side.
	InputHeader(h http.Header, a *API, action string)
	// EncodeInput writes the body of a request.
	EncodeInput(b *bytes.Buffer, a *API, action string, in any)
	// DecodeOutput fills out (*ActionOutput) from an answer's body, and DecodeHeader
	// from its header.
	DecodeOutput(a *API, action string, body []byte, out any) error
	DecodeHeader(a *API, h http.Header, out any)
	// DecodeError reads an error answer; the result is never nil.
	DecodeError(a *API, status int, body []byte) *awserr.Error
}

// rpc is what the protocols have in common that post to one path and say
// everything in the body.
type rpc struct{}

func (rpc) OutputHeader(http.Header, *API, string, any) int { return http.StatusOK }

func (rpc) Target(*API, string, any) (method, path string) { return http.MethodPost, "/" }

func (rpc) DecodeHeader(*API, http.Header, any) {}

// Lookup returns the action of that name if there are types for it.
func (a *API) Lookup(name string) (*Action, bool) {
	i := sort.Search(len(a.Actions), func(i int) bool { return a.Actions[i].Name >= name })
	if i == len(a.Actions) || a.Actions[i].Name != name {
		return nil, false
	}
	return &a.Actions[i], true
}

// Known says whether the service has an action of that name, typed or not.
func (a *API) Known(name string) bool {
	i := sort.SearchStrings(a.Names, name)
	return i < len(a.Names) && a.Names[i] == name
}

// InvalidAction is the answer to an action that is unknown or not served: AWS's
// own for a name that an endpoint does not know.
func InvalidAction(name string) *awserr.Error {
	return awserr.New("InvalidAction", "The action %s is not valid for this web service.", awserr.Clip(name))
}
