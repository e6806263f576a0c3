package fabric

import "github.com/localvpc/localvpc/internal/state"

// regionLatency is where it is kept whether Regions are apart, of no account and no
// Region.
var regionLatency = state.Key{ID: "region-latency"}

// hasLatency says whether packets between Regions take their time.
func hasLatency(r state.Reader) bool {
	row, ok := state.Settings.Get(r, regionLatency)
	return ok && row.Value == "on"
}

// SetRegionLatency keeps whether packets between Regions take their time; it holds
// from the next start on.
func SetRegionLatency(tx *state.Tx, on bool) {
	switch {
	case on == hasLatency(tx):
	case on:
		state.Settings.Put(tx, &state.Setting{Meta: state.Meta{Key: regionLatency}, Value: "on"})
	default:
		state.Settings.Delete(tx, regionLatency)
	}
}
