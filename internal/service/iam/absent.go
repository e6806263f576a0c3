package iam

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// What cannot be made here is listed truly: there is none. Clients ask before they
// delete a user.

// ListMFADevices lists none.
func (s *Service) ListMFADevices(r state.Reader, c authz.Caller, in *api.ListMFADevicesInput) (*api.ListMFADevicesOutput, error) {
	if in.UserName != nil {
		if _, err := user(r, c, *in.UserName); err != nil {
			return nil, err
		}
	}
	return &api.ListMFADevicesOutput{IsTruncated: ptr(false)}, nil
}

// ListVirtualMFADevices lists none.
func (s *Service) ListVirtualMFADevices(state.Reader, authz.Caller, *api.ListVirtualMFADevicesInput) (*api.ListVirtualMFADevicesOutput, error) {
	return &api.ListVirtualMFADevicesOutput{IsTruncated: ptr(false)}, nil
}

// ListSSHPublicKeys lists none.
func (s *Service) ListSSHPublicKeys(r state.Reader, c authz.Caller, in *api.ListSSHPublicKeysInput) (*api.ListSSHPublicKeysOutput, error) {
	if in.UserName != nil {
		if _, err := user(r, c, *in.UserName); err != nil {
			return nil, err
		}
	}
	return &api.ListSSHPublicKeysOutput{IsTruncated: ptr(false)}, nil
}

// ListSigningCertificates lists none.
func (s *Service) ListSigningCertificates(r state.Reader, c authz.Caller, in *api.ListSigningCertificatesInput) (*api.ListSigningCertificatesOutput, error) {
	if in.UserName != nil {
		if _, err := user(r, c, *in.UserName); err != nil {
			return nil, err
		}
	}
	return &api.ListSigningCertificatesOutput{IsTruncated: ptr(false)}, nil
}

// ListServiceSpecificCredentials lists none.
func (s *Service) ListServiceSpecificCredentials(r state.Reader, c authz.Caller, in *api.ListServiceSpecificCredentialsInput) (*api.ListServiceSpecificCredentialsOutput, error) {
	if in.UserName != nil {
		if _, err := user(r, c, *in.UserName); err != nil {
			return nil, err
		}
	}
	return &api.ListServiceSpecificCredentialsOutput{IsTruncated: ptr(false)}, nil
}

// ListServerCertificates lists none.
func (s *Service) ListServerCertificates(state.Reader, authz.Caller, *api.ListServerCertificatesInput) (*api.ListServerCertificatesOutput, error) {
	return &api.ListServerCertificatesOutput{IsTruncated: ptr(false)}, nil
}

// ListSAMLProviders lists none.
func (s *Service) ListSAMLProviders(state.Reader, authz.Caller, *api.ListSAMLProvidersInput) (*api.ListSAMLProvidersOutput, error) {
	return &api.ListSAMLProvidersOutput{}, nil
}

// ListOpenIDConnectProviders lists none.
func (s *Service) ListOpenIDConnectProviders(state.Reader, authz.Caller, *api.ListOpenIDConnectProvidersInput) (*api.ListOpenIDConnectProvidersOutput, error) {
	return &api.ListOpenIDConnectProvidersOutput{}, nil
}
