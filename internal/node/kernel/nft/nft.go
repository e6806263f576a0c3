//go:build linux

// Package nft spells plan's sets, chains and elements as nf_tables messages, and
// reads them back.
//
// Invariant: the operations of one Apply are one transaction wherever they fit
// into one message run; within it everything stands before what refers to it.
// Whatever is written carries its text's identity along (elements by their key,
// rules by their fingerprint), so that it reads back as the value it came from,
// and nft(8) can print all of it.
//
// Facts: linux/netfilter/nf_tables.h; libnftnl's udata.h for comments; the order
// of removal and the chunking: net/netfilter/nf_tables_api.c.
package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Attributes and values that x/sys lacks.
const (
	setConcat     = 0x80 // NFT_SET_CONCAT
	descConcat    = 2    // NFTA_SET_DESC_CONCAT
	elemKeyEnd    = 10   // NFTA_SET_ELEM_KEY_END
	fieldLen      = 1    // NFTA_SET_FIELD_LEN
	listElem      = 1    // NFTA_LIST_ELEM
	ctDestIP      = 20   // NFT_CT_DST_IP
	verdictType   = 0xffffff00
	udataComment  = 0    // NFTNL_UDATA_RULE_COMMENT, NFTNL_UDATA_SET_ELEM_COMMENT
	udataKeyOrder = 0    // NFTNL_UDATA_SET_KEYBYTEORDER
	udataValOrder = 1    // NFTNL_UDATA_SET_DATABYTEORDER
	udataPrint    = 0x5f // ours: a rule's fingerprint
)

// family is that of the table: IPv4.
const family = unix.NFPROTO_IPV4

// Subsystem is what transactions of nf_tables are sent to.
const Subsystem = unix.NFNL_SUBSYS_NFTABLES

func begin(w *nl.Buf, message, flags uint16) {
	w.Begin(Subsystem<<8|message, flags, []byte{family, unix.NFNETLINK_V0, 0, 0})
}

// Create makes the empty table.
func Create(c *nl.Conn) error {
	var w nl.Buf
	begin(&w, unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE)
	w.Str(unix.NFTA_TABLE_NAME, plan.TableName)
	w.BE32(unix.NFTA_TABLE_FLAGS, 0)
	return c.Batch(&w, Subsystem)
}

// comment gives user data that nft(8) prints as a comment.
func comment(udata []byte, text string) []byte {
	if text == "" {
		return udata
	}
	udata = append(udata, udataComment, byte(len(text)+1))
	return append(append(udata, text...), 0)
}

// find gives a value of user data.
func find(udata []byte, typ byte) string {
	for len(udata) >= 2 && len(udata) >= 2+int(udata[1]) {
		size := int(udata[1])
		if udata[0] == typ {
			return nl.Str(udata[2 : 2+size])
		}
		udata = udata[2+size:]
	}
	return ""
}

func verdict(w *nl.Buf, v plan.Verdict) {
	w.Nest(unix.NFTA_DATA_VERDICT, func() {
		code := int32(0)
		switch v.Code {
		case "accept":
			code = 1 // NF_ACCEPT
		case "return":
			code = unix.NFT_RETURN
		case "jump":
			code = unix.NFT_JUMP
		case "goto":
			code = unix.NFT_GOTO
		}
		w.BE32(unix.NFTA_VERDICT_CODE, uint32(code))
		if v.Chain != "" {
			w.Str(unix.NFTA_VERDICT_CHAIN, v.Chain)
		}
	})
}

func parseVerdict(b []byte) plan.Verdict {
	var v plan.Verdict
	for typ, value := range nl.Attrs(b) {
		switch typ {
		case unix.NFTA_VERDICT_CODE:
			switch int32(nl.BE32(value)) {
			case 1:
				v.Code = "accept"
			case 0:
				v.Code = "drop"
			case unix.NFT_RETURN:
				v.Code = "return"
			case unix.NFT_JUMP:
				v.Code = "jump"
			case unix.NFT_GOTO:
				v.Code = "goto"
			}
		case unix.NFTA_VERDICT_CHAIN:
			v.Chain = nl.Str(value)
		}
	}
	return v
}

// data adds an attribute that holds a plain value.
func data(w *nl.Buf, typ uint16, value []byte) {
	w.Nest(typ, func() { w.Attr(unix.NFTA_DATA_VALUE, value) })
}

func udata32(udata []byte, typ byte, v uint32) []byte {
	return binary.NativeEndian.AppendUint32(append(udata, typ, 4), v)
}
