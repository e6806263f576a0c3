//go:build linux

package kernel

import (
	"fmt"
	"maps"
	"os"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/link"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/nft"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// space is one namespace that is known: its file, its sockets, and what is
// remembered of it. Everything but the file can be had again.
type space struct {
	ns       plan.Netns
	file     *os.File
	router   bool // made by us; otherwise an instance's
	prepared bool // its sysctls are set

	rt, nf  *nl.Conn
	table   nft.Table
	indexes map[string]uint32 // of interfaces by name; nil: not read
	next    uint32            // lowest number that no interface has had
	sysctls map[string]plan.Sysctl
}

func newSpace(ns plan.Netns, f *os.File, router bool) *space {
	return &space{ns: ns, file: f, router: router, sysctls: map[string]plan.Sysctl{}}
}

func (s *space) close() {
	s.hangUp()
	s.file.Close()
}

// hangUp closes the sockets.
func (s *space) hangUp() {
	for _, c := range []**nl.Conn{&s.rt, &s.nf} {
		if *c != nil {
			(*c).Close()
			*c = nil
		}
	}
}

// route gives the socket for links, addresses and routes.
func (s *space) route() (*nl.Conn, error) { return s.dial(&s.rt, unix.NETLINK_ROUTE) }

// filter gives the socket for nft and connection tracking.
func (s *space) filter() (*nl.Conn, error) { return s.dial(&s.nf, unix.NETLINK_NETFILTER) }

func (s *space) dial(c **nl.Conn, protocol int) (*nl.Conn, error) {
	if *c != nil {
		return *c, nil
	}
	err := netns.Enter(s.file, func() (err error) {
		*c, err = nl.Dial(protocol)
		return err
	})
	return *c, err
}

// index finds an interface by name.
func (s *space) index(name string) (uint32, error) {
	if _, ok := s.indexes[name]; !ok && (s.indexes == nil || !s.router) {
		if _, err := s.links(); err != nil {
			return 0, err
		}
	}
	if i, ok := s.indexes[name]; ok {
		return i, nil
	}
	return 0, fmt.Errorf("no interface %s in %s: %w", name, s.ns, unix.ENODEV)
}

// links reads the interfaces. Names that instances have since given to theirs
// do not replace those that we gave.
func (s *space) links() ([]link.Found, error) {
	c, err := s.route()
	if err != nil {
		return nil, err
	}
	found, err := link.List(c)
	if err != nil {
		return nil, err
	}
	if s.indexes == nil || s.router {
		s.indexes = map[string]uint32{}
	}
	named := map[uint32]bool{}
	for _, i := range s.indexes {
		named[i] = true
	}
	for _, f := range found {
		if _, taken := s.indexes[f.Name]; !taken && !named[f.Index] {
			s.indexes[f.Name] = f.Index
		}
		s.next = max(s.next, f.Index+1)
	}
	return found, nil
}

// name notes the name that we have given to an interface, whatever an instance
// calls it by now. A router's interfaces that are not read yet stay so: there
// each has the name that we gave it, and one alone would pass for all.
func (s *space) name(name string, index uint32) {
	if s.indexes == nil {
		if s.router {
			return
		}
		s.indexes = map[string]uint32{}
	}
	maps.DeleteFunc(s.indexes, func(_ string, i uint32) bool { return i == index })
	s.indexes[name] = index
	s.next = max(s.next, index+1)
}
