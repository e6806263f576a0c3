package imds

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// dynamic is the tree under dynamic. The signatures of the identity document
// (pkcs7, rsa2048, signature) come with the certificate that they need.
var dynamic = directory{
	of("instance-identity", always("document", document)),
}

// document is the instance identity document (EC2 User Guide, "Instance identity
// documents"): JSON with the keys in this order and a space on both sides of
// each colon.
func document(s *subject) string {
	i := s.instance
	members := []struct {
		key   string
		value any
	}{
		{"accountId", i.Account},
		{"architecture", i.Architecture},
		{"availabilityZone", i.AvailabilityZone},
		{"billingProducts", nil},
		{"devpayProductCodes", nil},
		{"marketplaceProductCodes", nil},
		{"imageId", i.ImageID},
		{"instanceId", i.ID},
		{"instanceType", i.InstanceType},
		{"kernelId", nil},
		{"pendingTime", i.LaunchTime.UTC().Format(time.RFC3339)},
		{"privateIp", i.PrivateIP.String()},
		{"ramdiskId", nil},
		{"region", i.Region},
		{"version", "2017-09-30"},
	}
	rows := make([]string, len(members))
	for n, m := range members {
		value, err := json.Marshal(m.value)
		if err != nil {
			panic(fmt.Sprintf("imds: %s of the identity document: %v", m.key, err)) // only texts and null
		}
		rows[n] = fmt.Sprintf("  %q : %s", m.key, value)
	}
	return "{\n" + strings.Join(rows, ",\n") + "\n}"
}
