package state

// Image is a machine image. Catalogue images have an empty Region: they are in
// every one.
type Image struct {
	Meta
	State          string      // "available", "pending", "failed", "deregistered"
	StateReason    StateReason `json:",omitzero"` // why it failed
	Name           string
	Description    string `json:",omitempty"`
	OwnerAlias     string `json:",omitempty"` // "amazon"
	Architecture   string // "x86_64", "arm64"
	RootDeviceName string
	RootVolumeSize int32  // GiB
	RootVolumeType string // "gp3"
	SnapshotID     string
	Public         bool
	LaunchAccounts []string `json:",omitempty"` // accounts that may launch it
	Path           string   `json:",omitempty"` // a directory or OCI layout on the host; empty: the host's own root
	Layers         []string `json:",omitempty"` // ids of captured disks over Path, top first (CreateImage)
	SourceInstance string   `json:",omitempty"`
	SourceImage    string   `json:",omitempty"`
	EnaSupport     bool
	BootMode       string   `json:",omitempty"`
	ImdsSupport    string   `json:",omitempty"`
	NoReboot       bool     `json:",omitempty"` // pending: capture the disk while the source runs
	Parameters     []string `json:",omitempty"` // names of SSM public parameters that give its id
}

// Images is the table of images.
var Images = &Table[Image]{name: "image", indexes: []index[Image]{
	{ByImage, func(i *Image) []string { return []string{i.ID} }},
	{ByParameter, func(i *Image) []string { return i.Parameters }},
}}

// KeyPair is a public key for instances to trust; its Key's ID is the key-… id.
type KeyPair struct {
	Meta
	Name        string
	Type        string // "rsa" or "ed25519"
	PublicKey   string // OpenSSH authorized_keys line, without comment
	Fingerprint string
}

// KeyPairs is the table of key pairs.
var KeyPairs = &Table[KeyPair]{name: "key-pair", indexes: []index[KeyPair]{
	{ByKeyName, func(k *KeyPair) []string { return []string{NameIn(k.Scope(), k.Name)} }},
}}

// NameIn is the key of an index over names that are unique in a scope.
func NameIn(s Scope, name string) string { return s.Account + " " + s.Region + " " + name }

// ClientToken remembers an idempotent request: its ID is "Action token".
type ClientToken struct {
	Meta
	Parameters string // hash of the request's parameters
	Response   []byte // the answer, encoded
}

// ClientTokens is the table of idempotency tokens.
var ClientTokens = &Table[ClientToken]{name: "client-token"}

// Setting is a value that belongs to an account in a Region, or to the whole
// installation when both are empty: its ID is the setting's name.
type Setting struct {
	Meta
	Value string
}

// Settings is the table of settings: quotas, defaults, what was set up once.
var Settings = &Table[Setting]{name: "setting"}
