// Package guests runs the instances and the outside hosts of the state in
// sandboxes: it reads from a snapshot what one is and tells the sandbox.
//
// Invariant: what a sandbox is told follows from the snapshot alone; the number
// of the boot that it was made for is kept beside it, so that an engine that
// restarts knows which wish of the state a running instance fulfils.
package guests

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/node/reconcile"
	"github.com/localvpc/localvpc/internal/node/sandbox"
	"github.com/localvpc/localvpc/internal/state"
)

// grace is how long the processes of an instance have to end by themselves.
const grace = 5 * time.Second

// Limits bounds what the processes of an instance may use.
type Limits interface {
	// Group makes the limits of an instance: processes, and memory in bytes.
	Group(id string, pids int, memory int64) (Group, error)
}

// Group is the limits of one instance.
type Group interface {
	Add(pid int) error
	Remove() error
}

// Guests is the reconciler's Host.
type Guests struct {
	host    *sandbox.Host
	limits  Limits // nil: processes are bounded by a resource limit alone, memory is not
	runDir  string
	dataDir string
	trust   string // certificates of authorities, PEM

	mu      sync.Mutex
	running map[string]*guest
	changed chan struct{} // closed and made anew when an instance has been let go
}

// New makes the host of instances. runDir lives as long as the world, dataDir
// holds disks, images and console logs. limits may be nil. trust are certificates
// of authorities that guests trust beside those of their images, as PEM.
func New(host *sandbox.Host, limits Limits, runDir, dataDir string, trust []byte) (*Guests, error) {
	g := &Guests{host: host, limits: limits, runDir: filepath.Join(runDir, "boots"), dataDir: dataDir, trust: string(trust), running: map[string]*guest{}, changed: make(chan struct{})}
	for _, dir := range []string{g.runDir, filepath.Join(dataDir, "console"), filepath.Join(dataDir, "images")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making %s: %w", dir, err)
		}
	}
	return g, nil
}

// guest is one sandbox with the boot that it was made for.
type guest struct {
	all   *Guests
	sb    *sandbox.Sandbox
	boots uint64
	let   bool  // it was let go; under all.mu
	group Group // nil: none, or made by a former engine
}

func (g *guest) Boots() uint64           { return g.boots }
func (g *guest) Netns() *os.File         { return g.sb.Netns() }
func (g *guest) Exited() <-chan struct{} { return g.sb.Exited() }

func (g *guest) Boot(ctx context.Context) error {
	if err := g.sb.Boot(ctx); err != nil {
		return err
	}
	g.all.mu.Lock()
	defer g.all.mu.Unlock()
	g.let = true
	close(g.all.changed)
	g.all.changed = make(chan struct{})
	return nil
}

// Pause has the guest's processes stand still, or go on.
func (g *guest) Pause(ctx context.Context, paused bool) error { return g.sb.Pause(ctx, paused) }

// Renew tells the guest what DHCP would tell it now.
func (g *guest) Renew(ctx context.Context, lease string) error {
	return g.sb.Renew(ctx, resolvConf(lease))
}

// Stop has the instance end; Exited tells when it has.
func (g *guest) Stop(force bool) {
	go func() {
		if force {
			_ = g.sb.Kill()
			return
		}
		_ = g.sb.Shutdown(context.Background(), grace) // kills what does not obey
	}()
}

func (g *guest) Cause() lifecycle.Cause {
	switch g.sb.Exit().Cause {
	case sandbox.PowerOff:
		return lifecycle.PowerOff
	case sandbox.Reboot:
		return lifecycle.Restart
	case sandbox.Shutdown:
		return lifecycle.Requested
	}
	return lifecycle.Crash
}

func (g *guest) Release() {
	_ = g.sb.Close()
	if g.group == nil && g.all.limits != nil {
		g.group, _ = g.all.limits.Group(g.sb.ID(), 0, 0) // finds the one that is there
	}
	if g.group != nil {
		_ = g.group.Remove() // with processes in it, it stays until the world's end
	}
	g.all.mu.Lock()
	defer g.all.mu.Unlock()
	if g.all.running[g.sb.ID()] == g {
		delete(g.all.running, g.sb.ID())
		_ = os.Remove(g.all.boots(g.sb.ID()))
	}
}

func (g *Guests) boots(id string) string { return filepath.Join(g.runDir, id) }

// keep remembers a guest under its id.
func (g *Guests) keep(sb *sandbox.Sandbox, boots uint64) *guest {
	guest := &guest{all: g, sb: sb, boots: boots}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running[sb.ID()] = guest
	return guest
}

