// Package render turns answers into text for people: tables, trees, prose.
//
// Invariant: pure; it looks nothing up and decides nothing, and without colour
// its output is plain text that tools can cut.
package render

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Style says how a terminal wants its text.
type Style struct{ Colour bool }

func (s Style) paint(code, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold, Dim, Good and Bad mark text where colour is wanted.
func (s Style) Bold(text string) string { return s.paint("1", text) }
func (s Style) Dim(text string) string  { return s.paint("2", text) }
func (s Style) Good(text string) string { return s.paint("32", text) }
func (s Style) Bad(text string) string  { return s.paint("31", text) }

// Table writes rows in columns, two spaces apart. The first row is the heading.
func Table(w io.Writer, s Style, rows [][]string) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			line = s.Bold(line)
		}
		fmt.Fprintln(w, line)
	}
}

// Node is one line of a tree, with what hangs below it.
type Node struct {
	Text string
	Sub  []Node
}

// Tree draws nodes with lines.
func Tree(w io.Writer, nodes []Node) { tree(w, nodes, "", true) }

func tree(w io.Writer, nodes []Node, indent string, top bool) {
	for i, n := range nodes {
		branch, below := "├─ ", "│  "
		if i == len(nodes)-1 {
			branch, below = "└─ ", "   "
		}
		if top {
			branch, below = "", ""
		}
		fmt.Fprintf(w, "%s%s%s\n", indent, branch, n.Text)
		tree(w, n.Sub, indent+below, false)
	}
}
