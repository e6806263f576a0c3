package scenario

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/client"
	wire "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"golang.org/x/sys/unix"
)

// children lists the processes whose parent is pid.
func children(pid int) []int {
	var out []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid …; the name may hold anything.
		_, rest, ok := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if ok && len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			if n, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

func cmdline(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(text)
}

// holder and engine find the processes of the world.
func (w *world) holder() int {
	for _, pid := range children(w.cmd.Process.Pid) {
		if strings.HasPrefix(cmdline(pid), "localvpc: holder") {
			return pid
		}
	}
	return 0
}

func (w *world) engine() int {
	for _, pid := range children(w.holder()) {
		if strings.HasPrefix(cmdline(pid), "localvpc: engine") {
			return pid
		}
	}
	return 0
}

// descendants of a process, itself included.
func descendants(pid int) []int {
	out := []int{pid}
	for _, child := range children(pid) {
		out = append(out, descendants(child)...)
	}
	return out
}

// kernel is the state of the kernel as text.
func (w *world) kernel() string {
	w.t.Helper()
	return w.fetch("kernel")
}

// fetch asks /_localvpc/, again as long as an engine dies over it.
func (w *world) fetch(path string) string {
	w.t.Helper()
	ctx := tctx(w.t)
	for {
		req, err := http.NewRequestWithContext(ctx, "GET", w.URL+"/_localvpc/"+path, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			if ctx.Err() != nil {
				w.t.Fatal(err)
			}
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusOK {
			return string(text)
		}
		if ctx.Err() != nil {
			w.t.Fatalf("%s: %s %s", path, resp.Status, text)
		}
	}
}

// talker keeps one TCP connection to an echo server busy and writes a line
// every fifty round trips.
const talker = "#!/bin/sh\nsetsid localvpc guest talk --every 50 %s:7 >/var/log/talk.log 2>&1 &\n"

const echoServer = "#!/bin/sh\nsetsid localvpc guest echo --addr :7 >/var/log/echo.log 2>&1 &\n"

// alive returns when the talker has written another line.
func (w *world) alive(instance string) {
	w.t.Helper()
	out, code := w.in(instance, "tail -n0 -f /var/log/talk.log | head -n1")
	if _, err := strconv.Atoi(strings.TrimSpace(out)); code != 0 || err != nil {
		w.t.Fatalf("the open connection of %s did not survive: exit code %d\n%s", instance, code, out)
	}
}

// kills is how often the engine is killed under load.
const kills = 200

// TestKillEngine kills the engine again and again under a load of writes and
// traffic: nothing that was acknowledged is lost, an open connection between two
// instances survives, and the kernel's text is the same before and after. Then
// the parent is killed: nothing is left, and the next start makes it all again.
func TestKillEngine(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.dir = filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(w.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if w.uid != os.Getuid() {
			allow(t, w.dir, w.uid)
		}
		w.up(t, "--data", w.dir, "--quotas", "off")
		vpc, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.0.0/24")
		group := w.group(w.ec2, vpc, "all")
		must(w.ec2.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: fromGroup(group, 7)}))(t)
		server := w.launch(w.ec2, "server", subnet, []string{group}, echoServer)
		w.launch(w.ec2, "client", subnet, []string{group}, fmt.Sprintf(talker, *server.PrivateIpAddress))
		w.await("client", "test -s /var/log/talk.log") // its user data runs after it is let go
		w.alive("client")

		// The edge: an Elastic IP that somebody outside talks to, and a NAT gateway
		// that somebody inside talks through.
		gateway := w.opened(w.ec2, vpc)
		allocation, ip := w.elastic(w.ec2)
		must(w.ec2.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: server.InstanceId}))(t)
		far := w.outside("far")
		must(w.ec2.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(7)}))(t)
		w.says("far", strings.TrimPrefix(echoServer, "#!/bin/sh\n"))
		w.says("far", fmt.Sprintf(strings.TrimPrefix(talker, "#!/bin/sh\n"), ip))
		w.await("far", "test -s /var/log/talk.log")
		forNat, _ := w.elastic(w.ec2)
		nat := w.natGateway(&ec2.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: &forNat})
		inner := w.routed(vpc, "10.0.9.0/24", "0.0.0.0/0", *nat.NatGatewayId)
		w.launch(w.ec2, "inner", inner, []string{group}, fmt.Sprintf(talker, far))
		w.await("inner", "test -s /var/log/talk.log")

		made, writes := w.killUnderLoad(t, vpc)
		talkers := []string{"client", "far", "inner"}
		for _, name := range talkers {
			w.alive(name)
		}
		before := w.kernel()
		have := map[string]bool{}
		for _, g := range must(w.ec2.DescribeSecurityGroups(tctx(t), &ec2.DescribeSecurityGroupsInput{}))(t).SecurityGroups {
			have[*g.GroupName] = true
		}
		for _, name := range made {
			if !have[name] {
				t.Errorf("group %s was acknowledged and is lost", name)
			}
		}
		t.Logf("%d writes acknowledged over %d kills", writes, kills)

		if err := syscall.Kill(w.engine(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if after := w.kernel(); after != before {
			t.Errorf("the kernel's text differs after the engine was killed:\n%s", difference(before, after))
		}
		for _, name := range talkers {
			w.alive(name)
		}
		if n := strings.Count(before, "igw"); n == 0 || !strings.Contains(before, *nat.NatGatewayId) || !strings.Contains(before, ip) {
			t.Errorf("the kernel's text does not show the gateway %s, the NAT gateway and the Elastic IP:\n%s", gateway, before)
		}

		// The parent: the kernel removes everything.
		inside := watch(t, descendants(w.holder()))
		if err := w.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		w.cmd.Wait()
		inside.ended(t)
		w.cmd = nil
		w.up(t, "--data", w.dir, "--quotas", "off")
		for _, name := range []string{"server", "client", "inner"} {
			w.running(w.ec2, w.id(name))
		}
		// A new boot runs no user data: what talks is started by hand.
		mustRun := func(instance, line string) {
			if out, code := w.in(instance, line); code != 0 {
				t.Fatalf("%s: exit code %d\n%s", instance, code, out)
			}
		}
		mustRun("server", strings.TrimPrefix(echoServer, "#!/bin/sh\n"))
		mustRun("client", fmt.Sprintf(strings.TrimPrefix(talker, "#!/bin/sh\n"), *server.PrivateIpAddress))
		w.alive("client")
		if after := w.kernel(); after != before {
			t.Errorf("the kernel's text differs after the parent was killed:\n%s", difference(before, after))
		}
		for _, g := range must(w.ec2.DescribeSecurityGroups(tctx(t), &ec2.DescribeSecurityGroupsInput{}))(t).SecurityGroups {
			delete(have, *g.GroupName)
		}
		if len(have) > 0 {
			t.Errorf("%d groups are lost", len(have))
		}
	})
}

