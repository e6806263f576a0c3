package authority

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// notaryFile is where a directory keeps the notary's key and certificate, as PEM.
const notaryFile = "identity.pem"

// maxSigned is how many documents' signatures are remembered: one takes a
// millisecond, and instances ask for theirs again and again.
const maxSigned = 1024

// Notary signs the identity documents of instances, as AWS does with a certificate
// that it publishes (EC2 User Guide, "Verify the instance identity document"). One
// RSA key of 2048 bits serves all Regions; AWS has other keys in each, and for
// pkcs7 DSA with SHA-1.
type Notary struct {
	dir string
	now func() time.Time

	mu     sync.Mutex
	key    *rsa.PrivateKey // nil: not read yet
	cert   *x509.Certificate
	signed map[string][]byte
}

// NewNotary keeps its key in a directory. It is made, or read, at its first use,
// because that takes a while.
func NewNotary(dir string, now func() time.Time) *Notary {
	return &Notary{dir: dir, now: now, signed: map[string][]byte{}}
}

// open reads or makes the key. The lock is held.
func (n *Notary) open() error {
	if n.key != nil {
		return nil
	}
	path := filepath.Join(n.dir, notaryFile)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := n.parse(text); err != nil {
			return fmt.Errorf("%s is damaged (%w): remove it, and documents are signed with another key", path, err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the key of identity documents: %w", err)
	}
	if text, err = n.create(); err != nil {
		return fmt.Errorf("making the key of identity documents: %w", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("keeping the key of identity documents: %w", err)
	}
	return n.parse(text)
}

func (n *Notary) create() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	serial, err := number()
	if err != nil {
		return nil, err
	}
	now := n.now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"localvpc"}, CommonName: "localvpc instance identity"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})...), nil
}

func (n *Notary) parse(text []byte) (err error) {
	var key *rsa.PrivateKey
	for err == nil {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			n.cert, err = x509.ParseCertificate(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		}
	}
	if err == nil && (key == nil || n.cert == nil) {
		err = errors.New("the certificate or its key is missing")
	}
	if err == nil {
		n.key = key
	}
	return err
}

// Certificate is what the signatures are verified with, as PEM.
func (n *Notary) Certificate() ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.open(); err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: n.cert.Raw}), nil
}

// sign gives the RSA signature of a document with SHA-256 (RFC 8017, PKCS #1 v1.5).
func (n *Notary) sign(document string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if signature, ok := n.signed[document]; ok {
		return signature, nil
	}
	if err := n.open(); err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(document))
	signature, err := rsa.SignPKCS1v15(nil, n.key, crypto.SHA256, hash[:])
	if err != nil {
		return nil, err
	}
	if len(n.signed) >= maxSigned {
		clear(n.signed)
	}
	n.signed[document] = signature
	return signature, nil
}

// Signature is the signature alone, in base64.
func (n *Notary) Signature(document string) (string, error) {
	signature, err := n.sign(document)
	if err != nil {
		return "", err
	}
	return lines(signature, 76), nil
}

// Object identifiers (RFC 2315, sections 7 and 14; RFC 8017, appendix C).
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidRSA        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidSHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

// The shapes of PKCS #7 (RFC 2315), as far as they are needed: content and one
// signature over it, without certificates and attributes.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version int
		Digests []pkix.AlgorithmIdentifier `asn1:"set"`
		Content contentInfo
		Signers []signerInfo `asn1:"set"`
	}
	signerInfo struct {
		Version   int
		Issuer    issuerAndSerial
		Digest    pkix.AlgorithmIdentifier
		Algorithm pkix.AlgorithmIdentifier
		Signature []byte
	}
	issuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
)

// PKCS7 is document and signature as PKCS #7, without the lines that PEM has around
// it: who verifies adds them.
func (n *Notary) PKCS7(document string) (string, error) {
	signature, err := n.sign(document)
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	cert := n.cert
	n.mu.Unlock()
	if cert == nil {
		return "", errors.New("the certificate of identity documents is not there")
	}
	null := asn1.RawValue{FullBytes: asn1.NullBytes}
	digest := pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: null}
	octets, err := asn1.Marshal([]byte(document))
	if err != nil {
		return "", err
	}
	inner, err := asn1.Marshal(signedData{
		Version: 1, Digests: []pkix.AlgorithmIdentifier{digest},
		Content: contentInfo{oidData, explicit(octets)},
		Signers: []signerInfo{{
			Version: 1, Issuer: issuerAndSerial{asn1.RawValue{FullBytes: cert.RawIssuer}, cert.SerialNumber},
			Digest: digest, Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: null}, Signature: signature,
		}},
	})
	if err != nil {
		return "", err
	}
	outer, err := asn1.Marshal(contentInfo{oidSignedData, explicit(inner)})
	if err != nil {
		return "", err
	}
	return lines(outer, 64), nil
}

func explicit(der []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: der}
}

// lines is base64 in lines of that many characters, without a line end at the last.
func lines(data []byte, width int) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b bytes.Buffer
	for len(text) > width {
		b.WriteString(text[:width] + "\n")
		text = text[width:]
	}
	b.WriteString(text)
	return strings.TrimSuffix(b.String(), "\n")
}
