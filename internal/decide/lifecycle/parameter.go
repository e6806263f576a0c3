package lifecycle

import "github.com/localvpc/localvpc/internal/state"

// ImageAtParameter is the image whose id an SSM public parameter gives: of those
// of the catalogue that claim the name the newest, as on AWS, where a parameter
// follows the releases.
func ImageAtParameter(r state.Reader, name string) (*state.Image, bool) {
	var newest *state.Image
	for i := range state.Images.By(r, state.ByParameter, name) {
		if i.Region != "" || !i.Public || i.State != ImageAvailable {
			continue
		}
		if newest == nil || i.Created.After(newest.Created) {
			newest = i
		}
	}
	return newest, newest != nil
}
