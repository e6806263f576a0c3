package imds

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// roleSession is how long an instance's credentials last. New ones are there after
// a sixth of it, long before those before them end (EC2 User Guide, "Retrieve
// security credentials from instance metadata": at least five minutes).
const roleSession = 6 * time.Hour

// identityCategory is meta-data/iam, which an instance with a profile has.
func identityCategory(s *subject) directory {
	i := s.instance
	if i.ProfileArn == "" {
		return nil
	}
	role, ok := s.role()
	if !ok {
		return directory{always("info", func(s *subject) string {
			return object("Code", "InstanceProfileNotFound", "Message", "Instance Profile not found or without a role", "LastUpdated", stamp(s.epoch()))
		})}
	}
	return directory{
		always("info", func(s *subject) string {
			return object("Code", "Success", "LastUpdated", stamp(s.epoch()), "InstanceProfileArn", i.ProfileArn, "InstanceProfileId", i.ProfileID)
		}),
		of("security-credentials", always(role.Name, func(s *subject) string { return s.credentials(role) })),
	}
}

// role is that of the instance's profile; false when the profile has none any
// more, or is gone.
func (s *subject) role() (*state.Role, bool) {
	i := s.instance
	name := i.ProfileArn[strings.LastIndexByte(i.ProfileArn, '/')+1:]
	p, ok := state.InstanceProfiles.Get(s.snap, state.NameKey(i.Account, name))
	if !ok || p.UniqueID != i.ProfileID || p.Role == "" {
		return nil, false
	}
	return state.Roles.Get(s.snap, state.Global(i.Account).Key(p.Role))
}

// epoch is when the credentials that are told now were made. Nothing is kept: all
// who ask between two epochs get the same.
func (s *subject) epoch() time.Time {
	return s.now.UTC().Truncate(max((s.life / 6).Truncate(time.Second), time.Second))
}

// credentials are those of the instance's role session, as the SDKs read them.
func (s *subject) credentials(role *state.Role) string {
	i := s.instance
	begin := s.epoch()
	if !s.trusted(role) {
		return object("Code", "AssumeRoleUnauthorizedAccess", "Message", "EC2 cannot assume the role "+role.Name+
			". Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc.",
			"LastUpdated", stamp(begin))
	}
	v := session.Session{
		Account: i.Account, Kind: session.Role, Principal: role.UniqueID, Name: role.Name, Session: i.ID,
		Issued: begin, Expires: begin.Add(s.life),
		Instance: "arn:" + awsid.Partition(i.Region) + ":ec2:" + i.Region + ":" + i.Account + ":instance/" + i.ID,
		VPC:      i.VpcID, Address: i.PrivateIP, Delivery: "1.0",
	}
	if s.token {
		v.Delivery = "2.0"
	}
	v.AccessKey = s.seal.KeyOf(session.Temporary, strings.Join([]string{i.Key.String(), role.UniqueID, stamp(begin), v.Delivery}, " "))
	secret, token := s.seal.Credentials(&v)
	return object("Code", "Success", "LastUpdated", stamp(begin), "Type", "AWS-HMAC", "AccessKeyId", v.AccessKey,
		"SecretAccessKey", secret, "Token", token, "Expiration", stamp(v.Expires))
}

// trusted says whether the role lets EC2 assume it for an instance.
func (s *subject) trusted(role *state.Role) bool {
	p := &authz.Policies{Resource: []authz.Policy{{Name: role.Name, Doc: s.library.Read(role.Trust, authz.Trust)}}}
	q := &authz.Request{Action: "sts:AssumeRole", Resource: role.ARN(), Who: authz.Who{Service: "ec2.amazonaws.com"}}
	q.Context.Add("aws:SourceAccount", role.Account)
	return authz.EvaluateTrust(p, q, role.Account).Outcome == authz.Allowed
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// object is a JSON object of texts with the layout that the service has.
func object(namesAndValues ...string) string {
	var b strings.Builder
	b.WriteString("{")
	for n := 0; n < len(namesAndValues); n += 2 {
		value, err := json.Marshal(namesAndValues[n+1])
		if err != nil {
			panic(fmt.Sprintf("imds: %v", err)) // it is a text
		}
		if n > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  %q : %s", namesAndValues[n], value)
	}
	return b.String() + "\n}"
}
