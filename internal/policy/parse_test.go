package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/policy"
)

// Each file is wrong on the lines marked with #, followed by what the problem must say after file and line. Several
// problems on a line are separated by |.
//

func TestProblemsAreAllReportedWithTheirLines(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"unknown keys, at every depth": `organization: acme
colour: blue # colour: unknown key; the keys here are birthright, correlation,
targets:
  - name: crm
    connector: scim
    conector: scim # targets[crm].conector: unknown key
    attributes: {userName: person.userName}
    entitlements:
      - {name: A, owner: x} # targets[crm].entitlements[A].owner: unknown key; the keys here are kind, name
precedence:
  deflaut: [a] # precedence.deflaut: unknown key; the keys here are attributes, default
`,
		"wrong types": `organization: 5 # organization: must be a string; put it in quotes, not a number
timeZone: [UTC] # timeZone: must be a string, not a list
sources: hr # sources: must be a list, not a string
targets:
  - crm # targets[0]: must be a mapping of keys to values, not a string
  - name: wiki
    connector: scim
    concurrency: many # targets[wiki].concurrency: must be a whole number, not a string
    attemptTimeout: soon # targets[wiki].attemptTimeout: "soon" is not a length of time
    settleLag: -5s # targets[wiki].settleLag: "-5s" is not a length of time
    preHire: [7d] # targets[wiki].preHire: must be a length of time such as 7d, 90s or 1h30m, not a list
    settings: x # targets[wiki].settings: must be a mapping of keys to values, not a string
    attributes:
      userName: [person.userName] # targets[wiki].attributes.userName: must be a CEL expression, not a list
      5: person.title # targets[wiki].attributes: the key 5 must be a string
      empty: "" # targets[wiki].attributes.empty: must be a CEL expression, not an empty string
      none: # targets[wiki].attributes.none: must be a CEL expression, not empty
`,
		"missing and repeated names": `organization: acme
targets:
  - connector: scim # targets[].name: is missing
    attributes: {userName: '"x"'}
  - name: crm
    attributes: {userName: '"x"'}
    connector: scim
  - name: crm # targets[crm].name: is defined twice; the first is at p.yaml:5
    connector: scim
    attributes: {userName: '"x"'}
  - name: "no spaces" # targets[no spaces].name: must be letters, digits
    connector: scim
    attributes: {userName: '"x"'}
  - name: wiki # targets[wiki].connector: is missing | targets[wiki].correlate: "userName" is not among
`,
		"limits and choices": `organization: Acme Inc # organization: must be lower-case letters, digits and hyphens
timeZone: Berlin # timeZone: "Berlin" is not the name of a time zone
targets:
  - name: crm
    connector: scim
    attributes: {userName: '"x"'}
    concurrency: 0 # targets[crm].concurrency: is 0; it must be between 1 and 1000
    attemptTimeout: 1d # targets[crm].attemptTimeout: is 24h0m0s; it must be between 1s and 5m0s
    preHire: 400d # targets[crm].preHire: is 9600h0m0s
    onUnassigned: archive # targets[crm].onUnassigned: is "archive"; it must be disable or delete
    provision: on_first_access # targets[crm].provision: on_first_access is not yet supported
    correlate: mail # targets[crm].correlate: "mail" is not among the target's attributes
  - name: wiki
    connector: scim
    attributes: {userName: '"x"'}
    provision: lazy # targets[wiki].provision: is "lazy"; it must be eager
    entitlements:
      - {name: A}
      - {name: A} # targets[wiki].entitlements: group "A" is listed twice
      - {kind: role} # targets[wiki].entitlements: an entitlement without a name
`,
		"references": `organization: acme
targets:
  - {name: crm, connector: scim, attributes: {userName: '"x"'}, entitlements: [{name: A}]}
roles:
  - {name: one, kind: technical, target: crn, entitlements: [{name: A}]} # roles[one].target: no target is called "crn"
  - {name: two, kind: technical, target: crm, entitlements: [{name: B}]} # roles[two].entitlements: target crm declares no group "B"
  - {name: six, kind: technical, target: crm, entitlements: [{name: A}, {name: A}]} # roles[six].entitlements: group "A" is listed twice
  - {name: three, kind: business, includes: [two, two, four, nobody]} # "two" is listed twice | "four" is a business role | no role is called "nobody"
  - {name: four, kind: business, includes: [one]}
  - {name: five, kind: personal} # roles[five].kind: is "personal"; it must be business or technical
  - {name: seven} # roles[seven].kind: is missing
  - {name: eleven, kind: technical, target: 5, entitlements: [{name: A}]} # roles[eleven].target: must be a string
  - {name: eight, kind: technical} # roles[eight].target: is missing
  - {name: nine, kind: technical, target: crm, includes: [one]} # roles[nine].includes: a technical role includes nothing | roles[nine].entitlements: must list at least one
  - {name: ten, kind: business, target: crm} # roles[ten]: a business role has no target | roles[ten].includes: must list at least one
birthright:
  - name: all
    when: true
    accounts: [crm, crm, wiki] # birthright[all].accounts: "crm" is listed twice | no target is called "wiki"
    roles: [one, five, one, none, ""] # birthright[all].roles[4]: must not be empty | birthright[all].roles: "one" is listed twice | no role is called "none"
  - name: void # birthright[void].when: is missing | birthright[void]: gives nothing
`,
		"sources, precedence and correlation": `organization: acme
sources:
  - name: hr
    match: ["urn:hr", "urn:*:x"] # sources[hr].match: "urn:*:x": a * may stand only at the end
  - name: other
    match: ["urn:hr"] # sources[other].match: "urn:hr" is matched already at p.yaml:4
  - {name: third, match: []} # sources[third].match: must list at least one
  - {name: tenure} # sources[tenure].name: is the name under which Tenure keeps decisions of its own: take another
precedence:
  default: [hr, hr, okta] # precedence.default: "hr" is listed twice | precedence.default: no source is called "okta"
  attributes:
    mail: [hr] # precedence.attributes.mail: no attribute is called this; the attributes are department,
correlation:
  - {name: a, match: [mail]} # correlation[a].match: no attribute is called "mail"
  - {name: b, match: [email, email], then: merge} # correlation[b].match: "email" is listed twice | correlation[b].then: is "merge"; it must be link or case
  - {name: c} # correlation[c].match: must list at least one
`,
		"naming": `organization: acme
naming:
  - name: userName
    prefer: hr # naming[userName].prefer: is "hr"; it must be template or source
    onRename: ask # naming[userName].onRename: is "ask"; it must be keep or follow
    maxLength: 5 # naming[userName].maxLength: is 5; it must be between 8 and 64
    templates:
      - userName + "x" # naming[userName].templates: undeclared reference to 'userName'
      - size(person.givenName) # naming[userName].templates: must be a string, not int
      - person.custom.nick # naming[userName].templates: must be a string, not dyn; convert it with string()
      - manager.givenName # naming[userName].templates: undeclared reference to 'manager'
  - name: phone # naming[phone].name: is "phone"; it must be userName or mail
    templates: ['"x"']
  - name: mail # naming[mail].templates: must list at least one
`,
		"expressions": `organization: acme
targets:
  - name: crm
    connector: scim
    correlate: id
    attributes:
      id: person.employeeId
      a: person.departmnt # targets[crm].attributes.a: undefined field 'departmnt' (at character 7 of line 1
      b: person # targets[crm].attributes.b: must be a string, a number, true or false, or a list of these, not tenure.Person
      c: person.custom # targets[crm].attributes.c: must be a string, a number
      d: userName # targets[crm].attributes.d: refers to userName, but no naming rule allocates it
      e: 'timestamp("2026-01-01T00:00:00Z")' # targets[crm].attributes.e: must be a string, a number
      f: '[[1]]' # targets[crm].attributes.f: must be a string, a number
birthright:
  - name: one
    accounts: [crm]
    when: person.department == # birthright[one].when: Syntax error
  - name: two
    accounts: [crm]
    when: person.department # birthright[two].when: must be true or false, not string
  - name: three
    accounts: [crm]
    when: person.custom.flag # birthright[three].when: must be true or false for certain
  - name: four
    accounts: [crm]
    when: person.title == 5 # birthright[four].when: found no matching overload for '_==_'
  - name: five
    accounts: [crm]
    when: nobody.title == "" # birthright[five].when: undeclared reference to 'nobody'
`,
		"what would hide lines": `organization: acme
targets:
  - &crm # targets[crm]: anchors, aliases, merge keys and tags are not supported
    name: crm
    connector: scim
    attributes: {userName: '"x"'}
  - *crm # targets[1]: anchors, aliases, merge keys and tags are not supported
  - name: !!str wiki # targets[wiki].name: anchors, aliases | targets[].name: is missing
    connector: scim
    attributes: {userName: '"x"'}
`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(file)})
			var problems policy.Problems
			require.ErrorAs(t, err, &problems)
			byLine := map[int]string{}
			for _, p := range problems {
				require.Equal(t, "p.yaml", p.File, p)
				byLine[p.Line] += p.String() + "\n"
			}
			for i, line := range strings.Split(file, "\n") {
				_, want, marked := strings.Cut(line, " # ")
				got := byLine[i+1]
				require.Equal(t, marked, got != "", "line %d: %s\ngot %q", i+1, line, got)
				for part := range strings.SplitSeq(want, " | ") {
					require.Contains(t, got, strings.TrimSpace(part), "line %d", i+1)
				}
				if marked {
					require.Equal(t, strings.Count(want, " | ")+1, strings.Count(got, "\n"), "line %d: %s", i+1, got)
				}
			}
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ data, want string }{
		"no YAML":         {"organization: acme\ntargets: [\n", "p.yaml:2: not valid YAML: "},
		"first line":      {"organization: acme: x\n", "p.yaml:1: not valid YAML: mapping values are not allowed"},
		"tab":             {"organization: acme\ntargets:\n\t- name: x\n", "p.yaml:3: not valid YAML: "},
		"repeated key":    {"organization: acme\n\norganization: acme\n", "p.yaml:3: organization: is given twice; the first is in line 1"},
		"too large":       {strings.Repeat("#", 1<<20+1), "p.yaml: the file has 1048577 bytes; a policy file has at most 1048576"},
		"nothing":         {"", "organization: is missing"},
		"only a list":     {"- 1\n", "p.yaml:1: must be a mapping of keys to values, not a list"},
		"document of two": {"organization: acme\n---\ntargets: [\n", "p.yaml:3: not valid YAML: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(test.data)})
			require.ErrorContains(t, err, test.want)
		})
	}
}

