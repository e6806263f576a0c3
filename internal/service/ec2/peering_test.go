package ec2

import (
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

// askPeering requests a peering connection with a VPC of another world's scope.
func (w *world) askPeering(vpcID string, of *world, peer string) *api.VpcPeeringConnection {
	w.Helper()
	in := &api.CreateVpcPeeringConnectionInput{VpcId: &vpcID, PeerVpcId: &peer, PeerOwnerId: &of.caller.Account, PeerRegion: &of.caller.Region}
	return call[api.CreateVpcPeeringConnectionOutput](w, "CreateVpcPeeringConnection", in).VpcPeeringConnection
}

// peer makes an active peering connection and gives its id.
func (w *world) peer(vpcID string, of *world, peer string) string {
	w.Helper()
	id := w.askPeering(vpcID, of, peer).VpcPeeringConnectionId
	call[api.AcceptVpcPeeringConnectionOutput](of, "AcceptVpcPeeringConnection", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
	return *id
}

// peering describes one peering connection, which must be there.
func (w *world) peering(id string) api.VpcPeeringConnection {
	w.Helper()
	out := call[api.DescribeVpcPeeringConnectionsOutput](w, "DescribeVpcPeeringConnections", &api.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{id}})
	if len(out.VpcPeeringConnections) != 1 {
		w.Fatalf("%d peering connections %s", len(out.VpcPeeringConnections), id)
	}
	return out.VpcPeeringConnections[0]
}

func (w *world) noPeering(id string) {
	w.Helper()
	w.fails("DescribeVpcPeeringConnections", &api.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{id}},
		"InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID '"+id+"' does not exist")
}

func (w *world) deletePeering(id string) {
	w.Helper()
	call[api.DeleteVpcPeeringConnectionOutput](w, "DeleteVpcPeeringConnection", &api.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &id})
}

// later lets time pass and forgets what is to be forgotten.
func (w *world) later(d time.Duration) {
	w.Helper()
	*w.now = w.now.Add(d)
	w.write(func(tx *state.Tx) { lifecycle.Forget(tx) })
}

func isStatus(t *testing.T, p api.VpcPeeringConnection, code, message string) {
	t.Helper()
	if *p.Status.Code != code || *p.Status.Message != message {
		t.Errorf("status %s %q, want %s %q", *p.Status.Code, *p.Status.Message, code, message)
	}
}

const (
	mine   = "123456789012"
	theirs = "222222222222"
)

