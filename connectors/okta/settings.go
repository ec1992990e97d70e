package okta

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tenurehq/tenure/connectors"
)

// maxPageSize is the most users that Okta puts on a page (Users API: List all users).
const maxPageSize = 200

// settings are a target's settings after the check.
type settings struct {
	orgURL   string // without a slash at the end
	token    string // of the API; "" with a service application
	clientID string
	key      *rsa.PrivateKey // nil with an API token
	keyID    string
	scopes   []string
	tls      *tls.Config
	pageSize int
	// kinds are the kinds of entitlement that Tenure grants, reads and takes back.
	kinds []string
}

// parseSettings checks every setting; its error names those at fault and never shows a secret.
func parseSettings(in connectors.Settings) (settings, error) {
	out := settings{
		pageSize: maxPageSize, tls: &tls.Config{MinVersion: tls.VersionTLS12},
		kinds: []string{kindGroup},
	}
	readers := connectors.SettingReaders{
		"orgUrl":       func(v any) (err error) { out.orgURL, err = orgURL(v); return err },
		"token":        func(v any) (err error) { out.token, err = word(v); return err },
		"clientId":     func(v any) (err error) { out.clientID, err = word(v); return err },
		"privateKey":   func(v any) (err error) { out.key, err = privateKey(v); return err },
		"privateKeyId": func(v any) (err error) { out.keyID, err = word(v); return err },
		"scopes":       func(v any) (err error) { out.scopes, err = scopes(v); return err },
		"caFile":       func(v any) (err error) { out.tls.RootCAs, err = caFile(v); return err },
		"pageSize":     func(v any) (err error) { out.pageSize, err = pageSize(v); return err },
		"entitlements": func(v any) (err error) { out.kinds, err = kinds(v); return err },
	}
	if err := readers.Read(in, checkSet); err != nil {
		return settings{}, err
	}
	if out.scopes == nil {
		out.scopes = []string{"okta.users.manage", "okta.groups.manage"}
		if slices.Contains(out.kinds, kindApplication) {
			out.scopes = append(out.scopes, "okta.apps.manage")
		}
	}
	return out, nil
}

// checkSet asks for one whole set: a token, or a service application.
func checkSet(in connectors.Settings) error {
	missing := func(name string) error { return fmt.Errorf("setting %s is missing", name) }
	switch {
	case !in.Has("orgUrl"):
		return missing("orgUrl")
	case in.Has("token"):
		for _, name := range []string{"clientId", "privateKey", "privateKeyId", "scopes"} {
			if in.Has(name) {
				return &connectors.SettingError{Setting: name, Err: errors.New("does not go with token: use an API token or a service application")}
			}
		}
		return nil
	case !in.Has("clientId") && !in.Has("privateKey"):
		return errors.New("setting token is missing, or instead of it clientId and privateKey")
	case !in.Has("clientId"):
		return missing("clientId")
	case !in.Has("privateKey"):
		return missing("privateKey")
	default:
		return nil
	}
}

// orgURL refuses plain HTTP but to this machine, since every request carries the token, and the address of the Admin
// Console, which serves no API.
func orgURL(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("must be text")
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", errors.New("must be an absolute URL such as https://example.okta.com")
	}
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return "", errors.New("must hold no path, credentials, query or fragment")
	case strings.Contains(u.Hostname(), "-admin.okta"):
		return "", errors.New("must be the org's own address, without -admin")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u.Scheme + "://" + u.Host, nil
	default:
		return "", errors.New("must be https: plain http is for this machine's loopback only")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var printable = regexp.MustCompile(`^[[:graph:]]+$`)

func word(v any) (string, error) {
	s, ok := v.(string)
	if !ok || !printable.MatchString(s) {
		return "", errors.New("must be text of printable ASCII without spaces, and not empty")
	}
	return s, nil
}

// privateKey reads an RSA key in PEM. The parser's own error may show what it read, so it is not repeated.
func privateKey(v any) (*rsa.PrivateKey, error) {
	s, _ := v.(string)
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(s))
	if err != nil {
		return nil, errors.New("must be an RSA private key in PEM (PKCS #1 or PKCS #8)")
	}
	return key, nil
}

// scopes takes a list of names, or one text with spaces between them.
func scopes(v any) ([]string, error) {
	var names []string
	switch v := v.(type) {
	case string:
		names = strings.Fields(v)
	case []string:
		names = v
	case []any:
		for _, one := range v {
			s, _ := one.(string)
			names = append(names, s)
		}
	}
	for _, name := range names {
		if !printable.MatchString(name) {
			return nil, errors.New("must be names such as okta.users.manage")
		}
	}
	if len(names) == 0 {
		return nil, errors.New("must be a list of names such as okta.users.manage")
	}
	return slices.Clone(names), nil
}

// kinds takes a list of kinds of entitlement.
func kinds(v any) ([]string, error) {
	list, ok := v.([]any)
	var out []string
	for _, one := range list {
		kind, _ := one.(string)
		if kind != kindGroup && kind != kindApplication || slices.Contains(out, kind) {
			ok = false
		}
		out = append(out, kind)
	}
	if !ok || len(out) == 0 {
		return nil, errors.New("must be a list of kinds, each once: " + kindGroup + ", " + kindApplication)
	}
	return out, nil
}

func caFile(v any) (*x509.CertPool, error) {
	s, ok := v.(string)
	if !ok || s == "" {
		return nil, errors.New("must be the path of a file")
	}
	pem, err := os.ReadFile(s) //nolint:gosec // the path is the administrator's own setting
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's certificates cannot be read: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("holds no certificate in PEM")
	}
	return pool, nil
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
