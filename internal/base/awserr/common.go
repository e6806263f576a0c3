package awserr

// The texts here are those that every EC2 action shares; a resource's own codes
// (InvalidVpcID.NotFound …) stand beside the resource in its service.

// MissingParameter: a required parameter is absent. name is as the request spells it.
func MissingParameter(name string) *Error {
	return New("MissingParameter", "The request must contain the parameter %s", name)
}

// InvalidParameterValue: value is not one that parameter name (lower camel case, as
// EC2's messages have it) can take. why ends the sentence: "This is not a valid CIDR block."
func InvalidParameterValue(name, value, why string) *Error {
	return New("InvalidParameterValue", "Value (%s) for parameter %s is invalid. %s", Clip(value), name, why)
}

// InvalidParameterCombination: parameters that exclude each other.
func InvalidParameterCombination(format string, args ...any) *Error {
	return New("InvalidParameterCombination", format, args...)
}

// UnknownParameter: the action has no parameter of that name.
func UnknownParameter(name string) *Error {
	return New("UnknownParameter", "The parameter %s is not recognized", Clip(name))
}

// DryRun is the answer to a permitted request with DryRun=true.
func DryRun() *Error {
	return New("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
}

// IdempotentParameterMismatch: a client token came again with other parameters.
func IdempotentParameterMismatch(token string) *Error {
	return New("IdempotentParameterMismatch", "The client token %s was already used with different parameters.", Clip(token))
}

// Internal hides cause behind InternalError.
func Internal(cause error) *Error {
	return New("InternalError", "An internal error has occurred").Because(cause)
}

// maxClip is the longest piece of a caller's own text that a message repeats, in bytes.
const maxClip = 256

// Clip shortens text from outside for use in a message, on a rune's border.
func Clip(s string) string {
	if len(s) <= maxClip {
		return s
	}
	end := 0
	for i := range s {
		if i > maxClip {
			break
		}
		end = i
	}
	return s[:end] + "…"
}
