package scim

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// How an account's attributes are changed.
const (
	updatePatch = "patch" // RFC 7644 §3.5.2
	updatePut   = "put"   // RFC 7644 §3.5.1, for targets without PATCH on users
)

// Bounds of the pageSize setting.
const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

// settings are a target's settings after the check.
type settings struct {
	baseURL  string // without a slash at the end
	token    string
	update   string
	pageSize int
}

// parseSettings checks every setting; its error names those at fault and never shows the token.
func parseSettings(in connectors.Settings) (settings, error) {
	out := settings{update: updatePatch, pageSize: defaultPageSize}
	readers := connectors.SettingReaders{
		"baseUrl":    func(v any) (err error) { out.baseURL, err = baseURL(v); return err },
		"token":      func(v any) (err error) { out.token, err = bearer(v); return err },
		"update":     func(v any) (err error) { out.update, err = oneOf(v, updatePatch, updatePut); return err },
		"membership": func(v any) (err error) { _, err = oneOf(v, updatePatch); return err },
		"pageSize":   func(v any) (err error) { out.pageSize, err = pageSize(v); return err },
	}
	return out, readers.Read(in, checkSet)
}

func checkSet(in connectors.Settings) error {
	for _, required := range []string{"baseUrl", "token"} {
		if !in.Has(required) {
			return fmt.Errorf("setting %s is missing", required)
		}
	}
	return nil
}

// baseURL refuses plain HTTP but to this machine, since every request carries the token.
func baseURL(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("must be text")
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", errors.New("must be an absolute URL such as https://app.example.com/scim/v2")
	}
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must not hold credentials, a query or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return strings.TrimRight(s, "/"), nil
	default:
		return "", errors.New("must be https: plain http is for this machine's loopback only")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func bearer(v any) (string, error) {
	s, ok := v.(string)
	if !ok || s == "" {
		return "", errors.New("must be text and not empty")
	}
	for _, r := range s {
		if r <= ' ' || r >= 0x7f {
			return "", errors.New("must be printable ASCII without spaces")
		}
	}
	return s, nil
}

func oneOf(v any, allowed ...string) (string, error) {
	for _, a := range allowed {
		if v == a {
			return a, nil
		}
	}
	return "", fmt.Errorf("must be %s", strings.Join(allowed, " or "))
}

// pageSize takes whichever number type the settings' decoder made.
func pageSize(v any) (int, error) {
	var f float64
	switch n := v.(type) {
	case int:
		f = float64(n)
	case int64:
		f = float64(n)
	case uint64:
		f = float64(n)
	case float64:
		f = n
	}
	if f != math.Trunc(f) || f < 1 || f > maxPageSize {
		return 0, fmt.Errorf("must be a whole number from 1 to %d", maxPageSize)
	}
	return int(f), nil
}