// TestPeeringAcrossAccountsAndRegions: a request is seen by both sides, answered
// by the one that was asked, in its Region, and each side has tags of its own.
func TestPeeringAcrossAccountsAndRegions(t *testing.T) {
	w := newWorld(t)
	far := w.as(theirs, "eu-west-1")
	a, b := w.vpc("10.0.0.0/16"), far.vpc("10.1.0.0/16")
	in := &api.CreateVpcPeeringConnectionInput{
		VpcId: &a, PeerVpcId: &b, PeerOwnerId: ptr(theirs), PeerRegion: ptr("eu-west-1"), TagSpecifications: tagSpec("vpc-peering-connection", "Side", "requester"),
	}
	made := call[api.CreateVpcPeeringConnectionOutput](w, "CreateVpcPeeringConnection", in).VpcPeeringConnection
	id := *made.VpcPeeringConnectionId
	isStatus(t, *made, "initiating-request", "Initiating Request to 222222222222")
	if again := call[api.CreateVpcPeeringConnectionOutput](w, "CreateVpcPeeringConnection", in).VpcPeeringConnection; *again.VpcPeeringConnectionId != id {
		t.Errorf("asked twice: %s and %s", id, *again.VpcPeeringConnectionId)
	}
	p := w.peering(id)
	isStatus(t, p, "pending-acceptance", "Pending Acceptance by 222222222222")
	if !p.ExpirationTime.Equal(testTime.Add(7*24*time.Hour)) || p.AccepterVpcInfo.CidrBlock != nil || *p.RequesterVpcInfo.CidrBlock != "10.0.0.0/16" {
		t.Errorf("pending: %+v", p)
	}
	if v := p.AccepterVpcInfo; *v.VpcId != b || *v.OwnerId != theirs || *v.Region != "eu-west-1" || *v.PeeringOptions.AllowDnsResolutionFromRemoteVpc {
		t.Errorf("accepter: %+v", v)
	}
	if seen := far.peering(id); seen.Tags != nil || *seen.Status.Code != "pending-acceptance" {
		t.Errorf("the accepter sees %+v", seen)
	}
	accept := &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}
	w.fails("AcceptVpcPeeringConnection", accept, "OperationNotPermitted", "User 123456789012 cannot accept peering "+id)
	isStatus(t, *call[api.AcceptVpcPeeringConnectionOutput](far, "AcceptVpcPeeringConnection", accept).VpcPeeringConnection, "provisioning", "Provisioning")
	far.fails("AcceptVpcPeeringConnection", accept, "InvalidStateTransition", "Invalid state transition for "+id+", attempted to transition from active to provisioning")
	call[api.CreateTagsOutput](far, "CreateTags", &api.CreateTagsInput{Resources: []string{id}, Tags: tagList("Side", "accepter")})
	for side, of := range map[string]*world{"requester": w, "accepter": far} {
		p := of.peering(id)
		isStatus(t, p, "active", "Active")
		if len(p.Tags) != 1 || *p.Tags[0].Value != side || p.ExpirationTime != nil || *p.AccepterVpcInfo.CidrBlock != "10.1.0.0/16" {
			t.Errorf("%s: %+v", side, p)
		}
		tags := call[api.DescribeTagsOutput](of, "DescribeTags", &api.DescribeTagsInput{Filters: filtersOf("resource-type", "vpc-peering-connection")}).Tags
		if len(tags) != 1 || *tags[0].Value != side || *tags[0].ResourceId != id {
			t.Errorf("tags of the %s: %+v", side, tags)
		}
	}
	w.as(mine, "eu-west-1").noPeering(id)
	w.as(theirs, "us-east-1").noPeering(id)

	far.deletePeering(id)
	isStatus(t, w.peering(id), "deleted", "Deleted by 222222222222")
	w.fails("DeleteVpcPeeringConnection", &api.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}, "InvalidStateTransition", "from deleted to deleting")
	w.later(2*time.Hour - time.Second)
	far.peering(id)
	w.later(time.Second)
	far.noPeering(id)
	if p := w.peering(id); *p.AccepterVpcInfo.CidrBlock != "10.1.0.0/16" || len(p.Tags) != 1 {
		t.Errorf("deleted: %+v", p)
	}
	w.later(46 * time.Hour)
	w.noPeering(id)
	if n := state.VpcPeerings.Len(w.snapshot()); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestPeeringRequests: what AWS refuses at once, and what it makes fail.
