package render

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Names is what /_localvpc/dns answers: what a name is at a vantage point, and what
// decided it.
type Names struct {
	Vantage, Name, Type string
	Status              string // "NOERROR", "NXDOMAIN", …; empty: nobody answers
	Authoritative       bool
	Answer              []Record
	Authority           []Record
	Because             []NameCause // from the widest to the narrowest
}

// Record is a resource record.
type Record struct {
	Name  string
	TTL   uint32 // seconds
	Type  string
	Value string
}

// NameCause is one thing that decided about a name.
type NameCause struct {
	Decider string // "hosted-zone", "record-set", a routing policy, …
	Domain  string `json:",omitempty"`
	ID      string `json:",omitempty"`
	Address string `json:",omitempty"`
}

// Found says whether there are records of the type that was asked for.
func (n Names) Found() bool {
	return n.Status == "NOERROR" && slices.ContainsFunc(n.Answer, func(r Record) bool { return r.Type == n.Type || n.Type == "ANY" })
}

// Dig writes an answer as prose.
func Dig(w io.Writer, s Style, n Names) {
	verdict := s.Good(n.Status)
	switch {
	case n.Status == "":
		verdict = s.Bad("no answer")
	case n.Status != "NOERROR":
		verdict = s.Bad(n.Status)
	case !n.Found():
		verdict = s.Bad("NODATA")
	}
	fmt.Fprintf(w, "%s %s at %s: %s\n", n.Name, n.Type, n.Vantage, verdict)
	records := n.Answer
	if !n.Found() {
		records = slices.Concat(records, n.Authority)
	}
	rows := [][]string{}
	for _, r := range records {
		rows = append(rows, []string{"  " + r.Name, fmt.Sprint(r.TTL), r.Type, r.Value, ""})
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		r[0] += strings.Repeat(" ", width-len(r[0]))
	}
	plainTable(w, rows)
	if len(n.Because) == 0 {
		return
	}
	fmt.Fprintln(w, s.Bold("because"))
	for _, c := range n.Because {
		fmt.Fprintf(w, "  %s\n", c.prose())
	}
}

// prose says what a decider did.
func (c NameCause) prose() string {
	switch c.Decider {
	case "autodefined":
		return "the VPC's resolver has the zone " + c.Domain + " itself"
	case "public":
		return "the public tree has " + c.Domain
	case "ip-name":
		return "the name is made from the address " + c.Address
	case "resource-name":
		if c.Address == "" {
			return "the name would be that of " + c.ID + ", which has none in this VPC: switch its resource name DNS A record on"
		}
		return "the name is made from " + c.ID + ", which has " + c.Address
	case "reverse":
		return "the name is made from the address " + c.Address
	case "public-name":
		if c.ID == "" {
			return "nobody has the public address " + c.Address
		}
		return c.ID + " has the public address of the name: it is " + c.Address + " here"
	case "ptr-record":
		return "the name was set for " + c.Address + ", the Elastic IP " + c.ID
	case "dns-hostnames":
		return "the VPC's names are off: switch enableDnsHostnames of " + c.ID + " on"
	case "dns-support":
		return "enableDnsSupport of " + c.ID + " is off, so its resolver does not answer: switch it on"
	case "service":
		return c.Address + " is the address of a service"
	case "load-balancer":
		return c.Domain + " is a name of the load balancer " + c.ID
	case "load-balancer-zone":
		return "its node in " + c.ID + " is left out, since the zone is down or has no healthy target"
	case "load-balancer-affinity":
		return "its node in " + c.ID + " is preferred, since who asks is in that zone"
	case "delegation":
		return c.Domain + " is delegated to " + c.ID + " (" + c.Address + ")"
	case "name-server":
		return c.ID + " (" + c.Address + ") has no zone for " + c.Domain
	case "lame-server":
		return c.Domain + " is delegated to " + c.ID + ", which has no such zone: give the NS record the name servers of the zone"
	case "other-server":
		return c.Domain + " is delegated to " + c.ID + " (" + cmp.Or(c.Address, "without an address") + "), a name server of somebody's own"
	case "silent-server":
		return c.ID + " (" + c.Address + ") does not answer for " + c.Domain + ", or refuses to: see whether it runs, has the zone, and may be reached on port 53 from the internet"
	case "too-many-zones":
		return "the search for " + c.Domain + " was given up: it leads through too many zones"
	case "not-recursive":
		return "the question does not ask for recursion"
	case "hosted-zone":
		return "the hosted zone " + c.ID + " has " + c.Domain
	case "record-set":
		return "its record set " + c.Domain + " " + c.ID
	case "alias":
		return c.Domain + " is an alias of " + c.ID
	case "cname":
		return "it goes on with " + c.Domain
	case "unhealthy":
		return "a record of " + c.Domain + " is left out, since it is not healthy: " + c.ID
	case "peering":
		return "DNS resolution by the peering connection " + c.ID + " is on, so names of the other VPC are answered as there"
	case "peering-dns":
		return "DNS resolution by the peering connection " + c.ID + " is off for the other VPC's side: its owner switches it on (aws ec2 modify-vpc-peering-connection-options)"
	case "outside-vpc-cidr":
		return c.Address + " is in no block of " + c.ID
	}
	// A routing policy.
	if c.ID == "" {
		return c.Decider + " routing has no record of " + c.Domain + " for who asks"
	}
	return c.Decider + " routing of " + c.Domain + " chose " + c.ID
}
