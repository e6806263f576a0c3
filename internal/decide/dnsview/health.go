package dnsview

import "github.com/localvpc/localvpc/internal/state"

// health is what one question has found out about health: each check and each
// record set is judged once, however many lead to it.
type health struct {
	r      state.Reader
	checks map[state.Key]bool
	sets   map[*state.RecordSet]bool
}

// CheckHealthy says whether a health check is healthy: what its checkers or its
// children say, turned round when it is inverted. A disabled one is always
// healthy (Route 53 API Reference, HealthCheckConfig, "Disabled"); so is one that
// does not exist.
func CheckHealthy(r state.Reader, k state.Key) bool {
	h := health{r: r}
	return h.check(k)
}

func (h *health) check(k state.Key) bool {
	if up, ok := h.checks[k]; ok {
		return up
	}
	c, ok := state.HealthChecks.Get(h.r, k)
	if !ok {
		return true
	}
	if h.checks == nil {
		h.checks = map[state.Key]bool{}
	}
	h.checks[k] = true // while its children are judged: a loop ends here
	up := !c.Down
	switch {
	case c.Disabled:
		up = true
	case c.Type == "CLOUDWATCH_METRIC":
		// Without CloudWatch an alarm has no data; a last status that nobody knows is
		// healthy (Route 53 API Reference, HealthCheckConfig, "InsufficientDataHealthStatus").
		up = c.InsufficientData != "Unhealthy"
	case c.Type == "CALCULATED":
		healthy := 0
		for _, child := range c.Children {
			if h.check(state.Key{Account: c.Account, ID: child}) {
				healthy++
			}
		}
		up = c.HealthThreshold == nil || healthy >= int(*c.HealthThreshold)
	}
	up = up != c.Inverted
	h.checks[k] = up
	return up
}

// set says whether a record set may be answered with: its own health check, and of
// an alias that evaluates the health of its target, whether some record of the
// target is healthy. One without either always is.
func (h *health) set(s *state.RecordSet) bool {
	if s.HealthCheckID != "" && !h.check(state.Key{Account: s.Account, ID: s.HealthCheckID}) {
		return false
	}
	if s.Alias == nil || !s.Alias.EvaluateHealth {
		return true
	}
	if up, ok := h.sets[s]; ok {
		return up
	}
	if h.sets == nil {
		h.sets = map[*state.RecordSet]bool{}
	}
	h.sets[s] = true // as in check
	group, ours := target(h.r, s)
	up := !ours && aliasWell(h.r, s.Alias.Name)
	for _, t := range group {
		if h.set(t) {
			up = true
			break
		}
	}
	h.sets[s] = up
	return up
}