// Adopt implements reconcile.Host.
func (g *Guests) Adopt(ctx context.Context) (map[string]reconcile.Guest, error) {
	ids, err := g.host.Running()
	if err != nil {
		return nil, fmt.Errorf("listing instances: %w", err)
	}
	out := map[string]reconcile.Guest{}
	for _, id := range ids {
		sb, err := g.host.Adopt(ctx, id)
		if errors.Is(err, sandbox.ErrNotRunning) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if sb.Netns() == nil {
			// It ended before anybody knew of it. What it did itself, it meant;
			// otherwise it is started anew.
			<-sb.Exited()
			if c := sb.Exit().Cause; c != sandbox.PowerOff && c != sandbox.Reboot {
				continue
			}
		}
		text, _ := os.ReadFile(g.boots(id))
		boots, _ := strconv.ParseUint(string(text), 10, 64) // 0 asks for a new start
		out[id] = g.keep(sb, boots)
	}
	return out, nil
}

// Create implements reconcile.Host.
func (g *Guests) Create(_ context.Context, snap *state.Snapshot, key state.Key) (reconcile.Guest, error) {
	spec, boots, memory, err := g.described(snap, key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(g.boots(spec.ID), strconv.AppendUint(nil, boots, 10), 0o600); err != nil {
		return nil, fmt.Errorf("remembering the boot of %s: %w", spec.ID, err)
	}
	sb, err := g.host.Create(spec)
	if err != nil {
		return nil, err
	}
	guest := g.keep(sb, boots)
	if g.limits != nil {
		if err := g.confine(guest, spec.PIDs, memory); err != nil {
			_ = sb.Kill()
			guest.Release()
			return nil, err
		}
	}
	return guest, nil
}

// described is what a row asks for: the sandbox, which boot it is, how much memory.
func (g *Guests) described(snap *state.Snapshot, key state.Key) (spec sandbox.Spec, boots uint64, memory int64, err error) {
	if h, ok := state.Hosts.Get(snap, key); ok {
		return g.HostSpec(snap, h), h.Boots, someMemory, nil
	}
	i, ok := state.Instances.Get(snap, key)
	if !ok {
		return spec, 0, 0, fmt.Errorf("there is neither an instance nor an outside host %s", key)
	}
	memory = someMemory
	if t, ok := catalog.Lookup(i.InstanceType); ok {
		memory = t.MemoryMiB << 20
	}
	spec, err = g.Spec(snap, i)
	return spec, i.Boots, memory, err
}

// someMemory is the bound where nothing names one, in bytes.
const someMemory = 1 << 30

// confine puts a guest's init, and so all that it starts, under limits.
func (g *Guests) confine(guest *guest, pids int, memory int64) error {
	group, err := g.limits.Group(guest.sb.ID(), pids, memory)
	if err != nil {
		return fmt.Errorf("limiting %s: %w", guest.sb.ID(), err)
	}
	guest.group = group
	if err := group.Add(guest.sb.Pid()); err != nil {
		return fmt.Errorf("limiting %s: %w", guest.sb.ID(), err)
	}
	return nil
}

// Destroy implements reconcile.Host.
func (g *Guests) Destroy(id string) error {
	return errors.Join(g.host.Destroy(id), remove(g.console(id)), remove(g.console(id)+".old"))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Capture implements reconcile.Host.
func (g *Guests) Capture(_ context.Context, instance, image string) error {
	// A former engine may have died over it; what it has left is no layer yet.
	if err := os.RemoveAll(g.layer(image)); err != nil {
		return fmt.Errorf("removing half a layer: %w", err)
	}
	_, err := g.host.Capture(instance, g.layer(image))
	return err
}

// Notes says what does not work here, for people.
func (g *Guests) Notes() []string {
	status, err := g.host.Status()
	if err != nil {
		return []string{"instances cannot be made: " + err.Error()}
	}
	return status.Notes
}

func (g *Guests) console(id string) string  { return filepath.Join(g.dataDir, "console", id) }
func (g *Guests) layer(image string) string { return filepath.Join(g.dataDir, "images", image) }

// Spec is what the snapshot says of an instance, for its sandbox.
func (g *Guests) Spec(snap *state.Snapshot, i *state.Instance) (sandbox.Spec, error) {
	img, ok := lifecycle.ImageOf(snap, i)
	if !ok {
		return sandbox.Spec{}, fmt.Errorf("the image %s is gone", i.ImageID)
	}
	spec := sandbox.Spec{
		ID:         i.ID,
		Hostname:   dnsview.Hostname(snap, i),
		ResolvConf: resolvConf(dnsview.ResolvConf(snap, i.Scope().Key(i.VpcID))),
		UserData:   i.UserData,
		ConsoleLog: g.console(i.ID),
		PIDs:       processes(i.InstanceType),
		Trust:      g.trust,
	}
	spec.Hosts = hosts(spec.Hostname, i.PrivateIP)
	if img.Path != "" {
		spec.Image.Base = []string{img.Path}
	}
	for _, layer := range img.Layers {
		spec.Image.Layers = append(spec.Image.Layers, g.layer(layer))
	}
	if i.KeyName != "" {
		for k := range state.KeyPairs.By(snap, state.ByKeyName, state.NameIn(i.Scope(), i.KeyName)) {
			spec.SSHKeys = append(spec.SSHKeys, k.PublicKey+" "+k.Name)
		}
	}
	return spec, nil
}

// HostSpec is what the snapshot says of an outside host, for its sandbox. It asks
// the simulated internet itself for names.
func (g *Guests) HostSpec(r state.Reader, h *state.Host) sandbox.Spec {
	id := fabric.HostSpace(h.ID)
	return sandbox.Spec{
		ID:         id,
		Hostname:   h.ID,
		ResolvConf: "nameserver " + publicip.Router(r).String() + "\n",
		Hosts:      hosts(h.ID, h.Addr),
		ConsoleLog: g.console(id),
		PIDs:       processes(""),
		Trust:      g.trust,
	}
}

// resolvConf is the file for what DHCP tells of servers. Without any the image's own
// would stand, with servers of somebody else.
func resolvConf(lease string) string {
	if lease == "" {
		return noServers
	}
	return lease
}

// noServers is the resolv.conf of instances that DHCP tells of no server.
const noServers = "# The VPC has no DHCP options: there is no name server.\n"

// processes bounds an instance's processes: what a Linux of that much memory
// allows by default is far more than a laptop should.
func processes(instanceType string) int {
	t, ok := catalog.Lookup(instanceType)
	if !ok {
		return 1024
	}
	return int(1024 * max(1, t.VCPUs))
}

func hosts(name string, a netip.Addr) string {
	short, _, _ := strings.Cut(name, ".")
	if short == name {
		short = ""
	} else {
		short = " " + short
	}
	return fmt.Sprintf("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n%s %s%s\n", a, name, short)
}

// Sandbox gives the running sandbox of a guest, by its name, one that takes commands.
// Without one, changed is closed when there may be.
func (g *Guests) Sandbox(id string) (sb *sandbox.Sandbox, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if guest, ok := g.running[id]; ok && guest.let {
		return guest.sb, nil
	}
	return nil, g.changed
}

// Console gives what an instance has written to its console, and when last.
func (g *Guests) Console(id string) (text []byte, at time.Time, ok bool) {
	info, err := os.Stat(g.console(id))
	if err != nil {
		return nil, time.Time{}, false
	}
	text, err = sandbox.Console(g.console(id))
	return text, info.ModTime(), err == nil
}

// Running counts the sandboxes that there are of instances and of outside hosts.
func (g *Guests) Running() (instances, hosts int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id := range g.running {
		if _, ok := fabric.HostOfSpace(id); ok {
			hosts++
		} else {
			instances++
		}
	}
	return instances, hosts
}

// Sweep removes the disks of instances, and the layers of images, that the state
// does not have. The snapshot is taken after the disks were listed: what has no
// row then will have none.
func (g *Guests) Sweep(now func() *state.Snapshot) error {
	disks, err := g.host.Disks()
	if err != nil {
		return fmt.Errorf("listing disks: %w", err)
	}
	var errs []error
	layers, err := os.ReadDir(filepath.Join(g.dataDir, "images"))
	if err != nil {
		errs = append(errs, fmt.Errorf("listing layers: %w", err))
	}
	snap := now()
	for _, id := range disks {
		known := false
		for i := range state.Instances.By(snap, state.ByInstance, id) {
			known = i.State != state.Terminated
		}
		if name, ok := fabric.HostOfSpace(id); ok {
			_, known = state.Hosts.Get(snap, lifecycle.HostKey(name))
		}
		g.mu.Lock()
		_, runs := g.running[id]
		g.mu.Unlock()
		if !known && !runs {
			errs = append(errs, g.Destroy(id))
		}
	}
	used := map[string]bool{}
	for img := range state.Images.All(snap) {
		used[img.ID] = true
		for _, layer := range img.Layers {
			used[layer] = true
		}
	}
	for _, l := range layers {
		if !used[l.Name()] {
			errs = append(errs, os.RemoveAll(g.layer(l.Name())))
		}
	}
	return errors.Join(errs...)
}
