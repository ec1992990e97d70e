package api_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

const meaningPolicy = `  scim: {source: directory}
sources:
  - {name: hr, match: ["urn:hr"]}
  - {name: directory}
precedence: {default: [hr, directory]}
correlation:
  - {name: same-mail, match: [email], then: link}
  - {name: same-name, match: [familyName]}
`

// docTable reads the rows of a Markdown document's table below a heading.
func docTable(t *testing.T, file, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	_, below, found := strings.Cut(string(text), "\n## "+heading+"\n")
	require.True(t, found)
	below, _, _ = strings.Cut(below, "\n## ")
	var rows [][]string
	for line := range strings.Lines(below) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	require.Greater(t, len(rows), 2)
	return rows[2:] // without the heading and the line below it
}

// meaning plays one row.
type meaning struct {
	directory

	hr     tenant
	user   string // the User's id
	person string // the id of the one whom HR knows
}

func (m *meaning) body(changes ...string) string {
	fields := map[string]string{"userName": `"ada@acme.example"`, "externalId": `"e1"`, "active": "true", "title": `"T"`,
		"emails": `[{"value":"ada@acme.example","type":"work","primary":true}]`, "name": `{"givenName":"Ada","familyName":"Example"}`}
	for i := 0; i < len(changes); i += 2 {
		fields[changes[i]] = changes[i+1]
	}
	var list []string
	for name, value := range fields {
		if value != "" {
			list = append(list, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(list, ",") + "}"
}

func (m *meaning) path() string { return "/Users/" + m.user }

func (m *meaning) active() { m.user = m.post("/Users", m.body()).is(http.StatusCreated).text("id") }

func (m *meaning) worker(id, kind, data string) answer {
	return m.hr.send(cloudEvent(id, kind, data)).is(http.StatusAccepted)
}

func (m *meaning) known() {
	m.person = m.worker("1", "joined", `"employeeId":"1","givenName":"Ada","familyName":"Example","email":"ada@acme.example","title":"HR","startDate":"2026-01-02"`).text("identityId")
}

// before is what the first column means.
var before = map[string]func(m *meaning){
	"unknown":  func(*meaning) {},
	"active":   (*meaning).active,
	"inactive": func(m *meaning) { m.active(); m.later(); m.request("PATCH active: false") },
	"deleted":  func(m *meaning) { m.active(); m.later(); m.request("DELETE") },
	"inactive, then deleted": func(m *meaning) {
		m.active()
		m.later()
		m.request("PATCH active: false")
		m.later()
		m.request("DELETE")
	},
	"two deleted of one externalId": func(m *meaning) {
		m.active()
		other := m.post("/Users", m.body("userName", `"eve@acme.example"`, "externalId", `"e2"`, "emails", "", "name", "")).is(http.StatusCreated).text("id")
		m.patch("/Users/"+other, `{"op":"replace","path":"externalId","value":"e1"}`).is(http.StatusOK)
		m.later()
		m.request("DELETE")
		m.later()
		m.delete("/Users/" + other).is(http.StatusNoContent)
	},
	"in HR":            (*meaning).known,
	"in HR, left":      func(m *meaning) { m.known(); m.worker("2", "left", `"employeeId":"1","lastDay":"2026-02-02"`) },
	"in HR and active": func(m *meaning) { m.known(); m.active() },
	"two of the name in HR": func(m *meaning) {
		m.worker("3", "joined", `"employeeId":"3","givenName":"Eve","familyName":"Example","startDate":"2026-01-02"`)
		m.worker("4", "joined", `"employeeId":"4","givenName":"Bob","familyName":"Other","startDate":"2026-01-02"`)
		m.worker("5", "changed", `"employeeId":"4","familyName":"Example"`)
	},
}

func (m *meaning) later() { m.h.clock.advance(time.Hour) }

// request is what the second column means.
func (m *meaning) request(name string) scimAnswer {
	m.h.t.Helper()
	if first, second, ok := strings.Cut(name, ", then "); ok {
		m.user = m.request(first).text("id")
		name = second
	}
	switch method, what, _ := strings.Cut(name, " "); method {
	case "GET":
		return m.get(m.path())
	case "DELETE":
		return m.delete(m.path())
	case "POST":
		return m.post("/Users", m.changed(what))
	case "PUT":
		return m.put(m.path(), m.changed(what))
	case "PATCH":
		operations, ok := map[string]string{
			"title": `{"op":"replace","path":"title","value":"U"}`, "nickName": `{"op":"add","path":"nickName","value":"A"}`,
			"userName":      `{"op":"replace","path":"userName","value":"ada.king@acme.example"}`,
			"active: false": `{"op":"replace","value":{"active":false}}`, "active: true": `{"op":"replace","path":"active","value":true}`,
			`active: "False"`: `{"op":"Replace","path":"active","value":"False"}`, "remove active": `{"op":"remove","path":"active"}`,
			"active: null": `{"op":"replace","path":"active","value":null}`, `active: ""`: `{"op":"replace","value":{"active":""}}`,
			"as Entra deletes": `{"op":"Replace","path":"active","value":"False"},
				{"op":"Replace","path":"userName","value":"0123456789abcdef0123456789abcdefada@acme.example"}`,
		}[what]
		require.True(m.h.t, ok, name)
		return m.patch(m.path(), operations)
	}
	require.Fail(m.h.t, "no such request", name)
	return scimAnswer{}
}

func (m *meaning) changed(what string) string {
	changes, ok := map[string][]string{
		"": nil, "of the same": nil, "active": nil, "inactive": {"active", "false"}, "without active": {"active", ""}, "active: null": {"active", "null"}, "without externalId": {"externalId", ""},
		"with another title": {"title", `"U"`}, "with another userName": {"userName", `"ada.king@acme.example"`}, "with another externalId": {"externalId", `"e2"`},
		"of whom nobody knows more than the userName": {"externalId", "", "emails", "", "name", ""},
		"of somebody else with the userName":          {"externalId", `"e2"`, "emails", "", "name", ""},
	}[what]
	require.True(m.h.t, ok, what)
	return m.body(changes...)
}

func TestSCIMMeaning(t *testing.T) {
	t.Parallel()
	h := start(t)
	for i, row := range docTable(t, "../docs/scim/meaning.md", "Users") {
		t.Run(row[0]+": "+row[1], func(t *testing.T) {
			m := playMeaning(t, h, fmt.Sprint("row", i), meaningPolicy, row)
			require.Equal(t, row[5], fmt.Sprint(m.count("identities")))
		})
	}
}

func TestSCIMInactiveMeansWhatPolicySays(t *testing.T) {
	t.Parallel()
	h := start(t)
	for i, row := range docTable(t, "../docs/scim/meaning.md", "Inactive Users by policy") {
		t.Run(strings.Join(row[:3], ": "), func(t *testing.T) {
			rules := strings.Replace(meaningPolicy, "directory}", "directory, inactive: "+row[0]+"}", 1)
			m := playMeaning(t, h, fmt.Sprint("inactive", i), rules, row[1:])
			require.Equal(t, row[6], m.state())
		})
	}
}

// TestSCIMInactiveStaysWhatItMeant: a policy that comes later brings nobody back, and lets nobody leave, who was inactive before.
func TestSCIMInactiveStaysWhatItMeant(t *testing.T) {
	t.Parallel()
	h := start(t)
	for i, c := range []struct{ before, after, state, deleted string }{
		{"leave", "suspension", "left", "left"},
		{"leave", "immediateLeave", "left", "left, at once"},
		{"immediateLeave", "suspension", "left, at once", "left, at once"},
		{"immediateLeave", "leave", "left, at once", "left, at once"},
		{"suspension", "leave", "suspended", "left"},
		{"suspension", "immediateLeave", "suspended", "left, at once"},
	} {
		t.Run(c.before+", "+c.after, func(t *testing.T) {
			org := fmt.Sprint("stays", i)
			rules := func(inactive string) string {
				return strings.Replace(meaningPolicy, "directory}", "directory, inactive: "+inactive+"}", 1)
			}
			m := &meaning{directory: h.directory(org, rules(c.before)).on(t)}
			m.active()
			m.later()
			m.request("PATCH active: false").is(http.StatusOK)
			h.applyText(org, scimPolicy(org, rules(c.after)))
			m.later()
			m.request("PATCH title").is(http.StatusOK)
			require.Equal(t, c.state, m.state())
			m.later()
			m.request("DELETE").is(http.StatusNoContent)
			require.Equal(t, c.deleted, m.state())
		})
	}
}

// playMeaning plays a row that begins with before, request, answer, effect and leave.
func playMeaning(t *testing.T, h *harness, org, rules string, row []string) *meaning {
	t.Helper()
	d := h.directory(org, rules).on(t)
	m := &meaning{directory: d, hr: tenant{h: d.h, id: org, hr: d.h.token(org, "hr")}}
	prepare, ok := before[row[0]]
	require.True(t, ok, row[0])
	prepare(m)
	m.later()
	record := len(m.audited())
	got := m.request(row[1])
	status, whose, _ := strings.Cut(strings.Replace(row[2], " uniqueness", "", 1), ", ")
	require.Equal(t, status, fmt.Sprint(got.status), string(got.body))
	if strings.HasSuffix(row[2], "uniqueness") {
		got.refused(http.StatusConflict, "uniqueness")
	}
	if whose != "" {
		m.owner(got.text("id"), whose)
	}
	require.Equal(t, row[3], m.effect(record))
	require.Equal(t, row[4], m.leave())
	return m
}

// owner checks whose id a resource has, and takes it for the User's.
func (m *meaning) owner(id, whose string) {
	m.h.t.Helper()
	switch whose {
	case "same":
		require.Equal(m.h.t, m.user, id)
	case "person":
		require.Equal(m.h.t, m.person, id)
	case "new":
		require.NotContains(m.h.t, []string{m.user, m.person}, id)
	default:
		require.Fail(m.h.t, "nobody is called so", whose)
	}
	m.user = id
}

func (m *meaning) audited() []string {
	m.h.t.Helper()
	var effects []string
	require.NoError(m.h.t, m.h.store.InOrg(m.h.t.Context(), m.org, func(tx *store.Tx) error {
		rows, err := tx.Query(m.h.t.Context(), `select detail->>'effect' from audit where org = $1 and object_type = 'scim_user' order by id`, m.org)
		if err != nil {
			return err
		}
		effects, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}))
	return effects
}

// effect is what was recorded after the entries that were there.
func (m *meaning) effect(before int) string {
	m.h.t.Helper()
	switch after := m.audited()[before:]; len(after) {
	case 0:
		return "—"
	default:
		return after[len(after)-1]
	}
}

// leave says how the person's leave stands.
func (m *meaning) leave() string {
	m.h.t.Helper()
	switch left := m.seen().LeftAt; {
	case left == nil:
		return "none"
	case left.Equal(m.h.clock.now()):
		return "begins"
	default:
		return "goes on"
	}
}

func (m *meaning) state() string {
	m.h.t.Helper()
	is := m.seen()
	if is.Immediate {
		return string(is.State) + ", at once"
	}
	return string(is.State)
}

// seen is the person; nobody while a case is open.
func (m *meaning) seen() (person store.View) {
	m.h.t.Helper()
	id := m.person
	if id == "" {
		id = m.user
	}
	require.NoError(m.h.t, m.h.store.InOrg(m.h.t.Context(), m.org, func(tx *store.Tx) (err error) {
		person, err = tx.ViewOf(m.h.t.Context(), uuid.MustParse(id))
		if identity.ErrorCode(err) == identity.NotFound {
			return nil
		}
		return err
	}))
	return person
}
