package cli

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/term"
)

// slow is how long something takes until a person wants to know what it is.
const slow = 500 * time.Millisecond

// progress says on a terminal what is being waited for, when it takes long. The
// function that it returns takes the line away again.
func (e *env) progress(text string) (done func()) {
	if !term.IsTerminal(int(e.cfg.Stderr.Fd())) {
		return func() {}
	}
	var mu sync.Mutex
	shown, over := false, false
	timer := time.AfterFunc(slow, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			shown = true
			fmt.Fprintf(e.cfg.Stderr, "%s ...", text)
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		if shown && !over {
			fmt.Fprint(e.cfg.Stderr, "\r\x1b[K")
		}
		over = true
	}
}
