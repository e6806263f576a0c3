// Package sandbox runs instances: each a set of namespaces with an init of its
// own, on a disk that outlives it.
//
// Invariant: nothing of the host is in an instance's reach unless this package
// has put it there. Its root is assembled from named directories and never
// starts from the host's root; its user namespace maps ids that own nothing
// outside, or, for an ordinary user, that one user behind mounts which are
// locked; and an instance's processes end with its init, whoever dies first on
// the outside.
//
// How the root is made. A tree is one overlay: a part of the root with its own
// upper directory on the instance's disk. For the host's own system as image
// these are "root" (a skeleton made once: sanitised etc, empty var, home, …)
// and one for each directory of programs (usr, opt, …) above the host's. For an
// image that is a directory there is one tree. As root the host's directories
// are seen through idmapped mounts and the disk holds shifted owners, so that
// root inside can change everything and is nobody outside. Where idmapped
// mounts are refused, and for an ordinary user, what lies in the host's
// directories can be read and hidden but not changed; Status says so.
package sandbox

import (
	"errors"
	"os"
	"time"
)

// Config says where a Host works.
type Config struct {
	// RunDir is a directory on a tmpfs of the world's mount namespace. What is
	// in it lives as long as the world.
	RunDir string
	// DataDir keeps the disks, in DataDir/instances/<id>.
	DataDir string
	// Rootful: the world has no user namespace, this process is the host's root.
	Rootful bool
	// Binary is this program, whose init instances run and which they find as
	// /usr/bin/localvpc. Empty: /proc/self/exe.
	Binary string
	// HostRoot is the root that the default image shows. Empty: "/".
	HostRoot string
	// Hide lists further absolute paths that no instance may see, should they
	// lie inside usr, opt or another directory of programs.
	Hide []string
}

// Image is what an instance's disk starts from.
type Image struct {
	// Base is a list of plain root directories, top first. Empty: the host's
	// own system.
	Base []string `json:",omitempty"`
	// Layers are directories made by Capture, top first, above Base.
	Layers []string `json:",omitempty"`
}

// Spec describes an instance. Image, Hostname, Hosts, UserData and SSHKeys
// matter for its first boot only.
type Spec struct {
	ID         string // a file name: letters, digits, hyphens
	Image      Image
	Hostname   string
	Hosts      string // of /etc/hosts; empty: localhost only
	ResolvConf string
	Trust      string   // certificates of authorities to trust beside the image's own, PEM
	UserData   []byte   // without base64
	SSHKeys    []string // authorized_keys lines, for root
	PIDs       int      // processes per user inside; 0: no limit
	ConsoleLog string   // path; the file is created where needed and stays bounded
}

// Status says what kind of instances a Host makes.
type Status struct {
	Rootful  bool
	IDMapped bool     // root inside owns the programs and can change them
	Notes    []string // what does not work and why, for people
}

// Cause tells why an instance ended.
type Cause string

// Causes.
const (
	Shutdown Cause = "shutdown" // Shutdown was called
	Reboot   Cause = "reboot"   // Reboot was called, or an order from inside: start it again
	PowerOff Cause = "poweroff" // an order from inside
	Killed   Cause = "killed"   // init was killed: Kill, or the kernel; of an adopted instance also a bare reboot(2)
	Failed   Cause = "failed"   // init could not set the instance up: see Exit.Err
)

// Exit is the end of an instance.
type Exit struct {
	Cause Cause
	Err   error // with Failed
}

// ExecSpec is a command for an instance.
type ExecSpec struct {
	Args []string // Args[0] is looked up in PATH inside
	Env  []string // added to a plain root environment
	Dir  string   // empty: root's home

	// TTY gives the command a terminal of the instance, whose other end is
	// Process.TTY; Stdin, Stdout and Stderr are not used then.
	TTY        bool
	Rows, Cols uint16

	Stdin, Stdout, Stderr *os.File // nil: /dev/null
}

// ProcessExit is the end of a command: Code as a shell counts (128 + signal).
type ProcessExit struct {
	Code   int
	Signal int // the signal that ended it, else 0
}

// Errors.
var (
	// ErrNotRunning: the instance has no init.
	ErrNotRunning = errors.New("instance is not running")
	// ErrNotFound and ErrNotExecutable classify a command that could not be
	// started; shells answer 127 and 126.
	ErrNotFound      = errors.New("command not found")
	ErrNotExecutable = errors.New("command cannot be executed")
)

// bootTimeout bounds what an init has to answer at once.
const bootTimeout = 30 * time.Second
