package ec2

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/cidr"
	"github.com/localvpc/localvpc/internal/state"
)

// A permission of a request names several peers; in state each of them is a rule
// of its own. This file turns the one into the other, both ways.

// allowance is what a rule allows. No group has two rules with the same one. The
// peer is without the way over which a group is reached.
type allowance struct {
	egress   bool
	protocol string
	from, to int32
	peer     state.Peer
}

func newAllowance(egress bool, protocol string, from, to int32, peer state.Peer) allowance {
	peer.VpcID, peer.PeeringID = "", ""
	return allowance{egress, protocol, from, to, peer}
}

func allowanceOf(rule *state.SecurityGroupRule) allowance {
	return newAllowance(rule.Egress, rule.Protocol, rule.FromPort, rule.ToPort, rule.Peer)
}

func (a allowance) compare(b allowance) int {
	return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to),
		a.peer.Cidr.Addr().Compare(b.peer.Cidr.Addr()), cmp.Compare(a.peer.Cidr.Bits(), b.peer.Cidr.Bits()),
		cmp.Compare(a.peer.GroupID, b.peer.GroupID), cmp.Compare(a.peer.PrefixListID, b.peer.PrefixListID))
}

// String is how AWS's errors spell it:
// "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW".
func (a allowance) String() string {
	peer := cmp.Or(a.peer.GroupID, a.peer.PrefixListID)
	if peer == "" {
		peer = a.peer.Cidr.String()
	}
	all := func(n int32) string {
		if n < 0 {
			return "ALL"
		}
		return strconv.Itoa(int(n))
	}
	var what string
	switch a.protocol {
	case "-1":
		what = "ALL"
	case "tcp", "udp":
		what = fmt.Sprintf("%s, from port: %d, to port: %d", strings.ToUpper(a.protocol), a.from, a.to)
	case "icmp", "icmpv6":
		what = fmt.Sprintf("%s, type: %s, code: %s", strings.ToUpper(a.protocol), all(a.from), all(a.to))
	default:
		what = "protocol: " + a.protocol
	}
	return fmt.Sprintf("peer: %s, %s, ALLOW", peer, what)
}

// asked is one rule that a request asks for, to be made or to be found.
type asked struct {
	allowance
	peer        state.Peer
	description *string
	source      api.IpPermission // the part of the request that it comes from
}

// peers finds the group of a pair, and a prefix list; making a rule and taking
// one away differ in how strict they are.
type peers struct {
	group func(api.UserIdGroupPair) (state.Peer, error)
	list  func(id string) (state.Peer, error)
}