// What the unreadable file defines is unknown, so the readable one's references must not be called wrong.
func TestAnUnreadableFileSilencesReferencesOfOthers(t *testing.T) {
	t.Parallel()
	_, err := policy.Parse(
		policy.File{Name: "rules.yaml", Data: []byte(
			"organization: acme\nbirthright: [{name: a, when: true, roles: [r]}]\nsorces: []\n")},
		policy.File{Name: "roles.yaml", Data: []byte("roles: [\n")})
	var problems policy.Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 2)
	require.Equal(t, "rules.yaml", problems[0].File)
	require.Equal(t, "roles.yaml", problems[1].File)
}

func TestFilesAreMerged(t *testing.T) {
	t.Parallel()
	const targets = "organization: acme\ntimeZone: Asia/Tokyo\ntargets:\n" +
		"  - {name: crm, connector: scim, correlate: id, attributes: {id: person.employeeId}}\n"
	const rules = "---\norganization: acme\n---\nbirthright:\n  - {name: all, when: true, accounts: [crm]}\n"
	split, err := policy.Parse(policy.File{Name: "rules.yaml", Data: []byte(rules)}, policy.File{Name: "targets.yaml", Data: []byte(targets)})
	require.NoError(t, err)
	whole, err := policy.Parse(policy.File{Name: "all.yaml", Data: []byte(targets + rules)})
	require.NoError(t, err)
	require.Equal(t, whole.Hash(), split.Hash(), "how a policy is spread over files means nothing")
	require.Equal(t, "acme", split.Organization())
	require.Equal(t, "Asia/Tokyo", split.Zone().String())

	_, err = policy.Parse(
		policy.File{Name: "a.yaml", Data: []byte(targets + "precedence: {default: [hr]}\n")},
		policy.File{Name: "b.yaml", Data: []byte(strings.Replace(targets, "acme", "other", 1) + "precedence: {default: [hr]}\n")})
	require.EqualError(t, err, strings.Join([]string{
		`b.yaml:1: organization: is "other" here and "acme" at a.yaml:1; all files must agree`,
		`b.yaml:4: targets[crm].name: is defined twice; the first is at a.yaml:4`,
		`b.yaml:5: precedence: given twice; the first is at a.yaml:5`,
	}, "\n"))
}

