package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/node/world"
)

// settings are what the parent tells the engine, in its environment.
type settings struct {
	cli.UpOptions
	Images json.RawMessage `json:",omitempty"` // content of --images
	Quotas json.RawMessage `json:",omitempty"` // content of --quotas; absent: AWS's defaults
	Hide   []string        // what no instance may see
}

// settingsEnv carries settings as JSON.
const settingsEnv = "LOCALVPC_SETTINGS"

// Up runs localvpc until ctx ends or it is told to stop.
func Up(ctx context.Context, o cli.UpOptions, ready func(string)) error {
	set, err := prepare(o)
	if err != nil {
		return err
	}
	l, err := openAPI(o.Listen)
	if err != nil {
		return err
	}
	defer l.Close()
	if o.NoPackets {
		return alone(ctx, set, l, ready)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return fmt.Errorf("handing down the listener: %w", err)
	}
	text, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("encoding the settings: %w", err)
	}
	w, err := world.Start(world.Config{
		Listeners: map[string]*os.File{"api": f},
		RunDir:    set.runDir(),
		Keep:      set.keep(),
		Env:       []string{settingsEnv + "=" + string(text)},
		Grace:     stopTime,
		Stderr:    os.Stderr,
	})
	f.Close()
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
		ready(line)
	}
	if err := w.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// Probe says why namespaces are not permitted here; nil if they are.
func Probe() error { return world.Probe() }

// prepare checks the options and reads the files that they name.
func prepare(o cli.UpOptions) (settings, error) {
	set := settings{UpOptions: o}
	if len(o.Account) != 12 || strings.Trim(o.Account, "0123456789") != "" {
		return set, fmt.Errorf("--account %q is not a number of 12 digits", o.Account)
	}
	if o.Ephemeral {
		set.Data = ""
	} else {
		dir, err := filepath.Abs(o.Data)
		if err != nil {
			return set, fmt.Errorf("finding the data directory: %w", err)
		}
		set.Data = dir
		if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
			return set, fmt.Errorf("making the data directory: %w; choose another with --data, or keep nothing with --ephemeral", err)
		}
		set.Hide = append(set.Hide, dir)
	}
	if home, err := os.UserHomeDir(); err == nil {
		set.Hide = append(set.Hide, home)
	}
	if o.Images != "" {
		text, err := os.ReadFile(o.Images)
		if err != nil {
			return set, fmt.Errorf("reading --images: %w", err)
		}
		set.Images = text
	}
	switch o.Quotas {
	case "":
	case "off":
		set.Quotas = json.RawMessage(`"off"`)
	default:
		text, err := os.ReadFile(o.Quotas)
		if err != nil {
			return set, fmt.Errorf("reading --quotas (a file, or 'off'): %w", err)
		}
		if !json.Valid(text) {
			return set, errors.New("--quotas: the file is not JSON")
		}
		set.Quotas = text
	}
	return set, nil
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
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--listen %s is not a loopback address: the API gives power over this machine's instances to whoever reaches it", host)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("opening the API (is another localvpc running? 'localvpc status' tells; --listen chooses another address): %w", err)
	}
	return l, nil
}

// alone runs API and explain in this process, without a world.
func alone(ctx context.Context, set settings, l net.Listener, ready func(string)) error {
	e, err := build(set, nil, newLog(set))
	if err != nil {
		return err
	}
	return e.run(ctx, l, func(line string) error { ready(line); return nil })
}

func newLog(set settings) *slog.Logger {
	level := slog.LevelWarn
	if set.Verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
