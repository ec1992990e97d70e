package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

const (
	listSchema   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	searchSchema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

	defaultPage = 100  // resources in a page when the client does not say
	maxPage     = 1000 // and at most
)

// query asks for a page of a list, by the parameters of a GET or the body of a POST to /.search (RFC 7644, sections 3.4.2
// and 3.4.3; RFC 9865).
type query struct {
	view

	filter, sortBy string
	descending     bool
	startIndex     int
	count          int
	cursor         *string
	root           bool // over all resource types
}

// of is the query for the store.
func (q query) of(t scim.ResourceType, base string) (store.ScimQuery, error) {
	asked := store.ScimQuery{Descending: q.descending, StartIndex: q.startIndex, Count: q.count, Cursor: q.cursor, BaseURL: base}
	var err error
	if q.filter != "" {
		parse := scim.ParseFilter
		if q.root {
			parse = scim.ParseRootFilter
		}
		if asked.Filter, err = parse(t, q.filter); err != nil {
			return asked, err
		}
	}
	if q.sortBy != "" {
		asked.SortBy, err = scim.ParseSortBy(t, q.sortBy)
		if q.root { // the other type may have the attribute
			err = nil
		}
	}
	return asked, err
}

func queryByURL(r *http.Request) (query, error) {
	values, err := queryOf(r)
	if err != nil {
		return query{}, err
	}
	q := query{view: viewOf(values), filter: strings.TrimSpace(values.Get("filter")), sortBy: values.Get("sortBy")}
	if values.Has("cursor") {
		cursor := values.Get("cursor")
		q.cursor = &cursor
	}
	return q.settle(values.Get("sortOrder"), values.Get("startIndex"), values.Get("count"))
}

// settle reads what is the same for both forms. Numbers that are too small count as the smallest that make sense (RFC 7644,
// section 3.4.2.4), but for a count beside a cursor.
func (q query) settle(sortOrder, startIndex, count string) (query, error) {
	switch {
	case sortOrder == "", strings.EqualFold(sortOrder, "ascending"):
	case strings.EqualFold(sortOrder, "descending"):
		q.descending = true
	default:
		return q, scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "sortOrder must be ascending or descending.")
	}
	var err error
	if q.startIndex, err = number(startIndex, 1); err != nil {
		return q, scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "startIndex must be a whole number.")
	}
	q.count, err = number(count, defaultPage)
	switch {
	case q.cursor != nil && (err != nil || q.count < 1): // RFC 9865, section 2.1
		return q, scim.Errorf(http.StatusBadRequest, scim.InvalidCount, "With a cursor, count must be a positive whole number.")
	case err != nil:
		return q, scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "count must be a whole number.")
	}
	q.startIndex, q.count = max(q.startIndex, 1), min(max(q.count, 0), maxPage)
	return q, nil
}

// number reads a whole number; one that is beyond every list is as good as the greatest.
func number(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // n is the nearest one
	}
	return int(n), err
}

// page is a page of a list, its resources as clients see them.
type page struct {
	total      *int
	resources  [][]byte
	nextCursor string
}

// roomAtOnce bounds the memory, in bytes, that is got for a page before it is needed.
const roomAtOnce = 1 << 20

// pageOf writes the resources into one piece of memory.
func pageOf[T any](found store.ScimPage[T], write func(dst []byte, one *T) ([]byte, error)) (page, error) {
	p := page{total: found.Total, nextCursor: found.NextCursor, resources: make([][]byte, len(found.Resources))}
	var room []byte
	for i := range found.Resources {
		start := len(room)
		var err error
		if room, err = write(room, &found.Resources[i]); err != nil {
			return page{}, err
		}
		p.resources[i] = room[start:len(room):len(room)]
		if i == 0 { // the others are likely to be as long
			room = slices.Grow(room, min(len(room)*len(found.Resources)*5/4, roomAtOnce))
		}
	}
	return p, nil
}

// show answers with a ListResponse (RFC 7644, section 3.4.2; RFC 9865, section 2).
func (p page) show(w http.ResponseWriter, q query) error {
	size := 256
	for _, r := range p.resources {
		size += len(r) + 1
	}
	body := append(make([]byte, 0, size), `{"schemas":["`+listSchema+`"]`...)
	if p.total != nil {
		body = strconv.AppendInt(append(body, `,"totalResults":`...), int64(*p.total), 10)
	}
	if q.cursor == nil {
		body = strconv.AppendInt(append(body, `,"startIndex":`...), int64(q.startIndex), 10)
	}
	body = strconv.AppendInt(append(body, `,"itemsPerPage":`...), int64(len(p.resources)), 10)
	if p.nextCursor != "" {
		body = append(append(append(body, `,"nextCursor":"`...), p.nextCursor...), '"')
	}
	body = append(body, `,"Resources":[`...)
	for i, r := range p.resources {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, r...)
	}
	return answer(w, http.StatusOK, append(body, "]}"...))
}

// listing is a way to find a page.
type listing func(ctx context.Context, c call, q query) (page, error)

func (s *server) listByQuery(k kind) handler { return byQuery(k.list) }

func (s *server) listByBody(k kind) handler { return byBody(k.list) }

func byQuery(find listing) handler {
	return func(c call, w http.ResponseWriter, r *http.Request) error {
		q, err := queryByURL(r)
		if err != nil {
			return err
		}
		return find.answer(c, w, r, q)
	}
}

func byBody(find listing) handler {
	return func(c call, w http.ResponseWriter, r *http.Request) error {
		body, done, err := c.body(w, r, smallBody)
		defer done()
		if err != nil {
			return err
		}
		q, err := queryByBody(body)
		if err != nil {
			return err
		}
		return find.answer(c, w, r, q)
	}
}

func (find listing) answer(c call, w http.ResponseWriter, r *http.Request, q query) error {
	p, err := find(r.Context(), c, q)
	if err != nil {
		return err
	}
	return p.show(w, q)
}