func TestSourceIsLoadedAsItWasParsed(t *testing.T) {
	t.Parallel()
	parsed := example(t)
	loaded, err := policy.Load(parsed.Source())
	require.NoError(t, err)
	require.Equal(t, parsed.Source(), loaded.Source())
	require.Equal(t, parsed.Hash(), loaded.Hash())
	require.Len(t, loaded.Hash(), 64)
	require.Equal(t, parsed.Targets(), loaded.Targets())
	require.Equal(t, parsed.Correlations(), loaded.Correlations())
	require.Equal(t, parsed.Precedence(), loaded.Precedence())
	require.Equal(t, parsed.Zone().String(), loaded.Zone().String())
	require.Equal(t, parsed.RefersToManager(), loaded.RefersToManager())
	before, err := parsed.Desired(salesperson())
	require.NoError(t, err)
	after, err := loaded.Desired(salesperson())
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Contains(t, string(parsed.Source()), `"preHire":"7d"`, "defaults are stored, so that they hold for later versions")
	require.Contains(t, string(parsed.Source()), `person.department == \"Sales\" && person`)
}

func TestLoadRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		`{`: "the stored policy cannot be read by this version: unexpected EOF",
		`{"organization":"acme","colour":"blue"}`:   `unknown field "colour"`,
		`{"organization":"acme","timeZone":"Mars"}`: `timeZone: "Mars" is not the name of a time zone`,
	} {
		_, err := policy.Load([]byte(stored))
		require.ErrorContains(t, err, want)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	p := example(t)
	require.Len(t, p.Targets(), 2)
	crm, ok := p.Target("crm")
	require.True(t, ok)
	require.Equal(t, policy.Target{
		Name: "crm", Connector: "scim",
		Settings:   map[string]any{"baseUrl": "env:CRM_URL", "token": "env:CRM_TOKEN", "pageSize": 100.0},
		Correlate:  "userName",
		Attributes: []string{"displayName", `emails[type eq "work"].value`, "level", "manager", "tags", "title", "userName"},
		Entitlements: []policy.Entitlement{
			{Kind: "group", Name: "Everyone"}, {Kind: "group", Name: "Sales"}, {Kind: "licence", Name: "Full"},
		},
		Concurrency: 8, AttemptTimeout: 10 * time.Second, SettleLag: time.Minute, BlockBudget: 2 * time.Minute,
		PreHire: 7 * 24 * time.Hour, OnUnassigned: policy.OnUnassignedDisable, Provision: policy.ProvisionEager,
	}, crm)
	wiki, ok := p.Target("wiki")
	require.True(t, ok)
	require.Equal(t, 48*time.Hour, wiki.PreHire)
	require.Equal(t, policy.OnUnassignedDelete, wiki.OnUnassigned)
	_, ok = p.Target("erp")
	require.False(t, ok)
}

