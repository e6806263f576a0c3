package world

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An engine that ends without having said EXIT is started again at once. One
// that did not even become ready, or fell by itself within soonAfter, counts as
// a failure; after maxFailures in a row the holder gives up.
const (
	maxFailures = 5
	soonAfter   = time.Second
	firstPause  = 50 * time.Millisecond // before the third start in a row; doubles
)

// leaveTime bounds how long the end waits for processes, cgroups and the log.
const leaveTime = 2 * time.Second

// RunHolder is the life of the holder. It returns the exit code.
func RunHolder() int {
	if os.Args[0] == probeName {
		return runProbe()
	}
	// The signal of the parent's death belongs to the first thread: see arm.
	runtime.LockOSThread()
	h, err := inherit()
	if err == nil && os.Getpid() != 1 {
		err = errInner
	}
	if err == nil {
		err = dropStrays(fdFirst + len(h.Listeners))
	}
	if err != nil {
		say(err)
		return 2
	}
	// Whoever sends these to all processes of localvpc means the parent, which
	// asks the holder to end. With a handler, and not ignored, the engine starts
	// with the default action.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	k := &holder{given: h, pidfd: -1, engine: receiver{sock: -1}, parent: receiver{sock: fdControl}, kept: newStore(), born: make(chan struct{}, 1)}
	err = k.begin()
	if err == nil {
		err = k.serve()
	}
	k.end(err)
	return 0 // and the kernel kills what is left of the world
}

// holder is process 1 of the world. All of it but the reaper and the log's
// writer happens in one loop, which blocks in poll and nowhere else.
type holder struct {
	given  *handover
	parent receiver
	kept   *store
	log    *logger
	null   int
	deaths int           // pipe of the reaper's records
	born   chan struct{} // tells the reaper that there are children again

	pid      int // of the engine, 0 when there is none
	pidfd    int
	engine   receiver
	started  time.Time
	ready    bool
	exit     string // code after EXIT
	failures int
	startAt  time.Time // when pid is 0
	stopping bool
	deadline time.Time // of an end that has been asked for
	arrears  int       // garbled packets of this engine
}

// begin furnishes the world and starts what runs beside the loop.
func (k *holder) begin() (err error) {
	if k.given.RunDir, err = furnish(k.given); err != nil {
		return err
	}
	if k.null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("opening /dev/null: %w", err)
	}
	if k.log, err = newLogger(2); err != nil {
		return err
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	k.deaths = p[0]
	go reap(p[1], k.born)
	return k.start()
}

// reap waits for every child, the engine and the orphans of the world, and
// writes process id and status of each.
func reap(w int, born <-chan struct{}) {
	var record [8]byte
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil: // no children
			<-born
			continue
		}
		binary.NativeEndian.PutUint32(record[:], uint32(pid))
		binary.NativeEndian.PutUint32(record[4:], uint32(status))
		unix.Write(w, record[:])
	}
}

// start starts an engine with everything that is kept.
func (k *holder) start() error {
	ours, theirs, err := pair()
	if err != nil {
		return err
	}
	defer unix.Close(theirs)
	h := *k.given
	h.Args, h.Env, h.Keep = nil, nil, nil
	h.Stored = k.kept.names()
	told, err := h.file()
	if err != nil {
		unix.Close(ours)
		return err
	}
	defer told.Close()
	files := []uintptr{uintptr(k.null), uintptr(k.log.in), uintptr(k.log.in), uintptr(theirs), told.Fd()}
	for i := range h.Listeners {
		files = append(files, uintptr(fdFirst+i))
	}
	for _, name := range h.Stored {
		files = append(files, uintptr(k.kept.fds[name]))
	}
	pid, err := syscall.ForkExec("/proc/self/exe", append([]string{engineName}, k.given.Args...), &syscall.ProcAttr{
		Env: k.given.Env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &k.pidfd},
	})
	if err != nil {
		unix.Close(ours)
		return fmt.Errorf("starting the engine: %w", err)
	}
	k.given.Starts++
	k.pid, k.engine.sock, k.started = pid, ours, time.Now()
	k.ready, k.arrears = false, 0
	select {
	case k.born <- struct{}{}:
	default:
	}
	return nil
}

// errOrderly ends the loop without a complaint.
var errOrderly = errors.New("orderly end")

