package hrimport

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenurehq/tenure/internal/identity"
)

// clears is the cell that clears its field.
const clears = `\N`

// maxLines bounds the lines of one row, so that a file full of stray quotes is not read again and again.
const maxLines = 1000

const customPrefix = "custom."

// table is a CSV file of which the first row has been read.
type table struct {
	events  *maker
	comma   rune
	columns []string // their names as we spell them; empty for a column without a name
}

func readCSV(lines *lineReader, m *maker, yield func(Row) bool) {
	t := table{events: m}
	header := true
	for {
		first, text, err := t.nextRecord(lines, header)
		switch {
		case err == nil && header && strings.TrimSpace(text) == "":
			continue // a blank line before the header
		case errors.Is(err, io.EOF):
			return
		case err == nil && header:
			err = t.readHeader(text)
			if err == nil {
				header = false
				continue
			}
			fallthrough
		case identity.ErrorCode(err) == identity.Unavailable, err != nil && header:
			yield(Row{Line: first, Err: err})
			return
		}
		row := Row{Line: first, Err: err}
		if err == nil {
			var blank bool
			if blank, row.ID, row.Event, row.Err = t.readRow(text); blank {
				continue
			}
		}
		if !yield(row) {
			return
		}
	}
}

// nextRecord reads the lines of one record: more than one where a quoted cell has line breaks. A quote that is never
// closed spoils its own line and no other.
func (t *table) nextRecord(lines *lineReader, header bool) (first int, text string, err error) {
	var read []line
	size := 0
	open := false
	for {
		next, err := lines.next()
		switch {
		case errors.Is(err, io.EOF) && len(read) == 0:
			return lines.number, "", io.EOF
		case errors.Is(err, io.EOF), err == nil && len(read) > 0 && (next.long || size+len(next.text) > MaxRow || len(read) == maxLines):
			if err == nil {
				read = append(read, next)
			}
			lines.unread(read[1:])
			return read[0].number, "", identity.Errorf(identity.Invalid,
				"a quoted cell is never closed, or the row is longer than %d bytes or %d lines", MaxRow, maxLines)
		case err != nil:
			return lines.number + 1, "", unreadable(err)
		case next.long:
			return next.number, "", errLong
		}
		if header && len(read) == 0 {
			t.comma = separator(next.text)
		}
		read = append(read, next)
		size += len(next.text) + 1
		if open = endsOpen(next.text, t.comma, open); !open {
			break
		}
	}
	var record strings.Builder
	record.Grow(size)
	for i, l := range read {
		if i > 0 {
			record.WriteByte('\n')
		}
		record.WriteString(l.text)
	}
	return read[0].number, record.String(), nil
}

// separator is the one of comma, semicolon and tab that a header row has most of.
func separator(header string) rune {
	best := ','
	for _, comma := range []rune{';', '\t'} {
		if strings.Count(header, string(comma)) > strings.Count(header, string(best)) {
			best = comma
		}
	}
	return best
}

// endsOpen reports whether a quoted cell goes on after the line; open says that one goes on into it.
func endsOpen(text string, comma rune, open bool) bool {
	start := !open
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case open && c == '"' && i+1 < len(text) && text[i+1] == '"':
			i++ // a quote within the quotes
		case open:
			open = c != '"'
		default:
			open = c == '"' && start
			start = rune(c) == comma
		}
	}
	return open
}

// cells divides a record.
func (t *table) cells(text string) ([]string, error) {
	if !utf8.ValidString(text) {
		return nil, identity.Errorf(identity.Invalid, "not UTF-8 text: save the file as CSV UTF-8")
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = t.comma, -1
	cells, err := r.Read()
	var wrong *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil // a blank line
	case errors.As(err, &wrong):
		return nil, identity.Errorf(identity.Invalid, `a quote in the middle of a cell: put the whole cell in quotes, and double those within ("5"" pipe")`)
	case err != nil:
		return nil, unreadable(err)
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\n", " "))
	}
	return cells, nil
}

