package iam

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

const (
	allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	allowEC2 = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {"StringEquals": {"ec2:Region": "eu-west-1"}}},
    {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "arn:aws:ec2:*:*:instance/*"}
  ]
}`
	trustEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	account  = "123456789012"
	arn      = "arn:aws:iam::" + account + ":"
	readOnly = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
)

func TestUsers(t *testing.T) {
	w := newWorld(t)
	u := call[api.CreateUserOutput](w, &api.CreateUserInput{UserName: new("Bob"), Path: new("/dev/"), Tags: []api.Tag{{Key: new("Team"), Value: new("red")}}}).User
	if *u.Arn != arn+"user/dev/Bob" || !strings.HasPrefix(*u.UserId, "AIDA") || len(*u.UserId) != 21 || len(u.Tags) != 1 {
		t.Errorf("%s %s %v", *u.Arn, *u.UserId, u.Tags)
	}
	w.fails(&api.CreateUserInput{UserName: new("bob")}, 409, "EntityAlreadyExists", "User with name bob already exists.")
	w.fails(&api.GetUserInput{UserName: new("eve")}, 404, "NoSuchEntity", "The user with name eve cannot be found.")
	w.fails(&api.CreateUserInput{UserName: new("x"), PermissionsBoundary: new(arn + "policy/none")}, 404, "NoSuchEntity", "does not exist or is not attachable")
	w.fails(&api.CreateUserInput{UserName: new("x"), Tags: []api.Tag{{Key: new("a"), Value: new("1")}, {Key: new("A"), Value: new("2")}}}, 400, "InvalidInput", "Duplicate tag keys")
	w.fails(&api.CreateUserInput{UserName: new("x"), Tags: []api.Tag{{Key: new("aws:x"), Value: new("1")}}}, 400, "InvalidInput", "reserved")
	if root := call[api.GetUserOutput](w, &api.GetUserInput{}).User; *root.Arn != arn+"root" {
		t.Errorf("root is %s", *root.Arn)
	}

	w.ok(&api.TagUserInput{UserName: new("bob"), Tags: []api.Tag{{Key: new("team"), Value: new("blue")}, {Key: new("cost"), Value: new("1")}}},
		&api.UntagUserInput{UserName: new("bob"), TagKeys: []string{"COST"}})
	if tags := call[api.ListUserTagsOutput](w, &api.ListUserTagsInput{UserName: new("bob")}).Tags; len(tags) != 1 || *tags[0].Key != "team" || *tags[0].Value != "blue" {
		t.Errorf("tags %v", tags)
	}

	// A key follows its user to another name.
	k := call[api.CreateAccessKeyOutput](w, &api.CreateAccessKeyInput{UserName: new("bob")}).AccessKey
	if !(session.Seal{1}).Issued(*k.AccessKeyId) || !strings.HasPrefix(*k.AccessKeyId, "AKIA") || len(*k.SecretAccessKey) != 40 || *k.UserName != "Bob" {
		t.Errorf("key %+v", k)
	}
	w.ok(&api.UpdateUserInput{UserName: new("bob"), NewUserName: new("Robert"), NewPath: new("/")})
	if list := call[api.ListAccessKeysOutput](w, &api.ListAccessKeysInput{UserName: new("robert")}).AccessKeyMetadata; len(list) != 1 || *list[0].UserName != "Robert" {
		t.Errorf("keys %v", list)
	}
	w.ok(&api.CreateAccessKeyInput{UserName: new("robert")})
	w.fails(&api.CreateAccessKeyInput{UserName: new("robert")}, 409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	w.ok(&api.UpdateAccessKeyInput{UserName: new("robert"), AccessKeyId: k.AccessKeyId, Status: new("Inactive")})
	w.fails(&api.DeleteAccessKeyInput{UserName: new("robert"), AccessKeyId: new("AKIAIOSFODNN7EXAMPLE")}, 404, "NoSuchEntity", "The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found.")
	if used := call[api.GetAccessKeyLastUsedOutput](w, &api.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId}); *used.UserName != "Robert" || *used.AccessKeyLastUsed.Region != "N/A" {
		t.Errorf("%+v", used)
	}

	// What a user has keeps it from being deleted.
	w.ok(&api.CreateGroupInput{GroupName: new("g")}, &api.AddUserToGroupInput{GroupName: new("g"), UserName: new("robert")}, &api.AddUserToGroupInput{GroupName: new("G"), UserName: new("robert")},
		&api.AttachUserPolicyInput{UserName: new("robert"), PolicyArn: new(readOnly)}, &api.PutUserPolicyInput{UserName: new("robert"), PolicyName: new("p"), PolicyDocument: new(allowAll)},
		&api.CreateLoginProfileInput{UserName: new("robert"), Password: new("Secret-123")})
	w.fails(&api.CreateLoginProfileInput{UserName: new("robert"), Password: new("Secret-123")}, 409, "EntityAlreadyExists", "Login Profile for User Robert already exists.")
	for _, step := range []struct {
		text string
		undo any
	}{
		{"must remove users from group first", &api.RemoveUserFromGroupInput{GroupName: new("g"), UserName: new("robert")}},
		{"must detach all policies first", &api.DetachUserPolicyInput{UserName: new("robert"), PolicyArn: new(readOnly)}},
		{"must delete policies first", &api.DeleteUserPolicyInput{UserName: new("robert"), PolicyName: new("p")}},
		{"must delete access keys first", &api.DeleteAccessKeyInput{UserName: new("robert"), AccessKeyId: k.AccessKeyId}},
		{"must delete access keys first", &api.DeleteAccessKeyInput{AccessKeyId: call[api.ListAccessKeysOutput](w, &api.ListAccessKeysInput{UserName: new("robert")}).AccessKeyMetadata[1].AccessKeyId}},
		{"must delete login profile first", &api.DeleteLoginProfileInput{UserName: new("robert")}},
	} {
		if strings.Contains(step.text, "access keys") {
			if in := step.undo.(*api.DeleteAccessKeyInput); in.UserName == nil && *in.AccessKeyId == *k.AccessKeyId {
				in.AccessKeyId = call[api.ListAccessKeysOutput](w, &api.ListAccessKeysInput{UserName: new("robert")}).AccessKeyMetadata[0].AccessKeyId
			}
		}
		w.fails(&api.DeleteUserInput{UserName: new("robert")}, 409, "DeleteConflict", step.text)
		w.ok(step.undo)
	}
	w.fails(&api.GetLoginProfileInput{UserName: new("robert")}, 404, "NoSuchEntity", "Login Profile for User Robert cannot be found.")
	w.fails(&api.RemoveUserFromGroupInput{GroupName: new("g"), UserName: new("robert")}, 404, "NoSuchEntity", "")
	w.ok(&api.DeleteUserInput{UserName: new("robert")})
	w.fails(&api.DeleteUserInput{UserName: new("robert")}, 404, "NoSuchEntity", "The user with name robert cannot be found.")
}

func TestRolesAndProfiles(t *testing.T) {
	w := newWorld(t)
	w.fails(&api.CreateRoleInput{RoleName: new("web"), AssumeRolePolicyDocument: new("{")}, 400, "MalformedPolicyDocument", "This policy contains invalid Json")
	w.fails(&api.CreateRoleInput{RoleName: new("web"), AssumeRolePolicyDocument: new(allowAll)}, 400, "MalformedPolicyDocument", "AssumeRole policy may only specify STS AssumeRole actions.")
	missing := strings.Replace(trustEC2, `{"Service":"ec2.amazonaws.com"}`, `{"AWS":"`+arn+`user/bob"}`, 1)
	w.fails(&api.CreateRoleInput{RoleName: new("web"), AssumeRolePolicyDocument: &missing}, 400, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/bob"`)
	big := strings.Replace(trustEC2, `"Statement":[`, `"Id":"`+strings.Repeat("x", 2048)+`","Statement":[`, 1)
	w.fails(&api.CreateRoleInput{RoleName: new("web"), AssumeRolePolicyDocument: &big}, 409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
	r := call[api.CreateRoleOutput](w, &api.CreateRoleInput{RoleName: new("web"), AssumeRolePolicyDocument: new(trustEC2), Description: new("d"), MaxSessionDuration: new(int32(7200))}).Role
	if text, err := url.PathUnescape(*r.AssumeRolePolicyDocument); err != nil || text != trustEC2 || strings.Contains(*r.AssumeRolePolicyDocument, "+") || *r.Arn != arn+"role/web" || *r.MaxSessionDuration != 7200 {
		t.Errorf("%+v", r)
	}
	w.fails(&api.CreateRoleInput{RoleName: new("WEB"), AssumeRolePolicyDocument: new(trustEC2)}, 409, "EntityAlreadyExists", "Role with name WEB already exists.")
	w.fails(&api.GetRoleInput{RoleName: new("x")}, 404, "NoSuchEntity", "The role with name x cannot be found.")
	w.ok(&api.CreateUserInput{UserName: new("bob")}, &api.UpdateAssumeRolePolicyInput{RoleName: new("web"), PolicyDocument: &missing},
		&api.UpdateRoleInput{RoleName: new("web"), Description: new("e")}, &api.UpdateRoleDescriptionInput{RoleName: new("web"), Description: new("f")})

	p := call[api.CreateInstanceProfileOutput](w, &api.CreateInstanceProfileInput{InstanceProfileName: new("prof"), Path: new("/a/")}).InstanceProfile
	if *p.Arn != arn+"instance-profile/a/prof" || p.Roles == nil || !strings.HasPrefix(*p.InstanceProfileId, "AIPA") {
		t.Errorf("%+v", p)
	}
	w.fails(&api.CreateInstanceProfileInput{InstanceProfileName: new("PROF")}, 409, "EntityAlreadyExists", "Instance Profile PROF already exists.")
	w.fails(&api.GetInstanceProfileInput{InstanceProfileName: new("x")}, 404, "NoSuchEntity", "Instance Profile x cannot be found.")
	w.fails(&api.AddRoleToInstanceProfileInput{InstanceProfileName: new("prof"), RoleName: new("x")}, 404, "NoSuchEntity", "role with name x")
	w.fails(&api.RemoveRoleFromInstanceProfileInput{InstanceProfileName: new("prof"), RoleName: new("web")}, 404, "NoSuchEntity", "role with name web")
	w.ok(&api.AddRoleToInstanceProfileInput{InstanceProfileName: new("prof"), RoleName: new("web")})
	w.fails(&api.AddRoleToInstanceProfileInput{InstanceProfileName: new("prof"), RoleName: new("web")}, 409, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	if list := call[api.ListInstanceProfilesForRoleOutput](w, &api.ListInstanceProfilesForRoleInput{RoleName: new("web")}).InstanceProfiles; len(list) != 1 || *list[0].Roles[0].RoleName != "web" {
		t.Errorf("%+v", list)
	}
	w.ok(&api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: new(readOnly)}, &api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: new(readOnly)},
		&api.PutRolePolicyInput{RoleName: new("web"), PolicyName: new("b"), PolicyDocument: new(allowAll)}, &api.PutRolePolicyInput{RoleName: new("web"), PolicyName: new("a"), PolicyDocument: new(allowEC2)})
	if names := call[api.ListRolePoliciesOutput](w, &api.ListRolePoliciesInput{RoleName: new("web")}).PolicyNames; strings.Join(names, " ") != "a b" {
		t.Errorf("%v", names)
	}
	if got := call[api.GetRolePolicyOutput](w, &api.GetRolePolicyInput{RoleName: new("web"), PolicyName: new("a")}); *got.PolicyDocument != strings.ReplaceAll(url.QueryEscape(allowEC2), "+", "%20") {
		t.Errorf("%s", *got.PolicyDocument)
	}
	w.fails(&api.GetRolePolicyInput{RoleName: new("web"), PolicyName: new("c")}, 404, "NoSuchEntity", "The role policy with name c cannot be found.")
	if list := call[api.ListAttachedRolePoliciesOutput](w, &api.ListAttachedRolePoliciesInput{RoleName: new("web")}).AttachedPolicies; len(list) != 1 || *list[0].PolicyName != "AmazonEC2ReadOnlyAccess" {
		t.Errorf("%v", list)
	}
	w.fails(&api.DetachRolePolicyInput{RoleName: new("web"), PolicyArn: new("arn:aws:iam::aws:policy/AdministratorAccess")}, 404, "NoSuchEntity", "was not found.")
	w.fails(&api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: new("arn:aws:iam::aws:policy/NoSuchPolicy")}, 404, "NoSuchEntity", "does not exist or is not attachable.")
	w.fails(&api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: new("arn:aws:iam::aws:policy/aws-service-role/AWSElasticLoadBalancingServiceRolePolicy")}, 400, "PolicyNotAttachable", "")
	w.fails(&api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: new("AdministratorAccess-is-none")}, 400, "InvalidInput", "is not valid")
	huge := strings.Replace(allowAll, `"Statement":[`, `"Id":"`+strings.Repeat("x", 10240)+`","Statement":[`, 1)
	w.fails(&api.PutRolePolicyInput{RoleName: new("web"), PolicyName: new("c"), PolicyDocument: &huge}, 409, "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role web")
	w.fails(&api.DeleteRoleInput{RoleName: new("web")}, 409, "DeleteConflict", "must remove roles from instance profile first")
	w.fails(&api.DeleteInstanceProfileInput{InstanceProfileName: new("prof")}, 409, "DeleteConflict", "must remove roles from instance profile first")
	w.ok(&api.RemoveRoleFromInstanceProfileInput{InstanceProfileName: new("prof"), RoleName: new("web")}, &api.DeleteInstanceProfileInput{InstanceProfileName: new("prof")})
	w.fails(&api.DeleteRoleInput{RoleName: new("web")}, 409, "DeleteConflict", "must detach all policies first")
	w.ok(&api.DetachRolePolicyInput{RoleName: new("web"), PolicyArn: new(readOnly)})
	w.fails(&api.DeleteRoleInput{RoleName: new("web")}, 409, "DeleteConflict", "must delete policies first")
	w.ok(&api.DeleteRolePolicyInput{RoleName: new("web"), PolicyName: new("a")}, &api.DeleteRolePolicyInput{RoleName: new("web"), PolicyName: new("b")},
		&api.PutRolePermissionsBoundaryInput{RoleName: new("web"), PermissionsBoundary: new(readOnly)})
	if r := call[api.GetRoleOutput](w, &api.GetRoleInput{RoleName: new("web")}).Role; *r.PermissionsBoundary.PermissionsBoundaryArn != readOnly || *r.Description != "f" {
		t.Errorf("%+v", r)
	}
	w.ok(&api.DeleteRolePermissionsBoundaryInput{RoleName: new("web")}, &api.DeleteRoleInput{RoleName: new("web")})
}

