package scim

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanString reads the JSON text that s begins with. It answers the text, the number of bytes read, and what is wrong. A
// text without escapes is a part of s and costs no memory. NUL and half a surrogate pair are refused: Postgres keeps neither.
func scanString(s string) (text string, n int, problem string) {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[1:i], i + 1, ""
		case c == '\\':
			return unescape(s, i)
		case c < ' ':
			return "", 0, "a control character in a text must be escaped"
		}
	}
	return "", 0, "a text does not end"
}

// unescape reads on from the first backslash of a text.
func unescape(s string, i int) (text string, n int, problem string) {
	var b strings.Builder
	b.WriteString(s[1:i])
	for i < len(s) {
		c := s[i]
		switch {
		case c == '"':
			return b.String(), i + 1, ""
		case c < ' ':
			return "", 0, "a control character in a text must be escaped"
		case c != '\\':
			b.WriteByte(c)
			i++
			continue
		}
		r, size := escape(s[i:])
		switch {
		case size == 0:
			return "", 0, "a text has an invalid escape"
		case r == 0:
			return "", 0, "a text contains the character NUL"
		}
		b.WriteRune(r)
		i += size
	}
	return "", 0, "a text does not end"
}

// escape reads the escape that s begins with; size is 0 when it is none.
func escape(s string) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, ok := hex4(s[2:])
		if !ok {
			return 0, 0
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(s) < 8 || s[6] != '\\' || s[7] != 'u' {
			return 0, 0
		}
		low, ok := hex4(s[8:])
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return 0, 0
		}
		return r, 12
	}
	return 0, 0
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// scanNumber is the length of the JSON number that s begins with, 0 when there is none (RFC 8259, section 6).
func scanNumber(s string) int {
	i := 0
	digits := func() bool {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() {
			return 0
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}
