package scenario

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const metadataURL = "http://169.254.169.254/latest/"

// withToken asks for metadata as AWS's own programs do.
const withToken = `token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' ` + metadataURL + `api/token) &&
curl -s -m 5 -o /run/answer -w '%{http_code}' -H "X-aws-ec2-metadata-token: $token" ` + metadataURL

// metadata gives status and body of one path, from inside and with a token.
func (w *world) metadata(instance, path string) (status, body string) {
	w.t.Helper()
	out := w.says(instance, withToken+path+" && echo && cat /run/answer")
	status, body, _ = strings.Cut(out, "\n")
	return status, body
}

// TestMetadata: the document follows the state: what the API has changed when
// it returns is what an instance reads next.
func TestMetadata(t *testing.T) {
	have(t, "curl") // the instance has the host's programs
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		web, db := w.group(c, vpc, "web"), w.group(c, vpc, "db")
		data := "#!/bin/sh\necho \"it's \\\"data\\\"\"\n"
		one := w.start("one", subnet, func(in *ec2.RunInstancesInput) {
			in.UserData = aws.String(base64.StdEncoding.EncodeToString([]byte(data)))
			in.SecurityGroupIds = []string{web, db}
			in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpTokens: types.HttpTokensStateRequired}
		})
		id := *one.InstanceId
		eni := one.NetworkInterfaces[0]
		expect := func(path, want string) {
			t.Helper()
			if status, body := w.metadata("one", path); status != "200" || body != want {
				t.Errorf("%s: %s %q, want %q", path, status, body, want)
			}
		}
		for path, want := range map[string]string{
			"meta-data/instance-id":                 id,
			"meta-data/ami-id":                      *one.ImageId,
			"meta-data/instance-type":               "t3.micro",
			"meta-data/local-ipv4":                  *one.PrivateIpAddress,
			"meta-data/local-hostname":              *one.PrivateDnsName,
			"meta-data/hostname":                    *one.PrivateDnsName,
			"meta-data/mac":                         *eni.MacAddress,
			"meta-data/security-groups":             "web\ndb",
			"meta-data/reservation-id":              *must(c.DescribeInstances(tctx(t), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}))(t).Reservations[0].ReservationId,
			"meta-data/placement/availability-zone": *one.Placement.AvailabilityZone,
			"meta-data/placement/region":            "us-east-1",
			"meta-data/network/interfaces/macs/":    *eni.MacAddress + "/",
			"user-data":                             strings.TrimSpace(data),
		} {
			expect(path, want)
		}
		macs := "meta-data/network/interfaces/macs/" + *eni.MacAddress + "/"
		for path, want := range map[string]string{
			"device-number": "0", "interface-id": *eni.NetworkInterfaceId, "local-ipv4s": *one.PrivateIpAddress, "subnet-id": subnet, "vpc-id": vpc,
			"subnet-ipv4-cidr-block": "10.0.1.0/24", "vpc-ipv4-cidr-block": "10.0.0.0/16", "security-groups": "web\ndb", "owner-id": "000000000000",
		} {
			expect(macs+path, want)
		}
		if _, body := w.metadata("one", macs+"security-group-ids"); !slices.Equal(strings.Fields(body), []string{web, db}) {
			t.Errorf("the ids of the groups are %q", body)
		}
		var identity struct{ InstanceID, AccountID, PrivateIP, Region string }
		_, body := w.metadata("one", "dynamic/instance-identity/document")
		if err := json.Unmarshal([]byte(body), &identity); err != nil || identity.InstanceID != id || identity.AccountID != "000000000000" || identity.PrivateIP != *one.PrivateIpAddress || identity.Region != "us-east-1" {
			t.Errorf("the document is %s: %v", body, err)
		}

		// Without a token, or with a wrong one, nothing is told; then it is.
		status := func(args string) string {
			t.Helper()
			return w.says("one", "curl -s -m 5 -o /dev/null -w '%{http_code}' "+args+" "+metadataURL+"meta-data/instance-id")
		}
		if s := status(""); s != "401" {
			t.Errorf("without a token: %s", s)
		}
		if s := status("-H 'X-aws-ec2-metadata-token: wrong'"); s != "401" {
			t.Errorf("with a wrong token: %s", s)
		}
		must(c.ModifyInstanceMetadataOptions(tctx(t), &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &id, HttpTokens: types.HttpTokensStateOptional}))(t)
		if s := status(""); s != "200" {
			t.Errorf("version 1, when it is allowed: %s", s)
		}
		// A request that came through a proxy gets no token.
		if out := w.says("one", "curl -s -m 5 -o /dev/null -w '%{http_code}' -X PUT -H 'X-Forwarded-For: 10.0.0.1' -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "+metadataURL+"api/token"); out != "403" {
			t.Errorf("a token through a proxy: %s", out)
		}

		// Tags, when the options allow them.
		if s, _ := w.metadata("one", "meta-data/tags/instance"); s != "404" {
			t.Errorf("tags that are not allowed: %s", s)
		}
		must(c.ModifyInstanceMetadataOptions(tctx(t), &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &id, InstanceMetadataTags: types.InstanceMetadataTagsStateEnabled}))(t)
		must(c.CreateTags(tctx(t), &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("Stage"), Value: aws.String("test")}}}))(t)
		expect("meta-data/tags/instance", "Name\nStage")
		expect("meta-data/tags/instance/Stage", "test")
		must(c.DeleteTags(tctx(t), &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("Stage")}}}))(t)
		expect("meta-data/tags/instance", "Name")

		// Groups, at once.
		must(c.ModifyInstanceAttribute(tctx(t), &ec2.ModifyInstanceAttributeInput{InstanceId: &id, Groups: []string{db}}))(t)
		expect("meta-data/security-groups", "db")

		// Another instance is told of itself, whatever it says it is.
		two := w.start("two", subnet, nil)
		if _, body := w.metadata("two", "meta-data/instance-id"); body != *two.InstanceId {
			t.Errorf("two is told that it is %s, want %s", body, *two.InstanceId)
		}
		stolen := w.says("one", "curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "+metadataURL+"api/token")
		if out := w.says("two", "curl -s -m 5 -o /dev/null -w '%{http_code}' -H 'X-aws-ec2-metadata-token: "+stolen+"' "+metadataURL+"meta-data/instance-id"); out != "401" {
			t.Errorf("with the token of another instance: %s", out)
		}

		// Switched off there is no answer.
		must(c.ModifyInstanceMetadataOptions(tctx(t), &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &id, HttpEndpoint: types.InstanceMetadataEndpointStateDisabled}))(t)
		if s := status(""); s != "403" {
			t.Errorf("switched off: %s", s)
		}
	})
}

