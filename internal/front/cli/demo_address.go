package cli

import "github.com/localvpc/localvpc/internal/aws/wire/ec2"

// addresses is session S2: an Elastic IP moves, stays over a stop, and a rule
// shuts out what it let in.
func (s *story) addresses() error {
	const page = "localvpc guest get --wait 20 -m 5 http://{addr-eip}/"
	const once = "localvpc guest get -m 1 http://{addr-eip}/"
	s.say("A VPC with a way to the internet, and a group that takes port 80 from everywhere.")
	s.vpc()
	s.subnet("subnet", "10.0.1.0/24")
	s.public("subnet")
	s.group("web")
	s.allow("web", 80, "0.0.0.0/0")

	s.say("Two web servers. Neither has a public address.")
	s.launch("web1", "subnet", "web", 80)
	s.launch("web2", "subnet", "web", 80)

	s.say("An Elastic IP for the first: the internet sees its page.")
	s.allocate("eip")
	s.associate("eip", "eni-web1")
	s.see(internet, page, 0, "Here is web1.")

	s.say("It moves to the second: the same address, the other page.")
	s.associate("eip", "eni-web2")
	s.see(internet, page, 0, "Here is web2.")

	s.say("Stopped and started, the instance still has it; its server starts at its first boot only, so it is started again.")
	tell[ec2.StopInstancesOutput](s, "aws ec2 stop-instances --instance-ids {web2}", "StopInstances", func() *ec2.StopInstancesInput {
		return &ec2.StopInstancesInput{InstanceIds: []string{s.ids["web2"]}}
	})
	tell[ec2.StartInstancesOutput](s, "aws ec2 start-instances --instance-ids {web2}", "StartInstances", func() *ec2.StartInstancesInput {
		return &ec2.StartInstancesInput{InstanceIds: []string{s.ids["web2"]}}
	})
	s.see("web2", "setsid -f localvpc guest serve --addr :80 --text back", 0, "")
	s.see(internet, page, 0, "back")

	s.say("The rule is revoked: the next connection gets no answer.")
	s.forbid("web", 80, "0.0.0.0/0")
	s.see(internet, once, 28, "")
	s.say("Allowed again, it answers again.")
	s.allow("web", 80, "0.0.0.0/0")
	s.see(internet, page, 0, "back")
	return s.err
}
