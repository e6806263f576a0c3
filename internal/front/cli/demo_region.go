package cli

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/route53"
)

// Blocks of session S7, and the Region of its service.
const (
	serviceRegion = "eu-west-1"
	serviceBlock  = "172.30.0.0/16"
	clientBlock   = "10.20.0.0/16"
)

// regions is session S7: a service in one Region, a client in another, a peering
// connection between their VPCs, and a private zone that both know.
func (s *story) regions() error {
	const patient, once = "localvpc guest get --wait 20 -m 5 ", "localvpc guest get -m 1 "
	const name, hello = "http://{name}/say-hello?name=Angela", "Hello, Angela!"

	s.say("In eu-west-1 a service that says hello, and a neighbour in its VPC, where the internal name is known.")
	s.in(serviceRegion, func() {
		s.network("service", serviceBlock, "172.30.0.0/24")
		s.allow("service-group", 80, serviceBlock)
		s.serve("hello", "service-subnet", "service-group", serverScript)
		s.serve("neighbour", "service-subnet", "service-group", "")
		s.ids["name"] = "ip-" + strings.ReplaceAll(s.ids["ip-hello"], ".", "-") + "." + serviceRegion + ".compute.internal"
		s.see("neighbour", patient+name, 0, hello)
	})

	s.say("In us-east-1 a client. Its VPC does not know the name.")
	s.network("client", clientBlock, "10.20.0.0/24")
	s.serve("client", "client-subnet", "client-group", "")
	s.see("client", "getent hosts {name}", 2, "")

	s.say("Peering is asked for in us-east-1. It is pending until it is accepted in eu-west-1, and routes to it lead nowhere yet.")
	ask(s, "pcx", "aws ec2 create-vpc-peering-connection --vpc-id {client-vpc} --peer-vpc-id {service-vpc} --peer-region eu-west-1", "CreateVpcPeeringConnection", func() *ec2.CreateVpcPeeringConnectionInput {
		return &ec2.CreateVpcPeeringConnectionInput{VpcId: s.id("client-vpc"), PeerVpcId: s.id("service-vpc"), PeerRegion: new(serviceRegion)}
	}, func(out *ec2.CreateVpcPeeringConnectionOutput) *string {
		return out.VpcPeeringConnection.VpcPeeringConnectionId
	})
	s.route("client", serviceBlock)
	s.why("client", "ip-hello", 80, false)
	s.in(serviceRegion, func() {
		tell[ec2.AcceptVpcPeeringConnectionOutput](s, "aws ec2 accept-vpc-peering-connection --vpc-peering-connection-id {pcx}", "AcceptVpcPeeringConnection", func() *ec2.AcceptVpcPeeringConnectionInput {
			return &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: s.id("pcx")}
		})
	})

	s.say("That is not enough: the way back is missing, and the service's group lets nobody in from there.")
	s.see("client", once+"http://{ip-hello}/", 28, "")
	s.why("client", "ip-hello", 80, false)
	s.in(serviceRegion, func() {
		s.route("service", clientBlock)
		s.allow("service-group", 80, clientBlock)
	})
	s.see("client", patient+"http://{ip-hello}/say-hello?name=Angela", 0, hello)

	s.say("By its name only when each side lets the other ask: the option for names is off at first.")
	s.see("client", "getent hosts {name}", 2, "")
	s.names("Requester")
	s.in(serviceRegion, func() { s.names("Accepter") })
	s.see("client", patient+name, 0, hello)

	s.say("A private hosted zone for both VPCs: api.internal is the service, and nobody else knows that name.")
	zone(s, "zone", "aws route53 create-hosted-zone --name internal --caller-reference s7 --vpc VPCRegion=eu-west-1,VPCId={service-vpc}", "CreateHostedZone", func() *route53.CreateHostedZoneInput {
		return &route53.CreateHostedZoneInput{Name: new("internal"), CallerReference: new("s7"), VPC: &route53.VPC{VPCRegion: new(serviceRegion), VPCId: s.id("service-vpc")}}
	}, func(out *route53.CreateHostedZoneOutput) *string { return out.HostedZone.Id })
	zone[route53.ChangeResourceRecordSetsOutput](s, "", "aws route53 change-resource-record-sets --hosted-zone-id {zone} --change-batch file://api.json", "ChangeResourceRecordSets", func() *route53.ChangeResourceRecordSetsInput {
		set := &route53.ResourceRecordSet{Name: new("api.internal"), Type: new("CNAME"), TTL: new(int64(60)), ResourceRecords: []route53.ResourceRecord{{Value: s.id("name")}}}
		return &route53.ChangeResourceRecordSetsInput{HostedZoneId: s.id("zone"), ChangeBatch: &route53.ChangeBatch{Changes: []route53.Change{{Action: new("CREATE"), ResourceRecordSet: set}}}}
	}, nil)
	s.see("client", "getent hosts api.internal", 2, "")
	zone[route53.AssociateVPCWithHostedZoneOutput](s, "", "aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {zone} --vpc VPCRegion=us-east-1,VPCId={client-vpc}", "AssociateVPCWithHostedZone", func() *route53.AssociateVPCWithHostedZoneInput {
		return &route53.AssociateVPCWithHostedZoneInput{HostedZoneId: s.id("zone"), VPC: &route53.VPC{VPCRegion: new("us-east-1"), VPCId: s.id("client-vpc")}}
	}, nil)
	for _, place := range []string{"neighbour", "client"} {
		s.see(place, patient+"http://api.internal/say-hello?name=Angela", 0, hello)
	}

	s.say("The connection is deleted: its routes are black holes, and the service is out of reach.")
	tell[ec2.DeleteVpcPeeringConnectionOutput](s, "aws ec2 delete-vpc-peering-connection --vpc-peering-connection-id {pcx}", "DeleteVpcPeeringConnection", func() *ec2.DeleteVpcPeeringConnectionInput {
		return &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: s.id("pcx")}
	})
	s.see("client", once+"http://{ip-hello}/", 28, "")
	s.why("client", "ip-hello", 80, false)
	return s.err
}

