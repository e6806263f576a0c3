package dnsview

import (
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// svcKeys are the parameters of SVCB and HTTPS records (RFC 9460 section 14.3.2,
// RFC 9461); others are keyNNNNN.
var svcKeys = map[string]uint16{
	"mandatory": 0, "alpn": 1, "no-default-alpn": 2, "port": 3, "ipv4hint": 4, "ech": 5, "ipv6hint": 6, "dohpath": 7, "ohttp": 8,
}

func svcKey(name string) (uint16, bool) {
	if k, ok := svcKeys[name]; ok {
		return k, true
	}
	digits, ok := strings.CutPrefix(name, "key")
	n, err := strconv.ParseUint(digits, 10, 16)
	return uint16(n), ok && err == nil && n < 65535 && strconv.FormatUint(n, 10) == digits
}

func badParam() *Problem {
	return problem("SVCBRRDATAIllegalParameter", "Service parameter is not valid")
}

// appendParams appends the parameters of an SVCB record in the order of their
// keys, each at most once (RFC 9460 section 2.2).
func appendParams(out []byte, words []word) ([]byte, *Problem) {
	values := map[uint16][]byte{}
	for _, w := range words {
		name, text, given := strings.Cut(w.text, "=")
		key, ok := svcKey(name)
		if _, twice := values[key]; !ok || twice || w.quoted {
			return nil, badParam()
		}
		if strings.HasPrefix(text, `"`) {
			inner, end, ok := quoted(text, 0)
			if !ok || end != len(text) {
				return nil, badParam()
			}
			text = inner
		}
		value, ok := svcValue(key, text, given)
		if !ok || len(value) > 65535 {
			return nil, badParam()
		}
		values[key] = value
	}
	keys := make([]uint16, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = binary.BigEndian.AppendUint16(out, k)
		out = binary.BigEndian.AppendUint16(out, uint16(len(values[k])))
		out = append(out, values[k]...)
	}
	return out, nil
}

// svcValue is a parameter's value as it travels.
func svcValue(key uint16, text string, given bool) (out []byte, ok bool) {
	list := strings.Split(text, ",")
	switch key {
	case 0: // mandatory
		var keys []uint16
		for _, name := range list {
			k, known := svcKey(name)
			if !known || k == 0 || slices.Contains(keys, k) {
				return nil, false
			}
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			out = binary.BigEndian.AppendUint16(out, k)
		}
		return out, true
	case 1: // alpn
		for _, id := range list {
			if id == "" || len(id) > 255 {
				return nil, false
			}
			out = append(append(out, byte(len(id))), id...)
		}
		return out, true
	case 2, 8: // no-default-alpn, ohttp: without a value
		return nil, !given
	case 3: // port
		n, err := strconv.ParseUint(text, 10, 16)
		return binary.BigEndian.AppendUint16(nil, uint16(n)), err == nil
	case 4, 6: // ipv4hint, ipv6hint
		for _, item := range list {
			a, err := netip.ParseAddr(item)
			if err != nil || a.Zone() != "" || a.Is4() != (key == 4) {
				return nil, false
			}
			out = append(out, a.AsSlice()...)
		}
		return out, true
	case 5: // ech
		raw, err := base64.StdEncoding.DecodeString(text)
		return raw, err == nil && len(raw) > 0
	}
	return []byte(text), true
}
