package route53

import (
	"fmt"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
)

// TestLargeZone: a batch of a thousand changes with a single bad one, wherever it
// stands, changes nothing; a zone takes 10,000 record sets and no more, and its
// list has each of them once, in order.
func TestLargeZone(t *testing.T) {
	w := newWorld(t, 0)
	z := w.zone("a.test", nil)
	const most = maxRecordSets - 2 // SOA and NS are there
	create := func(from, n int) []string {
		lines := make([]string, n)
		for i := range lines {
			lines[i] = fmt.Sprintf("CREATE n%05d.a.test A 60 192.0.2.1", from+i)
		}
		return lines
	}
	for at, bad := range map[int]string{
		0:   "DELETE gone.a.test A 60 192.0.2.1",
		499: "CREATE n00003.a.test A 60 192.0.2.256",
		998: "CREATE n00000.a.test CNAME 60 b.test",
		999: "CREATE n00001.a.test A 60 192.0.2.1",
	} {
		lines := create(0, 1000)
		lines[at] = bad
		if _, err := w.do("ChangeResourceRecordSets", w.batch(z, lines...)); err == nil {
			t.Fatalf("a batch with %q at %d is accepted", bad, at)
		}
		if got := w.listing(z); len(got) != 0 {
			t.Fatalf("%q at %d: of the batch %d are there", bad, at, len(got))
		}
	}
	for at := 0; at < most; at += 1000 {
		w.change(z, create(at, min(1000, most-at))...)
	}
	w.fails("ChangeResourceRecordSets", w.batch(z, "CREATE more.a.test A 60 192.0.2.1"), "400 LimitsExceeded: Limits Exceeded: MAX_RRSETS_BY_ZONE=10000 cannot be exceeded.")
	// One for another is no more than there were.
	w.change(z, "DELETE n00000.a.test A 60 192.0.2.1", "CREATE n00000.a.test TXT 60 \"x\"")
	list := w.listing(z)
	if len(list) != most || list[0] != "n00000.a.test. TXT" {
		t.Fatalf("%d are listed, first %q", len(list), list[0])
	}
	for i, line := range list[1:] {
		if want := fmt.Sprintf("n%05d.a.test. A", i+1); line != want {
			t.Fatalf("at %d is %q", i+1, line)
		}
	}
	if n := *call[api.GetHostedZoneOutput](w, "GetHostedZone", &api.GetHostedZoneInput{Id: &z}).HostedZone.ResourceRecordSetCount; n != maxRecordSets {
		t.Errorf("the zone counts %d", n)
	}
}
