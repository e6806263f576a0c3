package tool

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"time"
)

// talk keeps one connection to an echo server busy and prints a line every so
// many round trips, until an answer is wrong or does not come.
func talk(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("talk", flag.ContinueOnError)
	every := flags.Int("every", 100, "round trips between two lines")
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	conn, err := dial(flags.Arg(0))
	if err != nil {
		return err
	}
	defer conn.Close()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for n := 1; ; n++ {
		said := fmt.Appendf(nil, "round trip %d\n", n)
		heard := make([]byte, len(said))
		if _, err := conn.Write(said); err != nil {
			return fmt.Errorf("error after %d round trips: %w", n-1, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, heard); err != nil {
			return fmt.Errorf("error after %d round trips: %w", n-1, err)
		}
		if !bytes.Equal(said, heard) {
			return fmt.Errorf("error after %d round trips: %q came back as %q", n-1, said, heard)
		}
		if n%*every == 0 {
			fmt.Fprintln(out, n)
		}
		<-pace.C
	}
}

// dial connects, again and again while the server refuses: it may be starting.
func dial(addr string) (net.Conn, error) {
	again := time.NewTicker(retryEvery)
	defer again.Stop()
	over := time.After(20 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", addr, 20*time.Second)
		if err == nil || statusOf(err) != exitConnect {
			return conn, err
		}
		select {
		case <-again.C:
		case <-over:
			return nil, err
		}
	}
}
