package world

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// stray is a descriptor that nobody has asked the world to have.
const stray = 99

const parentEnv = "WORLD_TEST_PARENT"

// The test binary is all four: test, parent, holder and engine.
func TestMain(m *testing.M) {
	switch {
	case IsHolder():
		os.Exit(RunHolder())
	case IsEngine():
		os.Exit(testEngine())
	case os.Args[0] == limitedName:
		os.Exit(testLimited())
	case os.Args[0] == refusedName:
		os.Exit(testRefused())
	case os.Getenv(parentEnv) != "":
		os.Exit(testParent(os.Getenv(parentEnv)))
	}
	os.Exit(m.Run())
}

// testParent starts a world and tells about it in lines on its output.
func testParent(config string) int {
	var cfg Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		say(err)
		return 2
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		var f *os.File
		f, err = l.(*net.TCPListener).File()
		cfg.Listeners = map[string]*os.File{"api": f}
	}
	if err != nil {
		say(err)
		return 2
	}
	cfg.Stderr = os.Stderr
	if err := unix.Dup3(0, stray, 0); err != nil { // left open by accident
		say(err)
		return 2
	}
	w, err := Start(cfg)
	if err != nil {
		say(err)
		return 3
	}
	cfg.Listeners["api"].Close()
	fmt.Println("listening", l.Addr())
	fmt.Println("holder", w.Pid())
	l.Close()
	go func() {
		for text := range w.Ready() {
			fmt.Println("ready", text)
		}
	}()
	err = w.Serve(signals)
	var exit *ExitError
	switch {
	case errors.As(err, &exit):
		return exit.Code
	case err != nil:
		say(err)
		return 1
	}
	return 0
}

// parent is a running testParent.
type parent struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	holder int
	dir    string
	ready  chan string
	mu     sync.Mutex
	errs   strings.Builder
	ended  chan struct{}
}

// nobody is the ordinary user that root's tests run as.
const nobody = 65534

// eachUser runs fn as who runs the tests and, if that is root, as an ordinary user.
func eachUser(t *testing.T, fn func(t *testing.T, uid int)) {
	needWorld(t)
	if os.Getuid() == 0 {
		t.Run("root", func(t *testing.T) { fn(t, 0) })
		t.Run("user", func(t *testing.T) { fn(t, nobody) })
		return
	}
	t.Run("user", func(t *testing.T) { fn(t, os.Getuid()) })
}

func needWorld(t testing.TB) {
	t.Helper()
	if err := Probe(); err != nil {
		if errors.Is(err, ErrNotPermitted) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
}

// launch starts a parent and does not wait for the engine.
func launch(t *testing.T, uid int, cfg Config) *parent {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &parent{t: t, dir: t.TempDir(), ready: make(chan string, 1024), ended: make(chan struct{})}
	p.cmd = exec.Command("/proc/self/exe")
	p.cmd.Args = os.Args[:1]
	p.cmd.Dir = p.dir
	p.cmd.Env = append(os.Environ(), parentEnv+"="+string(text), "TMPDIR="+p.dir,
		"GORACE=atexit_sleep_ms=0 halt_on_error=1")
	if uid != os.Getuid() {
		if err := os.Chown(p.dir, uid, uid); err != nil {
			t.Fatal(err)
		}
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		p.cmd.Dir = "/"
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	p.addr = p.word(lines, "listening")
	p.holder, _ = strconv.Atoi(p.word(lines, "holder"))
	go func() {
		defer close(p.ended)
		defer close(p.ready)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				p.cmd.Wait()
				return
			}
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "ready "); ok {
				p.ready <- text
			}
		}
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("the parent said:\n%s", p.said())
		}
	})
	return p
}

// start is launch, and the engine answers.
func start(t *testing.T, uid int, cfg Config) *parent {
	t.Helper()
	p := launch(t, uid, cfg)
	p.awaitReady()
	return p
}

func (p *parent) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errs.Write(text)
}

