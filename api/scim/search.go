package scim

import (
	"net/http"
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
	if schemas, err := fields.texts("schemas"); err != nil || len(schemas) > 0 && !hasURN(schemas, searchSchema) {
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