// serve is the loop. It returns why the world ends.
func (k *holder) serve() error {
	for {
		p := []unix.PollFd{
			{Fd: fdControl, Events: unix.POLLIN},
			{Fd: int32(k.deaths), Events: unix.POLLIN},
			{Fd: int32(k.log.out), Events: unix.POLLIN},
			{Fd: -1, Events: unix.POLLIN},
		}
		if k.pid != 0 {
			p[3].Fd = int32(k.engine.sock)
		}
		if _, err := unix.Poll(p, k.wait()); err != nil && err != unix.EINTR {
			return fmt.Errorf("waiting for events: %w", err)
		}
		k.log.pump()
		if p[0].Revents != 0 {
			if err := k.hearParent(); err != nil {
				return err
			}
		}
		if p[3].Revents != 0 {
			k.hearEngine(256)
		}
		if p[1].Revents != 0 {
			if err := k.hearDeath(); err != nil {
				return err
			}
		}
		now := time.Now()
		if !k.deadline.IsZero() && !now.Before(k.deadline) {
			k.log.printf("the engine did not end in time and is killed")
			return errOrderly
		}
		if k.pid == 0 && !now.Before(k.startAt) {
			if err := k.start(); err != nil {
				if k.failures++; k.failures >= maxFailures {
					return err
				}
				k.log.printf("%v", err)
				k.pause()
			}
		}
	}
}

// wait is the time until the loop has to do something by itself, for poll.
func (k *holder) wait() int {
	next := k.deadline
	if k.pid == 0 && (next.IsZero() || k.startAt.Before(next)) {
		next = k.startAt
	}
	if next.IsZero() {
		return -1
	}
	return max(0, int(time.Until(next)/time.Millisecond)+1)
}

// hearParent reads one message of the parent, or its death.
func (k *holder) hearParent() error {
	verb, _, fd, err := k.parent.next(unix.MSG_DONTWAIT)
	if fd >= 0 {
		unix.Close(fd)
	}
	switch {
	case err == unix.EAGAIN:
		return nil
	case errors.Is(err, errGarbage):
		return nil
	case err != nil: // the parent is gone
		return errOrderly
	case verb != verbStop || k.stopping:
		return nil
	case k.pid == 0:
		return errOrderly
	}
	k.terminate()
	return nil
}

// terminate asks the engine to end and sets the time by which it must have.
func (k *holder) terminate() {
	if k.stopping {
		return
	}
	k.stopping = true
	k.deadline = time.Now().Add(time.Duration(k.given.GraceMS) * time.Millisecond)
	// It may be gone already, and its number may be another's.
	if k.pidfd >= 0 {
		_ = unix.PidfdSendSignal(k.pidfd, unix.SIGTERM, nil, 0)
	} else {
		_ = unix.Kill(k.pid, unix.SIGTERM)
	}
}

// hearEngine takes up to most messages of the engine.
func (k *holder) hearEngine(most int) {
	for range most {
		verb, arg, fd, err := k.engine.next(unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, errGarbage):
			k.refuse(err)
			continue
		case err != nil:
			if err != unix.EAGAIN { // its end, or soon
				unix.Close(k.engine.sock)
				k.engine.sock = -1
			}
			return
		}
		if err := k.obey(verb, arg, fd); err != nil {
			k.refuse(err)
		}
	}
}

// refuse says what was wrong with a packet, a bounded number of times.
func (k *holder) refuse(err error) {
	const most = 20
	if k.arrears++; k.arrears <= most {
		k.log.printf("refused what the engine sent: %v", err)
	}
}