func (p *parent) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errs.String()
}

func (p *parent) word(r *bufio.Reader, verb string) string {
	p.t.Helper()
	line, err := r.ReadString('\n')
	word, ok := strings.CutPrefix(strings.TrimSpace(line), verb+" ")
	if err != nil || !ok {
		p.cmd.Wait()
		p.t.Fatalf("waiting for %s: %q, %v; it said %s", verb, line, err, p.said())
	}
	return word
}

func (p *parent) awaitReady() string {
	p.t.Helper()
	text, ok := <-p.ready
	if !ok {
		p.t.Fatalf("the world ended before its engine was ready: %s", p.said())
	}
	return text
}

// ask sends the engine a command and returns what it answers.
func (p *parent) ask(command string) string {
	p.t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatalf("%s: %v", command, err)
	}
	defer c.Close()
	fmt.Fprintln(c, command)
	answer, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		p.t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimSpace(string(answer))
}

// die kills the engine and waits until the next is ready.
func (p *parent) die() {
	p.t.Helper()
	p.ask("die")
	p.awaitReady()
}

// exit waits for the parent's end and gives its code, -1 for a signal.
func (p *parent) exit() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// testEngine answers commands, one per connection.
func testEngine() int {
	in, err := Engine()
	if err != nil {
		say(err)
		return 1
	}
	for _, arg := range os.Args[1:] {
		switch arg {
		case "crash":
			fmt.Fprintln(os.Stderr, "boom before ready", in.Restarts)
			return 3
		case "refuse":
			fmt.Fprintln(os.Stderr, "no, never")
			return Refused
		case "crash-later":
			in.Ready("not for long")
			fmt.Fprintln(os.Stderr, "boom after ready", in.Restarts)
			return 3
		case "stubborn":
			signal.Ignore(syscall.SIGTERM)
		}
	}
	l, err := net.FileListener(in.Listeners["api"])
	if err != nil {
		say(err)
		return 1
	}
	if err := in.Ready(fmt.Sprintf("engine %d, root %v", in.Restarts, in.Root)); err != nil {
		say(err)
		return 1
	}
	for {
		c, err := l.Accept()
		if err != nil {
			say(err)
			return 1
		}
		command, err := bufio.NewReader(c).ReadString('\n')
		if err == nil {
			verb, arg, _ := strings.Cut(strings.TrimSpace(command), " ")
			answer, err := testAnswer(in, verb, arg)
			if err != nil {
				answer = "error: " + err.Error()
			}
			fmt.Fprintln(c, answer)
		}
		c.Close()
	}
}

