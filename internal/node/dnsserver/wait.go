package dnsserver

import (
	"context"
	"slices"
	"time"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
)

const (
	// maxWait is how long an answer is waited for that users' name servers have a part
	// in, and maxNeeds how many questions to them one may take.
	maxWait  = 5 * time.Second
	maxNeeds = 24
	// maxWaiting bounds the answers of one place that are waited for.
	maxWaiting = 64
)

// Ask has a view answer, and asks users' name servers what it has to know for that.
func (s *Server) Ask(ctx context.Context, v *dnsview.View, q dnsview.Question) dnsview.Answer {
	return s.decide(ctx, v, q)
}

// decide has a view answer. Without a ctx nobody is asked anew, and the answer may
// need something. Each turn knows one thing more than the one before it, and the draw
// is the same: none leads elsewhere.
func (s *Server) decide(ctx context.Context, v *dnsview.View, q dnsview.Question) dnsview.Answer {
	if s.others == nil {
		return v.Answer(q)
	}
	fresh := map[dnsview.Need]dnsview.Answer(nil)
	q.Others = func(n dnsview.Need) (dnsview.Answer, bool) { return s.others.lookup(fresh, n) }
	a := v.Answer(q)
	if a.Need == nil || ctx == nil {
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	fresh = map[dnsview.Need]dnsview.Answer{}
	for n := 0; a.Need != nil && ctx.Err() == nil && n < maxNeeds; n++ {
		fresh[*a.Need] = s.others.learn(ctx, *a.Need)
		a = v.Answer(q)
	}
	return a
}

// postpone has a message answered as soon as what its answer needs is known. It says
// false when it is to be answered now, without that.
func (s *Server) postpone(by *asked, msg []byte) bool {
	if by.wait != nil || by.place == nil {
		return false
	}
	if by.place.waiting.Add(1) > maxWaiting {
		by.place.waiting.Add(-1)
		return false
	}
	next := *by
	next.wait = context.Background()
	reply, msg := by.packet.Later(), slices.Clone(msg)
	go func() {
		defer next.place.waiting.Add(-1)
		reply(s.respond(&next, msg, nil, overUDP))
	}()
	return true
}
