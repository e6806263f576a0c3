package dnsview

import "testing"

func TestReverseNames(t *testing.T) {
	newWorld("us-east-1").ask(t, []row{
		{"address of the VPC", "5.0.0.10.in-addr.arpa PTR", "PTR ip-10-0-0-5.ec2.internal. 60"},
		{"unused address of the VPC", "77.15.0.10.in-addr.arpa PTR", "PTR ip-10-0-15-77.ec2.internal. 60"},
		{"address of the second block", "1.9.64.100.in-addr.arpa PTR", "PTR ip-100-64-9-1.ec2.internal. 60"},
		{"other type", "5.0.0.10.in-addr.arpa A", "NODATA soa 0.0.10.in-addr.arpa. 60"},
		{"RFC 1918 outside the VPC", "5.0.16.10.in-addr.arpa PTR", "NXDOMAIN soa 10.in-addr.arpa. 60"},
		{"RFC 1918, 172", "1.1.31.172.in-addr.arpa PTR", "NXDOMAIN soa 31.172.in-addr.arpa. 60"},
		{"outside RFC 1918, 172", "1.1.32.172.in-addr.arpa PTR", "NXDOMAIN soa in-addr.arpa. 60"},
		{"RFC 1918, 192.168", "1.1.168.192.in-addr.arpa PTR", "NXDOMAIN soa 168.192.in-addr.arpa. 60"},
		{"outside all", "1.10.64.100.in-addr.arpa PTR", "NXDOMAIN soa in-addr.arpa. 60"},
		{"a block with names below", "0.10.in-addr.arpa PTR", "NODATA soa 10.in-addr.arpa. 60"},
		{"a block without", "1.10.in-addr.arpa PTR", "NXDOMAIN soa 10.in-addr.arpa. 60"},
		{"a zone of 256 addresses", "3.0.10.in-addr.arpa SOA", "SOA 3.0.10.in-addr.arpa. 60"},
		{"apex", "10.in-addr.arpa SOA", "SOA 10.in-addr.arpa. 60"},
		{"below an address", "x.5.0.0.10.in-addr.arpa PTR", "NXDOMAIN soa 0.0.10.in-addr.arpa. 60"},
		{"a leading zero", "05.0.0.10.in-addr.arpa PTR", "NXDOMAIN soa 0.0.10.in-addr.arpa. 60"},
		{"metadata", "254.169.254.169.in-addr.arpa PTR", "PTR instance-data.ec2.internal. 60"},
		{"other link-local", "253.169.254.169.in-addr.arpa PTR", "NXDOMAIN soa in-addr.arpa. 60"},
		{"the tree's top", "in-addr.arpa PTR", "NODATA soa in-addr.arpa. 60"},
	})
	newWorld("eu-west-1").ask(t, []row{
		{"another Region's form", "5.0.0.10.in-addr.arpa PTR", "PTR ip-10-0-0-5.eu-west-1.compute.internal. 60"},
	})
}

func TestLocalNames(t *testing.T) {
	newWorld("us-east-1").ask(t, []row{
		{"localhost", "localhost A", "A 127.0.0.1 86400"},
		{"localhost v6", "localhost AAAA", "AAAA ::1 86400"},
		{"localhost all", "localhost ANY", "A 127.0.0.1 86400 AAAA ::1 86400"},
		{"localhost other", "localhost MX", "NODATA soa localhost. 60"},
		{"below localhost", "db.localhost A", "A 127.0.0.1 86400"},
		{"localdomain", "localdomain A", "NODATA soa localdomain. 60"},
		{"localhost.localdomain", "localhost.localdomain A", "A 127.0.0.1 86400"},
		{"below localdomain", "x.localdomain A", "NXDOMAIN soa localdomain. 60"},
		{"127.0.0.1", "1.0.0.127.in-addr.arpa PTR", "PTR localhost. 86400"},
		{"127.0.0.2", "2.0.0.127.in-addr.arpa PTR", "NXDOMAIN soa 127.in-addr.arpa. 60"},
		{"127.0.0.0/16", "0.127.in-addr.arpa PTR", "NODATA soa 127.in-addr.arpa. 60"},
		{"::1", "1." + zeros(31) + "ip6.arpa PTR", "PTR localhost. 86400"},
		{"::", zeros(32) + "ip6.arpa PTR", "NODATA soa " + zeros(32) + "ip6.arpa. 60"},
		{"::2", "2." + zeros(31) + "ip6.arpa PTR", "NXDOMAIN soa arpa. 60"},
	})
}

func zeros(n int) string {
	s := ""
	for range n {
		s += "0."
	}
	return s
}
