package scenario

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// mysql keeps a web server on the port of S2 that says name.
func mysql(name string) string {
	return "#!/bin/sh\nsetsid localvpc guest serve --addr :3306 --text " + name + " >/var/log/db.log 2>&1 &\n"
}

// tool runs one of the commands of the EC2 API tools by a link of its name, and
// wants that exit code and output of that form.
func (w *world) tool(dir, line string, wantCode int, form string) []string {
	w.t.Helper()
	args := strings.Fields(line)
	link := filepath.Join(dir, args[0])
	if err := os.Symlink(binary, link); err != nil && !os.IsExist(err) {
		w.t.Fatal(err)
	}
	cmd := w.command(args[1:]...)
	cmd.Path, cmd.Args[0] = link, link
	out, _ := cmd.CombinedOutput()
	m := regexp.MustCompile(`^(?:` + form + `)$`).FindStringSubmatch(strings.TrimSuffix(string(out), "\n"))
	if code := cmd.ProcessState.ExitCode(); code != wantCode || m == nil {
		w.t.Fatalf("%s: exit code %d, want %d, and output\n%q\nwant\n%s", line, code, wantCode, out, form)
	}
	return m
}

// TestClassicCommands is scenario S2 with the commands that it names: addresses
// that move, and rules that act on the next connection, as the internet and the
// neighbours see them.
func TestClassicCommands(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		w.opened(c, vpc)
		images := must(c.DescribeImages(tctx(t), &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []types.Filter{{Name: aws.String("name"), Values: []string{"al2023-ami-2023*"}}}}))(t)
		image := *images.Images[0].ImageId
		if out, code := w.cli("host", "add", "office", "--addr", "203.0.113.10"); code != 0 {
			t.Fatal(out)
		}

		dir := t.TempDir()
		allow(t, dir, w.uid)
		const id = `-[0-9a-f]{17}`
		db := w.tool(dir, "ec2-add-group dbserver -d db -c "+vpc, 0, `GROUP\t(sg`+id+`)\tdbserver\tdb`)[1]
		app := w.tool(dir, "ec2addgrp appserver -d app -c "+vpc, 0, `GROUP\t(sg`+id+`)\tappserver\tapp`)[1]
		run := func(name, group, data string) string {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
			m := w.tool(dir, "ec2-run-instances "+image+" -t t3.micro -s "+subnet+" -g "+group+" -f "+file, 0,
				`(?s)RESERVATION\tr`+id+`\t\d{12}\t\nINSTANCE\t(i`+id+`)\t`+image+`\t.*`)
			must(c.CreateTags(tctx(t), &ec2.CreateTagsInput{Resources: []string{m[1]}, Tags: []types.Tag{{Key: aws.String("Name"), Value: &name}}}))(t)
			return m[1]
		}
		db1, db2, app1 := run("db1", db, mysql("db1")), run("db2", db, mysql("db2")), run("app1", app, "")
		described := w.tool(dir, "ec2-describe-instances "+db1, 0,
			`(?s)RESERVATION\t(r`+id+`)\t(\d{12})\t\nINSTANCE\t`+db1+`\t`+image+`\t[^\t]*\t(ip-10-0-1-\d+\.ec2\.internal)\trunning\t\t0\t\tt3\.micro\t[^\t]+\+0000\tus-east-1a\t\t\t\tmonitoring-disabled\t\t(10\.0\.1\.\d+)\t`+
				vpc+`\t`+subnet+`\tebs\t.*\t`+db+`\tdefault\t.*\nBLOCKDEVICE\t.*\nNIC\teni`+id+`\t.*\nNICATTACHMENT\t.*\nGROUP\t`+db+`\tdbserver\nPRIVATEIPADDRESS\t.*\nTAG\tinstance\t`+db1+`\tName\tdb1`)
		account, private := described[2], described[4]

		// An address is allocated, and moves to where it is associated.
		allocated := w.tool(dir, "ec2-allocate-address", 0, `ADDRESS\t([0-9.]+)\t\tvpc\t(eipalloc`+id+`)`)
		ip, allocation := allocated[1], allocated[2]
		url := "http://" + ip + ":3306/"
		w.tool(dir, "ec2-describe-addresses", 0, `ADDRESS\t`+ip+`\t\tvpc\t`+allocation)
		w.tool(dir, "ec2-associate-address -i "+db1+" "+ip, 0, `ADDRESS\t`+ip+`\t`+db1)
		w.tool(dir, "ec2daddr "+ip, 0, `ADDRESS\t`+ip+`\t`+db1+`\tvpc\t`+allocation+`\teipassoc`+id+`\teni`+id+`\t`+private)

		// One address of the internet is let in, and shut out again.
		if out, code := w.get("office", url, 1); code != timedOut {
			t.Errorf("without a rule: %q, exit code %d, want no answer", out, code)
		}
		rule := db + " -p 3306 -s 203.0.113.10/32"
		w.tool(dir, "ec2-authorize "+rule, 0, `GROUP\t`+db+`\t\t\t\t\nPERMISSION\t\t\tALLOWS\ttcp\t3306\t3306\tFROM\tCIDR\t203\.0\.113\.10/32\tingress`)
		if out, code := w.cli("exec", "office", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", url); code != 0 || strings.TrimSpace(out) != "db1" {
			t.Errorf("by the Elastic IP: %q, exit code %d", out, code)
		}
		if out, code := w.get("internet", url, 1); code != timedOut {
			t.Errorf("from another address: %q, exit code %d, want no answer", out, code)
		}
		w.tool(dir, "ec2-authorize "+rule, 1, `Client\.InvalidPermission\.Duplicate: .*`)

		// The address moves: what comes now arrives at the other instance.
		w.tool(dir, "ec2-associate-address -i "+db2+" "+ip, 0, `ADDRESS\t`+ip+`\t`+db2)
		if out, code := w.cli("exec", "office", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", url); code != 0 || strings.TrimSpace(out) != "db2" {
			t.Errorf("after the address moved: %q, exit code %d", out, code)
		}
		w.tool(dir, "ec2assocaddr -i "+db1+" -a "+allocation, 1, `Client\.Resource\.AlreadyAssociated: .*`)
		w.tool(dir, "ec2-revoke "+rule, 0, `GROUP\t`+db+`\t\t\t\t\nPERMISSION\t\t\tALLOWS\ttcp\t3306\t3306\tFROM\tCIDR\t203\.0\.113\.10/32\tingress`)
		if out, code := w.get("office", url, 1); code != timedOut {
			t.Errorf("after the rule was revoked: %q, exit code %d, want no answer", out, code)
		}

		// A group is let in: with protocol and account, or nothing changes.
		const bare = `GROUP\t[^\n]*\nPERMISSION\t\d+\tdbserver\tALLOWS\tall\t\t\tTO\tCIDR\t0\.0\.0\.0/0\tegress`
		w.tool(dir, "ec2-authorize "+db+" -p 3306 -u "+account+" -o "+app, 1, `Required option '-P, --protocol PROTOCOL' missing \(-h for usage\)`)
		w.tool(dir, "ec2-authorize "+db+" -P tcp -p 3306 -o "+app, 1, `Required option '-u, --source-or-dest-group-user ACCOUNT' missing \(-h for usage\)`)
		w.tool(dir, "ec2-authorize "+db+" -P tcp -p 3306 -u 999999999999 -o "+app, 1, `Client\.InvalidGroup\.NotFound: .*`)
		w.tool(dir, "ec2-describe-group "+db, 0, bare)
		neighbour := "http://" + private + ":3306/"
		if out, code := w.get("app1", neighbour, 1); code != timedOut {
			t.Errorf("a neighbour without a rule: %q, exit code %d, want no answer", out, code)
		}
		rule = db + " -P tcp -p 3306 -u " + account + " -o " + app
		w.tool(dir, "ec2-authorize "+rule, 0, `GROUP\t`+db+`\t\t\t\t\nPERMISSION\t\t\tALLOWS\ttcp\t3306\t3306\tFROM\tUSER\t`+account+`\t\tID `+app+`\tingress`)
		w.tool(dir, "ec2dgrp "+db, 0, `GROUP\t`+db+`\t`+account+`\tdbserver\tdb\t`+vpc+`\nPERMISSION\t`+account+`\tdbserver\tALLOWS\ttcp\t3306\t3306\tFROM\tUSER\t`+account+`\t\tID `+app+`\tingress\nPERMISSION\t.*\tegress`)
		if out, code := w.get("app1", neighbour, 5); code != 0 || out != "db1" {
			t.Errorf("a member of appserver: %q, exit code %d", out, code)
		}
		w.tool(dir, "ec2revoke "+rule, 0, `(?s)GROUP\t.*`)
		if out, code := w.get("app1", neighbour, 1); code != timedOut {
			t.Errorf("a member of appserver after the rule was revoked: %q, exit code %d, want no answer", out, code)
		}
		w.tool(dir, "ec2-describe-group "+db, 0, bare)

		// All is given back.
		w.tool(dir, "ec2-release-address "+ip, 1, `Client\.InvalidIPAddress\.InUse: .*`)
		w.tool(dir, "ec2-disassociate-address "+ip, 0, `ADDRESS\t`+ip)
		w.tool(dir, "ec2-release-address "+ip, 0, `ADDRESS\t`+ip)
		w.tool(dir, "ec2-describe-addresses", 0, ``)
		w.tool(dir, "ec2-release-address "+ip, 1, `Client\.InvalidAddress\.NotFound: .*`)
		w.tool(dir, "ec2-delete-group "+db, 1, `Client\.DependencyViolation: .*`)
		w.tool(dir, "ec2-terminate-instances "+strings.Join([]string{db1, db2, app1}, " "), 0,
			`INSTANCE\t`+db1+`\trunning\tshutting-down\nINSTANCE\t`+db2+`\trunning\tshutting-down\nINSTANCE\t`+app1+`\trunning\tshutting-down`)
		w.tool(dir, "ec2-delete-group "+db, 0, `RETURN\ttrue`)
		w.tool(dir, "ec2-describe-instances -F instance-state-name=running", 0, ``)
	})
}
