package app

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/service/access"
)

// identity is what says who is who, and who may do what.
type identity struct {
	seal    session.Seal
	library authz.Library
	keys    *service.Keys
	access  *access.Access // nil with --authz off
	root    *rootKey       // made by this start, to be printed
}

// rootKey is the key of root with --auth strict.
type rootKey struct{ AccessKeyID, SecretAccessKey string }

// identify reads or makes the secrets of identities: they live as long as the
// state does.
func (e *engine) identify() (err error) {
	dir := e.keep()
	id := &e.identity
	if id.seal, err = kept(dir, "session.key"); err != nil {
		return err
	}
	id.keys = &service.Keys{Store: e.store, Seal: id.seal, Account: e.set.Account, Strict: e.set.Auth == "strict", Now: time.Now}
	if id.keys.Strict {
		key, made, err := id.rootKey(dir)
		if err != nil {
			return err
		}
		id.keys.RootKey, id.keys.RootSecret = key.AccessKeyID, key.SecretAccessKey
		if made {
			id.root = &key
		}
	}
	if e.set.Authz != "off" {
		id.access = &access.Access{Library: &id.library, Seal: id.seal, Now: time.Now}
	}
	return nil
}

// keep is the directory of secrets that live as long as the state does; "" when
// that is as long as the process.
func (e *engine) keep() string {
	if e.set.Data == "" && e.inside != nil {
		return e.inside.RunDir
	}
	return e.set.Data
}

// kept reads a secret from a file of a directory, or makes it. Without a directory
// it lasts as long as the process.
func kept(dir, name string) (secret [32]byte, err error) {
	path := filepath.Join(dir, name)
	if dir != "" {
		text, err := os.ReadFile(path)
		if err == nil && len(text) == len(secret) {
			copy(secret[:], text)
			return secret, nil
		}
	}
	if _, err := rand.Read(secret[:]); err != nil {
		return secret, err
	}
	if dir != "" {
		if err := os.WriteFile(path, secret[:], 0o600); err != nil {
			return secret, fmt.Errorf("keeping %s: %w", name, err)
		}
	}
	return secret, nil
}

// rootKey reads the key of root from the data directory, or makes it.
func (id *identity) rootKey(dir string) (key rootKey, made bool, err error) {
	path := filepath.Join(dir, "root-key.json")
	if dir != "" {
		text, err := os.ReadFile(path)
		if err == nil {
			if err := json.Unmarshal(text, &key); err != nil || key.AccessKeyID == "" || key.SecretAccessKey == "" {
				return key, false, fmt.Errorf("%s is damaged: remove it, and the next start makes and prints another root key", path)
			}
			return key, false, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return key, false, fmt.Errorf("reading the root key: %w", err)
		}
	}
	var chance struct {
		id     [5]byte
		secret [30]byte
	}
	if _, err := rand.Read(chance.id[:]); err != nil {
		return key, false, err
	}
	if _, err := rand.Read(chance.secret[:]); err != nil {
		return key, false, err
	}
	// Not an id of the seal's: it has no row, and is known as it is.
	key = rootKey{session.Seal{}.KeyID(session.LongTerm, chance.id), base64.StdEncoding.EncodeToString(chance.secret[:])}
	if dir == "" {
		return key, true, nil
	}
	text, err := json.Marshal(key)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return key, false, fmt.Errorf("keeping the root key: %w", err)
	}
	return key, true, nil
}
