package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/front/execstream"
)

// story is a demo under way: what the steps have made, by name, and how many
// expectations did not hold.
type story struct {
	e      *env
	ctx    context.Context
	ids    map[string]string
	step   int
	failed int
	away   string // the Region that steps are in, where it is not that of the story
	err    error  // that has ended it, where steps are not asked one by one
}

func (s *story) say(text string) {
	if s.err != nil {
		return
	}
	s.step++
	fmt.Fprintln(s.e.out, s.e.style.Dim(fmt.Sprintf("# %d. %s", s.step, text)))
}

func (s *story) show(command string) { fmt.Fprintln(s.e.out, "$ "+command) }

func (s *story) result(text string) { fmt.Fprintf(s.e.out, "%s\n\n", text) }

// make runs one creating call, prints its command and keeps the id.
func (s *story) make(name, command string, do func() (string, error)) error {
	s.show(s.fill(command) + s.elsewhere())
	id, err := do()
	if err != nil {
		return fmt.Errorf("step %d: %w", s.step, err)
	}
	if id != "" {
		s.ids[name] = id
		s.result(id)
	} else {
		s.result("ok")
	}
	return nil
}

// elsewhere is the option of commands that are meant for another Region.
func (s *story) elsewhere() string {
	if s.away == "" {
		return ""
	}
	return " --region " + s.away
}

// fill replaces {name} by the id that was made under that name.
func (s *story) fill(command string) string {
	for name, id := range s.ids {
		command = strings.ReplaceAll(command, "{"+name+"}", id)
	}
	return command
}

// expect runs a command in an instance and compares its exit code and output.
func (s *story) expect(instance, command string, code int, output string) error {
	command = s.fill(command)
	s.show(fmt.Sprintf("localvpc exec%s %s -- %s", s.elsewhere(), instance, command))
	got, text, err := s.run(instance, strings.Fields(command))
	if err != nil {
		return fmt.Errorf("step %d: %w", s.step, err)
	}
	text = strings.TrimSpace(text)
	if text != "" {
		fmt.Fprintln(s.e.out, text)
	}
	if got != code || !strings.Contains(text, output) {
		s.failed++
		s.result(s.e.style.Bad(fmt.Sprintf("exit code %d: expected %d and %q", got, code, output)))
		return nil
	}
	s.result(s.e.style.Good(fmt.Sprintf("exit code %d, as expected", got)))
	return nil
}

// verdict ends the story: everything held, or an exit code that says that it did not.
func (s *story) verdict() error {
	if s.failed > 0 {
		fmt.Fprintln(s.e.out, s.e.style.Bad(fmt.Sprintf("%d expectations did not hold.", s.failed)))
		return Exit(ExitNo)
	}
	fmt.Fprintln(s.e.out, s.e.style.Good("Everything was as expected."))
	return nil
}

func (s *story) run(instance string, args []string) (int, string, error) {
	request := execstream.Request{Instance: s.ids[instance], Args: args}
	if instance == internet {
		request.Instance, request.Host = "", internet
	}
	conn, stream, err := s.e.dialExec(s.ctx, request)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	defer context.AfterFunc(s.ctx, func() { conn.Close() })()
	feed := execstream.NewFeed(stream)
	if err := feed.Close(); err != nil {
		return 0, "", err
	}
	var out bytes.Buffer
	result, err := receive(stream, feed, &out, &out)
	if err != nil {
		if s.ctx.Err() != nil {
			err = errInterrupted
		}
		return 0, "", err
	}
	if result.Error != "" {
		return 0, "", errors.New(result.Error)
	}
	return result.Code, out.String(), nil
}

// explain prints the explanation and compares its verdict.
func (s *story) explain(source, destination, port string, reachable bool) error {
	shown := destination
	if _, err := netip.ParseAddr(s.ids[destination]); err == nil {
		shown = s.ids[destination]
	}
	s.show(fmt.Sprintf("localvpc explain%s %s %s:%s", s.elsewhere(), source, shown, port))
	err := s.e.explain(s.ctx, s.ids[source], s.ids[destination]+":"+port, "")
	var exit Exit
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("step %d: %w", s.step, err)
	}
	if (err == nil) != reachable {
		s.failed++
		fmt.Fprintln(s.e.out, s.e.style.Bad("that was not expected"))
	}
	_, err = io.WriteString(s.e.out, "\n")
	return err
}
