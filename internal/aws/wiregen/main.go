// Command wiregen writes the Go types of one AWS service from its model in
// internal/aws/model. Invariant: its output is a function of the files in that
// directory and nothing else, so `go generate ./internal/aws/...` on any machine
// gives the same bytes, which a test compares with what is committed.
//
// The model itself comes from outside, once per update: see export/export.mjs.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: wiregen SERVICE MODEL_DIR OUTPUT_DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "wiregen:", err)
		os.Exit(1)
	}
}

func run(service, modelDir, outDir string) error {
	m, err := load(modelDir, service)
	if err != nil {
		return err
	}
	files, err := generate(m)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(outDir, "*_gen.go"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, kept := files[filepath.Base(path)]; !kept {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(outDir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
