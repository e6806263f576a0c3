package scenario

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// TestBalancerCLI: a network load balancer from its creation to its end with the stock
// AWS CLI and all its waiters, before an instance that its node checks.
func TestBalancerCLI(t *testing.T) {
	t.Parallel()
	needPackets(t)
	have(t, "aws")
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--health-interval-scale", "0.02")
	dir := t.TempDir()
	aws := func(args ...string) string {
		t.Helper()
		return w.run(dir, "aws", append(args, "--output", "text")...)
	}
	refused := func(code, text string, args ...string) {
		t.Helper()
		if out, err := w.try(dir, "aws", args...); err == nil || !strings.Contains(out, "("+code+")") || !strings.Contains(out, text) {
			t.Errorf("aws %s: %v, %s\nwant %s: %s", strings.Join(args, " "), err, out, code, text)
		}
	}
	vpc := aws("ec2", "describe-vpcs", "--query", "Vpcs[0].VpcId")
	subnets := strings.Fields(aws("ec2", "describe-subnets", "--filters", "Name=availability-zone,Values=us-east-1a,us-east-1b", "--query", "Subnets[].SubnetId"))
	group := aws("ec2", "create-security-group", "--vpc-id", vpc, "--group-name", "web", "--description", "web", "--query", "GroupId")
	front := aws("ec2", "create-security-group", "--vpc-id", vpc, "--group-name", "front", "--description", "front", "--query", "GroupId")
	aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "80", "--source-group", front)
	if err := os.WriteFile(filepath.Join(dir, "server.sh"), []byte(sayHello), 0o644); err != nil {
		t.Fatal(err)
	}
	image := aws("ec2", "describe-images", "--owners", "amazon", "--filters", "Name=name,Values=al2023-ami-2023*", "--query", "Images[0].ImageId")
	server := aws("ec2", "run-instances", "--image-id", image, "--instance-type", "t3.micro", "--subnet-id", subnets[0], "--security-group-ids", group, "--user-data", "file://server.sh",
		"--query", "Instances[0].InstanceId")

	lb := aws(append([]string{"elbv2", "create-load-balancer", "--name", "front", "--type", "network", "--security-groups", front, "--query", "LoadBalancers[0].LoadBalancerArn", "--subnets"}, subnets...)...)
	aws("elbv2", "wait", "load-balancer-exists", "--load-balancer-arns", lb)
	aws("elbv2", "wait", "load-balancer-available", "--load-balancer-arns", lb)
	targets := aws("elbv2", "create-target-group", "--name", "web", "--protocol", "TCP", "--port", "80", "--vpc-id", vpc, "--health-check-interval-seconds", "5", "--health-check-timeout-seconds", "2",
		"--healthy-threshold-count", "2", "--query", "TargetGroups[0].TargetGroupArn")
	aws("elbv2", "create-listener", "--load-balancer-arn", lb, "--protocol", "TCP", "--port", "80", "--default-actions", "Type=forward,TargetGroupArn="+targets)
	aws("elbv2", "register-targets", "--target-group-arn", targets, "--targets", "Id="+server)
	aws("elbv2", "wait", "target-in-service", "--target-group-arn", targets)
	if out, code := w.cli("ls"); code != 0 || !strings.Contains(out, "load-balancer") || !strings.Contains(out, "TCP 80") || !strings.Contains(out, server+":80") || !strings.Contains(out, "  healthy") {
		t.Errorf("ls, exit code %d:\n%s", code, out)
	}

	if out, code := w.cli("exec", server, "--", "getent", "hosts", "elasticloadbalancing.us-east-1.amazonaws.com"); code != 0 {
		t.Errorf("the endpoint has no address in an instance: %q, exit code %d", out, code)
	}
	eni := aws("ec2", "describe-network-interfaces", "--filters", "Name=interface-type,Values=network_load_balancer", "--query", "NetworkInterfaces[0].NetworkInterfaceId")
	if got := strings.Fields(aws("ec2", "describe-network-interfaces", "--network-interface-ids", eni, "--query", "NetworkInterfaces[0].[Description,RequesterId,RequesterManaged,Status]")); strings.Join(got, " ") != "ELB "+lb[strings.Index(lb, "net/"):]+" amazon-elb True in-use" {
		t.Errorf("a node's interface is %q", got)
	}
	refused("OperationNotPermitted", "a service manages the interface", "ec2", "delete-network-interface", "--network-interface-id", eni)
	refused("OperationNotPermitted", "", "ec2", "modify-network-interface-attribute", "--network-interface-id", eni, "--groups", group)
	refused("DependencyViolation", "", "ec2", "delete-security-group", "--group-id", front)
	refused("DependencyViolation", "", "ec2", "delete-subnet", "--subnet-id", subnets[1])
	refused("ResourceInUse", "is currently in use by a listener or a rule", "elbv2", "delete-target-group", "--target-group-arn", targets)
	refused("DuplicateListener", "A listener already exists on this port", "elbv2", "create-listener", "--load-balancer-arn", lb, "--protocol", "UDP", "--port", "80", "--default-actions", "Type=forward,TargetGroupArn="+targets)
	refused("OperationNotPermitted", "of type 'application'", "elbv2", "create-load-balancer", "--name", "app", "--subnets", subnets[0], subnets[1])
	refused("InvalidAction", "DescribeTrustStores", "elbv2", "describe-trust-stores")
	refused("InvalidAction", "Could not find operation DescribeLoadBalancers for version 2012-06-01", "elb", "describe-load-balancers")

	aws("elbv2", "modify-target-group-attributes", "--target-group-arn", targets, "--attributes", "Key=deregistration_delay.timeout_seconds,Value=1")
	aws("elbv2", "deregister-targets", "--target-group-arn", targets, "--targets", "Id="+server)
	aws("elbv2", "wait", "target-deregistered", "--target-group-arn", targets, "--targets", "Id="+server)
	aws("ec2", "stop-instances", "--instance-ids", server)
	aws("ec2", "wait", "instance-stopped", "--instance-ids", server)
	refused("InvalidTarget", "The following targets are not in a running state and cannot be registered: '"+server+"'", "elbv2", "register-targets", "--target-group-arn", targets, "--targets", "Id="+server)
	aws("elbv2", "delete-load-balancer", "--load-balancer-arn", lb)
	aws("elbv2", "wait", "load-balancers-deleted", "--load-balancer-arns", lb)
	aws("elbv2", "delete-target-group", "--target-group-arn", targets)
	aws("ec2", "revoke-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "80", "--source-group", front)
	aws("ec2", "delete-security-group", "--group-id", front)
}

