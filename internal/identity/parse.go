package identity

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The limits of an event's data, in bytes unless said otherwise.
const (
	MaxText        = 1 << 10  // of any text
	MaxEmployeeID  = 128      // of employeeId, managerEmployeeId and relationshipId
	MaxCustom      = 16 << 10 // of custom, as JSON
	MaxCustomKeys  = 100      // keys of custom in one event
	MaxCustomDepth = 5        // levels of objects and arrays in custom, itself counted
	maxEmail       = 254      // RFC 5321, section 4.5.3.1.3, without the angle brackets
)

// ParseEventData reads the data of an HR event: it fills the event's Type, EmployeeID, RelationshipID, Effective,
// Rescinds and Patch. Texts are trimmed and brought to Unicode's normal form C; an empty text clears its field, as
// null does. An empty date is refused: it might as well be an export's mistake, and clearing a last day keeps somebody
// employed.
//
// Its error joins one *Error of code Invalid for each field that is wrong, in the order of the fields' names. Field is
// "data" followed by the path, for example "data.lastDay". No error quotes a value: they are personal.
func ParseEventData(t EventType, data []byte) (Event, error) {
	event := Event{Type: t, Patch: Patch{}}
	if !slices.Contains(EventTypes(), t) {
		return event, InvalidField("type", "unknown event type; the types are %s", listEventTypes())
	}
	if !utf8.Valid(data) {
		return event, InvalidField("data", "not valid UTF-8")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return event, InvalidField("data", "not a JSON object")
	}
	if path, twice := DuplicateKey(data); twice {
		return event, InvalidField("data"+path, "given twice in one object")
	}
	p := parser{event: &event}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		p.field(name, fields[name])
	}
	p.checkWhole(fields)
	return event, errors.Join(p.problems...)
}

func listEventTypes() string {
	var names []string
	for _, t := range EventTypes() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

type parser struct {
	event    *Event
	problems []error
}

func (p *parser) refuse(name, format string, args ...any) {
	p.problems = append(p.problems, InvalidField("data."+name, format, args...))
}

// field takes over one field of the data.
func (p *parser) field(name string, raw json.RawMessage) {
	switch name {
	case "employeeId":
		p.event.EmployeeID = p.key(name, raw)
	case "relationshipId":
		p.event.RelationshipID = p.key(name, raw)
	case "rescinds":
		p.rescinds(name, raw)
	case "effectiveDate":
		p.effective(name, raw)
	case fieldStartDate, fieldEndDate, fieldLastDay:
		p.date(name, raw)
	case fieldImmediate:
		p.immediate(name, raw)
	case fieldCustom:
		p.custom(name, raw)
	case "managerEmployeeId":
		p.patchText(name, p.key(name, raw))
	case "email":
		s, ok := p.text(name, raw)
		if ok && s != "" && !plausibleEmail(s) {
			p.refuse(name, "not an email address")
		}
		p.patchText(name, s)
	case fieldTimeZone:
		s, ok := p.text(name, raw)
		if ok && s != "" {
			if _, err := LoadZone(s); err != nil {
				p.refuse(name, "not a time zone: use a name of the IANA database, such as Europe/Berlin")
			}
		}
		p.patchText(name, s)
	default:
		if name != fieldReason && !isTextAttribute(name) {
			p.unknown(name)
			return
		}
		s, _ := p.text(name, raw)
		p.patchText(name, s)
	}
}

func isTextAttribute(name string) bool {
	return slices.ContainsFunc(textFields[:], func(f textField) bool { return f.name == name })
}

// RecordFields lists the names of all fields that an event's data may have.
func RecordFields() []string {
	var names []string
	for _, f := range textFields {
		names = append(names, f.name)
	}
	return append(names, fieldStartDate, fieldEndDate, fieldLastDay, fieldImmediate, fieldReason, fieldCustom,
		"relationshipId", "effectiveDate", "rescinds")
}

func (p *parser) unknown(name string) {
	if len(name) > MaxEmployeeID || checkText(name) != "" {
		p.problems = append(p.problems, InvalidField("data", "a field's name is not that of a record's field"))
		return
	}
	for _, known := range RecordFields() {
		if strings.EqualFold(known, name) {
			p.refuse(name, "unknown field: it is spelled %s", known)
			return
		}
	}
	p.refuse(name, "unknown field: put attributes of your own into custom")
}

func (p *parser) patchText(name, s string) {
	if s == "" {
		p.event.Patch[name] = json.RawMessage("null")
		return
	}
	p.patchValue(name, s)
}

func (p *parser) patchValue(name string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		p.refuse(name, "cannot be stored")
		return
	}
	p.event.Patch[name] = raw
}

