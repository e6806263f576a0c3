package lifecycle

import (
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

// States of an image. A deregistered one is kept, unseen, while an instance
// needs its disk to boot.
const (
	ImagePending   = "pending"
	ImageAvailable = "available"
	ImageFailed    = "failed"
	Deregistered   = "deregistered"
)

// Captured: the disk of the image's source instance is kept under the image's
// id. An image that was deregistered meanwhile, or is gone, stays so.
func Captured(tx *state.Tx, k state.Key) error {
	return settle(tx, k, ImageAvailable, state.StateReason{})
}

// CaptureFailed: the disk could not be kept. why is for people: it becomes the
// message of the image's StateReason.
func CaptureFailed(tx *state.Tx, k state.Key, why string) error {
	return settle(tx, k, ImageFailed, state.StateReason{
		Code: "Server.InternalError", Message: "Server.InternalError: " + awserr.Clip(why),
	})
}

func settle(tx *state.Tx, k state.Key, to string, why state.StateReason) error {
	image, ok := state.Images.Get(tx, k)
	if !ok || image.State != ImagePending {
		return nil
	}
	next := *image
	next.State, next.StateReason = to, why
	state.Images.Put(tx, &next)
	return nil
}

// Deregister takes an image away: from sight while an instance was made from
// it, for good otherwise. Images that were made from it name its layers
// themselves and do not need its row.
func Deregister(tx *state.Tx, image *state.Image) {
	if !InUse(tx, image, "") {
		state.Images.Delete(tx, image.Key)
		return
	}
	next := *image
	next.State = Deregistered
	next.Name, next.Tags = "", nil
	state.Images.Put(tx, &next)
}

// InUse says whether an instance, other than the one with the id except, can
// still boot from the image.
func InUse(r state.Reader, image *state.Image, except string) bool {
	for i := range state.Instances.By(r, state.ByImage, image.ID) {
		if i.ID != except && i.State != state.Terminated && i.ImageOwner == image.Account {
			return true
		}
	}
	return false
}

// ImageOf is the image that an instance boots from, deregistered or not: one of
// the instance's Region, or of the catalogue, which is in every one.
func ImageOf(r state.Reader, i *state.Instance) (*state.Image, bool) {
	for image := range state.Images.By(r, state.ByImage, i.ImageID) {
		if image.Account == i.ImageOwner && (image.Region == "" || image.Region == i.Region) {
			return image, true
		}
	}
	return nil, false
}