// killUnderLoad writes from several clients while the engine is killed, each
// time after further writes were acknowledged, and returns the groups that were
// made. What each client makes it deletes again, but for every tenth group.
func (w *world) killUnderLoad(t *testing.T, vpc string) (made []string, writes int) {
	var mu sync.Mutex
	progress := make(chan struct{}, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	acknowledged := func(err error) bool {
		if refused, ok := awserr.As(err); ok && refused.Code != "InvalidGroup.NotFound" {
			t.Errorf("a write was refused: %v", refused)
		}
		if err != nil {
			return false // the engine died over it: nobody knows whether it was done
		}
		select {
		case progress <- struct{}{}:
		default:
		}
		mu.Lock()
		defer mu.Unlock()
		writes++
		return true
	}
	var writers sync.WaitGroup
	for n := range 4 {
		writers.Go(func() {
			c := client.New(w.URL, "us-east-1", "test", "test")
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprintf("w%d-%d", n, i)
				out, err := client.Call[wire.CreateSecurityGroupOutput](ctx, c, wire.API, "CreateSecurityGroup",
					&wire.CreateSecurityGroupInput{VpcId: &vpc, GroupName: &name, Description: &name})
				if !acknowledged(err) {
					continue
				}
				if i%10 == 0 {
					mu.Lock()
					made = append(made, name)
					mu.Unlock()
					continue
				}
				for ctx.Err() == nil {
					_, err := client.Call[wire.DeleteSecurityGroupOutput](ctx, c, wire.API, "DeleteSecurityGroup", &wire.DeleteSecurityGroupInput{GroupId: out.GroupId})
					if acknowledged(err) || awserr.Is(err, "InvalidGroup.NotFound") {
						break
					}
				}
			}
		})
	}
	for k := range kills {
		for range 2 {
			select {
			case <-progress:
			case <-time.After(time.Minute):
				t.Fatalf("no write was acknowledged in a minute after %d kills; localvpc said:\n%s", k, w.errs.String())
			}
		}
		if pid := w.engine(); pid > 0 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	<-progress
	stop()
	writers.Wait()
	return made, writes
}

// id finds an instance by its Name tag.
func (w *world) id(name string) string {
	w.t.Helper()
	out := must(w.ec2.DescribeInstances(tctx(w.t), &ec2.DescribeInstancesInput{}))(w.t)
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			for _, tag := range i.Tags {
				if *tag.Key == "Name" && *tag.Value == name {
					return *i.InstanceId
				}
			}
		}
	}
	w.t.Fatalf("there is no instance %s", name)
	return ""
}

// difference shows the lines that only one of two texts has.
func difference(before, after string) string {
	count := map[string]int{}
	for _, l := range strings.Split(before, "\n") {
		count[l]++
	}
	for _, l := range strings.Split(after, "\n") {
		count[l]--
	}
	var b strings.Builder
	for _, text := range []string{before, after} {
		for _, l := range strings.Split(text, "\n") {
			if n := count[l]; n > 0 {
				fmt.Fprintf(&b, "- %s\n", l)
				count[l]--
			} else if n < 0 {
				fmt.Fprintf(&b, "+ %s\n", l)
				count[l]++
			}
		}
	}
	return b.String()
}

// watched processes, by a descriptor that says when they have ended.
type watched []struct {
	fd   int
	name string
}

func watch(t *testing.T, pids []int) (out watched) {
	t.Helper()
	for _, pid := range pids {
		name := cmdline(pid)
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		t.Cleanup(func() { unix.Close(fd) })
		out = append(out, struct {
			fd   int
			name string
		}{fd, name})
	}
	if len(out) == 0 {
		t.Fatal("there is nothing to watch")
	}
	return out
}

// ended fails the test unless all of them end.
func (w watched) ended(t *testing.T) {
	t.Helper()
	for _, p := range w {
		poll := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(poll, 10_000)
			if err == unix.EINTR {
				continue
			}
			if n != 1 {
				t.Errorf("a process is left: %q", p.name)
			}
			break
		}
	}
}

// allow gives a directory of the test's to an ordinary user.
func allow(t *testing.T, dir string, uid int) {
	t.Helper()
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(dir); parent != filepath.Dir(os.TempDir()) && parent != "/"; parent = filepath.Dir(parent) {
		if info, err := os.Stat(parent); err == nil {
			os.Chmod(parent, info.Mode()|0o055)
		}
	}
}