const botoBalancer = `
import boto3, botocore, sys
ec2, elb = boto3.client("ec2"), boto3.client("elbv2")
vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
subnets = [s["SubnetId"] for z in ("us-east-1a", "us-east-1b") for s in ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": [z]}])["Subnets"]]
eip = ec2.allocate_address(Domain="vpc")
lb = elb.create_load_balancer(Name="front", Type="network", SubnetMappings=[{"SubnetId": subnets[0], "AllocationId": eip["AllocationId"]}], Tags=[{"Key": "team", "Value": "a"}])["LoadBalancers"][0]
elb.get_waiter("load_balancer_available").wait(Names=["front"])
lb = elb.describe_load_balancers()["LoadBalancers"][0]
arn = lb["LoadBalancerArn"]
assert lb["AvailabilityZones"][0]["LoadBalancerAddresses"] == [{"IpAddress": eip["PublicIp"], "AllocationId": eip["AllocationId"]}], lb
assert lb["State"] == {"Code": "active"} and lb["CanonicalHostedZoneId"] == "Z26RNL4JYFTOTI" and lb["DNSName"].startswith("front-")
groups = [elb.create_target_group(Name="g%d" % i, Protocol="TCP_UDP", Port=53, VpcId=vpc, TargetType="ip")["TargetGroups"][0]["TargetGroupArn"] for i in range(5)]
pages = [g["TargetGroupArn"] for p in elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2}) for g in p["TargetGroups"]]
assert sorted(pages) == sorted(groups), pages
listener = elb.create_listener(LoadBalancerArn=arn, Protocol="UDP", Port=53, DefaultActions=[{"Type": "forward", "TargetGroupArn": groups[0]}])["Listeners"][0]["ListenerArn"]
rule = elb.describe_rules(ListenerArn=listener)["Rules"][0]
assert rule["IsDefault"] and rule["Priority"] == "default"
elb.register_targets(TargetGroupArn=groups[0], Targets=[{"Id": "10.0.0.9", "AvailabilityZone": "all"}, {"Id": "192.168.1.9", "Port": 5353, "AvailabilityZone": "us-east-1b"}])
health = elb.describe_target_health(TargetGroupArn=groups[0])["TargetHealthDescriptions"]
assert [(h["Target"]["Id"], h["Target"]["Port"], h["Target"]["AvailabilityZone"]) for h in health] == [("10.0.0.9", 53, "all"), ("192.168.1.9", 5353, "us-east-1b")], health
assert [h["TargetHealth"]["State"] for h in health] == ["healthy", "unused"], health
tags = elb.describe_tags(ResourceArns=[arn, groups[0]])["TagDescriptions"]
assert [t["Tags"] for t in tags] == [[{"Key": "team", "Value": "a"}], []], tags
attributes = {a["Key"]: a["Value"] for a in elb.describe_target_group_attributes(TargetGroupArn=groups[0])["Attributes"]}
assert attributes["preserve_client_ip.enabled"] == "true" and attributes["deregistration_delay.connection_termination.enabled"] == "true", attributes
try:
    elb.create_target_group(Name="bad", Protocol="TCP", Port=0, VpcId=vpc)
    sys.exit("accepted")
except botocore.exceptions.ParamValidationError:
    pass
try:
    boto3.client("elbv2", config=botocore.config.Config(parameter_validation=False)).create_target_group(Name="bad", Protocol="QUAC", Port=0, VpcId=vpc)
    sys.exit("accepted")
except botocore.exceptions.ClientError as e:
    print(e.response["Error"]["Code"], e.response["Error"]["Message"])
try:
    elb.create_load_balancer(Name="front", Type="network", Scheme="internal", Subnets=subnets)
    sys.exit("accepted")
except elb.exceptions.DuplicateLoadBalancerNameException as e:
    print(e.response["Error"]["Message"])
elb.delete_load_balancer(LoadBalancerArn=arn)
elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[arn])
for g in groups:
    elb.delete_target_group(TargetGroupArn=g)
ec2.release_address(AllocationId=eip["AllocationId"])
`