// text reads a text, trimmed and in normal form C; "" for null. It reports false when there was something to refuse.
func (p *parser) text(name string, raw json.RawMessage) (string, bool) {
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil {
		p.refuse(name, "must be a text, in quotes, or null")
		return "", false
	}
	if s == nil {
		return "", true
	}
	clean := norm.NFC.String(strings.TrimSpace(*s))
	if problem := checkText(clean); problem != "" {
		p.refuse(name, "%s", problem)
		return "", false
	}
	return clean, true
}

// checkText says what is wrong with a text; "" when nothing is.
func checkText(s string) string {
	switch {
	case len(s) > MaxText:
		return "longer than 1,024 bytes"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "contains a control character"
	case strings.ContainsRune(s, utf8.RuneError):
		return "contains U+FFFD, the sign of a text damaged by a wrong character encoding"
	}
	return ""
}

// key reads a text that names somebody or something.
func (p *parser) key(name string, raw json.RawMessage) string {
	s, _ := p.text(name, raw)
	if len(s) > MaxEmployeeID {
		p.refuse(name, "longer than %d bytes", MaxEmployeeID)
		return ""
	}
	return s
}

// rescinds is kept as it came: it has to equal an event's id.
func (p *parser) rescinds(name string, raw json.RawMessage) {
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil {
		p.refuse(name, "must be a text, in quotes: the id of the event to take back")
		return
	}
	if s == nil {
		return
	}
	if problem := checkText(*s); problem != "" {
		p.refuse(name, "%s", problem)
		return
	}
	p.event.Rescinds = *s
}

func (p *parser) effective(name string, raw json.RawMessage) {
	s, ok := p.text(name, raw)
	if !ok || isNull(raw) {
		return
	}
	var m Moment
	if err := m.UnmarshalText([]byte(s)); err != nil || m.IsZero() {
		p.refuse(name, "%s", messageOf(err, "empty: leave it out when the event's time counts"))
		return
	}
	p.event.Effective = m
}

func (p *parser) date(name string, raw json.RawMessage) {
	s, ok := p.text(name, raw)
	if !ok {
		return
	}
	if isNull(raw) {
		p.patchText(name, "")
		return
	}
	d, err := ParseDate(s)
	if err != nil {
		p.refuse(name, "%s", messageOf(err, ""))
		return
	}
	p.patchValue(name, d)
}

// messageOf is the message of an Error, or another one when there is none.
func messageOf(err error, otherwise string) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	return otherwise
}

func (p *parser) immediate(name string, raw json.RawMessage) {
	var b *bool
	if err := json.Unmarshal(raw, &b); err != nil {
		p.refuse(name, "must be true, false or null")
		return
	}
	if b != nil && *b && p.event.Type != WorkerLeft && p.event.Type != WorkerChanged {
		p.refuse(name, "cannot be true in %s: it belongs to a leave", p.event.Type)
		return
	}
	p.patchValue(name, b)
}

// checkWhole refuses what only the fields together show.
func (p *parser) checkWhole(fields map[string]json.RawMessage) {
	if p.event.EmployeeID == "" && !p.refused("employeeId") {
		p.refuse("employeeId", "required")
	}
	if p.event.Type != WorkerRescinded {
		if p.event.Rescinds != "" {
			p.refuse("rescinds", "belongs to %s only", WorkerRescinded)
		}
		return
	}
	if p.event.Rescinds == "" && !p.refused("rescinds") {
		p.refuse("rescinds", "required: the id of the event to take back")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch name {
		case "employeeId", "relationshipId", "rescinds", fieldReason:
		default:
			if !p.refused(name) {
				p.refuse(name, "has no meaning in %s: send what is true in an event of its own", WorkerRescinded)
			}
		}
	}
}

func (p *parser) refused(name string) bool {
	return slices.ContainsFunc(p.problems, func(err error) bool {
		var e *Error
		return errors.As(err, &e) && e.Field == "data."+name
	})
}

// plausibleEmail accepts what could be an address (RFC 6531 lets it be in any script) and refuses what cannot be one:
// a list, a display name, a missing part.
func plausibleEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > maxEmail || strings.ContainsFunc(s, unicode.IsSpace) || strings.ContainsAny(s, `<>(),;:"\[]`) {
		return false
	}
	local, domain := s[:at], s[at+1:]
	for _, part := range append(strings.Split(domain, "."), strings.Split(local, ".")...) {
		if part == "" || strings.Contains(part, "@") {
			return false
		}
	}
	return true
}
