package reconcile

import (
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// desired is what the kernel should hold, by the unit that wants it, beside what
// it is believed to hold. Several units may want the same object; it goes when
// the last of them does.
type desired struct {
	units   map[fabric.Unit][]plan.Object
	wanted  map[string]wanted
	applied plan.Objects
	ends    map[end]int // far ends of the links that are wanted
}

// end is one end of a link.
type end struct {
	ns   plan.Netns
	name string
}

type wanted struct {
	object plan.Object
	units  int
}

func newDesired() *desired {
	return &desired{units: map[fabric.Unit][]plan.Object{}, wanted: map[string]wanted{}, applied: plan.Objects{}, ends: map[end]int{}}
}

// set replaces what a unit wants and adds the keys that it touches to touched.
func (d *desired) set(u fabric.Unit, objects []plan.Object, touched map[string]struct{}) {
	for _, o := range d.units[u] {
		d.end(o, -1)
		key := o.Key()
		w := d.wanted[key]
		if w.units--; w.units == 0 {
			delete(d.wanted, key)
		} else {
			d.wanted[key] = w
		}
		touched[key] = struct{}{}
	}
	if len(objects) == 0 {
		delete(d.units, u)
		return
	}
	d.units[u] = objects
	for _, o := range objects {
		d.end(o, 1)
		key := o.Key()
		d.wanted[key] = wanted{o, d.wanted[key].units + 1}
		touched[key] = struct{}{}
	}
}

// end counts the far end of a link.
func (d *desired) end(o plan.Object, by int) {
	l, ok := o.(plan.Link)
	if !ok {
		return
	}
	at := end{l.Peer, l.PeerName}
	if d.ends[at] += by; d.ends[at] == 0 {
		delete(d.ends, at)
	}
}

// links says whether a namespace is to have a link, from either side.
func (d *desired) links(ns plan.Netns, name string) bool {
	_, ok := d.wanted[plan.Link{Netns: ns, Name: name}.Key()]
	return ok || d.ends[end{ns, name}] > 0
}

// diff gives the operations for the touched keys.
func (d *desired) diff(touched map[string]struct{}) []plan.Op {
	have, want := plan.Objects{}, plan.Objects{}
	for key := range touched {
		if o, ok := d.applied[key]; ok {
			have[key] = o
		}
		if w, ok := d.wanted[key]; ok {
			want[key] = w.object
		}
	}
	return plan.Diff(have, want)
}

// done records that the kernel has obeyed the operations.
func (d *desired) done(ops []plan.Op) {
	for _, op := range ops {
		if op.Verb == plan.Remove {
			delete(d.applied, op.Object.Key())
		} else {
			d.applied[op.Object.Key()] = op.Object
		}
	}
}

// space is the namespace of a key's object, if it is wanted or believed to be there.
func (d *desired) space(key string) (plan.Netns, bool) {
	if o, ok := d.applied[key]; ok {
		return o.NS(), true
	}
	if w, ok := d.wanted[key]; ok {
		return w.object.NS(), true
	}
	return "", false
}

// differs says whether a key's object is not as it is wanted.
func (d *desired) differs(key string) bool {
	have, there := d.applied[key]
	want, wanted := d.wanted[key]
	return there != wanted || there && !plan.Same(have, want.object)
}

// found replaces what one namespace is believed to hold by what it does hold,
// and gives the keys that may differ.
func (d *desired) found(ns plan.Netns, have plan.Objects, touched map[string]struct{}) {
	for key, o := range d.applied {
		if o.NS() == ns && o.Kind() != plan.KindService {
			delete(d.applied, key)
			touched[key] = struct{}{}
		}
	}
	for key, o := range have {
		d.applied[key] = o
		touched[key] = struct{}{}
	}
	for key, w := range d.wanted {
		if w.object.NS() == ns {
			touched[key] = struct{}{}
		}
	}
}