func TestPeeringRequests(t *testing.T) {
	w := newWorld(t)
	far, other := w.as(mine, "eu-west-1"), w.as(theirs, "us-east-1")
	a, b := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	same, theirVpc := w.vpc("10.0.128.0/17"), other.vpc("10.9.0.0/16")
	farVpc := far.vpc("10.2.0.0/16")
	call[api.AssociateVpcCidrBlockOutput](far, "AssociateVpcCidrBlock", &api.AssociateVpcCidrBlockInput{VpcId: &farVpc, CidrBlock: ptr("10.1.0.0/24")})
	ghost := "vpc-0123456789abcdef0"
	type input = api.CreateVpcPeeringConnectionInput
	for name, want := range map[string]struct {
		in         input
		code, text string
	}{
		"no peer":          {input{VpcId: &a}, "MissingParameter", "The request must contain the parameter peerVpcId"},
		"bad id":           {input{VpcId: ptr("vpc-zz"), PeerVpcId: &b}, "InvalidVpcID.Malformed", `Invalid id: "vpc-zz"`},
		"bad peer":         {input{VpcId: &a, PeerVpcId: ptr("pcx-1")}, "InvalidVpcID.Malformed", ""},
		"no such VPC":      {input{VpcId: &ghost, PeerVpcId: &b}, "InvalidVpcID.NotFound", "The vpc ID 'vpc-0123456789abcdef0' does not exist"},
		"no such peer":     {input{VpcId: &a, PeerVpcId: &ghost}, "InvalidVpcID.NotFound", "The vpc ID 'vpc-0123456789abcdef0' does not exist"},
		"another Region's": {input{VpcId: &a, PeerVpcId: &farVpc}, "InvalidVpcID.NotFound", farVpc},
		"somebody else's":  {input{VpcId: &theirVpc, PeerVpcId: &b}, "InvalidVpcID.NotFound", theirVpc},
		"itself":           {input{VpcId: &a, PeerVpcId: &a}, "InvalidParameterValue", "A VPC cannot be peered with itself"},
		"no account":       {input{VpcId: &a, PeerVpcId: &b, PeerOwnerId: ptr("me")}, "InvalidParameterValue", "peerOwnerId"},
		"no Region":        {input{VpcId: &a, PeerVpcId: &b, PeerRegion: ptr("us-east-9")}, "InvalidParameterValue", "Invalid region provided"},
		"wrong tags":       {input{VpcId: &a, PeerVpcId: &b, TagSpecifications: tagSpec("vpc", "a", "b")}, "InvalidParameterValue", "'vpc' is not a valid taggable resource type"},
		"dry run":          {input{VpcId: &a, PeerVpcId: &b, DryRun: ptr(true)}, "DryRunOperation", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.in(t).fails("CreateVpcPeeringConnection", &want.in, want.code, want.text)
		})
	}
	const failed = "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
	for name, in := range map[string]input{
		"overlap":            {VpcId: &a, PeerVpcId: &same},
		"secondary overlap":  {VpcId: &b, PeerVpcId: &farVpc, PeerRegion: ptr("eu-west-1")},
		"of another account": {VpcId: &a, PeerVpcId: &b, PeerOwnerId: ptr(theirs)},
		"of another Region":  {VpcId: &a, PeerVpcId: &b, PeerRegion: ptr("eu-west-1")},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			id := *call[api.CreateVpcPeeringConnectionOutput](w, "CreateVpcPeeringConnection", &in).VpcPeeringConnection.VpcPeeringConnectionId
			isStatus(t, w.peering(id), "failed", failed)
			far.in(t).noPeering(id)
			for _, action := range []struct {
				name, to string
				in       any
			}{
				{"DeleteVpcPeeringConnection", "deleting", &api.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}},
				{"AcceptVpcPeeringConnection", "provisioning", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}},
				{"RejectVpcPeeringConnection", "rejected", &api.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}},
			} {
				switch {
				case name != "overlap" && action.to != "deleting": // it is another's to answer
					w.fails(action.name, action.in, "OperationNotPermitted", id)
				default:
					w.fails(action.name, action.in, "InvalidStateTransition", "Invalid state transition for "+id+", attempted to transition from failed to "+action.to)
				}
			}
		})
	}
	w.later(2 * time.Hour)
	if n := state.VpcPeerings.Len(w.snapshot()); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestPeeringAnswers: who may accept, reject and delete a request, and when.
