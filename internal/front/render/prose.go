package render

import (
	"fmt"
	"strings"
)

// prose says what a code means for this cause and names the remedy.
func prose(c Cause) string {
	where := ""
	if c.Return {
		where = " on the way back"
	}
	groups := strings.Join(c.Groups, ", ")
	addresses := strings.Join(c.Addresses, ", ")
	switch c.Code {
	case "ENI_SG_RULES_MISMATCH":
		if c.Was != "" {
			return translated(c, groups)
		}
		if c.Return {
			return fmt.Sprintf("%s takes no answer to what did not pass it on its way there: route both ways through the same instances", c.Component)
		}
		return fmt.Sprintf("no %s rule of %s (groups of %s) allows it: add a rule, or make the peer a member of a group that a rule names", c.Direction, groups, c.Interface)
	case "SG_HAS_NO_RULES":
		return fmt.Sprintf("%s (groups of %s) has no %s rules: add one", groups, c.Interface, c.Direction)
	case "SUBNET_ACL_RESTRICTION":
		text := fmt.Sprintf("%s of %s refuses it, %s%s, by entry %s", c.Component, c.Subnet, c.Direction, where, c.Rule)
		if len(c.Ports) > 0 {
			text += "; answers reach the client's ports " + strings.Join(c.Ports, ", ") + " only"
		}
		text += ": add an entry of a lower number that allows it"
		if c.Return {
			text += ", for ACLs know no flows and an answer goes to the client's port"
		}
		return text
	case "NO_ROUTE_TO_DESTINATION":
		switch {
		case c.Peering != "" && c.Rule != "":
			return fmt.Sprintf("the route %s does not lead by the peering connection %s%s: add one that does, to the other VPC's addresses", c.Rule, c.Peering, where)
		case c.Peering != "":
			return fmt.Sprintf("%s has no route to the other VPC's addresses%s: add one to %s", c.Component, where, c.Peering)
		}
		return fmt.Sprintf("%s has no route to the destination%s: add one to a gateway", c.Component, where)
	case "MORE_SPECIFIC_ROUTE":
		if c.Peering == "" {
			return fmt.Sprintf("the route %s leads to another VPC that has the address, too: nothing connects the one that is meant", c.Rule)
		}
		return fmt.Sprintf("the route %s leads to another VPC that has the address, too: add a narrower one to %s", c.Rule, c.Peering)
	case "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR":
		if c.Direction == "egress" {
			return fmt.Sprintf("%s lets nothing pass%s from %s, which is none of %s's addresses: send from one of these", c.Peering, where, addresses, c.Component)
		}
		return fmt.Sprintf("%s does not have %s, and passes nothing on that comes by %s%s: peering is not transitive, and leads to no gateway of the other VPC; peer the two ends directly", c.Component, addresses, c.Peering, where)
	case "NO_POSSIBLE_DESTINATION":
		return fmt.Sprintf("nothing at %s takes it%s (%s): no running instance, gateway or outside host has the address, or it takes only what it has asked for", c.Component, where, c.Packet)
	case "NO_PATH":
		return fmt.Sprintf("routes lead it in a circle%s (last by %s): point one of them elsewhere", where, c.Component)
	case "CANNOT_ROUTE":
		return fmt.Sprintf("%s gets an answer to what it has not sent%s: route both ways through it, or neither", c.Component, where)
	case "PROTOCOL_RESTRICTION":
		return fmt.Sprintf("%s translates TCP, UDP and ICMP only%s: use one of these, or an Elastic IP instead of a NAT gateway", c.Component, where)
	case "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS":
		return fmt.Sprintf("%s has no public address, so %s lets it go nowhere%s: associate an Elastic IP, or route to a NAT gateway", addresses, c.Component, where)
	case "GATEWAY_REJECTS_SPOOFED_TRAFFIC":
		return fmt.Sprintf("%s takes nothing from %s here: that is not the sender's own address: send from its own", c.Component, addresses)
	case "ENI_SOURCE_DEST_CHECK_RESTRICTION":
		return fmt.Sprintf("%s passes on nothing that is not its own%s: switch its source/destination check off (aws ec2 modify-network-interface-attribute --no-source-dest-check)", c.Interface, where)
	case "ENI_ADDRESS_RESTRICTION":
		return fmt.Sprintf("%s has the addresses %s: packets from or to another one are dropped; assign it as a secondary one, or switch the source/destination check off", c.Interface, addresses)
	case "BAD_STATE":
		switch {
		case c.State == "pending-acceptance":
			return fmt.Sprintf("the peering connection %s waits for its acceptance: accept it (aws ec2 accept-vpc-peering-connection)", c.Component)
		case strings.HasPrefix(c.Component, "pcx-"):
			return fmt.Sprintf("the peering connection %s is %s: make it again", c.Component, c.State)
		}
		if c.State == "broken on purpose" {
			return fmt.Sprintf("%s is broken on purpose, so %s carries nothing%s: mend it with 'localvpc fault %s', or everything with 'localvpc fault clear'", c.Component, c.Interface, where, mends(c.Component))
		}
		return fmt.Sprintf("%s is %s: start it, or make it again", c.Component, c.State)
	case "BAD_STATE_ATTACHMENT", "UNASSOCIATED_COMPONENT":
		return fmt.Sprintf("%s is attached to no instance: attach it", c.Component)
	case "BAD_STATE_ROUTE":
		if c.Peering != "" {
			return fmt.Sprintf("the route %s is a blackhole%s: the peering connection %s is %s", c.Rule, where, c.Peering, c.State)
		}
		return fmt.Sprintf("the route %s is a blackhole: its target is gone%s: replace it", c.Rule, where)
	case "ELBV2_LISTENERS_MISMATCH", "ELBV2_LISTENER_HAS_NO_TG", "ELBV2_NO_TARGETS_IN_AZ", "ELBV2_SOURCE_ADDRESS_PRESERVATION", "TARGET_ADDRESS_RESTRICTION":
		return balancer(c, addresses, groups)
	case "DISCONNECTED_VPCS":
		return "source and destination are in VPCs that nothing connects: peer them, use public addresses, or put them into one VPC"
	case "UNSUPPORTED_COMPONENT":
		return fmt.Sprintf("the route %s leads to %s, through which localvpc carries no packets%s: use another target", c.Rule, c.Component, where)
	case "UNKNOWN_RESOURCE":
		return fmt.Sprintf("there is no %s: 'localvpc ls' shows what there is", c.Component)
	case "NO_SOURCE_OR_DESTINATION":
		if addresses != "" {
			return fmt.Sprintf("no interface, or more than one, has %s: give an instance or an interface", addresses)
		}
		return "an end of the way is missing: give an instance or an interface"
	}
	return strings.TrimSpace(c.Component + " " + c.State)
}

