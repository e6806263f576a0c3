package ec2

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// keyMaterial is a key as CreateKeyPair makes it.
type keyMaterial struct {
	public      string // OpenSSH authorized_keys line, without comment
	fingerprint string
	private     string // PEM or PPK text, given to the caller and never kept
}

// newKey makes a key of AWS's kinds: RSA with 2048 bits or ED25519; name becomes
// the comment of formats that have one.
func newKey(kind, format, name string) (*keyMaterial, error) {
	var signer crypto.Signer
	var block *pem.Block
	var sum string
	switch kind {
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("making an ED25519 key: %w", err)
		}
		if block, err = ssh.MarshalPrivateKey(key, ""); err != nil {
			return nil, fmt.Errorf("encoding an ED25519 key: %w", err)
		}
		signer = key
	default:
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("making an RSA key: %w", err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("encoding an RSA key: %w", err)
		}
		digest := sha1.Sum(pkcs8)
		sum = colons(digest[:])
		block = &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		signer = key
	}
	public, err := ssh.NewPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding a public key: %w", err)
	}
	m := &keyMaterial{public: line(public), fingerprint: sum, private: strings.TrimSuffix(string(pem.EncodeToMemory(block)), "\n")}
	if sum == "" {
		m.fingerprint = sha256Fingerprint(public)
	}
	if format == "ppk" {
		m.private = ppk(signer, public, name)
	}
	return m, nil
}

// importKey reads public key material in any form that AWS takes (EC2 User
// Guide, "Create a key pair using a third-party tool and import the public
// key"): OpenSSH, RFC 4716, and DER as PEM or base64. RSA keys have 1024, 2048
// or 4096 bits.
func importKey(material []byte) (public, kind, fingerprint string, err error) {
	invalid := awserr.New("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	if len(material) > 16384 {
		return "", "", "", invalid
	}
	key, ok := parsePublic(material)
	if !ok {
		return "", "", "", invalid
	}
	switch k := key.(ssh.CryptoPublicKey).CryptoPublicKey().(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n != 1024 && n != 2048 && n != 4096 {
			return "", "", "", awserr.New("InvalidKey.Format", "RSA keys must have 1024, 2048 or 4096 bits; this one has %d", n)
		}
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			return "", "", "", invalid.Because(err)
		}
		digest := md5.Sum(der)
		return line(key), "rsa", colons(digest[:]), nil
	case ed25519.PublicKey:
		return line(key), "ed25519", sha256Fingerprint(key), nil
	}
	return "", "", "", awserr.New("InvalidKey.Format", "Keys of type %s are not supported: only RSA and ED25519 ones are", key.Type())
}

// parsePublic tries the forms one after the other.
func parsePublic(material []byte) (ssh.PublicKey, bool) {
	text := strings.TrimSpace(string(material))
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return fromDER(block.Bytes)
	}
	if body, ok := rfc4716(text); ok {
		blob, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return nil, false
		}
		key, err := ssh.ParsePublicKey(blob)
		return key, err == nil && isPlain(key)
	}
	// An authorized_keys line may carry options and several lines; a key may not.
	if fields := strings.Fields(text); len(fields) >= 2 && !strings.ContainsAny(text, "\r\n") {
		blob, err := base64.StdEncoding.DecodeString(fields[1])
		if err != nil {
			return nil, false
		}
		key, err := ssh.ParsePublicKey(blob)
		return key, err == nil && key.Type() == fields[0] && isPlain(key)
	}
	if der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		return fromDER(der)
	}
	return nil, false
}

// isPlain: a key itself, not a certificate or a key on a security token.
func isPlain(key ssh.PublicKey) bool {
	_, ok := key.(ssh.CryptoPublicKey)
	return ok && !strings.Contains(key.Type(), "@")
}

func fromDER(der []byte) (ssh.PublicKey, bool) {
	any, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if any, err = x509.ParsePKCS1PublicKey(der); err != nil {
			return nil, false
		}
	}
	key, err := ssh.NewPublicKey(any)
	return key, err == nil && isPlain(key)
}

// rfc4716 gives the base64 body of an SSH2 public key file (RFC 4716, section 3):
// headers have a colon and may continue behind a backslash.
func rfc4716(text string) (string, bool) {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if len(lines) < 3 || lines[0] != "---- BEGIN SSH2 PUBLIC KEY ----" || lines[len(lines)-1] != "---- END SSH2 PUBLIC KEY ----" {
		return "", false
	}
	var body strings.Builder
	header := false
	for _, l := range lines[1 : len(lines)-1] {
		if header || strings.Contains(l, ":") {
			header = strings.HasSuffix(l, `\`)
			continue
		}
		body.WriteString(strings.TrimSpace(l))
	}
	return body.String(), true
}

func line(key ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}

// sha256Fingerprint is the one of ED25519 keys: OpenSSH's digest, but padded
// base64 without the prefix, as AWS writes it.
func sha256Fingerprint(key ssh.PublicKey) string {
	digest := sha256.Sum256(key.Marshal())
	return base64.StdEncoding.EncodeToString(digest[:])
}

func colons(b []byte) string {
	parts := make([]string, len(b))
	for i := range b {
		parts[i] = hex.EncodeToString(b[i : i+1])
	}
	return strings.Join(parts, ":")
}

// ppk writes PuTTY's key file, version 2, without encryption (PuTTY User Manual,
// appendix C): the parts of the private key are SSH wire values, and the MAC
// covers all that the file says.
func ppk(key crypto.Signer, public ssh.PublicKey, comment string) string {
	var private []byte
	switch k := key.(type) {
	case *rsa.PrivateKey:
		iqmp := new(big.Int).ModInverse(k.Primes[1], k.Primes[0])
		private = ssh.Marshal(struct{ D, P, Q, Iqmp *big.Int }{k.D, k.Primes[0], k.Primes[1], iqmp})
	case ed25519.PrivateKey:
		private = ssh.Marshal(struct{ Seed []byte }{k.Seed()})
	}
	secret := sha1.Sum([]byte("putty-private-key-file-mac-key"))
	mac := hmac.New(sha1.New, secret[:])
	mac.Write(ssh.Marshal(struct {
		Algorithm, Encryption, Comment string
		Public, Private                []byte
	}{public.Type(), "none", comment, public.Marshal(), private}))
	var out bytes.Buffer
	fmt.Fprintf(&out, "PuTTY-User-Key-File-2: %s\nEncryption: none\nComment: %s\n", public.Type(), comment)
	lines := func(name string, blob []byte) {
		text := base64.StdEncoding.EncodeToString(blob)
		fmt.Fprintf(&out, "%s: %d\n", name, (len(text)+63)/64)
		for ; len(text) > 64; text = text[64:] {
			out.WriteString(text[:64] + "\n")
		}
		out.WriteString(text + "\n")
	}
	lines("Public-Lines", public.Marshal())
	lines("Private-Lines", private)
	fmt.Fprintf(&out, "Private-MAC: %x\n", mac.Sum(nil))
	return out.String()
}
