// Package awsid makes and checks AWS's identifiers: resource ids of the form
// prefix-17 hex digits (8 for old ones), and ARNs.
//
// Invariant: pure; randomness is an argument.
package awsid

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// New makes an id: the prefix, a dash and 17 hexadecimal digits, the first of
// which is 0 as in AWS's own (EC2 User Guide, "Resource IDs").
func New(prefix string, rand io.Reader) string {
	var b [8]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		panic(fmt.Sprintf("awsid: reading randomness: %v", err)) // crypto/rand never fails
	}
	return prefix + "-0" + hex.EncodeToString(b[:])
}

// Valid says whether id has the prefix followed by 8 or 17 lower-case
// hexadecimal digits.
func Valid(prefix, id string) bool {
	rest, ok := strings.CutPrefix(id, prefix+"-")
	if !ok || len(rest) != 8 && len(rest) != 17 {
		return false
	}
	for _, c := range rest {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Prefix is the part of an id before the last dash: "vpc", "sgr", "dopt".
func Prefix(id string) string {
	i := strings.LastIndexByte(id, '-')
	if i < 0 {
		return ""
	}
	return id[:i]
}

// ARN builds an Amazon Resource Name in the partition of the Region.
func ARN(service, region, account, resource string) string {
	return "arn:" + Partition(region) + ":" + service + ":" + region + ":" + account + ":" + resource
}

// Partition of a Region: aws, aws-cn or aws-us-gov.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
