package scenario

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestIsolation tries from inside to see the host, localvpc, and what belongs to
// other VPCs.
func TestIsolation(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.kept(t)
		c := w.ec2
		_, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		_, other := w.vpc(c, "10.20.0.0/16", "10.20.1.0/24")
		one := w.start("one", subnet, nil)
		w.start("far", other, func(in *ec2.RunInstancesInput) {
			in.UserData = script(strings.TrimPrefix(serves("far"), "#!/bin/sh\n"))
		})
		far := *w.instance(w.id("far")).PrivateIpAddress
		w.await("far", "localvpc guest get -m 1 http://127.0.0.1/ >/dev/null 2>&1")

		// The host's files: homes, the data directory, this test's own directory.
		secret := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{secret, w.dir, filepath.Join(w.dir, "state.db"), binary} {
			if out, code := w.in("one", "ls -d "+path); code == 0 {
				t.Errorf("an instance sees the host's %s", strings.TrimSpace(out))
			}
		}
		for _, home := range []string{"/root", "/home", w.home()} {
			entries, err := os.ReadDir(home)
			if err != nil {
				continue
			}
			inside := strings.Fields(w.says("one", "ls -A "+home+" 2>/dev/null || true"))
			for _, e := range entries {
				for _, name := range inside {
					// What every new account is given is not the host's.
					if _, err := os.Stat(filepath.Join("/etc/skel", name)); name == e.Name() && err != nil && name != ".ssh" && name != "ec2-user" {
						t.Errorf("an instance sees the host's %s", filepath.Join(home, name))
					}
				}
			}
		}

		// Its processes and users.
		if out := w.says("one", "ls -d /proc/[0-9]* | wc -l"); len(out) > 2 {
			t.Errorf("an instance sees %s processes", out)
		}
		for _, line := range []string{
			"cat /proc/1/environ | tr '\\0' '\\n' | grep -i localvpc",
			"echo 1 > /proc/sys/kernel/sysrq",
			"cat /dev/mem",
			"mknod /run/disk b 8 0 && head -c 1 /run/disk",
			"ls /sys/kernel/debug/*",
		} {
			if out, code := w.in("one", line+" 2>/dev/null"); code == 0 {
				t.Errorf("an instance may %s: %q", line, out)
			}
		}

		// Sockets without a file: the network namespace has its own.
		if out := w.says("one", "cat /proc/net/unix"); strings.Contains(out, "@") && strings.Contains(out, "localvpc") {
			t.Errorf("an instance sees abstract sockets:\n%s", out)
		}

		// localvpc itself, at every address that an instance could try.
		u, err := url.Parse(w.URL)
		if err != nil {
			t.Fatal(err)
		}
		hosts := []string{"127.0.0.1", "10.0.0.2", "10.0.1.1", "169.254.169.253", "169.254.169.254"}
		if addrs, err := os.ReadFile("/proc/net/fib_trie"); err == nil {
			hosts = append(hosts, local(string(addrs))...)
		}
		var urls []string
		for _, host := range hosts {
			urls = append(urls, "http://"+host+":"+u.Port()+"/_localvpc/health")
		}
		w.unreachable("one", urls...)
		// Metadata has no other paths than AWS's.
		if out, code := w.get("one", "http://169.254.169.254/_localvpc/health", 2); code == 0 && strings.Contains(strings.ToLower(out), "settled") {
			t.Errorf("metadata tells of localvpc: %q", out)
		}

		// The other VPC: its instance, its router, its resolver; even with a route
		// and an address of one's own making.
		try := func() {
			t.Helper()
			w.unreachable("one", "http://"+far+"/", "http://10.20.0.2:53/", "http://10.20.1.1/")
		}
		try()
		if out, code := w.in("one", "ip link show eth0"); code == 0 {
			w.says("one", "ip route add 10.20.0.0/16 via 10.0.1.1 dev eth0 onlink; ip addr add 10.20.1.99/24 dev eth0; true")
			try()
		} else {
			t.Logf("the host has no ip: %s", out)
		}
		w.unreachable("far", "http://"+*one.PrivateIpAddress+"/")
	})
}

