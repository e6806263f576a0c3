//go:build linux

package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Of linux/netfilter/nf_tables.h and nfnetlink_cttimeout.h.
const (
	objTable           = 1 // NFTA_OBJ_TABLE
	objName            = 2 // NFTA_OBJ_NAME
	objType            = 3 // NFTA_OBJ_TYPE
	objData            = 4 // NFTA_OBJ_DATA
	objectTimeout      = 7 // NFT_OBJECT_CT_TIMEOUT
	timeoutL3          = 1 // NFTA_CT_TIMEOUT_L3PROTO
	timeoutL4          = 2 // NFTA_CT_TIMEOUT_L4PROTO
	timeoutData        = 3 // NFTA_CT_TIMEOUT_DATA
	objrefImmType      = 1 // NFTA_OBJREF_IMM_TYPE
	objrefImmName      = 2 // NFTA_OBJREF_IMM_NAME
	timeoutEstablished = 3 // CTA_TIMEOUT_TCP_ESTABLISHED
)

// writeTimeout adds a message that makes a timeout.
func writeTimeout(w *nl.Buf, t plan.Timeout) {
	begin(w, unix.NFT_MSG_NEWOBJ, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	w.Str(objTable, plan.TableName)
	w.Str(objName, t.Name)
	w.BE32(objType, objectTimeout)
	w.Nest(objData, func() {
		w.Attr(timeoutL3, binary.BigEndian.AppendUint16(nil, unix.AF_INET))
		w.U8(timeoutL4, unix.IPPROTO_TCP)
		w.Nest(timeoutData, func() { w.BE32(timeoutEstablished, t.Seconds) })
	})
}

// removeTimeout adds a message that removes one.
func removeTimeout(w *nl.Buf, t plan.Timeout) {
	begin(w, unix.NFT_MSG_DELOBJ, 0)
	w.Str(objTable, plan.TableName)
	w.Str(objName, t.Name)
	w.BE32(objType, objectTimeout)
}

// timeout adds the expression that gives a flow its timeout.
func timeout(w *nl.Buf, name string) {
	expression(w, "objref", func() {
		w.BE32(objrefImmType, objectTimeout)
		w.Str(objrefImmName, name)
	})
}

func readTimeouts(c *nl.Conn, ns plan.Netns) (all []plan.Timeout, err error) {
	err = dump(c, unix.NFT_MSG_GETOBJ, func(w *nl.Buf) { w.Str(objTable, plan.TableName) }, func() { all = nil },
		func(body []byte) error {
			t := plan.Timeout{Netns: ns}
			ours, known := false, false
			for typ, v := range nl.Attrs(body) {
				switch typ {
				case objTable:
					ours = nl.Str(v) == plan.TableName
				case objName:
					t.Name = nl.Str(v)
				case objType:
					known = nl.BE32(v) == objectTimeout
				case objData:
					for typ, v := range nl.Attrs(v) {
						if typ != timeoutData {
							continue
						}
						for typ, v := range nl.Attrs(v) {
							if typ == timeoutEstablished {
								t.Seconds = nl.BE32(v)
							}
						}
					}
				}
			}
			if ours && known {
				all = append(all, t)
			}
			return nil
		})
	return all, err
}
