package imds

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Notary signs identity documents.
type Notary interface {
	PKCS7(document string) (string, error)
	Signature(document string) (string, error)
}

// dynamic is the tree under dynamic. pkcs7 and rsa2048 are the same here: there is
// one key for both.
var dynamic = directory{
	of("fws", always("instance-monitoring", func(s *subject) string {
		if s.instance.Monitoring {
			return "enabled"
		}
		return "disabled"
	})),
	of("instance-identity", always("document", document),
		signed("pkcs7", Notary.PKCS7), signed("rsa2048", Notary.PKCS7), signed("signature", Notary.Signature)),
}

// signed is an entry with a signature of the document; without a notary, or when
// that fails, it is not there.
func signed(name string, sign func(Notary, string) (string, error)) entry {
	return entry{name: name, text: func(s *subject) (string, bool) {
		if s.notary == nil {
			return "", false
		}
		text, err := sign(s.notary, document(s))
		return text, err == nil
	}}
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
