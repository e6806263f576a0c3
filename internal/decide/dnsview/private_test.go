package dnsview

import (
	"testing"

	"github.com/localvpc/localvpc/internal/state"
)

func TestPrivateNames(t *testing.T) {
	newWorld("us-east-1").ask(t, []row{
		{"IP name", "ip-10-0-0-5.ec2.internal A", "A 10.0.0.5 60"},
		{"letter case", "IP-10-0-0-5.EC2.Internal A", "A 10.0.0.5 60"},
		{"ANY", "ip-10-0-0-5.ec2.internal ANY", "A 10.0.0.5 60"},
		{"no such type", "ip-10-0-0-5.ec2.internal AAAA", "NODATA soa ec2.internal. 60"},
		{"unused address of the VPC", "ip-10-0-0-77.ec2.internal A", "A 10.0.0.77 60"},
		{"RFC 1918 elsewhere", "ip-192-168-3-4.ec2.internal A", "A 192.168.3.4 60"},
		{"own block outside RFC 1918", "ip-100-64-9-1.ec2.internal A", "A 100.64.9.1 60"},
		{"foreign block outside RFC 1918", "ip-100-64-10-1.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"public address", "ip-203-0-113-9.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"leading zero", "ip-10-0-0-05.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"octet too large", "ip-10-0-0-256.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"five octets", "ip-10-0-0-5-6.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"three octets", "ip-10-0-0.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"nothing behind the prefix", "ip-.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"below an IP name", "x.ip-10-0-0-5.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"apex", "ec2.internal A", "NODATA soa ec2.internal. 60"},
		{"apex SOA", "ec2.internal SOA", "SOA ec2.internal. 60"},
		{"unknown name", "www.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"metadata", "instance-data.ec2.internal A", "A 169.254.169.254 60"},
		{"a similar domain", "ip-10-0-0-5.xec2.internal A", "NXDOMAIN soa . 60"},
	})
	newWorld("eu-west-1").ask(t, []row{
		{"IP name of another Region's form", "ip-10-0-0-5.eu-west-1.compute.internal A", "A 10.0.0.5 60"},
		{"us-east-1's form is unknown", "ip-10-0-0-5.ec2.internal A", "NXDOMAIN soa . 60"},
		{"the domain above", "compute.internal A", "NXDOMAIN soa . 60"},
	})
}

func TestResourceNames(t *testing.T) {
	newWorld("us-east-1").ask(t, []row{
		{"on", testInstance + ".ec2.internal A", "A 10.0.0.5 60"},
		{"on, other type", testInstance + ".ec2.internal AAAA", "NODATA soa ec2.internal. 60"},
		{"no such instance", "i-0123456789abcdef1.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
		{"no id", "i-am-a-host.ec2.internal A", "NXDOMAIN soa ec2.internal. 60"},
	})
	for _, c := range []struct {
		name string
		edit func(*state.Instance)
	}{
		{"option off", func(i *state.Instance) { i.ResourceNameDnsA = false }},
		{"terminated", func(i *state.Instance) { i.State = state.Terminated }},
		{"another VPC", func(i *state.Instance) { i.VpcID = "vpc-2" }},
	} {
		w := newWorld("us-east-1")
		c.edit(w.instance)
		w.ask(t, []row{{c.name, testInstance + ".ec2.internal A", "NXDOMAIN soa ec2.internal. 60"}})
	}
}
