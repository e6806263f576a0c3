package ec2

import (
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

func TestDescribeInstanceTypes(t *testing.T) {
	w := newWorld(t)
	names := func(in *api.DescribeInstanceTypesInput) []string {
		t.Helper()
		return ids(call[api.DescribeInstanceTypesOutput](w, "DescribeInstanceTypes", in).InstanceTypes, func(i api.InstanceTypeInfo) *string { return i.InstanceType })
	}
	for name, tt := range map[string]struct {
		in   *api.DescribeInstanceTypesInput
		want string
	}{
		"by name":      {&api.DescribeInstanceTypesInput{InstanceTypes: []string{"t3.micro", "m5.large"}}, "m5.large t3.micro"},
		"free tier":    {&api.DescribeInstanceTypesInput{Filters: filtersOf("free-tier-eligible", "true")}, "t2.micro t3.micro"},
		"arm, small":   {&api.DescribeInstanceTypesInput{Filters: filtersOf("processor-info.supported-architecture", "arm64", "memory-info.size-in-mib", "512,1024")}, "t4g.micro t4g.nano"},
		"old":          {&api.DescribeInstanceTypesInput{Filters: filtersOf("current-generation", "false")}, "m1.small"},
		"many ENIs":    {&api.DescribeInstanceTypesInput{Filters: filtersOf("network-info.maximum-network-interfaces", "8", "instance-type", "m5.*")}, "m5.4xlarge"},
		"EBS":          {&api.DescribeInstanceTypesInput{Filters: filtersOf("ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps", "43", "instance-type", "t3.*")}, "t3.nano"},
		"bare metal":   {&api.DescribeInstanceTypesInput{Filters: filtersOf("bare-metal", "true")}, ""},
		"storage":      {&api.DescribeInstanceTypesInput{Filters: filtersOf("instance-storage-info.disk.type", "*")}, ""},
		"by processor": {&api.DescribeInstanceTypesInput{Filters: filtersOf("vcpu-info.default-vcpus", "1", "hypervisor", "xen")}, "m1.small t2.micro t2.nano t2.small"},
	} {
		if got := strings.Join(names(tt.in), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	i := call[api.DescribeInstanceTypesOutput](w, "DescribeInstanceTypes", &api.DescribeInstanceTypesInput{InstanceTypes: []string{"t3.micro"}}).InstanceTypes[0]
	if *i.VCpuInfo.DefaultVCpus != 2 || *i.VCpuInfo.DefaultCores != 1 || *i.MemoryInfo.SizeInMiB != 1024 || !*i.BurstablePerformanceSupported ||
		*i.NetworkInfo.MaximumNetworkInterfaces != 2 || *i.NetworkInfo.Ipv4AddressesPerInterface != 2 || *i.EbsInfo.EbsOptimizedSupport != "default" || i.ProcessorInfo.SupportedArchitectures[0] != "x86_64" {
		t.Errorf("%+v", i)
	}
	var all []string
	in := &api.DescribeInstanceTypesInput{MaxResults: ptr(int32(30))}
	for {
		out := call[api.DescribeInstanceTypesOutput](w, "DescribeInstanceTypes", in)
		for _, i := range out.InstanceTypes {
			all = append(all, *i.InstanceType)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(all, names(&api.DescribeInstanceTypesInput{})) || !slices.IsSorted(all) {
		t.Error("the pages are not the whole list")
	}
	w.fails("DescribeInstanceTypes", &api.DescribeInstanceTypesInput{InstanceTypes: []string{"z9.huge", "t3.micro"}}, "InvalidInstanceType", "The following supplied instance types do not exist: [z9.huge]")
	w.fails("DescribeInstanceTypes", &api.DescribeInstanceTypesInput{InstanceTypes: make([]string, 101)}, "InvalidParameterValue", "100")
	w.fails("DescribeInstanceTypes", &api.DescribeInstanceTypesInput{Filters: filtersOf("colour", "red")}, "InvalidParameterValue", "The filter 'colour' is invalid")
}

func TestDescribeInstanceTypeOfferings(t *testing.T) {
	w := newWorld(t)
	places := func(kind *string, filters ...string) []string {
		t.Helper()
		out := call[api.DescribeInstanceTypeOfferingsOutput](w, "DescribeInstanceTypeOfferings", &api.DescribeInstanceTypeOfferingsInput{LocationType: kind, Filters: filtersOf(filters...)})
		return ids(out.InstanceTypeOfferings, func(o api.InstanceTypeOffering) *string { return o.Location })
	}
	if got := places(nil, "instance-type", "t3.micro"); !slices.Equal(got, []string{"us-east-1"}) {
		t.Errorf("Regions %v", got)
	}
	if got := places(ptr("availability-zone"), "instance-type", "t3.micro", "location", "us-east-1a,us-east-1b"); !slices.Equal(got, []string{"us-east-1a", "us-east-1b"}) {
		t.Errorf("zones %v", got)
	}
	if got := places(ptr("availability-zone-id"), "instance-type", "t3.micro"); len(got) == 0 || !strings.HasPrefix(got[0], "use1-az") {
		t.Errorf("zone ids %v", got)
	}
	if got := places(ptr("outpost")); len(got) != 0 {
		t.Errorf("Outposts %v", got)
	}
	w.fails("DescribeInstanceTypeOfferings", &api.DescribeInstanceTypeOfferingsInput{Filters: filtersOf("x", "y")}, "InvalidParameterValue", "The filter 'x' is invalid")
}