// TestBalancerBoto3: waiters, paging, Elastic IPs and errors in boto3.
func TestBalancerBoto3(t *testing.T) {
	t.Parallel()
	have(t, "python3")
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--no-packets")
	dir := t.TempDir()
	if out, err := w.try(dir, "python3", "-c", "import boto3"); err != nil {
		t.Skipf("boto3 is not installed: %s", out)
	}
	want := "ValidationError 2 validation errors detected: Value '0' at 'port' failed to satisfy constraint: Member must have value greater than or equal to 1; " +
		"Value 'QUAC' at 'protocol' failed to satisfy constraint: Member must satisfy enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC, TCP_QUIC]\n" +
		"A load balancer with the same name 'front' exists, but with different settings"
	if got := w.run(dir, "python3", "-c", botoBalancer); got != want {
		t.Errorf("it says\n     %s\nwant %s", got, want)
	}
}

// TestTerraformBalancer applies what stands in terraform/balancer, changes much of it,
// and destroys it; plans in between are empty. It takes its time: the provider waits 30
// seconds before it first looks at a new or changed load balancer.
func TestTerraformBalancer(t *testing.T) {
	w, dir := terraform(t, "terraform/balancer")
	want := map[string]any{"name": true, "zone": true, "vpc": true, "check": "/health", "group": true, "balanced": 3.0, "nodes": 2.0}
	if read := w.read(dir, "read"); !maps.Equal(read, want) {
		t.Errorf("read %v\nwant %v", read, want)
	}
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	w.run(dir, "terraform", "apply", "-auto-approve", "-input=false", "-no-color", "-var", "changed=true")
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color", "-var", "changed=true")
	w.run(dir, "terraform", "destroy", "-auto-approve", "-input=false", "-no-color", "-var", "changed=true")
	if left := must(w.ec2.DescribeAddresses(tctx(t), &ec2.DescribeAddressesInput{}))(t).Addresses; len(left) != 0 {
		t.Errorf("%d Elastic IPs are left", len(left))
	}
}
