package userdata

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// config holds the actions of the cloud-config keys. A later document replaces
// the keys of an earlier one, as cloud-init's default merging does.
type config struct {
	bootcmd, files, deferred, hostname, groups, users, keys, packages, runcmd []Action
}

// quiet are keys that need nothing here and are not worth a line.
var quiet = map[string]bool{
	"preserve_hostname": true, "manage_etc_hosts": true, "package_update": true, "package_upgrade": true,
	"package_reboot_if_required": true, "ssh_pwauth": true, "disable_root": true, "output": true, "final_message": true,
	"timezone": true, "locale": true, "growpart": true, "repo_update": true, "repo_upgrade": true, "prefer_fqdn_over_hostname": true,
}

// cloudConfig reads one #cloud-config document.
func (p *parser) cloudConfig(data []byte) {
	if p.spend(len(data)) != nil {
		p.log("cloud-config: documents of more than %d bytes in all, one is ignored", MaxExpanded)
		return
	}
	var doc map[string]yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		p.log("cloud-config: %v", err)
		return
	}
	keys := make([]string, 0, len(doc))
	for key := range doc {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	c := &p.config
	for _, key := range keys {
		node := doc[key]
		switch key {
		case "bootcmd":
			c.bootcmd = p.commands(key, &node)
		case "runcmd":
			c.runcmd = p.commands(key, &node)
		case "write_files":
			p.writeFiles(&node)
		case "hostname", "fqdn":
			p.hostname(doc)
		case "groups":
			p.groups(&node)
		case "users":
			p.users(&node)
		case "ssh_authorized_keys":
			if keys := p.lines(key, &node); len(keys) > 0 {
				c.keys = []Action{AuthorizedKeys{Keys: keys}}
			}
		case "packages":
			p.packages(&node)
		default:
			if !quiet[key] {
				p.log("cloud-config: key %q is not supported here and is ignored", clip(key, 60))
			}
		}
	}
}

// decode reads node into v and says on the console when it does not fit.
func (p *parser) decode(key string, node *yaml.Node, v any) bool {
	if err := node.Decode(v); err != nil {
		p.log("cloud-config: %s: %v", key, err)
		return false
	}
	return true
}

// list reads a sequence, bounded.
func (p *parser) list(key string, node *yaml.Node) []yaml.Node {
	var list []yaml.Node
	if !p.decode(key, node, &list) {
		return nil
	}
	if len(list) > maxActions {
		p.log("cloud-config: %s: only the first %d of %d entries are used", key, maxActions, len(list))
		list = list[:maxActions]
	}
	return list
}

// text reads a scalar as the string it was written as, within the budget.
func (p *parser) text(key string, node *yaml.Node) (string, bool) {
	var s string
	if !p.decode(key, node, &s) {
		return "", false
	}
	if strings.ContainsRune(s, 0) {
		p.log("cloud-config: %s: a text contains a NUL character", key)
		return "", false
	}
	if p.spend(len(s)) != nil {
		p.log("cloud-config: %s: more than %d bytes in all", key, MaxExpanded)
		return "", false
	}
	return s, true
}

