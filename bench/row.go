//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// row is one line of a subject's table.
type row struct {
	measure string
	value   float64
	unit    string
	yard    float64 // the yardstick's value in the same unit; 0: there is none
	of      string  // what the yardstick is
	ratio   float64 // median of the rounds' ratios; 0: value / yard
	target  target
	note    string
}

// target is what a row has to reach; the zero value asks for nothing.
type target struct {
	limit float64
	least bool // not below the limit; otherwise not above
	ratio bool // the limit is for the ratio, otherwise for the value
}

func atMost(limit float64) target       { return target{limit: limit} }
func atLeast(limit float64) target      { return target{limit: limit, least: true} }
func ratioAtMost(limit float64) target  { return target{limit: limit, ratio: true} }
func ratioAtLeast(limit float64) target { return target{limit: limit, ratio: true, least: true} }

func (r row) share() float64 {
	if r.ratio != 0 || r.yard == 0 {
		return r.ratio
	}
	return r.value / r.yard
}

// verdict is "ok", "MISS", "no yardstick", or nothing without a target.
func (r row) verdict() string {
	if r.target == (target{}) {
		return ""
	}
	v := r.value
	if r.target.ratio {
		if v = r.share(); v == 0 {
			return "no yardstick"
		}
	}
	if r.target.least && v >= r.target.limit || !r.target.least && v <= r.target.limit {
		return "ok"
	}
	return "MISS"
}

func (t target) String() string {
	if t == (target{}) {
		return ""
	}
	sign, kind := "≤", ""
	if t.least {
		sign = "≥"
	}
	if t.ratio {
		kind = " ratio"
	}
	return sign + " " + number(t.limit) + kind
}

// number spells with three significant digits.
func number(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	if v == 0 {
		digits = 0
	}
	text := strconv.FormatFloat(v, 'f', min(max(digits, 0), 4), 64)
	return trimZeros(text)
}

func trimZeros(text string) string {
	for i := range text {
		if text[i] == '.' {
			for text[len(text)-1] == '0' {
				text = text[:len(text)-1]
			}
			if text[len(text)-1] == '.' {
				text = text[:len(text)-1]
			}
			break
		}
	}
	return text
}

// show prints a table and gives the number of targets that were missed.
func show(w io.Writer, title string, rows []row) (missed int) {
	fmt.Fprintf(w, "\n%s\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  measure\tvalue\tyardstick\tratio\ttarget\t\tnote")
	for _, r := range rows {
		yard, ratio := "", ""
		if r.yard != 0 {
			yard = number(r.yard) + " " + r.unit + " " + r.of
		}
		if s := r.share(); s != 0 {
			ratio = number(s)
		}
		verdict := r.verdict()
		if verdict == "MISS" {
			missed++
		}
		fmt.Fprintf(t, "  %s\t%s %s\t%s\t%s\t%s\t%s\t%s\n", r.measure, number(r.value), r.unit, yard, ratio, r.target, verdict, r.note)
	}
	t.Flush()
	return missed
}