func TestManagedPolicies(t *testing.T) {
	w := newWorld(t)
	p := call[api.CreatePolicyOutput](w, &api.CreatePolicyInput{PolicyName: new("Own"), PolicyDocument: new(allowEC2), Path: new("/x/")}).Policy
	own := arn + "policy/x/Own"
	if *p.Arn != own || *p.DefaultVersionId != "v1" || *p.AttachmentCount != 0 || !*p.IsAttachable {
		t.Errorf("%+v", p)
	}
	w.fails(&api.CreatePolicyInput{PolicyName: new("own"), PolicyDocument: new(allowAll)}, 409, "EntityAlreadyExists", "A policy called own already exists. Duplicate names are not allowed.")
	w.fails(&api.CreatePolicyInput{PolicyName: new("o"), PolicyDocument: new("{\n\"Statement\":[\n{\"Effect\":\"Allow\",\"Action\":\"x\",\"Resource\":\"*\"}]}")}, 400, "MalformedPolicyDocument", "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc. Line 3")
	big := strings.Replace(allowAll, `"Statement":[`, `"Id":"`+strings.Repeat("x", 6144)+`","Statement":[`, 1)
	w.fails(&api.CreatePolicyInput{PolicyName: new("o"), PolicyDocument: &big}, 409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
	blanks := strings.Repeat(" ", 7000) + allowAll
	w.ok(&api.CreatePolicyInput{PolicyName: new("blanks"), PolicyDocument: &blanks})
	w.fails(&api.GetPolicyInput{PolicyArn: new(arn + "policy/Own")}, 404, "NoSuchEntity", "Policy arn:aws:iam::123456789012:policy/Own was not found.")
	w.fails(&api.GetPolicyInput{PolicyArn: new("arn:aws:iam::999999999999:policy/Own")}, 404, "NoSuchEntity", "")

	for n := 2; n <= 5; n++ {
		w.ok(&api.CreatePolicyVersionInput{PolicyArn: &own, PolicyDocument: new(allowAll), SetAsDefault: new(n == 3)})
	}
	w.fails(&api.CreatePolicyVersionInput{PolicyArn: &own, PolicyDocument: new(allowAll)}, 409, "LimitExceeded", "A managed policy can have up to 5 versions.")
	w.fails(&api.DeletePolicyVersionInput{PolicyArn: &own, VersionId: new("v3")}, 409, "DeleteConflict", "Cannot delete the default version of a policy.")
	w.fails(&api.DeletePolicyVersionInput{PolicyArn: &own, VersionId: new("v9")}, 404, "NoSuchEntity", "version v9")
	w.ok(&api.SetDefaultPolicyVersionInput{PolicyArn: &own, VersionId: new("v1")}, &api.DeletePolicyVersionInput{PolicyArn: &own, VersionId: new("v3")}, &api.CreatePolicyVersionInput{PolicyArn: &own, PolicyDocument: new(allowAll)})
	var ids []string
	first := call[api.ListPolicyVersionsOutput](w, &api.ListPolicyVersionsInput{PolicyArn: &own, MaxItems: new(int32(3))})
	second := call[api.ListPolicyVersionsOutput](w, &api.ListPolicyVersionsInput{PolicyArn: &own, Marker: first.Marker})
	for _, v := range append(first.Versions, second.Versions...) {
		ids = append(ids, *v.VersionId)
	}
	if strings.Join(ids, " ") != "v6 v5 v4 v2 v1" || !*first.IsTruncated || *second.IsTruncated {
		t.Errorf("%v", ids)
	}
	if v := call[api.GetPolicyVersionOutput](w, &api.GetPolicyVersionInput{PolicyArn: &own, VersionId: new("v1")}).PolicyVersion; !*v.IsDefaultVersion {
		t.Errorf("%+v", v)
	}
	w.ok(&api.CreateUserInput{UserName: new("bob"), PermissionsBoundary: &own}, &api.CreateGroupInput{GroupName: new("g")}, &api.AttachGroupPolicyInput{GroupName: new("g"), PolicyArn: &own})
	if p := call[api.GetPolicyOutput](w, &api.GetPolicyInput{PolicyArn: &own}).Policy; *p.AttachmentCount != 1 || *p.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("%+v", p)
	}
	if e := call[api.ListEntitiesForPolicyOutput](w, &api.ListEntitiesForPolicyInput{PolicyArn: &own}); len(e.PolicyGroups) != 1 || len(e.PolicyUsers) != 1 || len(e.PolicyRoles) != 0 {
		t.Errorf("%+v", e)
	}
	if e := call[api.ListEntitiesForPolicyOutput](w, &api.ListEntitiesForPolicyInput{PolicyArn: &own, EntityFilter: new("Group")}); len(e.PolicyGroups) != 1 || len(e.PolicyUsers) != 0 {
		t.Errorf("%+v", e)
	}
	w.fails(&api.DeletePolicyInput{PolicyArn: &own}, 409, "DeleteConflict", "Cannot delete a policy attached to entities.")
	w.ok(&api.DetachGroupPolicyInput{GroupName: new("g"), PolicyArn: &own}, &api.DeleteUserPermissionsBoundaryInput{UserName: new("bob")})
	w.fails(&api.DeletePolicyInput{PolicyArn: &own}, 409, "DeleteConflict", "This policy has more than one version.")
	for _, id := range []string{"v2", "v4", "v5", "v6"} {
		w.ok(&api.DeletePolicyVersionInput{PolicyArn: &own, VersionId: &id})
	}
	w.ok(&api.DeletePolicyInput{PolicyArn: &own})

	w.fails(&api.DeletePolicyInput{PolicyArn: new(readOnly)}, 403, "AccessDenied", "")
	if v := call[api.GetPolicyVersionOutput](w, &api.GetPolicyVersionInput{PolicyArn: new(readOnly), VersionId: new("v1")}).PolicyVersion; !strings.Contains(*v.Document, "Describe") {
		t.Errorf("%+v", v)
	}
	if list := call[api.ListPoliciesOutput](w, &api.ListPoliciesInput{Scope: new("Local")}).Policies; len(list) != 1 || *list[0].PolicyName != "blanks" {
		t.Errorf("%v", list)
	}
	if list := call[api.ListPoliciesOutput](w, &api.ListPoliciesInput{PathPrefix: new("/job-function/")}).Policies; len(list) != 2 {
		t.Errorf("%d", len(list))
	}
	for n := range maxAttached {
		name := fmt.Sprint("p", n)
		w.ok(&api.CreatePolicyInput{PolicyName: &name, PolicyDocument: new(allowAll)}, &api.AttachUserPolicyInput{UserName: new("bob"), PolicyArn: new(arn + "policy/" + name)})
	}
	w.fails(&api.AttachUserPolicyInput{UserName: new("bob"), PolicyArn: new(readOnly)}, 409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	for n := range 7 {
		w.ok(&api.CreateUserInput{UserName: new(fmt.Sprint("u", n)), Path: new([]string{"/a/", "/b/"}[n%2])})
	}
	var names []string
	var marker *string
	for range 9 {
		out := call[api.ListUsersOutput](w, &api.ListUsersInput{MaxItems: new(int32(3)), Marker: marker})
		for _, u := range out.Users {
			names = append(names, *u.UserName)
		}
		if marker = out.Marker; marker == nil {
			break
		}
	}
	if strings.Join(names, " ") != "u0 u1 u2 u3 u4 u5 u6" {
		t.Error(names)
	}
	if out := call[api.ListUsersOutput](w, &api.ListUsersInput{PathPrefix: new("/b")}); len(out.Users) != 3 {
		t.Errorf("%d", len(out.Users))
	}
	w.fails(&api.ListUsersInput{Marker: new("%")}, 400, "ValidationError", "Invalid Marker")
	w.ok(&api.CreateRoleInput{RoleName: new("r"), AssumeRolePolicyDocument: new(trustEC2)}, &api.CreateGroupInput{GroupName: new("g")}, &api.AttachRolePolicyInput{RoleName: new("r"), PolicyArn: new(readOnly)}, &api.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: new(allowAll)})
	users, groups, roles, policies := 0, 0, 0, 0
	for range 9 {
		out := call[api.GetAccountAuthorizationDetailsOutput](w, &api.GetAccountAuthorizationDetailsInput{MaxItems: new(int32(4)), Marker: marker})
		users, groups, roles, policies = users+len(out.UserDetailList), groups+len(out.GroupDetailList), roles+len(out.RoleDetailList), policies+len(out.Policies)
		if marker = out.Marker; marker == nil {
			break
		}
	}
	if users != 7 || groups != 1 || roles != 1 || policies != 2 {
		t.Error(users, groups, roles, policies)
	}
	if out := call[api.GetAccountAuthorizationDetailsOutput](w, &api.GetAccountAuthorizationDetailsInput{Filter: []string{"Role"}}); len(out.RoleDetailList) != 1 || len(out.UserDetailList) != 0 {
		t.Errorf("%+v", out)
	}
	if m := call[api.GetAccountSummaryOutput](w, &api.GetAccountSummaryInput{}).SummaryMap; m["Users"] != 7 || m["RolesQuota"] != 1000 {
		t.Errorf("%v", m)
	}
}

