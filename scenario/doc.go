// Package scenario holds the end-to-end tests: the walk-throughs of the project,
// played against the real binary by unmodified AWS clients.
//
// Invariant: each ends in something observed from inside an instance, never in an
// answer of the API alone; none sleeps; and none leaves anything behind.
package scenario
