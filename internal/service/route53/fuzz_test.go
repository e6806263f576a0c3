package route53

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
)

// FuzzBatch: after any batches a zone is what one batch of CREATE makes of its
// list, and it counts its record sets rightly.
func FuzzBatch(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x10\x11\x12\x13 abcdefgh"))
	f.Add([]byte(strings.Repeat("\x05\x50\xa0\xff\x31", 20)))
	actions := []string{"CREATE", "UPSERT", "DELETE"}
	names := []string{"a.test", "x.a.test", "*.a.test", "y.x.a.test", "b.test"}
	types := []string{"A", "AAAA", "CNAME", "TXT"}
	values := map[string][]string{"A": {"192.0.2.1", "192.0.2.2"}, "AAAA": {"2001:db8::1", "2001:db8::2"}, "CNAME": {"x.a.test", "y.test"}, "TXT": {`"a"`, `"b"`}}
	routing := []string{"", " ; id=a weight=1", " ; id=b weight=0", " ; id=c failover=PRIMARY", " ; id=d country=FR", " ; id=e multi"}
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newWorld(t, 0)
		z := w.zone("a.test", nil)
		var lines []string
		flush := func() {
			if len(lines) > 0 {
				_, _ = w.do("ChangeResourceRecordSets", w.batch(z, lines...)) // refused: nothing changed, which do asserts
			}
			lines = nil
		}
		for len(script) >= 2 && len(script) < 400 {
			a, b := int(script[0]), int(script[1])
			script = script[2:]
			name, typ := names[a%len(names)], types[a/8%len(types)]
			data := "60 " + values[typ][a/64%2]
			if a >= 192 {
				data = "alias " + z + " " + names[b/32%len(names)]
			}
			lines = append(lines, actions[b%3]+" "+name+" "+typ+" "+data+routing[b/4%len(routing)])
			if b%7 == 0 {
				flush()
			}
		}
		flush()
		sets := call[api.ListResourceRecordSetsOutput](w, "ListResourceRecordSets", &api.ListResourceRecordSetsInput{HostedZoneId: &z}).ResourceRecordSets
		if n := *call[api.GetHostedZoneOutput](w, "GetHostedZone", &api.GetHostedZoneInput{Id: &z}).HostedZone.ResourceRecordSetCount; n != int64(len(sets)) {
			t.Fatalf("%d record sets are listed, %d counted", len(sets), n)
		}
		again := w.zone("a.test", nil)
		in := &api.ChangeResourceRecordSetsInput{HostedZoneId: &again, ChangeBatch: &api.ChangeBatch{}}
		var aliases []api.ResourceRecordSet
		for _, s := range sets {
			switch {
			case *s.Type == "SOA" || *s.Type == "NS":
			case s.AliasTarget != nil:
				alias := *s.AliasTarget
				alias.HostedZoneId = &again
				s.AliasTarget = &alias
				aliases = append(aliases, s)
			default:
				in.ChangeBatch.Changes = append(in.ChangeBatch.Changes, api.Change{Action: new("CREATE"), ResourceRecordSet: &s})
			}
		}
		if len(in.ChangeBatch.Changes) > 0 {
			call[api.ChangeResourceRecordSetsOutput](w, "ChangeResourceRecordSets", in)
		}
		for before := -1; before != len(aliases); { // those whose target is there, until there are no more
			before = len(aliases)
			aliases = slices.DeleteFunc(aliases, func(s api.ResourceRecordSet) bool {
				in.ChangeBatch.Changes = []api.Change{{Action: new("CREATE"), ResourceRecordSet: &s}}
				_, err := w.do("ChangeResourceRecordSets", in)
				return err == nil
			})
		}
		if len(aliases) > 0 {
			return // their targets have gone since, and then there is no such zone
		}
		if a, b := fmt.Sprint(w.listing(z)), fmt.Sprint(w.listing(again)); a != b || !slices.Equal(w.listing(z), w.listing(again)) {
			t.Fatalf("%s is made again as %s", a, b)
		}
	})
}
