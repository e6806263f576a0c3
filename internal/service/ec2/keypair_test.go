package ec2

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// Keys made by ssh-keygen, and what "ssh-keygen -e -m PKCS8 | openssl md5 -c" and
// "ssh-keygen -l" print of them: the ways of the EC2 User Guide, "Verify the
// fingerprint of your key pair".
const (
	rsaKey         = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDh/qRENNE+oYkg8nX0VoNxRIPFHoppRwtGuQGE6lLcBFo4U750Ja3TS46ZWHl4fCoHzVLuJLmilFOp+Id+D1Uum8vews0yOxrtrneNXt6ZGHil1FY26iSeBMdWKh4rCKs2zpwd+8dhNzGNJneHcBe3H5of89Ihv6Zup7HGxZznwJUmZ3Unmj2ol7gOpvZSF6YMjnYlxUjMU+kNMFzjjbms3xWkal36ZZjLjcMo8cl2d363kSHKDCDJeF/1PmEH8krsqn/VPKlTeKu7tIvNcgKkeUVOgWm936YzrA5rcyR3LNO6hBM1+/qq0wiyFrODxMF+s/Dlr6NY2bOsX3LpyccH test@host"
	rsaFingerprint = "45:55:a8:42:9f:71:7e:ad:75:f7:4c:9b:78:93:89:ed"
	edKey          = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIoOiA2Z3X+PGTlk6Xbu2sYl+OTriMyPuQAZpv66LV71 t"
	edFingerprint  = "arR1mFl08ivCzoNHSg0q3jh8whoOaCkBynWVg4KaW4o="
	ecdsaKey       = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKaXsUjcZSudod4+1gO+o+njr+27R9ydC3LAapf4r4I9bhMUjAkqbrlDWfN61irLjUGybzq74/p6yKFkgUx/ZyI= root@vm"
	rsaRFC4716     = `---- BEGIN SSH2 PUBLIC KEY ----
Comment: "2048-bit RSA, converted from OpenSSH"
AAAAB3NzaC1yc2EAAAADAQABAAABAQDh/qRENNE+oYkg8nX0VoNxRIPFHoppRwtGuQGE6l
LcBFo4U750Ja3TS46ZWHl4fCoHzVLuJLmilFOp+Id+D1Uum8vews0yOxrtrneNXt6ZGHil
1FY26iSeBMdWKh4rCKs2zpwd+8dhNzGNJneHcBe3H5of89Ihv6Zup7HGxZznwJUmZ3Unmj
2ol7gOpvZSF6YMjnYlxUjMU+kNMFzjjbms3xWkal36ZZjLjcMo8cl2d363kSHKDCDJeF/1
PmEH8krsqn/VPKlTeKu7tIvNcgKkeUVOgWm936YzrA5rcyR3LNO6hBM1+/qq0wiyFrODxM
F+s/Dlr6NY2bOsX3LpyccH
---- END SSH2 PUBLIC KEY ----`
	rsaPKCS8 = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA4f6kRDTRPqGJIPJ19FaD
cUSDxR6KaUcLRrkBhOpS3ARaOFO+dCWt00uOmVh5eHwqB81S7iS5opRTqfiHfg9V
LpvL3sLNMjsa7a53jV7emRh4pdRWNuokngTHVioeKwirNs6cHfvHYTcxjSZ3h3AX
tx+aH/PSIb+mbqexxsWc58CVJmd1J5o9qJe4Dqb2UhemDI52JcVIzFPpDTBc4425
rN8VpGpd+mWYy43DKPHJdnd+t5EhygwgyXhf9T5hB/JK7Kp/1TypU3iru7SLzXIC
pHlFToFpvd+mM6wOa3MkdyzTuoQTNfv6qtMIshazg8TBfrPw5a+jWNmzrF9y6cnH
BwIDAQAB
-----END PUBLIC KEY-----`
	rsaPKCS1 = `-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEA4f6kRDTRPqGJIPJ19FaDcUSDxR6KaUcLRrkBhOpS3ARaOFO+dCWt
00uOmVh5eHwqB81S7iS5opRTqfiHfg9VLpvL3sLNMjsa7a53jV7emRh4pdRWNuok
ngTHVioeKwirNs6cHfvHYTcxjSZ3h3AXtx+aH/PSIb+mbqexxsWc58CVJmd1J5o9
qJe4Dqb2UhemDI52JcVIzFPpDTBc4425rN8VpGpd+mWYy43DKPHJdnd+t5Ehygwg
yXhf9T5hB/JK7Kp/1TypU3iru7SLzXICpHlFToFpvd+mM6wOa3MkdyzTuoQTNfv6
qtMIshazg8TBfrPw5a+jWNmzrF9y6cnHBwIDAQAB
-----END RSA PUBLIC KEY-----`
)

func importPair(name, material string) *api.ImportKeyPairInput {
	return &api.ImportKeyPairInput{KeyName: &name, PublicKeyMaterial: []byte(material)}
}

func TestImportKeyPair(t *testing.T) {
	w := newWorld(t)
	body := strings.Join(strings.Split(rsaPKCS8, "\n")[1:8], "")
	for name, tt := range map[string]struct{ material, kind, fingerprint string }{
		"rsa":           {rsaKey, "rsa", rsaFingerprint},
		"rsa plus":      {"\n " + strings.TrimSuffix(rsaKey, " test@host") + "\r\n", "rsa", rsaFingerprint},
		"rfc4716":       {rsaRFC4716, "rsa", rsaFingerprint},
		"rfc4716 crlf":  {strings.ReplaceAll(rsaRFC4716, "\n", "\r\n"), "rsa", rsaFingerprint},
		"pkcs8":         {rsaPKCS8, "rsa", rsaFingerprint},
		"pkcs1":         {rsaPKCS1, "rsa", rsaFingerprint},
		"base64 of der": {body, "rsa", rsaFingerprint},
		"ed25519":       {edKey, "ed25519", edFingerprint},
	} {
		out := call[api.ImportKeyPairOutput](w, "ImportKeyPair", importPair(name, tt.material))
		info := call[api.DescribeKeyPairsOutput](w, "DescribeKeyPairs", &api.DescribeKeyPairsInput{KeyNames: []string{name}, IncludePublicKey: ptr(true)}).KeyPairs[0]
		if *out.KeyFingerprint != tt.fingerprint || *info.KeyType != tt.kind || *info.KeyFingerprint != tt.fingerprint {
			t.Errorf("%s: %s %s", name, *info.KeyType, *out.KeyFingerprint)
		}
		if want := strings.Join(strings.Fields(map[string]string{"rsa": rsaKey, "ed25519": edKey}[tt.kind])[:2], " ") + " " + name; *info.PublicKey != want {
			t.Errorf("%s: public key %s, want %s", name, *info.PublicKey, want)
		}
	}
	for name, material := range map[string]string{
		"empty": "", "garbage": "hello", "ecdsa": ecdsaKey, "private": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
		"options": `command="x" ` + edKey, "two lines": edKey + "\n" + rsaKey, "wrong type": strings.Replace(edKey, "ssh-ed25519", "ssh-rsa", 1),
		"truncated": edKey[:40], "long": strings.Repeat("A", 20000), "open rfc4716": strings.Split(rsaRFC4716, "\n")[0],
	} {
		text := "Key is not in valid OpenSSH public key format"
		if name == "ecdsa" {
			text = "only RSA and ED25519"
		}
		w.fails("ImportKeyPair", importPair(name, material), "InvalidKey.Format", text)
	}
	small, err := rsa.GenerateKey(nil, 3072)
	if err != nil {
		t.Fatal(err)
	}
	odd, _ := ssh.NewPublicKey(&small.PublicKey)
	w.fails("ImportKeyPair", importPair("odd", line(odd)), "InvalidKey.Format", "1024, 2048 or 4096 bits")
	w.fails("ImportKeyPair", importPair("rsa", edKey), "InvalidKeyPair.Duplicate", "The keypair already exists")
	w.fails("ImportKeyPair", importPair("", edKey), "InvalidParameterValue", "keyName")
	w.fails("ImportKeyPair", importPair(strings.Repeat("x", 256), edKey), "InvalidParameterValue", "keyName")
	w.fails("ImportKeyPair", importPair("schlüssel", edKey), "InvalidParameterValue", "keyName")
}

func TestCreateKeyPair(t *testing.T) {
	w := newWorld(t)
	create := func(name, kind, format string) *api.CreateKeyPairOutput {
		t.Helper()
		return call[api.CreateKeyPairOutput](w, "CreateKeyPair", &api.CreateKeyPairInput{KeyName: &name, KeyType: opt(kind), KeyFormat: opt(format), TagSpecifications: tagSpec("key-pair", "a", "b")})
	}
	public := func(name string) string {
		t.Helper()
		out := call[api.DescribeKeyPairsOutput](w, "DescribeKeyPairs", &api.DescribeKeyPairsInput{KeyNames: []string{name}, IncludePublicKey: ptr(true)})
		return strings.TrimSuffix(*out.KeyPairs[0].PublicKey, " "+name)
	}

	out := create("r", "", "")
	block, _ := pem.Decode([]byte(*out.KeyMaterial))
	if block == nil || block.Type != "RSA PRIVATE KEY" || len(out.Tags) != 1 {
		t.Fatalf("%+v", out)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil || key.N.BitLen() != 2048 {
		t.Fatalf("%v", err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	sum := sha1.Sum(der)
	if strings.ReplaceAll(*out.KeyFingerprint, ":", "") != hex.EncodeToString(sum[:]) || len(*out.KeyFingerprint) != 59 {
		t.Errorf("fingerprint %s", *out.KeyFingerprint)
	}
	if signer, err := ssh.ParsePrivateKey([]byte(*out.KeyMaterial)); err != nil || line(signer.PublicKey()) != public("r") {
		t.Errorf("the public key does not belong to the private one: %v", err)
	}

	out = create("e", "ed25519", "pem")
	signer, err := ssh.ParsePrivateKey([]byte(*out.KeyMaterial))
	if err != nil || line(signer.PublicKey()) != public("e") || !strings.HasPrefix(*out.KeyMaterial, "-----BEGIN OPENSSH PRIVATE KEY-----") {
		t.Errorf("%v", err)
	}
	if imported := call[api.ImportKeyPairOutput](w, "ImportKeyPair", importPair("e2", public("e"))); *imported.KeyFingerprint != *out.KeyFingerprint {
		t.Error("the fingerprints of an ED25519 key differ by how it came")
	}
	w.fails("CreateKeyPair", &api.CreateKeyPairInput{KeyName: ptr("e")}, "InvalidKeyPair.Duplicate", "The keypair already exists")
	w.fails("CreateKeyPair", &api.CreateKeyPairInput{KeyName: ptr("x"), TagSpecifications: tagSpec("instance", "a", "b")}, "InvalidParameterValue", "'instance' is not a valid taggable")
}

// TestPuttyKeys reads the files as PuTTY's manual describes them.
func TestPuttyKeys(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []string{"rsa", "ed25519"} {
		out := call[api.CreateKeyPairOutput](w, "CreateKeyPair", &api.CreateKeyPairInput{KeyName: &kind, KeyType: &kind, KeyFormat: ptr("ppk")})
		m := regexp.MustCompile(`^PuTTY-User-Key-File-2: (\S+)\nEncryption: none\nComment: \S+\nPublic-Lines: \d+\n((?s).*)\nPrivate-Lines: \d+\n((?s).*)\nPrivate-MAC: [0-9a-f]{40}\n$`).FindStringSubmatch(*out.KeyMaterial)
		if m == nil {
			t.Fatalf("%s", *out.KeyMaterial)
		}
		decode := func(s string) []byte {
			b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(s, "\n", ""))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		public, err := ssh.ParsePublicKey(decode(m[2]))
		if err != nil || public.Type() != m[1] {
			t.Fatalf("%v", err)
		}
		if kind == "ed25519" {
			private := decode(m[3])
			key := ed25519.NewKeyFromSeed(private[4:])
			if len(private) != 36 || !key.Public().(ed25519.PublicKey).Equal(public.(ssh.CryptoPublicKey).CryptoPublicKey()) {
				t.Error("the seed does not give the public key")
			}
		}
	}
}

func TestDescribeAndDeleteKeyPairs(t *testing.T) {
	w := newWorld(t)
	b := call[api.ImportKeyPairOutput](w, "ImportKeyPair", importPair("b", rsaKey))
	a := call[api.ImportKeyPairOutput](w, "ImportKeyPair", importPair("a", edKey))
	list := func(in *api.DescribeKeyPairsInput) string {
		t.Helper()
		return strings.Join(ids(call[api.DescribeKeyPairsOutput](w, "DescribeKeyPairs", in).KeyPairs, func(k api.KeyPairInfo) *string { return k.KeyName }), " ")
	}
	for name, tt := range map[string]struct {
		in   *api.DescribeKeyPairsInput
		want string
	}{
		"all":             {&api.DescribeKeyPairsInput{}, "a b"},
		"by name":         {&api.DescribeKeyPairsInput{KeyNames: []string{"b"}}, "b"},
		"by id":           {&api.DescribeKeyPairsInput{KeyPairIds: []string{*a.KeyPairId}}, "a"},
		"by both":         {&api.DescribeKeyPairsInput{KeyPairIds: []string{*a.KeyPairId}, KeyNames: []string{"a", "b"}}, "a b"},
		"by fingerprint":  {&api.DescribeKeyPairsInput{Filters: filtersOf("fingerprint", rsaFingerprint)}, "b"},
		"by name pattern": {&api.DescribeKeyPairsInput{Filters: filtersOf("key-name", "?")}, "a b"},
	} {
		if got := list(tt.in); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	w.fails("DescribeKeyPairs", &api.DescribeKeyPairsInput{KeyNames: []string{"none"}}, "InvalidKeyPair.NotFound", "The key pair 'none' does not exist")
	w.fails("DescribeKeyPairs", &api.DescribeKeyPairsInput{KeyNames: []string{"y", "x"}}, "InvalidKeyPair.NotFound", "The key pairs 'x, y' do not exist")
	w.fails("DescribeKeyPairs", &api.DescribeKeyPairsInput{KeyPairIds: []string{"key-1"}}, "InvalidKeyPair.Malformed", "key-1")
	w.as("210987654321", "us-east-1").fails("DescribeKeyPairs", &api.DescribeKeyPairsInput{KeyNames: []string{"a"}}, "InvalidKeyPair.NotFound", "'a'")

	if out := call[api.DeleteKeyPairOutput](w, "DeleteKeyPair", &api.DeleteKeyPairInput{KeyName: ptr("a")}); *out.KeyPairId != *a.KeyPairId || !*out.Return {
		t.Errorf("%+v", out)
	}
	if out := call[api.DeleteKeyPairOutput](w, "DeleteKeyPair", &api.DeleteKeyPairInput{KeyName: ptr("a")}); out.KeyPairId != nil || !*out.Return {
		t.Errorf("%+v", out)
	}
	call[api.DeleteKeyPairOutput](w, "DeleteKeyPair", &api.DeleteKeyPairInput{KeyPairId: b.KeyPairId})
	if got := list(&api.DescribeKeyPairsInput{}); got != "" {
		t.Errorf("left: %s", got)
	}
	w.fails("DeleteKeyPair", &api.DeleteKeyPairInput{}, "MissingParameter", "KeyName")
	w.fails("DeleteKeyPair", &api.DeleteKeyPairInput{KeyPairId: ptr("x")}, "InvalidKeyPair.Malformed", "x")
	w.fails("DeleteKeyPair", &api.DeleteKeyPairInput{KeyPairId: ptr("x"), KeyName: ptr("y")}, "InvalidParameterCombination", "KeyPairId")
}
