package scenario

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"golang.org/x/net/proxy"
)

// beside runs a command of the binary that listens on the host, until the test has
// it end with Ctrl-C. It gives the command and where it listens.
func (w *world) beside(args ...string) (cmd *exec.Cmd, address string) {
	t := w.t
	t.Helper()
	cmd = w.command(append(args, "--json")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			_ = cmd.Wait()
			t.Fatalf("localvpc %s ended before it listened: %s", strings.Join(args, " "), errs.String())
		}
		if _, rest, ok := strings.Cut(line, `"Listen": "`); ok {
			address, _, _ = strings.Cut(rest, `"`)
		}
		if line == "}\n" {
			return cmd, address
		}
	}
}

// interrupted ends such a command and wants it to end well.
func (w *world) interrupted(cmd *exec.Cmd) {
	w.t.Helper()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		w.t.Errorf("after Ctrl-C: %v", err)
	}
}

// servesOutside starts a web server that says a text, and an echo server.
func (w *world) servesOutside(host, text string) {
	w.t.Helper()
	w.says(host, fmt.Sprintf("setsid localvpc guest serve --text %s >/var/log/web.log 2>&1 & setsid localvpc guest echo >/var/log/echo.log 2>&1 &", text))
	w.serving(host, "80")
	w.await(host, "grep -q echoing /var/log/echo.log")
}