// TestIdentityDocument: the signatures that an instance reads are verified with the
// certificate that localvpc publishes.
func TestIdentityDocument(t *testing.T) {
	have(t, "curl")
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.1.0/24")
	w.start("one", subnet, nil)
	_, document := w.metadata("one", "dynamic/instance-identity/document")
	_, signature := w.metadata("one", "dynamic/instance-identity/signature")
	_, signed := w.metadata("one", "dynamic/instance-identity/rsa2048")
	answer := must(http.Get(w.URL + "/_localvpc/certificate"))(t)
	defer answer.Body.Close()
	text := must(io.ReadAll(answer.Body))(t)
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("the certificate is %s %q", answer.Status, text)
	}
	certificate := must(x509.ParseCertificate(block.Bytes))(t)
	raw := must(base64.StdEncoding.DecodeString(strings.Join(strings.Fields(signature), "")))(t)
	if err := certificate.CheckSignature(x509.SHA256WithRSA, []byte(document), raw); err != nil {
		t.Errorf("the signature of %s: %v", document, err)
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"certificate": string(text), "rsa2048": "-----BEGIN PKCS7-----\n" + signed + "\n-----END PKCS7-----\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(openssl, "smime", "-verify", "-in", "rsa2048", "-inform", "PEM", "-certfile", "certificate", "-noverify")
	cmd.Dir = dir
	if out, err := cmd.Output(); err != nil || string(out) != document {
		t.Errorf("openssl: %v, %q", err, out)
	}
}

// TestMetadataLoad: an instance that asks for more than its share waits for its
// answers; all of them come, and another instance's come as ever.
func TestMetadataLoad(t *testing.T) {
	have(t, "curl")
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.1.0/24")
	w.start("greedy", subnet, nil)
	w.start("modest", subnet, nil)
	// Each prints one line of seconds for an answer, or the status that is not 200.
	ask := func(instance, count, more string) *exec.Cmd {
		return w.command("exec", instance, "--", "/bin/sh", "-c", `token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' `+metadataURL+`api/token) &&
			curl -sf `+more+` -o /dev/null -w '%{time_total}\n' -H "X-aws-ec2-metadata-token: $token" '`+metadataURL+`meta-data/instance-id?[1-`+count+`]'`)
	}
	const all = 8000
	flood := ask("greedy", strconv.Itoa(all), "-Z --parallel-max 60")
	out := must(flood.StdoutPipe())(t)
	if err := flood.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var waits []float64
	next := func(lines *bufio.Scanner, into *[]float64) bool {
		if !lines.Scan() {
			return false
		}
		seconds, err := strconv.ParseFloat(lines.Text(), 64)
		if err != nil {
			t.Errorf("in place of a time: %v", err)
		}
		*into = append(*into, seconds)
		return err == nil
	}
	// What it may ask at once is behind it.
	for range 3000 {
		if !next(lines, &waits) {
			t.Fatalf("the flood ended after %d answers", len(waits))
		}
	}
	waits = nil
	begin := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for next(lines, &waits) {
		}
	}()
	var others []float64
	asked := bufio.NewScanner(bytes.NewReader(must(ask("modest", "200", "-m 5").Output())(t)))
	for next(asked, &others) {
	}
	select {
	case <-ended:
		t.Error("the flood was over before the other instance had its answers")
	default:
	}
	<-ended
	took := time.Since(begin)
	if err := flood.Wait(); err != nil || len(waits) != all-3000 {
		t.Errorf("%d answers of %d, %v", len(waits), all-3000, err)
	}
	slices.Sort(waits)
	slices.Sort(others)
	if len(others) != 200 {
		t.Fatalf("%d answers for the other instance of 200", len(others))
	}
	mine, theirs := waits[len(waits)/2], others[len(others)/2]
	t.Logf("%d answers in %s, half of them after %.4f s; another's after %.4f s", len(waits), took, mine, theirs)
	// 2,000 per second, whatever the machine could do.
	if took < 2*time.Second {
		t.Errorf("%d answers in %s: it is not limited", len(waits), took)
	}
	if theirs > mine/2 {
		t.Errorf("the other instance waits %.4f s for an answer, the one that floods %.4f s", theirs, mine)
	}
}
