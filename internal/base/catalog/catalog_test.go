package catalog

import (
	"strings"
	"testing"
)

func TestInstanceTypesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, it := range InstanceTypes() {
		if seen[it.Name] {
			t.Errorf("%s is listed twice", it.Name)
		}
		seen[it.Name] = true
		if it.VCPUs < 1 || it.ThreadsPerCore < 1 || it.Cores()*it.ThreadsPerCore != it.VCPUs || it.MemoryMiB < 512 ||
			it.Interfaces < 2 || it.IPv4PerIface < 2 || it.Performance == "" || it.Manufacturer == "" {
			t.Errorf("%+v is not complete", it)
		}
		if it.Nitro() != (it.EbsMaxMbps > 0) {
			t.Errorf("%s: EBS optimization and hypervisor disagree", it.Name)
		}
	}
	if m, ok := Lookup("t3.micro"); !ok || m.Interfaces != 2 || m.IPv4PerIface != 2 || m.MemoryMiB != 1024 {
		t.Errorf("t3.micro is %+v", m)
	}
	if _, ok := Lookup("t3.tiny"); ok {
		t.Error("t3.tiny exists")
	}
}

func TestParseTypesRefuses(t *testing.T) {
	line := strings.Split(typesFile, "\n")[1]
	for name, text := range map[string]string{
		"too few":      "t9.nano\tx86_64",
		"too many":     line + "\tmore",
		"not a number": strings.Replace(line, "\t2\t", "\ttwo\t", 1),
	} {
		if _, err := parseTypes(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestImagesPeopleLookUp(t *testing.T) {
	x86, arm := Images("x86_64"), Images("arm64")
	if len(arm) != 2*len(x86) {
		t.Errorf("%d entries on x86_64, %d on arm64", len(x86), len(arm))
	}
	parameters := map[string]string{}
	for _, i := range arm {
		for _, p := range i.Parameters {
			if parameters[p] != "" {
				t.Errorf("%s gives %s and %s", p, parameters[p], i.ImageId)
			}
			parameters[p] = i.ImageId
		}
		if !strings.Contains(i.Description, "local system") {
			t.Errorf("%s does not say that it is local: %s", i.ImageId, i.Description)
		}
	}
	for _, p := range []string{
		"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
		"/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
		"/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
	} {
		if parameters[p] == "" {
			t.Errorf("no image has the parameter %s", p)
		}
	}
}

func TestParse(t *testing.T) {
	entry := `{"ImageId":"ami-12345678","Name":"mine","path":"file:///srv/image"}`
	for name, text := range map[string]string{"list": "[" + entry + "]", "lines": entry + "\n"} {
		list, err := Parse([]byte(text))
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %v %v", name, list, err)
		}
		if i := list[0]; i.Path != "/srv/image" || i.OwnerId != AmazonID || i.Architecture != "x86_64" || i.VolumeSize != 8 {
			t.Errorf("%s: defaults are not filled in: %+v", name, i)
		}
	}
	for name, row := range map[string]struct{ text, want string }{
		"bad id":        {`{"ImageId":"ami-x","Name":"mine"}`, "ImageId"},
		"short name":    {`{"ImageId":"ami-12345678","Name":"x"}`, "Name"},
		"bad owner":     {`{"ImageId":"ami-12345678","Name":"mine","OwnerId":"me"}`, "OwnerId"},
		"architecture":  {`{"ImageId":"ami-12345678","Name":"mine","Architecture":"vax"}`, "Architecture"},
		"relative path": {`{"ImageId":"ami-12345678","Name":"mine","path":"here"}`, "absolute"},
		"parameter":     {`{"ImageId":"ami-12345678","Name":"mine","Parameters":["/mine"]}`, "/aws/service/"},
		"parameters":    {`{"ImageId":"ami-12345678","Name":"mine","Parameters":["` + strings.Repeat(`a","`, 50) + `a"]}`, "at most 50"},
		"size":          {`{"ImageId":"ami-12345678","Name":"mine","VolumeSize":-1}`, "VolumeSize"},
		"unknown field": {`{"ImageId":"ami-12345678","Nmae":"mine"}`, "Nmae"},
		"twice":         {entry + entry, "twice"},
		"not JSON":      {`ami-1`, "reading"},
		"broken list":   {`[{]`, "reading"},
	} {
		if _, err := Parse([]byte(row.text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, row.want)
		}
	}
}
