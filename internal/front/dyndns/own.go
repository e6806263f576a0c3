package dyndns

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
)

// ownerLabel begins the name of the TXT record that says who owns a name. It is
// not the name's own: that may be a CNAME, and have TXT records of its users'.
const ownerLabel = "_owner."

// mark is the owner's TXT value.
func (id Identity) mark() string {
	return fmt.Sprintf(`"ec2-dyndns instance=%s account=%s region=%s"`, id.Instance, id.Account, id.Region)
}

// parseMark reads the value of an owner's TXT record.
func parseMark(value string) (id Identity, ok bool) {
	rest, ok := strings.CutPrefix(strings.Trim(value, `"`), "ec2-dyndns ")
	for _, field := range strings.Fields(rest) {
		key, v, _ := strings.Cut(field, "=")
		switch key {
		case "instance":
			id.Instance = v
		case "account":
			id.Account = v
		case "region":
			id.Region = v
		}
	}
	return id, ok && id.Instance != ""
}

// owner reads who owns a name; set is nil when nobody does.
func (a *Agent) owner(ctx context.Context, zone, name string) (set *types.ResourceRecordSet, id Identity, err error) {
	if set, err = a.find(ctx, zone, ownerLabel+name, types.RRTypeTxt); err != nil || set == nil {
		return nil, id, err
	}
	if len(set.ResourceRecords) == 1 {
		if id, ok := parseMark(aws.ToString(set.ResourceRecords[0].Value)); ok {
			return set, id, nil
		}
	}
	return nil, id, fmt.Errorf("the TXT record %s is not one of an owner's: it is not changed", ownerLabel+name)
}

// owning adds to the change of a record what makes this instance its owner, or
// refuses. What was read is part of the batch: if the owner changes meanwhile,
// Route 53 refuses all of it.
func (a *Agent) owning(ctx context.Context, zone string, t target, change types.Change) ([]types.Change, error) {
	own := recordSet(target{Name: ownerLabel + t.Name, Type: types.RRTypeTxt}, a.id.mark(), a.TTL)
	now, owner, err := a.owner(ctx, zone, t.Name)
	if err != nil {
		return nil, err
	}
	if now == nil {
		// A record without an owner is somebody's: Route 53 refuses to create it.
		change.Action = types.ChangeActionCreate
		return []types.Change{{Action: types.ChangeActionCreate, ResourceRecordSet: own}, change}, nil
	}
	if owner != a.id {
		if err := a.gone(ctx, owner); err != nil {
			return nil, err
		}
	}
	return []types.Change{{Action: types.ChangeActionDelete, ResourceRecordSet: now}, {Action: types.ChangeActionCreate, ResourceRecordSet: own}, change}, nil
}

// gone says why an owner keeps its name; nil when it is terminated.
func (a *Agent) gone(ctx context.Context, owner Identity) error {
	belongs := fmt.Sprintf("it belongs to the instance %s", owner.Instance)
	if owner.Account != a.id.Account || owner.Region != a.id.Region {
		return fmt.Errorf("%s of account %s in %s, and is not changed", belongs, owner.Account, owner.Region)
	}
	out, err := a.Compute.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{owner.Instance}})
	var fault smithy.APIError
	switch {
	case errors.As(err, &fault) && fault.ErrorCode() == "InvalidInstanceID.NotFound":
		return nil
	case errors.As(err, &fault):
		return fmt.Errorf("%s, and is not changed; whether that is terminated cannot be seen (allow the role ec2:DescribeInstances): %s", belongs, fault.ErrorCode())
	case err != nil:
		return err
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if i.State == nil || i.State.Name != ec2types.InstanceStateNameTerminated {
				state := "not terminated"
				if i.State != nil {
					state = string(i.State.Name)
				}
				return fmt.Errorf("%s, which is %s, and is not changed", belongs, state)
			}
		}
	}
	return nil
}

// Remove takes away the records that this instance owns, with who owns them.
func (a *Agent) Remove(ctx context.Context) error {
	if a.id.Instance == "" {
		id, err := a.Metadata.Identity(ctx)
		if err != nil {
			return fmt.Errorf("asking the instance's metadata who it is: %w", err)
		}
		a.id = id
	}
	names, err := a.names(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		for _, private := range a.privates() {
			if err := a.remove(ctx, target{Name: name, Private: private}); err != nil {
				failed = append(failed, fmt.Errorf("removing %s: %w", name, spoken(err)))
			}
		}
	}
	return errors.Join(failed...)
}

// privates are the kinds of zones that the options lead to.
func (a *Agent) privates() []bool {
	switch {
	case a.Zone != "":
		return []bool{a.Zone == Private}
	case a.CNAME || a.Address == Public:
		return []bool{false}
	case a.Address == Private:
		return []bool{true}
	}
	return []bool{false, true}
}

func (a *Agent) remove(ctx context.Context, t target) error {
	zone, err := a.zone(ctx, t)
	if err != nil {
		return err
	}
	own, owner, err := a.owner(ctx, zone, t.Name)
	if err != nil || own == nil || owner != a.id {
		return err // nothing is there that is ours
	}
	changes := []types.Change{{Action: types.ChangeActionDelete, ResourceRecordSet: own}}
	for _, kind := range []types.RRType{types.RRTypeA, types.RRTypeAaaa, types.RRTypeCname} {
		set, err := a.find(ctx, zone, t.Name, kind)
		if err != nil {
			return err
		}
		if set != nil {
			changes = append(changes, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: set})
		}
	}
	if _, err := a.change(ctx, zone, changes); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "removing %s\n", t.Name)
	return err
}
