// Package authority is the certificate authority of the simulated internet: it
// speaks for AWS's endpoints there, and instances trust it as they trust the
// public ones.
//
// Invariant: what it signs is of AWS's domains and of nothing else. Its own
// certificate says so, so that whoever trusts it, or steals it, gets no further.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/localvpc/localvpc/internal/base/awsregion"
)

// domains are what the authority may speak for.
var domains = []string{"amazonaws.com", "amazonaws.com.cn", "api.aws"}

// Lives of certificates. An instance that is never started anew trusts as long as
// the authority lives.
const (
	lifetime = 10 * 365 * 24 * time.Hour
	backdate = time.Hour
)

// file is where a directory keeps key and certificate, as PEM.
const file = "authority.pem"

// Authority signs.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// Keep reads the authority of a directory, or makes it.
func Keep(dir string, now time.Time) (*Authority, error) {
	path := filepath.Join(dir, file)
	text, err := os.ReadFile(path)
	if err == nil {
		a, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s is damaged (%w): remove it, and instances that start from then on trust another one", path, err)
		}
		return a, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	a, text, err := create(now)
	if err != nil {
		return nil, fmt.Errorf("making the certificate authority: %w", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, fmt.Errorf("keeping the certificate authority: %w", err)
	}
	return a, nil
}

func parse(text []byte) (*Authority, error) {
	var a Authority
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		var err error
		switch block.Type {
		case "CERTIFICATE":
			a.certificate, err = x509.ParseCertificate(block.Bytes)
		case "EC PRIVATE KEY":
			a.key, err = x509.ParseECPrivateKey(block.Bytes)
		}
		if err != nil {
			return nil, err
		}
	}
	if a.certificate == nil || a.key == nil {
		return nil, errors.New("a certificate or its key is missing")
	}
	return &a, nil
}

func create(now time.Time) (*Authority, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := number()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"localvpc"}, CommonName: "localvpc simulated internet"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: domains,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	a := &Authority{certificate, key}
	return a, append(a.PEM(), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})...), nil
}

// number is a serial number (RFC 5280, section 4.1.2.2: at most 20 octets).
func number() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// PEM is the authority's own certificate, which is no secret.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Endpoints is a configuration for TLS with a certificate for the endpoints of all
// Regions.
func (a *Authority) Endpoints(now time.Time) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := number()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "amazonaws.com"},
		NotBefore: now.Add(-backdate), NotAfter: a.certificate.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"*.amazonaws.com"},
	}
	for _, r := range awsregion.All() {
		template.DNSNames = append(template.DNSNames, r.Endpoint("*"))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of the endpoints: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, nil
}
