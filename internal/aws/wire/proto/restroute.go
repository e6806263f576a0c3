package proto

import (
	"net/url"
	"slices"
	"strings"
)

// route is the request line of one action: its path in segments, a label as
// "{Member}".
type route struct {
	action   *Action
	segments []string
}

// maxPath bounds a path in segments: AWS's longest has six.
const maxPath = 16

// idPrefixes are the segments that an id may bring along: clients send the ids
// they were given, "/hostedzone/Z…" as well as "Z…".
var idPrefixes = [...]string{"hostedzone", "change", "delegationset"}

// prefixed says whether a member is an id that may have a prefix.
func prefixed(name string) bool {
	switch name {
	case "Id", "HostedZoneId", "DelegationSetId", "ResourceId":
		return true
	}
	return false
}

// HasPath says whether a path is of the service: "/2013-04-01/…". Services of other
// protocols have none.
func (a *API) HasPath(path string) bool {
	version, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return a.Protocol == RESTXML && version == a.Version
}

// routeTo finds the action whose method and path a request has, and the values
// of its labels, not yet checked. A path may end with a slash.
func (a *API) routeTo(method, path string) (*Action, map[string]string) {
	a.routing.Do(a.buildRoutes)
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if n := len(segments); n > 1 && segments[n-1] == "" {
		segments = segments[:n-1]
	}
	if len(segments) > maxPath {
		return nil, nil
	}
	for i := range a.routes {
		r := &a.routes[i]
		if r.action.Method != method {
			continue
		}
		if labels, ok := r.match(segments); ok {
			return r.action, labels
		}
	}
	return nil, nil
}

// buildRoutes sorts the routes so that a literal segment is tried before a label.
func (a *API) buildRoutes() {
	for i := range a.Actions {
		if act := &a.Actions[i]; act.Path != "" {
			a.routes = append(a.routes, route{act, strings.Split(strings.TrimPrefix(act.Path, "/"), "/")})
		}
	}
	slices.SortStableFunc(a.routes, func(x, y route) int { return labelsIn(x.segments) - labelsIn(y.segments) })
}

func labelsIn(segments []string) (n int) {
	for _, s := range segments {
		if strings.HasPrefix(s, "{") {
			n++
		}
	}
	return n
}

func (r *route) match(path []string) (map[string]string, bool) {
	var labels map[string]string
	for _, want := range r.segments {
		label, isLabel := strings.CutPrefix(want, "{")
		label = strings.TrimSuffix(label, "}")
		if isLabel && prefixed(label) {
			path = withoutPrefix(path)
		}
		if len(path) == 0 {
			return nil, false
		}
		got := path[0]
		path = path[1:]
		if !isLabel {
			if got != want {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(got)
		if err != nil || value == "" {
			return nil, false
		}
		if labels == nil {
			labels = map[string]string{}
		}
		if prefixed(label) {
			value = bareID(value)
		}
		labels[label] = value
	}
	return labels, len(path) == 0
}

// withoutPrefix drops the segments of an id's prefix: "", "hostedzone", "Z…" and
// "hostedzone", "Z…" become "Z…".
func withoutPrefix(path []string) []string {
	rest := path
	if len(rest) > 1 && rest[0] == "" {
		rest = rest[1:]
	}
	if len(rest) > 1 && slices.Contains(idPrefixes[:], rest[0]) {
		return rest[1:]
	}
	return path
}

// bareID is an id without its prefix.
func bareID(id string) string {
	for _, prefix := range idPrefixes {
		if rest, ok := strings.CutPrefix(strings.TrimPrefix(id, "/"), prefix+"/"); ok {
			return rest
		}
	}
	return id
}
