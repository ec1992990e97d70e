package simulator

import (
	"slices"
	"strings"
	"time"

	"github.com/scim2/filter-parser/v2"
)

// record is what filters look at. It never changes.
type record interface {
	// field is a property, by its name and the name below it: "profile", "login". nil is none.
	field(name, sub string) any
}

// document is a record that the search knows.
type document interface {
	record
	ident() (id string, seq uint64)
	texts() map[string]any // the profile
}

// index is what the search parameter sees: an eventually consistent copy (Users API: List all users).
type index struct {
	lag     time.Duration
	current map[string]document
	order   sequence
	equal   map[attribute]map[string]struct{}
	queue   []change // in the order in which they were made
}

// attribute is one profile attribute's value, folded as searches compare it.
type attribute struct{ name, value string }

// change is a record that the search will see from a moment on; nil takes it away.
type change struct {
	at  time.Time
	id  string
	doc document
}

func newIndex() *index {
	return &index{current: make(map[string]document), equal: make(map[attribute]map[string]struct{})}
}

func (x *index) set(doc document, now time.Time) {
	id, _ := doc.ident()
	x.make(change{now.Add(x.lag), id, doc})
}

func (x *index) remove(id string, now time.Time) { x.make(change{now.Add(x.lag), id, nil}) }

func (x *index) make(c change) {
	if x.lag <= 0 {
		x.apply(c)
		return
	}
	x.queue = append(x.queue, c)
}

func (x *index) settle(now time.Time) {
	for len(x.queue) > 0 && !now.Before(x.queue[0].at) {
		x.apply(x.queue[0])
		x.queue = x.queue[1:]
	}
}

func (x *index) apply(c change) {
	if old := x.current[c.id]; old != nil {
		_, seq := old.ident()
		for _, key := range attributes(old) {
			delete(x.equal[key], c.id)
			if len(x.equal[key]) == 0 {
				delete(x.equal, key)
			}
		}
		if c.doc == nil {
			x.order.remove(seq)
		}
	} else if c.doc != nil {
		_, seq := c.doc.ident()
		x.order.add(c.id, seq)
	}
	if c.doc == nil {
		delete(x.current, c.id)
		return
	}
	x.current[c.id] = c.doc
	for _, key := range attributes(c.doc) {
		if x.equal[key] == nil {
			x.equal[key] = make(map[string]struct{}, 1)
		}
		x.equal[key][c.id] = struct{}{}
	}
}

// attributes are the texts in a profile, those in arrays included.
func attributes(doc document) []attribute {
	var out []attribute
	for name, value := range doc.texts() {
		for _, element := range elements(value) {
			if text, ok := element.(string); ok {
				out = append(out, attribute{name, strings.ToLower(text)})
			}
		}
	}
	return out
}

// search is the records that match, in the order of creation. Where an equality must hold, only those that fulfil it are
// looked at.
func (x *index) search(e filter.Expression) ([]document, error) {
	ids := x.order.ids
	if set, ok := x.candidates(e); ok {
		ids = nil
		for id := range set {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, func(a, b string) int {
			_, i := x.current[a].ident()
			_, j := x.current[b].ident()
			return int(i) - int(j) //nolint:gosec // sequence numbers are small
		})
	}
	var out []document
	for _, id := range ids {
		ok, err := matches(x.current[id], e, false)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, x.current[id])
		}
	}
	return out, nil
}

func (x *index) candidates(e filter.Expression) (map[string]struct{}, bool) {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		if e.Operator != filter.AND {
			return nil, false
		}
		if set, ok := x.candidates(e.Left); ok {
			return set, true
		}
		return x.candidates(e.Right)
	case *filter.AttributeExpression:
		text, err := literal(e)
		value, isText := text.(string)
		if e.Operator == filter.EQ && e.AttributePath.AttributeName == "profile" && isText && err == nil {
			return x.equal[attribute{e.AttributePath.SubAttributeName(), strings.ToLower(value)}], true
		}
	}
	return nil, false
}
