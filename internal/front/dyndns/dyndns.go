// Package dyndns is the dynamic DNS agent: it gives an instance the names that its
// tag asks for, in Route 53, with the role of the instance and nothing else.
//
// Invariant: the agent knows nothing of localvpc. What it is it reads from the
// instance's metadata, what it changes it changes through the AWS SDK, so that
// the same program works on AWS. One batch changes a record and who owns it, or
// nothing.
package dyndns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
)

// Kinds of addresses that a name is set to.
const (
	Public  = "public"
	Private = "private"
	Both    = "both" // the public one in the public zone, the private one in the private zone
)

// Options say what the agent does.
type Options struct {
	Tag     string   // key of the tag with the names
	Names   []string // in place of the tag's
	Address string   // Public, Private or Both
	IPv6    bool     // AAAA beside the A record
	CNAME   bool     // to the public name, in place of addresses
	Zone    string   // Public or Private: which hosted zones; empty: as the address
	ZoneID  string   // this hosted zone, without looking for one
	TTL     int64    // in seconds
	Create  bool     // fail where a record exists
	Own     bool     // keep who owns a record in a TXT record beside it
	Wait    bool     // until all name servers have it
}

// Metadata is what the agent asks the metadata service. Text is "" when there is
// nothing at that path below meta-data.
type Metadata interface {
	Text(ctx context.Context, path string) (string, error)
	Identity(ctx context.Context) (Identity, error)
}

// Identity is that of the instance.
type Identity struct{ Account, Region, Instance string }

// Zones is Route 53, as far as the agent needs it.
type Zones interface {
	route53.ListHostedZonesAPIClient
	route53.ListResourceRecordSetsAPIClient
	ListHostedZonesByVPC(context.Context, *route53.ListHostedZonesByVPCInput, ...func(*route53.Options)) (*route53.ListHostedZonesByVPCOutput, error)
	ChangeResourceRecordSets(context.Context, *route53.ChangeResourceRecordSetsInput, ...func(*route53.Options)) (*route53.ChangeResourceRecordSetsOutput, error)
}

// Compute is EC2, as far as the agent needs it.
type Compute interface {
	DescribeTags(context.Context, *ec2.DescribeTagsInput, ...func(*ec2.Options)) (*ec2.DescribeTagsOutput, error)
	DescribeInstances(context.Context, *ec2.DescribeInstancesInput, ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error)
}

// Agent acts for one instance.
type Agent struct {
	Options
	Metadata Metadata
	Zones    Zones
	Compute  Compute
	InSync   func(ctx context.Context, change string) error // waits for a change
	Out      io.Writer

	id   Identity
	made map[target]bool // with Create: what is ours already
}

// target is one record set that the agent keeps.
type target struct {
	Name    string // as the tag has it, without a final dot
	Private bool   // in a private zone
	Type    types.RRType
}

// wanted is what the targets are to hold.
type wanted map[target]string

// want reads the instance's names and addresses.
func (a *Agent) want(ctx context.Context) (wanted, error) {
	if a.id.Instance == "" {
		id, err := a.Metadata.Identity(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking the instance's metadata who it is: %w", err)
		}
		a.id = id
	}
	names, err := a.names(ctx)
	if err != nil {
		return nil, err
	}
	values, err := a.values(ctx)
	if err != nil {
		return nil, err
	}
	out := wanted{}
	for _, name := range names {
		for t, value := range values {
			t.Name = name
			out[t] = value
		}
	}
	return out, nil
}

// names are those of the options, else of the tag: in the metadata where the
// instance allows it, else by DescribeTags.
func (a *Agent) names(ctx context.Context) ([]string, error) {
	text := strings.Join(a.Names, " ")
	if text == "" {
		var err error
		if text, err = a.Metadata.Text(ctx, "tags/instance/"+a.Tag); err != nil {
			return nil, fmt.Errorf("reading the tag %s in the metadata: %w", a.Tag, err)
		}
	}
	if text == "" {
		out, err := a.Compute.DescribeTags(ctx, describeTags(a.id.Instance, a.Tag))
		if err != nil {
			return nil, fmt.Errorf("reading the tag %s, which is not in the metadata (allow tags there with InstanceMetadataTags, or the role ec2:DescribeTags): %w", a.Tag, spoken(err))
		}
		for _, t := range out.Tags {
			if t.Value != nil {
				text = *t.Value
			}
		}
	}
	var names []string
	for _, field := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' }) {
		name := strings.TrimSuffix(field, ".")
		if !strings.Contains(name, ".") || len(name) > maxName {
			return nil, fmt.Errorf("%q is not a domain name like web1.example.com", clip(field))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the instance %s has no tag %s: give it one with its domain name, or use --name", a.id.Instance, a.Tag)
	}
	return names, nil
}

