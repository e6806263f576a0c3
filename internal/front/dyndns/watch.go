package dyndns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Bounds of a watch.
const (
	retryFirst = time.Second // after a failure, doubled each time
	retryMost  = 5 * time.Minute
	removeTime = 4 * time.Second // an instance that stops gives its processes not long
)

// Watch sets everything, and again whatever changes, until ctx ends; then it
// removes what the instance owns. Failures are told and tried again.
func (a *Agent) Watch(ctx context.Context, every time.Duration, errs io.Writer) error {
	held := wanted{}
	pause := retryFirst
	told := ""
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if !a.Own {
				return nil
			}
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTime)
			defer cancel()
			return a.Remove(bounded)
		case <-timer.C:
		}
		err := a.follow(ctx, held)
		wait := every
		switch {
		case err == nil:
			pause, told = retryFirst, ""
		case ctx.Err() != nil:
			continue
		default:
			if text := err.Error(); text != told { // once, not each time
				fmt.Fprintln(errs, "ec2-dyndns:", text)
				told = text
			}
			if !errors.Is(err, errNoAddress) { // an address comes when it comes
				wait, pause = pause, min(2*pause, retryMost)
			}
		}
		timer.Reset(wait)
	}
}

// follow sets what differs from what was set.
func (a *Agent) follow(ctx context.Context, held wanted) error {
	want, err := a.want(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, t := range want.targets() {
		if held[t] == want[t] {
			continue
		}
		if err := a.set(ctx, t, want[t]); err != nil {
			failed = append(failed, err)
			continue
		}
		held[t] = want[t]
	}
	for t := range held {
		if _, ok := want[t]; !ok {
			delete(held, t)
		}
	}
	return errors.Join(failed...)
}
