package awsregion

import (
	"regexp"
	"testing"
)

func TestTable(t *testing.T) {
	if n := len(All()); n != 34 {
		t.Errorf("%d Regions", n)
	}
	zoneName := regexp.MustCompile(`^[a-z]{2}-[a-z]+-\d[a-f]$`)
	zoneID := regexp.MustCompile(`^[a-z]{3,4}\d-az[1-6]$`)
	ids := map[string]bool{}
	for i, r := range All() {
		if i > 0 && All()[i-1].Name >= r.Name {
			t.Errorf("%s is out of order", r.Name)
		}
		if r.LongName == "" || r.Country == "" || len(r.Zones) < 2 {
			t.Errorf("incomplete: %+v", r)
		}
		for _, z := range r.Zones {
			if !zoneName.MatchString(z.Name) || !zoneID.MatchString(z.ID) || z.Region != r.Name || ids[z.ID] {
				t.Errorf("zone %+v", z)
			}
			ids[z.ID] = true
		}
	}
}

func TestLookup(t *testing.T) {
	r, ok := Lookup("us-east-1")
	if !ok || r.OptIn || len(r.Zones) != 6 || r.Zones[5] != (Zone{"us-east-1f", "use1-az6", "us-east-1"}) {
		t.Errorf("us-east-1: %+v, %v", r, ok)
	}
	if got := r.Endpoint("ec2"); got != "ec2.us-east-1.amazonaws.com" {
		t.Error(got)
	}
	if r, ok := Lookup("af-south-1"); !ok || !r.OptIn {
		t.Errorf("af-south-1: %+v, %v", r, ok)
	}
	if _, ok := Lookup("us-east-9"); ok || Zones("us-east-9") != nil {
		t.Error("us-east-9 exists")
	}
}
