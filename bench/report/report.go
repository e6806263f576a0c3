// Package report is what the benchmarks and their load generator say to each other.
//
// Invariant: times are seconds, amounts are counts or bytes; no unit is implied
// by who reads it.
package report

// Traffic is the answer to one command of the load generator.
type Traffic struct {
	Count   uint64  `json:",omitempty"` // connections, requests, attempts; bytes of a stream
	Seconds float64 `json:",omitempty"` // wall clock
	CPU     float64 `json:",omitempty"` // seconds of this process, user and system, softirqs that ran in it included
	Control string  `json:",omitempty"` // congestion control of the connection
	Segment int     `json:",omitempty"` // its segment size in bytes
	P50     float64 `json:",omitempty"` // seconds that an answer took
	P99     float64 `json:",omitempty"`
	Client  string  `json:",omitempty"` // address of the one who asked, as the server sees it
	Server  string  `json:",omitempty"` // and the server's, as it is there
	Error   string  `json:",omitempty"`
}
