package imds

import (
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Bounds of what is remembered: answers, and octets of one.
const (
	mostKnown = 4096
	mostText  = 4096
)

// memory has what was found at a commit and in an epoch, from which all of it
// follows: an instance that asks again, as they do, has nobody walk the tree.
type memory struct {
	mu    sync.Mutex
	index uint64
	epoch time.Time
	found map[question]leaf
}

// question is what an answer depends on besides.
type question struct {
	instance state.Key
	path     string
	token    bool
}

// find is directory.find of the root, with a memory.
func (m *memory) find(path string, s *subject) (leaf, bool) {
	q, epoch := question{s.instance.Key, path, s.token}, s.epoch()
	m.mu.Lock()
	known := m.index == s.snap.Index && m.epoch.Equal(epoch)
	found, ok := m.found[q]
	m.mu.Unlock()
	if known && ok {
		return found, true
	}
	if found, ok = root.find(segments(path), s); !ok || len(found.text) > mostText {
		return found, ok
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.index != s.snap.Index || !m.epoch.Equal(epoch) || m.found == nil || len(m.found) >= mostKnown {
		m.index, m.epoch, m.found = s.snap.Index, epoch, map[question]leaf{}
	}
	m.found[q] = found
	return found, true
}
