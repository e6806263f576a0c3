package elbv2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// listenerAttributes are those of TCP listeners; listeners of datagrams have none
// (ELBv2 API Reference, ListenerAttribute).
var listenerAttributes = attributes{
	noun: "Listener", most: 20,
	list: []attribute{{key: balance.AttrIdle, value: "350", check: number(60, 6000)}},
	foreign: []string{
		"routing.http.request.x_amzn_mtls_clientcert.header_name", "routing.http.response.server.enabled", "routing.http.response.strict_transport_security.header_value",
		"routing.http.response.access_control_allow_origin.header_value", "routing.http.response.x_frame_options.header_value",
	},
}

// ModifyListenerAttributes sets attributes of a listener.
func (s *Service) ModifyListenerAttributes(tx *state.Tx, c authz.Caller, in *api.ModifyListenerAttributesInput) (*api.ModifyListenerAttributesOutput, error) {
	old, err := listenerKind.find(tx, c, *in.ListenerArn)
	if err != nil {
		return nil, err
	}
	if old.Protocol == api.ProtocolEnumUDP {
		return nil, awserr.New(api.ErrInvalidConfigurationRequest, "Listener attributes are not supported for %s listeners", old.Protocol)
	}
	l := *old
	l.Attributes, err = listenerAttributes.change(old.Attributes, mapped(in.Attributes, func(a api.ListenerAttribute) pair { return pair{val(a.Key), val(a.Value)} }))
	if err != nil {
		return nil, err
	}
	state.Listeners.Put(tx, &l)
	return &api.ModifyListenerAttributesOutput{Attributes: apiListenerAttributes(&l)}, nil
}

// DescribeListenerAttributes gives all attributes of a listener.
func (s *Service) DescribeListenerAttributes(r state.Reader, c authz.Caller, in *api.DescribeListenerAttributesInput) (*api.DescribeListenerAttributesOutput, error) {
	l, err := listenerKind.find(r, c, *in.ListenerArn)
	if err != nil {
		return nil, err
	}
	return &api.DescribeListenerAttributesOutput{Attributes: apiListenerAttributes(l)}, nil
}

func apiListenerAttributes(l *state.Listener) []api.ListenerAttribute {
	if l.Protocol == api.ProtocolEnumUDP {
		return []api.ListenerAttribute{}
	}
	return mapped(listenerAttributes.all(l.Attributes, nil), func(p pair) api.ListenerAttribute {
		return api.ListenerAttribute{Key: ptr(p.key), Value: ptr(p.value)}
	})
}

// DescribeListenerCertificates: a listener without TLS has none.
func (s *Service) DescribeListenerCertificates(r state.Reader, c authz.Caller, in *api.DescribeListenerCertificatesInput) (*api.DescribeListenerCertificatesOutput, error) {
	if _, err := listenerKind.find(r, c, *in.ListenerArn); err != nil {
		return nil, err
	}
	return &api.DescribeListenerCertificatesOutput{Certificates: []api.Certificate{}}, nil
}

// AddListenerCertificates refuses: a listener without TLS takes none.
func (s *Service) AddListenerCertificates(tx *state.Tx, c authz.Caller, in *api.AddListenerCertificatesInput) (*api.AddListenerCertificatesOutput, error) {
	l, err := listenerKind.find(tx, c, *in.ListenerArn)
	if err != nil {
		return nil, err
	}
	return nil, invalid("Certificates cannot be specified for %s listeners", l.Protocol)
}

// RemoveListenerCertificates refuses likewise.
func (s *Service) RemoveListenerCertificates(tx *state.Tx, c authz.Caller, in *api.RemoveListenerCertificatesInput) (*api.RemoveListenerCertificatesOutput, error) {
	l, err := listenerKind.find(tx, c, *in.ListenerArn)
	if err != nil {
		return nil, err
	}
	return nil, invalid("Certificates cannot be specified for %s listeners", l.Protocol)
}