func TestPeeringAnswers(t *testing.T) {
	w := newWorld(t)
	other, far := w.as(theirs, "us-east-1"), w.as(mine, "eu-west-1")
	a, b, c := w.vpc("10.0.0.0/16"), other.vpc("10.1.0.0/16"), far.vpc("10.2.0.0/16")
	ask := func() string { t.Helper(); return *w.askPeering(a, other, b).VpcPeeringConnectionId }
	fails := func(w *world, verb, id, code, text string) {
		t.Helper()
		switch verb {
		case "Accept":
			w.fails("AcceptVpcPeeringConnection", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}, code, text)
		case "Reject":
			w.fails("RejectVpcPeeringConnection", &api.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}, code, text)
		case "Delete":
			w.fails("DeleteVpcPeeringConnection", &api.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}, code, text)
		}
	}
	for _, verb := range []string{"Accept", "Reject", "Delete"} {
		fails(w, verb, "pcx-1", "InvalidVpcPeeringConnectionId.Malformed", `Invalid id: "pcx-1"`)
		fails(w, verb, "pcx-0123456789abcdef0", "InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID 'pcx-0123456789abcdef0' does not exist")
	}

	id := ask()
	fails(w, "Reject", id, "OperationNotPermitted", "User 123456789012 cannot reject peering "+id)
	fails(other, "Delete", id, "OperationNotPermitted", "User 222222222222 cannot delete peering "+id)
	fails(w.as("333333333333", "us-east-1"), "Accept", id, "InvalidVpcPeeringConnectionID.NotFound", id)
	w.deletePeering(id)
	isStatus(t, other.peering(id), "deleted", "Deleted by 123456789012")
	fails(other, "Accept", id, "InvalidStateTransition", "from deleted to provisioning")

	id = ask()
	call[api.RejectVpcPeeringConnectionOutput](other, "RejectVpcPeeringConnection", &api.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: &id})
	isStatus(t, w.peering(id), "rejected", "Rejected by 222222222222")
	fails(other, "Reject", id, "InvalidStateTransition", "from rejected to rejected")
	fails(w, "Delete", id, "InvalidStateTransition", "from rejected to deleting")
	w.later(2 * time.Hour)
	other.noPeering(id)
	w.peering(id)

	id = ask()
	*w.now = w.now.Add(7 * 24 * time.Hour) // nobody has looked yet
	fails(other, "Accept", id, "InvalidStateTransition", "from expired to provisioning")
	w.later(0)
	isStatus(t, other.peering(id), "expired", "Expired")
	fails(other, "Reject", id, "InvalidStateTransition", "from expired to rejected")
	w.later(48 * time.Hour)
	other.noPeering(id)
	w.noPeering(id)

	id = *w.askPeering(a, far, c).VpcPeeringConnectionId
	fails(w, "Accept", id, "OperationNotPermitted", "Incorrect region (us-east-1) specified for this request. VPC peering connection "+id+" must be accepted in region eu-west-1")
	call[api.AcceptVpcPeeringConnectionOutput](far, "AcceptVpcPeeringConnection", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id})
	back := *far.askPeering(c, w, a).VpcPeeringConnectionId
	if back == id {
		t.Error("a request in the other direction is another one")
	}
	fails(w, "Accept", back, "VpcPeeringConnectionAlreadyExists", "The vpc peering connection identified by "+back+" already exists.")
}

// TestPeeringQuotas: active ones of each VPC, requests of an account.
func TestPeeringQuotas(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"active-peerings-per-vpc": 1, "outstanding-peering-requests": 2}})
	a, b, c := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16"), w.vpc("10.2.0.0/16")
	w.peer(a, w, b)
	id := w.askPeering(c, w, a).VpcPeeringConnectionId
	w.fails("AcceptVpcPeeringConnection", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id},
		"ActiveVpcPeeringConnectionPerVpcLimitExceeded", "active VPC peering connections")
	w.askPeering(b, w, c)
	w.fails("CreateVpcPeeringConnection", &api.CreateVpcPeeringConnectionInput{VpcId: &b, PeerVpcId: &a},
		"OutstandingVpcPeeringConnectionLimitExceeded", "outstanding VPC peering connection requests")
}

