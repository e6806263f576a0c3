package ec2

import (
	"maps"
	"strconv"

	"github.com/localvpc/localvpc/internal/state"
)

var groupFilters = filters[state.SecurityGroup]{
	"description": func(g *state.SecurityGroup) []string { return []string{g.Description} },
	"group-id":    func(g *state.SecurityGroup) []string { return []string{g.ID} },
	"group-name":  func(g *state.SecurityGroup) []string { return []string{g.Name} },
	"owner-id":    func(g *state.SecurityGroup) []string { return []string{g.Account} },
	"vpc-id":      func(g *state.SecurityGroup) []string { return []string{g.VpcID} },
}

// groupLookups are the filters on a group's rules, in both directions.
var groupLookups = func() lookups[state.SecurityGroup] {
	all := permissionFilters("ip-permission.", false)
	maps.Copy(all, permissionFilters("egress.ip-permission.", true))
	return all
}()

func permissionFilters(prefix string, egress bool) lookups[state.SecurityGroup] {
	all := lookups[state.SecurityGroup]{}
	for name, value := range map[string]func(state.Reader, *state.SecurityGroupRule) string{
		"cidr": func(_ state.Reader, rule *state.SecurityGroupRule) string {
			return cidrOf(rule, true)
		},
		"ipv6-cidr": func(_ state.Reader, rule *state.SecurityGroupRule) string {
			return cidrOf(rule, false)
		},
		"from-port": func(_ state.Reader, rule *state.SecurityGroupRule) string { return portText(rule, rule.FromPort) },
		"to-port":   func(_ state.Reader, rule *state.SecurityGroupRule) string { return portText(rule, rule.ToPort) },
		"group-id":  func(_ state.Reader, rule *state.SecurityGroupRule) string { return rule.Peer.GroupID },
		"group-name": func(r state.Reader, rule *state.SecurityGroupRule) string {
			if g, ok := state.SecurityGroups.Get(r, rule.Scope().Key(rule.Peer.GroupID)); ok {
				return g.Name
			}
			return ""
		},
		"prefix-list-id": func(_ state.Reader, rule *state.SecurityGroupRule) string { return rule.Peer.PrefixListID },
		"protocol":       func(_ state.Reader, rule *state.SecurityGroupRule) string { return rule.Protocol },
		"user-id":        func(_ state.Reader, rule *state.SecurityGroupRule) string { return rule.Peer.UserID },
	} {
		all[prefix+name] = func(r state.Reader, g *state.SecurityGroup) []string {
			var out []string
			for rule := range state.SecurityGroupRules.By(r, state.ByGroup, g.ID) {
				if rule.Egress != egress {
					continue
				}
				if v := value(r, rule); v != "" {
					out = append(out, v)
				}
			}
			return out
		}
	}
	return all
}

func cidrOf(rule *state.SecurityGroupRule, v4 bool) string {
	if p := rule.Peer.Cidr; p.IsValid() && p.Addr().Is4() == v4 {
		return p.String()
	}
	return ""
}

func portText(rule *state.SecurityGroupRule, port int32) string {
	if !hasPorts(rule.Protocol) {
		return ""
	}
	return strconv.Itoa(int(port))
}
