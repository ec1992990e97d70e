// Package report renders reports as pages that a person reads, files, or prints: HTML without anything to load from
// elsewhere. It knows the reports' data and decides nothing.
package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tenurehq/tenure/internal/lifecycle"
)

//go:embed termination.html
var terminationPage string

var termination = template.Must(template.New("termination").Funcs(template.FuncMap{
	"instant": instant, "took": took, "evidence": evidence, "words": words,
}).Parse(terminationPage))

// Termination writes the report of a leave as a page. Its times are UTC, since whoever reads it may be anywhere.
func Termination(w io.Writer, t lifecycle.Termination) error { return termination.Execute(w, t) }

// instant writes a moment, to the second; nothing for none.
func instant(at any) string {
	switch at := at.(type) {
	case time.Time:
		return at.UTC().Format("2006-01-02 15:04:05")
	case *time.Time:
		if at != nil {
			return instant(*at)
		}
	}
	return ""
}

// took is how long it was from one moment to another.
func took(from time.Time, to *time.Time) string {
	if to == nil {
		return ""
	}
	switch d := to.Sub(from); {
	case d < 0:
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}

// evidence writes what a target showed as names and values.
func evidence(shown map[string]any) string {
	var pairs []string
	for _, name := range sorted(shown) {
		value, ok := shown[name].(string)
		if !ok {
			text, err := json.Marshal(shown[name])
			if err != nil {
				continue
			}
			value = string(text)
		}
		pairs = append(pairs, name+": "+value)
	}
	return strings.Join(pairs, "; ")
}

// words writes an action's name as prose does.
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
