package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEndpoints: who trusts the authority trusts the endpoints of every Region, and
// nothing else that its key signs.
func TestEndpoints(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	a, err := Keep(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Keep(dir, now)
	if err != nil || !bytes.Equal(again.PEM(), a.PEM()) {
		t.Errorf("another authority, %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its file: %v, %v", info.Mode(), err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM()) {
		t.Fatal("its certificate does not parse")
	}
	set, err := again.Endpoints(now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(set.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{
		"route53.amazonaws.com": true, "ec2.us-east-1.amazonaws.com": true, "sts.eu-west-1.amazonaws.com": true,
		"example.com": false, "amazonaws.com": false, "ec2.nowhere-1.amazonaws.com": false,
	} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{"bank.example.com"},
	}, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stolen.Verify(x509.VerifyOptions{Roots: pool, DNSName: "bank.example.com"}); err == nil || !strings.Contains(err.Error(), "not permitted") {
		t.Errorf("a certificate of somebody else's domain: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Keep(dir, now); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a damaged file: %v", err)
	}
}
