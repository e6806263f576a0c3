// Package awsregion knows AWS's commercial Regions and their Availability Zones.
//
// Invariant: a table that never changes. AWS maps the letters of zones to ids for
// each account in its oldest Regions; here the mapping is the same for all.
package awsregion

import (
	_ "embed"
	"slices"
	"strings"
)

// Region is one Region (AWS General Reference, "AWS Regions and Availability
// Zones").
type Region struct {
	Name     string // "us-east-1"
	LongName string // "US East (N. Virginia)"
	Country  string // geography: "United States of America"
	OptIn    bool   // accounts have to opt in to use it
	Zones    []Zone
	// BalancerZone is the id of the hosted zone that the names of network load
	// balancers are in (AWS General Reference, "Elastic Load Balancing endpoints").
	BalancerZone string
}

// Zone is one Availability Zone.
type Zone struct {
	Name   string // "us-east-1a"
	ID     string // "use1-az1"
	Region string
}

//go:embed regions.tsv
var table string

var regions = parse(table)

func parse(tsv string) []Region {
	var out []Region
	for line := range strings.Lines(tsv) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		column := strings.Split(line, "\t")
		r := Region{Name: column[0], LongName: column[1], Country: column[2], OptIn: column[3] == "opt-in", BalancerZone: column[5]}
		for _, z := range strings.Fields(column[4]) {
			letter, id, _ := strings.Cut(z, "=")
			r.Zones = append(r.Zones, Zone{Name: r.Name + letter, ID: id, Region: r.Name})
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Region) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// All gives every Region, by name. The caller must not change it.
func All() []Region { return regions }

// Lookup finds a Region by its name.
func Lookup(name string) (Region, bool) {
	i, ok := slices.BinarySearchFunc(regions, name, func(r Region, name string) int { return strings.Compare(r.Name, name) })
	if !ok {
		return Region{}, false
	}
	return regions[i], true
}

// Zones gives the zones of a Region, by name; none for an unknown Region. The
// caller must not change it.
func Zones(region string) []Zone {
	r, _ := Lookup(region)
	return r.Zones
}

// Endpoint is the host name of a service in the Region.
func (r Region) Endpoint(service string) string { return service + "." + r.Name + ".amazonaws.com" }
