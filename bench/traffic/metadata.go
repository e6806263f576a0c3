//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/bench/report"
)

// metadata gets a path of the metadata service again and again for d, with a token
// and on connections that are kept. With a rate each connection asks so many times
// per second, else as soon as it has been answered.
func metadata(to unix.Sockaddr, d time.Duration, conns, rate int, path string) (r report.Traffic, err error) {
	first, err := newBrowser(to)
	if err != nil {
		return r, err
	}
	token, err := first.ask("PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n")
	if err != nil {
		return r, fmt.Errorf("getting a token: %w", err)
	}
	request := "GET /latest/" + path + " HTTP/1.1\r\nHost: 169.254.169.254\r\nX-aws-ec2-metadata-token: " + string(token) + "\r\n\r\n"
	if err := first.close(); err != nil {
		return r, err
	}
	took, errs := make([][]float64, conns), make([]error, conns)
	var all sync.WaitGroup
	for i := range conns {
		all.Go(func() { took[i], errs[i] = again(to, d, rate, request) })
	}
	all.Wait()
	times := slices.Concat(took...)
	slices.Sort(times)
	if len(times) == 0 {
		return r, errors.Join(append(errs, errors.New("nothing was answered"))...)
	}
	r.Count, r.P50, r.P99 = uint64(len(times)), times[len(times)/2], times[len(times)*99/100]
	return r, errors.Join(errs...)
}

// again asks on one connection and gives the seconds that each answer took.
func again(to unix.Sockaddr, d time.Duration, rate int, request string) ([]float64, error) {
	b, err := newBrowser(to)
	if err != nil {
		return nil, err
	}
	times := make([]float64, 0, 1<<16)
	begin := time.Now()
	for n := 0; time.Since(begin) < d && n < cap(times); n++ {
		if rate > 0 {
			pause := unix.NsecToTimespec(int64(time.Until(begin.Add(time.Duration(n) * time.Second / time.Duration(rate)))))
			if pause.Sec >= 0 && pause.Nsec > 0 {
				_ = unix.Nanosleep(&pause, nil) // early or late: only the rate is another
			}
		}
		asked := time.Now()
		if _, err := b.ask(request); err != nil {
			return times, errors.Join(fmt.Errorf("after %d answers: %w", n, err), b.close())
		}
		times = append(times, time.Since(asked).Seconds())
	}
	return times, b.close()
}

// browser is one kept connection of HTTP.
type browser struct {
	fd  int
	buf []byte
}

func newBrowser(to unix.Sockaddr) (*browser, error) {
	fd, err := dial(to)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(bound(fd, patience*time.Second), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &browser{fd, make([]byte, 16<<10)}, nil
}

func (b *browser) close() error { return unix.Close(b.fd) }

// ask sends a request and gives the body of the answer, valid until the next one.
func (b *browser) ask(request string) ([]byte, error) {
	if _, err := unix.Write(b.fd, []byte(request)); err != nil {
		return nil, fmt.Errorf("writing: %w", err)
	}
	for size := 0; size < len(b.buf); {
		n, err := read(b.fd, b.buf[size:])
		if err != nil || n == 0 {
			return nil, fmt.Errorf("reading: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		size += n
		header, body, ok := bytes.Cut(b.buf[:size], []byte("\r\n\r\n"))
		if !ok {
			continue
		}
		if !bytes.HasPrefix(header, []byte("HTTP/1.1 200 ")) {
			return nil, fmt.Errorf("the answer was %q", header)
		}
		_, length, _ := bytes.Cut(header, []byte("\r\nContent-Length: "))
		length, _, _ = bytes.Cut(length, []byte("\r\n"))
		if want, err := strconv.Atoi(string(length)); err != nil || want == len(body) {
			return body, err
		}
	}
	return nil, errors.New("the answer does not end")
}