func TestRates(t *testing.T) {
	t.Parallel()
	parse := func(rate string) (*policy.Policy, error) {
		return policy.Parse(policy.File{Name: "p.yaml", Data: []byte("organization: acme\ntargets:\n" +
			"  - name: crm\n    connector: scim\n    attributes: {userName: person.email}\n" + rate)})
	}
	for text, want := range map[string]policy.Rate{
		"":                                       {},
		"    rate: {requests: 600, per: 1m}":     {Requests: 600, Per: time.Minute},
		"    rate: {requests: 10, per: 1h}":      {Requests: 10, Per: time.Hour},
		"    rate: {requests: 1000000, per: 1s}": {Requests: 1_000_000, Per: time.Second},
		"    rate:\n      requests: 30\n      per: 10s": {Requests: 30, Per: 10 * time.Second},
	} {
		p, err := parse(text)
		require.NoError(t, err, text)
		loaded, err := policy.Load(p.Source())
		require.NoError(t, err, text)
		for _, of := range []*policy.Policy{p, loaded} {
			crm, ok := of.Target("crm")
			require.True(t, ok)
			require.Equal(t, want, crm.Rate, text)
		}
		require.Equal(t, text != "", strings.Contains(string(p.Source()), "rate"), "what is not given is not stored")
	}
	for text, want := range map[string]string{
		"    rate: 600":                              "targets[crm].rate: must be a mapping of keys to values, not a number",
		"    rate: {}":                               "targets[crm].rate.per: is missing",
		"    rate: {requests: 600}":                  "targets[crm].rate.per: is missing",
		"    rate: {per: 1m}":                        "targets[crm].rate.requests: is missing",
		"    rate: {requests: 9, per: 1m}":           "targets[crm].rate.requests: is 9; it must be between 10 and 1000000",
		"    rate: {requests: 1000001, per: 1m}":     "targets[crm].rate.requests: is 1000001; it must be between 10 and 1000000",
		"    rate: {requests: 600, per: 999ms}":      "targets[crm].rate.per: is 999ms; it must be between 1s and 1h0m0s",
		"    rate: {requests: 600, per: 61m}":        "targets[crm].rate.per: is 1h1m0s; it must be between 1s and 1h0m0s",
		"    rate: {requests: many, per: 1m}":        "targets[crm].rate.requests: must be a whole number, not a string",
		"    rate: {requests: 600, per: 1m, at: 10}": "targets[crm].rate.at: unknown key; the keys here are per, requests",
	} {
		_, err := parse(text)
		require.ErrorContains(t, err, want, text)
	}
}
