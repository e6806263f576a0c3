package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/node/world"
)

// settings are what the parent tells the engine, in its environment.
type settings struct {
	cli.UpOptions
	Images json.RawMessage `json:",omitempty"` // content of --images
	Quotas json.RawMessage `json:",omitempty"` // content of --quotas; absent: AWS's defaults
	Hide   []string        // what no instance may see
	Notes  []string        `json:",omitempty"` // what does not work, for status
}

// settingsEnv carries settings as JSON.
const settingsEnv = "LOCALVPC_SETTINGS"

// Up runs localvpc until ctx ends or it is told to stop.
func Up(ctx context.Context, o cli.UpOptions, ready func(cli.Ready)) error {
	set, err := prepare(o)
	if err != nil {
		return err
	}
	l, err := openAPI(o.Listen)
	if err != nil {
		return err
	}
	defer l.Close()
	if set.Data != "" {
		lock, err := set.lock()
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	n, why, err := openNames(o.DNS)
	if err != nil {
		return err
	}
	defer n.close()
	if why != "" {
		set.Notes = append(set.Notes, why)
	}
	if o.NoPackets {
		return alone(ctx, set, l, n, ready)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return fmt.Errorf("handing down the listener: %w", err)
	}
	listeners := map[string]*os.File{"api": f}
	defer func() {
		for _, f := range listeners {
			f.Close()
		}
	}()
	if err := n.files(listeners); err != nil {
		return err
	}
	text, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("encoding the settings: %w", err)
	}
	w, err := world.Start(world.Config{
		Listeners: listeners,
		RunDir:    set.runDir(),
		Keep:      set.keep(),
		Env:       []string{settingsEnv + "=" + string(text)},
		Grace:     stopTime,
		Stderr:    os.Stderr,
	})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		bounded, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		_ = w.Stop(bounded)
	})
	defer stop()
	if line, ok := <-w.Ready(); ok {
		if err := greet(line, ready); err != nil {
			return errors.Join(err, w.Stop(context.Background()))
		}
	}
	if err := w.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// greet reads the engine's greeting.
func greet(line string, ready func(cli.Ready)) error {
	var r cli.Ready
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return fmt.Errorf("reading the engine's greeting %q: %w", line, err)
	}
	ready(r)
	return nil
}

// Probe says why namespaces are not permitted here; nil if they are.
func Probe() error { return world.Probe() }

// prepare checks the options and reads the files that they name; it makes nothing.
func prepare(o cli.UpOptions) (settings, error) {
	set := settings{UpOptions: o}
	if len(o.Account) != 12 || strings.Trim(o.Account, "0123456789") != "" {
		return set, fmt.Errorf("--account %q is not a number of 12 digits", o.Account)
	}
	if o.Auth != "" && o.Auth != "open" && o.Auth != "strict" {
		return set, fmt.Errorf("--auth is open or strict, not %q", o.Auth)
	}
	if o.Authz != "" && o.Authz != "on" && o.Authz != "off" {
		return set, fmt.Errorf("--authz is on or off, not %q", o.Authz)
	}
	if o.HealthScale != 0 && !(o.HealthScale >= 0.001 && o.HealthScale <= 1) {
		return set, fmt.Errorf("--health-interval-scale is from 0.001 to 1, not %v", o.HealthScale)
	}
	if o.Ephemeral {
		set.Data = ""
	} else {
		dir, err := filepath.Abs(o.Data)
		if err != nil {
			return set, fmt.Errorf("finding the data directory: %w", err)
		}
		set.Data = dir
		set.Hide = append(set.Hide, dir)
	}
	if home, err := os.UserHomeDir(); err == nil {
		set.Hide = append(set.Hide, home)
	}
	if o.PublicCidr != "" {
		if _, err := publicip.Parse(o.PublicCidr); err != nil {
			return set, fmt.Errorf("--public-cidr: %w", err)
		}
	}
	if o.NatIdle < 1 || o.NatIdle > 7*24*3600 {
		return set, fmt.Errorf("--nat-idle-timeout %d is not a number of seconds from 1 to a week's", o.NatIdle)
	}
	if o.RoleSession != 0 && (o.RoleSession < 6 || o.RoleSession > 12*3600) {
		return set, fmt.Errorf("--role-session-duration %d is not a number of seconds from 6 to 43200", o.RoleSession)
	}
	if err := set.readFiles(); err != nil {
		return set, err
	}
	return set, nil
}

// readFiles reads what --images and --quotas name, and refuses what the engine could
// not use.
func (s *settings) readFiles() (err error) {
	if s.UpOptions.Images != "" {
		if s.Images, err = os.ReadFile(s.UpOptions.Images); err != nil {
			return fmt.Errorf("reading --images: %w", err)
		}
		if _, err := catalog.Parse(s.Images); err != nil {
			return fmt.Errorf("--images %s: %w", s.UpOptions.Images, err)
		}
	}
	switch s.UpOptions.Quotas {
	case "":
		return nil
	case "off":
		s.Quotas = json.RawMessage(`"off"`)
		return nil
	}
	if s.Quotas, err = os.ReadFile(s.UpOptions.Quotas); err != nil {
		return fmt.Errorf("reading --quotas (a file, or 'off'): %w", err)
	}
	if !json.Valid(s.Quotas) {
		return errors.New("--quotas: the file is not JSON")
	}
	_, err = quotasOf(s.Quotas)
	return err
}

// lock makes the data directory and takes it for this process. The file that it
// returns holds it.
func (s settings) lock() (*os.File, error) {
	if err := os.MkdirAll(filepath.Join(s.Data, "run"), 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w; choose another with --data, or keep nothing with --ephemeral", err)
	}
	f, err := os.OpenFile(filepath.Join(s.Data, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the data directory's lock: %w; choose another directory with --data", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another localvpc uses the data directory %s: stop it with 'localvpc down', or choose another with --data", s.Data)
	}
	return f, nil
}

// runDir is where the world mounts its tmpfs: in the data directory, or over one
// that the world finds for itself.
func (s settings) runDir() string {
	if s.Data != "" {
		return filepath.Join(s.Data, "run")
	}
	return ""
}

// keep are the paths outside that the engine needs.
func (s settings) keep() []string {
	if s.Data == "" {
		return nil
	}
	return []string{s.Data}
}

// openAPI opens the API's address; only loopback is taken, because the API is
// not protected.
func openAPI(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--listen %q is not an address like 127.0.0.1:4566", addr)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--listen %s is not a loopback address, as 127.0.0.1:4566 is: the API gives power over this machine's instances to whoever reaches it", addr)
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken: if by another localvpc, 'localvpc status' tells and 'localvpc down' ends it; otherwise choose another address with --listen, and tell the commands by LOCALVPC_URL", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the API: %w; choose another address with --listen", err)
	}
	return l, nil
}

// alone runs API and explain in this process, without a world.
func alone(ctx context.Context, set settings, l net.Listener, n names, ready func(cli.Ready)) error {
	e, err := build(set, nil, newLog(set))
	if err != nil {
		return err
	}
	if e.names, err = n.taken(); err != nil {
		return err
	}
	// The address stays taken until everything has ended, the data directory's lock
	// given back: that is what 'down' waits for.
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return fmt.Errorf("duplicating the listener: %w", err)
	}
	own, err := net.FileListener(f)
	f.Close()
	if err != nil {
		return fmt.Errorf("duplicating the listener: %w", err)
	}
	return e.run(ctx, own, func(line string) error { return greet(line, ready) })
}

func newLog(set settings) *slog.Logger {
	level := slog.LevelWarn
	if set.Verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