// TestPeeringOptions: each owner sets its own side, in its own Region.
func TestPeeringOptions(t *testing.T) {
	w := newWorld(t)
	other, far := w.as(theirs, "us-east-1"), w.as(mine, "eu-west-1")
	a, b, c := w.vpc("10.0.0.0/16"), other.vpc("10.1.0.0/16"), far.vpc("10.2.0.0/16")
	on := &api.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: ptr(true)}
	type input = api.ModifyVpcPeeringConnectionOptionsInput
	const modify = "ModifyVpcPeeringConnectionOptions"
	id := *w.askPeering(a, other, b).VpcPeeringConnectionId
	w.fails(modify, &input{VpcPeeringConnectionId: &id, RequesterPeeringConnectionOptions: on}, "OperationNotPermitted",
		"Peering "+id+" is not active. Peering options can be added only to active peerings.")
	call[api.AcceptVpcPeeringConnectionOutput](other, "AcceptVpcPeeringConnection", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id})
	w.fails(modify, &input{VpcPeeringConnectionId: &id}, "MissingParameter", "AccepterPeeringConnectionOptions")
	w.fails(modify, &input{VpcPeeringConnectionId: &id, RequesterPeeringConnectionOptions: on, AccepterPeeringConnectionOptions: on}, "OperationNotPermitted",
		"User 123456789012 does not have permission to modify the accepter side peering options")
	w.fails(modify, &input{VpcPeeringConnectionId: &id, RequesterPeeringConnectionOptions: &api.PeeringConnectionOptionsRequest{AllowEgressFromLocalVpcToRemoteClassicLink: ptr(true)}},
		"UnsupportedOperation", "ClassicLink is retired")
	out := call[api.ModifyVpcPeeringConnectionOptionsOutput](other, modify, &input{VpcPeeringConnectionId: &id, AccepterPeeringConnectionOptions: on})
	if out.RequesterPeeringConnectionOptions != nil || !*out.AccepterPeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc {
		t.Errorf("%+v", out)
	}
	if p := w.peering(id); !*p.AccepterVpcInfo.PeeringOptions.AllowDnsResolutionFromRemoteVpc || *p.RequesterVpcInfo.PeeringOptions.AllowDnsResolutionFromRemoteVpc {
		t.Errorf("%+v", p)
	}
	id = w.peer(a, far, c)
	w.fails(modify, &input{VpcPeeringConnectionId: &id, AccepterPeeringConnectionOptions: on}, "OperationNotPermitted",
		"Accepter's VPC Peering connection options cannot be modified for a different region")
	w.fails(modify, &input{VpcPeeringConnectionId: &id, RequesterPeeringConnectionOptions: &api.PeeringConnectionOptionsRequest{
		AllowDnsResolutionFromRemoteVpc: ptr(true), AllowEgressFromLocalVpcToRemoteClassicLink: ptr(false),
	}}, "OperationNotPermitted", "is not supported for cross-region VPC peering connections")
	call[api.ModifyVpcPeeringConnectionOptionsOutput](far, modify, &input{VpcPeeringConnectionId: &id, AccepterPeeringConnectionOptions: on})
	w.deletePeering(id)
	w.fails(modify, &input{VpcPeeringConnectionId: &id, RequesterPeeringConnectionOptions: on}, "OperationNotPermitted", "is not active")
}

