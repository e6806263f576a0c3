package ec2

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// keyPairNamed finds a key pair by its name, which is unique in the scope.
func keyPairNamed(r state.Reader, c authz.Caller, name string) (*state.KeyPair, bool) {
	for k := range state.KeyPairs.By(r, state.ByKeyName, state.NameIn(c.Scope, name)) {
		return k, true
	}
	return nil, false
}

func noKeyPair(names ...string) error {
	if len(names) > 1 {
		return awserr.New("InvalidKeyPair.NotFound", "The key pairs '%s' do not exist", awserr.Clip(strings.Join(names, ", ")))
	}
	return awserr.New("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", awserr.Clip(names[0]))
}

// newKeyName checks the name of a new key pair: 1 to 255 ASCII characters.
func newKeyName(r state.Reader, c authz.Caller, name string) error {
	ascii := func(c rune) bool { return c < ' ' || c > '~' }
	if name == "" || len(name) > 255 || strings.ContainsFunc(name, ascii) || strings.TrimSpace(name) != name {
		return awserr.InvalidParameterValue("keyName", name, "A key name has 1 to 255 ASCII characters and neither begins nor ends with a space.")
	}
	if _, ok := keyPairNamed(r, c, name); ok {
		return awserr.New("InvalidKeyPair.Duplicate", "The keypair already exists")
	}
	return nil
}

// prepareKeyPair makes the key outside of any transaction: RSA takes long.
func (s *Service) prepareKeyPair(r state.Reader, c authz.Caller, in *api.CreateKeyPairInput) (*keyMaterial, error) {
	if err := newKeyName(r, c, val(in.KeyName)); err != nil {
		return nil, err
	}
	return newKey(val(in.KeyType), val(in.KeyFormat), val(in.KeyName))
}

// CreateKeyPair makes a key pair; the private key is in the answer and nowhere else.
func (s *Service) CreateKeyPair(tx *state.Tx, c authz.Caller, in *api.CreateKeyPairInput, m *keyMaterial) (*api.CreateKeyPairOutput, error) {
	if err := newKeyName(tx, c, val(in.KeyName)); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.TagSpecifications, api.ResourceTypeKeyPair)
	if err != nil {
		return nil, err
	}
	k := &state.KeyPair{
		Meta: tx.Meta(c.Scope, keyPairKind.prefix), Name: *in.KeyName, Type: api.KeyTypeRsa,
		PublicKey: m.public, Fingerprint: m.fingerprint,
	}
	if in.KeyType != nil {
		k.Type = *in.KeyType
	}
	k.Tags = tags
	state.KeyPairs.Put(tx, k)
	return &api.CreateKeyPairOutput{
		KeyPairId: ptr(k.ID), KeyName: ptr(k.Name), KeyFingerprint: ptr(k.Fingerprint),
		KeyMaterial: ptr(m.private), Tags: apiTags(k.Tags),
	}, nil
}

// ImportKeyPair takes a public key that was made elsewhere.
func (s *Service) ImportKeyPair(tx *state.Tx, c authz.Caller, in *api.ImportKeyPairInput) (*api.ImportKeyPairOutput, error) {
	if err := newKeyName(tx, c, val(in.KeyName)); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.TagSpecifications, api.ResourceTypeKeyPair)
	if err != nil {
		return nil, err
	}
	public, kind, fingerprint, err := importKey(in.PublicKeyMaterial)
	if err != nil {
		return nil, err
	}
	k := &state.KeyPair{
		Meta: tx.Meta(c.Scope, keyPairKind.prefix), Name: *in.KeyName, Type: kind,
		PublicKey: public, Fingerprint: fingerprint,
	}
	k.Tags = tags
	state.KeyPairs.Put(tx, k)
	return &api.ImportKeyPairOutput{
		KeyPairId: ptr(k.ID), KeyName: ptr(k.Name), KeyFingerprint: ptr(k.Fingerprint), Tags: apiTags(k.Tags),
	}, nil
}

// DeleteKeyPair removes a key pair by id or name. One that does not exist is
// removed already.
func (s *Service) DeleteKeyPair(tx *state.Tx, c authz.Caller, in *api.DeleteKeyPairInput) (*api.DeleteKeyPairOutput, error) {
	out := &api.DeleteKeyPairOutput{Return: ptr(true)}
	var k *state.KeyPair
	var ok bool
	switch {
	case in.KeyName != nil && in.KeyPairId != nil:
		return nil, awserr.InvalidParameterCombination("The parameters KeyName and KeyPairId cannot be used together")
	case in.KeyPairId != nil:
		if err := keyPairKind.wellFormed(*in.KeyPairId); err != nil {
			return nil, err
		}
		k, ok = state.KeyPairs.Get(tx, c.Scope.Key(*in.KeyPairId))
	case in.KeyName != nil:
		k, ok = keyPairNamed(tx, c, *in.KeyName)
	default:
		return nil, awserr.MissingParameter("KeyName or KeyPairId")
	}
	if ok {
		state.KeyPairs.Delete(tx, k.Key)
		out.KeyPairId = ptr(k.ID)
	}
	return out, nil
}

var keyPairFilters = filters[state.KeyPair]{
	"key-pair-id": func(k *state.KeyPair) []string { return one(k.ID) },
	"key-name":    func(k *state.KeyPair) []string { return one(k.Name) },
	"fingerprint": func(k *state.KeyPair) []string { return one(k.Fingerprint) },
}

// DescribeKeyPairs lists key pairs by their names.
func (s *Service) DescribeKeyPairs(r state.Reader, c authz.Caller, in *api.DescribeKeyPairsInput) (*api.DescribeKeyPairsOutput, error) {
	pass, err := compile(in.Filters, keyPairFilters)
	if err != nil {
		return nil, err
	}
	rows, err := keyPairsAsked(r, c, in)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b *state.KeyPair) int { return strings.Compare(a.Name, b.Name) })
	out := &api.DescribeKeyPairsOutput{KeyPairs: []api.KeyPairInfo{}}
	for _, k := range rows {
		if !pass(r, k) {
			continue
		}
		info := api.KeyPairInfo{
			KeyPairId: ptr(k.ID), KeyType: ptr(k.Type), KeyName: ptr(k.Name), KeyFingerprint: ptr(k.Fingerprint),
			CreateTime: ptr(k.Created), Tags: apiTags(k.Tags),
		}
		if val(in.IncludePublicKey) {
			info.PublicKey = ptr(k.PublicKey + " " + k.Name)
		}
		out.KeyPairs = append(out.KeyPairs, info)
	}
	return out, nil
}

// keyPairsAsked gives the key pairs with the names and ids of the request, which
// must all exist, or all of the scope.
func keyPairsAsked(r state.Reader, c authz.Caller, in *api.DescribeKeyPairsInput) ([]*state.KeyPair, error) {
	if len(in.KeyNames)+len(in.KeyPairIds) == 0 {
		return slices.Collect(state.KeyPairs.In(r, c.Scope)), nil
	}
	rows, err := keyPairKind.findAll(r, c, in.KeyPairIds)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(in.KeyNames))) {
		k, ok := keyPairNamed(r, c, name)
		if !ok {
			missing = append(missing, name)
		} else if !slices.Contains(rows, k) {
			rows = append(rows, k)
		}
	}
	if len(missing) > 0 {
		return nil, noKeyPair(missing...)
	}
	return rows, nil
}
