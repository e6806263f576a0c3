//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/bench/report"
)

// window is how many questions are on their way at once.
const window = 32

// names asks for names over UDP for d. With a rate it asks so many per second,
// else as many as are answered. A # in the name becomes a number below variants,
// so that no two questions in a row are the same. Every answer has to be of the
// code that is wanted.
func names(to unix.Sockaddr, d time.Duration, name string, typ uint16, variants, rate int, code byte) (r report.Traffic, err error) {
	fd, err := unix.Socket(family(to), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return r, fmt.Errorf("making a socket: %w", err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Connect(fd, to), bound(fd, glance*20)); err != nil {
		return r, fmt.Errorf("connecting: %w", err)
	}
	questions := make([][]byte, variants)
	for i := range questions {
		// A step that shares no factor with the powers of ten mixes the numbers.
		questions[i] = question(strings.ReplaceAll(name, "#", strconv.Itoa(i*7919%variants)), typ)
	}
	n := 0
	send := func() error {
		q := questions[n%variants]
		binary.BigEndian.PutUint16(q, uint16(n))
		n++
		_, err := unix.Write(fd, q)
		return err
	}
	answer := make([]byte, 4096)
	receive := func() (bool, error) {
		size, err := read(fd, answer)
		if err == unix.EAGAIN {
			return false, nil // lost
		}
		if err != nil {
			return false, fmt.Errorf("reading: %w", err)
		}
		if size < 12 || answer[3]&0xf != code {
			return false, fmt.Errorf("the answer was %x", answer[:size])
		}
		r.Count++
		return true, nil
	}
	begin := time.Now()
	if rate > 0 {
		return r, paced(begin, d, rate, send, receive)
	}
	for out := 0; time.Since(begin) < d; {
		for ; out < window; out++ {
			if err := send(); err != nil {
				return r, fmt.Errorf("writing: %w", err)
			}
		}
		ok, err := receive()
		if err != nil {
			return r, err
		}
		if out--; !ok {
			out = 0
		}
	}
	return r, nil
}

// paced asks a hundredth of the rate each ten milliseconds.
func paced(begin time.Time, d time.Duration, rate int, send func() error, receive func() (bool, error)) error {
	each := time.NewTicker(10 * time.Millisecond)
	defer each.Stop()
	for time.Since(begin) < d {
		for range rate / 100 {
			if err := send(); err != nil {
				return fmt.Errorf("writing: %w", err)
			}
		}
		for range rate / 100 {
			ok, err := receive()
			if err != nil {
				return err
			}
			if !ok {
				break // lost, and not counted
			}
		}
		<-each.C
	}
	return nil
}

// question is a query that asks for recursion, and takes 1,232 octets.
func question(name string, typ uint16) []byte {
	b := []byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	b = binary.BigEndian.AppendUint16(append(b, 0), typ)
	b = append(b, 0, 1)
	return append(b, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0)
}
