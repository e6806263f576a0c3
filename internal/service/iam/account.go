package iam

import (
	"strconv"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// accountDate is when accounts were made, as far as anybody is told.
var accountDate = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func itoa(n int32) string { return strconv.Itoa(int(n)) }

// settings of the caller's account; a copy, to be put.
func settings(r state.Reader, c authz.Caller) state.AccountSettings {
	if a, ok := state.AccountsSettings.Get(r, state.AccountKey(c.Account)); ok {
		return *a
	}
	return state.AccountSettings{Meta: state.Meta{Key: state.AccountKey(c.Account)}}
}

// CreateAccountAlias gives the account its one alias, which no other has.
func (s *Service) CreateAccountAlias(tx *state.Tx, c authz.Caller, in *api.CreateAccountAliasInput) (*api.CreateAccountAliasOutput, error) {
	for other := range state.AccountsSettings.By(tx, state.ByUnique, *in.AccountAlias) {
		if other.Account != c.Account {
			return nil, alreadyExists("The account alias %s already exists.", *in.AccountAlias)
		}
	}
	a := settings(tx, c)
	a.Alias = *in.AccountAlias
	state.AccountsSettings.Put(tx, &a)
	return &api.CreateAccountAliasOutput{}, nil
}

// DeleteAccountAlias takes the alias away.
func (s *Service) DeleteAccountAlias(tx *state.Tx, c authz.Caller, in *api.DeleteAccountAliasInput) (*api.DeleteAccountAliasOutput, error) {
	a := settings(tx, c)
	if a.Alias != *in.AccountAlias {
		return nil, noSuchEntity("The account alias with name %s cannot be found.", *in.AccountAlias)
	}
	a.Alias = ""
	state.AccountsSettings.Put(tx, &a)
	return &api.DeleteAccountAliasOutput{}, nil
}

// ListAccountAliases lists the alias, if there is one.
func (s *Service) ListAccountAliases(r state.Reader, c authz.Caller, _ *api.ListAccountAliasesInput) (*api.ListAccountAliasesOutput, error) {
	out := &api.ListAccountAliasesOutput{AccountAliases: []string{}, IsTruncated: ptr(false)}
	if alias := settings(r, c).Alias; alias != "" {
		out.AccountAliases = append(out.AccountAliases, alias)
	}
	return out, nil
}

// UpdateAccountPasswordPolicy sets the policy as a whole: what is not given has
// its default.
func (s *Service) UpdateAccountPasswordPolicy(tx *state.Tx, c authz.Caller, in *api.UpdateAccountPasswordPolicyInput) (*api.UpdateAccountPasswordPolicyOutput, error) {
	a := settings(tx, c)
	a.Password = &state.PasswordPolicy{
		MinLength: 6, Symbols: val(in.RequireSymbols), Numbers: val(in.RequireNumbers), Upper: val(in.RequireUppercaseCharacters), Lower: val(in.RequireLowercaseCharacters),
		AllowChange: val(in.AllowUsersToChangePassword), HardExpiry: val(in.HardExpiry), MaxAge: val(in.MaxPasswordAge), ReusePrevention: val(in.PasswordReusePrevention),
	}
	if in.MinimumPasswordLength != nil {
		a.Password.MinLength = *in.MinimumPasswordLength
	}
	state.AccountsSettings.Put(tx, &a)
	return &api.UpdateAccountPasswordPolicyOutput{}, nil
}

// GetAccountPasswordPolicy shows the policy.
func (s *Service) GetAccountPasswordPolicy(r state.Reader, c authz.Caller, _ *api.GetAccountPasswordPolicyInput) (*api.GetAccountPasswordPolicyOutput, error) {
	p := settings(r, c).Password
	if p == nil {
		return nil, noSuchEntity("The Password Policy with domain name %s cannot be found.", c.Account)
	}
	w := &api.PasswordPolicy{
		MinimumPasswordLength: ptr(p.MinLength), RequireSymbols: ptr(p.Symbols), RequireNumbers: ptr(p.Numbers), RequireUppercaseCharacters: ptr(p.Upper), RequireLowercaseCharacters: ptr(p.Lower),
		AllowUsersToChangePassword: ptr(p.AllowChange), ExpirePasswords: ptr(p.MaxAge > 0),
	}
	if p.MaxAge > 0 {
		w.MaxPasswordAge, w.HardExpiry = ptr(p.MaxAge), ptr(p.HardExpiry)
	}
	if p.ReusePrevention > 0 {
		w.PasswordReusePrevention = ptr(p.ReusePrevention)
	}
	return &api.GetAccountPasswordPolicyOutput{PasswordPolicy: w}, nil
}

// DeleteAccountPasswordPolicy ends the policy.
func (s *Service) DeleteAccountPasswordPolicy(tx *state.Tx, c authz.Caller, _ *api.DeleteAccountPasswordPolicyInput) (*api.DeleteAccountPasswordPolicyOutput, error) {
	a := settings(tx, c)
	if a.Password == nil {
		return nil, noSuchEntity("The account policy with name PasswordPolicy cannot be found.")
	}
	a.Password = nil
	state.AccountsSettings.Put(tx, &a)
	return &api.DeleteAccountPasswordPolicyOutput{}, nil
}

// GetAccountSummary counts what the account has, and says its quotas.
func (s *Service) GetAccountSummary(r state.Reader, c authz.Caller, _ *api.GetAccountSummaryInput) (*api.GetAccountSummaryOutput, error) {
	global := state.Global(c.Account)
	versions := 0
	for p := range state.ManagedPolicies.In(r, global) {
		versions += len(p.Versions)
	}
	attached := 0
	for _, p := range awspolicy.All() {
		if n, _ := (managed{aws: p}).uses(r, c.Account); n > 0 {
			attached++
		}
	}
	present := 0
	if len(keysOf(r, c.Account, "")) > 0 {
		present = 1
	}
	number := map[string]int{
		"Users": count(state.Users.In(r, global)), "UsersQuota": maxUsers,
		"Groups": count(state.Groups.In(r, global)), "GroupsQuota": maxGroups,
		"Roles": count(state.Roles.In(r, global)), "RolesQuota": maxRoles,
		"InstanceProfiles": count(state.InstanceProfiles.In(r, global)), "InstanceProfilesQuota": maxInstanceProfiles,
		"Policies": count(state.ManagedPolicies.In(r, global)), "PoliciesQuota": maxPolicies,
		"PolicyVersionsInUse": versions + attached, "PolicyVersionsInUseQuota": 10000, "VersionsPerPolicyQuota": maxVersions, "PolicySizeQuota": maxPolicySize,
		"AttachedPoliciesPerUserQuota": maxAttached, "AttachedPoliciesPerGroupQuota": maxAttached, "AttachedPoliciesPerRoleQuota": maxAttached,
		"UserPolicySizeQuota": maxUserInline, "GroupPolicySizeQuota": maxGroupInline, "RolePolicySizeQuota": maxRoleInline, "AssumeRolePolicySizeQuota": maxTrustSize,
		"AccessKeysPerUserQuota": maxAccessKeys, "GroupsPerUserQuota": maxGroupsPerUser, "SigningCertificatesPerUserQuota": 2,
		"AccountAccessKeysPresent": present, "AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0,
		"MFADevices": 0, "MFADevicesInUse": 0, "Providers": 0, "ServerCertificates": 0, "ServerCertificatesQuota": 20, "GlobalEndpointTokenVersion": 1,
	}
	out := &api.GetAccountSummaryOutput{SummaryMap: map[string]int32{}}
	for name, n := range number {
		out.SummaryMap[name] = int32(n)
	}
	return out, nil
}
