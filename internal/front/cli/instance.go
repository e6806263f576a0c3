package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// resolve finds an instance by id or Name tag; terminated ones are not found by name.
func (e *env) resolve(ctx context.Context, name string) (*ec2.Instance, error) {
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
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("there is no instance with the Name tag %q in %s: 'localvpc ls' shows what there is", name, e.regionName())
	case 1:
		return &found[0], nil
	}
	return nil, fmt.Errorf("%d instances have the Name tag %q: give the id", len(found), name)
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
