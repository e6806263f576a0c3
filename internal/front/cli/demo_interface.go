package cli

import "github.com/localvpc/localvpc/internal/aws/wire/ec2"

// interfaces is session S5: one instance, two interfaces, two Elastic IPs, two
// firewalls; the second interface moves to another instance with all it has.
func (s *story) interfaces() error {
	const first = "localvpc guest get --wait 20 -m 5 http://{addr-eip-1}/"
	const second = "localvpc guest get --wait 20 -m 5 http://{addr-eip-2}/"
	s.say("A VPC with a way to the internet, and two groups: my-sg-1 takes port 80, my-sg-2 takes nothing.")
	s.vpc()
	s.subnet("subnet", "10.0.1.0/24")
	s.public("subnet")
	s.group("my-sg-1")
	s.group("my-sg-2")
	s.allow("my-sg-1", 80, "0.0.0.0/0")

	s.say("A web server with an Elastic IP on eth0, in my-sg-1.")
	s.launch("web", "subnet", "my-sg-1", 80)
	s.allocate("eip-1")
	s.associate("eip-1", "eni-web")
	s.see(internet, first, 0, "Here is web.")

	s.say("A second interface in my-sg-2, with an Elastic IP of its own, attached while the instance runs.")
	ask(s, "eth1", "aws ec2 create-network-interface --subnet-id {subnet} --groups {my-sg-2}", "CreateNetworkInterface", func() *ec2.CreateNetworkInterfaceInput {
		return &ec2.CreateNetworkInterfaceInput{SubnetId: s.id("subnet"), Groups: []string{s.ids["my-sg-2"]}}
	}, func(out *ec2.CreateNetworkInterfaceOutput) *string { return out.NetworkInterface.NetworkInterfaceId })
	s.allocate("eip-2")
	s.associate("eip-2", "eth1")
	s.attach("web")
	s.see(internet, "localvpc guest get -m 1 http://{addr-eip-2}/", 28, "")

	s.say("my-sg-2 opens port 80: the page answers by the interface that it was asked on.")
	s.allow("my-sg-2", 80, "0.0.0.0/0")
	s.see(internet, second, 0, "Here is web.")

	s.say("Detached and attached to another instance, it takes address, group and Elastic IP along.")
	s.launch("other", "subnet", "my-sg-1", 80)
	tell[ec2.DetachNetworkInterfaceOutput](s, "aws ec2 detach-network-interface --attachment-id {attachment}", "DetachNetworkInterface", func() *ec2.DetachNetworkInterfaceInput {
		return &ec2.DetachNetworkInterfaceInput{AttachmentId: s.id("attachment")}
	})
	s.attach("other")
	s.see(internet, second, 0, "Here is other.")
	s.see(internet, first, 0, "Here is web.")
	return s.err
}

func (s *story) attach(instance string) {
	ask(s, "attachment", "aws ec2 attach-network-interface --network-interface-id {eth1} --instance-id {"+instance+"} --device-index 1", "AttachNetworkInterface", func() *ec2.AttachNetworkInterfaceInput {
		return &ec2.AttachNetworkInterfaceInput{NetworkInterfaceId: s.id("eth1"), InstanceId: s.id(instance), DeviceIndex: new(int32(1))}
	}, func(out *ec2.AttachNetworkInterfaceOutput) *string { return out.AttachmentId })
}
