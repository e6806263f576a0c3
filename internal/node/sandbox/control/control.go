// Package control is the language between the engine and the init of an
// instance: what init is told at its start, and the messages on its socket.
//
// Invariant: a message is bounded before it is read, and neither side acts on
// one that it cannot decode whole; file descriptors travel only with the
// message that names their use, and are closed by whoever cannot use them.
package control

// Argv0 is the name under which the program re-executes itself as an
// instance's init.
const Argv0 = "localvpc-init"

// Descriptors that init inherits, in this order after standard error.
const (
	FdConfig   = 3 // a regular file with a Config in JSON
	FdListener = 4 // a listening unix stream socket
	FdConsole  = 5 // the console log, open for reading and writing
	FdExit     = 6 // a regular file for the Exit record
	FdBinary   = 7 // the program that it is, to be closed
)

// ConsoleKeep is how much of the console the reader is promised, and
// ConsoleMax how large the file may grow before init cuts it back to that
// (GetConsoleOutput returns the last 64 KB; Amazon EC2 API Reference).
const (
	ConsoleKeep = 64 << 10
	ConsoleMax  = 2 * ConsoleKeep
)

// Config is everything init knows of its instance.
type Config struct {
	ID         string   // instance id, also the key of the first-boot marker
	Hostname   string   // written at the first boot only
	ResolvConf string   // written at every boot, and when another one comes with OpRenew
	Hosts      string   // written at the first boot; empty: a minimal file
	Trust      string   // written at every boot into the bundle of authorities, PEM
	UserData   []byte   // as given to RunInstances, base64 already removed
	SSHKeys    []string // public keys in authorized_keys form
	PIDs       int      // limit of processes per user inside; 0: none
	Ids        bool     // more ids than root are mapped
}

// Ops of a Request.
const (
	OpHello    = "hello"    // → Reply with a pidfd of init and its network namespace
	OpBoot     = "boot"     // let the instance go; idempotent
	OpPause    = "pause"    // Paused: processes stand still, or go on; the reply says that they do
	OpRenew    = "renew"    // ResolvConf: the lease is renewed
	OpShutdown = "shutdown" // Grace, Reboot; the reply says that it began
	OpExec     = "exec"     // Args … and three descriptors, or with TTY the reply brings the terminal; the connection then belongs to the process
	OpSignal   = "signal"   // on the connection of a process: Signal, to its group
)

// Request is what the engine asks of init.
type Request struct {
	Op     string
	Grace  int  `json:",omitempty"` // milliseconds
	Reboot bool `json:",omitempty"`
	Paused bool `json:",omitempty"`

	ResolvConf string `json:",omitempty"`

	Args []string `json:",omitempty"`
	Env  []string `json:",omitempty"`
	Dir  string   `json:",omitempty"`
	TTY  bool     `json:",omitempty"`
	Rows uint16   `json:",omitempty"`
	Cols uint16   `json:",omitempty"`

	Signal int `json:",omitempty"`
}

// Reply is what init answers: one per request, and for a process one more when
// it has ended (Exited true).
type Reply struct {
	Error  string `json:",omitempty"`
	Kind   string `json:",omitempty"` // of the error: KindNotFound, KindNotExecutable
	Booted bool   `json:",omitempty"`
	Pid    int    `json:",omitempty"` // inside the instance

	Exited bool `json:",omitempty"`
	Code   int  `json:",omitempty"` // exit code
	Signal int  `json:",omitempty"` // the signal that ended the process, else 0
}

// Kinds of a Reply's error, as a shell's exit codes 127 and 126 tell them apart.
const (
	KindNotFound      = "not found"
	KindNotExecutable = "not executable"
)

// Causes in an Exit record.
const (
	CauseShutdown = "shutdown" // asked by the engine
	CauseReboot   = "reboot"   // asked by the engine or from inside
	CausePowerOff = "poweroff" // asked from inside
	CauseFailed   = "failed"   // init could not set the instance up
)

// Exit is what init writes before it ends by its own decision.
type Exit struct {
	Cause string
	Error string `json:",omitempty"`
}
