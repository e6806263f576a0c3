package state

import (
	"net/netip"
	"time"
)

// Rows of Route 53 have an empty Region: the service is global.

// HostedZone is a public or private hosted zone; its id begins with "Z".
type HostedZone struct {
	Meta
	Name            string // as Route 53 writes names: lower case, octal escapes, final dot
	Reversed        string // Name with its labels reversed, the order of lists
	CallerReference string
	Comment         string    `json:",omitempty"`
	Private         bool      `json:",omitempty"`
	DelegationSetID string    `json:",omitempty"` // of a reusable one
	NameServers     []string  // four hosts, without the final dot
	Vpcs            []ZoneVpc `json:",omitempty"` // associated with a private zone, oldest first
	Authorized      []ZoneVpc `json:",omitempty"` // VPCs of other accounts that may be associated
	RecordSets      int64
}

// ZoneVpc is a VPC of any account and Region.
type ZoneVpc struct {
	Region, ID string
	Account    string `json:",omitempty"` // unknown of an authorized one
}

// Key is the VPC in the indexes of hosted zones.
func (v ZoneVpc) Key() string { return v.Region + "/" + v.ID }

// HostedZones is the table of hosted zones.
var HostedZones = &Table[HostedZone]{name: "hosted-zone", indexes: []index[HostedZone]{
	{ByVpc, func(z *HostedZone) []string {
		keys := make([]string, len(z.Vpcs))
		for i, v := range z.Vpcs {
			keys[i] = v.Key()
		}
		return keys
	}},
	{ByVpcName, func(z *HostedZone) []string {
		keys := make([]string, len(z.Vpcs))
		for i, v := range z.Vpcs {
			keys[i] = VpcName(v.Key(), z.Name)
		}
		return keys
	}},
	{ByZone, func(z *HostedZone) []string { return []string{z.ID} }},
	{ByName, func(z *HostedZone) []string { return []string{z.Name} }},
	{ByReversed, func(z *HostedZone) []string { return []string{Reversed(z.Account, z.Reversed)} }},
	{ByDelegationSet, func(z *HostedZone) []string { return []string{z.DelegationSetID} }},
}}

// VpcName is the key of a private zone's name in a VPC, in ByVpcName.
func VpcName(vpc, name string) string { return vpc + " " + name }

// Reversed is the key of an account's zone in ByReversed.
func Reversed(account, reversed string) string { return account + " " + reversed }

// RecordSet is a resource record set. Its id is RecordSetID: the rows of a zone
// stand in the order in which Route 53 lists them.
type RecordSet struct {
	Meta
	ZoneID string
	Name   string // as HostedZone.Name
	Type   string // "A", "CNAME", …
	SetID  string `json:",omitempty"`
	TTL    int64  // seconds; of an alias 0
	Values []string
	Rdata  [][]byte     `json:",omitempty"` // of each value, as it travels
	Alias  *AliasTarget `json:",omitempty"` // instead of values

	// The routing policy: one of them, or none.
	Weight     *int64        `json:",omitempty"`
	Latency    string        `json:",omitempty"` // the Region of a latency record
	Failover   string        `json:",omitempty"` // "PRIMARY", "SECONDARY"
	Geo        *GeoLocation  `json:",omitempty"`
	Multivalue bool          `json:",omitempty"`
	Cidr       *CidrRouting  `json:",omitempty"`
	Proximity  *GeoProximity `json:",omitempty"`

	HealthCheckID string `json:",omitempty"`
}

// RecordSetID is the id of a row: reversed is the name with its labels reversed.
// A blank is smaller than any character of an escaped name, so that a name comes
// before the names below it, and a type before those that begin with it.
func RecordSetID(zone, reversed, typ, set string) string {
	return zone + "/" + reversed + " " + typ + " " + set
}

// AliasTarget is what an alias record stands for.
type AliasTarget struct {
	ZoneID         string
	Name           string
	EvaluateHealth bool `json:",omitempty"`
}

// GeoLocation is the place that a geolocation record is for; "*" is the default.
type GeoLocation struct {
	Continent   string `json:",omitempty"`
	Country     string `json:",omitempty"`
	Subdivision string `json:",omitempty"`
}

// CidrRouting is the location of a CIDR collection that a record is for; "*" is
// the default.
type CidrRouting struct{ CollectionID, Location string }

// GeoProximity is where the resource of a geoproximity record is.
type GeoProximity struct {
	Region         string `json:",omitempty"`
	LocalZoneGroup string `json:",omitempty"`
	Latitude       string `json:",omitempty"` // degrees, decimal
	Longitude      string `json:",omitempty"`
	Bias           int32  `json:",omitempty"` // -99 to 99
}

