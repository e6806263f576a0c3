//go:build linux

package sandbox_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/node/sandbox"
)

func zip(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.Bytes()
}

func TestUserData(t *testing.T) {
	config := `#cloud-config
hostname: web
fqdn: web.example.internal
packages: [nginx]
bootcmd:
  - echo bootcmd > /root/order
groups: [ops]
users:
  - default
  - name: deploy
    groups: ops, sudo
    sudo: ALL=(ALL) NOPASSWD:ALL
    shell: /bin/sh
    ssh_authorized_keys: [ssh-ed25519 AAAA deploy]
ssh_authorized_keys: [ssh-ed25519 BBBB root]
write_files:
  - path: /etc/app/plain.conf
    content: |
      plain
  - path: /etc/app/secret
    encoding: gz+b64
    permissions: '0600'
    content: ` + base64.StdEncoding.EncodeToString(zip("secret")) + `
  - {path: /etc/app/plain.conf, content: "more\n", append: true}
  - {path: /proc/self/mem, content: x}
  - {path: /proc/sys/kernel/core_pattern, content: x}
runcmd:
  - cd /etc/app
  - [sh, -c, "echo it is $0 in $PWD >> /root/order", runcmd]
  - echo to the console
  - exit 3
unknown_key: 1
`
	p := newPlace(t)
	log := filepath.Join(p.data, "console")
	sb := p.boot(t, sandbox.Spec{ID: "i-data", UserData: []byte(config), Hostname: "ip-10-0-0-4", SSHKeys: []string{"ssh-ed25519 CCCC key"}, ConsoleLog: log})
	text := awaitConsole(t, log, "boot finished")
	for _, want := range []string{"booting i-data", "package nginx is not installed", "to the console\n", "runcmd: exited with status 3", `key "unknown_key" is not supported`, "/proc/self/mem: not a place", "/proc/sys/kernel/core_pattern: "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the console:\n%s", want, text)
		}
	}
	got := sh(t, sb, `hostname; cat /etc/hostname /root/order /etc/app/plain.conf /etc/app/secret; echo; stat -c %a /etc/app/secret
		grep ^deploy: /etc/passwd | cut -d: -f6-7; grep -E '^(ops|sudo):' /etc/group | cut -d: -f1,4 | sort; cat /etc/sudoers.d/90-cloud-init-users
		cat /root/.ssh/authorized_keys; cat /home/deploy/.ssh/authorized_keys; cat /var/log/cloud-init-output.log; grep web /etc/hosts; grep -c deploy:! /etc/shadow`)
	want := `web
web
bootcmd
it is runcmd in /etc/app
plain
more
secret
600
/home/deploy:/bin/sh
ops:deploy
sudo:deploy
deploy ALL=(ALL) NOPASSWD:ALL
ssh-ed25519 CCCC key
ssh-ed25519 BBBB root
ssh-ed25519 AAAA deploy
to the console
127.0.1.1 web.example.internal web
1`
	if got != want {
		t.Errorf("%s\n--- want\n%s", got, want)
	}
	if rootful() {
		if got := sh(t, sb, `stat -c %U:%a /home/deploy /home/deploy/.ssh /home/deploy/.ssh/authorized_keys; su deploy -c id | cut -d'(' -f2 | cut -d')' -f1`); got != "deploy:755\ndeploy:700\ndeploy:600\ndeploy" {
			t.Errorf("home: %q", got)
		}
	} else if !strings.Contains(text, "its files stay root's") {
		t.Errorf("nothing said about owners:\n%s", text)
	}
}

// TestBoots: user data at the first boot only, rc.local at each, both on the
// console.
func TestBoots(t *testing.T) {
	p := newPlace(t)
	log := filepath.Join(p.data, "console")
	data := "#!/bin/sh\necho first boot\nprintf '#!/bin/sh\\necho rc.local runs\\necho x >> /root/rc\\n' > /etc/rc.local\nchmod +x /etc/rc.local\n(while :; do sleep 1000; done) &\n"
	for boot, want := range []string{"first boot", "rc.local runs"} {
		if err := truncate(log); err != nil {
			t.Fatal(err)
		}
		sb, err := p.Create(sandbox.Spec{ID: "i-boots", UserData: zip(data), ConsoleLog: log})
		if err != nil {
			t.Fatal(err)
		}
		if err := sb.Boot(limit(t)); err != nil {
			t.Fatal(err)
		}
		if err := sb.Boot(limit(t)); err != nil { // again is nothing
			t.Fatal(err)
		}
		awaitConsole(t, log, want)
		text := awaitConsole(t, log, "boot finished")
		if boot > 0 && strings.Contains(text, "first boot") {
			t.Errorf("user data ran at boot %d:\n%s", boot+1, text)
		}
		if err := sb.Shutdown(limit(t), time.Second); err != nil {
			t.Fatal(err)
		}
		if text, _ := sandbox.Console(log); !strings.Contains(string(text), "shutdown: done") {
			t.Errorf("the console ends:\n%s", text)
		}
		sb.Close()
	}
}

// TestBlocked: nothing of the user runs before Boot, and the interfaces plugged
// in meanwhile are there.
func TestBlocked(t *testing.T) {
	p := newPlace(t)
	log := filepath.Join(p.data, "console")
	sb, err := p.Create(sandbox.Spec{ID: "i-blocked", UserData: []byte("#!/bin/sh\ncat /proc/net/dev\n"), ConsoleLog: log})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Kill()
	plug(t, sb, "eth0", "10.1.2.3/24")
	if text, _ := sandbox.Console(log); strings.Contains(string(text), "booting") {
		t.Errorf("it booted:\n%s", text)
	}
	if err := sb.Boot(limit(t)); err != nil {
		t.Fatal(err)
	}
	text := awaitConsole(t, log, "boot finished")
	if !strings.Contains(text, "eth0:") || !strings.Contains(text, "[10.1.2.3/24") {
		t.Errorf("no eth0 at first boot:\n%s", text)
	}
}

// TestTools runs the programs that come with localvpc.
func TestTools(t *testing.T) {
	sb := newPlace(t).boot(t, sandbox.Spec{Hosts: "127.0.0.1 localhost web.internal\n"})
	sh(t, sb, `localvpc guest serve --addr 127.0.0.1:80 --say-hello > /tmp/out 2>&1 &
		localvpc guest serve --addr 127.0.0.1:81 --text 'a text' > /tmp/out2 2>&1 &
		until grep -q serving /tmp/out && grep -q serving /tmp/out2; do :; done`)
	for command, want := range map[string]string{
		"localvpc guest get 'http://web.internal/say-hello?name=World'": "Hello, World!",
		"localvpc guest get 127.0.0.1:81":                               "a text",
	} {
		if got := sh(t, sb, command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	for command, want := range map[string]int{
		"localvpc guest get http://127.0.0.1:9/": 7, "localvpc guest get http://no.such.name.internal/": 6, "localvpc guest get 'http://[/'": 3,
		"localvpc guest get": 2, "localvpc guest": 2, "localvpc guest get -m 0.2 http://127.0.0.1:82/": 28,
	} {
		if strings.Contains(command, ":82") { // listens, and never answers
			follow(t, sb, "localvpc", "probe", "mute", "127.0.0.1:82")
		}
		if text, code := output(t, sb, "/bin/sh", "-c", command); code != want {
			t.Errorf("%s: exit code %d, want %d: %s", command, code, want, text)
		}
	}
}
