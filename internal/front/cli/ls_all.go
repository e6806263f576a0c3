package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/front/render"
)

// Scopes is the answer of /_localvpc/scopes.
type Scopes struct{ Scopes []Scope }

// Scope is an account in a Region.
type Scope struct{ Account, Region string }

// scopes are those that are used; of the account and the Region that were asked for
// by options, if they were.
func (e *env) scopes(ctx context.Context) ([]Scope, error) {
	var all Scopes
	if err := e.control(ctx, "GET", "scopes", nil, &all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all.Scopes, func(s Scope) bool {
		return e.account != "" && s.Account != e.account || e.region != "" && s.Region != e.region
	}), nil
}

// in is the same command line in another account and Region.
func (e *env) in(s Scope) *env {
	other := *e
	other.account, other.region = s.Account, s.Region
	return &other
}

// astray adds to the error about an instance that was not found where it is, if
// it is in another account or Region.
func (e *env) astray(ctx context.Context, name string, err error) error {
	var fault *awserr.Error
	if errors.As(err, &fault) && fault.Code != "InvalidInstanceID.NotFound" || ctx.Err() != nil {
		return err
	}
	everywhere := *e
	everywhere.account, everywhere.region = "", ""
	scopes, unknown := everywhere.scopes(ctx)
	if unknown != nil {
		return err
	}
	for _, s := range scopes {
		if found, failed := e.in(s).named(ctx, name); failed == nil && len(found) > 0 {
			return fmt.Errorf("%w; there is one with --region %s --account %s", err, s.Region, s.Account)
		}
	}
	return err
}

// self is the account whose keys the command line uses.
func (e *env) self(ctx context.Context) (string, error) {
	if _, err := e.target(); err != nil {
		return "", err
	}
	out, err := client.Call[sts.GetCallerIdentityOutput](ctx, e.aws(), sts.API, "GetCallerIdentity", &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", e.unreachable(err)
	}
	return value(out.Account), nil
}

// lsAll draws every account and Region that is used.
func (e *env) lsAll(ctx context.Context) error {
	scopes, err := e.scopes(ctx)
	if err != nil {
		return err
	}
	own, err := e.self(ctx)
	if err != nil {
		return err
	}
	views := make([]*env, len(scopes))
	for i, s := range scopes {
		views[i] = e.in(s)
		if s.Account == own { // by its own keys, which may be the only ones that are taken
			views[i].account = e.account
		}
	}
	type one struct {
		Scope
		inventory
	}
	list := []one{}
	for i, s := range scopes {
		inv, err := views[i].inventory(ctx)
		if err != nil {
			return fmt.Errorf("%s %s: %w", s.Account, s.Region, err)
		}
		list = append(list, one{s, inv})
	}
	if e.json {
		return e.printJSON(list)
	}
	if len(list) == 0 {
		if _, err := fmt.Fprintln(e.out, "Nothing was made yet: make a VPC with 'aws ec2 create-vpc', or play 'localvpc demo'."); err != nil {
			return err
		}
	}
	var nodes []render.Node
	for i, l := range list {
		if i < len(list)-1 {
			l.Internet.Hosts = nil // it is one, whoever looks at it
		}
		sub := views[i].tree(l.inventory)
		var internet []render.Node
		if n := len(sub); len(l.Internet.Hosts) > 0 && n > 0 {
			sub, internet = sub[:n-1], sub[n-1:]
		}
		nodes = append(nodes, render.Node{Text: e.line("account", l.Account, l.Region), Sub: sub})
		nodes = append(nodes, internet...)
	}
	render.Tree(e.out, nodes)
	return nil
}

// peeringNode is a peering connection, seen from one of its VPCs: its state, and
// which VPC is at the other end.
func (e *env) peeringNode(p *ec2.VpcPeeringConnection, vpc string) (render.Node, bool) {
	own, other, asked := p.RequesterVpcInfo, p.AccepterVpcInfo, "to"
	if own == nil || other == nil || p.Status == nil {
		return render.Node{}, false
	}
	if value(own.VpcId) != vpc {
		own, other, asked = other, own, "from"
	}
	if value(own.VpcId) != vpc {
		return render.Node{}, false
	}
	state := value(p.Status.Code)
	switch state {
	case ec2.VpcPeeringConnectionStateReasonCodeActive:
		state = e.style.Good(state)
	case ec2.VpcPeeringConnectionStateReasonCodePendingAcceptance:
	default:
		state = e.style.Dim(state)
	}
	where := ""
	if value(other.OwnerId) != value(own.OwnerId) {
		where = value(other.OwnerId)
	}
	region := ""
	if value(other.Region) != value(own.Region) {
		region = value(other.Region)
	}
	names := ""
	if o := own.PeeringOptions; o != nil && value(o.AllowDnsResolutionFromRemoteVpc) {
		names = "answers names for it"
	}
	return render.Node{Text: e.line("peering", value(p.VpcPeeringConnectionId), nameOf(p.Tags), state, asked, value(other.VpcId), value(other.CidrBlock), where, region, names)}, true
}

// completeRegions and completeAccounts are for the options of the same names.
func (e *env) completeRegions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, r := range awsregion.All() {
		out = append(out, r.Name+"\t"+r.LongName)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func (e *env) completeAccounts(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	other := *e
	other.account, other.region = "", ""
	scopes, err := other.scopes(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, s := range scopes {
		out = append(out, s.Account)
	}
	return slices.Compact(out), cobra.ShellCompDirectiveNoFileComp
}

// sessionToken goes with the keys of the environment, and with no others.
func (e *env) sessionToken() string {
	if e.account != "" {
		return ""
	}
	return os.Getenv("AWS_SESSION_TOKEN")
}
