package route53

import (
	_ "embed"
	"strings"
	"sync"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// location3 is a place of geolocation routing: a continent, a country or a
// subdivision of one; the country "*" is everywhere.
type location3 struct{ continent, country, subdivision string }

type geoPlace struct {
	location3
	name string
}

//go:embed geolocation.tsv
var geoTable string

// geoPlaces in the order in which they are listed: continents, then countries,
// each with its subdivisions behind it.
var geoPlaces = sync.OnceValue(func() (places []geoPlace) {
	for line := range strings.Lines(geoTable) {
		if column := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(column) == 4 {
			places = append(places, geoPlace{location3{column[0], column[1], column[2]}, column[3]})
		}
	}
	return places
})

// geoIndex finds a place; requests name a continent, or a country and perhaps its
// subdivision, never a continent with a country.
var geoIndex = sync.OnceValue(func() map[location3]int {
	index := map[location3]int{}
	for i, p := range geoPlaces() {
		if l := p.location3; l.country != "" {
			index[location3{"", l.country, l.subdivision}] = i
		} else {
			index[l] = i
		}
	}
	return index
})

// geoLocation finds a place as a request names it.
func geoLocation(l location3) (int, bool) {
	i, ok := geoIndex()[l]
	return i, ok
}

func geoOut(i int) *api.GeoLocationDetails {
	p := geoPlaces()[i]
	switch {
	case p.country == "":
		return &api.GeoLocationDetails{ContinentCode: &p.continent, ContinentName: &p.name}
	case p.subdivision == "":
		return &api.GeoLocationDetails{CountryCode: &p.country, CountryName: &p.name}
	}
	country := geoPlaces()[geoIndex()[location3{"", p.country, ""}]].name
	return &api.GeoLocationDetails{CountryCode: &p.country, CountryName: &country, SubdivisionCode: &p.subdivision, SubdivisionName: &p.name}
}

// GetGeoLocation says whether a place can be routed by, and its name.
func (s *Service) GetGeoLocation(_ state.Reader, _ authz.Caller, in *api.GetGeoLocationInput) (*api.GetGeoLocationOutput, error) {
	i, ok := geoLocation(location3{text(in.ContinentCode), text(in.CountryCode), text(in.SubdivisionCode)})
	if !ok {
		return nil, refuse(api.ErrNoSuchGeoLocation, api.ErrNoSuchGeoLocationStatus, "The geographic location specified is not supported by Amazon Route 53.")
	}
	return &api.GetGeoLocationOutput{GeoLocationDetails: geoOut(i)}, nil
}

// ListGeoLocations lists the places that can be routed by.
func (s *Service) ListGeoLocations(_ state.Reader, _ authz.Caller, in *api.ListGeoLocationsInput) (*api.ListGeoLocationsOutput, error) {
	most, err := limitOf(in.MaxItems, zonePage, zonePage)
	if err != nil {
		return nil, err
	}
	start := 0
	if l := (location3{text(in.StartContinentCode), text(in.StartCountryCode), text(in.StartSubdivisionCode)}); l != (location3{}) {
		if l.continent != "" && l.country != "" {
			return nil, invalidInput("Invalid request: StartContinentCode and StartCountryCode exclude each other.")
		}
		at, ok := geoLocation(l)
		if !ok {
			return nil, invalidInput("Invalid request: ListGeoLocations has no place to start with that is %s.", strings.Join([]string{l.continent, l.country, l.subdivision}, "/"))
		}
		start = at
	}
	out := &api.ListGeoLocationsOutput{GeoLocationDetailsList: []api.GeoLocationDetails{}, IsTruncated: new(false), MaxItems: new(int32(most))}
	for i := start; i < len(geoPlaces()); i++ {
		if len(out.GeoLocationDetailsList) == most {
			next := geoOut(i)
			out.IsTruncated, out.NextContinentCode, out.NextCountryCode, out.NextSubdivisionCode = new(true), next.ContinentCode, next.CountryCode, next.SubdivisionCode
			break
		}
		out.GeoLocationDetailsList = append(out.GeoLocationDetailsList, *geoOut(i))
	}
	return out, nil
}
