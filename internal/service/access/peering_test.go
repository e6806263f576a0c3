package access

import (
	"testing"

	wireec2 "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// TestPeeringKeys: a policy of the accepter's account sees both VPCs of a request
// whose row is another account's, and its own tags of it.
func TestPeeringKeys(t *testing.T) {
	w := newWorld(t)
	other := state.Scope{Account: "222222222222", Region: "us-east-1"}
	w.write(t, func(tx *state.Tx) {
		state.VpcPeerings.Put(tx, &state.VpcPeering{
			Meta:      state.Meta{Key: other.Key("pcx-1"), Tags: state.Tags{{Key: "team", Value: "blue"}}},
			Requester: state.PeeringSide{Vpc: other.Key("vpc-9")}, Accepter: state.PeeringSide{Vpc: scope.Key("vpc-1")},
			AccepterTags: state.Tags{{Key: "team", Value: "red"}}, Status: state.PeeringPending,
		})
	})
	const action, arn = `"ec2:AcceptVpcPeeringConnection"`, "arn:aws:ec2:eu-west-1:123456789012:vpc-peering-connection/pcx-1"
	for _, test := range []struct {
		name, condition string
		ok              bool
	}{
		{"by id", "", true},
		{"from that VPC", `{"ArnEquals":{"ec2:RequesterVpc":"arn:aws:ec2:us-east-1:222222222222:vpc/vpc-9"}}`, true},
		{"from another VPC", `{"ArnEquals":{"ec2:RequesterVpc":"arn:aws:ec2:us-east-1:222222222222:vpc/vpc-8"}}`, false},
		{"for that VPC", `{"ArnEquals":{"ec2:AccepterVpc":"arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1"}}`, true},
		{"with the own tag", `{"StringEquals":{"aws:ResourceTag/team":"red"}}`, true},
		{"with the other's tag", `{"StringEquals":{"aws:ResourceTag/team":"blue"}}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.bobMay(t, allow(action, arn, test.condition))
			c := bob
			err := w.a.Allow(w.store.Snapshot(), "ec2", "AcceptVpcPeeringConnection", &c, &wireec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: new("pcx-1")})
			if (err == nil) != test.ok {
				t.Errorf("%v", err)
			}
		})
	}
}
