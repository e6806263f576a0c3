// Package dnsview decides what a DNS question is answered with, by who asks.
//
// Invariant: pure. An answer depends on the state, on the vantage point and on
// the question, and on nothing else; a name that is made from an address or an
// instance is computed when it is asked for and stored nowhere; and every answer
// names what decided it.
package dnsview

import "net/netip"

// Type is a resource record type (RFC 1035 section 3.2.2 and the IANA registry
// "Resource Record (RR) TYPEs").
type Type uint16

// The types that this package makes records of, and ANY (RFC 8482).
const (
	TypeA    Type = 1
	TypeSOA  Type = 6
	TypePTR  Type = 12
	TypeAAAA Type = 28
	TypeANY  Type = 255
)

// Rcode is a response code. Values over 15 need an OPT record (RFC 6891).
type Rcode uint16

// Response codes (RFC 1035 section 4.1.1, RFC 6891 section 9).
const (
	Success        Rcode = 0
	FormatError    Rcode = 1
	ServerFailure  Rcode = 2
	NameError      Rcode = 3 // NXDOMAIN
	NotImplemented Rcode = 4
	Refused        Rcode = 5
	NameTooLong    Rcode = 6 // YXDOMAIN: what a DNAME record leads to is too long
	BadVersion     Rcode = 16
)

// Question is one question of class IN.
type Question struct {
	Name    Name
	Type    Type
	Recurse bool // the RD bit
	// Draw settles what is left to chance: weighted and multivalue routing, the
	// order of values. Two questions with the same one have the same answer.
	Draw uint64
	// Client is where the asker is, by its address or the client subnet of its
	// query; the zero one is unknown. In a VPC the Region counts instead.
	Client netip.Prefix
	// Chances, when it is not nil, is told what was left to chance.
	Chances *[]Chance
	// Others knows what name servers of users have said; nil: none of them is asked.
	Others Others
	// left is how many zones may still be asked for the answer; nil: all of
	// maxZones.
	left *int
}

// Record is a resource record of class IN.
type Record struct {
	Name Name
	Type Type
	TTL  uint32 // seconds
	Data string // RDATA as it travels, names in it not compressed
	text string // the value in Route 53, if it has it from there
}

// Answer is what the asker gets. With no Rcode and no Answer records it is
// NODATA: the name exists, but has nothing of that type.
type Answer struct {
	Rcode      Rcode
	AA, RA     bool
	Answer     []Record
	Authority  []Record
	Additional []Record
	Because    []Cause // from the widest to the narrowest
	Located    bool    // where the asker is has decided about it
	// Foreign: a name server of a user has had a part in it, so that it holds for as
	// long as the TTLs say, not for as long as the state is the same.
	Foreign bool
	// Need, when it is not nil, has to be known before there is an answer.
	Need *Need
}

// Decider is a kind of thing that decides about names.
type Decider string

// The deciders.
const (
	Autodefined      Decider = "autodefined"            // a zone that every VPC has: Domain
	PublicTree       Decider = "public"                 // the public tree: Domain
	IPName           Decider = "ip-name"                // a name made from a private address: Addr
	InstanceName     Decider = "resource-name"          // a name made from an instance id: ID, and Addr when there is one
	ReverseName      Decider = "reverse"                // the name of an address: Addr
	PublicIPName     Decider = "public-name"            // a name made from a public address: Addr, and ID of who has it
	PtrRecord        Decider = "ptr-record"             // a name that was set for the Elastic IP ID: Addr
	HostnamesOff     Decider = "dns-hostnames"          // EnableDnsHostnames of the VPC ID is off
	ServiceName      Decider = "service"                // a link-local service of the VPC, or an endpoint of AWS's: Addr
	BalancerName     Decider = "load-balancer"          // Domain is a name of the load balancer ID
	BalancerZone     Decider = "load-balancer-zone"     // the zone ID is left out: it is down or without healthy targets
	BalancerAffinity Decider = "load-balancer-affinity" // the asker is in the zone ID, which is preferred
	Delegation       Decider = "delegation"             // Domain is delegated to the name server ID at Addr
	NameServerHost   Decider = "name-server"            // the name server ID at Addr has no zone for Domain
	LameServer       Decider = "lame-server"            // the name server ID, to which Domain is delegated, does not have it
	OtherServer      Decider = "other-server"           // the name server ID at Addr, to which Domain is delegated, is not of the public tree
	SilentServer     Decider = "silent-server"          // the same, and it does not answer, or refuses to
	TooManyZones     Decider = "too-many-zones"         // the answer would need more zones than are asked
	NotRecursive     Decider = "not-recursive"          // the question does not ask for recursion
	HostedZone       Decider = "hosted-zone"            // the hosted zone ID at Domain
	RecordSet        Decider = "record-set"             // the record set of Domain with the type ID
	AliasRecord      Decider = "alias"                  // Domain stands for the name ID
	Unhealthy        Decider = "unhealthy"              // a record of Domain is left out: its health check or set identifier is ID
	CanonicalName    Decider = "cname"                  // Domain is where the answer goes on
	OutsideVpcRange  Decider = "outside-vpc-cidr"       // Addr is in no block of the VPC ID
	PeeringOn        Decider = "peering"                // the peering connection ID, whose DNS resolution is on, makes names of the other VPC known
	PeeringOff       Decider = "peering-dns"            // the peering connection ID does not: its DNS resolution is off for the other side
)

// Cause is one thing that decided, with what is needed to find it.
type Cause struct {
	Decider Decider
	Domain  Name
	ID      string
	Addr    netip.Addr
}
