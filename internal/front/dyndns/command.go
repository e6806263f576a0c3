package dyndns

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// Name is the program's in instances.
const Name = "ec2-dyndns"

// Config is what the command takes from who runs it.
type Config struct {
	Stdout, Stderr io.Writer
	Region         func() string // that was asked for; empty: the instance's own
}

// Command is the agent as a command.
func Command(cfg Config) *cobra.Command {
	var (
		a           Agent
		once, watch bool
		remove      bool
		every       time.Duration
		url         string
	)
	cmd := &cobra.Command{
		Use: "dyndns", Short: "Give this instance the name that its tag asks for, in Route 53 (run it inside an instance)",
		Long: `dyndns runs inside an EC2 instance, of localvpc or of AWS, where it is also
called ec2-dyndns. It reads the tag dnsname and the public address from the
instance's metadata, finds the hosted zone with the longest matching name, and
sets the record, with the instance's role: it has no key and no configuration.

Several names in the tag are separated by spaces or commas.`,
		Example: `  ec2-dyndns                              # at boot, in /etc/rc.local
  ec2-dyndns --watch --own                # follow changes, leave nothing behind
  ec2-dyndns --address private --name db.corp.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.check(); err != nil {
				return err
			}
			switch {
			case remove && !a.Own:
				return fmt.Errorf("--remove removes what the instance owns: it needs --own")
			case every < time.Second:
				return fmt.Errorf("--every is at least 1s")
			}
			a.Out = cfg.Stdout
			if err := a.connect(cmd.Context(), os.Getenv, url, cfg.Region()); err != nil {
				return err
			}
			switch {
			case remove:
				return a.Remove(cmd.Context())
			case watch:
				return a.Watch(cmd.Context(), every, cfg.Stderr)
			}
			return a.Once(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&a.Tag, "tag", "dnsname", "key of the tag that holds the name")
	f.StringArrayVar(&a.Names, "name", nil, "name to set, in place of the tag's; may be repeated")
	f.StringVar(&a.Address, "address", Public, "public, private, or both: the public one in the public zone and the private one in the private zone")
	f.BoolVar(&a.IPv6, "ipv6", false, "set an AAAA record, too")
	f.BoolVar(&a.CNAME, "cname", false, "set a CNAME to the public DNS name, which inside the VPC is the private address")
	f.StringVar(&a.Zone, "zone", "", "look among public or private hosted zones (default: as --address)")
	f.StringVar(&a.ZoneID, "zone-id", "", "use this hosted zone, and list none")
	f.Int64Var(&a.TTL, "ttl", 60, "TTL of the records in seconds")
	f.BoolVar(&a.Create, "create", false, "fail where a record exists, in place of replacing it")
	f.BoolVar(&a.Own, "own", false, "keep in a TXT record beside it (_owner.NAME) whose the name is: refuse another instance's, unless that is terminated")
	f.BoolVar(&once, "once", false, "set everything once and end (default)")
	f.BoolVar(&watch, "watch", false, "go on and follow changes; with --own remove the records at the end")
	f.DurationVar(&every, "every", 10*time.Second, "how often --watch looks")
	f.BoolVar(&remove, "remove", false, "with --own: remove the instance's records and end")
	f.BoolVar(&a.Wait, "wait", false, "wait until all name servers have the change (INSYNC)")
	f.StringVar(&url, "endpoint-url", "", "endpoint of the API (default: $AWS_ENDPOINT_URL_ROUTE_53, $AWS_ENDPOINT_URL_EC2, $AWS_ENDPOINT_URL, AWS's)")
	cmd.MarkFlagsMutuallyExclusive("once", "watch", "remove")
	cmd.MarkFlagsMutuallyExclusive("own", "create")
	cmd.MarkFlagsMutuallyExclusive("cname", "ipv6")
	return cmd
}

// check says what is wrong with the options.
func (o *Options) check() error {
	switch {
	case o.Address != Public && o.Address != Private && o.Address != Both:
		return fmt.Errorf("--address is %s, %s or %s, not %q", Public, Private, Both, clip(o.Address))
	case o.Zone != "" && o.Zone != Public && o.Zone != Private:
		return fmt.Errorf("--zone is %s or %s, not %q", Public, Private, clip(o.Zone))
	case o.Address == Both && (o.Zone != "" || o.ZoneID != "" || o.CNAME):
		return fmt.Errorf("--address both is for two zones: give no --zone, --zone-id or --cname with it")
	case o.CNAME && o.Address != Public:
		return fmt.Errorf("--cname is the public name: give no --address with it")
	case o.TTL < 0 || o.TTL > 2147483647:
		return fmt.Errorf("--ttl is from 0 to 2147483647 seconds")
	}
	return nil
}
