package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// model is one service's file in internal/aws/model, as export/export.mjs writes it.
type model struct {
	Source, Service, Protocol, Version, Xmlns string
	Target                                    string // JSON: prefix of X-Amz-Target
	Signing                                   string // name in signatures, if another

	Operations map[string]operation
	Errors     map[string]apiError
	Shapes     map[string]structure
	Enums      map[string][]string

	names       []string            // every operation of the service, served or not, sorted
	constraints map[string][]string // enum or Structure.Member → words
}

// operation names the structures of an action; an empty name is an action without members.
type operation struct {
	Input, Output string

	Method, Path string // REST: the request line, labels as {Member}
	Status       int    // REST: of a successful answer
}

// apiError is a modelled error: the code on the wire and the HTTP status.
type apiError struct {
	Code   string
	Status int
}

// structure keeps the order of its members: AWS's own, required members first.
type structure struct{ Members members }

// member is a structure's member or a list's element.
type member struct {
	name string

	Type                       string  // string boolean integer long float double timestamp blob structure list map
	Shape                      string  // of a structure
	List                       *member // of a list: its element; of a map: its value, the key is text
	Enum                       string
	Query                      string // ec2QueryName: the request key
	XML                        string // xmlName
	Required, Token, Sensitive bool

	Label  bool   // REST: stands in the path
	Param  string // REST: key in the query string
	Header string // REST: name of the header
}

type members []member

func (m *members) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		next := member{}
		if err := dec.Decode(&next); err != nil {
			return fmt.Errorf("member %v: %w", key, err)
		}
		next.name = key.(string)
		*m = append(*m, next)
	}
	return nil
}

// load reads the model of a service and what is kept by hand beside it.
func load(dir, service string) (*model, error) {
	data, err := os.ReadFile(filepath.Join(dir, service+".json"))
	if err != nil {
		return nil, err
	}
	m := &model{constraints: map[string][]string{}}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("reading model of %s: %w", service, err)
	}
	names, err := os.ReadFile(filepath.Join(dir, service+"-operations.txt"))
	if err != nil {
		return nil, err
	}
	m.names = strings.Fields(string(names))
	rows, err := table(filepath.Join(dir, "constraints.tsv"))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if len(row) != 3 {
			return nil, fmt.Errorf("constraints.tsv: want 3 columns, got %q", row)
		}
		if row[0] == service {
			m.constraints[row[1]] = strings.Fields(row[2])
		}
	}
	return m, m.checkActions(filepath.Join(dir, "actions.tsv"))
}

// checkActions refuses a model that was not exported with the current list of actions.
func (m *model) checkActions(path string) error {
	rows, err := table(path)
	if err != nil {
		return err
	}
	listed := 0
	for _, row := range rows {
		if row[0] != m.Service {
			continue
		}
		listed++
		if _, ok := m.Operations[row[1]]; !ok {
			return fmt.Errorf("%s lists %s %s, which %s.json does not have: run wiregen/export", path, m.Service, row[1], m.Service)
		}
	}
	if listed != len(m.Operations) {
		return fmt.Errorf("%s.json has %d operations, %s lists %d: run wiregen/export", m.Service, len(m.Operations), path, listed)
	}
	return nil
}

// table reads tab-separated rows; lines that begin with # are comments.
func table(path string) ([][]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		rows = append(rows, strings.Split(line, "\t"))
	}
	return rows, nil
}
