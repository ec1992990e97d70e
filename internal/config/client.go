package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Scope is what a command does with the API, and so the scope its token needs.
type Scope string

// The scopes of tokens.
const (
	ScopeHR    Scope = "hr"    // sends events
	ScopeAdmin Scope = "admin" // changes policy, targets, cases and operations; includes hr and read
	ScopeRead  Scope = "read"  // reads
	ScopeKill  Scope = "kill"  // kills people and reinstates them; no other scope includes it
)

const (
	variableURL        = "TENURE_URL"
	variableToken      = "TENURE_TOKEN"
	variableHRToken    = "TENURE_HR_TOKEN" //nolint:gosec // the name of a variable
	variableAdminToken = "TENURE_ADMIN_TOKEN"
	variableKillToken  = "TENURE_KILL_TOKEN" //nolint:gosec // the name of a variable
	defaultURL         = "http://127.0.0.1:8080"
)

// Client is how the command line reaches the API.
type Client struct {
	URL   string // without a slash at the end
	Token string
}

// LoadClient reads TENURE_URL (default http://127.0.0.1:8080) and a token: TENURE_TOKEN, else TENURE_HR_TOKEN for events,
// else TENURE_ADMIN_TOKEN; for a kill TENURE_TOKEN, else TENURE_KILL_TOKEN.
func LoadClient(getenv Getenv, scope Scope) (Client, error) {
	c := Client{URL: strings.TrimRight(valueOr(getenv, variableURL, defaultURL), "/")}
	if err := checkURL(c.URL); err != nil {
		return c, fmt.Errorf("%s: %w", variableURL, err)
	}
	names := []string{variableToken, variableAdminToken}
	switch scope {
	case ScopeHR:
		names = []string{variableToken, variableHRToken, variableAdminToken}
	case ScopeKill:
		names = []string{variableToken, variableKillToken}
	case ScopeAdmin, ScopeRead:
	}
	for _, name := range names {
		if c.Token = getenv(name); c.Token != "" {
			return c, checkToken(name, c.Token)
		}
	}
	return c, fmt.Errorf("no token: set %s to one that `tenure token create --scope %s` made", strings.Join(names, " or "), scope)
}

func checkToken(name, token string) error {
	for _, r := range token {
		if r <= ' ' || r >= 0x7f {
			return fmt.Errorf("%s holds a character that no token has: copy the token again, without quotes or spaces", name)
		}
	}
	return nil
}

// checkURL refuses to send a token over plain HTTP but to this machine.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("not an address: write it as https://tenure.example.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must hold no credentials, query or fragment")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return errors.New("plain http would show the token to the network: use https, or http on this machine only")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
