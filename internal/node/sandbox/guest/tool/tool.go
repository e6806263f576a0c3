// Package tool holds the small programs that instances have with localvpc: a
// web server, a client and an echo, for hosts that have nothing but Go.
//
// Invariant: a tool needs nothing but the network and its arguments, starts at
// once, and its exit status says what happened as curl's does.
package tool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

const usage = `usage:
  localvpc guest serve [--addr :80] [--proxy-protocol] [--text TEXT [--client] | --say-hello | --client | --dir DIR]
  localvpc guest get [-m SECONDS] [--wait SECONDS] URL
  localvpc guest load [--rate N] [-m SECONDS] URL
  localvpc guest echo [--addr :7]
  localvpc guest talk [--every N] ADDRESS:PORT
`

// Exit statuses of get, as in curl(1).
const (
	exitOK      = 0
	exitUsage   = 2
	exitURL     = 3
	exitResolve = 6
	exitConnect = 7
	exitWrite   = 23
	exitTimeout = 28
	exitReceive = 56
)

// Main runs the tool named by args[0] and returns its exit status.
func Main(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	var err error
	switch args[0] {
	case "serve":
		err = serve(args[1:])
	case "get":
		return get(args[1:], os.Stdout)
	case "load":
		err = load(args[1:], os.Stdout)
	case "echo":
		err = echo(args[1:])
	case "talk":
		err = talk(args[1:], os.Stdout)
	default:
		fmt.Fprintf(os.Stderr, "localvpc guest: there is no tool %q\n%s", args[0], usage)
		return exitUsage
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "localvpc guest:", err)
		return 1
	}
	return exitOK
}

var errUsage = errors.New("usage")

func parse(flags *flag.FlagSet, args []string, operands int) error {
	if flags.Parse(args) != nil { // which has said why
		return errUsage
	}
	if flags.NArg() != operands {
		fmt.Fprint(os.Stderr, usage)
		return errUsage
	}
	return nil
}

// serve answers HTTP. What it prints first tells that it listens.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	addr := flags.String("addr", ":80", "address to listen on")
	text := flags.String("text", "", "answer every request with this text")
	hello := flags.Bool("say-hello", false, "answer /say-hello?name=X with Hello, X!")
	client := flags.Bool("client", false, "answer with the address that the request comes from, behind the text if there is one")
	proxied := flags.Bool("proxy-protocol", false, "connections begin with a header of the proxy protocol, version 2, which says where they come from")
	dir := flags.String("dir", "", "serve the files of this directory")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	if *proxied {
		listener = headed{listener}
	}
	server := &http.Server{Handler: handler(*text, *hello, *client, *dir), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	fmt.Println("serving on", listener.Addr())
	return server.Serve(listener)
}

func handler(text string, hello, client bool, dir string) http.Handler {
	switch {
	case hello:
		mux := http.NewServeMux()
		mux.HandleFunc("/say-hello", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprintf(w, "Hello, %s!\n", r.FormValue("name"))
		})
		return mux
	case client:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			from, _, _ := net.SplitHostPort(r.RemoteAddr) // the server's own form
			_, _ = io.WriteString(w, strings.TrimLeft(text+" "+from, " ")+"\n")
		})
	case dir != "":
		return http.FileServer(http.Dir(dir))
	}
	if text == "" {
		text, _ = os.Hostname()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text+"\n")
	})
}

// get prints what a URL answers, whatever the status, as curl -sS does.
func get(args []string, out io.Writer) int {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	limit := flags.Float64("m", 0, "seconds that one try may take; 0: no limit")
	wait := flags.Float64("wait", 0, "seconds to go on trying while the connection is refused: the server may be starting")
	if err := parse(flags, args, 1); err != nil {
		return exitUsage
	}
	url := flags.Arg(0)
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	again := time.NewTicker(retryEvery)
	defer again.Stop()
	over := time.After(seconds(*wait))
	for {
		code, err := fetch(url, seconds(*limit), out)
		if code == exitConnect {
			select {
			case <-again.C:
				continue
			case <-over:
			}
		}
		if err != nil {
			return failed(code, err)
		}
		return exitOK
	}
}

// retryEvery is how often get asks a server that refuses.
const retryEvery = 10 * time.Millisecond

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// fetch makes one try.
func fetch(url string, limit time.Duration, out io.Writer) (int, error) {
	ctx := context.Background()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return exitURL, err
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return statusOf(err), err
	}
	defer response.Body.Close()
	if _, err := io.Copy(writer{out}, response.Body); err != nil {
		return statusOf(err), err
	}
	return exitOK, nil
}

// writer marks the errors of writing.
type writer struct{ io.Writer }

var errWrite = errors.New("writing the answer")

func (w writer) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", errWrite, err)
	}
	return n, err
}

func failed(code int, err error) int {
	fmt.Fprintf(os.Stderr, "localvpc guest get: (%d) %v\n", code, err)
	return code
}

func statusOf(err error) int {
	var name *net.DNSError
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, errWrite):
		return exitWrite
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.As(err, &name):
		return exitResolve
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return exitConnect
	case errors.As(err, &timeout) && timeout.Timeout():
		return exitTimeout
	case errors.As(err, &op) && op.Op == "dial":
		return exitConnect
	}
	return exitReceive
}

// echo sends back what it receives over TCP.
func echo(args []string) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	addr := flags.String("addr", ":7", "address to listen on")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Println("echoing on", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
	}
}
