// Package service is what the services have in common: an action is one AWS
// operation as a function over the state, and running it is the same for all.
//
// Invariant: an action sees nothing but its transaction or snapshot, its caller
// and its input; DryRun and idempotency tokens are settled here, once, before
// and after it, and never inside an action.
package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// Action is one operation that is served.
type Action struct {
	Name string
	// Service is the wire's name of the service, which whoever lists actions sets.
	Service string
	In      reflect.Type // the input's struct
	out     reflect.Type
	read    func(state.Reader, authz.Caller, any) (any, error)
	write   func(tx *state.Tx, c authz.Caller, in, prepared any) (any, error)
	// prepare does what takes long and needs no transaction; see Prepared.
	prepare func(state.Reader, authz.Caller, any) (any, error)
}

// Read makes an action that only looks. The input is a pointer to the wire
// type, the output likewise.
func Read[In, Out any](name string, fn func(state.Reader, authz.Caller, *In) (*Out, error)) Action {
	return Action{Name: name, In: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		read: func(r state.Reader, c authz.Caller, in any) (any, error) { return result(fn(r, c, in.(*In))) }}
}

// Write makes an action that changes state.
func Write[In, Out any](name string, fn func(*state.Tx, authz.Caller, *In) (*Out, error)) Action {
	return Action{Name: name, In: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		write: func(tx *state.Tx, c authz.Caller, in, _ any) (any, error) { return result(fn(tx, c, in.(*In))) }}
}

// Prepared makes an action that changes state with something that takes long to
// make, a key for example: prepare makes it beforehand, so that no other
// transaction waits, and may refuse early from what the snapshot says; fn
// decides again, in the transaction.
func Prepared[In, P, Out any](name string, prepare func(state.Reader, authz.Caller, *In) (P, error), fn func(*state.Tx, authz.Caller, *In, P) (*Out, error)) Action {
	return Action{Name: name, In: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		prepare: func(r state.Reader, c authz.Caller, in any) (any, error) { return prepare(r, c, in.(*In)) },
		write: func(tx *state.Tx, c authz.Caller, in, p any) (any, error) {
			return result(fn(tx, c, in.(*In), p.(P)))
		}}
}

// result keeps a nil *Out from becoming a non-nil any beside an error.
func result[Out any](out *Out, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Mutates says whether the action changes state.
func (a Action) Mutates() bool { return a.write != nil }

// NewInput makes an empty input for the decoder to fill.
func (a Action) NewInput() any { return reflect.New(a.In).Interface() }

// Run performs the action. For one that changes state it returns when the
// change is durable, with the index of the commit. With DryRun nothing is
// changed, and the error is the one that the action would have given, or
// DryRunOperation.
func (a Action) Run(ctx context.Context, store *state.Store, c authz.Caller, in any) (out any, index uint64, err error) {
	dry := flag(in, "DryRun")
	if a.read != nil {
		snap := store.Snapshot()
		if out, err = a.read(snap, c, in); err == nil && dry {
			return nil, 0, wouldSucceed()
		}
		return out, snap.Index, err
	}
	var prepared any
	if a.prepare != nil {
		if prepared, err = a.prepare(store.Snapshot(), c, in); err != nil {
			return nil, 0, err
		}
	}
	index, err = store.Write(ctx, func(tx *state.Tx) (err error) {
		if out, err = a.once(tx, c, in, prepared); err == nil && dry {
			return wouldSucceed() // the transaction is not committed
		}
		return err
	})
	if err != nil {
		return nil, index, err
	}
	return out, index, nil
}

func wouldSucceed() error {
	return awserr.New("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
}

// once runs the action unless its idempotency token was used before: the same
// token with the same parameters gives the same answer, with other parameters
// an error (EC2 API Reference, "Ensuring idempotency").
func (a Action) once(tx *state.Tx, c authz.Caller, in, prepared any) (any, error) {
	token := text(in, "ClientToken")
	if token == "" {
		return a.write(tx, c, in, prepared)
	}
	if !validToken(token) {
		return nil, awserr.New("InvalidClientToken", "The specified client token is not valid: it has at most %d ASCII characters.", maxToken)
	}
	key := c.Scope.Key(a.Name + " " + token)
	parameters := digest(in)
	if used, ok := state.ClientTokens.Get(tx, key); ok {
		if used.Parameters != parameters {
			return nil, awserr.New("IdempotentParameterMismatch", "The client token '%s' was used in a request with different parameters.", token)
		}
		out := reflect.New(a.out).Interface()
		if err := json.Unmarshal(used.Response, out); err != nil {
			return nil, fmt.Errorf("reading the answer kept for token %s: %w", key, err)
		}
		return out, nil
	}
	out, err := a.write(tx, c, in, prepared)
	if err != nil {
		return nil, err
	}
	response, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("keeping the answer of %s: %w", a.Name, err)
	}
	state.ClientTokens.Put(tx, &state.ClientToken{
		Meta:       state.Meta{Key: key, Created: tx.Now()},
		Parameters: parameters, Response: response,
	})
	return out, nil
}

// maxToken bounds a client token (EC2 API Reference, "Ensuring idempotency").
const maxToken = 64

func validToken(token string) bool {
	for i := range len(token) {
		if token[i] < ' ' || token[i] > '~' {
			return false
		}
	}
	return len(token) <= maxToken
}

func digest(in any) string {
	b, err := json.Marshal(in)
	if err != nil {
		panic(fmt.Sprintf("service: %T cannot be encoded: %v", in, err)) // wire types are plain data
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// flag and text read an optional member that many inputs have.
func flag(in any, name string) bool {
	if v, ok := member(in, name).(*bool); ok && v != nil {
		return *v
	}
	return false
}

func text(in any, name string) string {
	if v, ok := member(in, name).(*string); ok && v != nil {
		return *v
	}
	return ""
}

func member(in any, name string) any {
	v := reflect.ValueOf(in).Elem().FieldByName(name)
	if !v.IsValid() {
		return nil
	}
	return v.Interface()
}
