//go:build linux

package main

import (
	"math"
	"slices"
	"testing"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		name   string
		sample []float64
		q      float64
		want   float64
	}{
		{"one value is every quantile", []float64{7}, 0.99, 7},
		{"the middle of an odd sample", []float64{9, 1, 5}, 0.5, 5},
		{"between the middle two of an even one", []float64{4, 1, 3, 2}, 0.5, 2.5},
		{"the least", []float64{3, 1, 2}, 0, 1},
		{"the greatest", []float64{3, 1, 2}, 1, 3},
		{"interpolated", []float64{0, 10}, 0.9, 9},
	} {
		given := slices.Clone(c.sample)
		if got := quantile(c.sample, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: quantile(%v, %v) = %v, want %v", c.name, c.sample, c.q, got, c.want)
		}
		if !slices.Equal(given, c.sample) {
			t.Errorf("%s: the sample was reordered to %v", c.name, c.sample)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v, want NaN", got)
	}
}

func TestRatios(t *testing.T) {
	got := ratios([]float64{2, 9, 4}, []float64{1, 3})
	if !slices.Equal(got, []float64{2, 3}) {
		t.Errorf("ratios = %v: want one for each complete round", got)
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		r    row
		want string
	}{
		{row{}, ""},
		{row{target: atMost(3), value: 3}, "ok"},
		{row{target: atMost(3), value: 3.01}, "MISS"},
		{row{target: atLeast(20), value: 20}, "ok"},
		{row{target: atLeast(20), value: 19.9}, "MISS"},
		{row{target: ratioAtMost(0.1), value: 5, yard: 60, ratio: 5. / 60}, "ok"},
		{row{target: ratioAtLeast(0.85), value: 9, yard: 10, ratio: 0.8}, "MISS"},
		{row{target: ratioAtLeast(0.85), value: 9}, "no yardstick"},
		{row{target: atMost(3), value: math.NaN()}, "MISS"},
	} {
		if got := c.r.verdict(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}
