package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

const (
	usersPath  = "/api/v1/users"
	groupsPath = "/api/v1/groups"
	appsPath   = "/api/v1/apps"
)

// propertyName is the name of a profile property, fit to stand in a filter.
var propertyName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// query writes parameters, given as name and value in turn, as an URL's query.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return "?" + v.Encode()
}

// quote writes a filter's text literal. Okta's filters are SCIM's (Core Okta API: Filter), whose literals are JSON's (RFC
// 7644 §3.4.2.2). Only what must be escaped is.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// list reads one page. Next is the path and query of the page after it, "" when there is none: of the link that Okta
// gives, only that part is followed, so that the token goes to no other host, and its path must be the list's own.
// The SDK's own lists are not used, since they hide the link.
func list[T any](ctx context.Context, c *Connector, req *call, at string) (items []T, next string, err error) {
	err = req.do(ctx, aList, func(ctx context.Context) error {
		rq := c.client.CloneRequestExecutor()
		r, err := rq.NewRequest(http.MethodGet, at, nil)
		if err != nil {
			return req.fail(connectors.KindInvalid, errors.New("no request can be made from it"))
		}
		_, err = rq.Do(ctx, r, &items)
		return err
	})
	if err != nil || req.next == "" {
		return items, "", err
	}
	here, errHere := url.Parse(at)
	there, errThere := url.Parse(req.next)
	if errHere != nil || errThere != nil || there.Path != here.Path || there.RawQuery == "" || there.RawQuery == here.RawQuery {
		return nil, "", req.rubbish(http.StatusOK, errors.New("the link to the next page does not lead there"))
	}
	return items, there.Path + "?" + there.RawQuery, nil
}

// all reads every page of a list.
func all[T any](ctx context.Context, c *Connector, req *call, at string) ([]T, error) {
	var out []T
	seen := map[string]bool{}
	for at != "" {
		if seen[at] {
			return nil, req.rubbish(http.StatusOK, errors.New("the pages go round in a circle"))
		}
		seen[at] = true
		items, next, err := list[T](ctx, c, req, at)
		if err != nil {
			return nil, err
		}
		out, at = append(out, items...), next
	}
	return out, nil
}
