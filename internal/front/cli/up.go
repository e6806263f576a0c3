package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (e *env) upCommand() *cobra.Command {
	var o UpOptions
	var held bool
	cmd := &cobra.Command{
		Use: "up", Short: "Start localvpc", Args: cobra.NoArgs,
		Long: `Start localvpc and print one line when it answers. It runs until Ctrl-C or
'localvpc down', and leaves nothing behind but its data directory.`,
		Example: `  localvpc up                        # keep state in the default data directory
  localvpc up -d                     # the same, in the background
  localvpc up --ephemeral            # keep nothing
  localvpc up --listen 127.0.0.1:0   # any free port, printed when ready
  localvpc up --public-cidr 203.0.113.0/24   # where public addresses are drawn from`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Ephemeral && cmd.Flags().Changed("data") {
				return errors.New("--ephemeral keeps nothing: leave --data out, or leave --ephemeral out to keep state")
			}
			started := e.progress("starting")
			defer started()
			if o.Detach {
				return e.detach(cmd, started)
			}
			ctx := cmd.Context()
			if held {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				go func() {
					_, _ = io.Copy(io.Discard, e.cfg.Stdin)
					cancel()
				}()
			}
			return e.cfg.Up(ctx, o, func(r Ready) {
				started()
				e.ready(r)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:4566", "address of the API")
	f.StringVar(&o.DNS, "dns", "127.0.0.1:5300", "address where this machine's programs ask for names as somebody on the simulated internet does, over UDP and TCP; or 'off'")
	f.StringVar(&o.Data, "data", defaultData(), "directory for state, disks and logs")
	f.BoolVar(&o.Ephemeral, "ephemeral", false, "keep nothing")
	f.BoolVar(&o.NoPackets, "no-packets", false, "run API and explain without instances and packets")
	f.StringVar(&o.Account, "account", "000000000000", "default account, 12 digits")
	f.StringVar(&o.Images, "images", "", "file with more catalogue images (JSON list of {ImageId, Name, OwnerId, Architecture, RootDeviceName, path})")
	f.StringVar(&o.Auth, "auth", "open", "'open': every access key is taken, those that were issued are verified; 'strict': only keys that were issued, and a root key that the first start prints")
	f.StringVar(&o.Authz, "authz", "on", "'off': policies are kept and not enforced")
	f.StringVar(&o.Quotas, "quotas", "", "'off', or a JSON file with quotas by name")
	f.StringVar(&o.PublicCidr, "public-cidr", "", "ranges of the simulated internet's public addresses, with commas between them (default: 198.18.0.0/15 and the documentation ranges)")
	f.IntVar(&o.NatIdle, "nat-idle-timeout", 350, "seconds that NAT gateways keep a connection that is idle")
	f.BoolVar(&o.RegionLatency, "region-latency", false, "packets over peering connections between Regions take about as long as the distance makes them; needs a kernel with netem")
	f.IntVar(&o.RoleSession, "role-session-duration", 21600, "seconds that the credentials last that instances find in their metadata, from 6 to 43200; new ones are there after a sixth of it. To see what becomes of programs whose credentials expire (SDKs go on for up to 20 minutes with those that end sooner)")
	f.BoolVar(&o.NoDefaultVpc, "no-default-vpc", false, "begin without the default VPC that AWS gives every account in every Region")
	f.Float64Var(&o.HealthScale, "health-interval-scale", 1, "what the intervals of health checks are multiplied with, from 0.001 to 1: with 0.1 they ask each second, or each three")
	f.BoolVarP(&o.Detach, "detach", "d", false, "start in the background and return when it answers")
	f.BoolVarP(&o.Verbose, "verbose", "v", false, "log every request")
	f.BoolVar(&held, "until-stdin-ends", false, "end with standard input: for a program that starts localvpc for itself")
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

// Ready is what up prints when localvpc answers.
type Ready struct {
	URL     string
	Account string
	Data    string // directory, empty when ephemeral
	Packets bool
	DNS     string `json:",omitempty"` // where names are answered

	// RootKey and RootSecret are root's key, when this start has made it.
	RootKey, RootSecret string `json:",omitempty"`
}

// ready prints one line.
func (e *env) ready(r Ready) {
	if e.json {
		_ = json.NewEncoder(e.out).Encode(r) // nobody may be reading any more
		return
	}
	details := []string{"account " + r.Account, cmp.Or(r.Data, "nothing is kept")}
	if !r.Packets {
		details = append(details, "no packets")
	}
	if r.RootKey != "" {
		details = append(details, "root key "+r.RootKey+" "+r.RootSecret)
	}
	fmt.Fprintf(e.out, "localvpc is ready at %s (%s)\n", r.URL, strings.Join(details, ", "))
}

// errInterrupted is what Ctrl-C leads to.
var errInterrupted = errors.New("interrupted")

// detach starts the same command in a session of its own, and returns when it has
// printed its line.
func (e *env) detach(cmd *cobra.Command, started func()) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's own file: %w", err)
	}
	args := []string{"up"}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "detach" {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	up := exec.Command(self, args...)
	up.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := up.StdoutPipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	problems, err := os.CreateTemp("", "localvpc-*.err")
	if err != nil {
		return fmt.Errorf("making a file for errors: %w", err)
	}
	defer problems.Close()
	os.Remove(problems.Name()) // its descriptors remain
	up.Stderr = problems
	if err := up.Start(); err != nil {
		return fmt.Errorf("starting in the background: %w", err)
	}
	stop := context.AfterFunc(cmd.Context(), func() { _ = up.Process.Kill() })
	defer stop()
	line, _ := bufio.NewReader(out).ReadString('\n')
	started()
	if line != "" {
		_, err := fmt.Fprint(e.out, line)
		return err
	}
	_ = up.Wait()
	if err := cmd.Context().Err(); err != nil {
		return errInterrupted
	}
	text, err := io.ReadAll(io.NewSectionReader(problems, 0, 64<<10))
	if err != nil {
		return fmt.Errorf("reading why it did not start: %w", err)
	}
	return errors.New(strings.TrimPrefix(strings.TrimSpace(string(text)), "localvpc: "))
}
