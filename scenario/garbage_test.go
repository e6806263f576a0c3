package scenario

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	wire "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/front/execstream"
	"github.com/localvpc/localvpc/internal/front/tunnel"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// TestGarbage sends ten thousand requests that nobody honest sends: the process
// stays healthy and as large as it was, nothing is made of them, and nothing of
// what they lead to is worth a line of the log.
func TestGarbage(t *testing.T) {
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	vpc, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.0.0/24")
	before := w.inventory()
	engine := w.engine()

	// What a first load makes for good, buffers and a heap, is not a leak.
	throw(t, w, 1, 2000, vpc, subnet)
	files, size := w.openFiles(-1), w.pss()
	answers := throw(t, w, 2, 10_000, vpc, subnet)
	w.openFiles(files)
	const most = 16 << 10
	if now := w.pss(); now > size+most {
		t.Errorf("the memory has grown from %d to %d KiB", size, now)
	} else {
		t.Logf("memory from %d to %d KiB, answers %v", size, now, answers)
	}
	for status, n := range answers {
		if status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported {
			t.Errorf("%d answers with status %d", n, status)
		}
	}
	if answers[0] < 100 || answers[200] < 50 || answers[400] < 3000 || answers[403] < 100 || answers[404] < 100 || answers[413] < 10 {
		t.Errorf("the garbage is not what it is meant to be: %v", answers)
	}
	if now := w.engine(); now != engine {
		t.Errorf("the engine was process %d and is %d", engine, now)
	}
	if after := w.inventory(); after != before {
		t.Errorf("something has changed:\n%s", difference(before, after))
	}
	var health struct{ Problem string }
	if err := json.Unmarshal([]byte(w.fetch("health")), &health); err != nil || health.Problem != "" {
		t.Errorf("health: %+v %v", health, err)
	}
	w.launch(w.ec2, "afterwards", subnet, nil, "")
	if out, code := w.in("afterwards", "echo fine"); code != 0 || out != "fine\n" {
		t.Errorf("%q, exit code %d", out, code)
	}
	w.stop(syscall.SIGTERM)
	if said := w.errs.String(); said != "" {
		t.Errorf("localvpc said:\n%s", said)
	}
}

// inventory is what there is, as text.
func (w *world) inventory() string {
	w.t.Helper()
	out, code := w.cli("ls", "--json")
	if code != 0 {
		w.t.Fatalf("ls: exit code %d\n%s", code, out)
	}
	var b strings.Builder
	b.WriteString(out)
	for _, show := range []func() (any, error){
		func() (any, error) { return w.ec2.DescribeImages(tctx(w.t), &ec2.DescribeImagesInput{}) },
		func() (any, error) { return w.ec2.DescribeDhcpOptions(tctx(w.t), &ec2.DescribeDhcpOptionsInput{}) },
		func() (any, error) { return w.ec2.DescribeKeyPairs(tctx(w.t), &ec2.DescribeKeyPairsInput{}) },
		func() (any, error) { return w.ec2.DescribeVolumes(tctx(w.t), &ec2.DescribeVolumesInput{}) },
		func() (any, error) { return w.ec2.DescribeRouteTables(tctx(w.t), &ec2.DescribeRouteTablesInput{}) },
		func() (any, error) { return w.ec2.DescribeNetworkAcls(tctx(w.t), &ec2.DescribeNetworkAclsInput{}) },
		func() (any, error) {
			return w.ec2.DescribeInternetGateways(tctx(w.t), &ec2.DescribeInternetGatewaysInput{})
		},
		func() (any, error) { return w.ec2.DescribeAddresses(tctx(w.t), &ec2.DescribeAddressesInput{}) },
		func() (any, error) { return w.ec2.DescribeNatGateways(tctx(w.t), &ec2.DescribeNatGatewaysInput{}) },
		func() (any, error) { return w.ec2.DescribeTags(tctx(w.t), &ec2.DescribeTagsInput{}) },
	} {
		out := must(show())(w.t)
		text, err := json.MarshalIndent(out, "", " ")
		if err != nil {
			w.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, "RequestId") && !strings.Contains(line, "ResultMetadata") {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// pss is the memory of localvpc's processes in KiB, shared pages by their share
// (proc(5), smaps_rollup).
func (w *world) pss() int {
	w.t.Helper()
	sum := 0
	for _, pid := range descendants(w.cmd.Process.Pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
				n, err := strconv.Atoi(f[1])
				if err != nil {
					w.t.Fatal(err)
				}
				sum += n
			}
		}
	}
	return sum
}

// openFiles waits until the engine has no more open files than that, because the
// connections have ended, and says how many it has.
func (w *world) openFiles(most int) int {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		http.DefaultClient.CloseIdleConnections()
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.engine()))
		if err != nil {
			w.t.Fatal(err)
		}
		if most < 0 || len(list) <= most {
			return len(list)
		}
		if time.Now().After(end) {
			w.t.Errorf("%d files are open, %d were", len(list), most)
			return len(list)
		}
	}
}

