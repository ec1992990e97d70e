package scim

import (
	"encoding/json"
	"testing"

	"github.com/scim2/filter-parser/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"userName":                     "userName",
		"USERNAME":                     "userName",
		"name.GIVENNAME":               "name.givenName",
		"custom_attr-1":                "custom_attr-1",
		`Emails[Type EQ "work"].Value`: `emails[type eq "work"].value`,
		`emails[ type  eq  "a\"b\\c\u00FC" ].value`:                             `emails[type eq "a\"b\\cü"].value`,
		`emails[primary eq true].value`:                                         `emails[primary eq true].value`,
		schemaUser + ":userName":                                                "userName",
		"urn:ietf:params:scim:schemas:EXTENSION:enterprise:2.0:user:Department": schemaEnterprise + ":department",
		schemaEnterprise + ":manager.value":                                     schemaEnterprise + ":manager.value",
		"urn:okta:my_app-1:1.0:user:custom:badge":                               "urn:okta:my_app-1:1.0:user:custom:badge",
		`urn:x:2.0:User:sites[kind eq "a:b"].name`:                              `urn:x:2.0:User:sites[kind eq "a:b"].name`,
	} {
		k, err := parseKey(in)
		require.NoError(t, err, in)
		require.Equal(t, want, k.String(), in)
		again, err := parseKey(k.String())
		require.NoError(t, err)
		require.Equal(t, k, again, "the canonical form is canonical")
	}
	for _, bad := range []string{
		"", " ", ".", "a.b.c", "emails[type eq", `emails[type eq "work"]`, `emails[type ne "work"].value`, `emails[type pr].value`,
		`emails[type eq "a" and value eq "b"].value`, `emails[type eq 1].value`, `emails[not (type eq "a")].value`, `emails[type eq "a"].value x`,
		"active", "id", "meta.version", "schemas", "groups", "GROUPS.value", "urn:x:", "urn:", schemaUser + ":active",
	} {
		_, err := parseKey(bad)
		require.Error(t, err, bad)
	}
}

func TestParseKeyNeverPanicsAndIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.StringMatching(`(urn:[a-z:.0-9]{0,9}:)?[a-zA-Z]{1,5}(\[[a-z]{1,3} eq "[^"\\]{0,4}"\])?(\.[a-z]{1,3})?`)).Draw(t, "key")
		k, err := parseKey(in)
		if err != nil {
			return
		}
		again, err := parseKey(k.String())
		require.NoError(t, err, "%q of %q", k.String(), in)
		require.Equal(t, k, again)
	})
}

// A literal must come out of a parser as it went in, whatever it holds, or a name could widen a filter.
func TestQuoteIsUndoneByTheParser(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		for _, name := range []string{"userName", `emails[type eq "work"].value`} {
			k, err := parseKey(name)
			require.NoError(t, err)
			parsed, err := filter.ParseFilter([]byte(k.equals(value)))
			require.NoError(t, err)
			if path, ok := parsed.(*filter.ValuePath); ok {
				parsed = path.ValueFilter.(*filter.LogicalExpression).Right
			}
			var plain string
			require.NoError(t, json.Unmarshal([]byte(`"`+parsed.(*filter.AttributeExpression).CompareValue.(string)+`"`), &plain))
			require.Equal(t, value, plain)
		}
	})
}

func TestFilters(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"userName":                           `userName eq "a\"b"`,
		`emails[type eq "work"].value`:       `emails[type eq "work" and value eq "a\"b"]`,
		schemaEnterprise + ":employeeNumber": schemaEnterprise + `:employeeNumber eq "a\"b"`,
	} {
		k, err := parseKey(name)
		require.NoError(t, err)
		require.Equal(t, want, k.equals(`a"b`))
	}
}
