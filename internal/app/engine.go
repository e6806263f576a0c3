package app

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	wireec2 "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	wireelbv2 "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	wireiam "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	wireroute53 "github.com/localvpc/localvpc/internal/aws/wire/route53"
	wirequotas "github.com/localvpc/localvpc/internal/aws/wire/servicequotas"
	wiressm "github.com/localvpc/localvpc/internal/aws/wire/ssm"
	wirests "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/front/apiserver"
	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/node/accesslog"
	"github.com/localvpc/localvpc/internal/node/authority"
	"github.com/localvpc/localvpc/internal/node/datagram"
	"github.com/localvpc/localvpc/internal/node/dnsserver"
	"github.com/localvpc/localvpc/internal/node/guests"
	"github.com/localvpc/localvpc/internal/node/health"
	"github.com/localvpc/localvpc/internal/node/imds"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/listen"
	"github.com/localvpc/localvpc/internal/node/reconcile"
	"github.com/localvpc/localvpc/internal/node/relay"
	"github.com/localvpc/localvpc/internal/node/sandbox"
	"github.com/localvpc/localvpc/internal/node/targets"
	"github.com/localvpc/localvpc/internal/node/vantage"
	"github.com/localvpc/localvpc/internal/node/world"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/service/ec2"
	"github.com/localvpc/localvpc/internal/service/elbv2"
	"github.com/localvpc/localvpc/internal/service/iam"
	"github.com/localvpc/localvpc/internal/service/route53"
	"github.com/localvpc/localvpc/internal/service/servicequotas"
	"github.com/localvpc/localvpc/internal/service/ssm"
	"github.com/localvpc/localvpc/internal/service/sts"
	"github.com/localvpc/localvpc/internal/state"
)

// Bounds of the engine's waits.
const (
	stopTime   = 15 * time.Second // for an orderly end
	settleTime = 10 * time.Second // for the data plane, before a call is answered anyway
	sweepEvery = time.Minute      // for what is to be forgotten
)

// engine is everything that runs in the world, or alone without packets.
type engine struct {
	set      settings
	log      *slog.Logger
	store    *state.Store
	runner   *service.Runner
	server   *apiserver.Server
	services []apiserver.Service
	inside   *world.Inside // nil without packets

	notary *authority.Notary
	kernel *kernel.Kernel
	guests *guests.Guests
	nodes  *reconcile.Reconciler
	health *health.Checkers
	checks *targets.Checks
	relay  *relay.Relay
	logs   *accesslog.Logs // nil with nowhere to keep them

	hosts    chan struct{} // taken while an outside host is made or removed
	resolver *dnsserver.Server
	names    names // for this machine's programs

	notes  []string       // what does not work here, and why
	quotas map[string]int // of --quotas; nil: AWS's defaults

	identity identity

	serving chan struct{}   // closed when calls are taken
	life    context.Context // of run
	end     context.CancelCauseFunc
	once    sync.Once
}

// heapFloor is never touched, so it takes no memory; but the collector, which
// runs each time the heap has doubled, counts it. Without it a small heap is
// collected so often that a fifth of the API's work is that (go run ./bench -only api,memory).
const heapFloor = 8 << 20

