package scim

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// maxMatches is how many results a look-up by value may have. More means that the target ignores filters.
const maxMatches = 1000

// listResponse is RFC 7644 §3.4.2. Pointers tell absent from zero.
type listResponse struct {
	Schemas      []string          `json:"schemas"`
	TotalResults *int              `json:"totalResults"`
	StartIndex   *int              `json:"startIndex"`
	ItemsPerPage *int              `json:"itemsPerPage"`
	Resources    []json.RawMessage `json:"Resources"`
}

// place is where a listing stands between two pages; as a cursor it is JSON in base64url.
type place struct {
	Start int    `json:"s"`           // 1-based index of the page's first resource
	Total int    `json:"t,omitempty"` // totalResults of the page before
	First string `json:"f,omitempty"` // id of the page before's first resource
}

func (p place) cursor() string {
	// A struct of an int and text always encodes.
	b, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string) (place, error) {
	p := place{Start: 1}
	if s == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(b, &p) != nil || p.Start < 2 {
		return place{}, errors.New("the cursor is not one of this connector's")
	}
	return p, nil
}

// page reads one page of a listing. Next is nil on the last. An answer that cannot be a whole page of what is asked
// for is an error: it must never look as if the rest did not exist.
func (cl *client) page(ctx context.Context, c call, at place, count int) (items []resource, next *place, err error) {
	query := url.Values{"startIndex": {strconv.Itoa(at.Start)}, "count": {strconv.Itoa(count)}}
	maps.Copy(query, c.query)
	c.method, c.query, c.accept, c.limit = http.MethodGet, query, []int{http.StatusOK}, maxList
	ans, err := cl.do(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	items, total, err := decodeList(ans.body, at)
	if err != nil {
		return nil, nil, c.rubbish(ans.status, err)
	}
	if end := at.Start + len(items); end <= total {
		next = &place{Start: end, Total: total, First: items[0].id()}
	}
	return items, next, nil
}

func decodeList(body []byte, at place) (items []resource, total int, err error) {
	var list listResponse
	if json.Unmarshal(body, &list) != nil {
		return nil, 0, errors.New("the body is not a SCIM list")
	}
	if err := list.check(at); err != nil {
		return nil, 0, err
	}
	for _, raw := range list.Resources {
		r, err := decodeResource(raw)
		if err != nil {
			return nil, 0, fmt.Errorf("a resource of the list: %w", err)
		}
		items = append(items, r)
	}
	if len(items) > 0 && at.First == items[0].id() {
		return nil, 0, errors.New("the page repeats the one before: the target ignores startIndex")
	}
	return items, *list.TotalResults, nil
}

// check refuses a list that is cut short. Targets that answer the count asked for as itemsPerPage, whatever they
// deliver, are common, so that a page is too short only when more is known to follow.
func (l listResponse) check(at place) error {
	known := false
	for _, s := range l.Schemas {
		known = known || strings.EqualFold(s, messageList)
	}
	if !known || l.TotalResults == nil || *l.TotalResults < 0 {
		return errors.New("the body is not a SCIM list: it lacks the ListResponse schema or totalResults")
	}
	if l.StartIndex != nil && *l.StartIndex != at.Start && len(l.Resources) > 0 {
		return fmt.Errorf("the page starts at %d, asked for was %d", *l.StartIndex, at.Start)
	}
	if *l.TotalResults < at.Total {
		return errors.New("the list became shorter while it was read: read it again from the start")
	}
	remaining := *l.TotalResults - at.Start + 1
	switch n := len(l.Resources); {
	case n > max(remaining, 0):
		return fmt.Errorf("the list holds more than its totalResults of %d", *l.TotalResults)
	case n == 0 && remaining > 0:
		return fmt.Errorf("the page is empty while %d resources remain", remaining)
	case l.ItemsPerPage != nil && n < min(*l.ItemsPerPage, remaining):
		return fmt.Errorf("the page holds %d resources and announces %d", n, *l.ItemsPerPage)
	}
	return nil
}

// all reads every page of a look-up by filter.
func (cl *client) all(ctx context.Context, c call, pageSize int) ([]resource, error) {
	var found []resource
	seen := make(map[string]bool)
	for at := (&place{Start: 1}); at != nil; {
		items, next, err := cl.page(ctx, c, *at, pageSize)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if !seen[item.id()] {
				seen[item.id()] = true
				found = append(found, item)
			}
		}
		if len(found) > maxMatches {
			return nil, c.fail(connectors.KindUnsupported, fmt.Errorf("more than %d results: the target seems to ignore filters", maxMatches))
		}
		at = next
	}
	return found, nil
}
