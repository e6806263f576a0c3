package userdata

import (
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// groups reads the top-level key: a list of names, or of {name: [members]}; or
// one such mapping.
func (p *parser) groups(node *yaml.Node) {
	p.config.groups = nil
	nodes := []yaml.Node{*node}
	if resolve(node).Kind == yaml.SequenceNode {
		nodes = p.list("groups", node)
	}
	for i := range nodes {
		entry := resolve(&nodes[i])
		if entry.Kind != yaml.MappingNode {
			for _, name := range p.names("groups", entry) {
				p.config.groups = append(p.config.groups, Group{Name: name})
			}
			continue
		}
		for j := 0; j+1 < len(entry.Content) && j < 2*maxActions; j += 2 {
			name := entry.Content[j].Value
			if !validName(name) {
				p.log("cloud-config: groups: %q is not a group name", clip(name, 60))
				continue
			}
			p.config.groups = append(p.config.groups, Group{Name: name, Members: p.names("groups", entry.Content[j+1])})
		}
	}
}

// user is one entry of users.
type user struct {
	Name         string    `yaml:"name"`
	UID          yaml.Node `yaml:"uid"`
	Gecos        string    `yaml:"gecos"`
	Home         string    `yaml:"homedir"`
	NoHome       bool      `yaml:"no_create_home"`
	Shell        string    `yaml:"shell"`
	PrimaryGroup string    `yaml:"primary_group"`
	Groups       yaml.Node `yaml:"groups"`
	Sudo         yaml.Node `yaml:"sudo"`
	Keys         yaml.Node `yaml:"ssh_authorized_keys"`
	OldKeys      yaml.Node `yaml:"ssh-authorized-keys"`
	Passwd       string    `yaml:"passwd"`
	PlainPasswd  string    `yaml:"plain_text_passwd"`
	HashedPasswd string    `yaml:"hashed_passwd"`
}

func (p *parser) users(node *yaml.Node) {
	p.config.users = nil
	nodes := p.list("users", node)
	for i := range nodes {
		entry := resolve(&nodes[i])
		if entry.Kind == yaml.ScalarNode {
			for _, name := range p.names("users", entry) {
				if name != "default" {
					p.config.users = append(p.config.users, User{Name: name})
				}
			}
			continue
		}
		var u user
		if !p.decode("users", entry, &u) {
			continue
		}
		if action, ok := p.user(&u); ok {
			p.config.users = append(p.config.users, action)
		}
	}
}

func (p *parser) user(u *user) (User, bool) {
	if !validName(u.Name) {
		p.log("cloud-config: users: %q is not a user name", clip(u.Name, 60))
		return User{}, false
	}
	if u.Passwd != "" || u.PlainPasswd != "" || u.HashedPasswd != "" {
		p.log("cloud-config: users: the password of %s is ignored: passwords stay locked", u.Name)
	}
	if p.spend(len(u.Gecos)+len(u.Home)+len(u.Shell)) != nil {
		return User{}, false
	}
	for key, value := range map[string]string{"gecos": u.Gecos, "homedir": u.Home, "shell": u.Shell} {
		if strings.ContainsAny(value, ":\n\r\x00") || key != "gecos" && value != "" && !path.IsAbs(value) {
			p.log("cloud-config: users: %s: %s %q is refused", u.Name, key, clip(value, 60))
			return User{}, false
		}
	}
	if u.PrimaryGroup != "" && !validName(u.PrimaryGroup) {
		p.log("cloud-config: users: %s: %q is not a group name", u.Name, clip(u.PrimaryGroup, 60))
		return User{}, false
	}
	action := User{Name: u.Name, Gecos: u.Gecos, Home: u.Home, NoHome: u.NoHome, Shell: u.Shell, PrimaryGroup: u.PrimaryGroup}
	if id := resolve(&u.UID); id.Kind != 0 && id.Tag != "!!null" {
		var uid int
		if !p.decode("users: uid", id, &uid) {
			return User{}, false
		}
		if uid < 1 || uid > 60000 {
			p.log("cloud-config: users: %s: uid %d is outside 1-60000", u.Name, uid)
			return User{}, false
		}
		action.UID = uid
	}
	if u.Groups.Kind != 0 {
		action.Groups = p.names("users: groups", &u.Groups)
	}
	if sudo := resolve(&u.Sudo); sudo.Kind != 0 && sudo.Tag != "!!null" && sudo.Tag != "!!bool" {
		action.Sudo = p.lines("users: sudo", sudo)
	}
	for _, keys := range []*yaml.Node{&u.Keys, &u.OldKeys} {
		if keys.Kind != 0 {
			action.Keys = append(action.Keys, p.lines("users: ssh_authorized_keys", keys)...)
		}
	}
	return action, true
}

// names reads a list, or one text of names with commas between.
func (p *parser) names(key string, node *yaml.Node) []string {
	if n := resolve(node); n.Kind == 0 || n.Tag == "!!null" {
		return nil
	}
	var names []string
	for _, line := range p.lines(key, node) {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			switch {
			case name == "":
			case !validName(name):
				p.log("cloud-config: %s: %q is not a name", key, clip(name, 60))
			case len(names) < maxActions:
				names = append(names, name)
			}
		}
	}
	return names
}

// validName accepts names as useradd(8) does.
func validName(name string) bool {
	if name == "" || len(name) > 32 {
		return false
	}
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || !(r == '-' || r == '.' || '0' <= r && r <= '9')) {
			return false
		}
	}
	return true
}
