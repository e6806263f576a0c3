package fabric

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// Gateway is an internet gateway that is attached to a VPC: its link to the
// simulated internet. Public addresses stand for private ones there only.
type Gateway struct {
	Key       state.Key
	VPC       string
	Link      string     // its name in the internet; in the VPC it is "igw"
	MAC       string     // of the VPC's end
	OuterMAC  string     // of the internet's end
	Internet  netip.Addr // of the internet's own router
	Table     uint32     // of the gateway's route table; 0: it has none
	TableName string
}

// LoadGateway derives an internet gateway. One that is attached to nothing is
// not there.
func LoadGateway(r state.Reader, k state.Key) (Gateway, bool) {
	row, ok := state.InternetGateways.Get(r, k)
	if !ok || row.VpcID == "" || !hasVPC(r, k.Scope(), row.VpcID) {
		return Gateway{}, false
	}
	g := Gateway{Key: k, VPC: row.VpcID, Link: outerLink(row.VpcID), Internet: publicip.Router(r)}
	g.MAC, g.OuterMAC = macOf("igw "+k.ID), macOf("internet "+k.ID)
	if t, ok := GatewayTableOf(r, k.Scope(), k.ID); ok && t.VPC == row.VpcID {
		g.Table, g.TableName = t.Number, t.Key.ID
	}
	return g, true
}

// GatewayOf finds the internet gateway of a VPC.
func GatewayOf(r state.Reader, scope state.Scope, vpc string) (string, bool) {
	for g := range state.InternetGateways.By(r, state.ByVpc, vpc) {
		if g.Scope() == scope {
			return g.ID, true
		}
	}
	return "", false
}

// InternetSpace is the namespace of the simulated internet.
const InternetSpace = "inet"

// Host is a machine of the simulated internet.
type Host struct {
	Name     string
	Space    string // its namespace
	Addr     netip.Addr
	Link     string // its name in the internet
	MAC      string
	OuterMAC string
	Internet netip.Addr // of the internet's own router
}

// hostSpace begins the names of outside hosts' namespaces and sandboxes, which
// therefore are never those of an instance or a VPC.
const hostSpace = "host-"

// HostSpace is the namespace, and the sandbox, of an outside host.
func HostSpace(name string) string { return hostSpace + name }

// HostOfSpace is the reverse; it says false for others' namespaces.
func HostOfSpace(space string) (name string, ok bool) { return strings.CutPrefix(space, hostSpace) }

// LoadHost derives a host.
func LoadHost(r state.Reader, k state.Key) (Host, bool) {
	row, ok := state.Hosts.Get(r, k)
	if !ok || !row.Addr.IsValid() {
		return Host{}, false
	}
	return Host{
		Name: k.ID, Space: HostSpace(k.ID), Addr: row.Addr, Link: hostLink(k.ID),
		MAC: row.MAC, OuterMAC: RouterMAC(row.MAC), Internet: publicip.Router(r),
	}, true
}

// outerLink is the name of a VPC's link in the internet: "v" and the last 14
// digits of its id, as LinkName's.
func outerLink(vpc string) string {
	digits := strings.TrimPrefix(vpc, "vpc-")
	return "v" + digits[max(0, len(digits)-14):]
}

// hostLink is the name of a host's link: "h" and digits of its name's hash, which
// fit into 15 bytes whatever the name.
func hostLink(name string) string {
	sum := sha256.Sum256([]byte("host " + name))
	return "h" + hex.EncodeToString(sum[:7])
}

// macOf makes a local unicast address of a name.
func macOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	text := hex.EncodeToString(sum[:5])
	mac := "02"
	for i := 0; i < len(text); i += 2 {
		mac += ":" + text[i:i+2]
	}
	return mac
}

// PublicOwner finds the interface that a public address leads to, with the
// private address that it stands for: nobody's when the VPC has no gateway.
func PublicOwner(r state.Reader, public netip.Addr) (n *state.NetworkInterface, private netip.Addr, ok bool) {
	for n := range state.NetworkInterfaces.By(r, state.ByPublic, public.String()) {
		for _, a := range n.Addresses {
			if a.PublicIP == public {
				_, open := GatewayOf(r, n.Scope(), n.VpcID)
				return n, a.Addr, open
			}
		}
	}
	return nil, netip.Addr{}, false
}
