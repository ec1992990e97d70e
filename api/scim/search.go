package scim

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tenurehq/tenure/internal/scim"
)

// queryByBody reads a SearchRequest (RFC 7644, section 3.4.3). Names are read in any case, and numbers also as texts.
func queryByBody(body []byte) (query, error) {
	given, err := scim.GroupType().Load(body) // for its limits; it looks for no attributes
	if err != nil {
		return query{}, err
	}
	fields := searchFields{}
	for name, value := range given {
		fields[strings.ToLower(name)] = value
	}
	if schemas, err := fields.texts("schemas"); err != nil || len(schemas) > 0 && !slices.Contains(schemas, searchSchema) {
		return query{}, scim.Errorf(http.StatusBadRequest, scim.InvalidSyntax, "schemas must have %s.", searchSchema)
	}
	var q query
	text := map[string]string{}
	for _, name := range []string{"filter", "sortby", "sortorder", "startindex", "count", "cursor"} {
		if text[name], err = fields.text(name); err != nil {
			return q, err
		}
	}
	if q.attributes, err = fields.texts("attributes"); err != nil {
		return q, err
	}
	if q.excluded, err = fields.texts("excludedattributes"); err != nil {
		return q, err
	}
	q.filter, q.sortBy = strings.TrimSpace(text["filter"]), text["sortby"]
	if fields["cursor"] != nil {
		cursor := text["cursor"]
		q.cursor = &cursor
	}
	return q.settle(text["sortorder"], text["startindex"], text["count"])
}

// searchFields are those of a SearchRequest, by name in small letters.
type searchFields map[string]any

func (f searchFields) text(name string) (string, error) {
	switch v := f[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	default:
		return "", scim.Errorf(http.StatusBadRequest, scim.InvalidSyntax, "%s must be a single value.", name)
	}
}

func (f searchFields) texts(name string) ([]string, error) {
	list, ok := f[name].([]any)
	if !ok && f[name] != nil {
		list = []any{f[name]}
	}
	texts := make([]string, len(list))
	for i, v := range list {
		if texts[i], ok = v.(string); !ok {
			return nil, scim.Errorf(http.StatusBadRequest, scim.InvalidSyntax, "%s must be a list of texts.", name)
		}
	}
	return texts, nil
}

// searchAllByQuery and searchAllByBody list all resources, whatever their type (RFC 7644, section 3.4.2.1).
func (s *server) searchAllByQuery(c call, w http.ResponseWriter, r *http.Request) error {
	return byQuery(searchAll)(c, w, r)
}

func (s *server) searchAllByBody(c call, w http.ResponseWriter, r *http.Request) error {
	return byBody(searchAll)(c, w, r)
}

// searchAll lists the Users, then the Groups, each in the order that was asked for.
func searchAll(ctx context.Context, c call, q query) (page, error) {
	q.root = true
	if q.cursor != nil {
		return searchAllByCursor(ctx, c, q)
	}
	all, err := users{}.list(ctx, c, q)
	if err != nil {
		return page{}, err
	}
	before := *all.total
	q.startIndex = max(1, q.startIndex-before)
	q.count -= len(all.resources)
	rest, err := groups{}.list(ctx, c, q)
	if err != nil {
		return page{}, err
	}
	total := before + *rest.total
	return page{total: &total, resources: append(all.resources, rest.resources...)}, nil
}

// groupCursor begins the cursors of the second part of such a list.
const groupCursor = "g."

// searchAllByCursor has the Users in the first pages and the Groups in the later ones.
func searchAllByCursor(ctx context.Context, c call, q query) (page, error) {
	at, inGroups := strings.CutPrefix(*q.cursor, groupCursor)
	q.cursor = &at
	if !inGroups {
		p, err := users{}.list(ctx, c, q)
		p.total = nil // that of the Users alone
		if p.nextCursor == "" {
			p.nextCursor = groupCursor
		}
		return p, err
	}
	p, err := groups{}.list(ctx, c, q)
	p.total = nil
	if p.nextCursor != "" {
		p.nextCursor = groupCursor + p.nextCursor
	}
	return p, err
}
