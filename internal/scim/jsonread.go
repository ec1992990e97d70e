package scim

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bodies are read by a reader of our own and not by encoding/json, which takes the last of two equal keys, repairs invalid
// UTF-8 in silence, and has no limits but the body's size. What it reads keeps the order of keys, because a PATCH is ordered,
// and has no two keys in an object that mean the same: whoever looks for one need not ask which.

// object is a JSON object in the order in which it was written.
type object []member

type member struct {
	name  string
	value any // nil, bool, string, int64, float64, object, []any
}

// get is the value of a key in any case (RFC 7643, section 2.1), nil when it is missing.
func (o object) get(name string) any {
	v, _ := o.find(name)
	return v
}

func (o object) find(name string) (any, bool) {
	for i := range o {
		if equalName(o[i].name, name) {
			return o[i].value, true
		}
	}
	return nil, false
}

// readBody reads a JSON object. Texts without escapes are parts of one copy of the body.
func readBody(body []byte) (object, *Error) {
	if len(body) > MaxBody {
		return nil, tooLarge("The body is larger than %d bytes. Send it in parts.", MaxBody)
	}
	r := jsonReader{s: strings.TrimPrefix(string(body), "\ufeff")} // .NET clients may begin with a byte order mark
	if !utf8.ValidString(r.s) {
		return nil, badRequest(InvalidSyntax, "The body is not valid UTF-8.")
	}
	r.space()
	if r.peek() != '{' {
		return nil, r.refuse("expected a JSON object")
	}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	r.space()
	if r.at < len(r.s) {
		return nil, r.refuse("expected the end")
	}
	return v.(object), nil //nolint:forcetypeassert // it began with a brace
}

type jsonReader struct {
	s      string
	at     int
	values int

	// Objects and arrays are put together on these stacks and then moved to memory of their exact size.
	members  []member
	elements []any
	room     []member
}

func (r *jsonReader) refuse(what string) *Error {
	return badRequest(InvalidSyntax, "The body is malformed at byte %d: %s.", r.at, what)
}

func (r *jsonReader) space() {
	for r.at < len(r.s) {
		switch r.s[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek is the next character, 0 at the end.
func (r *jsonReader) peek() byte {
	if r.at < len(r.s) {
		return r.s[r.at]
	}
	return 0
}

func (r *jsonReader) value(depth int) (any, *Error) {
	if r.values++; r.values > maxValues {
		return nil, tooLarge("The body has more than %d values. Send it in parts.", maxValues)
	}
	switch c := r.peek(); c {
	case '{', '[':
		if depth == maxDepth {
			return nil, r.refuse("objects and arrays are nested more than " + strconv.Itoa(maxDepth) + " deep")
		}
		r.at++
		if c == '{' {
			return r.object(depth + 1)
		}
		return r.array(depth + 1)
	case '"':
		return r.text()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	default:
		return r.number()
	}
}

func (r *jsonReader) word(word string) *Error {
	if !strings.HasPrefix(r.s[r.at:], word) {
		return r.refuse("expected a value")
	}
	r.at += len(word)
	return nil
}

func (r *jsonReader) text() (string, *Error) {
	s, n, problem := scanString(r.s[r.at:])
	switch {
	case problem != "":
		return "", r.refuse(problem)
	case len(s) > MaxText:
		return "", r.refuse("a text is longer than " + strconv.Itoa(MaxText) + " bytes")
	}
	r.at += n
	return s, nil
}

func (r *jsonReader) number() (any, *Error) {
	n := scanNumber(r.s[r.at:])
	switch {
	case n == 0:
		return nil, r.refuse("expected a value")
	case n > maxNumberText:
		return nil, r.refuse("a number has more than " + strconv.Itoa(maxNumberText) + " characters")
	}
	text := r.s[r.at : r.at+n]
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil && whole >= -maxInteger && whole <= maxInteger {
		r.at += n
		return whole, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	abs := math.Abs(f)
	switch {
	case err != nil, f == math.Trunc(f) && abs > maxInteger:
		return nil, r.refuse("a number is beyond ±9,007,199,254,740,991: write it as a text")
	case f != 0 && abs < minNumber:
		return nil, r.refuse("a number is too small: write it as a text")
	}
	r.at += n
	return f, nil
}

// next reads the comma or the closing bracket after an element.
func (r *jsonReader) next(closing byte) (more bool, err *Error) {
	r.space()
	switch r.peek() {
	case ',':
		r.at++
		r.space()
		return true, nil
	case closing:
		r.at++
		return false, nil
	}
	return false, r.refuse("expected \",\" or \"" + string(closing) + "\"")
}

func (r *jsonReader) array(depth int) (any, *Error) {
	base := len(r.elements)
	r.space()
	more := r.peek() != ']'
	if !more {
		r.at++
	}
	for more {
		if len(r.elements)-base == MaxMembers {
			return nil, tooLarge("An array has more than %d elements. Send it in parts.", MaxMembers)
		}
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		r.elements = append(r.elements, v)
		if more, err = r.next(']'); err != nil {
			return nil, err
		}
	}
	list := append(make([]any, 0, len(r.elements)-base), r.elements[base:]...)
	r.elements = r.elements[:base]
	return list, nil
}

func (r *jsonReader) object(depth int) (any, *Error) {
	base := len(r.members)
	r.space()
	more := r.peek() != '}'
	if !more {
		r.at++
	}
	for more {
		if len(r.members)-base == maxKeys {
			return nil, tooLarge("An object has more than %d keys.", maxKeys)
		}
		m, err := r.member(depth)
		if err != nil {
			return nil, err
		}
		r.members = append(r.members, m)
		if more, err = r.next('}'); err != nil {
			return nil, err
		}
	}
	if isTwice(r.members[base:]) {
		return nil, r.refuse("an object has the same key twice; the case of a key means nothing")
	}
	o := r.keep(r.members[base:])
	r.members = r.members[:base]
	return o, nil
}

func (r *jsonReader) member(depth int) (member, *Error) {
	if r.peek() != '"' {
		return member{}, r.refuse("expected a key in quotation marks")
	}
	name, err := r.text()
	if err != nil {
		return member{}, err
	}
	r.space()
	if r.peek() != ':' {
		return member{}, r.refuse("expected \":\"")
	}
	r.at++
	r.space()
	v, err := r.value(depth)
	return member{name, v}, err
}

// fewKeys is how many keys each is compared with each. For more, long ones that begin alike would take too long.
const fewKeys = 16

// isTwice says whether an object has a key twice.
func isTwice(o []member) bool {
	if len(o) > fewKeys {
		seen := make(map[string]struct{}, len(o))
		for i := range o {
			seen[folded(o[i].name)] = struct{}{}
		}
		return len(seen) < len(o)
	}
	for i := range o {
		for j := range i {
			if a, b := o[i].name, o[j].name; a == b || equalName(a, b) && folded(a) == folded(b) {
				return true
			}
		}
	}
	return false
}

// folded is a key without its case (RFC 7643, section 2.1), as equalName compares. One with a value filter stays as it is, since
// the case of the values in it may count.
func folded(key string) string {
	if strings.IndexByte(key, '[') >= 0 {
		return key
	}
	return strings.ToLower(strings.ToUpper(key))
}

// keep moves an object to memory that it shares with others.
func (r *jsonReader) keep(o []member) object {
	if cap(r.room)-len(r.room) < len(o) {
		r.room = make([]member, 0, max(32, len(o), min(2*cap(r.room), 1024)))
	}
	start := len(r.room)
	r.room = append(r.room, o...)
	return object(r.room[start:len(r.room):len(r.room)])
}
