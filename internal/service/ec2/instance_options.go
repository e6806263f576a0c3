package ec2

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// living finds an instance that can still be changed.
func living(r state.Reader, c authz.Caller, id string) (*state.Instance, error) {
	i, err := instance(r, c, id)
	if err != nil {
		return nil, err
	}
	if i.State == state.Terminated || i.State == state.ShuttingDown {
		return nil, awserr.New("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be modified: it is %s.", i.ID, i.State)
	}
	return i, nil
}

// stopped says that an instance is not stopped, as some changes require.
func stopped(i *state.Instance) error {
	if i.State != state.Stopped {
		return awserr.New("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	return nil
}

// metadataSetting keeps the defaults of an account in a Region, as JSON of
// state.MetadataOptions in which empty members are not set.
const metadataSetting = "instance-metadata-defaults"

func metadataDefaultsSet(r state.Reader, scope state.Scope) (m state.MetadataOptions) {
	if v, ok := state.Settings.Get(r, scope.Key(metadataSetting)); ok {
		if err := json.Unmarshal([]byte(v.Value), &m); err != nil {
			panic(fmt.Sprintf("ec2: setting %s: %v", metadataSetting, err)) // only ModifyInstanceMetadataDefaults writes it
		}
	}
	return m
}

// metadataDefaults are the options of an instance for which none are asked: the
// account's, then the image's, then AWS's (EC2 User Guide, "Order of precedence
// for instance metadata options").
func metadataDefaults(r state.Reader, scope state.Scope, image *state.Image) state.MetadataOptions {
	m := metadataDefaultsSet(r, scope)
	m.HttpIPv6 = "disabled"
	set := func(to *string, image, aws string) {
		if *to == "" {
			*to = aws
			if image != "" {
				*to = image
			}
		}
	}
	tokens, hops := "", int32(1)
	if image.ImdsSupport == "v2.0" {
		tokens, hops = "required", 2
	}
	set(&m.HttpTokens, tokens, "optional")
	set(&m.HttpEndpoint, "", "enabled")
	set(&m.InstanceTags, "", "disabled")
	if m.HopLimit == 0 {
		m.HopLimit = hops
	}
	return m
}

// GetInstanceMetadataDefaults gives what the account has set.
func (s *Service) GetInstanceMetadataDefaults(r state.Reader, c authz.Caller, _ *api.GetInstanceMetadataDefaultsInput) (*api.GetInstanceMetadataDefaultsOutput, error) {
	m := metadataDefaultsSet(r, c.Scope)
	level := &api.InstanceMetadataDefaultsResponse{HttpTokens: opt(m.HttpTokens), HttpEndpoint: opt(m.HttpEndpoint), InstanceMetadataTags: opt(m.InstanceTags), ManagedBy: ptr("account")}
	if m.HopLimit > 0 {
		level.HttpPutResponseHopLimit = ptr(m.HopLimit)
	}
	return &api.GetInstanceMetadataDefaultsOutput{AccountLevel: level}, nil
}

// ModifyInstanceMetadataDefaults sets the account's defaults for new instances;
// no-preference and a hop limit of -1 take one away.
func (s *Service) ModifyInstanceMetadataDefaults(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceMetadataDefaultsInput) (*api.ModifyInstanceMetadataDefaultsOutput, error) {
	if val(in.HttpTokensEnforced) == "enabled" {
		return nil, awserr.New("UnsupportedOperation", "Enforcing HttpTokens is not supported by localvpc; set HttpTokens instead.")
	}
	m := metadataDefaultsSet(tx, c.Scope)
	hops := in.HttpPutResponseHopLimit
	if hops != nil && *hops == -1 {
		m.HopLimit, hops = 0, nil
	}
	if err := metadataOptions(&m, in.HttpTokens, in.HttpEndpoint, nil, in.InstanceMetadataTags, hops); err != nil {
		return nil, err
	}
	for _, v := range []*string{&m.HttpTokens, &m.HttpEndpoint, &m.InstanceTags} {
		if *v == "no-preference" {
			*v = ""
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("keeping the metadata defaults: %w", err)
	}
	state.Settings.Put(tx, &state.Setting{Meta: state.Meta{Key: c.Scope.Key(metadataSetting), Created: tx.Now()}, Value: string(b)})
	return &api.ModifyInstanceMetadataDefaultsOutput{Return: ptr(true)}, nil
}

// ModifyInstanceMetadataOptions changes an instance's options, at once.
func (s *Service) ModifyInstanceMetadataOptions(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceMetadataOptionsInput) (*api.ModifyInstanceMetadataOptionsOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	next := *i
	if err := metadataOptions(&next.Metadata, in.HttpTokens, in.HttpEndpoint, in.HttpProtocolIpv6, in.InstanceMetadataTags, in.HttpPutResponseHopLimit); err != nil {
		return nil, err
	}
	state.Instances.Put(tx, &next)
	return &api.ModifyInstanceMetadataOptionsOutput{InstanceId: ptr(i.ID), InstanceMetadataOptions: apiMetadata(next.Metadata)}, nil
}

// ModifyPrivateDnsNameOptions changes the names of an instance; the hostname
// type of a stopped one only.
func (s *Service) ModifyPrivateDnsNameOptions(tx *state.Tx, c authz.Caller, in *api.ModifyPrivateDnsNameOptionsInput) (*api.ModifyPrivateDnsNameOptionsOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if val(in.EnableResourceNameDnsAAAARecord) {
		return nil, awserr.New("UnsupportedOperation", "DNS AAAA records for instances are not supported by localvpc.")
	}
	next := *i
	if in.PrivateDnsHostnameType != nil && *in.PrivateDnsHostnameType != i.HostnameType {
		if err := stopped(i); err != nil {
			return nil, err
		}
		next.HostnameType = *in.PrivateDnsHostnameType
		next.PrivateDnsName = dnsview.InstancePrivateName(i.Region, next.HostnameType, i.ID, i.PrivateIP)
	}
	if in.EnableResourceNameDnsARecord != nil {
		next.ResourceNameDnsA = *in.EnableResourceNameDnsARecord
	}
	state.Instances.Put(tx, &next)
	return &api.ModifyPrivateDnsNameOptionsOutput{Return: ptr(true)}, nil
}

// ModifyInstancePlacement stores the tenancy of a stopped instance, between
// default and dedicated: everything runs on one machine.
func (s *Service) ModifyInstancePlacement(tx *state.Tx, c authz.Caller, in *api.ModifyInstancePlacementInput) (*api.ModifyInstancePlacementOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if err := refusePlacement(val(in.GroupName), val(in.GroupId), val(in.Tenancy), in.HostId != nil || in.HostResourceGroupArn != nil || val(in.Affinity) == "host", in.PartitionNumber != nil); err != nil {
		return nil, err
	}
	if in.GroupName == nil && in.GroupId == nil && in.Tenancy == nil && in.Affinity == nil {
		return nil, awserr.InvalidParameterCombination("No attributes specified.")
	}
	if err := stopped(i); err != nil {
		return nil, err
	}
	if in.Tenancy != nil && *in.Tenancy != i.Tenancy {
		next := *i
		next.Tenancy = *in.Tenancy
		state.Instances.Put(tx, &next)
	}
	return &api.ModifyInstancePlacementOutput{Return: ptr(true)}, nil
}

// ModifyInstanceMaintenanceOptions stores the automatic recovery; there is no
// failing hardware to recover from.
func (s *Service) ModifyInstanceMaintenanceOptions(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceMaintenanceOptionsInput) (*api.ModifyInstanceMaintenanceOptionsOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if v := val(in.RebootMigration); v != "" && v != "default" {
		return nil, awserr.New("UnsupportedOperation", "Reboot migration is not supported by the instance type %s.", i.InstanceType)
	}
	next := *i
	if in.AutoRecovery != nil {
		next.AutoRecovery = *in.AutoRecovery
		state.Instances.Put(tx, &next)
	}
	return &api.ModifyInstanceMaintenanceOptionsOutput{InstanceId: ptr(i.ID), AutoRecovery: ptr(next.AutoRecovery), RebootMigration: ptr("default")}, nil
}

// ModifyInstanceCpuOptions stores the cores and threads of a stopped instance.
func (s *Service) ModifyInstanceCpuOptions(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceCpuOptionsInput) (*api.ModifyInstanceCpuOptionsOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if val(in.NestedVirtualization) == "enabled" {
		return nil, awserr.New("UnsupportedOperation", "Nested virtualization is not supported by localvpc.")
	}
	if in.CoreCount == nil && in.ThreadsPerCore == nil && in.NestedVirtualization == nil {
		return nil, awserr.InvalidParameterCombination("No attributes specified.")
	}
	if err := stopped(i); err != nil {
		return nil, err
	}
	kind, err := instanceType(i.InstanceType)
	if err != nil {
		return nil, err
	}
	next := *i
	if err := cpuOptions(&next, kind, in.CoreCount, in.ThreadsPerCore); err != nil {
		return nil, err
	}
	state.Instances.Put(tx, &next)
	return &api.ModifyInstanceCpuOptionsOutput{InstanceId: ptr(i.ID), CoreCount: ptr(next.CpuCoreCount), ThreadsPerCore: ptr(next.CpuThreadsPerCore)}, nil
}

// DescribeInstanceCreditSpecifications gives those of burstable instances: of
// the ids asked for or, without any, those that are not as their family's default
// (EC2 API Reference: "returns unlimited" ones).
func (s *Service) DescribeInstanceCreditSpecifications(r state.Reader, c authz.Caller, in *api.DescribeInstanceCreditSpecificationsInput) (*api.DescribeInstanceCreditSpecificationsOutput, error) {
	rows, next, err := instanceKind.describe(r, c, query[state.Instance]{
		action: "DescribeInstanceCreditSpecifications", ids: in.InstanceIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: filters[state.Instance]{"instance-id": func(i *state.Instance) []string { return one(i.ID) }},
		hidden: func(i *state.Instance) bool {
			return len(in.InstanceIds) == 0 && (i.CreditSpec != "unlimited" || i.State == state.Terminated)
		},
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceCreditSpecificationsOutput{InstanceCreditSpecifications: []api.InstanceCreditSpecification{}, NextToken: next}
	for _, i := range rows {
		if i.CreditSpec == "" {
			return nil, awserr.New("InvalidParameterValue", "The instance '%s' is not a burstable performance instance.", i.ID)
		}
		out.InstanceCreditSpecifications = append(out.InstanceCreditSpecifications, api.InstanceCreditSpecification{InstanceId: ptr(i.ID), CpuCredits: ptr(i.CreditSpec)})
	}
	return out, nil
}

// ModifyInstanceCreditSpecification stores credit specifications; what cannot be
// is in the answer, beside what could.
func (s *Service) ModifyInstanceCreditSpecification(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceCreditSpecificationInput) (*api.ModifyInstanceCreditSpecificationOutput, error) {
	out := &api.ModifyInstanceCreditSpecificationOutput{
		SuccessfulInstanceCreditSpecifications:   []api.SuccessfulInstanceCreditSpecificationItem{},
		UnsuccessfulInstanceCreditSpecifications: []api.UnsuccessfulInstanceCreditSpecificationItem{},
	}
	for _, want := range in.InstanceCreditSpecifications {
		id := val(want.InstanceId)
		if err := validCredit(val(want.CpuCredits)); err != nil {
			return nil, err
		}
		i, err := instance(tx, c, id)
		code, text := "", ""
		switch {
		case awserr.Is(err, instanceKind.malformed):
			code, text = "InvalidInstanceID.Malformed", awserr.From(err).Message
		case err != nil:
			code, text = "InvalidInstanceID.NotFound", awserr.From(err).Message
		case i.State == state.Terminated:
			code, text = "IncorrectInstanceState", "The instance '"+i.ID+"' is terminated."
		case i.CreditSpec == "":
			code, text = "InstanceCreditSpecification.NotSupported", "The instance type "+i.InstanceType+" has no CPU credits."
		}
		if code != "" {
			out.UnsuccessfulInstanceCreditSpecifications = append(out.UnsuccessfulInstanceCreditSpecifications, api.UnsuccessfulInstanceCreditSpecificationItem{
				InstanceId: ptr(id), Error: &api.UnsuccessfulInstanceCreditSpecificationItemError{Code: ptr(code), Message: ptr(text)},
			})
			continue
		}
		next := *i
		next.CreditSpec = *want.CpuCredits
		state.Instances.Put(tx, &next)
		out.SuccessfulInstanceCreditSpecifications = append(out.SuccessfulInstanceCreditSpecifications, api.SuccessfulInstanceCreditSpecificationItem{InstanceId: ptr(id)})
	}
	return out, nil
}

// DescribeIamInstanceProfileAssociations: there are no instance profiles yet.
func (s *Service) DescribeIamInstanceProfileAssociations(r state.Reader, c authz.Caller, in *api.DescribeIamInstanceProfileAssociationsInput) (*api.DescribeIamInstanceProfileAssociationsOutput, error) {
	nothing := func(*api.IamInstanceProfileAssociation) []string { return nil }
	if _, err := compile(in.Filters, filters[api.IamInstanceProfileAssociation]{"instance-id": nothing, "state": nothing}); err != nil {
		return nil, err
	}
	if len(in.AssociationIds) > 0 {
		for _, id := range in.AssociationIds {
			if !awsid.Valid("iip-assoc", id) {
				return nil, malformedID("InvalidAssociationID.Malformed", "iip-assoc", id)
			}
		}
		return nil, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", awserr.Clip(strings.Join(slices.Compact(slices.Sorted(slices.Values(in.AssociationIds))), ", ")))
	}
	if _, err := (paging{action: "DescribeIamInstanceProfileAssociations", scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters}).check(); err != nil {
		return nil, err
	}
	return &api.DescribeIamInstanceProfileAssociationsOutput{IamInstanceProfileAssociations: []api.IamInstanceProfileAssociation{}}, nil
}

// AssociateIamInstanceProfile finds no profile: there are none yet.
func (s *Service) AssociateIamInstanceProfile(tx *state.Tx, c authz.Caller, in *api.AssociateIamInstanceProfileInput) (*api.AssociateIamInstanceProfileOutput, error) {
	if _, err := living(tx, c, val(in.InstanceId)); err != nil {
		return nil, err
	}
	return nil, noProfile(in.IamInstanceProfile)
}

// retype changes the type of a stopped instance.
func retype(r state.Reader, i *state.Instance, name string) error {
	kind, err := instanceType(name)
	if err != nil {
		return err
	}
	if err := stopped(i); err != nil {
		return err
	}
	if kind.Architecture != i.Architecture {
		return architectureMismatch(kind.Architecture, i.Architecture)
	}
	if err := fits(r, i, kind); err != nil {
		return err
	}
	credit := creditDefault(kind)
	if credit != "" && i.CreditSpec != "" {
		credit = i.CreditSpec
	}
	i.InstanceType, i.CreditSpec = kind.Name, credit
	i.CpuCoreCount, i.CpuThreadsPerCore = kind.Cores(), kind.ThreadsPerCore
	if kind.EbsMaxMbps == 0 {
		i.EbsOptimized = false
	}
	return nil
}

// fits says whether the interfaces of an instance are within a type's limits.
func fits(r state.Reader, i *state.Instance, kind *catalog.InstanceType) error {
	list := interfacesOf(r, i)
	if n := int32(len(list)); n > kind.Interfaces {
		return awserr.New("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", n, kind.Name)
	}
	for _, n := range list {
		if len(n.Addresses) > int(kind.IPv4PerIface) {
			return awserr.New("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit: %s has %d, an interface of %s can have %d.", n.ID, len(n.Addresses), kind.Name, kind.IPv4PerIface)
		}
	}
	return nil
}