// network makes a VPC with DNS hostnames, a subnet, a group and a route table
// under a name, in the Region of the moment.
func (s *story) network(name, block, subnet string) {
	ask(s, name+"-vpc", "aws ec2 create-vpc --cidr-block "+block, "CreateVpc", func() *ec2.CreateVpcInput {
		return &ec2.CreateVpcInput{CidrBlock: &block}
	}, func(out *ec2.CreateVpcOutput) *string { return out.Vpc.VpcId })
	tell[ec2.ModifyVpcAttributeOutput](s, "aws ec2 modify-vpc-attribute --vpc-id {"+name+"-vpc} --enable-dns-hostnames", "ModifyVpcAttribute", func() *ec2.ModifyVpcAttributeInput {
		return &ec2.ModifyVpcAttributeInput{VpcId: s.id(name + "-vpc"), EnableDnsHostnames: &ec2.AttributeBooleanValue{Value: new(true)}}
	})
	ask(s, name+"-subnet", "aws ec2 create-subnet --vpc-id {"+name+"-vpc} --cidr-block "+subnet, "CreateSubnet", func() *ec2.CreateSubnetInput {
		return &ec2.CreateSubnetInput{VpcId: s.id(name + "-vpc"), CidrBlock: &subnet}
	}, func(out *ec2.CreateSubnetOutput) *string { return out.Subnet.SubnetId })
	ask(s, name+"-group", "aws ec2 create-security-group --vpc-id {"+name+"-vpc} --group-name "+name+" --description "+name, "CreateSecurityGroup", func() *ec2.CreateSecurityGroupInput {
		return &ec2.CreateSecurityGroupInput{VpcId: s.id(name + "-vpc"), GroupName: &name, Description: &name}
	}, func(out *ec2.CreateSecurityGroupOutput) *string { return out.GroupId })
	ask(s, name+"-table", "aws ec2 describe-route-tables --filters Name=vpc-id,Values={"+name+"-vpc}", "DescribeRouteTables", func() *ec2.DescribeRouteTablesInput {
		return &ec2.DescribeRouteTablesInput{Filters: []ec2.Filter{{Name: new("vpc-id"), Values: []string{s.ids[name+"-vpc"]}}}}
	}, func(out *ec2.DescribeRouteTablesOutput) *string { return out.RouteTables[0].RouteTableId })
}

