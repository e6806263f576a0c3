// Package catalog holds what AWS has in every Region before anybody makes
// anything: the public images that people look up, and the instance types.
//
// Invariant: the data files beside this one are the only source, and every row
// of them is valid: a test reads them all. Pure; nothing of ours is imported.
package catalog

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed instancetypes.tsv
var typesFile string

//go:embed images.jsonl
var imagesFile []byte

// InstanceType is what AWS documents of an instance type (EC2 Instance Types
// Guide; Amazon EC2 User Guide, "IP addresses per network interface per instance
// type"). localvpc honours the limits on interfaces and addresses; processors,
// memory and bandwidth are described only.
type InstanceType struct {
	Name           string
	Architecture   string // "x86_64", "arm64"
	VCPUs          int32
	ThreadsPerCore int32
	MemoryMiB      int64
	Interfaces     int32 // the most that can be attached
	IPv4PerIface   int32 // the most private addresses of one of them
	Performance    string
	BaselineGbps   float64 // 0: AWS gives none
	PeakGbps       float64
	Burstable      bool
	Hypervisor     string  // "nitro", "xen"
	ClockGHz       float64 // sustained
	Manufacturer   string
	EbsBaseMbps    int32 // 0: not EBS-optimized
	EbsBaseIops    int32
	EbsMaxMbps     int32
	EbsMaxIops     int32
	Current        bool
	FreeTier       bool
}

// Cores is the number of processor cores.
func (t *InstanceType) Cores() int32 { return t.VCPUs / t.ThreadsPerCore }

// Nitro says whether the type is on the Nitro system: NVMe, ENA, encryption in transit.
func (t *InstanceType) Nitro() bool { return t.Hypervisor == "nitro" }

var types = sync.OnceValue(func() []InstanceType {
	list, err := parseTypes(typesFile)
	if err != nil {
		panic(err) // the file is part of the program; a test reads it
	}
	slices.SortFunc(list, func(a, b InstanceType) int { return strings.Compare(a.Name, b.Name) })
	return list
})

// InstanceTypes lists the types that are honoured, by name. The caller
// must not change the list.
func InstanceTypes() []InstanceType { return types() }

// Lookup finds a type by its name.
func Lookup(name string) (*InstanceType, bool) {
	list := types()
	for i := range list {
		if list[i].Name == name {
			return &list[i], true
		}
	}
	return nil, false
}

func parseTypes(text string) ([]InstanceType, error) {
	var list []InstanceType
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		r := row{fields: strings.Split(line, "\t")}
		list = append(list, InstanceType{
			Name: r.text(), Architecture: r.text(), VCPUs: r.int32(), ThreadsPerCore: r.int32(),
			MemoryMiB: int64(r.int32()), Interfaces: r.int32(), IPv4PerIface: r.int32(), Performance: r.text(),
			BaselineGbps: r.float(), PeakGbps: r.float(), Burstable: r.flag(), Hypervisor: r.text(),
			ClockGHz: r.float(), Manufacturer: r.text(), EbsBaseMbps: r.int32(), EbsBaseIops: r.int32(),
			EbsMaxMbps: r.int32(), EbsMaxIops: r.int32(), Current: r.flag(), FreeTier: r.flag(),
		})
		if r.err == nil && len(r.fields) > 0 {
			r.err = fmt.Errorf("%d fields too many", len(r.fields))
		}
		if r.err != nil {
			return nil, fmt.Errorf("reading line %d of the instance types: %w", n+1, r.err)
		}
	}
	return list, nil
}

// row takes the fields of a line one after the other and keeps the first error.
type row struct {
	fields []string
	err    error
}

func (r *row) text() string {
	if len(r.fields) == 0 {
		r.err = fmt.Errorf("too few fields")
		return ""
	}
	f := r.fields[0]
	r.fields = r.fields[1:]
	return f
}

func (r *row) int32() int32 {
	n, err := strconv.ParseInt(r.text(), 10, 32)
	r.keep(err)
	return int32(n)
}

func (r *row) float() float64 {
	f, err := strconv.ParseFloat(r.text(), 64)
	r.keep(err)
	return f
}

func (r *row) flag() bool {
	b, err := strconv.ParseBool(r.text())
	r.keep(err)
	return b
}

func (r *row) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}
