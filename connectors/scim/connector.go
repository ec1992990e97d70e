// Package scim is the connector for targets that speak SCIM 2.0 (RFC 7643, RFC 7644). Accounts are Users, entitlements
// are Groups (kind "group"); SCIM knows no sessions. It makes one HTTP request after the other, each once: it never
// repeats one, waits for nothing but connectors.Take, follows no redirect, and leaves time-outs to the caller's context.
//
// # Attribute keys
//
// The keys of Account.Attributes are PATCH paths (RFC 7644 §3.5.2) in their canonical form:
//
//	userName                                    a simple attribute
//	name.givenName                              a part of a complex one
//	emails[type eq "work"].value                a part of the first element of that type
//	emails[primary eq true].value               a part of the primary element
//	urn:…:extension:enterprise:2.0:User:department
//	urn:…:extension:enterprise:2.0:User:manager.value
//
// A wish may use any single equality in the brackets, and any case for the names of RFC 7643. An account that is read
// holds each value under these keys, in RFC 7643's spelling, and besides each complex or multi-valued attribute whole
// under its own name ("name", "emails"), so that a comparison key by key is exact. It leaves out what is no attribute of
// Tenure's: schemas, id, meta, active (Account.Enabled), groups (the grants) and password (never returned).
// Of several elements of one type the first counts; the others stand in the whole list only.
//
// # Errors
//
// Every error is a *connectors.Error whose text holds neither the URL nor the target's words. For a write, an answer
// that never came after the request's head was sent, 502, 504 and a success that cannot be understood are KindAmbiguous;
// a failed dial, 500 and 503 are KindUnavailable, as are all of them for a read.
package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tenurehq/tenure/connectors"
)

// Connector is one SCIM target. It is safe for concurrent use and keeps its connections open between calls: make one a
// target, not one a call.
type Connector struct {
	client   *client
	settings settings
	// filtersMembers is whether the target filters Groups by members.value, once that is known.
	filtersMembers atomic.Pointer[bool]
}

var (
	_ connectors.AccountWriter      = (*Connector)(nil)
	_ connectors.EntitlementGranter = (*Connector)(nil)
)

// Definition is what a registry holds under the name scim.
func Definition() connectors.Definition {
	return connectors.Definition{New: New, Check: check}
}

// New makes a connector from the settings and makes no call. The settings are:
//
//	baseUrl     required; https, or http to a loopback address
//	token       required; sent as Bearer token (RFC 6750)
//	update      how attributes are changed: patch (default) or put, which reads, changes and writes with If-Match
//	membership  how groups are changed: patch, the only way that loses no other member
//	pageSize    resources a page, 1 to 1000; default 100
//
// The error names the setting at fault.
func New(in connectors.Settings) (connectors.Connector, error) {
	s, err := parseSettings(in)
	if err != nil {
		return nil, fmt.Errorf("scim: %w", err)
	}
	return &Connector{client: newClient(s), settings: s}, nil
}

// Probe lists at most one user's id: unlike ServiceProviderConfig, which many targets show to anyone, that proves the token.
func (c *Connector) Probe(ctx context.Context) error {
	req := call{action: "probe target", path: "/Users", query: url.Values{"attributes": {"id"}}}
	_, _, err := c.client.page(ctx, req, place{Start: 1}, 1)
	return err
}

// GetAccount reads one user.
func (c *Connector) GetAccount(ctx context.Context, nativeID string) (connectors.Account, error) {
	r, _, err := c.read(ctx, "read account", nativeID)
	if err != nil {
		return connectors.Account{}, err
	}
	return userOf(call{action: "read account", object: nativeID, method: http.MethodGet}, r)
}

// read reads one user as the target wrote it, with its entity-tag if the target gives one.
func (c *Connector) read(ctx context.Context, action, nativeID string) (resource, string, error) {
	req := call{action: action, object: nativeID, method: http.MethodGet, accept: []int{http.StatusOK}}
	var err error
	if req.path, err = resourcePath("/Users/", nativeID); err != nil {
		return nil, "", req.fail(connectors.KindInvalid, err)
	}
	ans, err := c.client.do(ctx, req)
	if err != nil {
		return nil, "", err
	}
	r, err := sameResource(req, ans)
	if err != nil {
		return nil, "", err
	}
	etag := ans.etag
	if etag == "" {
		meta, _ := r["meta"].(map[string]any)
		etag, _ = meta["version"].(string)
	}
	return r, etag, nil
}

// FindAccounts looks users up by an equality filter. The target's answer is checked: one that differs from the value
// asked for is left out (some targets search other attributes as well), and one that does not show the attribute at all
// is an error, since nothing proves that it is the one.
func (c *Connector) FindAccounts(ctx context.Context, attribute, value string) ([]connectors.Account, error) {
	req := call{action: "find accounts", method: http.MethodGet, path: "/Users"}
	k, err := parseKey(attribute)
	if err != nil {
		return nil, req.fail(connectors.KindInvalid, err)
	}
	req.query = url.Values{"filter": {k.equals(value)}}
	users, err := c.client.all(ctx, req, c.settings.pageSize)
	if err != nil {
		return nil, err
	}
	found := []connectors.Account{}
	for _, r := range users {
		shown := r.values(k)
		if len(shown) == 0 {
			return nil, req.fail(connectors.KindUnsupported, fmt.Errorf("the target answered an account that does not show %s", k))
		}
		if !slices.ContainsFunc(shown, func(v any) bool { return sameText(k, v, value) }) {
			continue
		}
		account, err := userOf(req, r)
		if err != nil {
			return nil, err
		}
		found = append(found, account)
	}
	return found, nil
}

func sameText(k key, shown any, value string) bool {
	s := fmt.Sprint(shown)
	return s == value || !k.caseExact() && strings.EqualFold(s, value)
}

// ListAccounts reads a page of all users. Users that are created or deleted meanwhile may move between pages: one may
// come twice, and a listing that became shorter is an error, since one may have been missed.
func (c *Connector) ListAccounts(ctx context.Context, page connectors.Page) (connectors.Accounts, error) {
	req := call{action: "list accounts", method: http.MethodGet, path: "/Users"}
	at, err := parseCursor(page.Cursor)
	if err != nil {
		return connectors.Accounts{}, req.fail(connectors.KindInvalid, err)
	}
	count := c.settings.pageSize
	if page.Limit > 0 && page.Limit < count {
		count = page.Limit
	}
	users, next, err := c.client.page(ctx, req, at, count)
	if err != nil {
		return connectors.Accounts{}, err
	}
	out := connectors.Accounts{Items: make([]connectors.Account, 0, len(users))}
	for _, r := range users {
		account, err := userOf(req, r)
		if err != nil {
			return connectors.Accounts{}, err
		}
		out.Items = append(out.Items, account)
	}
	if next != nil {
		out.Next = next.cursor()
	}
	return out, nil
}

func userOf(c call, r resource) (connectors.Account, error) {
	account, err := r.account()
	if err != nil {
		return connectors.Account{}, c.rubbish(http.StatusOK, err)
	}
	return account, nil
}

// sameResource reads the resource that the call speaks of from the answer.
func sameResource(c call, ans answer) (resource, error) {
	r, err := decodeResource(ans.body)
	if err == nil && r.id() != c.object {
		err = errors.New("the answer is another resource than the one asked for")
	}
	if err != nil {
		return nil, c.rubbish(ans.status, err)
	}
	return r, nil
}

// resourcePath refuses ids that would make the path another one: DELETE /Users/ is not for trying out.
func resourcePath(prefix, id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", errors.New("the native id is empty or no id at all")
	}
	return prefix + url.PathEscape(id), nil
}
