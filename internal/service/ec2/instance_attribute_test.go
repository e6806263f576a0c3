package ec2

import (
	"reflect"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// attributeValue gives what DescribeInstanceAttribute says of an attribute.
func (w *world) attributeValue(id, name string) any {
	w.Helper()
	out := call[api.DescribeInstanceAttributeOutput](w, "DescribeInstanceAttribute", &api.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: &name})
	v := reflect.ValueOf(out).Elem()
	var got any
	for i := range v.NumField() {
		f := v.Field(i)
		if v.Type().Field(i).Name == "InstanceId" || f.IsNil() {
			continue
		}
		if got != nil {
			w.Errorf("%s: more than one attribute is in the answer", name)
		}
		got = f.Interface()
		switch a := got.(type) {
		case *api.AttributeValue:
			got = val(a.Value)
		case *api.AttributeBooleanValue:
			got = *a.Value
		}
	}
	return got
}

func TestInstanceAttributes(t *testing.T) {
	l := newLab(t)
	id := l.stoppedInstance()
	group := l.sg(l.vpcID, "web")
	type in = *api.ModifyInstanceAttributeInput
	text := func(v string) *api.AttributeValue { return &api.AttributeValue{Value: &v} }
	flag := func(v bool) *api.AttributeBooleanValue { return &api.AttributeBooleanValue{Value: &v} }
	for _, tt := range []struct {
		name   string
		before any
		change func(in)
		after  any
	}{
		{"instanceType", "t3.micro", func(r in) { r.InstanceType = text("m5.large") }, "m5.large"},
		{"instanceType", "m5.large", func(r in) { r.Attribute, r.Value = ptr("instanceType"), ptr("t3.small") }, "t3.small"},
		{"userData", "", func(r in) { r.UserData = &api.SecureBlobAttributeValue{Value: []byte("hello")} }, "aGVsbG8="},
		{"userData", "aGVsbG8=", func(r in) { r.Attribute, r.Value = ptr("userData"), ptr("aGk=") }, "aGk="},
		{"disableApiTermination", false, func(r in) { r.DisableApiTermination = flag(true) }, true},
		{"disableApiTermination", true, func(r in) { r.Attribute, r.Value = ptr("disableApiTermination"), ptr("false") }, false},
		{"disableApiStop", false, func(r in) { r.DisableApiStop = flag(true) }, true},
		{"instanceInitiatedShutdownBehavior", "stop", func(r in) { r.InstanceInitiatedShutdownBehavior = text("terminate") }, "terminate"},
		{"instanceInitiatedShutdownBehavior", "terminate", func(r in) { r.Attribute, r.Value = ptr("instanceInitiatedShutdownBehavior"), ptr("stop") }, "stop"},
		{"ebsOptimized", false, func(r in) { r.EbsOptimized = flag(true) }, true},
		{"ebsOptimized", true, func(r in) { r.Attribute, r.Value = ptr("ebsOptimized"), ptr("false") }, false},
		{"sourceDestCheck", true, func(r in) { r.SourceDestCheck = flag(false) }, false},
		{"sourceDestCheck", false, func(r in) { r.SourceDestCheck = flag(true) }, true},
		{"sourceDestCheck", true, func(r in) { r.Attribute, r.Value = ptr("sourceDestCheck"), ptr("true") }, true},
		{"enaSupport", true, func(r in) { r.Attribute, r.Value = ptr("enaSupport"), ptr("true") }, true},
		{"sriovNetSupport", "simple", func(r in) { r.Attribute, r.Value = ptr("sriovNetSupport"), ptr("simple") }, "simple"},
		{"rootDeviceName", "/dev/xvda", nil, nil},
		{"kernel", "", nil, nil},
		{"ramdisk", "", nil, nil},
		{"productCodes", []api.ProductCode{}, nil, nil},
		{"enclaveOptions", &api.EnclaveOptions{Enabled: ptr(false)}, func(r in) { r.EnclaveOptions = &api.EnclaveOptionsRequest{Enabled: ptr(false)} }, &api.EnclaveOptions{Enabled: ptr(false)}},
	} {
		if got := l.attributeValue(id, tt.name); !reflect.DeepEqual(got, tt.before) {
			t.Errorf("%s is %v, want %v", tt.name, got, tt.before)
		}
		if tt.change == nil {
			continue
		}
		r := &api.ModifyInstanceAttributeInput{InstanceId: &id}
		tt.change(r)
		call[api.ModifyInstanceAttributeOutput](l.world, "ModifyInstanceAttribute", r)
		if got := l.attributeValue(id, tt.name); !reflect.DeepEqual(got, tt.after) {
			t.Errorf("%s became %v, want %v", tt.name, got, tt.after)
		}
	}
	call[api.ModifyInstanceAttributeOutput](l.world, "ModifyInstanceAttribute", &api.ModifyInstanceAttributeInput{InstanceId: &id, Groups: []string{group}})
	if got := l.attributeValue(id, "groupSet").([]api.GroupIdentifier); len(got) != 1 || *got[0].GroupId != group || *got[0].GroupName != "web" {
		t.Errorf("groups %+v", got)
	}
	call[api.ModifyInstanceAttributeOutput](l.world, "ModifyInstanceAttribute", &api.ModifyInstanceAttributeInput{InstanceId: &id,
		BlockDeviceMappings: []api.InstanceBlockDeviceMappingSpecification{{DeviceName: ptr("/dev/xvda"), Ebs: &api.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: ptr(true)}}}})
	if got := l.attributeValue(id, "blockDeviceMapping").([]api.InstanceBlockDeviceMapping); len(got) != 1 || !*got[0].Ebs.DeleteOnTermination {
		t.Errorf("devices %+v", got)
	}
	for _, name := range []string{"sourceDestCheck", "kernel", "ramdisk"} {
		call[api.ResetInstanceAttributeOutput](l.world, "ResetInstanceAttribute", &api.ResetInstanceAttributeInput{InstanceId: &id, Attribute: &name})
	}
}

