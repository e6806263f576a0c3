package scenario

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// host makes a host of the internet and gives its address.
func (w *world) host(name string) (addr string) {
	w.t.Helper()
	out, code := w.cli("host", "add", name, "--json")
	var host struct{ Addr string }
	if err := json.Unmarshal([]byte(out), &host); err != nil || code != 0 {
		w.t.Fatalf("host add: %s", out)
	}
	return host.Addr
}

// resolves waits until a name has the one address for a machine.
func (w *world) resolves(machine, name, addr string) {
	w.t.Helper()
	w.await(machine, fmt.Sprintf(`test "$(getent ahostsv4 %s | grep STREAM | cut -d\  -f1)" = %s`, name, addr))
}

// observed waits until all checkers of a health check report a status, and gives
// one of the reports.
func (w *world) observed(c *route53.Client, check *string, status string) r53.HealthCheckObservation {
	w.t.Helper()
	ctx := tctx(w.t)
	for {
		list := must(c.GetHealthCheckStatus(ctx, &route53.GetHealthCheckStatusInput{HealthCheckId: check}))(w.t).HealthCheckObservations
		n := 0
		for _, o := range list {
			if strings.HasPrefix(*o.StatusReport.Status, status) {
				n++
			}
		}
		if n == 3 {
			return list[0]
		}
	}
}