// TestPeeringDescribe: every filter, and pages in the order of ids.
func TestPeeringDescribe(t *testing.T) {
	w := newWorld(t, Config{Quotas: quota.Off()})
	other := w.as(theirs, "us-east-1")
	a, b, c := w.vpc("10.0.0.0/16"), other.vpc("10.1.0.0/16"), w.vpc("10.2.0.0/16")
	pending, active := *w.askPeering(a, other, b).VpcPeeringConnectionId, w.peer(c, w, a)
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{active}, Tags: tagList("Name", "ac")})
	for _, f := range []struct{ name, value, want string }{
		{"accepter-vpc-info.cidr-block", "10.0.0.0/16", active},
		{"accepter-vpc-info.owner-id", theirs, pending},
		{"accepter-vpc-info.vpc-id", b, pending},
		{"requester-vpc-info.cidr-block", "10.0.0.0/16", pending},
		{"requester-vpc-info.owner-id", mine, "both"},
		{"requester-vpc-info.vpc-id", c, active},
		{"expiration-time", "2026-11-27T11:40:00.000Z", pending},
		{"status-code", "active", active},
		{"status-message", "Pending*", pending},
		{"vpc-peering-connection-id", active, active},
		{"tag:Name", "ac", active},
		{"tag-key", "Name", active},
	} {
		out := call[api.DescribeVpcPeeringConnectionsOutput](w, "DescribeVpcPeeringConnections", &api.DescribeVpcPeeringConnectionsInput{Filters: filtersOf(f.name, f.value)})
		got := ids(out.VpcPeeringConnections, func(p api.VpcPeeringConnection) *string { return p.VpcPeeringConnectionId })
		if f.want == "both" && len(got) != 2 || f.want != "both" && (len(got) != 1 || got[0] != f.want) {
			t.Errorf("%s=%s: %v", f.name, f.value, got)
		}
	}
	w.fails("DescribeVpcPeeringConnections", &api.DescribeVpcPeeringConnectionsInput{Filters: filtersOf("vpc-id", a)}, "InvalidParameterValue", "The filter 'vpc-id' is invalid")
	for i := range 8 {
		w.peer(a, w, w.vpc("10."+string(rune('1'+i))+"0.0.0/16"))
	}
	var all []string
	in := &api.DescribeVpcPeeringConnectionsInput{MaxResults: ptr(int32(5))}
	for {
		out := call[api.DescribeVpcPeeringConnectionsOutput](w, "DescribeVpcPeeringConnections", in)
		all = append(all, ids(out.VpcPeeringConnections, func(p api.VpcPeeringConnection) *string { return p.VpcPeeringConnectionId })...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(all) != 10 {
		t.Errorf("%d on all pages", len(all))
	}
}

// TestPeeringAndItsVpc: what becomes of a VPC's peering connections when it is
// deleted or gets another block.
func TestPeeringAndItsVpc(t *testing.T) {
	w := newWorld(t)
	other := w.as(theirs, "us-east-1")
	a, b, c := w.vpc("10.20.0.0/16"), other.vpc("10.21.0.0/16"), w.vpc("10.2.0.0/16")
	add := func(id, block string) *api.AssociateVpcCidrBlockInput {
		return &api.AssociateVpcCidrBlockInput{VpcId: &id, CidrBlock: &block}
	}
	request := *w.askPeering(a, other, b).VpcPeeringConnectionId
	w.fails("AssociateVpcCidrBlock", add(a, "10.8.0.0/16"), "InvalidVpc.Conflict", request)
	call[api.AssociateVpcCidrBlockOutput](other, "AssociateVpcCidrBlock", add(b, "10.7.0.0/16"))
	if s := *other.peering(request).Status.Code; s != "pending-acceptance" {
		t.Error(s)
	}
	call[api.AssociateVpcCidrBlockOutput](other, "AssociateVpcCidrBlock", add(b, "10.20.1.0/24"))
	isStatus(t, w.peering(request), "failed", "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range")

	active := w.peer(a, w, c)
	w.fails("AssociateVpcCidrBlock", add(c, "10.20.0.0/20"), "InvalidVpc.Conflict", active)
	call[api.AssociateVpcCidrBlockOutput](w, "AssociateVpcCidrBlock", add(c, "10.5.0.0/16"))
	if blocks := w.peering(active).AccepterVpcInfo.CidrBlockSet; len(blocks) != 2 || *blocks[1].CidrBlock != "10.5.0.0/16" {
		t.Errorf("blocks %+v", blocks)
	}

	d := other.vpc("10.3.0.0/16")
	theirRequest := *other.askPeering(d, w, c).VpcPeeringConnectionId
	w.fails("DeleteVpc", &api.DeleteVpcInput{VpcId: &c}, "DependencyViolation", "has dependencies and cannot be deleted")
	call[api.RejectVpcPeeringConnectionOutput](w, "RejectVpcPeeringConnection", &api.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: &theirRequest})
	mineToo := *w.askPeering(c, other, d).VpcPeeringConnectionId
	call[api.DeleteVpcOutput](w, "DeleteVpc", &api.DeleteVpcInput{VpcId: &c})
	isStatus(t, w.peering(active), "deleted", "Deleted by 123456789012")
	isStatus(t, other.peering(mineToo), "deleted", "Deleted by 123456789012")
	if blocks := w.peering(active).AccepterVpcInfo.CidrBlockSet; len(blocks) != 2 {
		t.Errorf("blocks of a VPC that is gone: %+v", blocks)
	}
}