// TestOutsideHosts: what is outside of every VPC is there by name, its packets
// arrive, and it survives an engine that dies; the program's end ends it, and the
// next start starts it with its disk.
func TestOutsideHosts(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.kept(t)
		if out, code := w.cli("host", "add", "office", "--addr", "8.8.8.8"); code != 0 || out != "office 8.8.8.8\n" {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		w.servesOutside("office", "the-office")
		w.reads("internet", "8.8.8.8", "the-office")
		if out, code := w.get("internet", "http://198.18.255.254/", 2); code != refused && code != timedOut {
			t.Errorf("an address that nobody has: exit code %d\n%s", code, out)
		}
		if out, code := w.get("office", "http://169.254.169.254/latest/meta-data/", 2); code == 0 {
			t.Errorf("an outside host has metadata: %s", out)
		}
		w.says("office", "echo kept >/root/note")

		// The connection is one that stays open.
		w.says("internet", "setsid localvpc guest talk --every 50 8.8.8.8:7 >/var/log/talk.log 2>&1 &")
		w.await("internet", "test -s /var/log/talk.log")
		w.alive("internet")
		before := w.kernel()
		for range 5 {
			if err := syscall.Kill(w.engine(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			w.alive("internet")
			if after := w.kernel(); after != before {
				t.Errorf("the kernel's text differs after the engine was killed:\n%s", difference(before, after))
			}
		}

		// The parent's end is everybody's, and the next one starts all again.
		inside := watch(t, descendants(w.holder()))
		if err := w.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		w.cmd.Wait()
		inside.ended(t)
		w.cmd = nil
		w.up(t, "--data", w.dir)
		if out := w.says("office", "cat /root/note"); out != "kept" {
			t.Errorf("the disk of the office holds %q", out)
		}
		w.servesOutside("office", "the-office")
		w.reads("internet", "8.8.8.8", "the-office")
		if after := w.kernel(); after != before {
			t.Errorf("the kernel's text differs after the parent was killed:\n%s", difference(before, after))
		}

		// One that ends by itself rests, and comes when it is asked for.
		w.cli("exec", "office", "--", "poweroff")
		for ctx := tctx(t); !strings.Contains(w.fetch("hosts"), "it shut itself down"); {
			if ctx.Err() != nil {
				t.Fatalf("the office goes on: %s", w.fetch("hosts"))
			}
		}
		if out := w.says("office", "cat /root/note"); out != "kept" {
			t.Errorf("after a poweroff: %q", out)
		}
		// One that is removed is gone with its disk, and its name is free.
		for range 3 {
			if out, code := w.cli("host", "rm", "office"); code != 0 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			if out, code := w.cli("host", "add", "office", "--addr", "8.8.4.4"); code != 0 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			if out, code := w.in("office", "hostname; test ! -e /root/note && echo clean >/root/note"); code != 0 || out != "office\n" {
				t.Errorf("made again: exit code %d\n%s", code, out)
			}
		}
		w.reads("internet", "8.8.8.8", "")
		w.post("reset", "")
		if out := w.fetch("hosts"); !strings.Contains(out, `"Hosts":[]`) || strings.Contains(w.kernel(), "inet") {
			t.Errorf("after a reset: %s\n%s", out, w.kernel())
		}
	})
}

// TestFromTheHost: a program on the host comes in by proxy, forward and connect, as
// far as groups let it where it comes from the internet.
func TestFromTheHost(t *testing.T) {
	have(t, "curl")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		vpc, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.1.0/24")
		w.opened(w.ec2, vpc)
		group := w.group(w.ec2, vpc, "web")
		must(w.ec2.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(80)}))(t)
		i := w.start("web", subnet, func(in *ec2.RunInstancesInput) {
			publicly(subnet, group)(in)
			in.UserData = script("setsid localvpc guest serve --text the-web >/var/log/web.log 2>&1 &\n")
		})
		w.serving("web", "80")
		if out, code := w.cli("host", "add", "office", "--addr", "203.0.113.10"); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		w.servesOutside("office", "the-office")

		through, address := w.beside("proxy", "--listen", "127.0.0.1:0")
		curl := func(scheme, url string) (string, int) {
			t.Helper()
			cmd := exec.Command("curl", "-q", "-sS", "-m", "5", "--noproxy", "", "--proxy", scheme+"://"+address, url)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(out)), cmd.ProcessState.ExitCode()
		}
		for _, scheme := range []string{"socks5h", "socks5", "http"} {
			hosts := []string{"203.0.113.10", *i.PublicIpAddress}
			if scheme != "socks5" { // whose names curl looks up on the host
				hosts = append(hosts, "office", *i.PublicDnsName, strings.ToUpper(*i.PublicDnsName)+".")
			}
			for _, host := range hosts {
				want := "the-web"
				if host == "office" || host == "203.0.113.10" {
					want = "the-office"
				}
				if out, code := curl(scheme, "http://"+host+"/"); code != 0 || out != want {
					t.Errorf("%s %s: exit code %d, %s", scheme, host, code, out)
				}
			}
			// Private addresses are nobody's there, and the host's own names and ports stay its own.
			for _, url := range []string{"http://" + *i.PrivateIpAddress + "/", w.URL + "/_localvpc/health"} {
				if out, _ := curl(scheme, url); strings.Contains(out, "the-web") || strings.Contains(out, "Settled") {
					t.Errorf("%s %s: %s", scheme, url, out)
				}
			}
		}

		explained := func(want int, from, to string) {
			t.Helper()
			if out, code := w.cli("explain", from, to); code != want {
				t.Errorf("explain %s %s: exit code %d, want %d\n%s", from, to, code, want, out)
			}
		}
		for _, from := range []string{"internet", "office", "host:office", "203.0.113.10"} {
			explained(0, from, *i.PublicIpAddress+":80")
			explained(0, from, *i.PublicDnsName+":80")
		}
		explained(1, "198.18.255.254", *i.PublicIpAddress+":80") // nobody is there to be answered

		// connect: both directions, each with its own end.
		block := make([]byte, 3<<20)
		if _, err := rand.Read(block); err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"office", "203.0.113.10"} {
			cmd := w.command("connect", host, "7")
			cmd.Stdin = bytes.NewReader(block)
			if out, err := cmd.Output(); err != nil || sha256.Sum256(out) != sha256.Sum256(block) {
				t.Errorf("connect %s: %d bytes of %d came back, %v", host, len(out), len(block), err)
			}
		}
		// Many at once, one of which reads nothing.
		d, err := proxy.SOCKS5("tcp", address, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		stuck, err := d.Dial("tcp", "office:7")
		if err != nil {
			t.Fatal(err)
		}
		defer stuck.Close()
		go func() { _, _ = io.Copy(stuck, endless{}) }() // until it is cut
		var many sync.WaitGroup
		for n := range 100 {
			many.Go(func() {
				c, err := d.Dial("tcp", "office:7")
				if err != nil {
					t.Errorf("stream %d: %v", n, err)
					return
				}
				defer c.Close()
				part := block[n*1000 : n*1000+200_000]
				go func() {
					_, _ = c.Write(part)
					_ = c.(interface{ CloseWrite() error }).CloseWrite()
				}()
				if out, err := io.ReadAll(c); err != nil || !bytes.Equal(out, part) {
					t.Errorf("stream %d: %d bytes came back, %v", n, len(out), err)
				}
			})
		}
		many.Wait()

		// forward comes from inside the instance: groups have no say.
		into, own := w.beside("forward", "0:web:80")
		read := func(url string) (string, int) {
			cmd := exec.Command("curl", "-q", "-sS", "-m", "5", "--noproxy", "*", url)
			out, _ := cmd.CombinedOutput()
			return strings.TrimSpace(string(out)), cmd.ProcessState.ExitCode()
		}
		must(w.ec2.RevokeSecurityGroupIngress(tctx(t), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(80)}))(t)
		if out, code := read("http://" + own + "/"); code != 0 || out != "the-web" {
			t.Errorf("forwarded: exit code %d, %s", code, out)
		}
		if out, code := curl("socks5h", "http://"+*i.PublicIpAddress+"/"); code == 0 {
			t.Errorf("the group lets nobody in, and the proxy got %s", out)
		}
		explained(1, "internet", *i.PublicIpAddress+":80")
		explained(0, "web", "office:80")
		// Whoever listens on its own address only is reached, too.
		w.says("web", fmt.Sprintf("setsid localvpc guest serve --addr %s:8080 --text by-address >/var/log/own.log 2>&1 &", *i.PrivateIpAddress))
		w.await("web", "grep -q serving /var/log/own.log")
		cmd := w.command("connect", "web", "8080")
		cmd.Stdin = strings.NewReader("GET / HTTP/1.0\r\n\r\n")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "by-address\n") {
			t.Errorf("connect web 8080: %v\n%s", err, out)
		}
		if out, code := w.cli("connect", *i.InstanceId, "81"); code != 2 || !strings.Contains(out, "nobody listens there") {
			t.Errorf("connect to a closed port: exit code %d\n%s", code, out)
		}

		// Ctrl-C ends them, whatever is under way.
		w.interrupted(into)
		w.interrupted(through)
		if _, err := net.Dial("tcp", address); err == nil {
			t.Error("the proxy's port is open still")
		}
		open := w.command("connect", "office", "7")
		in, err := open.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := open.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := open.Start(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(in, "hello")
		if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		if err := open.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := open.Wait(); open.ProcessState.ExitCode() != 2 {
			t.Errorf("connect after Ctrl-C: %v", err)
		}

		// An instance that takes a host's name is told apart.
		w.launch(w.ec2, "office", subnet, []string{group}, "")
		if out, code := w.in("office", "true"); code != cannotExec || !strings.Contains(out, "give the instance's id, or host:office") {
			t.Errorf("a name for two: exit code %d\n%s", code, out)
		}
		if out, code := w.in("host:office", "hostname"); code != 0 || out != "office\n" {
			t.Errorf("host:office: exit code %d\n%s", code, out)
		}
	})
}

// cannotExec is the exit code of an exec that could not be done.
const cannotExec = 255

// endless is input without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
