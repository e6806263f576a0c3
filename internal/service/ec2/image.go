package ec2

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// SeedImages puts the images of a catalogue where every account and Region finds
// them; one with the same id and owner is replaced.
func SeedImages(tx *state.Tx, list []catalog.Image) {
	for _, i := range list {
		created := i.CreationDate
		if created.IsZero() {
			created = tx.Now()
		}
		state.Images.Put(tx, &state.Image{
			Meta:  state.Meta{Key: state.Key{Account: i.OwnerId, ID: i.ImageId}, Created: created},
			State: lifecycle.ImageAvailable, Name: i.Name, Description: i.Description, OwnerAlias: i.OwnerAlias,
			Architecture: i.Architecture, RootDeviceName: i.RootDeviceName, RootVolumeSize: i.VolumeSize, RootVolumeType: i.VolumeType,
			SnapshotID: "snap" + strings.TrimPrefix(i.ImageId, "ami"), Public: true, Path: i.Path,
			EnaSupport: true, BootMode: i.BootMode, ImdsSupport: i.ImdsSupport, Parameters: i.Parameters,
		})
	}
}

// visible says whether an account may see, and launch, an image (EC2 User
// Guide, "Understand shared AMI usage").
func visible(i *state.Image, c authz.Caller) bool {
	return i.State != lifecycle.Deregistered && (i.Region == "" || i.Region == c.Region) &&
		(i.Account == c.Account || i.Public || slices.Contains(i.LaunchAccounts, c.Account))
}

// image finds an image that the caller may see.
func image(r state.Reader, c authz.Caller, id string) (*state.Image, error) {
	if err := imageKind.wellFormed(id); err != nil {
		return nil, err
	}
	for i := range state.Images.By(r, state.ByImage, id) {
		if visible(i, c) {
			return i, nil
		}
	}
	return nil, imageKind.none(id)
}

// ownImage finds an image that the caller may change.
func ownImage(r state.Reader, c authz.Caller, id string) (*state.Image, error) {
	i, err := image(r, c, id)
	if err != nil {
		return nil, err
	}
	if i.Account != c.Account || i.Region == "" {
		return nil, awserr.New("AuthFailure", "Not authorized for image:%s", id)
	}
	return i, nil
}

// imageAtParameter gives the image that an SSM public parameter names, with or
// without a version: such parameters have their first one only (EC2 User
// Guide, "Use a Systems Manager parameter to reference an AMI").
func imageAtParameter(r state.Reader, c authz.Caller, name string) (*state.Image, bool) {
	i, ok := lifecycle.ImageAtParameter(r, strings.TrimSuffix(name, ":1"))
	return i, ok && visible(i, c)
}

// images walks what the caller may see in the order of ids, the catalogue's too.
func images(r state.Reader, c authz.Caller) iter.Seq[*state.Image] {
	list := slices.SortedFunc(where(state.Images.All(r), func(i *state.Image) bool { return visible(i, c) }),
		func(a, b *state.Image) int { return strings.Compare(a.ID, b.ID) })
	return slices.Values(list)
}

