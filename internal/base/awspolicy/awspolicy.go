// Package awspolicy is AWS's managed policies, those that people attach.
//
// Invariant: data only: names and paths are AWS's, each document grants what
// AWS's of that name grants for the services that can be met here, in words of
// our own.
package awspolicy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

//go:embed policies.json
var text []byte

// Policy is one of AWS's managed policies, in its only version, v1.
type Policy struct {
	Name, Path, Description string
	Document                json.RawMessage
}

const prefix = "arn:aws:iam::aws:policy"

// ARN names the policy.
func (p *Policy) ARN() string { return prefix + p.Path + p.Name }

// UniqueID is the policy's id: 21 letters, the same always.
func (p *Policy) UniqueID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	id, sum := []byte("ANPA"), uint64(14695981039346656037)
	for range 17 {
		for i := range len(p.Name) {
			sum = (sum ^ uint64(p.Name[i])) * 1099511628211
		}
		id = append(id, letters[sum>>59])
	}
	return string(id)
}

var all = sync.OnceValue(func() []*Policy {
	var list []*Policy
	if err := json.Unmarshal(text, &list); err != nil {
		panic(fmt.Sprintf("awspolicy: %v", err)) // a test reads it
	}
	return list
})

// All is every policy, by name.
func All() []*Policy { return all() }

var byARN = sync.OnceValue(func() map[string]*Policy {
	m := map[string]*Policy{}
	for _, p := range all() {
		m[p.ARN()] = p
	}
	return m
})

// Lookup finds a policy by its ARN.
func Lookup(arn string) (*Policy, bool) {
	if !strings.HasPrefix(arn, prefix) {
		return nil, false
	}
	p, ok := byARN()[arn]
	return p, ok
}
