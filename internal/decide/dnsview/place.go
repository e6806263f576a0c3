package dnsview

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Place is where Route 53 takes an asker to be: by its address or the client
// subnet of its query; in a private hosted zone, whatever the query says, by the
// Region of the VPC (Developer Guide, "Latency-based routing in private hosted
// zones"). The zero Place is unknown.
type Place struct {
	Region      string       // the nearest
	Continent   string       // code of two letters, as ListGeoLocations has it
	Country     string       // ISO 3166-1
	Subdivision string       // of the United States
	Client      netip.Prefix // address or subnet of the client
}

// site is where a Region is.
type site struct {
	latitude, longitude float64 // degrees
	country, continent  string
	subdivision         string
}

// sites are the Regions, by the towns and countries that AWS names them after.
var sites = map[string]site{
	"af-south-1":     {-33.9, 18.4, "ZA", "AF", ""},
	"ap-east-1":      {22.3, 114.2, "HK", "AS", ""},
	"ap-east-2":      {25.0, 121.5, "TW", "AS", ""},
	"ap-northeast-1": {35.7, 139.7, "JP", "AS", ""},
	"ap-northeast-2": {37.6, 127.0, "KR", "AS", ""},
	"ap-northeast-3": {34.7, 135.5, "JP", "AS", ""},
	"ap-south-1":     {19.1, 72.9, "IN", "AS", ""},
	"ap-south-2":     {17.4, 78.5, "IN", "AS", ""},
	"ap-southeast-1": {1.4, 103.8, "SG", "AS", ""},
	"ap-southeast-2": {-33.9, 151.2, "AU", "OC", ""},
	"ap-southeast-3": {-6.2, 106.8, "ID", "AS", ""},
	"ap-southeast-4": {-37.8, 145.0, "AU", "OC", ""},
	"ap-southeast-5": {3.1, 101.7, "MY", "AS", ""},
	"ap-southeast-6": {-36.8, 174.8, "NZ", "OC", ""},
	"ap-southeast-7": {13.8, 100.5, "TH", "AS", ""},
	"ca-central-1":   {45.5, -73.6, "CA", "NA", ""},
	"ca-west-1":      {51.0, -114.1, "CA", "NA", ""},
	"cn-north-1":     {39.9, 116.4, "CN", "AS", ""},
	"cn-northwest-1": {38.5, 106.2, "CN", "AS", ""},
	"eu-central-1":   {50.1, 8.7, "DE", "EU", ""},
	"eu-central-2":   {47.4, 8.5, "CH", "EU", ""},
	"eu-north-1":     {59.3, 18.1, "SE", "EU", ""},
	"eu-south-1":     {45.5, 9.2, "IT", "EU", ""},
	"eu-south-2":     {41.6, -0.9, "ES", "EU", ""},
	"eu-west-1":      {53.3, -6.3, "IE", "EU", ""},
	"eu-west-2":      {51.5, -0.1, "GB", "EU", ""},
	"eu-west-3":      {48.9, 2.4, "FR", "EU", ""},
	"il-central-1":   {32.1, 34.8, "IL", "AS", ""},
	"me-central-1":   {25.2, 55.3, "AE", "AS", ""},
	"me-south-1":     {26.2, 50.6, "BH", "AS", ""},
	"mx-central-1":   {20.6, -100.4, "MX", "NA", ""},
	"sa-east-1":      {-23.5, -46.6, "BR", "SA", ""},
	"us-east-1":      {39.0, -77.5, "US", "NA", "VA"},
	"us-east-2":      {40.0, -83.0, "US", "NA", "OH"},
	"us-gov-east-1":  {40.0, -83.0, "US", "NA", "OH"},
	"us-gov-west-1":  {45.8, -119.7, "US", "NA", "OR"},
	"us-west-1":      {37.4, -122.0, "US", "NA", "CA"},
	"us-west-2":      {45.8, -119.7, "US", "NA", "OR"},
}

// unknownRegion stands for the Region of an asker who is nowhere.
const unknownRegion = oldRegion

// RegionPlace is where the askers of a VPC in the Region are.
func RegionPlace(region string) Place {
	s := sites[region]
	return Place{Region: region, Continent: s.continent, Country: s.country, Subdivision: s.subdivision}
}

// ClientPlace is where a client subnet or address is: in the Region of the
// interface or Elastic IP that has the address. There is no map of the rest of the
// internet: others are nowhere, and match what is for everywhere.
func ClientPlace(r state.Reader, client netip.Prefix) Place {
	var p Place
	if client.IsValid() && client.IsSingleIP() {
		address := client.Addr().String()
		for n := range state.NetworkInterfaces.By(r, state.ByPublic, address) {
			p = RegionPlace(n.Region)
		}
		for a := range state.Addresses.By(r, state.ByPublic, address) {
			p = RegionPlace(a.Region)
		}
	}
	p.Client = client
	return p
}

// at gives the coordinates of the place.
func (p Place) at() site {
	if s, ok := sites[p.Region]; ok {
		return s
	}
	return sites[unknownRegion]
}

// distance between two sites in kilometres, along the great circle. Latency
// between Regions follows it closely, which makes it the static table that
// latency-based routing looks in.
func distance(a, b site) float64 {
	const radius, degree = 6371, math.Pi / 180
	latitude, longitude := (b.latitude-a.latitude)*degree, (b.longitude-a.longitude)*degree
	h := math.Pow(math.Sin(latitude/2), 2) + math.Cos(a.latitude*degree)*math.Cos(b.latitude*degree)*math.Pow(math.Sin(longitude/2), 2)
	return 2 * radius * math.Asin(math.Sqrt(min(1, h)))
}

// RoundTrip is how long a packet and its answer take between two Regions: light in
// fibre makes 200 km in a millisecond, and cables are a third longer than the great
// circle. It is 0 within one, and for one that is not known.
func RoundTrip(a, b string) time.Duration {
	from, ok1 := sites[a]
	to, ok2 := sites[b]
	if a == b || !ok1 || !ok2 {
		return 0
	}
	return time.Duration(distance(from, to)/100*4/3*1000) * time.Microsecond
}

// biased is the distance to the resource of a geoproximity record, shortened or
// lengthened by its bias (Developer Guide, "Geoproximity routing").
func biased(p Place, g *state.GeoProximity) float64 {
	var to site
	switch {
	case g.Region != "":
		to = sites[g.Region]
	case g.LocalZoneGroup != "":
		to = sites[regionOfGroup(g.LocalZoneGroup)]
	default:
		to.latitude, _ = strconv.ParseFloat(g.Latitude, 64)
		to.longitude, _ = strconv.ParseFloat(g.Longitude, 64)
	}
	d, bias := distance(p.at(), to), float64(g.Bias)
	if bias >= 0 {
		return d * (1 - bias/100)
	}
	return d / (1 + bias/100)
}

// regionOfGroup is the Region of a Local Zone group: us-west-2-lax-1.
func regionOfGroup(group string) string {
	dashes := 0
	for i, c := range group {
		if c == '-' {
			if dashes++; dashes == 3 {
				return group[:i]
			}
		}
	}
	return group
}

// KnownRegion says whether the Region has a place, so that records can be routed
// by it.
func KnownRegion(region string) bool { _, ok := sites[region]; return ok }
