package dnsview

import "github.com/localvpc/localvpc/internal/state"

// Chance is one thing in an answer that was left to chance. What it is follows from
// the question, the state, and the outcomes of those before it: whoever has seen an
// answer for one outcome after the other knows all that there are.
type Chance struct {
	At  uint64 // which draw of the answer's
	Of  int    // how many numbers it was drawn from
	Got int    // the outcome
	// Bounds are the ends of the ranges of numbers that are one outcome; nil: each
	// number is one.
	Bounds []int

	weights []*state.RecordSet // the range of each is as long as its weight
}

// Outcomes is how many there are.
func (c *Chance) Outcomes() int {
	if c.Bounds != nil {
		return len(c.Bounds)
	}
	return c.Of
}

// Outcome is the one that a question's Draw has.
func (c *Chance) Outcome(draw uint64) int {
	at := c.number(draw)
	for i, end := range c.Bounds {
		if at < end {
			return i
		}
	}
	return at
}

// number is the one that is drawn (SplitMix64).
func (c *Chance) number(draw uint64) int {
	z := draw + c.At*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(c.Of))
}

// below draws a number below n.
func (a *asking) below(n int) int { return a.draw(Chance{Of: n}) }

// draw settles the next chance, and notes it if somebody wants to know.
func (a *asking) draw(c Chance) int {
	a.drawn++
	c.At = a.drawn
	at := c.number(a.seed)
	c.Got = at
	if c.weights != nil {
		for i, s := range c.weights {
			if at -= int(*s.Weight); at < 0 {
				c.Got = i
				break
			}
		}
	}
	if a.chances == nil || c.Of == 1 {
		return c.Got
	}
	if c.weights != nil {
		c.Bounds = make([]int, len(c.weights))
		end := 0
		for i, s := range c.weights {
			end += int(*s.Weight)
			c.Bounds[i] = end
		}
		c.weights = nil
	}
	*a.chances = append(*a.chances, c)
	return c.Got
}