func TestAccount(t *testing.T) {
	w := newWorld(t)
	w.ok(&api.CreateAccountAliasInput{AccountAlias: new("acme")})
	if list := call[api.ListAccountAliasesOutput](w, &api.ListAccountAliasesInput{}).AccountAliases; len(list) != 1 || list[0] != "acme" {
		t.Error(list)
	}
	other := *w
	other.caller.Account = "999999999999"
	other.fails(&api.CreateAccountAliasInput{AccountAlias: new("acme")}, 409, "EntityAlreadyExists", "The account alias acme already exists.")
	w.fails(&api.DeleteAccountAliasInput{AccountAlias: new("other")}, 404, "NoSuchEntity", "")
	w.ok(&api.DeleteAccountAliasInput{AccountAlias: new("acme")})
	w.fails(&api.GetAccountPasswordPolicyInput{}, 404, "NoSuchEntity", "The Password Policy with domain name 123456789012 cannot be found.")
	w.ok(&api.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: new(int32(12)), RequireNumbers: new(true)}, &api.CreateUserInput{UserName: new("bob")})
	w.fails(&api.CreateLoginProfileInput{UserName: new("bob"), Password: new("short1")}, 400, "PasswordPolicyViolation", "minimum length of 12")
	w.fails(&api.CreateLoginProfileInput{UserName: new("bob"), Password: new("without-a-digit")}, 400, "PasswordPolicyViolation", "at least one number")
	if p := call[api.GetAccountPasswordPolicyOutput](w, &api.GetAccountPasswordPolicyInput{}).PasswordPolicy; *p.MinimumPasswordLength != 12 || *p.ExpirePasswords {
		t.Errorf("%+v", p)
	}
	w.ok(&api.DeleteAccountPasswordPolicyInput{})
	r := call[api.CreateServiceLinkedRoleOutput](w, &api.CreateServiceLinkedRoleInput{AWSServiceName: new("elasticloadbalancing.amazonaws.com")}).Role
	if *r.Arn != arn+"role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing" {
		t.Error(*r.Arn)
	}
	w.fails(&api.CreateServiceLinkedRoleInput{AWSServiceName: new("elasticloadbalancing.amazonaws.com")}, 400, "InvalidInput", "has been taken in this account")
	w.fails(&api.CreateServiceLinkedRoleInput{AWSServiceName: new("nothing.amazonaws.com")}, 400, "InvalidInput", "")
	w.fails(&api.DeleteRoleInput{RoleName: r.RoleName}, 400, "UnmodifiableEntity", "only modifiable by AWS")
	w.fails(&api.AttachRolePolicyInput{RoleName: r.RoleName, PolicyArn: new(readOnly)}, 400, "UnmodifiableEntity", "")
	// A role that something needs stays.
	balancer := state.Scope{Account: w.caller.Account, Region: "eu-west-1"}.Key("net/front/0123456789abcdef")
	w.write(func(tx *state.Tx) {
		state.LoadBalancers.Put(tx, &state.LoadBalancer{Meta: state.Meta{Key: balancer}, Name: "front", Hash: "0123456789abcdef"})
	})
	task := call[api.DeleteServiceLinkedRoleOutput](w, &api.DeleteServiceLinkedRoleInput{RoleName: r.RoleName}).DeletionTaskId
	if s := call[api.GetServiceLinkedRoleDeletionStatusOutput](w, &api.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}); *s.Status != "FAILED" ||
		!slices.Equal(s.Reason.RoleUsageList[0].Resources, []string{"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/front/0123456789abcdef"}) {
		t.Errorf("%+v", s)
	}
	w.write(func(tx *state.Tx) { state.LoadBalancers.Delete(tx, balancer) })
	task = call[api.DeleteServiceLinkedRoleOutput](w, &api.DeleteServiceLinkedRoleInput{RoleName: r.RoleName}).DeletionTaskId
	if s := call[api.GetServiceLinkedRoleDeletionStatusOutput](w, &api.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}).Status; *s != "SUCCEEDED" {
		t.Error(*s)
	}
	w.fails(&api.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: new("task/x")}, 404, "NoSuchEntity", "")
}

