package state

// Fault is something that was broken on purpose and has not been mended; its id is
// "zone NAME", "instance ID" or "link ID". That of a zone belongs to no account.
type Fault struct {
	Meta
	Kind   string // "zone", "instance", "link"
	What   string // name of the zone, id of the instance or interface
	VpcID  string `json:",omitempty"` // that the instance or interface is in
	Effect string // "down", "paused", "loss"
	Rate   int32  `json:",omitempty"` // of "loss": packets of a hundred
}

// Faults is the table of faults.
var Faults = &Table[Fault]{name: "fault"}
