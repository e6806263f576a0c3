package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// resolve finds an instance by id or Name tag; terminated ones are not found by name.
func (e *env) resolve(ctx context.Context, name string) (*ec2.Instance, error) {
	found, err := e.named(ctx, name)
	if err != nil {
		return nil, e.astray(ctx, name, err)
	}
	switch len(found) {
	case 0:
		return nil, e.astray(ctx, name, fmt.Errorf("there is no instance with the Name tag %q in %s: 'localvpc ls' shows what there is", name, e.regionName()))
	case 1:
		return &found[0], nil
	}
	return nil, fmt.Errorf("%d instances have the Name tag %q: give the id", len(found), name)
}

// place is where a command runs or a connection leads: an instance's id or an
// outside host's name.
type place struct{ instance, host string }

// place finds an instance or an outside host by what a user calls it.
func (e *env) place(ctx context.Context, name string) (place, error) {
	if host, ok := strings.CutPrefix(name, hostPrefix); ok {
		return place{host: host}, nil
	}
	if name == internet {
		return place{host: internet}, nil
	}
	if strings.HasPrefix(name, "i-") {
		inst, err := e.resolve(ctx, name)
		if err != nil {
			return place{}, err
		}
		return place{instance: value(inst.InstanceId)}, nil
	}
	found, err := e.named(ctx, name)
	if err != nil {
		return place{}, err
	}
	all, err := e.hosts(ctx)
	if err != nil {
		return place{}, err
	}
	isHost := slices.ContainsFunc(all.Hosts, func(h Host) bool { return h.Name == name })
	switch {
	case isHost && len(found) > 0:
		return place{}, fmt.Errorf("%q is an outside host and the Name tag of an instance: give the instance's id, or %s%s", name, hostPrefix, name)
	case isHost:
		return place{host: name}, nil
	case len(found) == 1:
		return place{instance: value(found[0].InstanceId)}, nil
	case len(found) > 1:
		return place{}, fmt.Errorf("%d instances have the Name tag %q: give the id", len(found), name)
	}
	none := &nowhere{name, e.regionName()}
	if strings.Contains(name, ".") { // rather a public name
		return place{}, none
	}
	return place{}, e.astray(ctx, name, none)
}

// nowhere says that nothing is called so.
type nowhere struct{ name, region string }

func (n *nowhere) Error() string {
	return fmt.Sprintf("there is no instance with the Name tag %q in %s, and no outside host of that name: 'localvpc ls' shows what there is", n.name, n.region)
}

// named gives the instances that an id or a Name tag means.
func (e *env) named(ctx context.Context, name string) ([]ec2.Instance, error) {
	in := &ec2.DescribeInstancesInput{}
	if strings.HasPrefix(name, "i-") {
		in.InstanceIds = []string{name}
	} else {
		key := "tag:Name"
		in.Filters = []ec2.Filter{{Name: &key, Values: []string{escape(name)}}}
	}
	out, err := call[ec2.DescribeInstancesOutput](ctx, e, "DescribeInstances", in)
	if err != nil {
		return nil, err
	}
	var found []ec2.Instance
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if len(in.InstanceIds) > 0 || value(i.State.Name) != "terminated" {
				found = append(found, i)
			}
		}
	}
	return found, nil
}

// escape keeps a filter from reading wildcards in a name.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(s)
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (e *env) logsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logs <instance>", Short: "Print an instance's console output", Example: "  localvpc logs web",
		Args: cobra.ExactArgs(1), ValidArgsFunction: e.completeInstances,
		RunE: func(cmd *cobra.Command, args []string) error {
			inst, err := e.resolve(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			out, err := call[ec2.GetConsoleOutputOutput](cmd.Context(), e, "GetConsoleOutput", &ec2.GetConsoleOutputInput{InstanceId: inst.InstanceId})
			if err != nil {
				return err
			}
			text, err := base64.StdEncoding.DecodeString(value(out.Output))
			if err != nil {
				return fmt.Errorf("reading the console output: %w", err)
			}
			if e.json {
				return e.printJSON(map[string]string{"InstanceId": value(inst.InstanceId), "Output": string(text)})
			}
			_, err = e.out.Write(text)
			return err
		},
	}
}

// completePlaces offers instances and outside hosts.
func (e *env) completePlaces(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	words, directive := e.completeInstances(cmd, args, word)
	if len(args) > 0 || directive == cobra.ShellCompDirectiveError {
		return words, directive
	}
	hosts, directive := e.completeHosts(cmd, args, word)
	if !slices.Contains(hosts, internet) {
		hosts = append(hosts, internet)
	}
	return append(words, hosts...), directive
}

// completeInstances offers the Name tags and ids of the instances there are.
func (e *env) completeInstances(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	out, err := call[ec2.DescribeInstancesOutput](cmd.Context(), e, "DescribeInstances", &ec2.DescribeInstancesInput{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var words []string
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if name := nameOf(i.Tags); name != "" {
				words = append(words, name)
			}
			words = append(words, value(i.InstanceId))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func nameOf(tags []ec2.Tag) string {
	for _, t := range tags {
		if value(t.Key) == "Name" {
			return value(t.Value)
		}
	}
	return ""
}
