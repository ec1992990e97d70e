package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a policy document. Its text quotes the document and never a secret or a person.
type Problem struct {
	File    string // as File.Name gave it; empty when the policy came from Load
	Line    int    // from 1; 0 when the problem belongs to no line
	Path    string // the key, as in targets[crm].attributes.userName; empty for the document as a whole
	Message string // what is wrong and what to do about it
}

func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is the error of Parse and Load: everything that is wrong, in the order of the documents.
type Problems []Problem //nolint:errname // it is a list of them, and an error only as a whole

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// place is where a value stands in the documents; the zero place is a value that a default or Load supplied.
type place struct {
	file  string
	order int // the file's position among those given, to report problems in reading order
	line  int
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// places are where the keys and the items of lists stand, by their paths.
type places map[string]place

// nearest is the place of a path, or of what holds it.
func (p places) nearest(path string) place {
	for {
		at, known := p[path]
		end := strings.LastIndexByte(path, '.')
		if known || end < 0 {
			return at
		}
		path = path[:end]
	}
}

// problemList collects problems while reading goes on.
type problemList struct {
	items []placedProblem
}

type placedProblem struct {
	Problem

	order int
}

func (l *problemList) addf(at place, path, format string, args ...any) {
	l.items = append(l.items, placedProblem{
		order:   at.order,
		Problem: Problem{File: at.file, Line: at.line, Path: path, Message: fmt.Sprintf(format, args...)},
	})
}

// err is nil when nothing was wrong, else a Problems.
func (l *problemList) err() error {
	if len(l.items) == 0 {
		return nil
	}
	sorted := slices.Clone(l.items)
	slices.SortStableFunc(sorted, func(a, b placedProblem) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line))
	})
	problems := make(Problems, len(sorted))
	for i, p := range sorted {
		problems[i] = p.Problem
	}
	return problems
}
