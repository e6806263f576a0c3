package relay

import (
	"math"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// idler ends a connection that has been idle for a time. The kernel knows when data
// came last, so that nothing is counted on the way.
type idler struct {
	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

func watch(limit time.Duration, c *conn) *idler {
	i := &idler{}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.timer = time.AfterFunc(limit, func() {
		quiet := min(silence(c.client), silence(c.target))
		i.mu.Lock()
		defer i.mu.Unlock()
		switch {
		case i.over:
		case quiet >= limit:
			c.cut()
		default:
			i.timer.Reset(max(limit-quiet, time.Millisecond))
		}
	})
	return i
}

func (i *idler) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	i.timer.Stop()
}

// silence is how long no data has come (tcp(7), TCP_INFO); without end of a connection
// that is over.
func silence(c *net.TCPConn) time.Duration {
	quiet := time.Duration(math.MaxInt64)
	raw, err := c.SyscallConn()
	if err != nil {
		return quiet
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			quiet = time.Duration(info.Last_data_recv) * time.Millisecond
		}
	})
	return quiet
}
