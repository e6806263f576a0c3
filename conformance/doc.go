// Package conformance checks localvpc against what others have recorded of AWS.
//
// Invariant: nothing here was written to fit localvpc: the data lies outside the
// repository, beside it, and each test says why it is skipped where it is absent.
package conformance
