//go:build linux

package nft

import (
	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

var hooks = []string{
	unix.NF_INET_PRE_ROUTING:  "prerouting",
	unix.NF_INET_LOCAL_IN:     "input",
	unix.NF_INET_FORWARD:      "forward",
	unix.NF_INET_LOCAL_OUT:    "output",
	unix.NF_INET_POST_ROUTING: "postrouting",
}

// writeChain adds a message that makes an empty chain.
func writeChain(w *nl.Buf, o plan.Chain) {
	begin(w, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	w.Str(unix.NFTA_CHAIN_TABLE, plan.TableName)
	w.Str(unix.NFTA_CHAIN_NAME, o.Name)
	if o.Hook == nil {
		return
	}
	number := uint32(len(hooks)) // refused by the kernel
	for i, name := range hooks {
		if name == o.Hook.Hook {
			number = uint32(i)
		}
	}
	w.Nest(unix.NFTA_CHAIN_HOOK, func() {
		w.BE32(unix.NFTA_HOOK_HOOKNUM, number)
		w.BE32(unix.NFTA_HOOK_PRIORITY, uint32(int32(o.Hook.Priority)))
	})
	policy := uint32(1) // NF_ACCEPT
	if o.Hook.Policy == "drop" {
		policy = 0
	}
	w.BE32(unix.NFTA_CHAIN_POLICY, policy)
	w.Str(unix.NFTA_CHAIN_TYPE, o.Hook.Type)
}

func parseChain(body []byte, ns plan.Netns) (plan.Chain, bool) {
	o := plan.Chain{Netns: ns}
	table, policy, kind := "", "", ""
	for typ, v := range nl.Attrs(body) {
		switch typ {
		case unix.NFTA_CHAIN_TABLE:
			table = nl.Str(v)
		case unix.NFTA_CHAIN_NAME:
			o.Name = nl.Str(v)
		case unix.NFTA_CHAIN_TYPE:
			kind = nl.Str(v)
		case unix.NFTA_CHAIN_POLICY:
			policy = "accept"
			if nl.BE32(v) == 0 {
				policy = "drop"
			}
		case unix.NFTA_CHAIN_HOOK:
			o.Hook = &plan.Hook{}
			for typ, v := range nl.Attrs(v) {
				switch typ {
				case unix.NFTA_HOOK_HOOKNUM:
					if n := nl.BE32(v); int(n) < len(hooks) {
						o.Hook.Hook = hooks[n]
					}
				case unix.NFTA_HOOK_PRIORITY:
					o.Hook.Priority = int(int32(nl.BE32(v)))
				}
			}
		}
	}
	if o.Hook != nil {
		o.Hook.Policy, o.Hook.Type = policy, kind
	}
	return o, table == plan.TableName
}

// parseRule gives the chain and the fingerprint of a rule.
func parseRule(body []byte) (chain, print string, ok bool) {
	table := ""
	for typ, v := range nl.Attrs(body) {
		switch typ {
		case unix.NFTA_RULE_TABLE:
			table = nl.Str(v)
		case unix.NFTA_RULE_CHAIN:
			chain = nl.Str(v)
		case unix.NFTA_RULE_USERDATA:
			print = find(v, udataPrint)
		}
	}
	return chain, print, table == plan.TableName
}
