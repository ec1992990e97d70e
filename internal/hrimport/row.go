package hrimport

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
)

// The columns that speak of the event and not of the record.
const (
	columnType     = "type"
	columnID       = "id"
	columnTime     = "time"
	columnSequence = "sequence"
)

var eventColumns = []string{columnType, columnID, columnTime, columnSequence}

// cloudEvent is an event in the JSON event format (CloudEvents 1.0, JSON Event Format, section 3.2).
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Time            string          `json:"time"`
	Sequence        string          `json:"sequence,omitempty"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

// about is what a row says of its event; each may be empty.
type about struct{ kind, id, time, sequence string }

// maker makes the events of one file's rows.
type maker struct {
	Options
	timeless map[string]int // how many rows without a time each employeeId has had
}

// event makes the event of a row: what it says of the event, and its record.
func (m *maker) event(a about, record map[string]json.RawMessage) (string, json.RawMessage, error) {
	data, err := json.Marshal(record) // its keys come out sorted: the order of the columns does not matter
	if err != nil {
		return "", nil, identity.Errorf(identity.Invalid, "the record is not valid JSON")
	}
	e := cloudEvent{SpecVersion: "1.0", ID: a.id, Source: m.Source, Type: eventType(a.kind), Sequence: a.sequence,
		DataContentType: "application/json", Data: data}
	fact, wrong := identity.ParseEventData(identity.EventType(e.Type), data)
	var problems []error
	at, err := m.timeOf(a.time, fact.EmployeeID)
	if err != nil {
		problems = append(problems, err)
	}
	e.Time = at.UTC().Format(time.RFC3339Nano)
	if e.ID == "" {
		e.ID = contentID(e)
	}
	if wrong != nil {
		problems = append(problems, byColumn(wrong)...)
	}
	if len(problems) > 0 {
		return e.ID, nil, errors.Join(problems...)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return e.ID, nil, identity.Errorf(identity.Invalid, "the event cannot be written as JSON")
	}
	return e.ID, raw, nil
}

// timeOf is the time of a person's row. Of rows that give none, each is later than the person's last one by the least
// that Tenure can tell apart: else their ids, which say nothing, would decide which counts. Only the person's own rows
// matter, so that the times stay next to the file's, and rows added about others leave the ids as they are.
func (m *maker) timeOf(text, employeeID string) (time.Time, error) {
	if text == "" {
		place := m.timeless[employeeID]
		m.timeless[employeeID]++
		return m.Observed.Add(time.Duration(place) * identity.Resolution), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, notAnInstant()
	}
	return at, nil
}

func notAnInstant() error {
	return identity.InvalidField(columnTime, "not an instant: write it as 2006-01-02T15:04:05+02:00")
}

// eventType is the type that a row means, which may leave out "worker.".
func eventType(kind string) string {
	switch {
	case kind == "":
		return string(identity.WorkerChanged)
	case strings.HasPrefix(kind, "worker."):
		return kind
	default:
		return "worker." + kind
	}
}

// contentID is the id of an event that has none: the same for the same source, type, time, sequence and record.
func contentID(e cloudEvent) string {
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(e.Source), []byte(e.Type), []byte(e.Time), []byte(e.Sequence), e.Data} {
		digest := sha256.Sum256(part)
		_, _ = sum.Write(digest[:]) // a hash never fails
	}
	return "row-" + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:18])
}

// byColumn makes a row's problems of those of the event's data.
func byColumn(err error) []error {
	problems := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		problems = slices.Clone(joined.Unwrap())
	}
	for i, problem := range problems {
		if e, ok := errors.AsType[*identity.Error](problem); ok {
			named := *e
			named.Field = strings.TrimPrefix(strings.TrimPrefix(named.Field, "data"), ".")
			problems[i] = &named
		}
	}
	return problems
}