// balancer is what a load balancer says.
func balancer(c Cause, addresses, groups string) string {
	zone := c.Zone
	if zone == "" {
		zone = "this zone"
	}
	switch c.Code {
	case "ELBV2_LISTENERS_MISMATCH":
		return fmt.Sprintf("%s has no listener for it, or its node in %s does not serve (%s): ask the port and protocol of a listener, or create one", c.Component, zone, c.Packet)
	case "ELBV2_LISTENER_HAS_NO_TG":
		return fmt.Sprintf("the target group of the listener %s is gone: forward to another one", c.Rule)
	case "ELBV2_NO_TARGETS_IN_AZ":
		return fmt.Sprintf("%s has no target in %s (target group %s): register one there that runs, or switch load_balancing.cross_zone.enabled on", c.Component, zone, groups)
	case "ELBV2_SOURCE_ADDRESS_PRESERVATION":
		return fmt.Sprintf("%s sends it to who has sent it, %s, with its own address as the source, and nobody answers himself: switch preserve_client_ip.enabled off, or ask without the load balancer", c.Component, c.Interface)
	}
	return fmt.Sprintf("nothing at %s takes what %s sends there: register a target that has an interface", addresses, c.Component)
}

// translated is what a group says to a neighbour who comes by the internet gateway.
func translated(c Cause, groups string) string {
	rule := "a rule"
	for _, r := range c.Rules {
		if len(r.Differs) == 1 && r.Differs[0] == "peer" {
			rule = r.Rule
			break
		}
	}
	source, _, _ := strings.Cut(c.Packet, " > ")
	text := fmt.Sprintf("it left by the internet gateway and came back from the public address %s, which no rule of %s (groups of %s) matches; %s would match its private address %s: ",
		source, groups, c.Interface, rule, c.Was)
	if c.Name == "" {
		return text + "connect to the private address"
	}
	return text + fmt.Sprintf("connect by the public DNS name %s, which is the private address inside the VPC (a CNAME record may lead to it)", c.Name)
}

// mends is what takes a fault, by its id, away again.
func mends(id string) string {
	if strings.HasPrefix(id, "instance ") {
		return id + " resume"
	}
	return id + " up"
}
