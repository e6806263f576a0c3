package userdata

import "io/fs"

// maxActions bounds the actions of one kind.
const maxActions = 1000

// Action is one step of a first boot: Log, WriteFile, Hostname, Group, User,
// AuthorizedKeys or Script.
type Action interface{ action() }

// Log is a line for the console.
type Log struct{ Text string }

// WriteFile writes Content to the absolute Path. Owner is "user:group", either
// may be empty.
type WriteFile struct {
	Path    string
	Content []byte
	Mode    fs.FileMode // permission bits with setuid, setgid and sticky as in chmod
	Owner   string
	Append  bool
}

// Hostname sets the host name; FQDN may be empty.
type Hostname struct{ Name, FQDN string }

// Group creates a group and puts existing users into it.
type Group struct {
	Name    string
	Members []string
}

// User creates a user, or adds to an existing one.
type User struct {
	Name         string
	UID          int // 0: the next free one from 1000
	Gecos        string
	Home         string // empty: /home/Name
	NoHome       bool
	Shell        string // empty: /bin/sh
	PrimaryGroup string // empty: a group of the user's name
	Groups       []string
	Sudo         []string // rules as after the user's name in sudoers
	Keys         []string // authorized_keys lines
}

// AuthorizedKeys adds keys to the default user.
type AuthorizedKeys struct{ Keys []string }

// Script is a program with a #! line, to be run and waited for; Name is the
// plain file name that it is kept under. The commands of bootcmd (every boot in
// cloud-init, here the first) and of runcmd are each one script, so that a cd
// in one command holds for the next.
type Script struct {
	Name string
	Body []byte
}

func (Log) action()            {}
func (WriteFile) action()      {}
func (Hostname) action()       {}
func (Group) action()          {}
func (User) action()           {}
func (AuthorizedKeys) action() {}
func (Script) action()         {}

// actions is cloud-init's order: bootcmd, write_files, hostname, groups, users,
// keys, then (after packages) deferred files, scripts, and runcmd last, whose
// script sorts behind "part-…".
func (p *parser) actions() []Action {
	c := &p.config
	all := p.logs
	for _, group := range [][]Action{c.bootcmd, c.files, c.hostname, c.groups, c.users, c.keys, c.packages, c.deferred, p.scripts, c.runcmd} {
		all = append(all, group...)
	}
	return all
}
