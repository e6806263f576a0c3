package iam

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// keysOf are the access keys of a user, or of root for an empty id.
func keysOf(r state.Reader, account, user string) []*state.AccessKey {
	var list []*state.AccessKey
	if user != "" {
		for k := range state.AccessKeys.By(r, state.ByUser, state.Within(account, user)) {
			list = append(list, k)
		}
		return list
	}
	for k := range state.AccessKeys.In(r, state.Global(account)) {
		if k.User == "" {
			list = append(list, k)
		}
	}
	return list
}

// keyOwner is whose keys an action is about: the user named, else the caller; id is
// empty for root.
func keyOwner(r state.Reader, c authz.Caller, name *string) (id, shown string, err error) {
	if name == nil && c.Unlimited() {
		return "", "root", nil
	}
	u, err := userOr(r, c, name)
	if err != nil {
		return "", "", err
	}
	return u.ID, u.Name, nil
}

func status(k *state.AccessKey) *string {
	if k.Inactive {
		return ptr(api.StatusTypeInactive)
	}
	return ptr(api.StatusTypeActive)
}

// CreateAccessKey makes a key: this answer is the only one with its secret.
func (s *Service) CreateAccessKey(tx *state.Tx, c authz.Caller, in *api.CreateAccessKeyInput) (*api.CreateAccessKeyOutput, error) {
	owner, name, err := keyOwner(tx, c, in.UserName)
	if err != nil {
		return nil, err
	}
	if len(keysOf(tx, c.Account, owner)) >= maxAccessKeys {
		return nil, limitExceeded("Cannot exceed quota for AccessKeysPerUser: %d", maxAccessKeys)
	}
	var chance struct {
		id     [5]byte
		secret [30]byte
	}
	for _, b := range [][]byte{chance.id[:], chance.secret[:]} {
		if _, err := io.ReadFull(tx.Rand(), b); err != nil {
			return nil, fmt.Errorf("making an access key: %w", err)
		}
	}
	k := &state.AccessKey{
		Meta: state.Meta{Key: state.Global(c.Account).Key(s.cfg.Seal.KeyID(session.LongTerm, chance.id)), Created: tx.Now()},
		User: owner, Secret: base64.StdEncoding.EncodeToString(chance.secret[:]),
	}
	state.AccessKeys.Put(tx, k)
	return &api.CreateAccessKeyOutput{AccessKey: &api.AccessKey{
		UserName: ptr(name), AccessKeyId: ptr(k.ID), Status: status(k), SecretAccessKey: ptr(k.Secret), CreateDate: seconds(k.Created),
	}}, nil
}

// ListAccessKeys lists the keys of a user, without secrets.
func (s *Service) ListAccessKeys(r state.Reader, c authz.Caller, in *api.ListAccessKeysInput) (*api.ListAccessKeysOutput, error) {
	owner, name, err := keyOwner(r, c, in.UserName)
	if err != nil {
		return nil, err
	}
	list, truncated, next, err := page(slices.Values(keysOf(r, c.Account, owner)), func(k *state.AccessKey) string { return k.ID }, in.Marker, in.MaxItems)
	return &api.ListAccessKeysOutput{AccessKeyMetadata: mapped(list, func(k *state.AccessKey) api.AccessKeyMetadata {
		return api.AccessKeyMetadata{UserName: ptr(name), AccessKeyId: ptr(k.ID), Status: status(k), CreateDate: seconds(k.Created)}
	}), IsTruncated: truncated, Marker: next}, err
}

// key finds an access key of a user.
func key(r state.Reader, c authz.Caller, name *string, id string) (*state.AccessKey, error) {
	owner, _, err := keyOwner(r, c, name)
	if err != nil {
		return nil, err
	}
	k, ok := state.AccessKeys.Get(r, state.Global(c.Account).Key(id))
	// Root need not say whose key it is.
	if !ok || k.User != owner && (name != nil || !c.Unlimited()) {
		return nil, noSuchEntity("The Access Key with id %s cannot be found.", awserr.Clip(id))
	}
	return k, nil
}

// UpdateAccessKey makes a key active or inactive.
func (s *Service) UpdateAccessKey(tx *state.Tx, c authz.Caller, in *api.UpdateAccessKeyInput) (*api.UpdateAccessKeyOutput, error) {
	k, err := key(tx, c, in.UserName, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	next := *k
	next.Inactive = *in.Status != api.StatusTypeActive
	state.AccessKeys.Put(tx, &next)
	return &api.UpdateAccessKeyOutput{}, nil
}

// DeleteAccessKey removes a key: nothing that is signed with it is taken any more.
func (s *Service) DeleteAccessKey(tx *state.Tx, c authz.Caller, in *api.DeleteAccessKeyInput) (*api.DeleteAccessKeyOutput, error) {
	k, err := key(tx, c, in.UserName, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	state.AccessKeys.Delete(tx, k.Key)
	return &api.DeleteAccessKeyOutput{}, nil
}

// GetAccessKeyLastUsed says when, where and for what a key was used.
func (s *Service) GetAccessKeyLastUsed(r state.Reader, c authz.Caller, in *api.GetAccessKeyLastUsedInput) (*api.GetAccessKeyLastUsedOutput, error) {
	k, ok := state.AccessKeys.Get(r, state.Global(c.Account).Key(*in.AccessKeyId))
	if !ok {
		return nil, awserr.New("AccessDenied", "User: %s is not authorized to perform: iam:GetAccessKeyLastUsed on resource: %s", c.ARN, awserr.Clip(*in.AccessKeyId))
	}
	out := &api.GetAccessKeyLastUsedOutput{UserName: ptr("root"), AccessKeyLastUsed: &api.AccessKeyLastUsed{ServiceName: ptr("N/A"), Region: ptr("N/A"), LastUsedDate: timeOf(k.LastUsed)}}
	if u, ok := state.Users.Get(r, state.Global(c.Account).Key(k.User)); ok && k.User != "" {
		out.UserName = ptr(u.Name)
	}
	if !k.LastUsed.IsZero() {
		out.AccessKeyLastUsed.ServiceName, out.AccessKeyLastUsed.Region = ptr(k.LastService), ptr(k.LastRegion)
	}
	return out, nil
}
