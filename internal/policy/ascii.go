package policy

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// lettersWithoutParts are Latin letters that Unicode does not take apart into an ASCII letter and a mark.
var lettersWithoutParts = map[rune]string{
	'ß': "ss", 'ẞ': "SS", 'æ': "ae", 'Æ': "AE", 'œ': "oe", 'Œ': "OE", 'ø': "o", 'Ø': "O", 'ł': "l", 'Ł': "L",
	'đ': "d", 'Đ': "D", 'ð': "d", 'Ð': "D", 'þ': "th", 'Þ': "Th", 'ħ': "h", 'Ħ': "H", 'ı': "i", 'ŋ': "ng", 'Ŋ': "Ng",
	'ə': "e", 'Ə': "E", '‐': "-", '‑': "-", '–': "-", '—': "-", '’': "'", 'ʼ': "'", 'ʻ': "'",
}

// ascii is s in ASCII: marks are taken off letters, ligatures spelt out, and what has no ASCII form (other scripts)
// left out.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		switch plain, ok := lettersWithoutParts[r]; {
		case r <= unicode.MaxASCII && unicode.IsPrint(r):
			b.WriteRune(r)
		case ok:
			b.WriteString(plain)
		}
	}
	return b.String()
}

var germanUmlauts = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue")

// asciiGerman is ascii with the German way of writing umlauts: ä as ae.
func asciiGerman(s string) string { return ascii(germanUmlauts.Replace(norm.NFC.String(s))) }

// slug is ascii in lower case without anything but letters and digits.
func slug(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(ascii(s)))
}
