package service

import (
	"strings"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// Keys knows who holds an access key. Keys that were issued here are verified
// always; of any other key neither signature nor clock is, and a strict one knows
// no other.
type Keys struct {
	Store   *state.Store
	Seal    session.Seal
	Account string // of keys that name no other
	Strict  bool
	// RootKey is the key of root of Account, for Strict; empty: there is none.
	RootKey, RootSecret string
	Now                 func() time.Time

	mu   sync.Mutex
	used map[state.Key]use // since the last Flush
	role map[state.Key]use

	// opened has the tokens that were good before: to open one costs more than all
	// else about a request.
	openedMu sync.Mutex
	opened   map[string]opened
}

// opened is what a token says.
type opened struct {
	session *session.Session // not to be changed
	secret  string
}

// mostOpened bounds the tokens remembered; when there are more, all are forgotten.
const mostOpened = 1000

// use is when, where and for what a key was used.
type use struct {
	at              time.Time
	service, region string
}

// Holder is who holds an access key.
type Holder struct {
	Caller Caller // without Region and source
	Secret string // that the request must be signed with; empty: it is not verified
}

// errToken are AWS's answers to keys and tokens that are not good.

func invalidToken() error {
	return awserr.New("InvalidClientTokenId", "The security token included in the request is invalid.")
}

func expiredToken() error {
	return awserr.New("ExpiredToken", "The security token included in the request is expired")
}

// Find says who holds an access key, with its session token if there is one.
func (k *Keys) Find(accessKey, token string) (Holder, error) {
	return k.find(accessKey, token, k.Strict)
}

// Issued is Find for who may be somebody only by a key that was issued here,
// strict or not.
func (k *Keys) Issued(accessKey, token string) (Holder, error) {
	return k.find(accessKey, token, true)
}

func (k *Keys) find(accessKey, token string, strict bool) (Holder, error) {
	snap := k.Store.Snapshot()
	if len(accessKey) >= 16 {
		for row := range state.AccessKeys.By(snap, state.ByUnique, accessKey) {
			return k.longTerm(snap, row, token)
		}
		if k.Seal.Issued(accessKey) {
			if !strings.HasPrefix(accessKey, session.Temporary) {
				return Holder{}, invalidToken() // its row is gone
			}
			return k.temporary(snap, accessKey, token)
		}
	}
	switch {
	case strict && accessKey == k.RootKey && accessKey != "" && token == "":
		return Holder{Root(k.Account, "", accessKey), k.RootSecret}, nil
	case strict && accessKey == "":
		return Holder{}, awserr.New("MissingAuthenticationToken", "Request is missing Authentication Token")
	case strict:
		return Holder{}, invalidToken()
	}
	account := k.Account
	if len(accessKey) == 12 && strings.Trim(accessKey, "0123456789") == "" {
		account = accessKey
	}
	return Holder{Caller: Root(account, "", accessKey)}, nil
}

// longTerm is the holder of a key that has a row.
func (k *Keys) longTerm(r state.Reader, row *state.AccessKey, token string) (Holder, error) {
	if row.Inactive || token != "" {
		return Holder{}, invalidToken()
	}
	c := Root(row.Account, "", row.ID)
	if row.User != "" {
		u, ok := state.Users.Get(r, state.Global(row.Account).Key(row.User))
		if !ok {
			return Holder{}, invalidToken()
		}
		c.ARN, c.UserID, c.User = u.ARN(), u.UniqueID, u.ID
	}
	return Holder{c, row.Secret}, nil
}

// temporary is the holder of a session.
func (k *Keys) temporary(r state.Reader, accessKey, token string) (Holder, error) {
	s, secret, err := k.open(accessKey, token)
	if err != nil {
		return Holder{}, invalidToken()
	}
	if !k.Now().Before(s.Expires) {
		return Holder{}, expiredToken()
	}
	c, ok := SessionCaller(r, s)
	if !ok {
		return Holder{}, invalidToken()
	}
	return Holder{c, secret}, nil
}

// open is Seal.Open, with a memory.
func (k *Keys) open(accessKey, token string) (*session.Session, string, error) {
	k.openedMu.Lock()
	o, ok := k.opened[token]
	k.openedMu.Unlock()
	if ok && o.session.AccessKey == accessKey {
		return o.session, o.secret, nil
	}
	s, secret, err := k.Seal.Open(accessKey, token)
	if err != nil {
		return nil, "", err
	}
	k.openedMu.Lock()
	defer k.openedMu.Unlock()
	if k.opened == nil || len(k.opened) >= mostOpened {
		k.opened = map[string]opened{}
	}
	k.opened[token] = opened{s, secret}
	return s, secret, nil
}

// SessionCaller is who a session is; false when its role or user is gone.
func SessionCaller(r state.Reader, s *session.Session) (Caller, bool) {
	c := Root(s.Account, "", s.AccessKey)
	c.Session = s
	global := state.Global(s.Account)
	switch s.Kind {
	case session.Role:
		role, ok := state.Roles.Get(r, state.NameKey(s.Account, s.Name))
		if !ok || role.UniqueID != s.Principal {
			return c, false
		}
		c.Role = role.ID
		c.ARN = "arn:aws:sts::" + s.Account + ":assumed-role/" + role.Name + "/" + s.Session
		c.UserID = role.UniqueID + ":" + s.Session
		return c, true
	case session.Root:
		return c, true
	}
	if s.Principal != "" {
		found := false
		for u := range state.Users.By(r, state.ByUnique, s.Principal) {
			if u.Account == global.Account {
				c.User, c.ARN, c.UserID, found = u.ID, u.ARN(), u.UniqueID, true
			}
		}
		if !found {
			return c, false
		}
	}
	if s.Kind == session.Federated {
		c.ARN = "arn:aws:sts::" + s.Account + ":federated-user/" + s.Session
		c.UserID = s.Account + ":" + s.Session
	}
	return c, true
}

// Used notes that a caller's key was used; Flush keeps it.
func (k *Keys) Used(c *authz.Caller, service string) {
	if c.Role == "" && (len(c.AccessKey) < 16 || c.Session != nil) {
		return
	}
	u := use{k.Now(), service, c.Region}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.used == nil {
		k.used, k.role = map[state.Key]use{}, map[state.Key]use{}
	}
	if c.Role != "" {
		k.role[state.Global(c.Account).Key(c.Role)] = u
		return
	}
	k.used[state.Global(c.Account).Key(c.AccessKey)] = u
}

// Pending says whether there is something to flush.
func (k *Keys) Pending() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.used)+len(k.role) > 0
}

// Flush keeps when keys and roles were used last. A request writes nothing: AWS
// tells it with minutes of delay too.
func (k *Keys) Flush(tx *state.Tx) {
	k.mu.Lock()
	used, role := k.used, k.role
	k.used, k.role = nil, nil
	k.mu.Unlock()
	for key, u := range used {
		if row, ok := state.AccessKeys.Get(tx, key); ok {
			next := *row
			next.LastUsed, next.LastService, next.LastRegion = u.at.UTC(), u.service, u.region
			state.AccessKeys.Put(tx, &next)
		}
	}
	for key, u := range role {
		if row, ok := state.Roles.Get(tx, key); ok {
			next := *row
			next.LastUsed, next.LastRegion = u.at.UTC(), u.region
			state.Roles.Put(tx, &next)
		}
	}
}
