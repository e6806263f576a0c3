package scenario

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// ownZone starts a name server of the user's own, which has a zone with an address
// and a name that leads back to Route 53.
func ownZone(zone, address string) string {
	return fmt.Sprintf(`mkdir -p /tmp/own && printf '%%s\n' server: 'username: ""' 'chroot: ""' 'directory: "/tmp/own"' 'pidfile: ""' 'use-syslog: no' 'module-config: "iterator"' 'do-ip6: no' \
  'interface: 0.0.0.0' 'access-control: 0.0.0.0/0 allow_snoop' 'local-zone: "%[1]s." static' 'local-data: "%[1]s. 60 IN SOA ns.%[1]s. h.%[1]s. 1 7200 900 1209600 60"' \
  'local-data: "www.%[1]s. 60 IN A %[2]s"' 'local-data: "back.%[1]s. 60 IN CNAME www.example.com."' >/tmp/own/conf
setsid unbound -d -c /tmp/own/conf >/tmp/own/out 2>&1 &`, zone, address)
}

// TestOwnNameServer: a public zone delegates to name servers that users run
// themselves, on an instance and on an outside host. The resolvers ask them, over the
// simulated internet: groups decide whether they may be asked.
func TestOwnNameServer(t *testing.T) {
	have(t, "getent")
	have(t, "unbound")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		vpc, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.1.0/24")
		w.opened(w.ec2, vpc)
		w.start("one", subnet, nil)
		group := w.group(w.ec2, vpc, "ns")
		inside := *w.start("inside", subnet, publicly(subnet, group)).PublicIpAddress
		if out, code := w.cli("host", "add", "office", "--addr", "203.0.113.53"); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		zone, _ := w.publicZone("example.com")
		w.upsert(zone, "www.example.com", r53.RRTypeA, "54.0.0.1")
		for host, addr := range map[string]string{"inside": inside, "office": "203.0.113.53"} {
			w.upsert(zone, host+".example.com", r53.RRTypeNs, "ns."+host+".example.com")
			w.upsert(zone, "ns."+host+".example.com", r53.RRTypeA, addr)
			w.says(host, ownZone(host+".example.com", "54.0.0.2"))
			w.await(host, "getent hosts localhost >/dev/null && grep -q :0035 /proc/net/udp")
		}
		for _, from := range []string{"one", "office"} {
			w.finds(from, "www.office.example.com", "54.0.0.2")
			w.finds(from, "back.office.example.com", "54.0.0.1")
			w.finds(from, "none.office.example.com", "")
		}
		if out, code := w.cli("dig", "one", "www.office.example.com"); code != 0 || !strings.Contains(out, "54.0.0.2") || !strings.Contains(out, "ns.office.example.com") {
			t.Errorf("dig: exit code %d\n%s", code, out)
		}

		// The group lets nobody in yet.
		if out, _ := w.cli("dig", "one", "www.inside.example.com"); !strings.Contains(out, "SERVFAIL") || !strings.Contains(out, "does not answer") {
			t.Errorf("behind a group that lets nobody in:\n%s", out)
		}
		must(w.ec2.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{
			{IpProtocol: aws.String("udp"), FromPort: aws.Int32(53), ToPort: aws.Int32(53), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}}))(t)
		w.await("one", "getent ahostsv4 www.inside.example.com") // what has failed is asked for again after a second
		w.finds("one", "www.inside.example.com", "54.0.0.2")
	})
}
