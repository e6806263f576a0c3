//go:build !linux

// Package guest is what runs inside an instance: its init. Instances need
// Linux; elsewhere this process is never one.
package guest

import "os"

// IsInit tells whether this process was started to be an instance's init.
func IsInit() bool { return false }

// Run is never reached.
func Run() { os.Exit(2) }
