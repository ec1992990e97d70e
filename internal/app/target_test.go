package app_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/app"
	"github.com/tenurehq/tenure/internal/policy"
)

// strict is a connector that looks closely at its settings and is made of nothing.
func strict(in connectors.Settings) (connectors.Connector, error) {
	checks := map[string]func(any) bool{
		"caFile":  func(any) bool { return false }, // no file is on this machine
		"key":     func(v any) bool { return v == "a key in PEM" },
		"size":    func(v any) bool { return v == 5.0 },
		"token":   func(v any) bool { s, ok := v.(string); return ok && s != "" },
		"list":    func(v any) bool { _, ok := v.([]any); return ok },
		"url":     func(v any) bool { s, _ := v.(string); return len(s) > 8 && s[:8] == "https://" },
		"version": func(v any) bool { return v == "2" },
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		switch check := checks[name]; {
		case check == nil:
			return nil, fmt.Errorf("strict: unknown setting %q: token, url and others are known", name)
		case !check(in[name]):
			return nil, fmt.Errorf("strict: setting %s: is not as it must be", name)
		}
	}
	if in["token"] == nil {
		return nil, errors.New("strict: setting token is missing")
	}
	return nil, nil
}

func TestCheckTarget(t *testing.T) {
	t.Parallel()
	check := app.CheckTarget(connectors.Registry{"strict": strict})
	for name, test := range map[string]struct {
		connector string
		settings  map[string]any
		key       string // "": nothing is wrong
		text      string
	}{
		"good":                             {"strict", map[string]any{"token": "env:T", "url": "https://crm", "size": 5.0}, "", ""},
		"no such connector":                {"nosuch", nil, "connector", `no connector "nosuch": this binary has strict`},
		"no settings":                      {"strict", nil, "settings", "setting token is missing"},
		"unknown setting":                  {"strict", map[string]any{"token": "env:T", "urll": "https://crm"}, "settings.urll", `unknown setting "urll"`},
		"unknown reference":                {"strict", map[string]any{"tokn": "env:T", "token": "env:T"}, "settings.tokn", `unknown setting "tokn"`},
		"unknown after a reference":        {"strict", map[string]any{"key": "env:K", "token": "env:T", "zone": "x"}, "settings.zone", "unknown setting"},
		"bad value":                        {"strict", map[string]any{"token": "env:T", "url": "crm"}, "settings.url", "setting url: is not"},
		"bad value after a file":           {"strict", map[string]any{"caFile": "/absent", "token": "env:T", "version": "3"}, "settings.version", "setting version"},
		"references that nobody can judge": {"strict", map[string]any{"caFile": "env:F", "key": "file:/absent", "url": "env:U", "token": "env:T"}, "", ""},
		"a file of the worker's":           {"strict", map[string]any{"caFile": "/absent/ca.pem", "token": "env:T"}, "", ""},
		"a reference in a list":            {"strict", map[string]any{"list": []any{"env:A"}, "token": "env:T"}, "", ""},
		"missing beside a reference":       {"strict", map[string]any{"key": "env:K"}, "settings", "setting token is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := check(policy.Target{Name: "crm", Connector: test.connector, Settings: test.settings})
			require.Equal(t, test.key, key)
			if test.text == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.text)
		})
	}
}
