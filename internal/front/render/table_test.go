package render

import (
	"strings"
	"testing"
)

func TestTableAligns(t *testing.T) {
	var b strings.Builder
	Table(&b, Style{}, [][]string{{"ID", "NAME"}, {"i-0123", "web"}, {"i-1", "ü"}})
	want := "ID      NAME\ni-0123  web\ni-1     ü\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTreeDraws(t *testing.T) {
	var b strings.Builder
	Tree(&b, []Node{{"vpc", []Node{{"a", []Node{{"i", nil}}}, {"b", nil}}}})
	want := "vpc\n├─ a\n│  └─ i\n└─ b\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
