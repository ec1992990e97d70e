// Package hrimport reads files of HR data, as people export and edit them, into the events that POST /v1/events takes.
// It knows files and rows; what a row means is identity's business, and sending it the caller's.
//
// # CSV
//
// The first row names the columns: the fields of an HR event's record (employeeId, department, lastDay, …), custom.<key>
// for attributes of one's own (always text), and optionally type, id, time, sequence and rescinds of the event. Upper
// and lower case do not matter but in custom keys. The separator is the one of comma, semicolon and tab that the first
// row has most of. Cells are quoted as RFC 4180 says, and may then contain line breaks, which become spaces. A byte order
// mark is skipped.
//
// An empty cell says nothing: the field stays as it is. A cell with \N and nothing else, as PostgreSQL and MySQL export a
// null, clears the field. (An empty cell cannot mean that: a last column that somebody did not fill in would then
// withdraw resignations. The word null cannot either: people are called Null.)
//
// # JSON lines
//
// A file whose first character is { has one JSON object a line: a CloudEvent, told by its specversion, or a record with
// the same names as the columns of a CSV file and custom as an object. Here null clears.
//
// # Types, ids and times
//
// The default type is worker.changed, so that a full export can be imported again and again: it makes unknown people
// known, staged or active by their startDate, and changes known ones, but can neither hire back somebody who has left
// since nor withdraw their leave. A row that means more says so in its type ("worker.left", or short "left").
//
// The default time is the file's own, given by the caller, who had better take when the file was written, not when it is
// read. Of several rows about one person that take it, each counts as said after the one before: it is a microsecond
// later. Rows that give a time, or a sequence, are ordered by that. The default id is made from the row's content and its
// time. Importing a file again is therefore idempotent, while a later row or file counts as a later statement also where it
// returns to what was said before: with an id made from the content alone, a department changed there and back, or a last
// day withdrawn and set again, would be taken for a repetition and lost.
package hrimport

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
)

// MaxRow is the greatest length of a row, in bytes, with the line breaks inside quoted cells.
const MaxRow = 1 << 20

// Options are what rows take that do not say it themselves.
type Options struct {
	// Source is the CloudEvents source of the events.
	Source string
	// Observed is when the file was written: the time of its events. A person's second one is a microsecond later, and so on.
	Observed time.Time
}

// Row is one row of a file: an event, or what is wrong with it.
type Row struct {
	// Line is the number of the row's first line, from 1.
	Line int
	// ID is the event's id.
	ID string
	// Event is the event in the CloudEvents JSON format. Its type, time and data are good by identity.ParseEventData.
	Event json.RawMessage
	// Err says why there is no event, in *identity.Error; their Field is the column. The other rows are unaffected,
	// unless it is the last row: then the file could not be read on.
	Err error
}

// Read reads a file row by row, CSV or JSON lines as its first character says. It holds one row at a time in memory, and a
// number for each person.
func Read(r io.Reader, options Options) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		lines, m := newLineReader(r), &maker{options, map[string]int{}}
		first, err := lines.peek()
		switch {
		case errors.Is(err, io.EOF):
			yield(Row{Line: 1, Err: identity.Errorf(identity.Invalid, "the file is empty")})
		case err != nil:
			yield(Row{Line: 1, Err: unreadable(err)})
		case first == '{':
			readJSON(lines, m, yield)
		case first == '[':
			yield(Row{Line: 1, Err: identity.Errorf(identity.Invalid,
				"the file is one JSON array: write one object a line, without brackets around them and commas between them")})
		case first == 0 || first == 0xFE || first == 0xFF:
			yield(Row{Line: 1, Err: identity.Errorf(identity.Invalid, "the file is not UTF-8 text: save it as CSV UTF-8")})
		default:
			readCSV(lines, m, yield)
		}
	}
}

func unreadable(err error) error {
	return &identity.Error{Code: identity.Unavailable, Message: "the file could not be read on", Err: err}
}

var errLong = identity.Errorf(identity.TooLarge, "longer than %d bytes", MaxRow)

// line is one line of the file, without its end.
type line struct {
	number int
	text   string
	long   bool // text is missing: it was longer than MaxRow
}

// lineReader reads lines of bounded length, and takes lines back.
type lineReader struct {
	r      *bufio.Reader
	number int
	back   []line // to be read again, the next one last
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, MaxRow+2)}
}

// peek skips a byte order mark and answers the first byte that is no white space. It and what is before it stay to be
// read. More white space than a row may be long ends in an error.
func (l *lineReader) peek() (byte, error) {
	if mark, err := l.r.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = l.r.Discard(len(mark)) // it has been peeked at
	}
	for n := 1; ; n++ {
		head, err := l.r.Peek(n)
		if err != nil {
			return 0, err
		}
		if !strings.ContainsRune(" \t\r\n", rune(head[n-1])) {
			return head[n-1], nil
		}
	}
}

// next reads a line; io.EOF at the end.
func (l *lineReader) next() (line, error) {
	if n := len(l.back); n > 0 {
		next := l.back[n-1]
		l.back = l.back[:n-1]
		return next, nil
	}
	text, err := l.r.ReadSlice('\n')
	read := line{number: l.number + 1}
	for errors.Is(err, bufio.ErrBufferFull) {
		read.long = true
		text, err = l.r.ReadSlice('\n')
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0 && !read.long) {
		return line{}, err
	}
	l.number++
	if !read.long {
		read.text = trimEnd(text)
		read.long = len(read.text) > MaxRow
	}
	return read, nil
}

func trimEnd(text []byte) string {
	n := len(text)
	if n > 0 && text[n-1] == '\n' {
		n--
	}
	if n > 0 && text[n-1] == '\r' {
		n--
	}
	return string(text[:n])
}

// unread gives lines back, to be read again in their order.
func (l *lineReader) unread(lines []line) {
	for _, line := range slices.Backward(lines) {
		l.back = append(l.back, line)
	}
}