// obey does what one message of the engine says. fd is taken over.
func (k *holder) obey(verb, arg string, fd int) error {
	takes := verb == verbStore || verb == verbOwn
	if takes != (fd >= 0) {
		if fd >= 0 {
			unix.Close(fd)
		}
		return fmt.Errorf("%s with %d descriptors", verb, b2i(fd >= 0))
	}
	switch verb {
	case verbStore:
		defer k.arm()
		return k.kept.put(arg, fd)
	case verbOwn:
		path, err := k.kept.own(arg, fd)
		reply := ""
		if err != nil {
			reply = err.Error()
		} else {
			k.arm()
			k.tell(verbOwn, path)
		}
		_ = send(k.engine.sock, verbOwn, reply, -1, unix.MSG_DONTWAIT)
		return err
	case verbRemove:
		k.kept.remove(arg)
		k.arm()
	case verbReady:
		k.ready = true
		k.tell(verbReady, arg)
	case verbExit:
		if code, err := strconv.Atoi(arg); err != nil || code < 0 || code > 255 {
			return fmt.Errorf("exit code %q: 0 to 255 are allowed", arg)
		}
		k.exit = arg
		k.terminate()
	default:
		return fmt.Errorf("unknown verb %s", verb)
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// arm chooses what the parent's death does. Normally the kernel kills the
// holder and so the world. While there are directories to remove, the holder
// sees the end of its socket instead and removes them first.
func (k *holder) arm() {
	if unix.Gettid() != 1 {
		return
	}
	sig := unix.SIGKILL
	if len(k.kept.owned) > 0 {
		sig = 0
	}
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(sig), 0, 0, 0)
}

// tell sends the parent a line. A parent that does not read misses it.
func (k *holder) tell(verb, arg string) { _ = send(fdControl, verb, arg, -1, unix.MSG_DONTWAIT) }

// hearDeath reads one record of the reaper. It returns an error when the world
// shall end.
func (k *holder) hearDeath() error {
	pid, status, err := k.readDeath()
	if err != nil {
		return err
	}
	if pid == 0 || pid != k.pid {
		return nil
	}
	if k.engine.sock >= 0 { // what it sent before it died still counts
		k.hearEngine(math.MaxInt)
	}
	for _, fd := range []int{k.engine.sock, k.pidfd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	k.pid, k.pidfd, k.engine.sock = 0, -1, -1
	k.log.pump()
	if k.stopping || status.Exited() && status.ExitStatus() == 0 {
		return errOrderly
	}
	if status.Exited() && status.ExitStatus() == Refused {
		return &failure{"the engine could not start", k.log.tail()}
	}
	how := describe(status)
	byForce := status.Signaled() && status.Signal() == unix.SIGKILL
	lived := time.Since(k.started)
	if k.ready && (byForce || lived >= soonAfter) {
		k.failures = 0
	} else {
		k.failures++
	}
	if k.failures >= maxFailures {
		return &failure{fmt.Sprintf("the engine failed %d times in a row, at last by %s after %v",
			k.failures, how, lived.Round(time.Millisecond)), k.log.tail()}
	}
	k.pause()
	k.log.printf("the engine was ended by %s after %v; starting it again", how, lived.Round(time.Millisecond))
	return nil
}

// pause sets when the next engine starts: at once after a first failure.
func (k *holder) pause() {
	k.startAt = time.Now()
	if k.failures > 1 {
		k.startAt = k.startAt.Add(firstPause << (k.failures - 2))
	}
}

func (k *holder) readDeath() (pid int, status unix.WaitStatus, err error) {
	var record [8]byte
	n, err := unix.Read(k.deaths, record[:])
	if err == unix.EINTR {
		return 0, 0, nil
	}
	if err != nil || n != len(record) {
		return 0, 0, fmt.Errorf("reading the reaper's record: %d bytes, %w", n, err)
	}
	return int(binary.NativeEndian.Uint32(record[:])), unix.WaitStatus(binary.NativeEndian.Uint32(record[4:])), nil
}

// failure is the end of an engine that is not started again.
type failure struct {
	text string
	last string // what the engine wrote
}

func (f *failure) Error() string { return f.text + "\n" + f.last }

func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return "signal " + unix.SignalName(status.Signal())
	}
	return "exit code " + strconv.Itoa(status.ExitStatus())
}

// end says why the world ends, and removes what it leaves outside.
func (k *holder) end(why error) {
	code := k.exit
	if code == "" {
		code = "0"
	}
	var step *stepError
	switch {
	case errors.Is(why, errOrderly):
		k.tell(verbExit, code)
	case errors.As(why, &step):
		k.tell(verbDenied, reason(step, k.given))
	default: // the first line says it, the others are the engine's last words
		k.tell(verbFail, why.Error())
	}
	if k.kept != nil && len(k.kept.owned) > 0 {
		k.outlive(time.Now().Add(leaveTime))
		paths := make([]string, 0, len(k.kept.owned))
		for _, path := range k.kept.owned {
			paths = append(paths, path)
		}
		slices.Sort(paths)
		for _, path := range paths {
			if err := removeSoon(path); err != nil && k.log != nil {
				k.log.printf("%v", err)
			}
		}
	}
	if k.log != nil {
		k.log.pump()
		k.log.close(leaveTime)
	}
}

// outlive kills everything in the world but the holder and waits until it is
// gone, but not for ever.
func (k *holder) outlive(deadline time.Time) {
	for unix.Kill(-1, unix.SIGKILL) == nil {
		p := []unix.PollFd{{Fd: int32(k.deaths), Events: unix.POLLIN}}
		n, err := unix.Poll(p, max(0, int(time.Until(deadline)/time.Millisecond)))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		if _, _, err := k.readDeath(); err != nil {
			return
		}
	}
}
