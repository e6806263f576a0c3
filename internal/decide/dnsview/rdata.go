package dnsview

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// More types of records, those that Route 53 takes.
const (
	TypeNS    Type = 2
	TypeCNAME Type = 5
	TypeMX    Type = 15
	TypeTXT   Type = 16
	TypeSRV   Type = 33
	TypeNAPTR Type = 35
	TypeDNAME Type = 39 // Route 53 does not take it
	TypeDS    Type = 43
	TypeSSHFP Type = 44
	TypeTLSA  Type = 52
	TypeSVCB  Type = 64
	TypeHTTPS Type = 65
	TypeSPF   Type = 99
	TypeCAA   Type = 257
)

// part is one field of a record's data in presentation form.
type part byte

const (
	partA part = iota
	partAAAA
	partName
	part8
	part16
	part32
	partTag    // CAA
	partString // one character string
	partText   // one character string without its length (CAA)
	partTexts  // character strings to the end
	partHex    // to the end
	partParams // SVCB to the end
)

// layouts are the fields of each type: RFC 1035, 2782 (SRV), 3403 (NAPTR), 3596
// (AAAA), 4034 (DS), 4255 (SSHFP), 6698 (TLSA), 8659 (CAA), 9460 (SVCB, HTTPS).
var layouts = map[string]struct {
	code   Type
	fields []part
}{
	"A":     {TypeA, []part{partA}},
	"AAAA":  {TypeAAAA, []part{partAAAA}},
	"CAA":   {TypeCAA, []part{part8, partTag, partText}},
	"CNAME": {TypeCNAME, []part{partName}},
	"DNAME": {TypeDNAME, []part{partName}},
	"DS":    {TypeDS, []part{part16, part8, part8, partHex}},
	"HTTPS": {TypeHTTPS, []part{part16, partName, partParams}},
	"MX":    {TypeMX, []part{part16, partName}},
	"NAPTR": {TypeNAPTR, []part{part16, part16, partString, partString, partString, partName}},
	"NS":    {TypeNS, []part{partName}},
	"PTR":   {TypePTR, []part{partName}},
	"SOA":   {TypeSOA, []part{partName, partName, part32, part32, part32, part32, part32}},
	"SPF":   {TypeSPF, []part{partTexts}},
	"SRV":   {TypeSRV, []part{part16, part16, part16, partName}},
	"SSHFP": {TypeSSHFP, []part{part8, part8, partHex}},
	"SVCB":  {TypeSVCB, []part{part16, partName, partParams}},
	"TLSA":  {TypeTLSA, []part{part8, part8, part8, partHex}},
	"TXT":   {TypeTXT, []part{partTexts}},
}

// TypeOf is the code of a type that Route 53 takes.
func TypeOf(name string) (Type, bool) {
	l, ok := layouts[name]
	return l.code, ok
}

// TypeName is the name of a type that Route 53 takes, "" for any other.
func TypeName(code Type) string { return typeNames[code] }

var typeNames = func() map[Type]string {
	names := make(map[Type]string, len(layouts))
	for name, l := range layouts {
		names[l.code] = name
	}
	return names
}()

// numerals count the fields in the codes of problems.
var numerals = [...]string{"Zero", "Single", "Two", "Three", "Four", "Five", "Six", "Seven"}

// ParseData reads a record's value as Route 53 takes it (Developer Guide,
// "Supported DNS record types") and gives its data as it travels. The error is a
// *Problem, in Route 53's words where those are known.
func ParseData(typ, value string) ([]byte, error) {
	data, p := parseData(typ, value)
	if p != nil {
		p.In = value
		if len(p.In) > 512 {
			p.In = p.In[:512] + "…"
		}
		return nil, p
	}
	return data, nil
}

func parseData(typ, value string) ([]byte, *Problem) {
	l := layouts[typ]
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c > '~' {
			return nil, problem("UnsupportedCharacter", "Value contains unsupported characters")
		}
	}
	if len(l.fields) == 1 && l.fields[0] == partTexts {
		return parseTexts(value)
	}
	words, p := split(value)
	if p != nil {
		return nil, p
	}
	last := l.fields[len(l.fields)-1]
	open := last == partHex || last == partParams
	want := len(l.fields)
	if len(words) != want && !(open && len(words) >= want-1) || last == partHex && len(words) < want {
		if want == 1 {
			text := "Value contains spaces"
			if len(words) == 0 {
				text = "Value is empty"
			}
			return nil, problem(typ+"RRDATANotSingleField", text)
		}
		return nil, problem(typ+"RRDATANot"+numerals[want]+"Fields", typ+" record doesn't have "+strconv.Itoa(want)+" fields")
	}
	var out []byte
	for i, field := range l.fields {
		if field == partHex || field == partParams {
			return field.rest(out, typ, words[i:])
		}
		if out, p = field.read(out, typ, words[i]); p != nil {
			return nil, p
		}
	}
	return out, nil
}

