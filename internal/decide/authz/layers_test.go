package authz

import "testing"

// TestLayers: how the policies of an identity, its boundary, its session and of the
// resource come together in one account (IAM User Guide, "Policy evaluation logic",
// "Permissions boundaries for IAM entities", "Session policies").
func TestLayers(t *testing.T) {
	const (
		denyAll = `{"Effect":"Deny","Action":"*","Resource":"*"}`
		allowS3 = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
		toUser  = `{"Effect":"Allow","Action":"ec2:*","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Resource":"*"}`
		toRole  = `{"Effect":"Allow","Action":"ec2:*","Principal":{"AWS":"arn:aws:iam::111122223333:role/web"},"Resource":"*"}`
		toID    = `{"Effect":"Allow","Action":"ec2:*","Principal":{"AWS":"AROAWEB"},"Resource":"*"}`
		toOne   = `{"Effect":"Allow","Action":"ec2:*","Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/web/i-1"},"Resource":"*"}`
		toTwo   = `{"Effect":"Allow","Action":"ec2:*","Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/web/i-2"},"Resource":"*"}`
		toAll   = `{"Effect":"Allow","Action":"ec2:*","Principal":{"AWS":"111122223333"},"Resource":"*"}`
		notUser = `{"Effect":"Deny","Action":"ec2:*","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Resource":"*"}`
	)
	none := []string(nil)
	of := func(texts ...string) []string { return texts }
	for _, row := range []struct {
		rule, about                           string
		identity, boundary, session, resource []string
		who                                   Who
		want                                  Outcome
		by                                    Layer
	}{
		{"Identity-based policies", "of two that are attached, one allows", of(allowIAM, allowEC2), none, none, none, bob, yes, 0},
		{"Identity-based policies", "a Deny of a group", of(allow, denyRun), none, none, none, bob, never, IdentityLayer},
		{"Identity-based policies", "root needs none", none, none, none, none, root, yes, 0},
		{"Permissions boundaries", "both allow", of(allowEC2), of(allowEC2), none, none, bob, yes, 0},
		{"Permissions boundaries", "what only the boundary allows", of(allowIAM), of(allowEC2), none, none, bob, no, IdentityLayer},
		{"Permissions boundaries", "what only the identity allows", of(allowEC2), of(allowIAM), none, none, bob, no, BoundaryLayer},
		{"Permissions boundaries", "an explicit Deny", of(allow), of(allow + "," + denyRun), none, none, bob, never, BoundaryLayer},
		{"Permissions boundaries", "of a role", of(allowEC2), of(allowS3), none, none, web, no, BoundaryLayer},
		{"Permissions boundaries", "an identity's Deny in spite of the boundary", of(allow, denyRun), of(allow), none, none, bob, never, IdentityLayer},
		{"Permissions boundaries", "a policy of the resource for the user is not limited", none, of(allowS3), none, of(toUser), bob, yes, 0},
		{"Permissions boundaries", "a policy of the resource for the role is limited", none, of(allowS3), none, of(toRole), web, no, BoundaryLayer},
		{"Permissions boundaries", "a policy of the resource for the session is not", none, of(allowS3), none, of(toOne), web, yes, 0},
		{"Permissions boundaries", "its Deny limits that, too", none, of(denyAll), none, of(toUser), bob, never, BoundaryLayer},
		{"Session policies", "both allow", of(allow), none, of(allowEC2), none, web, yes, 0},
		{"Session policies", "what only the session's allows", of(allowS3), none, of(allowEC2), none, web, no, IdentityLayer},
		{"Session policies", "what only the role's allows", of(allowEC2), none, of(allowS3), none, web, no, SessionLayer},
		{"Session policies", "several: one allows", of(allow), none, of(allowS3, allowEC2), none, web, yes, 0},
		{"Session policies", "several: one denies", of(allow), none, of(allow, denyRun), none, web, never, SessionLayer},
		{"Session policies", "with a boundary all three have to allow", of(allow), of(allowEC2), of(allowEC2), none, web, yes, 0},
		{"Session policies", "with a boundary that does not", of(allow), of(allowS3), of(allowEC2), none, web, no, BoundaryLayer},
		{"Session policies", "a policy of the resource for the role is limited", none, none, of(allowS3), of(toRole), web, no, SessionLayer},
		{"Session policies", "a policy of the resource for the role, within", none, none, of(allowEC2), of(toRole), web, yes, 0},
		{"Session policies", "a policy of the resource for the session is not limited", none, none, of(allowS3), of(toOne), web, yes, 0},
		{"Session policies", "an explicit Deny limits that, too", none, none, of(allow, denyRun), of(toOne), web, never, SessionLayer},
		{"Session policies", "a federated user of root has what they allow", none, none, of(allowEC2), none, root, yes, 0},
		{"Session policies", "a federated user of root has nothing else", none, none, of(allowS3), none, root, no, SessionLayer},
		{"Resource-based policies", "for the user, without a policy of its own", none, none, none, of(toUser), bob, yes, 0},
		{"Resource-based policies", "for another user", none, none, none, of(toRole), bob, no, IdentityLayer},
		{"Resource-based policies", "for the role", none, none, none, of(toRole), web, yes, 0},
		{"Resource-based policies", "for the role by its id", none, none, none, of(toID), web, yes, 0},
		{"Resource-based policies", "for this session", none, none, none, of(toOne), web, yes, 0},
		{"Resource-based policies", "for another session", none, none, none, of(toTwo), web, no, IdentityLayer},
		{"Resource-based policies", "for the account: its own policies decide", of(allowEC2), none, none, of(toAll), bob, yes, 0},
		{"Resource-based policies", "for the account: without any", none, none, none, of(toAll), bob, no, IdentityLayer},
		{"Resource-based policies", "an identity's Deny wins", of(denyRun), none, none, of(toUser), bob, never, IdentityLayer},
		{"Resource-based policies", "the resource's Deny wins", of(allow), none, none, of(`{"Effect":"Deny","Action":"ec2:*","Principal":"*","Resource":"*"}`), bob, never, ResourceLayer},
		{"Resource-based policies", "the resource's Deny for root", none, none, none, of(`{"Effect":"Deny","Action":"ec2:*","Principal":"*","Resource":"*"}`), root, never, ResourceLayer},
		{"NotPrincipal", "with Deny, the one who is left out", of(allow), none, none, of(notUser), bob, yes, 0},
		{"NotPrincipal", "with Deny, everybody else", of(allow), none, none, of(notUser), web, never, ResourceLayer},
	} {
		t.Run(row.rule+"/"+row.about, func(t *testing.T) {
			p := &Policies{
				Identity: parsed(t, Identity, row.identity...),
				Boundary: parsed(t, Identity, row.boundary...), HasBoundary: row.boundary != nil,
				Session: parsed(t, Identity, row.session...), HasSession: row.session != nil,
				Resource: parsed(t, Resource, row.resource...),
			}
			d := Evaluate(p, &Request{Action: "ec2:RunInstances", Resource: "arn:aws:ec2:eu-west-1:111122223333:instance/*", Who: row.who})
			if d.Outcome != row.want || d.By != row.by {
				t.Errorf("%+v, want %d by %d", d, row.want, row.by)
			}
			if d.BoundaryAllows == nil != (row.boundary == nil) {
				t.Errorf("what is said of the boundary is %v", d.BoundaryAllows)
			}
		})
	}
}
