package balance

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Attributes of access logs (ELBv2 API Reference, LoadBalancerAttribute).
const (
	AttrLogs      = "access_logs.s3.enabled"
	AttrLogBucket = "access_logs.s3.bucket"
	AttrLogPrefix = "access_logs.s3.prefix"
)

// maxLogPrefix bounds a prefix in bytes, so that any path of a log is a file's.
const maxLogPrefix = 512

// Logs says whether a balancer's flows are logged.
func Logs(b *state.LoadBalancer) bool {
	bucket := b.Attribute(AttrLogBucket, "")
	return Carries(b) && b.Attribute(AttrLogs, "false") == "true" && bucket != "" && LogBucket(bucket) == nil && LogPrefix(b.Attribute(AttrLogPrefix, "")) == nil
}

// LogBucket says why a text is no bucket's name (S3 User Guide, "General purpose
// bucket naming rules"). No name leads out of a directory. The empty one is none.
func LogBucket(name string) error {
	if name == "" {
		return nil
	}
	if len(name) < 3 || len(name) > 63 {
		return fmt.Errorf("a bucket's name has 3 to 63 characters")
	}
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && (c != '-' && c != '.' || i == 0 || i == len(name)-1) {
			return fmt.Errorf("a bucket's name has lower case letters, digits, dots and hyphens, and begins and ends with a letter or digit")
		}
	}
	if strings.Contains(name, "..") {
		return fmt.Errorf("a bucket's name has no two dots in a row")
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("a bucket's name is no address")
	}
	return nil
}

// LogPrefix says why a text is no prefix: AWS's word for the rest of the path is not in
// it (ELBv2 API Reference, LoadBalancerAttribute), and every part is one that a
// directory can have.
func LogPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > maxLogPrefix {
		return fmt.Errorf("a prefix has up to %d characters", maxLogPrefix)
	}
	if strings.Contains(prefix, "AWSLogs") {
		return fmt.Errorf("a prefix does not contain 'AWSLogs'")
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "" || part == "." || part == ".." || len(part) > 255 {
			return fmt.Errorf("a prefix does not begin or end with '/', and none of its parts is empty, '.' or '..'")
		}
		for _, c := range []byte(part) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!-_.*'()", c) >= 0) {
				return fmt.Errorf("a prefix has letters, digits and !-_.*'()/")
			}
		}
	}
	return nil
}

// LogPath is the path of a balancer's log of a day, bucket first (NLB User Guide,
// "Access log files": without the part of one delivery, and not compressed).
func LogPath(b *state.LoadBalancer, day time.Time) string {
	day = day.UTC()
	path := b.Attribute(AttrLogBucket, "")
	if prefix := b.Attribute(AttrLogPrefix, ""); prefix != "" {
		path += "/" + prefix
	}
	s := b.Scope()
	return fmt.Sprintf("%s/AWSLogs/%s/elasticloadbalancing/%s/%s/%s_elasticloadbalancing_%s_net.%s.%s_%s.log",
		path, s.Account, s.Region, day.Format("2006/01/02"), s.Account, s.Region, b.Name, b.Hash, day.Format("20060102"))
}

// Logged is a flow through a balancer that is over.
type Logged struct {
	Balancer     *state.LoadBalancer
	Listener     string // its id
	Protocol     string // "tcp", "udp"
	Client, Node netip.AddrPort
	Target       netip.AddrPort // zero: the proxy took it
	Begin, End   time.Time      // Begin zero: not known
	Counted      bool
	In, Out      uint64 // bytes of the client's packets, and of the answers
}

// logTime is how logs say a time (NLB User Guide, "Access log entries").
const logTime = "2006-01-02T15:04:05"

// Line is the line of a log, with the fields of AWS's version 2.0 in their order and
// the target behind them.
func (l Logged) Line() string {
	took, begin, in, out, target := "-", "-", "-", "-", "-"
	if !l.Begin.IsZero() {
		took, begin = fmt.Sprint(max(l.End.Sub(l.Begin).Milliseconds(), 0)), l.Begin.UTC().Format(logTime)
	}
	if l.Counted {
		in, out = fmt.Sprint(l.In), fmt.Sprint(l.Out)
	}
	if l.Target.IsValid() {
		target = l.Target.String()
	}
	listener := l.Listener[strings.LastIndexByte(l.Listener, '/')+1:]
	return strings.Join([]string{
		l.Protocol, "2.0", l.End.UTC().Format(logTime), l.Balancer.ID, listener, l.Client.String(), l.Node.String(), took, "-", in, out,
		"-", "-", "-", "-", "-", "-", "-", "-", "-", "-", begin, target,
	}, " ")
}
