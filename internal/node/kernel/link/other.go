//go:build !linux

package link

import "errors"

// CanDelay: there are no links elsewhere.
func CanDelay() error { return errors.New("links are Linux's") }
