package imds

import (
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// subject is the instance that asks about itself.
type subject struct {
	snap     *state.Snapshot
	instance *state.Instance
	now      time.Time
	token    bool          // it has shown one
	seal     session.Seal  // of role credentials
	life     time.Duration // of these
	notary   Notary        // of identity documents; nil: they are not signed
	library  *authz.Library
}

// directory is a list of entries in the order in which they are listed.
type directory []entry

// entry is one thing that can be asked for: a text or a directory. It is not
// there when text says so, or when the directory has nothing in it.
type entry struct {
	name        string
	text        func(*subject) (string, bool)
	sub         func(*subject) directory
	contentType string // of the text, when it is not plain
	listed      string // in listings; empty: the name, with a slash for a directory
}

// always is an entry whose text is there for every instance.
func always(name string, text func(*subject) string) entry {
	return entry{name: name, text: func(s *subject) (string, bool) { return text(s), true }}
}

// fixed is an entry with the same text for every instance.
func fixed(name, text string) entry {
	return always(name, func(*subject) string { return text })
}

// of is a directory with the same entries for every instance.
func of(name string, entries ...entry) entry {
	return entry{name: name, sub: func(*subject) directory { return entries }}
}

// leaf is what is found.
type leaf struct{ text, contentType string }

// find walks a path; the text of a directory is its listing.
func (d directory) find(path []string, s *subject) (leaf, bool) {
	if len(path) == 0 {
		text := d.list(s)
		return leaf{text, plain}, text != ""
	}
	for _, e := range d {
		if e.name != path[0] {
			continue
		}
		if e.sub != nil {
			return e.sub(s).find(path[1:], s)
		}
		if len(path) > 1 {
			return leaf{}, false
		}
		text, ok := e.text(s)
		contentType := e.contentType
		if contentType == "" {
			contentType = plain
		}
		return leaf{text, contentType}, ok
	}
	return leaf{}, false
}

// list is one line per entry that is there, without a line end behind the last.
func (d directory) list(s *subject) string {
	var b strings.Builder
	for _, e := range d {
		if !e.there(s) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		switch {
		case e.listed != "":
			b.WriteString(e.listed)
		case e.sub != nil:
			b.WriteString(e.name + "/")
		default:
			b.WriteString(e.name)
		}
	}
	return b.String()
}

func (e entry) there(s *subject) bool {
	if e.sub == nil {
		_, ok := e.text(s)
		return ok
	}
	for _, inner := range e.sub(s) {
		if inner.there(s) {
			return true
		}
	}
	return false
}

// versions are those that AWS lists; all of them serve the same here, whereas
// AWS leaves out of older ones what came later.
var versions = [...]string{"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01",
	"2008-09-01", "2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20",
	"2016-04-19", "2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27",
	"2021-01-03", "2021-03-23", "2021-07-15", "2022-09-24", "2024-04-11", "latest"}

// root is the whole tree. Its first two levels are listed without slashes.
var root = func() directory {
	top := directory{
		{name: "dynamic", listed: "dynamic", sub: func(*subject) directory { return dynamic }},
		{name: "meta-data", listed: "meta-data", sub: func(*subject) directory { return metaData }},
		{name: "user-data", text: userData, contentType: binary},
	}
	var d directory
	for _, v := range versions {
		d = append(d, entry{name: v, listed: v, sub: func(*subject) directory { return top }})
	}
	return d
}()

func userData(s *subject) (string, bool) {
	return string(s.instance.UserData), len(s.instance.UserData) > 0
}
