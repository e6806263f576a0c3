package ec2

import (
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

func TestDescribeRegions(t *testing.T) {
	w := newWorld(t)
	all := call[api.DescribeRegionsOutput](w, "DescribeRegions", &api.DescribeRegionsInput{}).Regions
	if len(all) < 30 {
		t.Errorf("%d Regions", len(all))
	}
	for _, c := range []struct {
		name string
		in   api.DescribeRegionsInput
		want []string
	}{
		{"by name", api.DescribeRegionsInput{RegionNames: []string{"us-east-1", "eu-west-1"}}, []string{"us-east-1", "eu-west-1"}},
		{"by filter", api.DescribeRegionsInput{Filters: filtersOf("region-name", "us-*")}, []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2"}},
		{"by endpoint", api.DescribeRegionsInput{Filters: filtersOf("endpoint", "ec2.eu-west-3.amazonaws.com")}, []string{"eu-west-3"}},
		{"by status", api.DescribeRegionsInput{Filters: filtersOf("opt-in-status", "opted-in", "region-name", "eu-*")}, []string{"eu-central-2", "eu-south-1", "eu-south-2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := call[api.DescribeRegionsOutput](w.in(t), "DescribeRegions", &c.in)
			wantSame(t, ids(out.Regions, func(r api.Region) *string { return r.RegionName }), c.want)
		})
	}
	w.fails("DescribeRegions", &api.DescribeRegionsInput{RegionNames: []string{"us-east-9"}}, "InvalidParameterValue", "Invalid region provided")
}

func TestDescribeAvailabilityZones(t *testing.T) {
	w := newWorld(t)
	zones := call[api.DescribeAvailabilityZonesOutput](w, "DescribeAvailabilityZones", &api.DescribeAvailabilityZonesInput{}).AvailabilityZones
	if len(zones) != 6 {
		t.Fatalf("%d zones", len(zones))
	}
	if z := zones[1]; *z.ZoneName != "us-east-1b" || *z.ZoneId != "use1-az2" || *z.State != "available" || *z.RegionName != "us-east-1" || *z.ZoneType != "availability-zone" ||
		*z.OptInStatus != "opt-in-not-required" || *z.GroupName != "us-east-1-zg-1" || *z.NetworkBorderGroup != "us-east-1" {
		t.Errorf("%+v", z)
	}
	for _, c := range []struct {
		name string
		in   api.DescribeAvailabilityZonesInput
		want []string
	}{
		{"by name", api.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-east-1c"}}, []string{"us-east-1c"}},
		{"by id", api.DescribeAvailabilityZonesInput{ZoneIds: []string{"use1-az1"}}, []string{"us-east-1a"}},
		{"by filter", api.DescribeAvailabilityZonesInput{Filters: filtersOf("state", "available", "zone-id", "use1-az[12],use1-az3")}, []string{"us-east-1c"}},
		{"all of them", api.DescribeAvailabilityZonesInput{AllAvailabilityZones: ptr(true), Filters: filtersOf("zone-type", "local-zone")}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := call[api.DescribeAvailabilityZonesOutput](w.in(t), "DescribeAvailabilityZones", &c.in)
			wantSame(t, ids(out.AvailabilityZones, func(z api.AvailabilityZone) *string { return z.ZoneName }), c.want)
		})
	}
	w.fails("DescribeAvailabilityZones", &api.DescribeAvailabilityZonesInput{ZoneNames: []string{"eu-west-1a"}}, "InvalidParameterValue", "Invalid availability zone: [eu-west-1a]")
	w.fails("DescribeAvailabilityZones", &api.DescribeAvailabilityZonesInput{ZoneIds: []string{"use1-az9"}}, "InvalidParameterValue", "[use1-az9]")
}

func TestDescribeAccountAttributes(t *testing.T) {
	w := newWorld(t)
	all := call[api.DescribeAccountAttributesOutput](w, "DescribeAccountAttributes", &api.DescribeAccountAttributesInput{}).AccountAttributes
	got := map[string]string{}
	for _, a := range all {
		got[*a.AttributeName] = *a.AttributeValues[0].AttributeValue
	}
	if len(got) != 6 || got["supported-platforms"] != "VPC" || got["default-vpc"] != "none" || got["vpc-max-security-groups-per-interface"] != "5" {
		t.Errorf("%v", got)
	}
	some := call[api.DescribeAccountAttributesOutput](w, "DescribeAccountAttributes", &api.DescribeAccountAttributesInput{AttributeNames: []string{"default-vpc"}}).AccountAttributes
	if len(some) != 1 || *some[0].AttributeName != "default-vpc" {
		t.Errorf("%+v", some)
	}
	w.fails("DescribeAccountAttributes", &api.DescribeAccountAttributesInput{AttributeNames: []string{"colour"}}, "InvalidParameterValue", "colour")
}
