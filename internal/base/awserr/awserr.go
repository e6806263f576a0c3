// Package awserr holds the one error type of the API: AWS's code and message with
// the HTTP status they travel under. Invariant: Code and Message may be sent to the
// caller as they are; what only an operator may read is the cause, which is logged
// and never sent.
package awserr

import (
	"errors"
	"fmt"
)

// Error is what a caller of the API sees. Values are not changed once made.
type Error struct {
	Code    string // AWS's code: InvalidParameterValue
	Message string // AWS's text, without the code
	Status  int    // HTTP status
	cause   error
}

// New makes an error with the status that belongs to the code (see Status).
func New(code, format string, args ...any) *Error {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	return &Error{Code: code, Message: message, Status: Status(code)}
}

// Error gives code and message; the cause is left to the log.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap gives the inner cause, nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// Because returns a copy of e that carries cause for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithStatus returns a copy of e with another HTTP status, for services that model
// one (IAM's NoSuchEntity is 404).
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.Status = status
	return &c
}

// Sender says whether the fault is the caller's ("Sender" in the query protocol).
func (e *Error) Sender() bool { return e.Status < 500 }

// As finds an *Error in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// From is As for an answer: an error that is not ours becomes InternalError with
// err as its cause. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := As(err); ok {
		return e
	}
	return Internal(err)
}

// Is says whether err carries one of the codes.
func Is(err error, codes ...string) bool {
	e, ok := As(err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if e.Code == code {
			return true
		}
	}
	return false
}

// Status is the HTTP status under which AWS sends a code (EC2 API reference, "Error
// codes for the Amazon EC2 API"; "Common errors" of the query services): 400 unless
// the code says otherwise.
func Status(code string) int {
	switch code {
	case "AuthFailure":
		return 401
	case "UnauthorizedOperation", "OptInRequired", "AccessDenied", "Blocked", "PendingVerification",
		"IncompleteSignature", "InvalidClientTokenId", "MissingAuthenticationToken", "SignatureDoesNotMatch", "ExpiredToken":
		return 403
	case "DryRunOperation":
		return 412
	case "RequestEntityTooLarge":
		return 413
	case "InternalError", "InternalFailure":
		return 500
	case "RequestLimitExceeded", "Unavailable", "ServiceUnavailable", "InsufficientInstanceCapacity", "InsufficientAddressCapacity":
		return 503
	}
	return 400
}
