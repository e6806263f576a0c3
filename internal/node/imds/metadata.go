package imds

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// metaData is the tree under meta-data (EC2 User Guide, "Instance metadata
// categories"), as far as what it tells exists here.
var metaData = directory{
	always("ami-id", func(s *subject) string { return s.instance.ImageID }),
	always("ami-launch-index", func(s *subject) string { return strconv.Itoa(int(s.instance.LaunchIndex)) }),
	fixed("ami-manifest-path", "(unknown)"),
	of("block-device-mapping",
		always("ami", func(s *subject) string { return s.instance.RootDeviceName }),
		always("root", func(s *subject) string { return s.instance.RootDeviceName })),
	of("events",
		of("maintenance", fixed("history", "[]"), fixed("scheduled", "[]"))),
	always("hostname", localHostname),
	{name: "iam", sub: identityCategory},
	fixed("instance-action", "none"),
	always("instance-id", func(s *subject) string { return s.instance.ID }),
	fixed("instance-life-cycle", "on-demand"),
	always("instance-type", func(s *subject) string { return s.instance.InstanceType }),
	always("local-hostname", localHostname),
	always("local-ipv4", func(s *subject) string { return s.instance.PrivateIP.String() }),
	ofPrimary("mac", func(_ *subject, n *state.NetworkInterface) string { return n.MAC }),
	of("metrics", fixed("vhostmd", `<?xml version="1.0" encoding="UTF-8"?>`)),
	of("network", of("interfaces", entry{name: "macs", sub: macs})),
	of("placement",
		always("availability-zone", func(s *subject) string { return s.instance.AvailabilityZone }),
		always("availability-zone-id", func(s *subject) string { return s.instance.AvailZoneID }),
		always("region", func(s *subject) string { return s.instance.Region })),
	fixed("profile", "default-hvm"),
	ofPrimary("public-hostname", publicHostname),
	ofPrimary("public-ipv4", func(_ *subject, n *state.NetworkInterface) string {
		if len(n.Addresses) == 0 || !n.Addresses[0].PublicIP.IsValid() {
			return ""
		}
		return n.Addresses[0].PublicIP.String()
	}),
	{name: "public-keys", sub: publicKeys},
	always("reservation-id", func(s *subject) string { return s.instance.ReservationID }),
	ofPrimary("security-groups", groupNames),
	of("services",
		always("domain", func(s *subject) string { return dnsview.ServicesDomain(s.instance.Region) }),
		always("partition", func(s *subject) string { return awsid.Partition(s.instance.Region) })),
	fixed("system", "nitro"),
	of("tags", entry{name: "instance", sub: tags}),
}

func localHostname(s *subject) string {
	return dnsview.LocalHostname(s.snap, s.instance, s.instance.PrivateIP)
}

// interfaces are those of the instance, by device index.
func (s *subject) interfaces() []*state.NetworkInterface {
	var out []*state.NetworkInterface
	for n := range state.NetworkInterfaces.By(s.snap, state.ByInstance, s.instance.ID) {
		if n.Region == s.instance.Region && n.Attachment.InstanceOwnerID == s.instance.Account {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *state.NetworkInterface) int {
		return cmp.Compare(a.Attachment.DeviceIndex, b.Attachment.DeviceIndex)
	})
	return out
}

// ofPrimary is an entry about the interface with device index 0; it is not there
// when its text is empty.
func ofPrimary(name string, text func(*subject, *state.NetworkInterface) string) entry {
	return entry{name: name, text: func(s *subject) (string, bool) {
		nics := s.interfaces()
		if len(nics) == 0 || nics[0].Attachment.DeviceIndex != 0 {
			return "", false
		}
		t := text(s, nics[0])
		return t, t != ""
	}}
}

// publicKeys has the key pair that the instance was launched with, under number
// 0, while the key pair exists.
func publicKeys(s *subject) directory {
	name := s.instance.KeyName
	if name == "" {
		return nil
	}
	for k := range state.KeyPairs.By(s.snap, state.ByKeyName, state.NameIn(s.instance.Scope(), name)) {
		return directory{{name: "0", listed: "0=" + name, sub: func(*subject) directory {
			return directory{fixed("openssh-key", k.PublicKey+" "+name)}
		}}}
	}
	return nil
}

// tags has the instance's tags, if its options allow it. Keys that could not be
// part of a path are not told; AWS refuses to allow it for instances with such
// keys (EC2 User Guide, "View tags for your EC2 instances using instance
// metadata").
func tags(s *subject) directory {
	if s.instance.Metadata.InstanceTags != "enabled" {
		return nil
	}
	var d directory
	for _, t := range s.instance.Tags {
		if t.Key != "" && !strings.ContainsAny(t.Key, "/\n") {
			d = append(d, fixed(t.Key, t.Value))
		}
	}
	slices.SortFunc(d, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return d
}
