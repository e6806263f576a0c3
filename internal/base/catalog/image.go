package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"time"
)

// Image is a public image of the catalogue: an entry of images.jsonl, of a file
// given with --images, or of a request to /_localvpc/images.
type Image struct {
	ImageId        string    // "ami-" and 8 or 17 hexadecimal digits
	Name           string    // 3 to 128 characters, as RegisterImage takes them
	OwnerId        string    // 12 digits; default: Amazon's account
	OwnerAlias     string    // "amazon", "aws-marketplace" or nothing
	Description    string    // default: says that it is local
	Architecture   string    // "x86_64" (default) or "arm64"
	RootDeviceName string    // default: /dev/xvda
	VolumeSize     int32     // GiB of the described root volume; default 8
	VolumeType     string    // default gp3
	CreationDate   time.Time // default: when it is added
	BootMode       string
	ImdsSupport    string // "v2.0": instances require tokens by default
	// Path is a directory or OCI layout of this machine to boot from; empty: the
	// machine's own root.
	Path string `json:"path"`
	// Parameters are names of SSM public parameters that give its id, below
	// /aws/service/; where several images have one, the newest gives it.
	Parameters []string
}

// Account numbers under which the public images are looked up.
const (
	AmazonID    = "137112412989"
	CanonicalID = "099720109477"
)

// maxImages bounds one list from outside.
const maxImages = 10000

// maxParameters bounds the names of one image.
const maxParameters = 50

var (
	imageID   = regexp.MustCompile(`^ami-([0-9a-f]{8}|[0-9a-f]{17})$`)
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	parameter = regexp.MustCompile(`^/aws/service(/[A-Za-z0-9_.-]+)+$`)
	imageName = regexp.MustCompile(`^[-A-Za-z0-9()\[\] ./'@_]+$`) // of 3 to 128 characters: counted here it would take 100 KB
)

// Images is the built-in catalogue for a machine: x86_64 entries are on every
// machine, as that is what most examples ask for; arm64 ones where the machine is arm64.
func Images(architecture string) []Image {
	all, err := Parse(imagesFile)
	if err != nil {
		panic(err) // the file is part of the program; a test reads it
	}
	var list []Image
	for _, i := range all {
		if i.Architecture == "x86_64" || i.Architecture == architecture {
			list = append(list, i)
		}
	}
	return list
}

// Parse reads entries: a JSON list of objects, or objects one after the other
// (JSON lines). It fills in the defaults, and its error names the entry and what
// to mend.
func Parse(text []byte) ([]Image, error) {
	var list []Image
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '[' {
		d := strict(trimmed)
		err := d.Decode(&list)
		if _, more := d.Token(); err == nil && more != io.EOF {
			err = errors.New("more follows after the list")
		}
		if err != nil {
			return nil, fmt.Errorf("reading the list of images: %w", err)
		}
	} else {
		for d := strict(trimmed); ; {
			var i Image
			if err := d.Decode(&i); err == io.EOF {
				break
			} else if err != nil {
				return nil, fmt.Errorf("reading image %d: %w", len(list)+1, err)
			}
			list = append(list, i)
		}
	}
	if len(list) > maxImages {
		return nil, fmt.Errorf("reading the list of images: %d entries, at most %d are taken", len(list), maxImages)
	}
	seen := map[string]bool{}
	for n := range list {
		if err := list[n].complete(); err != nil {
			return nil, fmt.Errorf("reading image %d: %w", n+1, err)
		}
		if seen[list[n].ImageId] {
			return nil, fmt.Errorf("reading image %d: %s is in the list twice", n+1, list[n].ImageId)
		}
		seen[list[n].ImageId] = true
	}
	return list, nil
}

func strict(text []byte) *json.Decoder {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d
}

// complete fills in defaults and checks the entry.
func (i *Image) complete() error {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&i.OwnerId, AmazonID}, {&i.Architecture, "x86_64"}, {&i.RootDeviceName, "/dev/xvda"}, {&i.VolumeType, "gp3"},
		{&i.Description, "localvpc: an image of this machine's own file system"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if i.VolumeSize == 0 {
		i.VolumeSize = 8
	}
	i.Path = strings.TrimPrefix(i.Path, "file://")
	switch {
	case !imageID.MatchString(i.ImageId):
		return fmt.Errorf("the ImageId %q must be ami- and 8 or 17 hexadecimal digits", i.ImageId)
	case len(i.Name) < 3 || len(i.Name) > 128 || !imageName.MatchString(i.Name):
		return fmt.Errorf("the Name %q must have 3 to 128 letters, digits, spaces or -()[]./'@_", i.Name)
	case !accountID.MatchString(i.OwnerId):
		return fmt.Errorf("the OwnerId %q must be an account number of 12 digits", i.OwnerId)
	case i.Architecture != "x86_64" && i.Architecture != "arm64":
		return fmt.Errorf("the Architecture %q must be x86_64 or arm64", i.Architecture)
	case i.VolumeSize < 1 || i.VolumeSize > 16384:
		return fmt.Errorf("the VolumeSize %d must be 1 to 16384 (GiB)", i.VolumeSize)
	case i.Path != "" && !path.IsAbs(i.Path):
		return fmt.Errorf("the path %q must be absolute", i.Path)
	case len(i.Parameters) > maxParameters:
		return fmt.Errorf("it has %d Parameters, at most %d are taken", len(i.Parameters), maxParameters)
	}
	for _, p := range i.Parameters {
		if !parameter.MatchString(p) || len(p) > 1011 {
			return fmt.Errorf("the name %q in Parameters must be a path below /aws/service/ of letters, digits and .-_", p)
		}
	}
	return nil
}
