package app_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/app"
	"github.com/tenurehq/tenure/internal/policy"
)

// strict is a connector that looks closely at its settings.
func strict(in connectors.Settings) (connectors.Abilities, error) {
	must := func(ok bool) error {
		if !ok {
			return errors.New("is not as it must be")
		}
		return nil
	}
	readers := connectors.SettingReaders{
		"caFile":  func(any) error { return errors.New("no file is on this machine") },
		"key":     func(v any) error { return must(v == "a key in PEM") },
		"list":    func(v any) error { list, ok := v.([]any); return must(ok && list[0] == "a") },
		"size":    func(v any) error { return must(v == 5.0) },
		"token":   func(v any) error { return must(v != "") },
		"version": func(v any) error { return must(v == "2") },
	}
	return nothingBut{"mail", "group"}, readers.Read(in, func(in connectors.Settings) error {
		if !in.Has("token") {
			return errors.New("setting token is missing")
		}
		return nil
	})
}

// nothingBut can do one thing of each kind.
type nothingBut struct{ attribute, kind string }

func (n nothingBut) CheckLookup(attribute string) error {
	if attribute != n.attribute {
		return errors.New("no look-up by " + attribute)
	}
	return nil
}

func (nothingBut) CheckAttribute(name string) error {
	if name == "id" {
		return errors.New("id is not written")
	}
	return nil
}

func (n nothingBut) CheckEntitlement(kind string) error {
	if kind != n.kind {
		return errors.New("no " + kind)
	}
	return nil
}

func TestCheckTarget(t *testing.T) {
	t.Parallel()
	check := app.CheckTarget(connectors.Registry{"strict": {Check: strict}, "any": {}})
	for name, test := range map[string]struct {
		connector string
		settings  map[string]any
		want      []string // key and text of each fault
	}{
		"good":                             {"strict", map[string]any{"token": "env:T", "version": "2", "size": 5.0}, nil},
		"no such connector":                {"nosuch", nil, []string{"connector", `no connector "nosuch": this binary has any, strict`}},
		"one that judges nothing":          {"any", map[string]any{"a": "b"}, nil},
		"no settings":                      {"strict", nil, []string{"settings", "setting token is missing"}},
		"unknown setting":                  {"strict", map[string]any{"token": "env:T", "urll": "https://crm"}, []string{"settings.urll", "there is no such setting: there are caFile, key, list, size, token, version"}},
		"two unknown ones":                 {"strict", map[string]any{"a": 1.0, "b": "env:B"}, []string{"settings.a", "there is no such setting: there are caFile, key, list, size, token, version", "settings.b", "there is no such setting: there are caFile, key, list, size, token, version"}},
		"unknown reference":                {"strict", map[string]any{"tokn": "env:T"}, []string{"settings.tokn", "there is no such setting: there are caFile, key, list, size, token, version"}},
		"bad value":                        {"strict", map[string]any{"token": "env:T", "size": 6.0}, []string{"settings.size", "is not as it must be"}},
		"bad values beside a reference":    {"strict", map[string]any{"key": "env:K", "token": "env:T", "size": 6.0, "version": "3"}, []string{"settings.size", "is not as it must be", "settings.version", "is not as it must be"}},
		"references that nobody can judge": {"strict", map[string]any{"caFile": "env:F", "key": "file:/absent", "size": "env:S", "token": "env:T"}, nil},
		"a file of the worker's":           {"strict", map[string]any{"caFile": "/absent/ca.pem", "token": "env:T"}, nil},
		"a reference in a list":            {"strict", map[string]any{"list": []any{"env:A"}, "token": "env:T"}, nil},
		"missing beside a reference":       {"strict", map[string]any{"key": "env:K"}, []string{"settings", "setting token is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := check(policy.Target{Name: "crm", Connector: test.connector, Settings: test.settings, Correlate: "mail", Attributes: []string{"mail"}})
			require.Equal(t, test.want, texts(faults))
		})
	}
	good := policy.Target{Name: "crm", Connector: "strict", Settings: map[string]any{"token": "env:T"}}
	wrong := good
	wrong.Correlate, wrong.Attributes = "mail", []string{"id", "mail"}
	wrong.Entitlements = []policy.Entitlement{{Kind: "group", Name: "a"}, {Kind: "role", Name: "b"}, {Kind: "role", Name: "c"}}
	require.Equal(t, []string{"attributes.id", "id is not written", "entitlements", "kind role: no role"}, texts(check(wrong)))
	wrong = good
	wrong.Correlate, wrong.Attributes = "name", []string{"mail", "name"}
	require.Equal(t, []string{"correlate", "no look-up by name"}, texts(check(wrong)))
}

func texts(faults []policy.TargetFault) []string {
	var list []string
	for _, fault := range faults {
		list = append(list, fault.Key, fault.Err.Error())
	}
	return list
}