// TestHealthChecks: checkers of the simulated internet ask a host there and an
// instance that admits them; a failover record answers by what they see, and goes on
// doing so when the engine dies.
func TestHealthChecks(t *testing.T) {
	have(t, "getent")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t, "--ephemeral", "--health-interval-scale", "0.02")
		c, dns := w.ec2, w.dns("test")
		one, two := w.host("one"), w.host("two")
		w.host("client")
		const serve = "cd / && { setsid localvpc guest serve --dir /srv >/dev/null 2>&1 & echo $! >/root/web; }; localvpc guest get --wait 20 -m 5 http://127.0.0.1/ >/dev/null"
		const end = "kill $(cat /root/web)"
		w.says("one", "mkdir -p /srv && echo all is well >/srv/health && "+serve)

		check := must(dns.CreateHealthCheck(tctx(t), &route53.CreateHealthCheckInput{CallerReference: aws.String("one"), HealthCheckConfig: &r53.HealthCheckConfig{
			Type: r53.HealthCheckTypeHttpStrMatch, IPAddress: &one, Port: aws.Int32(80), ResourcePath: aws.String("/health"), SearchString: aws.String("is well"),
			RequestInterval: aws.Int32(10), FailureThreshold: aws.Int32(2)}}))(t).HealthCheck.Id
		zone := must(dns.CreateHostedZone(tctx(t), &route53.CreateHostedZoneInput{Name: aws.String("shop.test"), CallerReference: aws.String("zone")}))(t).HostedZone.Id
		put := func(set r53.ResourceRecordSet, addr string) {
			t.Helper()
			set.Type, set.TTL, set.ResourceRecords = r53.RRTypeA, aws.Int64(1), []r53.ResourceRecord{{Value: &addr}}
			must(dns.ChangeResourceRecordSets(tctx(t), &route53.ChangeResourceRecordSetsInput{HostedZoneId: zone, ChangeBatch: &r53.ChangeBatch{
				Changes: []r53.Change{{Action: r53.ChangeActionUpsert, ResourceRecordSet: &set}}}}))(t)
		}
		const www = "www.shop.test"
		put(r53.ResourceRecordSet{Name: aws.String(www), SetIdentifier: aws.String("1"), Failover: r53.ResourceRecordSetFailoverPrimary, HealthCheckId: check}, one)
		put(r53.ResourceRecordSet{Name: aws.String(www), SetIdentifier: aws.String("2"), Failover: r53.ResourceRecordSetFailoverSecondary}, two)

		seen := w.observed(dns, check, "Success: HTTP Status Code 200, OK")
		ranges := must(dns.GetCheckerIpRanges(tctx(t), &route53.GetCheckerIpRangesInput{}))(t).CheckerIpRanges
		if len(ranges) != 1 || ranges[0] != *seen.IPAddress+"/32" || seen.Region == "" {
			t.Errorf("seen from %s by %+v, the ranges are %v", *seen.IPAddress, seen, ranges)
		}
		reasons := func() []r53.HealthCheckObservation {
			t.Helper()
			return must(dns.GetHealthCheckLastFailureReason(tctx(t), &route53.GetHealthCheckLastFailureReasonInput{HealthCheckId: check}))(t).HealthCheckObservations
		}
		if list := reasons(); len(list) != 0 {
			t.Errorf("without a failure: %+v", list)
		}
		w.resolves("client", www, one)

		// The server ends, and comes back.
		w.says("one", end)
		w.resolves("client", www, two)
		w.observed(dns, check, "Failure: Connection refused.")
		if err := syscall.Kill(w.engine(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if list := reasons(); len(list) != 3 || !strings.HasPrefix(*list[0].StatusReport.Status, "Failure: Connection refused.") {
			t.Errorf("%+v", list)
		}
		w.resolves("client", www, two)
		w.says("one", serve)
		w.resolves("client", www, one)
		w.observed(dns, check, "Success: ")
		if list := reasons(); len(list) != 3 {
			t.Errorf("after it came back: %+v", list)
		}

		// What it says counts, and its status.
		w.says("one", "echo all is lost >/srv/health")
		w.resolves("client", www, two)
		w.observed(dns, check, "Failure: HTTP Status Code 200, OK. The search string is not in")
		w.says("one", "rm /srv/health")
		w.observed(dns, check, "Failure: HTTP Status Code 404, Not Found")
		w.says("one", "echo all is well >/srv/health")
		w.resolves("client", www, one)

		// Inverted, disabled.
		update := func(in route53.UpdateHealthCheckInput) {
			t.Helper()
			in.HealthCheckId = check
			must(dns.UpdateHealthCheck(tctx(t), &in))(t)
		}
		update(route53.UpdateHealthCheckInput{Inverted: aws.Bool(true)})
		w.resolves("client", www, two)
		update(route53.UpdateHealthCheckInput{Inverted: aws.Bool(false)})
		w.resolves("client", www, one)
		w.says("one", end)
		w.resolves("client", www, two)
		update(route53.UpdateHealthCheckInput{Disabled: aws.Bool(true)})
		w.resolves("client", www, one)
		update(route53.UpdateHealthCheckInput{Disabled: aws.Bool(false)})
		w.resolves("client", www, two)

		// An instance is asked by name through its gateway and group, which admits the
		// checkers alone; a calculated check follows.
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.0.0/24")
		w.opened(c, vpc)
		group := w.group(c, vpc, "checkers")
		admit := []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80), IpRanges: []types.IpRange{{CidrIp: &ranges[0]}}}}
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: admit}))(t)
		server := w.start("server", subnet, func(in *ec2.RunInstancesInput) {
			publicly(subnet, group)(in)
			in.UserData = script("setsid localvpc guest serve --text fine >/dev/null 2>&1 &\n")
		})
		public := *w.instance(*server.InstanceId).PublicIpAddress
		w.serving("server", "80")
		put(r53.ResourceRecordSet{Name: aws.String("server.shop.test")}, public)
		byName := must(dns.CreateHealthCheck(tctx(t), &route53.CreateHealthCheckInput{CallerReference: aws.String("server"), HealthCheckConfig: &r53.HealthCheckConfig{
			Type: r53.HealthCheckTypeHttp, FullyQualifiedDomainName: aws.String("server.shop.test"), RequestInterval: aws.Int32(10), FailureThreshold: aws.Int32(1)}}))(t).HealthCheck.Id
		w.observed(dns, byName, "Success: HTTP Status Code 200, OK")
		if out, code := w.get("client", "http://server.shop.test/", 1); code != timedOut {
			t.Errorf("the group admits others than checkers: %q, exit code %d", out, code)
		}
		all := must(dns.CreateHealthCheck(tctx(t), &route53.CreateHealthCheckInput{CallerReference: aws.String("all"), HealthCheckConfig: &r53.HealthCheckConfig{
			Type: r53.HealthCheckTypeCalculated, ChildHealthChecks: []string{*check, *byName}, HealthThreshold: aws.Int32(1)}}))(t).HealthCheck.Id
		put(r53.ResourceRecordSet{Name: aws.String("any.shop.test"), SetIdentifier: aws.String("1"), Failover: r53.ResourceRecordSetFailoverPrimary, HealthCheckId: all}, public)
		put(r53.ResourceRecordSet{Name: aws.String("any.shop.test"), SetIdentifier: aws.String("2"), Failover: r53.ResourceRecordSetFailoverSecondary}, two)
		w.resolves("client", "any.shop.test", public)
		must(c.RevokeSecurityGroupIngress(tctx(t), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: admit}))(t)
		w.resolves("client", "any.shop.test", two)
		w.observed(dns, byName, "Failure: Resolved IP: "+public+". Connection timed out.")

		w.post("reset", "")
		if n := *must(dns.GetHealthCheckCount(tctx(t), &route53.GetHealthCheckCountInput{}))(t).HealthCheckCount; n != 0 {
			t.Errorf("%d health checks after a reset", n)
		}
	})
}
