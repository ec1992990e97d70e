package simulator

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Page sizes of directory objects (graph/api/user-list: 100 by default, at most 999).
const (
	defaultPage = 100
	maxPage     = 999
)

// query is the OData part of a request's address (graph/query-parameters).
type query struct {
	selected []string // nil is the default set
	filter   string
	search   string
	orderBy  string
	expand   string
	top      int // 0 is not given
	count    bool
	// eventual is the header ConsistencyLevel: eventual.
	eventual   bool
	skipToken  string
	deltaToken *string // nil is not given
}

// advanced is what graph/aad-advanced-queries asks for.
func (q query) advanced() bool { return q.eventual && q.count }

func parseQuery(r *http.Request) (query, error) {
	q := query{eventual: strings.EqualFold(r.Header.Get("Consistencylevel"), "eventual")}
	values, err := queryValues(r)
	if err != nil {
		return q, badRequest("Invalid query string.")
	}
	for name, all := range values {
		value := all[0]
		switch strings.ToLower(strings.TrimPrefix(name, "$")) {
		case "select":
			if value != "" {
				q.selected = splitList(value)
			}
		case "filter":
			q.filter = value
		case "search":
			q.search = value
		case "orderby":
			q.orderBy = value
		case "expand":
			q.expand = value
		case "count":
			q.count = strings.EqualFold(value, "true")
		case "skiptoken":
			q.skipToken = value
		case "deltatoken":
			q.deltaToken = &value
		case "skip":
			return q, badRequest("'$skip' is not supported by the service.")
		case "top":
			if q.top, err = strconv.Atoi(value); err != nil || q.top < 1 || q.top > maxPage {
				return q, badRequest("Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", value, maxPage)
			}
		}
	}
	if q.search != "" && !q.eventual { // graph/aad-advanced-queries shows this body
		return q, unsupported("Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'")
	}
	if q.filter != "" && q.orderBy != "" && !q.advanced() {
		return q, unsupported("Sorting not supported for current query.")
	}
	if q.expand != "" && q.advanced() {
		return q, unsupported("$expand is not supported with advanced queries.")
	}
	return q, nil
}

// queryValues allows the semicolons in the options of $expand, which url.ParseQuery does not.
func queryValues(r *http.Request) (url.Values, error) {
	return url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
}

func splitList(list string) []string {
	names := strings.Split(list, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

func (q query) pageSize() int {
	if q.top > 0 {
		return q.top
	}
	return defaultPage
}

// position is where a listing goes on. It is opaque to clients.
type position struct {
	After  uint64 `json:"a,omitempty"` // the sequence number of the last item looked at
	Offset int    `json:"o,omitempty"` // of sorted listings
}

func (q query) position() (position, error) {
	var p position
	if q.skipToken == "" {
		return p, nil
	}
	if err := openToken(q.skipToken, &p); err != nil {
		return p, refuse(http.StatusBadRequest, "Directory_ExpiredPageToken",
			"The specified page token value has expired and can no longer be included in your request.")
	}
	return p, nil
}

func sealToken(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}

func openToken(token string, v any) error {
	decoded, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return err
	}
	return json.Unmarshal(decoded, v)
}

// next is the @odata.nextLink: the address of this page with all its parameters and another $skiptoken (graph/paging).
func (c *call) next(p position) string {
	values, _ := queryValues(c.r) // parsed before
	for name := range values {
		if strings.EqualFold(strings.TrimPrefix(name, "$"), "skiptoken") {
			values.Del(name)
		}
	}
	return c.link(c.r.URL.EscapedPath(), values, "$skiptoken", sealToken(p))
}

// link keeps the dollar signs, which url.Values would escape.
func (c *call) link(path string, values url.Values, name, token string) string {
	query := strings.ReplaceAll(values.Encode(), "%24", "$")
	if query != "" {
		query += "&"
	}
	return strings.TrimSuffix(c.base, "/v1.0") + path + "?" + query + name + "=" + url.QueryEscape(token)
}
