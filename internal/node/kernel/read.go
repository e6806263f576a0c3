//go:build linux

package kernel

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/nft"
	"github.com/localvpc/localvpc/internal/node/kernel/route"
)

// Read gives all objects of ours in a namespace, as Apply was given them, except
// that a route has no cause and a chain has the fingerprints of its rules only.
// Of sysctls it gives those that this process has set, with the values that
// they have now. Interfaces in an instance's namespace are known by the names
// that its router's links say, once that router has been read.
func (k *Kernel) Read(ns plan.Netns) (plan.Objects, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := k.space(ns)
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	objects, err := k.read(s)
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", ns, err)
	}
	return objects, nil
}

func (k *Kernel) read(s *space) (plan.Objects, error) {
	objects := plan.Objects{}
	if !s.router {
		defer s.hangUp()
	} else {
		objects.Put(plan.Router{Name: s.ns})
	}
	if err := s.readSysctls(objects); err != nil {
		return nil, err
	}
	found, err := s.links()
	if err != nil {
		return nil, fmt.Errorf("links: %w", err)
	}
	names := map[uint32]string{}
	for name, index := range s.indexes {
		names[index] = name
	}
	for _, f := range found {
		if !s.router || !f.Ours { // an instance may write what it likes on its own
			continue
		}
		l := f.Link
		l.Netns = s.ns
		objects.Put(l)
		if peer, ok := k.spaces[l.Peer]; ok {
			peer.name(l.PeerName, f.PeerIndex)
		}
	}
	c, err := s.route()
	if err != nil {
		return nil, err
	}
	name := func(index uint32) (string, bool) { n, ok := names[index]; return n, ok }
	list, err := route.List(c, s.ns, name)
	if err != nil {
		return nil, fmt.Errorf("addresses and routes: %w", err)
	}
	objects.Put(list...)
	if !s.router {
		return objects, nil
	}
	if c, err = s.filter(); err != nil {
		return nil, err
	}
	if list, err = nft.Read(c, s.ns); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	objects.Put(list...)
	return objects, nil
}

func (s *space) readSysctls(objects plan.Objects) error {
	if len(s.sysctls) == 0 {
		return nil
	}
	return netns.Enter(s.file, func() error {
		for _, o := range s.sysctls {
			b, err := os.ReadFile("/proc/sys/" + o.Path)
			if err != nil {
				return err
			}
			o.Value = strings.Join(strings.Fields(string(b)), " ")
			objects.Put(o)
		}
		return nil
	})
}

// Dump writes all objects of all namespaces, sorted by text. Two kernels that
// behave the same give the same text.
func (k *Kernel) Dump(w io.Writer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var lines []string
	spaces := slices.Collect(maps.Values(k.spaces))
	slices.SortFunc(spaces, func(a, b *space) int { // routers first: they know the names in the others
		if a.router != b.router {
			return map[bool]int{true: -1, false: 1}[a.router]
		}
		return cmp.Compare(a.ns, b.ns)
	})
	for _, s := range spaces {
		objects, err := k.read(s)
		if err != nil {
			return fmt.Errorf("reading namespace %s: %w", s.ns, err)
		}
		for _, o := range objects {
			lines = append(lines, Text(o))
		}
	}
	slices.Sort(lines)
	_, err := io.WriteString(w, strings.Join(lines, ""))
	return err
}
