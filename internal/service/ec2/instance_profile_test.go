package ec2

import (
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// profile makes an instance profile, with a role or without.
func (w *world) profile(name, role string) string {
	w.Helper()
	row := &state.InstanceProfile{Meta: state.Meta{Key: state.NameKey(w.caller.Account, name)}, Name: name, Path: "/a/", UniqueID: "AIPA" + name, Role: role}
	w.write(func(tx *state.Tx) { state.InstanceProfiles.Put(tx, row) })
	return row.ARN()
}

func TestInstanceProfiles(t *testing.T) {
	l := newLab(t)
	one, two := l.profile("one", "web"), l.profile("two", "web")
	empty := l.profile("empty", "")
	spec := func(name string) *api.IamInstanceProfileSpecification {
		return &api.IamInstanceProfileSpecification{Name: &name}
	}
	l.fails("RunInstances", l.ask(func(r *api.RunInstancesInput) { r.IamInstanceProfile = spec("empty") }), "InvalidParameterValue", `IAM Instance Profile "`+empty+`" has no associated IAM Roles`)
	l.fails("RunInstances", l.ask(func(r *api.RunInstancesInput) {
		r.IamInstanceProfile = &api.IamInstanceProfileSpecification{Arn: ptr("arn:aws:iam::999999999999:instance-profile/a/one")}
	}), "InvalidParameterValue", "Invalid IAM Instance Profile ARN")
	i := l.run(func(r *api.RunInstancesInput) { r.IamInstanceProfile = &api.IamInstanceProfileSpecification{Arn: &one} })
	if *i.IamInstanceProfile.Arn != one || *i.IamInstanceProfile.Id != "AIPAone" {
		t.Errorf("%+v", i.IamInstanceProfile)
	}
	if out := call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{Filters: filtersOf("iam-instance-profile.name", "one")}); len(out.Reservations) != 1 {
		t.Errorf("by name: %d", len(out.Reservations))
	}
	list := func(nameAndValues ...string) []api.IamInstanceProfileAssociation {
		return call[api.DescribeIamInstanceProfileAssociationsOutput](l.world, "DescribeIamInstanceProfileAssociations", &api.DescribeIamInstanceProfileAssociationsInput{Filters: filtersOf(nameAndValues...)}).IamInstanceProfileAssociations
	}
	have := list("instance-id", *i.InstanceId, "state", "associated")
	if len(have) != 1 || *have[0].State != "associated" || *have[0].IamInstanceProfile.Arn != one {
		t.Fatalf("%+v", have)
	}
	l.fails("AssociateIamInstanceProfile", &api.AssociateIamInstanceProfileInput{InstanceId: i.InstanceId, IamInstanceProfile: spec("two")}, "IncorrectState", "There is an existing association for instance "+*i.InstanceId)
	replaced := call[api.ReplaceIamInstanceProfileAssociationOutput](l.world, "ReplaceIamInstanceProfileAssociation", &api.ReplaceIamInstanceProfileAssociationInput{AssociationId: have[0].AssociationId, IamInstanceProfile: spec("TWO")}).IamInstanceProfileAssociation
	if *replaced.IamInstanceProfile.Arn != two || *replaced.AssociationId == *have[0].AssociationId {
		t.Errorf("%+v", replaced)
	}
	l.fails("ReplaceIamInstanceProfileAssociation", &api.ReplaceIamInstanceProfileAssociationInput{AssociationId: have[0].AssociationId, IamInstanceProfile: spec("two")}, "InvalidAssociationID.NotFound", "")
	gone := call[api.DisassociateIamInstanceProfileOutput](l.world, "DisassociateIamInstanceProfile", &api.DisassociateIamInstanceProfileInput{AssociationId: replaced.AssociationId}).IamInstanceProfileAssociation
	if *gone.State != "disassociating" || len(list()) != 0 {
		t.Errorf("%+v, %v", gone, list())
	}
	l.fails("DisassociateIamInstanceProfile", &api.DisassociateIamInstanceProfileInput{AssociationId: replaced.AssociationId}, "InvalidAssociationID.NotFound", "")
	call[api.AssociateIamInstanceProfileOutput](l.world, "AssociateIamInstanceProfile", &api.AssociateIamInstanceProfileInput{InstanceId: i.InstanceId, IamInstanceProfile: spec("one")})
	if have := list(); len(have) != 1 || *have[0].IamInstanceProfile.Arn != one {
		t.Errorf("%+v", have)
	}
}
