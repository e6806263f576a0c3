package dnsview

import (
	"encoding/binary"
	"net/netip"
	"strconv"
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
	if _, above := apex.First(); apex == Root {
		mname, rname = rootHosts[0].name, registryContact
	} else if _, local := localZones[apex]; above == Root && !local {
		mname, rname = registryHosts[0].name, registryContact
	} else if amazonDomains[apex] || apex == inAddrArpa {
		mname = amazonHosts[0].name
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
	soaContact      = mustName("hostmaster.amazon.com")
	registryContact = mustName("nstld.verisign-grs.com")
)

// Value is the data in presentation form, "" of types that only hosted zones have
// and this record does not come from one.
func (r Record) Value() string {
	if r.text != "" {
		return r.text
	}
	switch r.Type {
	case TypeA, TypeAAAA:
		if a, ok := netip.AddrFromSlice([]byte(r.Data)); ok {
			return a.String()
		}
	case TypeNS, TypeCNAME, TypePTR:
		return Name(r.Data).String()
	case TypeSOA:
		rest := Name(r.Data)
		for rest[0] != 0 {
			_, rest = rest.First()
		}
		mname, rname := Name(r.Data[:len(r.Data)-len(rest)+1]), rest[1:]
		numbers := rname[len(rname)-20:]
		text := mname.String() + " " + Name(rname[:len(rname)-20]).String()
		for i := 0; i < len(numbers); i += 4 {
			text += " " + strconv.FormatUint(uint64(binary.BigEndian.Uint32([]byte(numbers[i:i+4]))), 10)
		}
		return text
	}
	return ""
}

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