// lines reads one text or a list of texts; texts of several lines are split.
func (p *parser) lines(key string, node *yaml.Node) []string {
	nodes := []yaml.Node{*node}
	if resolve(node).Kind == yaml.SequenceNode {
		nodes = p.list(key, node)
	}
	var lines []string
	for i := range nodes {
		text, ok := p.text(key, &nodes[i])
		if !ok {
			continue
		}
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSpace(line); line != "" && len(lines) < maxActions {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func resolve(node *yaml.Node) *yaml.Node {
	for n := 0; node.Kind == yaml.AliasNode && node.Alias != nil && n < 100; n++ {
		node = node.Alias
	}
	return node
}

// commands reads bootcmd and runcmd: entries are shell texts or argument lists.
func (p *parser) commands(key string, node *yaml.Node) []Action {
	body := []byte("#!/bin/sh\n")
	empty := len(body)
	nodes := p.list(key, node)
	for i := range nodes {
		entry := resolve(&nodes[i])
		if entry.Kind == yaml.ScalarNode && entry.Tag == "!!null" {
			continue
		}
		if entry.Kind != yaml.SequenceNode {
			if text, ok := p.text(key, entry); ok {
				body = append(append(body, text...), '\n')
			}
			continue
		}
		line, ok := p.command(key, entry)
		if ok {
			body = append(append(body, line...), '\n')
		}
	}
	if len(body) == empty {
		return nil
	}
	return []Action{Script{Name: key, Body: body}}
}

// command quotes an argument list for sh.
func (p *parser) command(key string, node *yaml.Node) (string, bool) {
	words := p.list(key, node)
	quoted := make([]string, 0, len(words))
	for i := range words {
		word, ok := p.text(key, &words[i])
		if !ok || p.spend(3+3*strings.Count(word, "'")) != nil {
			return "", false
		}
		quoted = append(quoted, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " "), len(quoted) > 0
}

func (p *parser) packages(node *yaml.Node) {
	p.config.packages = nil
	nodes := p.list("packages", node)
	for i := range nodes {
		name := "(complex entry)"
		switch entry := resolve(&nodes[i]); entry.Kind {
		case yaml.ScalarNode:
			name = entry.Value
		case yaml.SequenceNode: // [name, version]
			if len(entry.Content) > 0 {
				name = resolve(entry.Content[0]).Value
			}
		}
		p.config.packages = append(p.config.packages, Log{Text: "cloud-config: package " + clip(name, 80) + " is not installed: instances use the host's own programs"})
	}
}

func (p *parser) hostname(doc map[string]yaml.Node) {
	var set Hostname
	for key, to := range map[string]*string{"hostname": &set.Name, "fqdn": &set.FQDN} {
		node, ok := doc[key]
		if !ok {
			continue
		}
		text, ok := p.text(key, &node)
		text = strings.TrimSuffix(strings.TrimSpace(text), ".")
		if ok && !validHost(text) {
			p.log("cloud-config: %s: %q is not a host name", key, clip(text, 80))
			continue
		}
		*to = text
	}
	if set.Name == "" {
		set.Name, _, _ = strings.Cut(set.FQDN, ".")
	}
	if set.FQDN == "" && strings.Contains(set.Name, ".") {
		set.FQDN = set.Name
	}
	if set.Name != "" {
		p.config.hostname = []Action{set}
	}
}

// validHost accepts what sethostname(2) and DNS both take: 1 to 64 letters,
// digits, hyphens and dots, labels neither empty nor with a hyphen at an end.
func validHost(name string) bool {
	if len(name) > 64 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
				return false
			}
		}
	}
	return true
}

// file is one entry of write_files.
type file struct {
	Path        string    `yaml:"path"`
	Content     string    `yaml:"content"`
	Source      yaml.Node `yaml:"source"`
	Encoding    string    `yaml:"encoding"`
	Permissions yaml.Node `yaml:"permissions"`
	Owner       string    `yaml:"owner"`
	Append      bool      `yaml:"append"`
	Defer       bool      `yaml:"defer"`
}

func (p *parser) writeFiles(node *yaml.Node) {
	p.config.files, p.config.deferred = nil, nil
	nodes := p.list("write_files", node)
	for i := range nodes {
		var f file
		if !p.decode("write_files", &nodes[i], &f) {
			continue
		}
		action, err := p.writeFile(&f)
		if err != nil {
			p.log("cloud-config: write_files: %s: %v", clip(f.Path, 100), err)
			continue
		}
		if f.Defer {
			p.config.deferred = append(p.config.deferred, action)
		} else {
			p.config.files = append(p.config.files, action)
		}
	}
}

func (p *parser) writeFile(f *file) (Action, error) {
	if !path.IsAbs(f.Path) || len(f.Path) > 4095 || strings.ContainsRune(f.Path, 0) {
		return nil, fmt.Errorf("the path has to be absolute")
	}
	if f.Source.Kind != 0 {
		return nil, fmt.Errorf("source is not supported, use content")
	}
	if err := p.spend(len(f.Path) + len(f.Content)); err != nil {
		return nil, err
	}
	content := []byte(f.Content)
	steps, err := stepsOf(f.Encoding)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		switch step {
		case "base64":
			content, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(content)), ""))
		case "gzip":
			content, err = p.gunzip(content)
		}
		if err != nil {
			return nil, fmt.Errorf("decoding %s: %w", step, err)
		}
	}
	mode, err := modeOf(&f.Permissions)
	if err != nil {
		return nil, err
	}
	if owner, group, _ := strings.Cut(f.Owner, ":"); owner != "" && !validName(owner) || group != "" && !validName(group) {
		return nil, fmt.Errorf("owner %q is not user:group", clip(f.Owner, 80))
	}
	return WriteFile{Path: path.Clean(f.Path), Content: content, Mode: mode, Owner: f.Owner, Append: f.Append}, nil
}

// stepsOf gives the decodings, outermost first (cloud-init, write_files:
// "gz", "gzip", "gz+base64", … , "b64", "text/plain").
func stepsOf(encoding string) ([]string, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "text/plain":
		return nil, nil
	case "b64", "base64":
		return []string{"base64"}, nil
	case "gz", "gzip":
		return []string{"gzip"}, nil
	case "gz+b64", "gz+base64", "gzip+b64", "gzip+base64":
		return []string{"base64", "gzip"}, nil
	}
	return nil, fmt.Errorf("unknown encoding %q", clip(encoding, 40))
}

// modeOf reads permissions: an octal text, or a number that YAML has read
// already. The default is 0644.
func modeOf(node *yaml.Node) (fs.FileMode, error) {
	node = resolve(node)
	if node.Kind == 0 || node.Tag == "!!null" {
		return 0o644, nil
	}
	var bits uint64
	var err error
	if node.Tag == "!!int" && !strings.HasPrefix(node.Value, "0") {
		bits, err = strconv.ParseUint(node.Value, 10, 32)
	} else {
		bits, err = strconv.ParseUint(strings.TrimPrefix(strings.TrimPrefix(node.Value, "0o"), "0O"), 8, 32)
	}
	if err != nil || bits > 0o7777 {
		return 0, fmt.Errorf("permissions %q are not octal", clip(node.Value, 20))
	}
	mode := fs.FileMode(bits & 0o777)
	for bit, flag := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode, nil
}