func TestModifyInstanceAttributeRefuses(t *testing.T) {
	l := newLab(t)
	running := *l.run().InstanceId
	l.started(running)
	resting := l.stoppedInstance()
	second := *l.run(func(in *api.RunInstancesInput) {
		in.SubnetId = nil
		in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{{DeviceIndex: ptr(int32(0)), SubnetId: &l.subnetID}, {DeviceIndex: ptr(int32(1)), SubnetId: &l.subnetID}}
	}).InstanceId
	wide := *l.run(func(in *api.RunInstancesInput) {
		in.SubnetId, in.InstanceType = nil, ptr("t3.small")
		in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{{DeviceIndex: ptr(int32(0)), SubnetId: &l.subnetID, SecondaryPrivateIpAddressCount: ptr(int32(3))}}
	}).InstanceId
	l.started(wide)
	call[api.StopInstancesOutput](l.world, "StopInstances", &api.StopInstancesInput{InstanceIds: []string{wide}})
	l.exited(wide)
	gone := *l.run().InstanceId
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{gone}})
	type in = *api.ModifyInstanceAttributeInput
	text := func(v string) *api.AttributeValue { return &api.AttributeValue{Value: &v} }
	flag := func(v bool) *api.AttributeBooleanValue { return &api.AttributeBooleanValue{Value: &v} }
	old := func(name, value string) func(in) {
		return func(r in) { r.Attribute, r.Value = &name, &value }
	}
	for name, tt := range map[string]struct {
		id         string
		change     func(in)
		code, text string
	}{
		"unknown instance":     {"i-12345678", old("disableApiStop", "true"), "InvalidInstanceID.NotFound", "The instance ID 'i-12345678' does not exist"},
		"shutting down":        {gone, old("disableApiStop", "true"), "IncorrectInstanceState", gone},
		"nothing":              {running, func(in) {}, "InvalidParameterCombination", "No attributes specified."},
		"two":                  {running, func(r in) { r.DisableApiStop, r.DisableApiTermination = flag(true), flag(true) }, "InvalidParameterCombination", "Fields for multiple attribute types specified"},
		"value alone":          {running, func(r in) { r.Value = ptr("x") }, "MissingParameter", "Attribute"},
		"by value":             {running, old("productCodes", "x"), "InvalidParameterValue", "productCodes"},
		"no value":             {running, func(r in) { r.DisableApiStop = &api.AttributeBooleanValue{} }, "MissingParameter", "disableApiStop"},
		"type of a running":    {running, func(r in) { r.InstanceType = text("t3.small") }, "IncorrectInstanceState", "The instance '" + running + "' is not in the 'stopped' state."},
		"unknown type":         {resting, func(r in) { r.InstanceType = text("z9.huge") }, "InvalidParameterValue", "z9.huge"},
		"type of another kind": {resting, func(r in) { r.InstanceType = text("t4g.micro") }, "InvalidParameterValue", "architecture"},
		"type too small":       {wide, func(r in) { r.InstanceType = text("t3.micro") }, "PrivateIpAddressLimitExceeded", "t3.micro"},
		"user data of running": {running, old("userData", "aGk="), "IncorrectInstanceState", running},
		"user data":            {resting, old("userData", "%"), "InvalidParameterValue", "BASE64"},
		"user data too long":   {resting, func(r in) { r.UserData = &api.SecureBlobAttributeValue{Value: make([]byte, 16385)} }, "InvalidParameterValue", "16384"},
		"shutdown behaviour":   {running, old("instanceInitiatedShutdownBehavior", "reboot"), "InvalidParameterValue", "instanceInitiatedShutdownBehavior"},
		"optimize a running":   {running, func(r in) { r.EbsOptimized = flag(true) }, "IncorrectInstanceState", running},
		"two interfaces":       {second, func(r in) { r.SourceDestCheck = flag(true) }, "InvalidInstanceID", "There are multiple interfaces attached to instance '" + second + "'."},
		"groups of two":        {second, old("groupSet", "sg-12345678"), "InvalidInstanceID", "multiple interfaces"},
		"unknown group":        {running, func(r in) { r.Groups = []string{"sg-12345678"} }, "InvalidGroup.NotFound", "sg-12345678"},
		"unknown device": {running, func(r in) {
			r.BlockDeviceMappings = []api.InstanceBlockDeviceMappingSpecification{{DeviceName: ptr("/dev/sdz")}}
		}, "InvalidInstanceAttributeValue", "No device is currently mapped at /dev/sdz"},
		"disk that stays": {running, func(r in) {
			r.BlockDeviceMappings = []api.InstanceBlockDeviceMappingSpecification{{DeviceName: ptr("/dev/xvda"), Ebs: &api.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: ptr(false)}}}
		}, "UnsupportedOperation", "root volume"},
		"kernel":      {resting, old("kernel", "aki-1"), "UnsupportedOperation", "kernel"},
		"without ENA": {resting, old("enaSupport", "false"), "UnsupportedOperation", "enaSupport"},
		"enclaves":    {resting, func(r in) { r.EnclaveOptions = &api.EnclaveOptionsRequest{Enabled: ptr(true)} }, "UnsupportedOperation", "enclaveOptions"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &api.ModifyInstanceAttributeInput{InstanceId: &tt.id}
			tt.change(r)
			l.in(t).fails("ModifyInstanceAttribute", r, tt.code, tt.text)
		})
	}
	l.fails("ResetInstanceAttribute", &api.ResetInstanceAttributeInput{InstanceId: &running, Attribute: ptr("userData")}, "InvalidParameterValue", "userData")
	l.fails("ResetInstanceAttribute", &api.ResetInstanceAttributeInput{InstanceId: &running, Attribute: ptr("kernel")}, "IncorrectInstanceState", running)
	l.fails("ResetInstanceAttribute", &api.ResetInstanceAttributeInput{InstanceId: &second, Attribute: ptr("sourceDestCheck")}, "InvalidInstanceID", second)
	l.fails("DescribeInstanceAttribute", &api.DescribeInstanceAttributeInput{InstanceId: ptr("i-12345678"), Attribute: ptr("kernel")}, "InvalidInstanceID.NotFound", "i-12345678")
}

