package ec2

import (
	"iter"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// offering is a type at a place.
type offering struct{ instanceType, location string }

// DescribeInstanceTypeOfferings lists where the types are offered: everywhere.
func (s *Service) DescribeInstanceTypeOfferings(r state.Reader, c authz.Caller, in *api.DescribeInstanceTypeOfferingsInput) (*api.DescribeInstanceTypeOfferingsOutput, error) {
	pass, err := compile(in.Filters, filters[offering]{
		"instance-type": func(o *offering) []string { return one(o.instanceType) },
		"location":      func(o *offering) []string { return one(o.location) },
	})
	if err != nil {
		return nil, err
	}
	location := api.LocationTypeRegion
	if in.LocationType != nil {
		location = *in.LocationType
	}
	list, next, err := page(where(offerings(c.Region, location), func(o *offering) bool { return pass(r, o) }),
		func(o *offering) string { return o.instanceType + " " + o.location },
		paging{action: "DescribeInstanceTypeOfferings " + location, scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceTypeOfferingsOutput{InstanceTypeOfferings: []api.InstanceTypeOffering{}, NextToken: next}
	for _, o := range list {
		out.InstanceTypeOfferings = append(out.InstanceTypeOfferings, api.InstanceTypeOffering{
			InstanceType: ptr(o.instanceType), LocationType: ptr(location), Location: ptr(o.location),
		})
	}
	return out, nil
}

// offerings walks types and places in the order of their page keys. There are no Outposts.
func offerings(region, locationType string) iter.Seq[*offering] {
	var places []string
	switch locationType {
	case api.LocationTypeRegion:
		places = []string{region}
	case api.LocationTypeAvailabilityZone, api.LocationTypeAvailabilityZoneId:
		for _, z := range awsregion.Zones(region) {
			if locationType == api.LocationTypeAvailabilityZone {
				places = append(places, z.Name)
			} else {
				places = append(places, z.ID)
			}
		}
	}
	slices.Sort(places)
	return func(yield func(*offering) bool) {
		for _, t := range catalog.InstanceTypes() {
			for _, p := range places {
				if !yield(&offering{t.Name, p}) {
					return
				}
			}
		}
	}
}