// RecordSets is the table of resource record sets.
var RecordSets = &Table[RecordSet]{name: "record-set", indexes: []index[RecordSet]{
	{ByHealthCheck, func(s *RecordSet) []string { return []string{s.HealthCheckID} }},
	{ByCollection, func(s *RecordSet) []string {
		if s.Cidr == nil {
			return nil
		}
		return []string{s.Cidr.CollectionID + " " + s.Cidr.Location}
	}},
}}

// DelegationSet is a reusable delegation set; its id begins with "N".
type DelegationSet struct {
	Meta
	CallerReference string
	NameServers     []string // as HostedZone.NameServers
}

// DelegationSets is the table of reusable delegation sets.
var DelegationSets = &Table[DelegationSet]{name: "delegation-set"}

// CallerReference is a reference that was used; its id is RESOURCE/REFERENCE. It
// stays when its resource is gone: references are never used again.
type CallerReference struct {
	Meta
	Resource string // id of what was created
}

// CallerReferences is the table of references.
var CallerReferences = &Table[CallerReference]{name: "caller-reference"}

// DnsChange is a change of Route 53's data, submitted when it was created; its id
// begins with "C".
type DnsChange struct {
	Meta
	Comment string `json:",omitempty"`
}

// DnsChanges is the table of changes.
var DnsChanges = &Table[DnsChange]{name: "dns-change"}

// HealthCheck is a Route 53 health check; its id is a UUID.
type HealthCheck struct {
	Meta
	CallerReference string
	Version         int64
	Type            string     // "HTTP", "TCP", "CALCULATED", …
	IP              netip.Addr `json:",omitzero"`
	Port            int32      `json:",omitempty"`
	Path            string     `json:",omitempty"`
	Domain          string     `json:",omitempty"` // FullyQualifiedDomainName
	Search          string     `json:",omitempty"` // of the STR_MATCH types
	Interval        int32      `json:",omitempty"` // seconds: 10 or 30
	Threshold       int32      `json:",omitempty"` // FailureThreshold
	MeasureLatency  bool       `json:",omitempty"` // stored: latency is not measured
	Inverted        bool       `json:",omitempty"`
	Disabled        bool       `json:",omitempty"`
	HealthThreshold *int32     `json:",omitempty"` // CALCULATED: how many children must be healthy
	Children        []string   `json:",omitempty"`
	EnableSNI       *bool      `json:",omitempty"`
	Regions         []string   `json:",omitempty"` // of the checkers
	// Down is the verdict of the checkers, before Inverted: too few of them see
	// the endpoint healthy. A new check starts without.
	Down         bool                `json:",omitempty"`
	Observations []HealthObservation `json:",omitempty"` // the last one of each checker
	Failures     []HealthObservation `json:",omitempty"` // the last failure that each checker saw

	// Of CLOUDWATCH_METRIC. Stored: there is no CloudWatch, so the alarm never has
	// data, and InsufficientData is what decides.
	AlarmRegion      string `json:",omitempty"`
	AlarmName        string `json:",omitempty"`
	InsufficientData string `json:",omitempty"` // "Healthy", "Unhealthy", "LastKnownStatus"
}

// HealthObservation is what one checker saw. It is written when what is seen
// changes, not each time that it is seen.
type HealthObservation struct {
	Region string
	IP     netip.Addr
	Status string // AWS's text
	Time   time.Time
	// Down: the checker takes the endpoint for unhealthy. One failure alone does not
	// make it do so, nor one success the contrary (FailureThreshold).
	Down bool `json:",omitempty"`
}

// HealthChecks is the table of health checks.
var HealthChecks = &Table[HealthCheck]{name: "health-check", indexes: []index[HealthCheck]{
	{ByHealthCheck, func(h *HealthCheck) []string { return h.Children }},
}}

// QueryLoggingConfig says where a zone's queries are logged. Stored: there are no
// CloudWatch Logs to write to.
type QueryLoggingConfig struct {
	Meta
	ZoneID   string
	LogGroup string // ARN
}

// QueryLoggingConfigs is the table of query logging configurations.
var QueryLoggingConfigs = &Table[QueryLoggingConfig]{name: "query-logging", indexes: []index[QueryLoggingConfig]{
	{ByZone, func(q *QueryLoggingConfig) []string { return []string{q.ZoneID} }},
}}

// CidrCollection is a named set of blocks for IP-based routing; its id is a UUID.
type CidrCollection struct {
	Meta
	Name            string
	CallerReference string
	Version         int64
	Locations       []CidrLocation // by name
}

// CidrLocation is a location of a collection.
type CidrLocation struct {
	Name   string
	Blocks []netip.Prefix // sorted
}

// CidrCollections is the table of CIDR collections.
var CidrCollections = &Table[CidrCollection]{name: "cidr-collection"}
