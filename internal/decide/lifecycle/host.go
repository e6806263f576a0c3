package lifecycle

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// Internet is the outside host that is there by name: it is made when it is
// asked for.
const Internet = "internet"

// maxHosts bounds the outside hosts: each is a sandbox with a disk.
const maxHosts = 256

// HostKey is the key of an outside host: of no account and no Region.
func HostKey(name string) state.Key { return state.Key{ID: name} }

// AddHost makes an outside host, to be started. The address is drawn from the
// pool of public addresses when it is the zero one.
func AddHost(tx *state.Tx, name string, addr netip.Addr) (*state.Host, error) {
	if err := checkHostName(name); err != nil {
		return nil, err
	}
	if _, ok := state.Hosts.Get(tx, HostKey(name)); ok {
		return nil, awserr.New("InvalidParameterValue", "There is an outside host %s already: remove it with 'localvpc host rm %s', or choose another name.", name, name)
	}
	if state.Hosts.Len(tx) >= maxHosts {
		return nil, awserr.New("ResourceLimitExceeded", "There are %d outside hosts, which is the most: remove one with 'localvpc host rm'.", maxHosts)
	}
	if addr.IsValid() {
		if err := checkHostAddr(tx, addr); err != nil {
			return nil, err
		}
	} else {
		var err error
		if addr, err = publicip.Draw(tx); err != nil {
			return nil, awserr.New("InsufficientAddressCapacity", "%s", err)
		}
	}
	mac, err := hostMAC(tx.Rand())
	if err != nil {
		return nil, err
	}
	// Boots counts from the time, so that what runs of a former host of the name is
	// not taken for this one.
	h := &state.Host{Meta: state.Meta{Key: HostKey(name), Created: tx.Now()}, Addr: addr, MAC: mac, Boots: uint64(tx.Now().UnixMilli())}
	state.Hosts.Put(tx, h)
	return h, nil
}

// WakeHost asks for an outside host to run. One that rests is started; the
// internet is made when it is not there.
func WakeHost(tx *state.Tx, name string) (*state.Host, error) {
	h, ok := state.Hosts.Get(tx, HostKey(name))
	switch {
	case !ok && name == Internet:
		return AddHost(tx, name, netip.Addr{})
	case !ok:
		return nil, noHost(name)
	case h.Ended == "":
		return h, nil
	}
	next := *h
	next.Ended, next.Running = "", false
	next.Boots++
	state.Hosts.Put(tx, &next)
	return &next, nil
}

// RemoveHost ends an outside host and forgets it with its disk.
func RemoveHost(tx *state.Tx, name string) error {
	if _, ok := state.Hosts.Get(tx, HostKey(name)); !ok {
		return noHost(name)
	}
	state.Hosts.Delete(tx, HostKey(name))
	return nil
}

func noHost(name string) error {
	return awserr.New("InvalidParameterValue", "There is no outside host %s: 'localvpc host ls' lists them, 'localvpc host add' makes one.", awserr.Clip(name))
}

// HostStarted: the host's own programs run, wired. As with instances, a fact
// about another boot is late and changes nothing.
func HostStarted(tx *state.Tx, k state.Key, boots uint64) error {
	return hostFact(tx, k, boots, func(h *state.Host) { h.Running, h.Ended = true, "" })
}

// HostExited: all its processes have ended. One that rebooted itself is started
// anew; otherwise it rests until somebody asks for it.
func HostExited(tx *state.Tx, k state.Key, boots uint64, c Cause) error {
	return hostFact(tx, k, boots, func(h *state.Host) {
		h.Running = false
		switch c {
		case Restart:
			h.Boots++
		case PowerOff:
			h.Ended = "it shut itself down"
		default:
			h.Ended = "its init process ended unexpectedly"
		}
	})
}

// HostFailed: it could not be started; why is for people.
func HostFailed(tx *state.Tx, k state.Key, boots uint64, why string) error {
	return hostFact(tx, k, boots, func(h *state.Host) { h.Running, h.Ended = false, "it did not start: "+why })
}

func hostFact(tx *state.Tx, k state.Key, boots uint64, change func(*state.Host)) error {
	h, ok := state.Hosts.Get(tx, k)
	if !ok || h.Boots != boots || h.Ended != "" {
		return nil
	}
	next := *h
	if change(&next); next.Running == h.Running && next.Boots == h.Boots && next.Ended == h.Ended {
		return nil
	}
	state.Hosts.Put(tx, &next)
	return nil
}

// checkHostName: the name is a DNS label that is nobody else's.
func checkHostName(name string) error {
	ok := len(name) >= 1 && len(name) <= 32 && name[0] >= 'a' && name[0] <= 'z' && name[len(name)-1] != '-'
	for _, c := range name {
		ok = ok && (c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z')
	}
	switch {
	case !ok:
		return awserr.New("InvalidParameterValue", "%q is not a name for an outside host: it is 1 to 32 of a-z, 0-9 and hyphens, begins with a letter and does not end with a hyphen.", awserr.Clip(name))
	case strings.HasPrefix(name, "i-"):
		return awserr.New("InvalidParameterValue", "An outside host is not named %s: what begins with i- is an instance's id.", name)
	case name == "localhost":
		return awserr.New("InvalidParameterValue", "An outside host is not named localhost, which is a name of every host for itself.")
	}
	return nil
}

// checkHostAddr: a public address that nobody has and no VPC hides.
func checkHostAddr(r state.Reader, a netip.Addr) error {
	if !a.Is4() {
		return awserr.New("InvalidParameterValue", "%s is not an IPv4 address; the simulated internet has no IPv6 yet.", a)
	}
	if what := publicip.Special(netip.PrefixFrom(a, 32)); what != "" {
		return awserr.New("InvalidParameterValue", "%s is not a public address: %s.", a, what)
	}
	for v := range state.Vpcs.All(r) {
		for _, c := range v.Cidrs {
			if c.Cidr.Contains(a) {
				return awserr.New("InvalidParameterValue", "%s lies in %s of the VPC %s, whose instances would never look for it outside.", a, c.Cidr, v.ID)
			}
		}
	}
	if publicip.Taken(r, a) {
		return awserr.New("InvalidParameterValue", "%s is taken: choose another address, or none, and one is drawn.", a)
	}
	return nil
}

// hostMAC makes a locally administered unicast address.
func hostMAC(rand io.Reader) (string, error) {
	var b [5]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("drawing a hardware address: %w", err)
	}
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4]), nil
}
