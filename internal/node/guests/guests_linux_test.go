package guests

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/node/sandbox"
	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "123456789012", Region: "eu-west-1"}

// meta is the head of a resource of the caller.
func meta(id string) state.Meta { return state.Meta{Key: scope.Key(id)} }

// store opens a store with what the tests below launch into: a VPC with DHCP
// options of its own, a catalogue image in every Region, an image of a disk on
// top of a directory, and a key pair.
func store(t *testing.T, change func(tx *state.Tx)) *state.Snapshot {
	t.Helper()
	s, err := state.Open(state.Config{Now: time.Now, DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, m := range s.Mutations() {
			t.Errorf("a row was modified after it was put: %s", m)
		}
		s.Close()
	})
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		state.Vpcs.Put(tx, &state.Vpc{Meta: meta("vpc-1"), DhcpOptionsID: "dopt-1", EnableDnsSupport: true,
			Cidrs: []state.CidrAssociation{{Cidr: netip.MustParsePrefix("10.0.0.0/16")}}})
		state.DhcpOptionSets.Put(tx, &state.DhcpOptions{Meta: meta("dopt-1"), Options: []state.DhcpOption{
			{Key: "domain-name", Values: []string{"corp.example lab.example"}},
			{Key: "domain-name-servers", Values: []string{"AmazonProvidedDNS", "10.0.0.99"}},
		}})
		state.Images.Put(tx, &state.Image{Meta: state.Meta{Key: state.Key{Account: "137112412989", ID: "ami-amazon"}}, State: "available"})
		state.Images.Put(tx, &state.Image{Meta: meta("ami-own"), State: "available", Path: "/images/base", Layers: []string{"ami-own", "ami-below"}})
		state.KeyPairs.Put(tx, &state.KeyPair{Meta: meta("key-1"), Name: "laptop", PublicKey: "ssh-ed25519 AAAA"})
		state.KeyPairs.Put(tx, &state.KeyPair{Meta: state.Meta{Key: state.Key{Account: "111122223333", Region: "eu-west-1", ID: "key-2"}}, Name: "laptop", PublicKey: "ssh-ed25519 BBBB"})
		if change != nil {
			change(tx)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s.Snapshot()
}

func instance(id string) *state.Instance {
	return &state.Instance{
		Meta: meta(id), State: state.Pending, Boots: 1, VpcID: "vpc-1", InstanceType: "t3.micro",
		ImageID: "ami-amazon", ImageOwner: "137112412989", HostnameType: "ip-name", PrivateIP: netip.MustParseAddr("10.0.0.4"),
		UserData: []byte("#!/bin/sh\necho hello\n"),
	}
}

func open(t *testing.T) (g *Guests, data string) {
	t.Helper()
	run, data := t.TempDir(), t.TempDir()
	host, err := sandbox.New(sandbox.Config{RunDir: run, DataDir: data})
	if err != nil {
		t.Fatal(err)
	}
	if g, err = New(host, nil, run, data, nil); err != nil {
		t.Fatal(err)
	}
	return g, data
}

func TestSpec(t *testing.T) {
	g, data := open(t)
	layer := func(id string) string { return filepath.Join(data, "images", id) }
	for _, tt := range []struct {
		name   string
		change func(tx *state.Tx, i *state.Instance)
		check  func(t *testing.T, s sandbox.Spec)
	}{
		{"as it is", func(*state.Tx, *state.Instance) {}, func(t *testing.T, s sandbox.Spec) {
			if s.ID != "i-1" || s.Hostname != "ip-10-0-0-4.corp.example" || string(s.UserData) != "#!/bin/sh\necho hello\n" {
				t.Errorf("%+v", s)
			}
			if want := "search corp.example lab.example\nnameserver 10.0.0.2\nnameserver 10.0.0.99\n"; s.ResolvConf != want {
				t.Errorf("resolv.conf is\n%swant\n%s", s.ResolvConf, want)
			}
			if want := "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.0.0.4 ip-10-0-0-4.corp.example ip-10-0-0-4\n"; s.Hosts != want {
				t.Errorf("hosts is\n%swant\n%s", s.Hosts, want)
			}
			if len(s.Image.Base)+len(s.Image.Layers)+len(s.SSHKeys) != 0 {
				t.Errorf("the image is %+v, the keys %v; want the host's own and none", s.Image, s.SSHKeys)
			}
			if s.PIDs != 2048 { // t3.micro has two vCPUs
				t.Errorf("%d processes", s.PIDs)
			}
			if filepath.Dir(s.ConsoleLog) != filepath.Join(data, "console") {
				t.Errorf("the console is %s", s.ConsoleLog)
			}
		}},
		{"named after the resource", func(_ *state.Tx, i *state.Instance) { i.HostnameType = "resource-name" }, func(t *testing.T, s sandbox.Spec) {
			if s.Hostname != "i-1.corp.example" || !strings.Contains(s.Hosts, "10.0.0.4 i-1.corp.example i-1\n") {
				t.Errorf("%q, hosts\n%s", s.Hostname, s.Hosts)
			}
		}},
		{"without DHCP options", func(tx *state.Tx, _ *state.Instance) {
			v, _ := state.Vpcs.Get(tx, scope.Key("vpc-1"))
			next := *v
			next.DhcpOptionsID = "default"
			state.Vpcs.Put(tx, &next)
		}, func(t *testing.T, s sandbox.Spec) {
			if s.ResolvConf != noServers || s.Hostname != "ip-10-0-0-4.eu-west-1.compute.internal" {
				t.Errorf("%q, resolv.conf %q", s.Hostname, s.ResolvConf)
			}
		}},
		{"from a captured disk", func(_ *state.Tx, i *state.Instance) { i.ImageID, i.ImageOwner = "ami-own", scope.Account }, func(t *testing.T, s sandbox.Spec) {
			if !slices.Equal(s.Image.Base, []string{"/images/base"}) || !slices.Equal(s.Image.Layers, []string{layer("ami-own"), layer("ami-below")}) {
				t.Errorf("the image is %+v", s.Image)
			}
		}},
		{"from a deregistered image", func(tx *state.Tx, i *state.Instance) {
			i.ImageID, i.ImageOwner = "ami-own", scope.Account
			state.Instances.Put(tx, i)
			img, _ := state.Images.Get(tx, scope.Key("ami-own"))
			lifecycle.Deregister(tx, img)
		}, func(t *testing.T, s sandbox.Spec) {
			if len(s.Image.Layers) != 2 {
				t.Errorf("the image is %+v", s.Image)
			}
		}},
		{"with a key", func(_ *state.Tx, i *state.Instance) { i.KeyName = "laptop" }, func(t *testing.T, s sandbox.Spec) {
			if !slices.Equal(s.SSHKeys, []string{"ssh-ed25519 AAAA laptop"}) {
				t.Errorf("the keys are %q: want that of the account", s.SSHKeys)
			}
		}},
		{"with a key that was deleted", func(_ *state.Tx, i *state.Instance) { i.KeyName = "gone" }, func(t *testing.T, s sandbox.Spec) {
			if len(s.SSHKeys) != 0 {
				t.Errorf("the keys are %q", s.SSHKeys)
			}
		}},
		{"of a type that is not known", func(_ *state.Tx, i *state.Instance) { i.InstanceType = "x9.huge" }, func(t *testing.T, s sandbox.Spec) {
			if s.PIDs != 1024 {
				t.Errorf("%d processes", s.PIDs)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := instance("i-1")
			snap := store(t, func(tx *state.Tx) { tt.change(tx, i); state.Instances.Put(tx, i) })
			s, err := g.Spec(snap, i)
			if err != nil {
				t.Fatal(err)
			}
			tt.check(t, s)
		})
	}
	i := instance("i-1")
	i.ImageID = "ami-gone"
	if _, err := g.Spec(store(t, nil), i); err == nil || !strings.Contains(err.Error(), "ami-gone is gone") {
		t.Errorf("without its image: %v", err)
	}
	if _, err := g.Create(context.Background(), store(t, nil), scope.Key("i-9")); err == nil {
		t.Error("an instance without a row was made")
	}
}

// TestSweep: what the state does not have goes; what it had when the disks were
// listed, or has since, stays.
func TestSweep(t *testing.T) {
	g, data := open(t)
	path := func(dir, id string) string { return filepath.Join(data, dir, id) }
	for _, id := range []string{"i-1", "i-stopped", "i-terminated", "i-unknown", "i-late", "host-web", "host-gone"} {
		if err := os.MkdirAll(filepath.Join(path("instances", id), "upper"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path("console", id), []byte("hello\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"ami-own", "ami-below", "ami-unknown", "ami-pending"} {
		if err := os.MkdirAll(path("images", id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put := func(tx *state.Tx, id string, s state.InstanceState) {
		i := instance(id)
		i.State = s
		state.Instances.Put(tx, i)
	}
	err := g.Sweep(func() *state.Snapshot {
		// Launched while the disks were being listed.
		return store(t, func(tx *state.Tx) {
			put(tx, "i-1", state.Running)
			put(tx, "i-stopped", state.Stopped)
			put(tx, "i-terminated", state.Terminated)
			put(tx, "i-late", state.Pending)
			state.Hosts.Put(tx, &state.Host{Meta: state.Meta{Key: lifecycle.HostKey("web")}})
			state.Images.Put(tx, &state.Image{Meta: meta("ami-pending"), State: lifecycle.ImagePending})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string][]string{
		"instances": {"host-web", "i-1", "i-late", "i-stopped"},
		"console":   {"host-web", "i-1", "i-late", "i-stopped"},
		"images":    {"ami-below", "ami-own", "ami-pending"},
	} {
		entries, err := os.ReadDir(filepath.Join(data, dir))
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, e := range entries {
			have = append(have, e.Name())
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s has %v, want %v", dir, have, want)
		}
	}
}

// TestConsole: what was written, and when; nothing before the first boot.
func TestConsole(t *testing.T) {
	g, _ := open(t)
	if _, _, ok := g.Console("i-1"); ok {
		t.Error("an instance that never booted has a console")
	}
	if err := os.WriteFile(g.console("i-1"), []byte("[ ok ]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, at, ok := g.Console("i-1")
	if !ok || string(text) != "[ ok ]\n" || at.IsZero() {
		t.Errorf("%q at %v, %v", text, at, ok)
	}
	if err := g.Destroy("i-1"); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := g.Console("i-1"); ok {
		t.Error("the console outlived the instance")
	}
	if err := g.Destroy("i-1"); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestNobodyRuns: without sandboxes there is nothing to adopt, and who asks for
// one is told when to ask again.
func TestNobodyRuns(t *testing.T) {
	g, _ := open(t)
	if all, err := g.Adopt(context.Background()); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if instances, hosts := g.Running(); instances+hosts != 0 {
		t.Errorf("%d instances and %d hosts run", instances, hosts)
	}
	sb, changed := g.Sandbox("i-1")
	if sb != nil || changed == nil {
		t.Errorf("%v, %v", sb, changed)
	}
}

// TestHostSpec: an outside host has its name and address, the default image, and
// neither user data nor keys.
func TestHostSpec(t *testing.T) {
	g, _ := open(t)
	h := &state.Host{Meta: state.Meta{Key: lifecycle.HostKey("web")}, Addr: netip.MustParseAddr("203.0.113.9"), Boots: 1}
	s := g.HostSpec(store(t, nil), h)
	if s.ID != "host-web" || s.Hostname != "web" || s.ResolvConf != "nameserver 198.18.0.1\n" || !strings.HasSuffix(s.Hosts, "\n203.0.113.9 web\n") ||
		len(s.Image.Base)+len(s.Image.Layers)+len(s.SSHKeys)+len(s.UserData) != 0 || s.PIDs == 0 {
		t.Errorf("%+v", s)
	}
}