func TestSimulate(t *testing.T) {
	w := newWorld(t)
	w.ok(&api.CreateGroupInput{GroupName: new("g")}, &api.PutGroupPolicyInput{GroupName: new("g"), PolicyName: new("p"), PolicyDocument: new(allowEC2)},
		&api.CreateUserInput{UserName: new("bob")}, &api.AddUserToGroupInput{GroupName: new("g"), UserName: new("bob")})
	region := []api.ContextEntry{{ContextKeyName: new("ec2:Region"), ContextKeyValues: []string{"eu-west-1"}, ContextKeyType: new("string")}}
	decisions := func(results []api.EvaluationResult) string {
		var list []string
		for _, r := range results {
			list = append(list, *r.EvalActionName+" "+*r.EvalDecision)
		}
		return strings.Join(list, ", ")
	}
	out := call[api.SimulatePrincipalPolicyOutput](w, &api.SimulatePrincipalPolicyInput{PolicySourceArn: new(arn + "user/bob"), ActionNames: []string{"ec2:DescribeVpcs", "ec2:RunInstances", "iam:GetUser"},
		ResourceArns: []string{"arn:aws:ec2:eu-west-1:123456789012:instance/i-1"}, ContextEntries: region})
	if have := decisions(out.EvaluationResults); have != "ec2:DescribeVpcs allowed, ec2:RunInstances explicitDeny, iam:GetUser implicitDeny" {
		t.Error(have)
	}
	s := out.EvaluationResults[1].MatchedStatements[0]
	if *s.SourcePolicyId != "group_g_p" || *s.SourcePolicyType != "group" || *s.StartPosition.Line != 5 || *s.StartPosition.Column != 5 {
		t.Errorf("%s %s %d:%d", *s.SourcePolicyId, *s.SourcePolicyType, *s.StartPosition.Line, *s.StartPosition.Column)
	}
	out = call[api.SimulatePrincipalPolicyOutput](w, &api.SimulatePrincipalPolicyInput{PolicySourceArn: new(arn + "user/bob"), ActionNames: []string{"ec2:DescribeVpcs"}})
	if r := out.EvaluationResults[0]; *r.EvalDecision != "implicitDeny" || strings.Join(r.MissingContextValues, " ") != "ec2:Region" || *r.EvalResourceName != "*" {
		t.Errorf("%+v", r)
	}
	custom := call[api.SimulateCustomPolicyOutput](w, &api.SimulateCustomPolicyInput{PolicyInputList: []string{allowAll}, PermissionsBoundaryPolicyInputList: []string{allowEC2}, ActionNames: []string{"ec2:DescribeVpcs", "iam:GetUser"}, ContextEntries: region})
	if have := decisions(custom.EvaluationResults); have != "ec2:DescribeVpcs allowed, iam:GetUser implicitDeny" || *custom.EvaluationResults[1].PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary {
		t.Error(have)
	}
	w.fails(&api.SimulateCustomPolicyInput{PolicyInputList: []string{"{"}, ActionNames: []string{"a:b"}}, 400, "InvalidInput", "PolicyInputList.member.1")
	w.fails(&api.SimulateCustomPolicyInput{PolicyInputList: []string{allowAll}, ActionNames: []string{"b"}}, 400, "InvalidInput", "Invalid Action Name")
	w.fails(&api.SimulatePrincipalPolicyInput{PolicySourceArn: new(arn + "user/none"), ActionNames: []string{"a:b"}}, 404, "NoSuchEntity", "")
	if keys := call[api.GetContextKeysForPrincipalPolicyOutput](w, &api.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: new(arn + "group/g")}).ContextKeyNames; strings.Join(keys, " ") != "ec2:Region" {
		t.Error(keys)
	}
}

