package authority

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotary verifies the signatures as the EC2 User Guide says, with openssl where
// it is installed; a document that was changed has none.
func TestNotary(t *testing.T) {
	dir := t.TempDir()
	n := NewNotary(dir, time.Now)
	const document = "{\n  \"instanceId\" : \"i-1\"\n}"
	signature, err := n.Signature(document)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := n.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	again := NewNotary(dir, time.Now)
	if same, err := again.Signature(document); err != nil || same != signature {
		t.Errorf("another key after a restart: %v", err)
	}
	if other, err := again.Certificate(); err != nil || !bytes.Equal(other, certificate) {
		t.Errorf("another certificate after a restart: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, notaryFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its file: %v, %v", info.Mode(), err)
	}
	block, _ := pem.Decode(certificate)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(signature, "\n", ""))
	if err != nil || strings.HasSuffix(signature, "\n") {
		t.Fatalf("%q: %v", signature, err)
	}
	check := func(text string) error {
		hash := sha256.Sum256([]byte(text))
		return rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, hash[:], raw)
	}
	if err := check(document); err != nil {
		t.Error(err)
	}
	if check(document+" ") == nil {
		t.Error("another document has the same signature")
	}

	signed, err := n.PKCS7(document)
	if err != nil {
		t.Fatal(err)
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for name, text := range map[string]string{"pkcs7": "-----BEGIN PKCS7-----\n" + signed + "\n-----END PKCS7-----\n", "certificate": string(certificate)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(openssl, "smime", "-verify", "-in", "pkcs7", "-inform", "PEM", "-certfile", "certificate", "-noverify")
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	if out, err := cmd.Output(); err != nil || string(out) != document {
		t.Errorf("openssl: %v, %q, %s", err, out, said.String())
	}
	if err := os.WriteFile(filepath.Join(dir, notaryFile), certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewNotary(dir, time.Now).Signature(document); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("without the key: %v", err)
	}
}
