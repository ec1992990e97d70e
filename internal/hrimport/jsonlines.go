package hrimport

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tenurehq/tenure/internal/identity"
)

func readJSON(lines *lineReader, m *maker, yield func(Row) bool) {
	for {
		next, err := lines.next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(Row{Line: lines.number + 1, Err: unreadable(err)})
			return
		}
		if !next.long && strings.TrimSpace(next.text) == "" {
			continue
		}
		row := Row{Line: next.number}
		if next.long {
			row.Err = errLong
		} else {
			row.ID, row.Event, row.Err = m.object(next.text)
		}
		if !yield(row) {
			return
		}
	}
}

// object makes the event of one line.
func (m *maker) object(line string) (string, json.RawMessage, error) {
	if !utf8.ValidString(line) {
		return "", nil, identity.Errorf(identity.Invalid, "not UTF-8 text")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &members); err != nil || members == nil {
		return "", nil, identity.Errorf(identity.Invalid, "not one JSON object")
	}
	if path, twice := identity.DuplicateKey([]byte(line)); twice {
		return "", nil, identity.InvalidField(strings.TrimPrefix(path, "."), "given twice in one object")
	}
	if _, ok := members["specversion"]; ok {
		return cloudEventOf(members)
	}
	var a about
	var problems []error
	for _, column := range []text{{columnType, &a.kind}, {columnID, &a.id}, {columnTime, &a.time}, {columnSequence, &a.sequence}} {
		problems = append(problems, column.read(members)...)
		delete(members, column.name)
	}
	if len(problems) > 0 {
		return a.id, nil, errors.Join(problems...)
	}
	return m.event(a, members)
}

// text is a member of an object that has to be a text.
type text struct {
	name string
	into *string
}

func (t text) read(members map[string]json.RawMessage) []error {
	if raw, ok := members[t.name]; ok && json.Unmarshal(raw, t.into) != nil {
		return []error{identity.InvalidField(t.name, "must be a text, in quotes")}
	}
	return nil
}

// cloudEvent checks an event that is one already, and leaves it as it is.
func cloudEventOf(members map[string]json.RawMessage) (string, json.RawMessage, error) {
	var e cloudEvent
	var problems []error
	for _, attribute := range []text{{columnID, &e.ID}, {"source", &e.Source}, {columnType, &e.Type}, {columnTime, &e.Time}} {
		wrong := attribute.read(members)
		if len(wrong) == 0 && *attribute.into == "" {
			wrong = append(wrong, identity.InvalidField(attribute.name, "required in a CloudEvent"))
		}
		problems = append(problems, wrong...)
	}
	if _, err := time.Parse(time.RFC3339, e.Time); e.Time != "" && err != nil {
		problems = append(problems, notAnInstant())
	}
	if e.Type == "" {
		return e.ID, nil, errors.Join(problems...)
	}
	if _, err := identity.ParseEventData(identity.EventType(e.Type), members["data"]); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return e.ID, nil, errors.Join(problems...)
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return e.ID, nil, identity.Errorf(identity.Invalid, "the event cannot be written as JSON")
	}
	return e.ID, raw, nil
}