// route leads from a network to a block behind the peering connection.
func (s *story) route(network, block string) {
	tell[ec2.CreateRouteOutput](s, "aws ec2 create-route --route-table-id {"+network+"-table} --destination-cidr-block "+block+" --vpc-peering-connection-id {pcx}", "CreateRoute", func() *ec2.CreateRouteInput {
		return &ec2.CreateRouteInput{RouteTableId: s.id(network + "-table"), DestinationCidrBlock: &block, VpcPeeringConnectionId: s.id("pcx")}
	})
}

// names lets the other side of the peering connection ask for the names of this one.
func (s *story) names(side string) {
	on := &ec2.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: new(true)}
	command := fmt.Sprintf("aws ec2 modify-vpc-peering-connection-options --vpc-peering-connection-id {pcx} --%s-peering-connection-options AllowDnsResolutionFromRemoteVpc=true", strings.ToLower(side))
	tell[ec2.ModifyVpcPeeringConnectionOptionsOutput](s, command, "ModifyVpcPeeringConnectionOptions", func() *ec2.ModifyVpcPeeringConnectionOptionsInput {
		in := &ec2.ModifyVpcPeeringConnectionOptionsInput{VpcPeeringConnectionId: s.id("pcx")}
		if side == "Requester" {
			in.RequesterPeeringConnectionOptions = on
		} else {
			in.AccepterPeeringConnectionOptions = on
		}
		return in
	})
}

// serve starts an instance with a script as its user data, or with none.
func (s *story) serve(name, subnet, group, script string) {
	if s.err != nil {
		return
	}
	image, err := s.image()
	if err != nil {
		s.err = err
		return
	}
	command := "aws ec2 run-instances --image-id " + image + " --instance-type t3.micro --subnet-id {" + subnet + "} --security-group-ids {" + group + "}"
	in := &ec2.RunInstancesInput{ImageId: &image, InstanceType: new("t3.micro"), MinCount: new(int32(1)), MaxCount: new(int32(1)), SubnetId: s.id(subnet), SecurityGroupIds: []string{s.ids[group]}}
	if script != "" {
		command += " --user-data file://" + name + ".sh"
		in.UserData = new(base64.StdEncoding.EncodeToString([]byte(script)))
	}
	ask(s, name, command, "RunInstances", func() *ec2.RunInstancesInput { return in }, func(out *ec2.RunInstancesOutput) *string {
		s.ids["ip-"+name] = value(out.Instances[0].PrivateIpAddress)
		return out.Instances[0].InstanceId
	})
}

// zone is ask for Route 53, which is in no Region.
func zone[Out, In any](s *story, name, command, action string, in func() *In, id func(*Out) *string) {
	s.then(name, command, func() (string, error) {
		out, err := client.Call[Out](s.ctx, s.e.aws(), route53.API, action, in())
		switch {
		case err != nil:
			return "", s.e.unreachable(err)
		case id == nil:
			return "", nil
		}
		return value(id(out)), nil
	})
}

// in plays steps in another Region, which their commands name.
func (s *story) in(region string, steps func()) {
	home := s.e
	s.e = home.in(Scope{home.account, region})
	s.away = region
	steps()
	s.e, s.away = home, ""
}