func (t *table) readHeader(text string) error {
	names, err := t.cells(text)
	if err != nil {
		return err
	}
	for i, name := range names {
		column, known := columnName(name)
		switch {
		case name == "":
		case !known && !slices.ContainsFunc(names, isColumn):
			// The names are not repeated here: they might be a person's.
			return identity.Errorf(identity.Invalid, "the first row has to name the columns, employeeId among them")
		case !known && strings.EqualFold(name, "custom"):
			return identity.InvalidField(name, "give each key of custom a column of its own, such as custom.costCenter")
		case !known:
			return identity.InvalidField(name, "unknown column (number %d): remove it, or call it custom.%s", i+1, name)
		case slices.Contains(t.columns, column):
			return identity.InvalidField(name, "two columns have this name")
		}
		t.columns = append(t.columns, column)
	}
	if !slices.Contains(t.columns, "employeeId") {
		return identity.InvalidField("employeeId", "the column is missing")
	}
	return nil
}

func isColumn(name string) bool {
	_, known := columnName(name)
	return known && name != ""
}

// columnName is a column's name as we spell it; false for an unknown one.
func columnName(name string) (string, bool) {
	if len(name) > len(customPrefix) && strings.EqualFold(name[:len(customPrefix)], customPrefix) {
		return customPrefix + name[len(customPrefix):], true
	}
	for _, known := range append(identity.RecordFields(), eventColumns...) {
		if strings.EqualFold(known, name) && known != "custom" {
			return known, true
		}
	}
	return "", name == ""
}

// readRow makes the event of a record. blank says that all cells are empty.
func (t *table) readRow(text string) (blank bool, id string, event json.RawMessage, err error) {
	cells, err := t.cells(text)
	if err != nil {
		return false, "", nil, err
	}
	if !slices.ContainsFunc(cells, func(cell string) bool { return cell != "" }) {
		return true, "", nil, nil
	}
	if len(cells) < len(t.columns) {
		return false, "", nil, identity.Errorf(identity.Invalid, "has %d cells where the first row has %d", len(cells), len(t.columns))
	}
	var a about
	record, custom := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for i, cell := range cells {
		if cell == "" {
			continue
		}
		if i >= len(t.columns) || t.columns[i] == "" {
			return false, "", nil, identity.Errorf(identity.Invalid, "cell %d is in a column without a name", i+1)
		}
		if err := t.readCell(t.columns[i], cell, &a, record, custom); err != nil {
			return false, "", nil, err
		}
	}
	if len(custom) > 0 {
		if record["custom"], err = json.Marshal(custom); err != nil {
			return false, "", nil, identity.InvalidField("custom", "cannot be written as JSON")
		}
	}
	id, event, err = t.events.event(a, record)
	return false, id, event, err
}

func (t *table) readCell(column, cell string, a *about, record, custom map[string]json.RawMessage) error {
	switch column {
	case columnType:
		a.kind = cell
		return nil
	case columnID:
		a.id = cell
		return nil
	case columnTime:
		a.time = cell
		return nil
	case columnSequence:
		a.sequence = cell
		return nil
	}
	value, err := cellValue(column, cell)
	if err != nil {
		return err
	}
	if key, ok := strings.CutPrefix(column, customPrefix); ok {
		custom[key] = value
	} else {
		record[column] = value
	}
	return nil
}

func cellValue(column, cell string) (json.RawMessage, error) {
	switch {
	case cell == clears:
		return json.RawMessage("null"), nil
	case column == "immediate" && (strings.EqualFold(cell, "true") || strings.EqualFold(cell, "false")):
		return json.RawMessage(strings.ToLower(cell)), nil
	}
	value, err := json.Marshal(cell)
	if err != nil {
		return nil, identity.InvalidField(column, "cannot be written as JSON")
	}
	return value, nil
}
