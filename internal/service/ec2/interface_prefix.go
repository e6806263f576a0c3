package ec2

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/privateip"
	"github.com/localvpc/localvpc/internal/state"
)

// prefixBits is the length of the prefixes that are delegated to interfaces (EC2
// User Guide, "Prefix delegation for Amazon EC2 network interfaces").
const prefixBits = 28

// prefixSize is how many addresses such a prefix has.
const prefixSize = 1 << (32 - prefixBits)

// delegated reads the prefixes that a request names, each once.
func delegated(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() != prefixBits {
			return nil, awserr.InvalidParameterValue("ipv4Prefix", text, "An IPv4 prefix is a block of /28, without host bits.")
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// checkPrefixCount checks how many prefixes are asked for by number.
func checkPrefixCount(count *int32, named int) error {
	switch {
	case count == nil:
		return nil
	case named > 0:
		return awserr.InvalidParameterCombination("The parameter ipv4PrefixCount cannot be used with the parameter ipv4Prefixes")
	case *count < 1 || *count > maxAddresses:
		return awserr.New("InvalidParameterValue", "Value (%d) for parameter ipv4PrefixCount is invalid. Valid values are between 1 and %d.", *count, maxAddresses)
	}
	return nil
}

// delegate reads the prefixes of a new interface.
func (spec *interfaceSpec) delegate(list []api.Ipv4PrefixSpecificationRequest, count *int32) error {
	texts := make([]string, len(list))
	for i, p := range list {
		if p.Ipv4Prefix == nil {
			return awserr.MissingParameter("Ipv4Prefix")
		}
		texts[i] = *p.Ipv4Prefix
	}
	var err error
	if spec.Prefixes, err = delegated(texts); err != nil {
		return err
	}
	if err := checkPrefixCount(count, len(list)); err != nil {
		return err
	}
	if count != nil && (len(spec.Addresses) > 0 || spec.SecondaryCount > 0) {
		return awserr.InvalidParameterCombination("The parameter ipv4PrefixCount cannot be used with private IPv4 addresses or a count of them")
	}
	spec.PrefixCount = int(val(count))
	return nil
}

// addPrefixes gives an interface further prefixes of its subnet: those wanted and
// so many that are free. What it has, in the store or not, is in the way.
func addPrefixes(tx *state.Tx, sub *state.Subnet, n *state.NetworkInterface, wanted []netip.Prefix, count int) error {
	n.Prefixes = slices.Clone(n.Prefixes)
	for _, p := range wanted {
		if !sub.Cidr.Contains(p.Addr()) || sub.Cidr.Bits() > p.Bits() {
			return awserr.New("InvalidParameterValue", "Prefix %s does not fall within the subnet's address range", p)
		}
		switch a := obstacle(tx, sub, n, p); {
		case !a.IsValid():
		case sub.Reserved(a):
			return awserr.New("InvalidParameterValue", "Prefix %s is in subnet's reserved address range", p)
		default:
			return awserr.New("InvalidIPAddress.InUse", "Address %s of prefix %s is in use.", a, p)
		}
		n.Prefixes = append(n.Prefixes, p)
	}
	for range count {
		p, err := nextPrefix(tx, sub, n)
		if err != nil {
			return err
		}
		n.Prefixes = append(n.Prefixes, p)
	}
	return nil
}

// obstacle is the first address of a prefix that cannot be had; the zero address
// when there is none.
func obstacle(r state.Reader, sub *state.Subnet, n *state.NetworkInterface, p netip.Prefix) netip.Addr {
	for a := p.Addr(); p.Contains(a); a = a.Next() {
		if sub.Reserved(a) || n.Has(a) || privateip.Taken(r, sub.VpcID, a) {
			return a
		}
	}
	return netip.Addr{}
}

// nextPrefix takes a random block of the subnet or the next free one after it.
func nextPrefix(tx *state.Tx, sub *state.Subnet, n *state.NetworkInterface) (netip.Prefix, error) {
	if sub.Cidr.Bits() <= prefixBits {
		blocks := uint32(1) << (prefixBits - sub.Cidr.Bits())
		var b [4]byte
		if _, err := io.ReadFull(tx.Rand(), b[:]); err != nil {
			panic(fmt.Sprintf("ec2: reading randomness: %v", err)) // crypto/rand never fails
		}
		start := binary.BigEndian.Uint32(b[:]) % blocks
		for i := range blocks {
			p := netip.PrefixFrom(privateip.Offset(sub.Cidr.Addr(), (start+i)%blocks*prefixSize), prefixBits)
			if !obstacle(tx, sub, n, p).IsValid() {
				return p, nil
			}
		}
	}
	return netip.Prefix{}, awserr.New("InsufficientCidrBlocks", "The specified subnet does not have enough free cidr blocks to satisfy the request.")
}

// takes says whether an interface of an instance type may have so many private
// addresses and prefixes: each prefix takes the place of an address.
func takes(kind *catalog.InstanceType, addresses, prefixes int) bool {
	return addresses+prefixes <= int(kind.IPv4PerIface)
}

// noDelegation refuses prefixes on types that cannot have them (EC2 User Guide,
// "Prefix delegation": instances built on the Nitro System).
func noDelegation(kind *catalog.InstanceType, prefixes int) error {
	if prefixes > 0 && !kind.Nitro() {
		return awserr.New("UnsupportedOperation", "The instance type %s does not support prefixes on network interfaces: it is not built on the Nitro System.", kind.Name)
	}
	return nil
}

// withoutPrefixes takes prefixes from an interface's copy.
func withoutPrefixes(n *state.NetworkInterface, leaving []netip.Prefix) error {
	for _, p := range leaving {
		if !slices.Contains(n.Prefixes, p) {
			return awserr.New("InvalidParameterValue", "Some of the specified prefixes are not assigned to interface %s", n.ID)
		}
	}
	n.Prefixes = slices.DeleteFunc(slices.Clone(n.Prefixes), func(p netip.Prefix) bool { return slices.Contains(leaving, p) })
	return nil
}

func apiPrefixes(prefixes []netip.Prefix) []api.Ipv4PrefixSpecification {
	var out []api.Ipv4PrefixSpecification
	for _, p := range prefixes {
		out = append(out, api.Ipv4PrefixSpecification{Ipv4Prefix: ptr(p.String())})
	}
	return out
}

func instancePrefixes(prefixes []netip.Prefix) []api.InstanceIpv4Prefix {
	var out []api.InstanceIpv4Prefix
	for _, p := range prefixes {
		out = append(out, api.InstanceIpv4Prefix{Ipv4Prefix: ptr(p.String())})
	}
	return out
}
