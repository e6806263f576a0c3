package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func (e *env) upCommand() *cobra.Command {
	var o UpOptions
	cmd := &cobra.Command{
		Use: "up", Short: "Start localvpc", Args: cobra.NoArgs,
		Long: `Start localvpc and print one line when it answers. It runs until Ctrl-C or
'localvpc down', and leaves nothing behind but its data directory.`,
		Example: `  localvpc up                        # keep state in the default data directory
  localvpc up -d                     # the same, in the background
  localvpc up --ephemeral            # keep nothing
  localvpc up --listen 127.0.0.1:0   # any free port, printed when ready`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Ephemeral && cmd.Flags().Changed("data") {
				return errors.New("--ephemeral keeps nothing: leave --data out, or leave --ephemeral out to keep state")
			}
			if o.Detach {
				return e.detach(cmd.Context())
			}
			return e.cfg.Up(cmd.Context(), o, func(line string) { fmt.Fprintln(e.out, line) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:4566", "address of the API")
	f.StringVar(&o.Data, "data", defaultData(), "directory for state, disks and logs")
	f.BoolVar(&o.Ephemeral, "ephemeral", false, "keep nothing")
	f.BoolVar(&o.NoPackets, "no-packets", false, "run API and explain without instances and packets")
	f.StringVar(&o.Account, "account", "000000000000", "default account, 12 digits")
	f.StringVar(&o.Images, "images", "", "file with more catalogue images (JSON list of {ImageId, Name, OwnerId, Architecture, RootDeviceName, path})")
	f.StringVar(&o.Quotas, "quotas", "", "'off', or a JSON file with quotas by name")
	f.BoolVarP(&o.Detach, "detach", "d", false, "start in the background and return when it answers")
	f.BoolVarP(&o.Verbose, "verbose", "v", false, "log every request")
	return cmd
}

// defaultData is the place for state that the XDG base directory specification gives.
func defaultData() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "localvpc")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "localvpc-data"
	}
	return filepath.Join(home, ".local", "state", "localvpc")
}

// detach starts the same command line in a session of its own, and returns when
// it has printed its line.
func (e *env) detach(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's own file: %w", err)
	}
	var args []string
	for _, a := range os.Args[1:] {
		if a != "-d" && a != "--detach" {
			args = append(args, a)
		}
	}
	cmd := exec.Command(self, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	problems, err := os.CreateTemp("", "localvpc-*.err")
	if err != nil {
		return fmt.Errorf("making a file for errors: %w", err)
	}
	defer problems.Close()
	os.Remove(problems.Name())
	cmd.Stderr = problems
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting in the background: %w", err)
	}
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(out).ReadString('\n')
		line <- text
	}()
	select {
	case text := <-line:
		if text != "" {
			_, err := fmt.Fprint(e.out, text)
			return err
		}
		_ = cmd.Wait()
		text2, _ := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", problems.Fd()))
		return fmt.Errorf("it did not start: %s", strings.TrimPrefix(strings.TrimSpace(string(text2)), "localvpc: "))
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		return ctx.Err()
	}
}
