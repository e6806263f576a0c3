package ec2

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/cidr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateNetworkAclEntry adds a numbered entry to one direction of an ACL.
func (s *Service) CreateNetworkAclEntry(tx *state.Tx, c authz.Caller, in *api.CreateNetworkAclEntryInput) (*api.CreateNetworkAclEntryOutput, error) {
	acl, entry, at, err := readEntry(tx, c, in)
	if err != nil {
		return nil, err
	}
	if at >= 0 {
		return nil, awserr.New("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", entry.Number)
	}
	entries := append(slices.Clone(acl.Entries), entry)
	if err := s.entriesWithin(tx, c, entries, entry); err != nil {
		return nil, err
	}
	putEntries(tx, acl, entries)
	return &api.CreateNetworkAclEntryOutput{}, nil
}

// ReplaceNetworkAclEntry changes all of an entry but its number and direction.
func (s *Service) ReplaceNetworkAclEntry(tx *state.Tx, c authz.Caller, in *api.ReplaceNetworkAclEntryInput) (*api.ReplaceNetworkAclEntryOutput, error) {
	acl, entry, at, err := readEntry(tx, c, (*api.CreateNetworkAclEntryInput)(in))
	if err != nil {
		return nil, err
	}
	if at < 0 {
		return nil, noEntry(entry.Number)
	}
	entries := slices.Clone(acl.Entries)
	entries[at] = entry
	if entry.Cidr.Addr().Is4() != acl.Entries[at].Cidr.Addr().Is4() {
		if err := s.entriesWithin(tx, c, entries, entry); err != nil {
			return nil, err
		}
	}
	putEntries(tx, acl, entries)
	return &api.ReplaceNetworkAclEntryOutput{}, nil
}

// DeleteNetworkAclEntry removes an entry.
func (s *Service) DeleteNetworkAclEntry(tx *state.Tx, c authz.Caller, in *api.DeleteNetworkAclEntryInput) (*api.DeleteNetworkAclEntryOutput, error) {
	number := val(in.RuleNumber)
	if err := checkEntryNumber(number); err != nil {
		return nil, err
	}
	acl, err := networkAclKind.find(tx, c, val(in.NetworkAclId))
	if err != nil {
		return nil, err
	}
	at := entryAt(acl, number, val(in.Egress))
	if at < 0 {
		return nil, noEntry(number)
	}
	putEntries(tx, acl, slices.Delete(slices.Clone(acl.Entries), at, at+1))
	return &api.DeleteNetworkAclEntryOutput{}, nil
}

// entriesWithin refuses more entries than the quota allows. It counts each
// direction and each IP version for itself, and the entry that denies the rest
// as one of them (VPC User Guide, "Amazon VPC quotas").
func (s *Service) entriesWithin(r state.Reader, c authz.Caller, entries []state.NetworkAclEntry, like state.NetworkAclEntry) error {
	n := 1
	for _, e := range entries {
		if e.Number != state.DefaultAclRule && e.Egress == like.Egress && e.Cidr.Addr().Is4() == like.Cidr.Addr().Is4() {
			n++
		}
	}
	return s.within(r, c, "rules-per-network-acl", n)
}

// putEntries gives an ACL other entries and puts them into order.
func putEntries(tx *state.Tx, old *state.NetworkAcl, entries []state.NetworkAclEntry) {
	rank := func(e state.NetworkAclEntry) int {
		n := e.Cidr.Addr().BitLen()
		if e.Egress {
			n += 1000
		}
		return n
	}
	slices.SortFunc(entries, func(a, b state.NetworkAclEntry) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Number, b.Number))
	})
	acl := *old
	acl.Entries = entries
	state.NetworkAcls.Put(tx, &acl)
}

// entryAt finds an entry by its number and direction, which no two share; -1
// when there is none.
func entryAt(acl *state.NetworkAcl, number int32, egress bool) int {
	return slices.IndexFunc(acl.Entries, func(e state.NetworkAclEntry) bool { return e.Number == number && e.Egress == egress })
}

func noEntry(number int32) error {
	return awserr.New("InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist.", number)
}