// maxName is the longest domain name in octets (RFC 1035, section 2.3.4), as text.
const maxName = 253

func clip(s string) string {
	if len(s) > maxName {
		return s[:maxName] + "…"
	}
	return s
}

// values are what each name is set to; the targets have no name yet.
func (a *Agent) values(ctx context.Context) (wanted, error) {
	out := wanted{}
	add := func(path, what string, private bool, kind types.RRType) error {
		text, err := a.Metadata.Text(ctx, path)
		if err != nil {
			return fmt.Errorf("reading %s in the metadata: %w", path, err)
		}
		if text == "" {
			return fmt.Errorf("%w: the instance %s has no %s", errNoAddress, a.id.Instance, what)
		}
		if kind != types.RRTypeCname {
			if _, err := netip.ParseAddr(text); err != nil {
				return fmt.Errorf("the metadata's %s is no address: %w", path, err)
			}
		}
		private = private && a.Zone == "" || a.Zone == Private
		out[target{Private: private, Type: kind}] = text
		return nil
	}
	if a.CNAME {
		return out, add("public-hostname", "public name", false, types.RRTypeCname)
	}
	if a.Address == Public || a.Address == Both {
		if err := add("public-ipv4", "public address (use --address private for its private one)", false, types.RRTypeA); err != nil {
			return nil, err
		}
	}
	if a.Address == Private || a.Address == Both {
		if err := add("local-ipv4", "private address", true, types.RRTypeA); err != nil {
			return nil, err
		}
	}
	if a.IPv6 {
		if err := add("ipv6", "IPv6 address", a.Address == Private, types.RRTypeAaaa); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// errNoAddress: the instance has not what its names are to be set to.
var errNoAddress = errors.New("there is nothing to set")

// Once sets everything once.
func (a *Agent) Once(ctx context.Context) error {
	want, err := a.want(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, t := range want.targets() {
		if err := a.set(ctx, t, want[t]); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// targets are in a fixed order.
func (w wanted) targets() []target {
	var out []target
	for t := range w {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b target) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func (t target) String() string {
	if t.Private {
		return t.Name + " " + string(t.Type) + " private"
	}
	return t.Name + " " + string(t.Type)
}

// set makes a record set hold a value, and says so when it does.
func (a *Agent) set(ctx context.Context, t target, value string) error {
	fail := func(err error) error { return fmt.Errorf("setting %s to %s: %w", t.Name, value, spoken(err)) }
	zone, err := a.zone(ctx, t)
	if err != nil {
		return fail(err)
	}
	record := recordSet(t, value, a.TTL)
	action := types.ChangeActionUpsert
	if a.Create && !a.made[t] {
		action = types.ChangeActionCreate
	}
	changes := []types.Change{{Action: action, ResourceRecordSet: record}}
	if a.Own {
		if changes, err = a.owning(ctx, zone, t, changes[0]); err != nil {
			return fail(err)
		}
	}
	change, err := a.change(ctx, zone, changes)
	if err != nil {
		return fail(err)
	}
	if a.made == nil {
		a.made = map[target]bool{}
	}
	a.made[t] = true
	if _, err := fmt.Fprintf(a.Out, "setting %s to %s\n", t.Name, value); err != nil {
		return err
	}
	if a.Wait {
		if err := a.InSync(ctx, change); err != nil {
			return fmt.Errorf("waiting until the name servers have %s: %w", t.Name, spoken(err))
		}
	}
	return nil
}

// spoken is an error with AWS's code and text alone, when it has them.
func spoken(err error) error {
	var fault smithy.APIError
	if errors.As(err, &fault) && fault.ErrorCode() != "" {
		return &said{fault.ErrorCode() + ": " + strings.TrimSpace(fault.ErrorMessage()), err}
	}
	return err
}

type said struct {
	text  string
	cause error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.cause }