// engineMain is main of the engine process.
func engineMain() int {
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	inside, err := world.Engine()
	if err != nil {
		fmt.Fprintln(os.Stderr, "localvpc:", err)
		return world.Refused
	}
	var set settings
	if err := json.Unmarshal([]byte(os.Getenv(settingsEnv)), &set); err != nil {
		fmt.Fprintln(os.Stderr, "localvpc: reading the settings:", err)
		return world.Refused
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	boundGarbage()
	e, err := build(set, inside, newLog(set))
	if err != nil {
		fmt.Fprintln(os.Stderr, "localvpc:", err)
		return world.Refused
	}
	l, err := net.FileListener(inside.Listeners["api"])
	if err != nil {
		fmt.Fprintln(os.Stderr, "localvpc: taking over the API's listener:", err)
		return world.Refused
	}
	if e.names, err = givenNames(inside.Listeners); err != nil {
		fmt.Fprintln(os.Stderr, "localvpc:", err)
		return world.Refused
	}
	if err := e.run(ctx, l, inside.Ready); err != nil {
		fmt.Fprintln(os.Stderr, "localvpc:", err)
		return 1
	}
	return 0
}

// build makes the parts. inside is nil without packets.
func build(set settings, inside *world.Inside, log *slog.Logger) (*engine, error) {
	e := &engine{set: set, log: log, inside: inside, hosts: make(chan struct{}, 1), serving: make(chan struct{})}
	cfg := state.Config{Now: time.Now, Rand: &randomness{r: bufio.NewReaderSize(rand.Reader, 4096)}}
	journal := ""
	switch {
	case set.Data != "":
		journal = filepath.Join(set.Data, "state.db")
	case inside != nil:
		// In memory with the world: an engine that dies forgets nothing, and
		// when the world ends nothing is left.
		journal = filepath.Join(inside.RunDir, "state.db")
	}
	if journal != "" {
		bolt, err := state.OpenBolt(journal)
		if err != nil {
			return nil, err
		}
		cfg.Log = bolt
	}
	var err error
	if e.store, err = state.Open(cfg); err != nil {
		return nil, err
	}
	e.resolver = dnsserver.New(e.store.Snapshot, time.Now)
	e.resolver.Reach(e.abroad)
	images, err := e.catalogue()
	if err != nil {
		return nil, err
	}
	if state.Images.Len(e.store.Snapshot()) == 0 || len(set.Images) > 0 {
		if _, err := e.store.Write(context.Background(), func(tx *state.Tx) error {
			ec2.SeedImages(tx, images)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if _, err := e.store.Write(context.Background(), e.outside); err != nil {
		return nil, err
	}
	if err := e.identify(); err != nil {
		return nil, err
	}
	if inside != nil {
		if err := e.packets(); err != nil {
			return nil, err
		}
	}
	return e, e.api()
}

// outside puts the ranges of --public-cidr, when they were given, and the idle time
// of NAT gateways.
func (e *engine) outside(tx *state.Tx) error {
	fabric.SetNatIdleTimeout(tx, e.set.NatIdle)
	fabric.SetRegionLatency(tx, e.set.RegionLatency)
	if e.set.PublicCidr == "" {
		return nil
	}
	ranges, err := publicip.Parse(e.set.PublicCidr)
	if err != nil {
		return fmt.Errorf("--public-cidr: %w", err)
	}
	publicip.Set(tx, ranges)
	return nil
}

// randomness is one buffered source for ids; transactions are made one at a time.
type randomness struct{ r io.Reader }

func (r *randomness) Read(p []byte) (int, error) { return r.r.Read(p) }

// catalogue is the built-in images and those of --images.
func (e *engine) catalogue() ([]catalog.Image, error) {
	list := catalog.Images(architecture())
	if len(e.set.Images) > 0 {
		more, err := catalog.Parse(e.set.Images)
		if err != nil {
			return nil, fmt.Errorf("--images: %w", err)
		}
		list = append(list, more...)
	}
	return list, nil
}

// architecture is this machine's, in AWS's words.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// packets makes the data plane.
func (e *engine) packets() error {
	if e.set.RegionLatency {
		if err := kernel.CanDelay(); err != nil {
			return fmt.Errorf("--region-latency: %w: leave the flag out, or load the module sch_netem", err)
		}
	}
	run, data := e.inside.RunDir, e.set.Data
	if data == "" {
		data = filepath.Join(run, "data")
	}
	var err error
	if e.kernel, err = kernel.New(kernel.Config{RunDir: run}); err != nil {
		return err
	}
	host, err := sandbox.New(sandbox.Config{RunDir: run, DataDir: data, Rootful: e.inside.Root, Hide: e.set.Hide})
	if err != nil {
		return err
	}
	// What all instances share takes a while; the first one may find it made.
	// An error comes again with that one, and in status.
	go func() { _ = host.Prepare() }()
	var bounds guests.Limits
	if l, err := world.NewLimits(e.inside); err != nil {
		e.notes = append(e.notes, "memory of instances is not limited: "+err.Error())
	} else {
		bounds = limits{l}
	}
	e.notary = authority.NewNotary(e.keep(), time.Now)
	handlers, trust, err := e.endpoints(e.keep())
	if err != nil {
		return err
	}
	if e.guests, err = guests.New(host, bounds, run, data, trust); err != nil {
		return err
	}
	// In the world, so that tokens outlive an engine.
	secret, err := kept(run, "metadata.key")
	if err != nil {
		return err
	}
	handlers["dns"] = e.resolver
	handlers["metadata"] = metadata{imds.New(imds.Config{
		Snapshot: e.store.Snapshot, Now: time.Now, Secret: secret, Seal: e.identity.seal, Notary: e.notary,
		RoleSession: time.Duration(e.set.RoleSession) * time.Second,
	})}
	e.relay = e.relays()
	handlers["proxy"] = passesOn{e.relay}
	services := listen.New(listen.Config{
		In: e.kernel.In, Handlers: handlers, Vpc: e.vpcOf, Keeper: e.inside, Log: e.log,
	}, e.inside.Stored)
	e.nodes = reconcile.New(reconcile.Config{Store: e.store, Kernel: e.kernel, Services: services, Host: e.guests, Log: e.log})
	e.health, e.checks, e.logs = e.checkers(), e.targetChecks(), e.accessLogs()
	return nil
}

// limits gives the world's control groups to the instances.
type limits struct{ *world.Limits }

func (l limits) Group(id string, pids int, memory int64) (guests.Group, error) {
	g, err := l.Limits.Group(id, pids, memory)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// metadata has no packets to serve.
type metadata struct{ *imds.Server }

func (m metadata) ServePacket(c *datagram.Conn, _ state.Key) error {
	return fmt.Errorf("metadata is not served over UDP: %s", c.LocalAddr())
}

func (m metadata) ServeStream(l net.Listener, vpc state.Key) error { return m.Serve(l, vpc) }

// vpcOf gives the VPC whose router a namespace is, or the internet, or the balancer
// that has it.
func (e *engine) vpcOf(ns plan.Netns) (state.Key, bool) {
	if ns == ruleset.Internet {
		return vantage.Internet, true
	}
	for v := range state.Vpcs.By(e.store.Snapshot(), state.ByVpc, string(ns)) {
		return v.Key, true
	}
	return e.balancerIn(ns)
}

// api makes the services and the HTTP front.
func (e *engine) api() error {
	var err error
	if e.quotas, err = quotasOf(e.set.Quotas); err != nil {
		return err
	}
	cfg := ec2.Config{Quotas: e.quotas, NoPackets: e.inside == nil, NoDefaultVpc: e.set.NoDefaultVpc, ImageDir: imageDir}
	if e.guests != nil {
		cfg.Console = e.guests.Console
	}
	compute := ec2.New(cfg)
	e.runner = &service.Runner{Store: e.store, Defaults: compute, SettleTime: settleTime}
	if e.nodes != nil {
		e.runner.Settle = e.settle
	}
	id := &e.identity
	if id.access != nil {
		e.runner.Access = id.access
	}
	names := route53.Config{Now: time.Now, Draw: mathrand.Uint64, ManyZones: string(e.set.Quotas) == quotasOff}
	if e.health != nil {
		names.Seen = e.health.Seen
	}
	e.services = []apiserver.Service{
		{API: wireec2.API, Signing: "ec2", Actions: byName(wireec2.API, compute.Actions())},
		{API: wireelbv2.API, Signing: wireelbv2.API.Signing, Actions: byName(wireelbv2.API, elbv2.New(elbv2.Config{Quotas: e.quotas, NoPackets: e.inside == nil}).Actions())},
		{API: wireroute53.API, Signing: "route53", Actions: byName(wireroute53.API, route53.New(names).Actions())},
		{API: wirequotas.API, Signing: "servicequotas", Actions: byName(wirequotas.API, servicequotas.New(e.quotas).Actions())},
		{API: wireiam.API, Signing: "iam", Actions: byName(wireiam.API, iam.New(iam.Config{Seal: id.seal, Library: &id.library}).Actions())},
		{API: wiressm.API, Signing: "ssm", Actions: byName(wiressm.API, ssm.New().Actions())},
		{API: wirests.API, Signing: "sts", Actions: byName(wirests.API, sts.New(sts.Config{Account: e.set.Account, Seal: id.seal, Library: &id.library}).Actions())},
	}
	e.server = apiserver.New(apiserver.Config{
		Services: e.services, Runner: e.runner, Keys: id.keys, Control: e, Account: e.set.Account, Region: "us-east-1",
		Regions: func(name string) bool { _, ok := awsregion.Lookup(name); return ok },
		Log:     e.log,
	})
	return nil
}

// settle waits until packets obey a commit, and until the instances that it
// started or ended have followed: who asks next sees them running, stopped or
// terminated, and no client's waiter has to wait. Nothing settles any more when
// the engine ends: the next one does it.
func (e *engine) settle(ctx context.Context, index uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	if err := e.nodes.Wait(ctx, index); err != nil {
		return err
	}
	if e.logs != nil {
		if err := e.logs.Wait(ctx, index); err != nil {
			return err
		}
	}
	return e.nodes.WaitArrived(ctx, index)
}

func byName(api *proto.API, list []service.Action) map[string]service.Action {
	m := make(map[string]service.Action, len(list))
	for _, a := range list {
		a.Service = api.Service
		m[a.Name] = a
	}
	return m
}

// quotasOff is --quotas off, as settings carry it.
const quotasOff = `"off"`

// quotasOf reads --quotas: nothing, "off", or numbers by name.
func quotasOf(text json.RawMessage) (map[string]int, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	if string(text) == quotasOff {
		return quota.Off(), nil
	}
	var quotas map[string]int
	if err := json.Unmarshal(text, &quotas); err != nil {
		return nil, fmt.Errorf("--quotas: the file holds an object of numbers by name: %w", err)
	}
	known := map[string]bool{}
	for _, name := range quota.Names() {
		known[name] = true
	}
	for name := range quotas {
		if !known[name] {
			return nil, fmt.Errorf("--quotas: there is no quota %q; there are %v", name, quota.Names())
		}
	}
	return quotas, nil
}

// imageDir says why a directory cannot be booted from.
func imageDir(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", path)
	}
	// Whoever reaches the API may boot from it and read it: somebody's files are
	// no image, a root file system is; but not the machine's own.
	if own, err := os.Stat("/"); err == nil && os.SameFile(info, own) {
		return fmt.Errorf("%s is this machine's own root: the catalogue's images show what of it may be seen", path)
	}
	for _, part := range []string{"bin", "usr", "sbin"} {
		if info, err := os.Stat(filepath.Join(path, part)); err == nil && info.IsDir() {
			return nil
		}
	}
	return fmt.Errorf("%s is no root file system: it has none of bin, usr and sbin", path)
}

// run serves until ctx ends or somebody asks for the end.
func (e *engine) run(ctx context.Context, l net.Listener, ready func(string) error) error {
	ctx, e.end = context.WithCancelCause(ctx)
	defer e.end(nil)
	e.life = ctx
	var running sync.WaitGroup
	failed := make(chan error, 6)
	if e.nodes != nil {
		running.Go(func() {
			if err := e.nodes.Run(ctx); err != nil {
				failed <- err
			}
		})
		select {
		case <-e.nodes.Ready():
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
		e.sweep()
		runs := []func(context.Context) error{e.health.Run, e.checks.Run, e.relay.Run}
		if e.logs != nil {
			runs = append(runs, e.logs.Run)
		}
		for _, run := range runs {
			running.Go(func() {
				if err := run(ctx); err != nil {
					failed <- err
				}
			})
		}
	}
	close(e.serving)
	running.Go(func() {
		if err := e.server.Serve(l); err != nil {
			failed <- err
		}
	})
	running.Go(func() { e.janitor(ctx) })
	running.Go(func() { e.drain(ctx) })
	e.names.serve(e.resolver, &running, func(err error) {
		if err != nil {
			e.log.Error("names for this machine are no longer answered", "error", err)
		}
	})
	if err := ready(e.greeting(l.Addr())); err != nil {
		return err
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	bounded, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	_ = e.server.Shutdown(bounded)
	e.names.close()
	e.end(nil)
	running.Wait()
	return errors.Join(err, e.store.Close())
}

// greeting is what up prints: JSON of cli.Ready, which the parent reads.
func (e *engine) greeting(addr net.Addr) string {
	r := cli.Ready{URL: "http://" + addr.String(), Account: e.set.Account, Data: e.set.Data, Packets: e.inside != nil, DNS: e.names.address()}
	if key := e.identity.root; key != nil {
		r.RootKey, r.RootSecret = key.AccessKeyID, key.SecretAccessKey
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("app: encoding the ready line: %v", err)) // it is plain data
	}
	return string(text)
}

// sweep removes disks and layers that nothing has any more.
func (e *engine) sweep() {
	if e.guests == nil {
		return
	}
	if err := e.guests.Sweep(e.store.Snapshot); err != nil {
		e.log.Warn("removing disks that no instance has", "error", err)
	}
}

// janitor forgets what AWS forgets after a while.
func (e *engine) janitor(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			e.sweep()
			if e.identity.keys.Pending() {
				if _, err := e.store.Write(ctx, func(tx *state.Tx) error { e.identity.keys.Flush(tx); return nil }); err != nil {
					e.log.Warn("keeping when keys were used", "error", err)
				}
			}
			if lifecycle.Expired(e.store.Snapshot(), now).Empty() {
				continue
			}
			if _, err := e.store.Write(ctx, func(tx *state.Tx) error { lifecycle.Forget(tx); return nil }); err != nil {
				e.log.Warn("forgetting what has ended", "error", err)
			}
		}
	}
}
