package dnsview

import "github.com/localvpc/localvpc/internal/state"

// indifferent are the tables that no answer depends on: neither this package nor one
// that it decides with reads them.
var indifferent = func() map[string]bool {
	all := map[string]bool{}
	for _, t := range []interface{ Name() string }{
		state.ClientTokens, state.CallerReferences, state.DnsChanges, state.DelegationSets, state.QueryLoggingConfigs, state.ServiceQuotas, state.QuotaChanges,
		state.SecurityGroups, state.SecurityGroupRules, state.RouteTables, state.NetworkAcls, state.PrefixLists, state.NatGateways, state.InternetGateways,
		state.Images, state.KeyPairs, state.Volumes,
		state.Users, state.Groups, state.Roles, state.InstanceProfiles, state.ManagedPolicies, state.AccessKeys, state.AccountsSettings,
	} {
		all[t.Name()] = true
	}
	return all
}()

// Version numbers what answers depend on: snapshots with the same one give the same
// answer to the same question at the same vantage point.
func Version(s *state.Snapshot) uint64 { return s.Since(indifferent) }