// unreachable asks all URLs at once from inside; none may answer.
func (w *world) unreachable(instance string, urls ...string) {
	w.t.Helper()
	var line strings.Builder
	for _, url := range urls {
		fmt.Fprintf(&line, "(localvpc guest get -m 1 %s >/dev/null 2>&1; echo %s $?) & ", url, url)
	}
	out := w.says(instance, line.String()+"wait")
	for _, url := range urls {
		if !strings.Contains(out, fmt.Sprintf("%s %d", url, timedOut)) && !strings.Contains(out, fmt.Sprintf("%s %d", url, refused)) {
			w.t.Errorf("%s reaches %s:\n%s", instance, url, out)
		}
	}
}

// local reads the host's own addresses from its table of routes.
func local(trie string) (out []string) {
	last := ""
	for line := range strings.Lines(trie) {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == "|--" {
			last = f[1]
		}
		if strings.Contains(line, "/32 host LOCAL") && last != "" && !strings.HasPrefix(last, "127.") {
			out = append(out, last)
			last = ""
		}
	}
	return out
}

// TestTwoInterfaces launches an instance with interfaces in two subnets and two
// groups: each has its own verdict, and answers leave by the interface that the
// question came in at, or the sender's check would drop them.
func TestTwoInterfaces(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, front := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		zone := *must(c.DescribeSubnets(tctx(t), &ec2.DescribeSubnetsInput{SubnetIds: []string{front}}))(t).Subnets[0].AvailabilityZone
		back := *must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.0.2.0/24"), AvailabilityZone: &zone}))(t).Subnet.SubnetId
		users, admins := w.group(c, vpc, "users"), w.group(c, vpc, "admins")
		public, private := w.group(c, vpc, "public"), w.group(c, vpc, "private")
		allow := func(group, from string) {
			t.Helper()
			must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: fromGroup(from, 80)}))(t)
		}
		allow(public, users)
		allow(private, admins)
		server := w.start("server", front, func(in *ec2.RunInstancesInput) {
			in.SubnetId = nil
			in.UserData = script(strings.TrimPrefix(serves("server"), "#!/bin/sh\n"))
			in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{
				{DeviceIndex: aws.Int32(0), SubnetId: &front, Groups: []string{public}},
				{DeviceIndex: aws.Int32(1), SubnetId: &back, Groups: []string{private}},
			}
		})
		var addr [2]string
		for _, n := range server.NetworkInterfaces {
			addr[*n.Attachment.DeviceIndex] = *n.PrivateIpAddress
		}
		if !strings.HasPrefix(addr[0], "10.0.1.") || !strings.HasPrefix(addr[1], "10.0.2.") || *server.PrivateIpAddress != addr[0] {
			t.Fatalf("the interfaces are at %v, the instance at %s", addr, *server.PrivateIpAddress)
		}
		w.await("server", "localvpc guest get -m 1 http://127.0.0.1/ >/dev/null 2>&1")
		// A client of each kind in each subnet, so that questions come over the
		// router and over the subnet's own link.
		for _, at := range []struct{ name, subnet string }{{"front", front}, {"back", back}} {
			w.launch(c, "user-"+at.name, at.subnet, []string{users}, "")
			w.launch(c, "admin-"+at.name, at.subnet, []string{admins}, "")
			w.reads("user-"+at.name, addr[0], "server")
			w.reads("user-"+at.name, addr[1], "")
			w.reads("admin-"+at.name, addr[1], "server")
			w.reads("admin-"+at.name, addr[0], "")
		}
		// A change of one interface's groups is not the other's.
		eni := ""
		for _, n := range server.NetworkInterfaces {
			if *n.Attachment.DeviceIndex == 1 {
				eni = *n.NetworkInterfaceId
			}
		}
		must(c.ModifyNetworkInterfaceAttribute(tctx(t), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &eni, Groups: []string{public}}))(t)
		w.reads("user-front", addr[1], "server")
		w.reads("admin-back", addr[1], "")
		w.reads("user-back", addr[0], "server")
		// Both are there after another boot.
		must(c.RebootInstances(tctx(t), &ec2.RebootInstancesInput{InstanceIds: []string{*server.InstanceId}}))(t)
		w.await("server", "test -e /sys/class/net/eth1 && test ! -e /run/served")
		w.says("server", strings.TrimPrefix(serves("server"), "#!/bin/sh\n")+"localvpc guest get --wait 20 -m 5 http://127.0.0.1/")
		w.reads("user-front", addr[1], "server")
		w.reads("user-back", addr[0], "server")
	})
}
