package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// services that have a model.
var services = []string{"ec2", "elbv2", "iam", "route53", "servicequotas", "ssm", "sts"}

// TestFresh regenerates in memory: what is committed is what the model gives.
func TestFresh(t *testing.T) {
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			m, err := load("../model", service)
			if err != nil {
				t.Fatal(err)
			}
			files, err := generate(m)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join("../wire", service)
			for name, want := range files {
				got, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Errorf("%v: run go generate ./internal/aws/...", err)
				} else if !bytes.Equal(got, want) {
					t.Errorf("%s is stale: run go generate ./internal/aws/...", name)
				}
			}
			committed, err := filepath.Glob(filepath.Join(dir, "*_gen.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range committed {
				if files[filepath.Base(path)] == nil {
					t.Errorf("%s is left over: run go generate ./internal/aws/...", path)
				}
			}
		})
	}
}

// TestNoProse: the model holds names and shapes; a long text would be documentation.
func TestNoProse(t *testing.T) {
	for _, service := range services {
		m, err := load("../model", service)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range m.Enums {
			for _, v := range values {
				if len(v) > 80 {
					t.Errorf("%s: value of %s has %d characters", service, name, len(v))
				}
			}
		}
		for name, s := range m.Shapes {
			for _, mem := range s.Members {
				if mem.Type == "" || mem.List != nil && mem.List.Type == "" {
					t.Errorf("%s: %s.%s has no type", service, name, mem.name)
				}
			}
		}
		for key := range m.constraints {
			if !m.constrains(key) {
				t.Errorf("constraints.tsv: %s has no enum or member %s", service, key)
			}
		}
	}
}

func (m *model) constrains(key string) bool {
	if _, ok := m.Enums[key]; ok {
		return true
	}
	for name, s := range m.Shapes {
		for _, mem := range s.Members {
			if name+"."+mem.name == key {
				return true
			}
		}
	}
	return false
}

func TestCamel(t *testing.T) {
	tests := map[string]string{"pending-acceptance": "PendingAcceptance", "v2.0": "V20", "default": "Default", "ipv4_only": "Ipv4Only"}
	for value, want := range tests {
		if got := camel(value); got != want {
			t.Errorf("camel(%q) = %q, want %q", value, got, want)
		}
	}
}