func TestInstanceOptions(t *testing.T) {
	l := newLab(t)
	id := l.stoppedInstance()
	running := *l.run().InstanceId
	l.started(running)

	meta := call[api.ModifyInstanceMetadataOptionsOutput](l.world, "ModifyInstanceMetadataOptions", &api.ModifyInstanceMetadataOptionsInput{
		InstanceId: &running, HttpTokens: ptr("optional"), HttpEndpoint: ptr("disabled"), HttpPutResponseHopLimit: ptr(int32(5)), InstanceMetadataTags: ptr("enabled")})
	if o := meta.InstanceMetadataOptions; *o.State != "applied" || *o.HttpTokens != "optional" || *o.HttpEndpoint != "disabled" || *o.HttpPutResponseHopLimit != 5 || *o.HttpProtocolIpv6 != "disabled" {
		t.Errorf("%+v", o)
	}
	l.fails("ModifyInstanceMetadataOptions", &api.ModifyInstanceMetadataOptionsInput{InstanceId: &running, HttpPutResponseHopLimit: ptr(int32(0))}, "InvalidParameterValue", "HttpPutResponseHopLimit")

	call[api.ModifyInstanceMetadataDefaultsOutput](l.world, "ModifyInstanceMetadataDefaults", &api.ModifyInstanceMetadataDefaultsInput{HttpTokens: ptr("optional"), HttpPutResponseHopLimit: ptr(int32(7))})
	if o := l.run().MetadataOptions; *o.HttpTokens != "optional" || *o.HttpPutResponseHopLimit != 7 {
		t.Errorf("with the account's defaults: %+v", o)
	}
	call[api.ModifyInstanceMetadataDefaultsOutput](l.world, "ModifyInstanceMetadataDefaults", &api.ModifyInstanceMetadataDefaultsInput{HttpTokens: ptr("no-preference"), HttpPutResponseHopLimit: ptr(int32(-1))})
	if o := call[api.GetInstanceMetadataDefaultsOutput](l.world, "GetInstanceMetadataDefaults", &api.GetInstanceMetadataDefaultsInput{}).AccountLevel; o.HttpTokens != nil || o.HttpPutResponseHopLimit != nil {
		t.Errorf("without preference: %+v", o)
	}
	l.fails("ModifyInstanceMetadataDefaults", &api.ModifyInstanceMetadataDefaultsInput{HttpPutResponseHopLimit: ptr(int32(99))}, "InvalidParameterValue", "99")
	l.fails("ModifyInstanceMetadataDefaults", &api.ModifyInstanceMetadataDefaultsInput{HttpTokensEnforced: ptr("enabled")}, "UnsupportedOperation", "HttpTokens")

	call[api.ModifyPrivateDnsNameOptionsOutput](l.world, "ModifyPrivateDnsNameOptions", &api.ModifyPrivateDnsNameOptionsInput{InstanceId: &id, PrivateDnsHostnameType: ptr("resource-name"), EnableResourceNameDnsARecord: ptr(true)})
	if i := l.describe(id); *i.PrivateDnsName != id+".ec2.internal" || !*i.PrivateDnsNameOptions.EnableResourceNameDnsARecord {
		t.Errorf("%s %+v", *i.PrivateDnsName, i.PrivateDnsNameOptions)
	}
	l.fails("ModifyPrivateDnsNameOptions", &api.ModifyPrivateDnsNameOptionsInput{InstanceId: &running, PrivateDnsHostnameType: ptr("resource-name")}, "IncorrectInstanceState", running)
	l.fails("ModifyPrivateDnsNameOptions", &api.ModifyPrivateDnsNameOptionsInput{InstanceId: &running, EnableResourceNameDnsAAAARecord: ptr(true)}, "UnsupportedOperation", "AAAA")

	call[api.ModifyInstancePlacementOutput](l.world, "ModifyInstancePlacement", &api.ModifyInstancePlacementInput{InstanceId: &id, Tenancy: ptr("dedicated")})
	call[api.ModifyInstanceMaintenanceOptionsOutput](l.world, "ModifyInstanceMaintenanceOptions", &api.ModifyInstanceMaintenanceOptionsInput{InstanceId: &id, AutoRecovery: ptr("disabled")})
	call[api.ModifyInstanceCpuOptionsOutput](l.world, "ModifyInstanceCpuOptions", &api.ModifyInstanceCpuOptionsInput{InstanceId: &id, CoreCount: ptr(int32(1)), ThreadsPerCore: ptr(int32(1))})
	if i := l.describe(id); *i.Placement.Tenancy != "dedicated" || *i.MaintenanceOptions.AutoRecovery != "disabled" || *i.CpuOptions.ThreadsPerCore != 1 {
		t.Errorf("%+v %+v %+v", i.Placement, i.MaintenanceOptions, i.CpuOptions)
	}
	l.fails("ModifyInstancePlacement", &api.ModifyInstancePlacementInput{InstanceId: &id}, "InvalidParameterCombination", "No attributes")
	l.fails("ModifyInstancePlacement", &api.ModifyInstancePlacementInput{InstanceId: &id, GroupName: ptr("pg")}, "InvalidPlacementGroup.Unknown", "pg")
	l.fails("ModifyInstancePlacement", &api.ModifyInstancePlacementInput{InstanceId: &id, Affinity: ptr("host")}, "UnsupportedOperation", "Dedicated Hosts")
	l.fails("ModifyInstancePlacement", &api.ModifyInstancePlacementInput{InstanceId: &running, Tenancy: ptr("dedicated")}, "IncorrectInstanceState", running)
	l.fails("ModifyInstanceMaintenanceOptions", &api.ModifyInstanceMaintenanceOptionsInput{InstanceId: &id, RebootMigration: ptr("disabled")}, "UnsupportedOperation", "t3.micro")
	l.fails("ModifyInstanceCpuOptions", &api.ModifyInstanceCpuOptionsInput{InstanceId: &running, CoreCount: ptr(int32(1))}, "IncorrectInstanceState", running)
	l.fails("ModifyInstanceCpuOptions", &api.ModifyInstanceCpuOptionsInput{InstanceId: &id}, "InvalidParameterCombination", "No attributes")
	l.fails("ModifyInstanceCpuOptions", &api.ModifyInstanceCpuOptionsInput{InstanceId: &id, NestedVirtualization: ptr("enabled")}, "UnsupportedOperation", "Nested")

	fixedType := *l.run(func(in *api.RunInstancesInput) { in.InstanceType = ptr("m5.large") }).InstanceId
	credit := call[api.ModifyInstanceCreditSpecificationOutput](l.world, "ModifyInstanceCreditSpecification", &api.ModifyInstanceCreditSpecificationInput{
		InstanceCreditSpecifications: []api.InstanceCreditSpecificationRequest{
			{InstanceId: &id, CpuCredits: ptr("standard")}, {InstanceId: &fixedType, CpuCredits: ptr("standard")}, {InstanceId: ptr("i-12345678"), CpuCredits: ptr("standard")}, {InstanceId: ptr("x"), CpuCredits: ptr("standard")},
		}})
	if len(credit.SuccessfulInstanceCreditSpecifications) != 1 || len(credit.UnsuccessfulInstanceCreditSpecifications) != 3 || *credit.UnsuccessfulInstanceCreditSpecifications[0].Error.Code != "InstanceCreditSpecification.NotSupported" {
		t.Errorf("%+v", credit)
	}
	specs := call[api.DescribeInstanceCreditSpecificationsOutput](l.world, "DescribeInstanceCreditSpecifications", &api.DescribeInstanceCreditSpecificationsInput{InstanceIds: []string{id}})
	if len(specs.InstanceCreditSpecifications) != 1 || *specs.InstanceCreditSpecifications[0].CpuCredits != "standard" {
		t.Errorf("%+v", specs)
	}
	unlimited := call[api.DescribeInstanceCreditSpecificationsOutput](l.world, "DescribeInstanceCreditSpecifications", &api.DescribeInstanceCreditSpecificationsInput{})
	if n := len(unlimited.InstanceCreditSpecifications); n != 2 {
		t.Errorf("%d instances are unlimited, want 2", n)
	}
	l.fails("DescribeInstanceCreditSpecifications", &api.DescribeInstanceCreditSpecificationsInput{InstanceIds: []string{fixedType}}, "InvalidParameterValue", fixedType)
	l.fails("ModifyInstanceCreditSpecification", &api.ModifyInstanceCreditSpecificationInput{InstanceCreditSpecifications: []api.InstanceCreditSpecificationRequest{{InstanceId: &id, CpuCredits: ptr("x")}}}, "InvalidParameterValue", "CpuCredits")

	if out := call[api.DescribeIamInstanceProfileAssociationsOutput](l.world, "DescribeIamInstanceProfileAssociations", &api.DescribeIamInstanceProfileAssociationsInput{Filters: filtersOf("instance-id", id)}); len(out.IamInstanceProfileAssociations) != 0 {
		t.Errorf("%+v", out)
	}
	l.fails("DescribeIamInstanceProfileAssociations", &api.DescribeIamInstanceProfileAssociationsInput{AssociationIds: []string{"iip-assoc-12345678"}}, "InvalidAssociationID.NotFound", "iip-assoc-12345678")
	l.fails("DescribeIamInstanceProfileAssociations", &api.DescribeIamInstanceProfileAssociationsInput{AssociationIds: []string{"x"}}, "InvalidAssociationID.Malformed", "x")
	l.fails("AssociateIamInstanceProfile", &api.AssociateIamInstanceProfileInput{InstanceId: &id, IamInstanceProfile: &api.IamInstanceProfileSpecification{Name: ptr("p")}}, "InvalidParameterValue", "Invalid IAM Instance Profile name")

	if r := l.row(id); r.State != state.Stopped {
		t.Errorf("state %s", r.State)
	}
}