// word is one field of a value; a quoted one has no quotes any more.
type word struct {
	text   string
	quoted bool
}

// read appends one field.
func (f part) read(out []byte, typ string, w word) ([]byte, *Problem) {
	switch f {
	case partA:
		a, err := netip.ParseAddr(w.text)
		if err != nil || !a.Is4() || w.quoted {
			return nil, problem("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address")
		}
		return append(out, a.AsSlice()...), nil
	case partAAAA:
		a, err := netip.ParseAddr(w.text)
		if err != nil || !a.Is6() || a.Zone() != "" || w.quoted {
			return nil, problem("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address")
		}
		return append(out, a.AsSlice()...), nil
	case partName:
		n, p := parseEscaped(w.text)
		if p != nil {
			return nil, p
		}
		return append(out, n...), nil
	case part8, part16, part32:
		bits := map[part]int{part8: 8, part16: 16, part32: 32}[f]
		n, err := strconv.ParseUint(w.text, 10, bits)
		if err != nil || w.quoted {
			return nil, problem(typ+"RRDATAIllegalNumber", "Value is not a number that fits into "+strconv.Itoa(bits)+" bits")
		}
		switch f {
		case part8:
			return append(out, byte(n)), nil
		case part16:
			return binary.BigEndian.AppendUint16(out, uint16(n)), nil
		}
		return binary.BigEndian.AppendUint32(out, uint32(n)), nil
	case partTag:
		if w.quoted || w.text == "" || len(w.text) > 15 || strings.Trim(strings.ToLower(w.text), "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return nil, problem("CAARRDATAIllegalTag", "CAA tag is not made of 1 to 15 letters and digits")
		}
		return append(append(out, byte(len(w.text))), w.text...), nil
	}
	// A character string.
	if !w.quoted {
		return nil, problem("InvalidCharacterString", "Value should be enclosed in quotation marks")
	}
	if f == partText {
		return append(out, w.text...), nil
	}
	if len(w.text) > 255 {
		return nil, problem("CharacterStringTooLong", "Value is too long")
	}
	return append(append(out, byte(len(w.text))), w.text...), nil
}

// rest appends the fields that take all words to the end.
func (f part) rest(out []byte, typ string, words []word) ([]byte, *Problem) {
	if f == partParams {
		return appendParams(out, words)
	}
	var digits strings.Builder
	for _, w := range words {
		digits.WriteString(w.text)
	}
	raw, err := hex.DecodeString(digits.String())
	if err != nil || len(raw) == 0 {
		return nil, problem(typ+"RRDATAIllegalHexString", "Value is not a string of hexadecimal digits")
	}
	return append(out, raw...), nil
}

// parseTexts reads one or more character strings: quoted, 255 characters at most,
// with blanks between them.
func parseTexts(value string) ([]byte, *Problem) {
	words, p := split(value)
	if p != nil {
		return nil, p
	}
	if len(words) == 0 {
		return nil, problem("InvalidCharacterString", "Value should be enclosed in quotation marks")
	}
	var out []byte
	for _, w := range words {
		if out, p = partString.read(out, "TXT", w); p != nil {
			return nil, p
		}
	}
	return out, nil
}

// split cuts a value into its fields. Within quotation marks a blank is a
// character, \" and \\ stand for the second one, and \ooo for an octal code.
func split(value string) ([]word, *Problem) {
	var words []word
	for i := 0; i < len(value); {
		c := value[i]
		if c == ' ' || c == '\t' {
			i++
			continue
		}
		if c != '"' {
			end := i
			for end < len(value) && value[end] != ' ' && value[end] != '\t' {
				// A quotation mark behind "=" opens a parameter's value (SVCB).
				if value[end] == '"' && end > i && value[end-1] == '=' {
					_, after, ok := quoted(value, end)
					if !ok {
						return nil, problem("InvalidCharacterString", "Value should be enclosed in quotation marks")
					}
					end = after
					continue
				}
				end++
			}
			words = append(words, word{text: value[i:end]})
			i = end
			continue
		}
		text, after, ok := quoted(value, i)
		if !ok {
			return nil, problem("InvalidCharacterString", "Value should be enclosed in quotation marks")
		}
		words = append(words, word{text, true})
		i = after
	}
	return words, nil
}

// quoted reads a character string that begins at i, and says where it ends.
func quoted(value string, i int) (text string, after int, ok bool) {
	var b strings.Builder
	for i++; i < len(value); i++ {
		switch c := value[i]; c {
		case '"':
			return b.String(), i + 1, true
		case '\\':
			if i+3 < len(value) && value[i+1] <= '3' && isOctal(value[i+1]) && isOctal(value[i+2]) && isOctal(value[i+3]) {
				b.WriteByte((value[i+1]-'0')<<6 | (value[i+2]-'0')<<3 | (value[i+3] - '0'))
				i += 3
				continue
			}
			if i++; i == len(value) {
				return "", 0, false
			}
			b.WriteByte(value[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, false
}