func TestGroups(t *testing.T) {
	w := newWorld(t)
	w.ok(&api.CreateGroupInput{GroupName: new("g")}, &api.CreateUserInput{UserName: new("bob")}, &api.AddUserToGroupInput{GroupName: new("g"), UserName: new("bob")})
	w.fails(&api.CreateGroupInput{GroupName: new("G")}, 409, "EntityAlreadyExists", "Group with name G already exists.")
	w.ok(&api.UpdateGroupInput{GroupName: new("g"), NewGroupName: new("ops"), NewPath: new("/o/")})
	if out := call[api.GetGroupOutput](w, &api.GetGroupInput{GroupName: new("ops")}); len(out.Users) != 1 || *out.Group.Arn != arn+"group/o/ops" {
		t.Errorf("%+v", out)
	}
	if out := call[api.ListGroupsForUserOutput](w, &api.ListGroupsForUserInput{UserName: new("bob")}); len(out.Groups) != 1 || *out.Groups[0].GroupName != "ops" {
		t.Errorf("%+v", out)
	}
	w.fails(&api.DeleteGroupInput{GroupName: new("ops")}, 409, "DeleteConflict", "must remove users from group first")
	w.ok(&api.RemoveUserFromGroupInput{GroupName: new("ops"), UserName: new("bob")}, &api.DeleteGroupInput{GroupName: new("ops")})
	for n := range maxGroupsPerUser + 1 {
		name := fmt.Sprint("g", n)
		w.ok(&api.CreateGroupInput{GroupName: &name})
		if n < maxGroupsPerUser {
			w.ok(&api.AddUserToGroupInput{GroupName: &name, UserName: new("bob")})
		} else {
			w.fails(&api.AddUserToGroupInput{GroupName: &name, UserName: new("bob")}, 409, "LimitExceeded", "GroupsPerUser: 10")
		}
	}
	for _, in := range []any{&api.ListMFADevicesInput{UserName: new("bob")}, &api.ListVirtualMFADevicesInput{}, &api.ListSSHPublicKeysInput{UserName: new("bob")}, &api.ListSigningCertificatesInput{UserName: new("bob")},
		&api.ListServiceSpecificCredentialsInput{UserName: new("bob")}, &api.ListServerCertificatesInput{}, &api.ListSAMLProvidersInput{}, &api.ListOpenIDConnectProvidersInput{}} {
		w.ok(in)
	}
}

