package dnsview

import (
	"encoding/binary"
	"net/netip"
)

// privateTTL is the TTL in seconds of names made from addresses and instances,
// as seen in answers of AWS's resolver.
const privateTTL = 60

// reverseTTL is the TTL of the names of addresses. Not verified against AWS.
const reverseTTL = privateTTL

// internetTTL is the TTL of public names, as seen in answers on the internet. In
// a VPC it is privateTTL, so that an address which comes to
// the VPC is soon seen.
const internetTTL = 604800

// negativeTTL is how long, in seconds, an asker may remember that there is
// nothing (RFC 2308). Not verified against AWS; short, so that a name that comes
// to be is soon seen by caches inside instances.
const negativeTTL = 60

// soa is the start of authority of a zone that is made here rather than stored.
// Its fields are not verified against AWS.
func soa(apex Name) Record {
	mname, rname := apex.below("ns0"), soaContact
	if apex == Root {
		mname, rname = rootServer, rootContact
	}
	data := make([]byte, 0, len(mname)+len(rname)+20)
	data = append(data, mname...)
	data = append(data, rname...)
	for _, v := range [...]uint32{1 /* serial */, 7200 /* refresh */, 900 /* retry */, 1209600 /* expire */, negativeTTL} {
		data = binary.BigEndian.AppendUint32(data, v)
	}
	return Record{Name: apex, Type: TypeSOA, TTL: negativeTTL, Data: string(data)}
}

var (
	soaContact  = mustName("hostmaster.amazon.com")
	rootServer  = mustName("a.root-servers.net")
	rootContact = mustName("nstld.verisign-grs.com")
)

// address is an A or AAAA record.
func address(n Name, ttl uint32, a netip.Addr) Record {
	if a.Is4() {
		b := a.As4()
		return Record{Name: n, Type: TypeA, TTL: ttl, Data: string(b[:])}
	}
	b := a.As16()
	return Record{Name: n, Type: TypeAAAA, TTL: ttl, Data: string(b[:])}
}

// pointer is a PTR record.
func pointer(n Name, ttl uint32, to Name) Record {
	return Record{Name: n, Type: TypePTR, TTL: ttl, Data: string(to)}
}