// testAnswer does one command inside the world.
func testAnswer(in *Inside, verb, arg string) (string, error) {
	switch verb {
	case "die":
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	case "quit":
		code, _ := strconv.Atoi(arg)
		os.Exit(code)
	case "end":
		code, _ := strconv.Atoi(arg)
		return "", in.Exit(code)
	case "restarts":
		return strconv.Itoa(in.Restarts), nil
	case "rundir":
		return in.RunDir, nil
	case "store": // a socket with an unread datagram
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		f, err := c.(*net.UDPConn).File()
		if err != nil {
			return "", err
		}
		defer f.Close()
		s, err := net.Dial("udp", c.LocalAddr().String())
		if err != nil {
			return "", err
		}
		fmt.Fprint(s, "question for "+arg)
		return c.LocalAddr().String(), in.Store(arg, f)
	case "use": // what the datagram says
		f, ok := in.Stored[arg]
		if !ok {
			return "", fmt.Errorf("%s is not stored", arg)
		}
		c, err := net.FilePacketConn(f)
		if err != nil {
			return "", err
		}
		defer c.Close()
		buf := make([]byte, 512)
		n, _, err := c.ReadFrom(buf)
		return string(buf[:n]), err
	case "remove":
		return "", in.Remove(arg)
	case "fill":
		n, _ := strconv.Atoi(arg)
		for i := range n {
			if err := in.Store(fmt.Sprintf("fill%05d", i), os.Stdin); err != nil {
				return "", err
			}
		}
		return "", nil
	case "stored":
		var names []string
		for name := range in.Stored {
			names = append(names, name)
		}
		slices.Sort(names)
		return strings.Join(names, " "), nil
	case "open":
		entries, err := os.ReadDir("/proc/self/fd")
		var all []string
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return strings.Join(all, " "), err
	case "orphan": // a process that outlives the engine
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			return "", err
		}
		return strconv.Itoa(cmd.Process.Pid), nil
	case "kill":
		pid, _ := strconv.Atoi(arg)
		return "", unix.Kill(pid, unix.SIGKILL)
	case "cat":
		text, err := os.ReadFile(arg)
		return string(text), err
	case "write":
		return "", os.WriteFile(arg, []byte("x"), 0o600)
	case "zombies":
		return zombies()
	case "chatter":
		n, _ := strconv.Atoi(arg)
		_, err := os.Stderr.WriteString(strings.Repeat("chatter\n", n/8))
		return "", err
	case "garbage":
		return "", garble(in)
	case "hangup":
		return "", unix.Shutdown(fdControl, unix.SHUT_RDWR)
	case "lo":
		lo, err := net.InterfaceByName("lo")
		if err != nil {
			return "", err
		}
		all, err := net.Interfaces()
		return fmt.Sprintf("%s of %d", lo.Flags, len(all)), err
	case "limit":
		return limitOne(in, arg)
	}
	return "", fmt.Errorf("unknown command %q", verb)
}

// zombies lists processes of the world that nobody has waited for.
func zombies() (string, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	var found []string
	for _, name := range stats {
		text, _ := os.ReadFile(name)
		if _, after, _ := strings.Cut(string(text), ") "); strings.HasPrefix(after, "Z") {
			found = append(found, string(text))
		}
	}
	return strings.Join(found, ""), err
}

// garble sends the holder what no engine would.
func garble(in *Inside) error {
	three := unix.UnixRights(0, 1, 2)
	many := make([]int, 200)
	for _, m := range []struct {
		text   string
		rights []byte
	}{
		{"store x", nil}, {"STORE", nil}, {"STORE x", nil}, {"STORE \x00", unix.UnixRights(0)}, {"STORE " + strings.Repeat("x", 300), unix.UnixRights(0)},
		{"STORE two words", unix.UnixRights(0)}, {"OWN file", unix.UnixRights(0)}, {"OWN x", nil}, {"REMOVE x", unix.UnixRights(0)}, {"REMOVE", nil},
		{"READYSTEADY", nil}, {"EXIT", nil}, {"EXIT -1", nil}, {"EXIT 256", nil}, {"EXIT x", nil}, {"STOP", nil}, {"FAIL", nil}, {"\xff\xfe", nil},
		{"STORE three", three}, {"STORE many", unix.UnixRights(many...)}, {strings.Repeat("A", 2*maxMessage), nil}, {strings.Repeat("\n", 100), nil},
	} {
		if err := unix.Sendmsg(fdControl, []byte(m.text), m.rights, nil, 0); err != nil {
			return fmt.Errorf("%.20q: %w", m.text, err)
		}
	}
	return nil
}

const refusedName = "localvpc: refused"

// testRefused probes where the kernel is told to refuse.
func testRefused() int {
	for _, kind := range []string{"user", "net"} {
		if err := os.WriteFile("/proc/sys/user/max_"+kind+"_namespaces", []byte("0"), 0); err != nil {
			say(err)
			return 1
		}
	}
	fmt.Println(Probe())
	w, err := Start(Config{})
	if err == nil {
		err = w.Wait()
	}
	if !errors.Is(err, ErrNotPermitted) {
		fmt.Println("Start does not refuse:", err)
	}
	return 0
}

// refusedProbe runs testRefused in a user namespace and gives what it says.
func refusedProbe(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{refusedName}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