// readPermissions turns permissions into rules, in the order of the request.
// Errors: InvalidParameterValue, MissingParameter, InvalidGroup.NotFound,
// InvalidPrefixListID.NotFound.
func readPermissions(permissions []api.IpPermission, egress bool, find peers) ([]asked, error) {
	var out []asked
	for _, p := range permissions {
		protocol, err := readProtocol(p.IpProtocol)
		if err != nil {
			return nil, err
		}
		from, to, err := readPorts(protocol, p.FromPort, p.ToPort)
		if err != nil {
			return nil, err
		}
		add := func(peer state.Peer, description *string, source api.IpPermission) error {
			if err := checkRuleDescription(description); err != nil {
				return err
			}
			source.IpProtocol, source.FromPort, source.ToPort = p.IpProtocol, p.FromPort, p.ToPort
			out = append(out, asked{newAllowance(egress, protocol, from, to, peer), peer, description, source})
			return nil
		}
		if len(p.IpRanges)+len(p.Ipv6Ranges)+len(p.UserIdGroupPairs)+len(p.PrefixListIds) == 0 {
			return nil, awserr.New("MissingParameter", "Missing source specification: include source security group or CIDR information")
		}
		for _, x := range p.IpRanges {
			peer, err := readCidr(val(x.CidrIp), true)
			if err == nil {
				err = add(peer, x.Description, api.IpPermission{IpRanges: []api.IpRange{x}})
			}
			if err != nil {
				return nil, err
			}
		}
		for _, x := range p.Ipv6Ranges {
			peer, err := readCidr(val(x.CidrIpv6), false)
			if err == nil {
				err = add(peer, x.Description, api.IpPermission{Ipv6Ranges: []api.Ipv6Range{x}})
			}
			if err != nil {
				return nil, err
			}
		}
		for _, x := range p.UserIdGroupPairs {
			peer, err := find.group(x)
			if err == nil {
				err = add(peer, x.Description, api.IpPermission{UserIdGroupPairs: []api.UserIdGroupPair{x}})
			}
			if err != nil {
				return nil, err
			}
		}
		for _, x := range p.PrefixListIds {
			peer, err := find.list(val(x.PrefixListId))
			if err == nil {
				err = add(peer, x.Description, api.IpPermission{PrefixListIds: []api.PrefixListId{x}})
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// readProtocol gives the name under which AWS shows the protocol: names are
// taken in any case, numbers of the named ones become names.
func readProtocol(text *string) (string, error) {
	if text == nil {
		return "", awserr.MissingParameter("ipProtocol")
	}
	switch p := strings.ToLower(*text); p {
	case "-1", "tcp", "udp", "icmp", "icmpv6":
		return p, nil
	case "1":
		return "icmp", nil
	case "6":
		return "tcp", nil
	case "17":
		return "udp", nil
	case "58":
		return "icmpv6", nil
	default:
		if n, err := strconv.ParseUint(p, 10, 8); err == nil && strconv.Itoa(int(n)) == p {
			return p, nil
		}
	}
	return "", awserr.New("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", awserr.Clip(*text))
}

// hasPorts says whether rules for the protocol have ports, or types and codes.
// All others are for all of the protocol, whatever ports a request gives.
func hasPorts(protocol string) bool {
	switch protocol {
	case "tcp", "udp", "icmp", "icmpv6":
		return true
	}
	return false
}

// readPorts gives the ports, or the ICMP type and code; -1 is all (EC2 API
// Reference, IpPermission).
func readPorts(protocol string, from, to *int32) (int32, int32, error) {
	invalid := func(format string, args ...any) (int32, int32, error) {
		return 0, 0, awserr.New("InvalidParameterValue", format, args...)
	}
	switch protocol {
	case "tcp", "udp":
		if from == nil || to == nil {
			return invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		for _, port := range []int32{*from, *to} {
			if port < 0 || port > 65535 {
				return invalid("TCP/UDP port (%d) out of range", port)
			}
		}
		if *from > *to {
			return invalid("Invalid TCP/UDP port range (%d:%d)", *from, *to)
		}
	case "icmpv6", "icmp":
		if protocol == "icmpv6" && from == nil && to == nil {
			return -1, -1, nil
		}
		switch {
		case from == nil || to == nil:
			return invalid("Invalid value 'Must specify both from and to ports with ICMP.' for portRange.")
		case *from < -1 || *from > 255:
			return invalid("ICMP type (%d) out of range", *from)
		case *to < -1 || *to > 255:
			return invalid("ICMP code (%d) out of range", *to)
		case *from == -1 && *to != -1:
			return invalid("Invalid value 'All ICMP codes (-1) must be specified with all ICMP types.' for portRange.")
		}
	default:
		return -1, -1, nil
	}
	return *from, *to, nil
}

// readCidr reads the block of a peer; AWS clears the host's bits of it.
func readCidr(text string, v4 bool) (state.Peer, error) {
	block, err := cidr.Parse(text)
	if err != nil || block.Addr().Is4() != v4 {
		return state.Peer{}, awserr.New("InvalidParameterValue", "CIDR block %s is malformed", awserr.Clip(text))
	}
	return state.Peer{Cidr: block}, nil
}

func checkRuleDescription(text *string) error {
	if !groupText(val(text)) {
		return awserr.New("InvalidParameterValue", "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  %s", groupCharset)
	}
	return nil
}

// rulesOf gives the rules of a group in the order in which they were made, and
// those of one request by what they allow.
func rulesOf(r state.Reader, g *state.SecurityGroup) (ingress, egress []*state.SecurityGroupRule) {
	for rule := range state.SecurityGroupRules.By(r, state.ByGroup, g.ID) {
		if rule.Egress {
			egress = append(egress, rule)
		} else {
			ingress = append(ingress, rule)
		}
	}
	for _, rules := range [][]*state.SecurityGroupRule{ingress, egress} {
		slices.SortFunc(rules, func(a, b *state.SecurityGroupRule) int {
			return cmp.Or(a.Created.Compare(b.Created), allowanceOf(a).compare(allowanceOf(b)), cmp.Compare(a.ID, b.ID))
		})
	}
	return ingress, egress
}

// apiPermissions puts rules of the same protocol and ports together, as
// DescribeSecurityGroups does. Pairs have no GroupName in a VPC, and protocols
// without ports have none.
func apiPermissions(r state.Reader, rules []*state.SecurityGroupRule) []api.IpPermission {
	type heading struct {
		protocol string
		from, to int32
	}
	out := []api.IpPermission{}
	at := map[heading]int{}
	for _, rule := range rules {
		h := heading{rule.Protocol, rule.FromPort, rule.ToPort}
		i, ok := at[h]
		if !ok {
			i = len(out)
			at[h] = i
			p := api.IpPermission{
				IpProtocol: ptr(rule.Protocol), UserIdGroupPairs: []api.UserIdGroupPair{},
				IpRanges: []api.IpRange{}, Ipv6Ranges: []api.Ipv6Range{}, PrefixListIds: []api.PrefixListId{},
			}
			if hasPorts(rule.Protocol) {
				p.FromPort, p.ToPort = ptr(rule.FromPort), ptr(rule.ToPort)
			}
			out = append(out, p)
		}
		p, description := &out[i], opt(rule.Description)
		switch peer := rule.Peer; {
		case peer.GroupID != "":
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, api.UserIdGroupPair{
				GroupId: ptr(peer.GroupID), UserId: ptr(peer.UserID), Description: description,
				VpcId: opt(peer.VpcID), VpcPeeringConnectionId: opt(peer.PeeringID), PeeringStatus: peeringStatus(r, peer),
			})
		case peer.PrefixListID != "":
			p.PrefixListIds = append(p.PrefixListIds, api.PrefixListId{PrefixListId: ptr(peer.PrefixListID), Description: description})
		case peer.Cidr.Addr().Is4():
			p.IpRanges = append(p.IpRanges, api.IpRange{CidrIp: prefixText(peer.Cidr), Description: description})
		default:
			p.Ipv6Ranges = append(p.Ipv6Ranges, api.Ipv6Range{CidrIpv6: prefixText(peer.Cidr), Description: description})
		}
	}
	return out
}
