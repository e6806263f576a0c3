package route53

import (
	"fmt"
	"testing"
)

// BenchmarkBatch changes one record of a zone that holds 10,000.
func BenchmarkBatch(b *testing.B) {
	w := newWorld(b, 0)
	z := w.zone("a.test", nil)
	for i := 0; i < 9900; i += 900 {
		lines := make([]string, 900)
		for j := range lines {
			lines[j] = fmt.Sprintf("CREATE n%d.a.test A 60 192.0.2.1", i+j)
		}
		w.change(z, lines...)
	}
	in := w.batch(z, "UPSERT n5000.a.test A 60 192.0.2.2")
	for b.Loop() {
		if _, err := w.do("ChangeResourceRecordSets", in); err != nil {
			b.Fatal(err)
		}
	}
}
