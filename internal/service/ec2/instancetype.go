package ec2

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// maxAttachments of volumes to an instance of the Nitro system; shared with its
// interfaces (EC2 User Guide, "Volume limits").
const maxAttachments = 27

// instanceType finds a type that RunInstances and ModifyInstanceAttribute take.
func instanceType(name string) (*catalog.InstanceType, error) {
	if t, ok := catalog.Lookup(name); ok {
		return t, nil
	}
	return nil, awserr.New("InvalidParameterValue", "Invalid value '%s' for InstanceType. localvpc has the types that DescribeInstanceTypes lists.", awserr.Clip(name))
}

// DescribeInstanceTypes lists the types that instances can have.
func (s *Service) DescribeInstanceTypes(r state.Reader, c authz.Caller, in *api.DescribeInstanceTypesInput) (*api.DescribeInstanceTypesOutput, error) {
	pass, err := compile(in.Filters, instanceTypeFilters)
	if err != nil {
		return nil, err
	}
	if len(in.InstanceTypes) > 100 {
		return nil, awserr.New("InvalidParameterValue", "The maximum number of instance types that can be requested is 100")
	}
	var missing []string
	for _, name := range in.InstanceTypes {
		if _, ok := catalog.Lookup(name); !ok {
			missing = append(missing, awserr.Clip(name))
		}
	}
	if len(missing) > 0 {
		return nil, awserr.New("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", strings.Join(missing, ", "))
	}
	rows := func(yield func(*catalog.InstanceType) bool) {
		for i := range catalog.InstanceTypes() {
			t := &catalog.InstanceTypes()[i]
			if (len(in.InstanceTypes) == 0 || slices.Contains(in.InstanceTypes, t.Name)) && pass(r, t) && !yield(t) {
				return
			}
		}
	}
	list, next, err := page(rows, func(t *catalog.InstanceType) string { return t.Name }, paging{
		action: "DescribeInstanceTypes", scope: c.Scope, max: in.MaxResults, token: in.NextToken,
		filters: in.Filters, ids: in.InstanceTypes, set: "instanceTypes",
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceTypesOutput{InstanceTypes: []api.InstanceTypeInfo{}, NextToken: next}
	for _, t := range list {
		out.InstanceTypes = append(out.InstanceTypes, apiInstanceType(t))
	}
	return out, nil
}

func apiInstanceType(t *catalog.InstanceType) api.InstanceTypeInfo {
	info := api.InstanceTypeInfo{
		InstanceType:                 ptr(t.Name),
		CurrentGeneration:            ptr(t.Current),
		FreeTierEligible:             ptr(t.FreeTier),
		SupportedUsageClasses:        []string{api.UsageClassTypeOnDemand},
		SupportedRootDeviceTypes:     []string{api.RootDeviceTypeEbs},
		SupportedVirtualizationTypes: []string{api.VirtualizationTypeHvm},
		BareMetal:                    ptr(false),
		Hypervisor:                   ptr(t.Hypervisor),
		ProcessorInfo: &api.ProcessorInfo{
			SupportedArchitectures:   []string{t.Architecture},
			SustainedClockSpeedInGhz: ptr(t.ClockGHz),
			Manufacturer:             ptr(t.Manufacturer),
		},
		VCpuInfo: &api.VCpuInfo{
			DefaultVCpus: ptr(t.VCPUs), DefaultCores: ptr(t.Cores()), DefaultThreadsPerCore: ptr(t.ThreadsPerCore),
			ValidCores: validCores(t), ValidThreadsPerCore: validThreads(t),
		},
		MemoryInfo:               &api.MemoryInfo{SizeInMiB: ptr(t.MemoryMiB)},
		InstanceStorageSupported: ptr(false),
		EbsInfo: &api.EbsInfo{
			EbsOptimizedSupport: ptr(ebsOptimized(t)), EncryptionSupport: ptr("supported"), NvmeSupport: ptr(onNitro(t, "required")),
			MaximumEbsAttachments: ptr(int32(maxAttachments)), AttachmentLimitType: ptr("shared"),
		},
		NetworkInfo: &api.NetworkInfo{
			NetworkPerformance:       ptr(t.Performance),
			MaximumNetworkInterfaces: ptr(t.Interfaces), MaximumNetworkCards: ptr(int32(1)), DefaultNetworkCardIndex: ptr(int32(0)),
			NetworkCards: []api.NetworkCardInfo{{
				NetworkCardIndex: ptr(int32(0)), NetworkPerformance: ptr(t.Performance), MaximumNetworkInterfaces: ptr(t.Interfaces),
				BaselineBandwidthInGbps: some(t.BaselineGbps), PeakBandwidthInGbps: some(t.PeakGbps),
			}},
			Ipv4AddressesPerInterface: ptr(t.IPv4PerIface), Ipv6AddressesPerInterface: ptr(t.IPv4PerIface),
			Ipv6Supported: ptr(t.Name != "m1.small"), EnaSupport: ptr(onNitro(t, "required")),
			EfaSupported: ptr(false), EncryptionInTransitSupported: ptr(false), EnaSrdSupported: ptr(false),
		},
		PlacementGroupInfo:            &api.PlacementGroupInfo{SupportedStrategies: []string{"partition", "spread"}},
		HibernationSupported:          ptr(false),
		BurstablePerformanceSupported: ptr(t.Burstable),
		DedicatedHostsSupported:       ptr(false),
		AutoRecoverySupported:         ptr(true),
		SupportedBootModes:            []string{"legacy-bios", "uefi"},
		NitroEnclavesSupport:          ptr("unsupported"),
		NitroTpmSupport:               ptr("unsupported"),
		PhcSupport:                    ptr("unsupported"),
		RebootMigrationSupport:        ptr("unsupported"),
		SupportedInRegion:             ptr(true),
	}
	if t.Architecture == "arm64" {
		info.SupportedBootModes = []string{"uefi"}
	}
	if t.EbsMaxMbps > 0 {
		// 8 Mbit/s are 1 MB/s in this table: AWS gives both.
		info.EbsInfo.EbsOptimizedInfo = &api.EbsOptimizedInfo{
			BaselineBandwidthInMbps: ptr(t.EbsBaseMbps), BaselineThroughputInMBps: ptr(float64(t.EbsBaseMbps) / 8), BaselineIops: ptr(t.EbsBaseIops),
			MaximumBandwidthInMbps: ptr(t.EbsMaxMbps), MaximumThroughputInMBps: ptr(float64(t.EbsMaxMbps) / 8), MaximumIops: ptr(t.EbsMaxIops),
		}
	}
	return info
}

func ebsOptimized(t *catalog.InstanceType) string {
	if t.EbsMaxMbps == 0 {
		return "unsupported"
	}
	return "default"
}

func onNitro(t *catalog.InstanceType, yes string) string {
	if t.Nitro() {
		return yes
	}
	return "unsupported"
}

func validCores(t *catalog.InstanceType) []int32 {
	if t.ThreadsPerCore == 1 && t.Architecture == "x86_64" {
		return nil // CPU options cannot be chosen
	}
	var out []int32
	step := int32(1)
	if t.Cores() > 2 {
		step = 2
	}
	for n := step; n <= t.Cores(); n += step {
		out = append(out, n)
	}
	return out
}

func validThreads(t *catalog.InstanceType) []int32 {
	if validCores(t) == nil {
		return nil
	}
	if t.ThreadsPerCore == 2 {
		return []int32{1, 2}
	}
	return []int32{1}
}

func some(f float64) *float64 {
	if f == 0 {
		return nil
	}
	return &f
}

// instanceTypeFilters are those of DescribeInstanceTypes. What no type here has
// is false or unsupported for all.
var instanceTypeFilters = func() filters[catalog.InstanceType] {
	type typ = catalog.InstanceType
	num := func(n int32) []string { return []string{strconv.Itoa(int(n))} }
	f := filters[typ]{
		"instance-type":                             func(t *typ) []string { return one(t.Name) },
		"burstable-performance-supported":           func(t *typ) []string { return yes(t.Burstable) },
		"current-generation":                        func(t *typ) []string { return yes(t.Current) },
		"free-tier-eligible":                        func(t *typ) []string { return yes(t.FreeTier) },
		"hypervisor":                                func(t *typ) []string { return one(t.Hypervisor) },
		"memory-info.size-in-mib":                   func(t *typ) []string { return one(strconv.FormatInt(t.MemoryMiB, 10)) },
		"ebs-info.ebs-optimized-support":            func(t *typ) []string { return one(ebsOptimized(t)) },
		"ebs-info.nvme-support":                     func(t *typ) []string { return one(onNitro(t, "required")) },
		"network-info.ena-support":                  func(t *typ) []string { return one(onNitro(t, "required")) },
		"network-info.network-performance":          func(t *typ) []string { return one(t.Performance) },
		"network-info.ipv4-addresses-per-interface": func(t *typ) []string { return num(t.IPv4PerIface) },
		"network-info.ipv6-addresses-per-interface": func(t *typ) []string { return num(t.IPv4PerIface) },
		"network-info.ipv6-supported":               func(t *typ) []string { return yes(t.Name != "m1.small") },
		"network-info.maximum-network-interfaces":   func(t *typ) []string { return num(t.Interfaces) },
		"processor-info.supported-architecture":     func(t *typ) []string { return one(t.Architecture) },
		"processor-info.sustained-clock-speed-in-ghz": func(t *typ) []string {
			return one(strconv.FormatFloat(t.ClockGHz, 'f', 1, 64))
		},
		"vcpu-info.default-cores":            func(t *typ) []string { return num(t.Cores()) },
		"vcpu-info.default-threads-per-core": func(t *typ) []string { return num(t.ThreadsPerCore) },
		"vcpu-info.default-vcpus":            func(t *typ) []string { return num(t.VCPUs) },
		"vcpu-info.valid-cores":              func(t *typ) []string { return texts(validCores(t)) },
		"vcpu-info.valid-threads-per-core":   func(t *typ) []string { return texts(validThreads(t)) },
		"supported-boot-mode":                func(t *typ) []string { return apiInstanceType(t).SupportedBootModes },
	}
	for _, name := range []string{"bandwidth-in-mbps", "throughput-in-mbps", "iops"} {
		for _, which := range []string{"baseline-", "maximum-"} {
			f["ebs-info.ebs-optimized-info."+which+name] = func(t *typ) []string { return ebsFigure(t, which+name) }
		}
	}
	for name, value := range map[string]string{
		"auto-recovery-supported": "true", "bare-metal": "false", "dedicated-hosts-supported": "false",
		"ebs-info.attachment-limit-type": "shared", "ebs-info.maximum-ebs-attachments": strconv.Itoa(maxAttachments),
		"ebs-info.encryption-support": "supported", "hibernation-supported": "false", "instance-storage-supported": "false",
		"network-info.efa-supported": "false", "network-info.encryption-in-transit-supported": "false",
		"network-info.flexible-ena-queues-support": "unsupported", "network-info.maximum-network-cards": "1",
		"nitro-enclaves-support": "unsupported", "nitro-tpm-support": "unsupported", "reboot-migration-support": "unsupported",
		"supported-root-device-type": "ebs", "supported-usage-class": "on-demand", "supported-virtualization-type": "hvm",
	} {
		f[name] = func(*typ) []string { return []string{value} }
	}
	for _, name := range []string{
		"instance-storage-info.disk.count", "instance-storage-info.disk.size-in-gb", "instance-storage-info.disk.type",
		"instance-storage-info.encryption-support", "instance-storage-info.nvme-support", "instance-storage-info.total-size-in-gb",
		"network-info.bandwidth-weightings", "network-info.efa-info.maximum-efa-interfaces", "nitro-tpm-info.supported-versions",
		"processor-info.supported-features",
	} {
		f[name] = func(*typ) []string { return nil }
	}
	return f
}()

func ebsFigure(t *catalog.InstanceType, name string) []string {
	e := apiInstanceType(t).EbsInfo.EbsOptimizedInfo
	if e == nil {
		return nil
	}
	switch name {
	case "baseline-bandwidth-in-mbps":
		return one(fmt.Sprint(*e.BaselineBandwidthInMbps))
	case "baseline-throughput-in-mbps":
		return one(fmt.Sprint(*e.BaselineThroughputInMBps))
	case "baseline-iops":
		return one(fmt.Sprint(*e.BaselineIops))
	case "maximum-bandwidth-in-mbps":
		return one(fmt.Sprint(*e.MaximumBandwidthInMbps))
	case "maximum-throughput-in-mbps":
		return one(fmt.Sprint(*e.MaximumThroughputInMBps))
	}
	return one(fmt.Sprint(*e.MaximumIops))
}

func texts(list []int32) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = strconv.Itoa(int(n))
	}
	return out
}