// checkEntryNumber takes the numbers that users may give: AWS keeps 32767 and
// up for itself (EC2 API Reference, CreateNetworkAclEntry).
func checkEntryNumber(n int32) error {
	if n < 1 || n >= state.DefaultAclRule {
		return awserr.New("InvalidParameterValue", "Value (%d) for parameter ruleNumber is invalid. The rule number must be between 1 and 32766.", n)
	}
	return nil
}

// readEntry reads the entry of a request and finds its ACL, and there the place
// of the entry with the same number and direction, -1 when there is none.
func readEntry(r state.Reader, c authz.Caller, in *api.CreateNetworkAclEntryInput) (acl *state.NetworkAcl, e state.NetworkAclEntry, at int, err error) {
	e = state.NetworkAclEntry{
		Number: val(in.RuleNumber), Egress: val(in.Egress), Allow: strings.EqualFold(val(in.RuleAction), "allow"),
		FromPort: -1, ToPort: -1, ICMPType: -1, ICMPCode: -1,
	}
	if err := checkEntryNumber(e.Number); err != nil {
		return nil, e, 0, err
	}
	if e.Cidr, err = readEntryCidr(in.CidrBlock, in.Ipv6CidrBlock); err != nil {
		return nil, e, 0, err
	}
	if err := readEntryProtocol(&e, in); err != nil {
		return nil, e, 0, err
	}
	if acl, err = networkAclKind.find(r, c, val(in.NetworkAclId)); err != nil {
		return nil, e, 0, err
	}
	return acl, e, entryAt(acl, e.Number, e.Egress), nil
}

// readEntryCidr reads the one block of an entry; AWS clears the host's bits.
func readEntryCidr(v4, v6 *string) (netip.Prefix, error) {
	name, text := "cidrBlock", v4
	switch {
	case v4 != nil && v6 != nil:
		return netip.Prefix{}, awserr.InvalidParameterCombination("The parameter cidrBlock cannot be used with the parameter ipv6CidrBlock")
	case v4 == nil && v6 == nil:
		return netip.Prefix{}, awserr.MissingParameter("cidrBlock")
	case v4 == nil:
		name, text = "ipv6CidrBlock", v6
	}
	block, err := cidr.Parse(*text)
	if err != nil || block.Addr().Is4() != (v4 != nil) {
		return netip.Prefix{}, awserr.InvalidParameterValue(name, *text, "This is not a valid CIDR block.")
	}
	return block, nil
}

// protocolNumbers of the protocols that requests may name.
var protocolNumbers = map[string]string{"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}

// readEntryProtocol reads the protocol, which ACLs show as a number, and what it
// requires: TCP and UDP ports, ICMP a type and a code, ICMPv6 only with an IPv6
// block. All others are for all of the protocol, whatever else a request gives
// (EC2 API Reference, CreateNetworkAclEntry).
func readEntryProtocol(e *state.NetworkAclEntry, in *api.CreateNetworkAclEntryInput) error {
	text := in.Protocol
	if text != nil && strings.EqualFold(*text, "all") {
		text = ptr("-1")
	}
	protocol, err := readProtocol(text)
	if err != nil {
		return err
	}
	e.Protocol = cmp.Or(protocolNumbers[protocol], protocol)
	switch protocol {
	case "tcp", "udp":
		p := val(in.PortRange)
		if p.From == nil {
			return awserr.MissingParameter("portRange.from")
		}
		if p.To == nil {
			return awserr.MissingParameter("portRange.to")
		}
		e.FromPort, e.ToPort, err = readPorts(protocol, p.From, p.To)
	case "icmp", "icmpv6":
		if protocol == "icmpv6" && e.Cidr.Addr().Is4() {
			return nil
		}
		i := val(in.IcmpTypeCode)
		if i.Type == nil {
			return awserr.MissingParameter("icmpTypeCode.type")
		}
		if i.Code == nil {
			return awserr.MissingParameter("icmpTypeCode.code")
		}
		e.ICMPType, e.ICMPCode, err = readPorts(protocol, i.Type, i.Code)
	}
	return err
}
