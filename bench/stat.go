//go:build linux

package main

import (
	"math"
	"slices"
)

// quantile is the value below which the share q (0 to 1) of the sample lies,
// interpolated between its neighbours; NaN for an empty sample.
func quantile(sample []float64, q float64) float64 {
	if len(sample) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(sample))
	at := q * float64(len(s)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(s)-1)
	return s[low] + (s[high]-s[low])*(at-float64(low))
}

func median(sample []float64) float64 { return quantile(sample, 0.5) }

// ratios divides round by round: what disturbs a round disturbs both sides of it.
func ratios(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] / b[i]
	}
	return out
}
