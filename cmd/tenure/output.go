package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// printJSON writes a value as the API would, indented.
func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// listing is a table for people.
type listing struct {
	writer table.Writer
	rows   int
}

func newTable(columns ...string) *listing {
	t := &listing{writer: table.NewWriter()}
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.writer.SetStyle(style)
	t.writer.SuppressTrailingSpaces()
	if len(columns) > 0 {
		header := make(table.Row, len(columns))
		for i, column := range columns {
			header[i] = column
		}
		t.writer.AppendHeader(header)
	}
	return t
}

func (t *listing) row(cells ...any) {
	t.writer.AppendRow(cells)
	t.rows++
}

// print writes the table, or what to say when it has no rows.
func (t *listing) print(out io.Writer, empty string) {
	if t.rows == 0 {
		fmt.Fprintln(out, empty)
		return
	}
	fmt.Fprintln(out, t.writer.Render())
}

// localTime is a moment for people: on their machine's clock, with its zone.
func localTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST") // for the person at the terminal
}

func optionalTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return localTime(*t)
}
