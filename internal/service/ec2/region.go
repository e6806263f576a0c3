package ec2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeRegions lists the Regions. Every account has opted in to those that
// want it: there is nothing to pay for here.
func (s *Service) DescribeRegions(r state.Reader, c authz.Caller, in *api.DescribeRegionsInput) (*api.DescribeRegionsOutput, error) {
	pass, err := compile(in.Filters, regionFilters)
	if err != nil {
		return nil, err
	}
	for _, name := range in.RegionNames {
		if _, ok := awsregion.Lookup(name); !ok {
			return nil, awserr.InvalidParameterValue("region", name, "Invalid region provided.")
		}
	}
	out := &api.DescribeRegionsOutput{Regions: []api.Region{}}
	for _, region := range awsregion.All() {
		if len(in.RegionNames) > 0 && !slices.Contains(in.RegionNames, region.Name) || !pass(r, &region) {
			continue
		}
		out.Regions = append(out.Regions, api.Region{
			RegionName: ptr(region.Name), Endpoint: ptr(region.Endpoint("ec2")), OptInStatus: ptr(regionOptIn(&region)),
			Geography: []api.RegionGeography{{Name: ptr(region.Country)}},
		})
	}
	return out, nil
}

func regionOptIn(r *awsregion.Region) string {
	if r.OptIn {
		return "opted-in"
	}
	return "opt-in-not-required"
}

var regionFilters = filters[awsregion.Region]{
	"endpoint":      func(r *awsregion.Region) []string { return []string{r.Endpoint("ec2")} },
	"opt-in-status": func(r *awsregion.Region) []string { return []string{regionOptIn(r)} },
	"region-name":   func(r *awsregion.Region) []string { return []string{r.Name} },
}

// DescribeAvailabilityZones lists the zones of the caller's Region. There are no
// Local Zones and no Wavelength Zones, so AllAvailabilityZones adds none.
func (s *Service) DescribeAvailabilityZones(r state.Reader, c authz.Caller, in *api.DescribeAvailabilityZonesInput) (*api.DescribeAvailabilityZonesOutput, error) {
	pass, err := compile(in.Filters, zoneFilters)
	if err != nil {
		return nil, err
	}
	zones := awsregion.Zones(c.Region)
	for _, name := range in.ZoneNames {
		if !slices.ContainsFunc(zones, func(z awsregion.Zone) bool { return z.Name == name }) {
			return nil, awserr.New("InvalidParameterValue", "Invalid availability zone: [%s]", awserr.Clip(name))
		}
	}
	for _, id := range in.ZoneIds {
		if !slices.ContainsFunc(zones, func(z awsregion.Zone) bool { return z.ID == id }) {
			return nil, awserr.New("InvalidParameterValue", "Invalid availability zone-id: [%s]", awserr.Clip(id))
		}
	}
	out := &api.DescribeAvailabilityZonesOutput{AvailabilityZones: []api.AvailabilityZone{}}
	for _, z := range zones {
		if len(in.ZoneNames) > 0 && !slices.Contains(in.ZoneNames, z.Name) ||
			len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, z.ID) || !pass(r, &z) {
			continue
		}
		region, _ := awsregion.Lookup(z.Region)
		out.AvailabilityZones = append(out.AvailabilityZones, api.AvailabilityZone{
			ZoneName: ptr(z.Name), ZoneId: ptr(z.ID), RegionName: ptr(z.Region), State: ptr("available"),
			OptInStatus: ptr("opt-in-not-required"), ZoneType: ptr("availability-zone"), NetworkBorderGroup: ptr(z.Region),
			GroupName: ptr(zoneGroup(&z)), GroupLongName: ptr(zoneGroupLong(&z)),
			Geography: []api.AvailabilityZoneGeography{{Name: ptr(region.Country)}}, Messages: []api.AvailabilityZoneMessage{},
		})
	}
	return out, nil
}

// zoneGroup is the group of a zone; all zones of a Region are in its first one.
func zoneGroup(z *awsregion.Zone) string { return z.Region + "-zg-1" }

func zoneGroupLong(z *awsregion.Zone) string {
	region, _ := awsregion.Lookup(z.Region)
	return region.LongName + " 1"
}

var zoneFilters = filters[awsregion.Zone]{
	"group-long-name":  func(z *awsregion.Zone) []string { return []string{zoneGroupLong(z)} },
	"group-name":       func(z *awsregion.Zone) []string { return []string{zoneGroup(z)} },
	"message":          func(*awsregion.Zone) []string { return nil },
	"opt-in-status":    func(*awsregion.Zone) []string { return []string{"opt-in-not-required"} },
	"parent-zone-id":   func(*awsregion.Zone) []string { return nil },
	"parent-zone-name": func(*awsregion.Zone) []string { return nil },
	"region-name":      func(z *awsregion.Zone) []string { return []string{z.Region} },
	"state":            func(*awsregion.Zone) []string { return []string{"available"} },
	"zone-id":          func(z *awsregion.Zone) []string { return []string{z.ID} },
	"zone-name":        func(z *awsregion.Zone) []string { return []string{z.Name} },
	"zone-type":        func(*awsregion.Zone) []string { return []string{"availability-zone"} },
}