func TestReports(t *testing.T) {
	w := newWorld(t)
	w.fails(&api.GetCredentialReportInput{}, 410, "ReportNotPresent", "GenerateCredentialReport")
	w.ok(&api.CreateUserInput{UserName: new("bob")}, &api.CreateAccessKeyInput{UserName: new("bob")}, &api.CreateLoginProfileInput{UserName: new("bob"), Password: new("Secret-123")})
	if s := call[api.GenerateCredentialReportOutput](w, &api.GenerateCredentialReportInput{}).State; *s != "STARTED" {
		t.Error(*s)
	}
	if s := call[api.GenerateCredentialReportOutput](w, &api.GenerateCredentialReportInput{}).State; *s != "COMPLETE" {
		t.Error(*s)
	}
	lines := strings.Split(string(call[api.GetCredentialReportOutput](w, &api.GetCredentialReportInput{}).Content), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], "<root_account>,arn:aws:iam::123456789012:root,") ||
		!strings.HasPrefix(lines[2], "bob,arn:aws:iam::123456789012:user/bob,2026-11-20T11:40:00+00:00,true,no_information,2026-11-20T11:40:00+00:00,N/A,false,true,2026-11-20T11:40:00+00:00,N/A,N/A,N/A,false,") {
		t.Errorf("%q", lines)
	}
	for _, line := range lines {
		if strings.Count(line, ",") != strings.Count(lines[0], ",") {
			t.Errorf("%q", line)
		}
	}
	w.ok(&api.CreateGroupInput{GroupName: new("g")}, &api.AddUserToGroupInput{GroupName: new("g"), UserName: new("bob")}, &api.PutGroupPolicyInput{GroupName: new("g"), PolicyName: new("p"), PolicyDocument: new(allowEC2)},
		&api.AttachUserPolicyInput{UserName: new("bob"), PolicyArn: new("arn:aws:iam::aws:policy/PowerUserAccess")})
	list := call[api.ListPoliciesGrantingServiceAccessOutput](w, &api.ListPoliciesGrantingServiceAccessInput{Arn: new(arn + "user/bob"), ServiceNamespaces: []string{"ec2", "organizations", "s3"}}).PoliciesGrantingServiceAccess
	var have []string
	for _, e := range list {
		for _, p := range e.Policies {
			have = append(have, *e.ServiceNamespace+" "+*p.PolicyName)
		}
	}
	if strings.Join(have, ", ") != "ec2 PowerUserAccess, ec2 p, organizations PowerUserAccess, s3 PowerUserAccess" {
		t.Error(have)
	}
}
