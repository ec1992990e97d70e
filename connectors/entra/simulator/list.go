package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// candidate is an object that a listing may show.
type candidate struct {
	seq   uint64
	value func(name string) any // for filters, sorting and search
	show  func() object
}

// listing is one collection as a query sees it.
type listing struct {
	resource resource
	set      string // in @odata.context
	orders   []string
	advanced []string // orders that need the advanced query parameters
	// items are the candidates with a greater number than after, in order. equals, when it knows of any, narrows them.
	items func(after uint64, filter *expression) []candidate
}

// list answers one page (graph/paging).
func (c *call) list(l listing) (*reply, error) {
	filter, err := parseFilter(c.query.filter, l.resource, c.query.advanced())
	if err != nil {
		return nil, err
	}
	search, err := parseSearch(c.query.search, l.resource)
	if err != nil {
		return nil, err
	}
	body := object{"@odata.context": c.context(l.set, c.query, false)}
	keep := func(item candidate) bool { return filter.matches(item.value) && search.matches(item.value) }
	page := c.page
	if c.query.orderBy != "" {
		page = c.sortedPage
	}
	values, err := page(l, filter, keep, body)
	if err != nil {
		return nil, err
	}
	body["value"] = values
	if c.query.advanced() && c.query.skipToken == "" { // without the header it is ignored; only the first page has it
		body["@odata.count"] = total(l, filter, keep)
	}
	return ok(body), nil
}

// page is in the order of creation; it goes on after the last item that was shown.
func (c *call) page(l listing, filter *expression, keep func(candidate) bool, body object) ([]any, error) {
	from, err := c.query.position()
	if err != nil {
		return nil, err
	}
	values, last := []any{}, from.After
	for _, item := range l.items(from.After, filter) {
		if !keep(item) {
			continue
		}
		if len(values) == c.query.pageSize() {
			body["@odata.nextLink"] = c.next(position{After: last})
			break
		}
		values, last = append(values, item.show()), item.seq
	}
	return values, nil
}

func (c *call) sortedPage(l listing, filter *expression, keep func(candidate) bool, body object) ([]any, error) {
	from, err := c.query.position()
	if err != nil {
		return nil, err
	}
	sorted, err := c.sorted(l, filter, keep)
	if err != nil {
		return nil, err
	}
	values := []any{}
	start := min(from.Offset, len(sorted))
	end := min(start+c.query.pageSize(), len(sorted))
	for _, item := range sorted[start:end] {
		values = append(values, item.show())
	}
	if end < len(sorted) {
		body["@odata.nextLink"] = c.next(position{Offset: end})
	}
	return values, nil
}

func total(l listing, filter *expression, keep func(candidate) bool) int {
	n := 0
	for _, item := range l.items(0, filter) {
		if keep(item) {
			n++
		}
	}
	return n
}

// countOnly answers the segment $count.
func (c *call) countOnly(l listing) (*reply, error) {
	if !c.query.eventual { // graph/aad-advanced-queries shows this body
		return nil, badRequest("$count is not currently supported.")
	}
	filter, err := parseFilter(c.query.filter, l.resource, true)
	if err != nil {
		return nil, err
	}
	n := total(l, filter, func(item candidate) bool { return filter.matches(item.value) })
	return &reply{status: http.StatusOK, body: strconv.Itoa(n)}, nil
}

func (c *call) sorted(l listing, filter *expression, keep func(candidate) bool) ([]candidate, error) {
	name, direction, _ := strings.Cut(c.query.orderBy, " ")
	name, _ = canonical(l.resource.properties, name)
	switch {
	case slices.Contains(l.advanced, name) && !c.query.advanced():
		return nil, needsAdvanced("orderby")
	case !slices.Contains(l.orders, name) && !slices.Contains(l.advanced, name):
		return nil, unsupported("Unsupported sort property '%s' for '%s'.", name, l.resource.name)
	}
	items := slices.DeleteFunc(l.items(0, filter), func(item candidate) bool { return !keep(item) })
	slices.SortStableFunc(items, func(a, b candidate) int {
		x, _ := a.value(name).(string)
		y, _ := b.value(name).(string)
		order := strings.Compare(fold(x), fold(y))
		if strings.EqualFold(direction, "desc") {
			return -order
		}
		return order
	})
	return items, nil
}

// searchTerm is one "property:words" of $search (graph/search-query-parameter): each word begins some word of the value.
type searchTerm struct{ property, words string }

type searchTerms []searchTerm

func parseSearch(text string, of resource) (searchTerms, error) {
	var terms searchTerms
	for part := range strings.SplitSeq(text, " AND ") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		inner, opened := strings.CutPrefix(part, `"`)
		inner, closed := strings.CutSuffix(inner, `"`)
		name, words, found := strings.Cut(inner, ":")
		name, about := canonical(of.properties, name)
		if !opened || !closed || !found || about.kind != kindText {
			return nil, badRequest("Unrecognized $search clause.")
		}
		terms = append(terms, searchTerm{name, fold(words)})
	}
	return terms, nil
}

func (terms searchTerms) matches(value func(name string) any) bool {
	for _, t := range terms {
		text, _ := value(t.property).(string)
		have := strings.FieldsFunc(fold(text), func(r rune) bool { return strings.ContainsRune(" .-_@", r) })
		for word := range strings.FieldsSeq(t.words) {
			if !slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, word) }) {
				return false
			}
		}
	}
	return true
}
