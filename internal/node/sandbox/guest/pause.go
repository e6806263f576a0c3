//go:build linux

package guest

import (
	"errors"
	"syscall"
)

var errPaused = errors.New("the instance is paused: localvpc fault instance ID resume")

// pause has every process of the instance but init stand still, or go on. The kernel
// stops all of them at once, so that none forks another meanwhile (kill(2), pid -1).
// Init goes on: it answers the engine, and whoever kills it ends the instance. What
// was stopped by itself before goes on with the others.
func (p *processes) pause(paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case paused && p.paused == nil && !p.closed:
		p.paused = make(chan struct{})
		_ = syscall.Kill(-1, syscall.SIGSTOP) // fails when there is none
	case !paused && p.paused != nil:
		close(p.paused)
		p.paused = nil
		_ = syscall.Kill(-1, syscall.SIGCONT)
	}
}

// refuses says why the engine can have no command run now.
func (p *processes) refuses() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil {
		return errPaused
	}
	return nil
}

// going locks p at a time when processes go on: what init begins by itself waits.
func (p *processes) going() {
	p.mu.Lock()
	for p.paused != nil {
		resumed := p.paused
		p.mu.Unlock()
		<-resumed
		p.mu.Lock()
	}
}
