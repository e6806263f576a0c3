package dyndns

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// hosted is a hosted zone.
type hosted struct{ id, name string }

// zone finds where a name belongs: in the hosted zone with the longest name that
// it ends with.
func (a *Agent) zone(ctx context.Context, t target) (string, error) {
	if a.ZoneID != "" {
		return a.ZoneID, nil
	}
	list, err := a.hosted(ctx, t.Private)
	if err != nil {
		return "", fmt.Errorf("listing the hosted zones: %w", spoken(err))
	}
	kind := "public"
	if t.Private {
		kind = "private"
	}
	found := longest(list, t.Name)
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no %s hosted zone that the name is in, and nothing was changed: create one for %s or a domain above it", kind, parent(t.Name))
	case 1:
		return found[0].id, nil
	}
	var ids []string
	for _, z := range found {
		ids = append(ids, strings.TrimPrefix(z.id, "/hostedzone/"))
	}
	return "", fmt.Errorf("there are %d %s hosted zones %s, and nothing was changed: choose with --zone-id, of %s", len(found), kind, found[0].name, strings.Join(ids, ", "))
}

// longest gives the zones with the longest name that a name is or ends with, whole
// labels compared.
func longest(list []hosted, name string) (found []hosted) {
	name = "." + canonical(name)
	for _, z := range list {
		domain := "." + canonical(z.name)
		if !strings.HasSuffix(name, domain) {
			continue
		}
		if len(found) > 0 {
			if best := "." + canonical(found[0].name); len(domain) < len(best) {
				continue
			} else if len(domain) > len(best) {
				found = nil
			}
		}
		found = append(found, z)
	}
	return found
}

// canonical is how names are compared: as Route 53 shows them, with a final dot.
func canonical(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, ".")) + "."
	return strings.ReplaceAll(name, "*", `\052`)
}

func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

// hosted lists the public zones of the account, or the private ones that the
// instance's VPC asks.
func (a *Agent) hosted(ctx context.Context, private bool) (list []hosted, err error) {
	if !private {
		pages := route53.NewListHostedZonesPaginator(a.Zones, &route53.ListHostedZonesInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, z := range page.HostedZones {
				if z.Config == nil || !z.Config.PrivateZone {
					list = append(list, hosted{aws.ToString(z.Id), aws.ToString(z.Name)})
				}
			}
		}
		return list, nil
	}
	mac, err := a.Metadata.Text(ctx, "mac")
	if err != nil {
		return nil, err
	}
	vpc, err := a.Metadata.Text(ctx, "network/interfaces/macs/"+mac+"/vpc-id")
	if err != nil {
		return nil, err
	}
	in := &route53.ListHostedZonesByVPCInput{VPCId: &vpc, VPCRegion: types.VPCRegion(a.id.Region)}
	for {
		page, err := a.Zones.ListHostedZonesByVPC(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, z := range page.HostedZoneSummaries {
			list = append(list, hosted{aws.ToString(z.HostedZoneId), aws.ToString(z.Name)})
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return list, nil
		}
	}
}

// recordSet is what a target holds.
func recordSet(t target, value string, ttl int64) *types.ResourceRecordSet {
	return &types.ResourceRecordSet{Name: aws.String(t.Name), Type: t.Type, TTL: &ttl, ResourceRecords: []types.ResourceRecord{{Value: &value}}}
}

func (a *Agent) change(ctx context.Context, zone string, changes []types.Change) (id string, err error) {
	out, err := a.Zones.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &zone, ChangeBatch: &types.ChangeBatch{Changes: changes, Comment: aws.String("ec2-dyndns of " + a.id.Instance)},
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ChangeInfo.Id), nil
}

// find gives the record set of a name and type, nil if there is none.
func (a *Agent) find(ctx context.Context, zone, name string, kind types.RRType) (*types.ResourceRecordSet, error) {
	out, err := a.Zones.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: &zone, StartRecordName: &name, StartRecordType: kind, MaxItems: aws.Int32(1),
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the record %s %s: %w", name, kind, spoken(err))
	}
	for _, set := range out.ResourceRecordSets {
		if canonical(aws.ToString(set.Name)) == canonical(name) && set.Type == kind {
			return &set, nil
		}
	}
	return nil, nil
}

func describeTags(instance, key string) *ec2.DescribeTagsInput {
	return &ec2.DescribeTagsInput{Filters: []ec2types.Filter{
		{Name: aws.String("resource-id"), Values: []string{instance}},
		{Name: aws.String("key"), Values: []string{key}},
	}}
}