// DescribeImages lists the images that the caller may launch.
func (s *Service) DescribeImages(r state.Reader, c authz.Caller, in *api.DescribeImagesInput) (*api.DescribeImagesOutput, error) {
	pass, err := compile(in.Filters, imageFilters)
	if err != nil {
		return nil, err
	}
	owned, err := owners(c, in.Owners)
	if err != nil {
		return nil, err
	}
	launchable, err := executableBy(c, in.ExecutableUsers)
	if err != nil {
		return nil, err
	}
	rows := images(r, c)
	if len(in.ImageIds) > 0 {
		if rows, err = imagesAsked(r, c, in.ImageIds); err != nil {
			return nil, err
		}
	}
	list, next, err := page(where(rows, func(i *state.Image) bool { return owned(i) && launchable(i) && pass(r, i) }), idOf[state.Image], paging{
		action: "DescribeImages", scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters, ids: in.ImageIds, set: imageKind.set,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeImagesOutput{Images: []api.Image{}, NextToken: next}
	for _, i := range list {
		out.Images = append(out.Images, apiImage(i, c))
	}
	return out, nil
}

// imagesAsked gives the images with the ids, all of which must exist.
func imagesAsked(r state.Reader, c authz.Caller, ids []string) (iter.Seq[*state.Image], error) {
	var found []*state.Image
	var missing []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		i, err := image(r, c, id)
		switch {
		case awserr.Is(err, imageKind.notFound):
			missing = append(missing, id)
		case err != nil:
			return nil, err
		default:
			found = append(found, i)
		}
	}
	switch len(missing) {
	case 0:
		return slices.Values(found), nil
	case 1:
		return nil, imageKind.none(missing...)
	}
	return nil, awserr.New(imageKind.notFound, "The image ids '[%s]' do not exist", strings.Join(missing, ", "))
}

// owners makes the condition of the parameter Owner: account numbers, self, and
// the aliases that AWS has.
func owners(c authz.Caller, list []string) (func(*state.Image) bool, error) {
	for _, o := range list {
		if !isAccount(o) && o != "self" && o != "amazon" && o != "aws-marketplace" && o != "aws-backup-vault" {
			return nil, awserr.New("InvalidUserID.Malformed", "Invalid user id: \"%s\"", awserr.Clip(o))
		}
	}
	return func(i *state.Image) bool {
		return len(list) == 0 || slices.Contains(list, i.Account) || i.OwnerAlias != "" && slices.Contains(list, i.OwnerAlias) ||
			i.Account == c.Account && slices.Contains(list, "self")
	}, nil
}

// executableBy makes the condition of the parameter ExecutableBy: who has launch
// permission, other than as the owner.
func executableBy(c authz.Caller, list []string) (func(*state.Image) bool, error) {
	for _, u := range list {
		if !isAccount(u) && u != "self" && u != "all" {
			return nil, awserr.New("InvalidUserID.Malformed", "Invalid user id: \"%s\"", awserr.Clip(u))
		}
	}
	return func(i *state.Image) bool {
		if len(list) == 0 {
			return true
		}
		for _, u := range list {
			if u == "self" {
				u = c.Account
			}
			if u == "all" && i.Public || slices.Contains(i.LaunchAccounts, u) {
				return true
			}
		}
		return false
	}, nil
}

func isAccount(s string) bool {
	return len(s) == 12 && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

// imageTime prints a creation date as DescribeImages does.
func imageTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func apiImage(i *state.Image, c authz.Caller) api.Image {
	out := api.Image{
		ImageId: ptr(i.ID), Name: ptr(i.Name), Description: opt(i.Description), State: ptr(i.State),
		OwnerId: ptr(i.Account), ImageOwnerAlias: opt(i.OwnerAlias), Public: ptr(i.Public),
		ImageLocation: ptr(imageLocation(i)), CreationDate: ptr(imageTime(i.Created)),
		Architecture: ptr(i.Architecture), ImageType: ptr("machine"), EnaSupport: ptr(i.EnaSupport),
		Hypervisor: ptr("xen"), VirtualizationType: ptr(api.VirtualizationTypeHvm),
		RootDeviceName: ptr(i.RootDeviceName), RootDeviceType: ptr(api.DeviceTypeEbs),
		PlatformDetails: ptr(platformDetails), UsageOperation: ptr(usageOperation),
		BootMode: opt(i.BootMode), ImdsSupport: opt(i.ImdsSupport), SriovNetSupport: ptr("simple"),
		SourceInstanceId: opt(i.SourceInstance), SourceImageId: opt(i.SourceImage),
		BlockDeviceMappings: []api.BlockDeviceMapping{{DeviceName: ptr(i.RootDeviceName), Ebs: &api.EbsBlockDevice{
			DeleteOnTermination: ptr(true), SnapshotId: opt(i.SnapshotID), VolumeSize: ptr(i.RootVolumeSize),
			VolumeType: ptr(i.RootVolumeType), Encrypted: ptr(false),
		}}},
		DeregistrationProtection: ptr("disabled"),
	}
	if i.RootVolumeType == api.VolumeTypeGp3 {
		out.BlockDeviceMappings[0].Ebs.Iops, out.BlockDeviceMappings[0].Ebs.Throughput = ptr(int32(3000)), ptr(int32(125))
	}
	if i.SourceImage != "" {
		out.SourceImageRegion = opt(i.Region)
	}
	if i.StateReason.Code != "" {
		out.StateReason = &api.StateReason{Code: ptr(i.StateReason.Code), Message: ptr(i.StateReason.Message)}
	}
	if len(i.Parameters) > 0 {
		out.PublicSsmParameterName = ptr(i.Parameters[0])
	}
	if i.Account == c.Account {
		out.Tags = apiTags(i.Tags) // tags are the owner's
	}
	return out
}

// What every image here is: Linux without a licence to pay for.
const (
	platformDetails = "Linux/UNIX"
	usageOperation  = "RunInstances"
)

// imageLocation is the owner and name, as AWS writes it, and for an image made
// of a directory that directory.
func imageLocation(i *state.Image) string {
	switch {
	case i.Path != "":
		return "file://" + i.Path
	case i.OwnerAlias != "":
		return i.OwnerAlias + "/" + i.Name
	}
	return i.Account + "/" + i.Name
}

var imageFilters = filters[state.Image]{
	"architecture": func(i *state.Image) []string { return one(i.Architecture) },
	"block-device-mapping.delete-on-termination": func(i *state.Image) []string { return yes(true) },
	"block-device-mapping.device-name":           func(i *state.Image) []string { return one(i.RootDeviceName) },
	"block-device-mapping.snapshot-id":           func(i *state.Image) []string { return one(i.SnapshotID) },
	"block-device-mapping.volume-size":           func(i *state.Image) []string { return one(strconv.Itoa(int(i.RootVolumeSize))) },
	"block-device-mapping.volume-type":           func(i *state.Image) []string { return one(i.RootVolumeType) },
	"block-device-mapping.encrypted":             func(i *state.Image) []string { return yes(false) },
	"creation-date":                              func(i *state.Image) []string { return one(imageTime(i.Created)) },
	"description":                                func(i *state.Image) []string { return one(i.Description) },
	"ena-support":                                func(i *state.Image) []string { return yes(i.EnaSupport) },
	"free-tier-eligible":                         func(i *state.Image) []string { return yes(false) },
	"hypervisor":                                 func(i *state.Image) []string { return one("xen") },
	"image-allowed":                              func(i *state.Image) []string { return nil },
	"image-id":                                   func(i *state.Image) []string { return one(i.ID) },
	"image-type":                                 func(i *state.Image) []string { return one("machine") },
	"is-public":                                  func(i *state.Image) []string { return yes(i.Public) },
	"kernel-id":                                  func(i *state.Image) []string { return nil },
	"manifest-location":                          func(i *state.Image) []string { return one(imageLocation(i)) },
	"name":                                       func(i *state.Image) []string { return one(i.Name) },
	"owner-alias":                                func(i *state.Image) []string { return one(i.OwnerAlias) },
	"owner-id":                                   func(i *state.Image) []string { return one(i.Account) },
	"platform":                                   func(i *state.Image) []string { return nil },
	"product-code":                               func(i *state.Image) []string { return nil },
	"product-code.type":                          func(i *state.Image) []string { return nil },
	"ramdisk-id":                                 func(i *state.Image) []string { return nil },
	"root-device-name":                           func(i *state.Image) []string { return one(i.RootDeviceName) },
	"root-device-type":                           func(i *state.Image) []string { return one("ebs") },
	"source-image-id":                            func(i *state.Image) []string { return one(i.SourceImage) },
	"source-image-region": func(i *state.Image) []string {
		if i.SourceImage == "" {
			return nil
		}
		return one(i.Region)
	},
	"source-instance-id":   func(i *state.Image) []string { return one(i.SourceInstance) },
	"state":                func(i *state.Image) []string { return one(i.State) },
	"state-reason-code":    func(i *state.Image) []string { return one(i.StateReason.Code) },
	"state-reason-message": func(i *state.Image) []string { return one(i.StateReason.Message) },
	"sriov-net-support":    func(i *state.Image) []string { return one("simple") },
	"virtualization-type":  func(i *state.Image) []string { return one("hvm") },
}
