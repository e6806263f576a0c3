package userdata_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/node/sandbox/userdata"
)

func zip(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

const script = "#!/bin/sh\necho hi\n"

func scriptNamed(name string) []userdata.Action {
	return []userdata.Action{userdata.Script{Name: name, Body: []byte(script)}}
}

func TestParse(t *testing.T) {
	twoParts := "Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n" +
		"--==B==\nContent-Type: text/cloud-config; charset=\"us-ascii\"\n\nhostname: web\n" +
		"--==B==\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"setup.sh\"\n\n" + b64([]byte(script)) + "\n--==B==--\n"
	for _, test := range []struct {
		name string
		data string
		want []userdata.Action
	}{
		{"nothing", "", nil},
		{"white space", " \n\t\n", nil},
		{"script", script, scriptNamed("part-001")},
		{"script after blank lines", "\n\n" + script, scriptNamed("part-001")},
		{"gzip", string(zip([]byte(script))), scriptNamed("part-001")},
		{"gzip in gzip", string(zip(zip([]byte(script)))), scriptNamed("part-001")},
		{"multipart", twoParts, append([]userdata.Action{userdata.Hostname{Name: "web"}}, scriptNamed("setup.sh")...)},
		{"gzip of multipart", string(zip([]byte(twoParts))), append([]userdata.Action{userdata.Hostname{Name: "web"}}, scriptNamed("setup.sh")...)},
		{"single part with headers", "Content-Type: text/x-shellscript\nMIME-Version: 1.0\n\n" + script, scriptNamed("part-001")},
		{"plain text part is known by its first line", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n" + script + "\n--b--\n", []userdata.Action{userdata.Script{Name: "part-001", Body: []byte(script)}}},
		{"nested multipart", "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/x-shellscript\n\n" + script + "\n--b--\n\n--a--\n",
			[]userdata.Action{userdata.Script{Name: "part-001", Body: []byte(script)}}},
		{"declared script without #!", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/x-shellscript\n\necho hi\n--b--\n", []userdata.Action{userdata.Script{Name: "part-001", Body: []byte("#!/bin/sh\necho hi")}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := userdata.Parse([]byte(test.data)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// logs gives the text of the Log actions.
func logs(actions []userdata.Action) string {
	var text []string
	for _, action := range actions {
		if log, ok := action.(userdata.Log); ok {
			text = append(text, log.Text)
		}
	}
	return strings.Join(text, "\n")
}

func TestRefusals(t *testing.T) {
	bomb := zip(bytes.Repeat([]byte{'#'}, userdata.MaxExpanded+1))
	deep := []byte(script)
	for range 20 {
		deep = zip(deep)
	}
	many := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: text/x-shellscript\n\n"+script, 1000) + "--b--\n"
	for _, test := range []struct{ name, data, want string }{
		{"include", "#include\nhttp://169.254.169.254/\n", "#include is refused"},
		{"include-once", "#include-once\nhttp://x/\n", "#include is refused"},
		{"words", "just some words", `unknown kind "just some words"`},
		{"boothook", "#cloud-boothook\n#!/bin/sh\n", `unknown kind "#cloud-boothook"`},
		{"jinja", "## template: jinja\n#cloud-config\n", "unknown kind"},
		{"binary", "\x7fELF\x00\x01\x1b[2J", "unknown kind"},
		{"broken gzip", "\x1f\x8b\x00", "gzip: "},
		{"cut gzip", string(zip([]byte(script))[:15]), "gzip: "},
		{"gzip bomb", string(bomb), "unpacks to too much"},
		{"gzip bomb in a gzip", string(zip(bomb)), "unpacks to too much"},
		{"gzip nested deep", string(deep), "nested more than"},
		{"too many parts", many, "more than 256 parts"},
		{"multipart without boundary", "Content-Type: multipart/mixed\n\nx", "without a boundary"},
		{"cut multipart", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n#!/bin/sh", "reading"},
		{"unknown encoding", "Content-Type: text/plain\nContent-Transfer-Encoding: rot13\n\nx", "unknown Content-Transfer-Encoding"},
		{"broken headers", "Content-Type: text/plain\nnonsense\n\nx", "reading MIME headers"},
		{"not yaml", "#cloud-config\n\t- {", "cloud-config: yaml"},
		{"a list", "#cloud-config\n- a\n", "cloud-config: yaml"},
		{"alias bomb", "#cloud-config\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\nruncmd: [*f,*f,*f,*f,*f,*f,*f]\n", "cloud-config"},
		{"relative path", "#cloud-config\nwrite_files: [{path: etc/x, content: y}]\n", "has to be absolute"},
		{"path with NUL", "#cloud-config\nwrite_files: [{path: \"/etc/x\\0y\", content: y}]\n", "has to be absolute"},
		{"permissions", "#cloud-config\nwrite_files: [{path: /x, permissions: 'rw-'}]\n", "not octal"},
		{"permissions too large", "#cloud-config\nwrite_files: [{path: /x, permissions: '0777777'}]\n", "not octal"},
		{"encoding", "#cloud-config\nwrite_files: [{path: /x, encoding: rot13}]\n", "unknown encoding"},
		{"base64", "#cloud-config\nwrite_files: [{path: /x, encoding: b64, content: '***'}]\n", "decoding base64"},
		{"bomb in a file", "#cloud-config\nwrite_files: [{path: /x, encoding: gz+b64, content: " + b64(bomb) + "}]\n", "decoding gzip"},
		{"owner", "#cloud-config\nwrite_files: [{path: /x, owner: 'a b:c'}]\n", "is not user:group"},
		{"source", "#cloud-config\nwrite_files: [{path: /x, source: {uri: 'http://x'}}]\n", "source is not supported"},
		{"user name", "#cloud-config\nusers: [{name: 'a:b'}]\n", "is not a user name"},
		{"user shell", "#cloud-config\nusers: [{name: a, shell: \"/bin/sh\\nroot::0:0\"}]\n", "is refused"},
		{"user id", "#cloud-config\nusers: [{name: a, uid: 0}]\n", "outside"},
		{"password", "#cloud-config\nusers: [{name: a, passwd: x}]\n", "passwords stay locked"},
		{"group name", "#cloud-config\ngroups: ['a:b']\n", "is not a name"},
		{"hostname", "#cloud-config\nhostname: 'a b'\n", "is not a host name"},
		{"hostname too long", "#cloud-config\nhostname: " + strings.Repeat("x", 65) + "\n", "is not a host name"},
		{"unknown key", "#cloud-config\nswap: {}\n", `"swap" is not supported`},
	} {
		t.Run(test.name, func(t *testing.T) {
			actions := userdata.Parse([]byte(test.data))
			if got := logs(actions); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			check(t, actions)
		})
	}
}

func TestCloudConfig(t *testing.T) {
	const document = `#cloud-config
package_update: true
packages:
  - nginx
  - [libpython3, "3.9"]
bootcmd:
  - echo boot
runcmd:
  - cd /srv
  - [echo, "it's", 5, true]
  -
  - ""
hostname: web
fqdn: web.example.internal.
groups: [ops, {dev: [alice, bob]}]
users:
  - default
  - carol
  - name: dave
    uid: 2000
    gecos: Dave D.
    primary_group: ops
    groups: [dev, sudo]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
    homedir: /srv/dave
    no_create_home: true
    ssh_authorized_keys:
      - ssh-ed25519 AAAA one
ssh_authorized_keys:
  - ssh-ed25519 BBBB two
write_files:
  - path: /etc/a
    content: text
  - {path: /etc/../etc/b, content: aGk=, encoding: b64, permissions: "04755", owner: "www-data:adm"}
  - {path: /etc/c, permissions: 0600, append: true}
  - {path: /etc/d, permissions: 420, defer: true}
`
	want := []userdata.Action{
		userdata.Script{Name: "bootcmd", Body: []byte("#!/bin/sh\necho boot\n")},
		userdata.WriteFile{Path: "/etc/a", Content: []byte("text"), Mode: 0o644},
		userdata.WriteFile{Path: "/etc/b", Content: []byte("hi"), Mode: 0o755 | fs.ModeSetuid, Owner: "www-data:adm"},
		userdata.WriteFile{Path: "/etc/c", Content: []byte{}, Mode: 0o600, Append: true},
		userdata.Hostname{Name: "web", FQDN: "web.example.internal"},
		userdata.Group{Name: "ops"},
		userdata.Group{Name: "dev", Members: []string{"alice", "bob"}},
		userdata.User{Name: "carol"},
		userdata.User{Name: "dave", UID: 2000, Gecos: "Dave D.", Home: "/srv/dave", NoHome: true, Shell: "/bin/bash", PrimaryGroup: "ops", Groups: []string{"dev", "sudo"},
			Sudo: []string{"ALL=(ALL) NOPASSWD:ALL"}, Keys: []string{"ssh-ed25519 AAAA one"}},
		userdata.AuthorizedKeys{Keys: []string{"ssh-ed25519 BBBB two"}},
		userdata.Log{Text: "cloud-config: package nginx is not installed: instances use the host's own programs"},
		userdata.Log{Text: "cloud-config: package libpython3 is not installed: instances use the host's own programs"},
		userdata.WriteFile{Path: "/etc/d", Content: []byte{}, Mode: 0o644},
		userdata.Script{Name: "runcmd", Body: []byte("#!/bin/sh\ncd /srv\n'echo' 'it'\\''s' '5' 'true'\n\n")},
	}
	got := userdata.Parse([]byte(document))
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("action %d:\ngot  %+v\nwant %+v", i, got[min(i, len(got)):], want[min(i, len(want)):])
		}
	}
}

// TestLaterDocumentWins: keys of a later cloud-config replace those of an
// earlier one.
func TestLaterDocumentWins(t *testing.T) {
	data := "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/cloud-config\n\nruncmd: [echo one]\nhostname: one\n\n" +
		"--b\nContent-Type: text/cloud-config\n\nruncmd: [echo two]\n\n--b--\n"
	want := []userdata.Action{userdata.Hostname{Name: "one"}, userdata.Script{Name: "runcmd", Body: []byte("#!/bin/sh\necho two\n")}}
	if got := userdata.Parse([]byte(data)); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// check holds what the package promises of any actions.
func check(t *testing.T, actions []userdata.Action) {
	t.Helper()
	total := 0
	for _, action := range actions {
		switch a := action.(type) {
		case userdata.Log:
			if strings.ContainsAny(a.Text, "\x00\n\r\x1b") || len(a.Text) > 600 {
				t.Errorf("log %q", a.Text)
			}
		case userdata.WriteFile:
			total += len(a.Content)
			if !strings.HasPrefix(a.Path, "/") || strings.Contains(a.Path+"/", "/../") || strings.Contains(a.Path, "\x00") {
				t.Errorf("path %q", a.Path)
			}
		case userdata.Script:
			total += len(a.Body)
			if a.Name == "" || strings.ContainsAny(a.Name, "/\x00") || a.Name[0] == '.' || !bytes.HasPrefix(a.Body, []byte("#!")) {
				t.Errorf("script %q %.20q", a.Name, a.Body)
			}
		case userdata.User:
			if a.Name == "" || strings.ContainsAny(a.Name+a.Home+a.Shell+a.Gecos+a.PrimaryGroup+strings.Join(a.Groups, ""), ":\n\x00") || strings.ContainsAny(strings.Join(a.Sudo, "")+strings.Join(a.Keys, ""), "\n\x00") {
				t.Errorf("user %+v", a)
			}
		case userdata.Group:
			if a.Name == "" || strings.ContainsAny(a.Name+strings.Join(a.Members, ""), ":,\n\x00") {
				t.Errorf("group %+v", a)
			}
		case userdata.Hostname:
			if a.Name == "" || len(a.Name) > 64 || strings.ContainsAny(a.Name+a.FQDN, " \n/\x00") {
				t.Errorf("host name %+v", a)
			}
		case userdata.AuthorizedKeys:
			if strings.ContainsAny(strings.Join(a.Keys, ""), "\n\x00") {
				t.Errorf("keys %q", a.Keys)
			}
		default:
			t.Errorf("unknown action %T", a)
		}
	}
	if total > userdata.MaxExpanded+64<<10 {
		t.Errorf("%d bytes", total)
	}
}

func FuzzUserData(f *testing.F) {
	for _, seed := range []string{"", script, string(zip([]byte(script))), "#cloud-config\nhostname: x\n",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/cloud-config\n\nruncmd: [a]\n--b--\n",
		"Content-Type: text/x-shellscript\nContent-Transfer-Encoding: quoted-printable\n\necho=20hi\n", "#include\nx"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, userdata.Parse(data))
		check(t, userdata.Parse(zip(data)))
	})
}

func FuzzCloudConfig(f *testing.F) {
	for _, seed := range []string{"hostname: x\nfqdn: x.y\n", "runcmd: [a, [b, c]]\nbootcmd: [d]", "users: [default, {name: a, groups: b, sudo: c}]\ngroups: [{a: [b]}]",
		"write_files: [{path: /a, content: b, encoding: gz+b64, permissions: '0644', owner: 'a:b', append: true}]", "packages: [a, [b, c]]\nssh_authorized_keys: [k]",
		"a: &a [x]\nruncmd: [*a]", "users: {a: b}", "groups: a, b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		check(t, userdata.Parse([]byte("#cloud-config\n"+document)))
	})
}

func BenchmarkCloudConfig(b *testing.B) {
	var text strings.Builder
	text.WriteString("#cloud-config\nruncmd:\n")
	for i := range 100 {
		fmt.Fprintf(&text, "  - [echo, %d]\n", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		userdata.Parse([]byte(text.String()))
	}
}
