// Package session makes and opens temporary credentials, and the ids of access
// keys, with one secret of this machine.
//
// Invariant: a session is its own record: nothing is kept of it but what its token
// holds under the seal, so none can be forgotten, forged or changed. An id that
// was made here can be told from any other, also when its key is deleted.
package session

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Kinds of sessions.
const (
	Role      = "role"      // AssumeRole, an instance's role
	User      = "user"      // GetSessionToken of a user
	Root      = "root"      // GetSessionToken of root
	Federated = "federated" // GetFederationToken
)

// Prefixes of the ids of access keys (IAM User Guide, "IAM identifiers").
const (
	LongTerm  = "AKIA"
	Temporary = "ASIA"
)

// Session is what a session token says.
type Session struct {
	AccessKey string
	Account   string
	Kind      string
	// Principal is the unique id of the role or user; a later one of the same name
	// is another.
	Principal string `json:",omitempty"`
	Name      string `json:",omitempty"` // of the role or user
	Session   string `json:",omitempty"` // role session's or federated user's name
	Issued    time.Time
	Expires   time.Time

	Tags           state.Tags `json:",omitempty"`
	Transitive     []string   `json:",omitempty"` // keys of Tags that a next session inherits
	Policy         string     `json:",omitempty"` // session policy, a document
	PolicyArns     []string   `json:",omitempty"` // managed session policies
	SourceIdentity string     `json:",omitempty"`

	// Of an instance's role: the instance's ARN, its VPC and primary address, and the
	// version of the metadata service that gave the credentials, "1.0" or "2.0".
	Instance string     `json:",omitempty"`
	VPC      string     `json:",omitempty"`
	Address  netip.Addr `json:",omitzero"`
	Delivery string     `json:",omitempty"`
}

// Seal is the secret.
type Seal [32]byte

// ErrToken says that a text is no token of the seal, or not of that access key.
var ErrToken = errors.New("it is no session token of this localvpc")

// maxToken bounds a token, before and after it is unpacked.
const maxToken = 64 << 10

func (s Seal) key(use string) []byte {
	h := hmac.New(sha256.New, s[:])
	h.Write([]byte(use))
	return h.Sum(nil)
}

func (s Seal) mac(use, text string) []byte {
	h := hmac.New(sha256.New, s.key(use))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// idSize is how many octets of chance an id holds; as many tell that it is ours.
const idSize = 5

// KeyID makes the id of an access key: 20 letters and digits.
func (s Seal) KeyID(prefix string, chance [idSize]byte) string {
	id := prefix + base32.StdEncoding.EncodeToString(chance[:])
	return id + s.check(id)
}

// KeyOf makes the id of an access key that is always the same for what it is for.
func (s Seal) KeyOf(prefix, what string) string {
	var chance [idSize]byte
	copy(chance[:], s.mac("key of", what))
	return s.KeyID(prefix, chance)
}

func (s Seal) check(id string) string {
	return base32.StdEncoding.EncodeToString(s.mac("key id", id)[:idSize])
}

// Issued says whether KeyID has made the id.
func (s Seal) Issued(id string) bool {
	const half = 8
	return len(id) == 4+2*half && hmac.Equal([]byte(s.check(id[:4+half])), []byte(id[4+half:]))
}

// Credentials are the secret and the token of a session.
func (s Seal) Credentials(v *Session) (secret, token string) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("session: encoding: %v", err)) // it is plain data
	}
	return s.secret(v.AccessKey), s.seal("session", text)
}

func (s Seal) secret(accessKey string) string {
	return base64.StdEncoding.EncodeToString(s.mac("secret", accessKey))[:40]
}

// Open reads a token that came with an access key. Whether it has expired is for
// the caller to say.
func (s Seal) Open(accessKey, token string) (v *Session, secret string, err error) {
	text, err := s.open("session", token)
	if err != nil {
		return nil, "", err
	}
	v = &Session{}
	if json.Unmarshal(text, v) != nil || v.AccessKey != accessKey {
		return nil, "", ErrToken
	}
	return v, s.secret(accessKey), nil
}

// Message seals a text for whoever may have it decoded (STS,
// DecodeAuthorizationMessage).
func (s Seal) Message(text []byte) string { return s.seal("message", text) }

// OpenMessage gives the text of a message.
func (s Seal) OpenMessage(message string) ([]byte, error) { return s.open("message", message) }

// What the first octet under the seal says of those that follow.
const (
	asIs   = 0
	packed = 1 // RFC 1951
)

// worthPacking is the size from which on a text is packed, which takes a hundred
// times as long as encrypting: session policies are, a plain session is not.
const worthPacking = 1 << 10

// seal packs what is long and encrypts. The nonce follows from the text, so that
// nothing else is needed and no two texts share one (RFC 5297 has the idea).
func (s Seal) seal(use string, text []byte) string {
	plain := append([]byte{asIs}, text...)
	if len(text) >= worthPacking {
		plain = pack(text)
	}
	gcm := s.gcm(use)
	nonce := s.mac(use+" nonce", string(text))[:gcm.NonceSize()]
	return base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, plain, nil))
}

func pack(text []byte) []byte {
	var b bytes.Buffer
	b.WriteByte(packed)
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("session: packing: %v", err)) // into memory
	}
	return b.Bytes()
}

func (s Seal) gcm(use string) cipher.AEAD {
	block, err := aes.NewCipher(s.key(use + " key"))
	if err != nil {
		panic(fmt.Sprintf("session: %v", err)) // the key has 32 octets
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("session: %v", err))
	}
	return gcm
}

func (s Seal) open(use, sealed string) ([]byte, error) {
	if len(sealed) > maxToken {
		return nil, ErrToken
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(sealed))
	gcm := s.gcm(use)
	if err != nil || len(raw) < gcm.NonceSize() {
		return nil, ErrToken
	}
	plain, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], nil)
	if err != nil || len(plain) == 0 {
		return nil, ErrToken
	}
	switch plain[0] {
	case asIs:
		return plain[1:], nil
	case packed:
		text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(plain[1:])), maxToken))
		if err == nil {
			return text, nil
		}
	}
	return nil, ErrToken
}
