package ec2

import (
	"encoding/json"
	"fmt"
	"regexp"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

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
	if err := shownTags(&next, next.Tags); err != nil {
		return nil, err
	}
	state.Instances.Put(tx, &next)
	return &api.ModifyInstanceMetadataOptionsOutput{InstanceId: ptr(i.ID), InstanceMetadataOptions: apiMetadata(next.Metadata)}, nil
}

// metadataOptions applies a request's options to those in force. All values of
// enums have been checked by the decoder.
func metadataOptions(m *state.MetadataOptions, tokens, endpoint, ipv6, tags *string, hops *int32) error {
	for _, o := range []struct {
		from *string
		to   *string
	}{{tokens, &m.HttpTokens}, {endpoint, &m.HttpEndpoint}, {ipv6, &m.HttpIPv6}, {tags, &m.InstanceTags}} {
		if o.from != nil {
			*o.to = *o.from
		}
	}
	if hops != nil {
		if *hops < 1 || *hops > 64 {
			return awserr.New("InvalidParameterValue", "Value (%d) for parameter HttpPutResponseHopLimit is invalid. Valid values are between 1 and 64.", *hops)
		}
		m.HopLimit = *hops
	}
	return nil
}

// shownTag is a tag key that can stand in a path of the metadata, if it has 255
// characters or less: counted in the expression that would take 200 KB.
var shownTag = regexp.MustCompile(`^[0-9a-zA-Z\-_+=,.@:]+$`)

// shownTags says why an instance cannot have tags: those that its metadata shows
// are paths there (EC2 User Guide, "View tags for your EC2 instances using
// instance metadata").
func shownTags(i *state.Instance, tags state.Tags) error {
	if i.Metadata.InstanceTags != "enabled" {
		return nil
	}
	for _, t := range tags {
		if len(t.Key) > 255 || !shownTag.MatchString(t.Key) || t.Key == "." || t.Key == ".." || t.Key == "_index" {
			return awserr.New("InvalidParameterValue", `'%s' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`, awserr.Clip(t.Key))
		}
	}
	return nil
}
