//go:build !linux

package relay

import "time"

type idler struct{}

// watch does nothing here: there are no balancers' nodes without namespaces.
func watch(time.Duration, *conn) *idler { return &idler{} }

func (*idler) stop() {}