// throw sends n pieces of garbage and counts the answers by their status; 0 is none.
func throw(t *testing.T, w *world, seed uint64, n int, known ...string) map[int]int {
	t.Helper()
	const throwers = 16
	var mu sync.Mutex
	answers := map[int]int{}
	var all sync.WaitGroup
	for i := range throwers {
		g := &garbage{Rand: rand.New(rand.NewPCG(seed, uint64(i))), addr: strings.TrimPrefix(w.URL, "http://"), known: known}
		all.Go(func() {
			for range n / throwers {
				what, text, waits := g.piece()
				status, err := g.send(text, waits)
				if err != nil {
					t.Errorf("%s: %v\n%.300q", what, err, text)
					return
				}
				mu.Lock()
				answers[status]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answers
}

// garbage makes requests.
type garbage struct {
	*rand.Rand
	addr  string
	known []string // ids that there are
}

// send sends text on a connection of its own, and reads the answer if it waits for
// one. A server that hangs up instead is fine.
func (g *garbage) send(text string, waits bool) (status int, err error) {
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(c, text); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return 0, err
	}
	if !waits {
		return 0, nil
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_, err = io.Copy(io.Discard, r)
	} else {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return resp.StatusCode, err
}

// piece makes one request. waits says whether there will be an answer or the end of
// the connection.
func (g *garbage) piece() (what, text string, waits bool) {
	switch g.IntN(12) {
	case 0:
		return "bytes", pick(g, "", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") + g.bytes(1+g.IntN(3000)), false // the latter is TLS
	case 1:
		full := g.post("/", g.form(), g.signature())
		return "half a request", full[:g.IntN(len(full))], false
	case 2, 3, 4:
		return "a form", g.post("/", g.form(), g.signature()), true
	case 5:
		return "a query", fmt.Sprintf("GET /?%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", g.form(), g.signature()), true
	case 6:
		return "another content", g.post("/", pick(g, g.bytes(g.IntN(2000)), `{"a":[`+strings.Repeat("[", g.IntN(5000)), "<a>"+strings.Repeat("<b>", g.IntN(3000)), g.form()),
			g.signature()+"Content-Type: "+pick(g, "application/json", "text/xml", "multipart/form-data; boundary=x", "application/x-amz-json-1.1", g.word())+"\r\n"+
				pick(g, "", "X-Amz-Target: AmazonSSM."+g.word()+"\r\n", "X-Amz-Target: AmazonSSM.GetParameters\r\n", "X-Amz-Target: "+g.word()+"\r\n")), true
	case 7:
		return "a strange header", g.header(), true
	case 8:
		return "a large body", g.large(), true
	case 9:
		return "garbage for exec", g.exec(), true
	case 10:
		return "garbage for control", g.control(), true
	}
	return "a foreign page", g.post(pick(g, "/", "/_localvpc/reset", "/_localvpc/stop", "/_localvpc/exec", "/_localvpc/tunnel"), g.form(),
		pick(g, "Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n")), true
}

func pick(g *garbage, of ...string) string { return of[g.IntN(len(of))] }

func (g *garbage) bytes(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return string(b)
}

// word is a value that a parser may stumble over.
func (g *garbage) word() string {
	switch g.IntN(10) {
	case 0:
		return strconv.FormatInt(int64(g.Uint64()), 10)
	case 1:
		return strings.Repeat(pick(g, "a", "é", "*", "\\", "%", "9", ".", "A.1."), g.IntN(800))
	case 2:
		return pick(g, "", " ", "true", "-1", "0", "1e999", "NaN", "null", "0x7f", "99999999999999999999", "10.0.0.0/33", "10.0.0.0/-1", "::/0", "256.1.1.1/8", "2026-13-45T99:99:99Z")
	case 3:
		return pick(g, "vpc-", "i-", "sg-", "subnet-", "ami-") + strconv.FormatUint(g.Uint64(), 16)
	case 4:
		return pick(g, "<script>", "]]>", "&amp;", "';--", "../../etc/passwd", "$(reboot)", "%s%n", "\x00", "\r\nX: y", "\u202e")
	case 5:
		return pick(g, g.known...)
	}
	var b strings.Builder
	for range g.IntN(12) {
		b.WriteByte(byte('a' + g.IntN(26)))
	}
	return b.String()
}

// words of real parameters, so that the garbage gets further than the decoder.
var parameterNames = []string{
	"VpcId", "VpcId.1", "SubnetId", "SubnetId.1", "GroupId", "GroupId.1", "GroupName", "InstanceId", "InstanceId.1", "ImageId", "ImageId.1", "NetworkInterfaceId",
	"Filter.1.Name", "Filter.1.Value.1", "Filter.1.Value.2", "MaxResults", "NextToken", "DryRun", "CidrBlock", "Attribute", "EnableDnsSupport.Value", "Description",
	"IpPermissions.1.IpProtocol", "IpPermissions.1.FromPort", "IpPermissions.1.ToPort", "IpPermissions.1.IpRanges.1.CidrIp", "IpPermissions.1.Groups.1.GroupId",
	"UserData", "MinCount", "MaxCount", "InstanceType", "KeyName", "PublicKeyMaterial", "ClientToken", "TagSpecification.1.ResourceType", "TagSpecification.1.Tag.1.Key",
	"ResourceId.1", "Tag.1.Key", "Tag.1.Value", "Owner.1", "AllocationId", "SecurityGroupRuleId.1", "NetworkInterface.1.DeviceIndex", "DhcpOptionsId", "DhcpConfiguration.1.Key",
}

// form is a request for an action. What could make something or end something has
// a parameter that no action knows.
func (g *garbage) form() string {
	action := pick(g, g.word(), wire.API.Names[g.IntN(len(wire.API.Names))], wire.API.Actions[g.IntN(len(wire.API.Actions))].Name, wire.API.Actions[g.IntN(len(wire.API.Actions))].Name)
	var b strings.Builder
	b.WriteString("Version=2016-11-15&Action=" + url.QueryEscape(action))
	for range g.IntN(8) {
		name := pick(g, parameterNames...)
		if g.IntN(4) == 0 {
			name = pick(g, name+"."+g.word(), g.word(), name+".0", name+".99999999999999999999", strings.Repeat(name+".", g.IntN(50)))
		}
		value := url.QueryEscape(g.word())
		if g.IntN(20) == 0 {
			value = pick(g, "%", "%zz", "%c0%ae", ";", "=&=&", "%00")
		}
		b.WriteString("&" + url.QueryEscape(name) + "=" + value)
	}
	if !strings.HasPrefix(action, "Describe") && !strings.HasPrefix(action, "Get") {
		b.WriteString("&NobodyKnows=this")
	}
	return b.String()
}

func (g *garbage) signature() string {
	switch g.IntN(8) {
	case 0:
		return ""
	case 1:
		return "Authorization: " + strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(g.word()) + "\r\n"
	case 2:
		return "X-Amz-Date: 20261120T114000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + url.QueryEscape(g.word()) + "/20261120/" + url.QueryEscape(g.word()) + "/ec2/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", g.IntN(100)) + "\r\n"
	}
	return "X-Amz-Date: 20261120T114000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/" + pick(g, "ec2", "ec2", "ec2", "elasticloadbalancing", "sts", "ssm", "s3") + "/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64) + "\r\n"
}

func (g *garbage) post(path, body, header string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), header, body)
}

func (g *garbage) header() string {
	return pick(g,
		"GET / HTTP/1.1\r\nHost: "+strings.NewReplacer("\r", "", "\n", "").Replace(g.word())+"\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 100_000)+"\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\n"+strings.Repeat("X-Many: 1\r\n", 2000)+"Connection: close\r\n\r\n",
		"GET /"+strings.Repeat("a/", g.IntN(3000))+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		g.word()+" / HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

// large is a body above the bound, mostly only announced.
func (g *garbage) large() string {
	if g.IntN(20) == 0 {
		return g.post("/", "Version=2016-11-15&Action=DescribeVpcs&A="+strings.Repeat("x", 2<<20), g.signature())
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %s\r\n%s\r\n", pick(g, "/", "/_localvpc/nothing"), pick(g, "9000000000", "9223372036854775807", "1048577"), g.signature())
}

func (g *garbage) exec() string {
	body := pick(g, "", "{", g.word(), `{"Instance":1}`, `{"Instance":"i-1","Args":["ls"],"Size":{"Rows":-1}}`, `{"Args":["ls"]}`,
		`{"Instance":"`+g.known[0]+`","Args":["ls"]}`, `{"Instance":"i-0123456789abcdef0","Args":["ls"],"TTY":true}`, `{"Instance":"i-0123456789abcdef0","Args":["`+strings.Repeat("a", 10000)+`"],"Env":["="]}`,
		`{"Host":"nobody","Args":["ls"]}`, `{"Host":"host-internet","Port":80}`, `{"Host":"198.18.9.9","Port":80}`, `{"Instance":"`+g.known[0]+`","Port":1}`, `{"Host":"`+url.QueryEscape(g.word())+`.","Port":65536}`)
	var frames bytes.Buffer
	s := execstream.New(nil, &frames)
	for range g.IntN(4) {
		_ = s.Write(execstream.Kind(g.IntN(8)), []byte(g.bytes(g.IntN(300))))
	}
	return fmt.Sprintf("POST /_localvpc/%s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n%s%s",
		pick(g, "exec", "exec", "tunnel"), pick(g, execstream.Protocol, execstream.Protocol, tunnel.Protocol, "websocket"), len(body), body, pick(g, frames.String(), g.bytes(100), ""))
}

func (g *garbage) control() string {
	method, path, body := "POST", pick(g, "explain", "images", "hosts/add", "hosts/remove", "nothing", "../"+url.PathEscape(g.word()), url.PathEscape(g.word())), pick(g, "", "{", "[", "null", "[]", g.bytes(300), `{"Source":"`+url.QueryEscape(g.word())+`","Destination":"10.0.0.9","Port":80}`,
		`{"Name":"No`+url.QueryEscape(g.word())+`","Addr":"10.0.0.9"}`, `{"Name":"a","Addr":"`+url.QueryEscape(g.word())+`x"}`,
		`[{"ImageId":"`+url.QueryEscape(g.word())+`"}]`, `[{"ImageId":"ami-0123456789abcdef0","path":"/nonexistent"}]`, strings.Repeat("[", 10000))
	if g.IntN(2) == 0 {
		method, path, body = pick(g, "GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"), pick(g, "health", "settled", "settled?index="+url.QueryEscape(g.word()+"x"), "changes?after="+url.QueryEscape(g.word()+"x"), "reset", "stop", "images", "exec", ""), ""
	}
	return fmt.Sprintf("%s /_localvpc/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
}
