package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

// broken is a policy with one rule under the condition.
func broken(t testing.TB, when string) *policy.Policy {
	t.Helper()
	return with(t, fmt.Sprintf(`
targets:
  - {name: crm, connector: scim, correlate: id, attributes: {id: person.employeeId}}
birthright:
  - name: odd
    when: %q
    accounts: [crm]
`, when))
}

func TestConditions(t *testing.T) {
	t.Parallel()
	s := salesperson()
	s.Attributes.Custom = map[string]any{"level": 3.0, "tags": []any{"a", "b"}, "site": map[string]any{"floor": "2"}}
	for condition, want := range map[string]bool{
		`person.department == "Sales"`:                                  true,
		`person.title == ""`:                                            true,
		`has(person.title)`:                                             false,
		`has(person.department)`:                                        true,
		`has(person.custom.level) && person.custom.level >= 3`:          true,
		`has(person.custom.absent)`:                                     false,
		`person.custom.?absent.orValue("") == ""`:                       true,
		`person.custom[?"level"].orValue(0) == 3`:                       true,
		`"b" in person.custom.tags`:                                     true,
		`person.custom.site.floor == "2"`:                               true,
		`manager == null`:                                               true,
		`manager != null && manager.department == "Sales"`:              false,
		`manager.department == ""`:                                      true,
		`has(manager.department)`:                                       false,
		`has(manager.custom)`:                                           false,
		`manager.custom.?level.orValue(1) == 1`:                         true,
		`manager == person`:                                             false,
		`person == person`:                                              true,
		`[person, manager].exists(p, p.department == "Sales")`:          true,
		`(manager == null ? person : manager).location == "Berlin"`:     true,
		`state == "active"`:                                             true,
		`today > "2026-03-09" && today < "2026-03-11"`:                  true,
		`person.displayName.split(" ")[1].lowerAscii() == "müller"`:     true,
		`lower("ÅSE") == "åse"`:                                         true,
		`ascii(person.displayName) == "Jorg Muller"`:                    true,
		`asciiGerman(person.familyName) == "Mueller"`:                   true,
		`slug("van der Łukasz-O’Neil 2") == "vanderlukaszoneil2"`:       true,
		`first("Ζωή", 2) == "Ζω" && first("a", 5) == "a"`:               true,
		`first("abc", 0) == "" && first("abc", -1) == ""`:               true,
		`person.department.matches("^S.*s$") && "x".size() == 1`:        true,
		`type(person) == type(manager) || type(person) != type("text")`: true,
	} {
		t.Run(condition, func(t *testing.T) {
			t.Parallel()
			desired, err := broken(t, condition).Desired(s)
			require.NoError(t, err)
			require.Equal(t, want, len(desired.Accounts) == 1)
		})
	}
}

func TestMappings(t *testing.T) {
	t.Parallel()
	s := salesperson()
	s.Attributes.Custom = map[string]any{"level": 3.0, "tags": []any{"a", "", nil, "b"}, "site": map[string]any{}}
	for value, want := range map[string]any{
		`person.department`:                     "Sales",
		`person.title`:                          nil,
		`true`:                                  true,
		`17`:                                    float64(17),
		`2u`:                                    float64(2),
		`1.5`:                                   1.5,
		`null`:                                  nil,
		`[]`:                                    nil,
		`[1, 2]`:                                []any{1.0, 2.0},
		`person.custom.level`:                   3.0,
		`person.custom.tags`:                    []any{"a", "b"},
		`person.custom.?absent`:                 nil,
		`person.custom.?level`:                  3.0,
		`optional.of("x")`:                      "x",
		`optional.none()`:                       nil,
		`mail.substring(mail.indexOf("@") + 1)`: "acme.example",
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			desired, err := mapped(t, value).Desired(s)
			require.NoError(t, err)
			require.Equal(t, want, desired.Accounts["crm"].Attributes["x"])
			require.Contains(t, desired.Accounts["crm"].Attributes, "x")
		})
	}
}

// mapped is a policy with a target whose attribute x has the mapping.
func mapped(t testing.TB, value string) *policy.Policy {
	t.Helper()
	return with(t, fmt.Sprintf(`
naming:
  - {name: mail, templates: ['"a@b.example"']}
targets:
  - {name: crm, connector: scim, correlate: id, attributes: {id: person.employeeId, x: %q}}
birthright:
  - {name: all, when: true, accounts: [crm]}
`, value))
}

// What an expression stumbles over is the person's; the error goes to logs and screens of others.
func TestEvaluationErrorsNameTheRuleAndNoValues(t *testing.T) {
	t.Parallel()
	s := salesperson()
	s.Attributes.Department = "canary-department"
	s.Attributes.Title = "9999999canary"
	s.Attributes.Custom = map[string]any{"m": map[string]any{}, "secret": "canary-value", "list": []any{"canary-item"}, "zero": 0.0}
	const ten = `[1,2,3,4,5,6,7,8,9,10]`
	nested := ten + ".all(a, " + ten + ".all(b, " + ten + ".all(c, " + ten + ".all(d, " + ten + ".all(e, a + b + c + d + e > 0)))))"
	for condition, reason := range map[string]string{
		`person.custom.m[person.department] == 1`: "a custom attribute is missing",
		`person.custom.absent == 1`:               "a custom attribute is missing",
		`int(person.title) == 1`:                  "a value",
		`person.custom.secret > 1`:                "another type",
		`person.custom.list[5] == "x"`:            "out of range",
		`person.title.substring(50) == ""`:        "out of range",
		`1 / int(person.custom.zero) == 1`:        "division by zero",
		nested:                                    "too many steps",
	} {
		t.Run(condition, func(t *testing.T) {
			t.Parallel()
			_, err := broken(t, condition).Desired(s)
			require.Equal(t, identity.Invalid, identity.ErrorCode(err))
			require.ErrorContains(t, err, "birthright[odd].when: ")
			require.ErrorContains(t, err, reason)
			require.ErrorContains(t, err, fmt.Sprintf("%q", condition))
			require.NotContains(t, strings.ReplaceAll(err.Error(), condition, ""), "canary")
		})
	}
	for _, value := range []string{`person.custom.m`, `[person.custom.m]`, `person.custom.zero / person.custom.zero`} {
		_, err := mapped(t, value).Desired(s)
		require.ErrorContains(t, err, "targets[crm].attributes.x: ", value)
		require.NotContains(t, err.Error(), "canary")
	}
}
