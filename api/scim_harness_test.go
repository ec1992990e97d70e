package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// directory is a SCIM client of one organization.
type directory struct {
	h     *harness
	org   string
	token string
}

// scimPolicy is a policy that lets SCIM clients write; more is appended to it.
func scimPolicy(org, more string) string {
	return "organization: " + org + "\ntimeZone: UTC\nprovisioning:\n  mode: scim\n" + more
}

// directory makes an organization in mode scim, with a client of it.
func (h *harness) directory(org, more string) directory {
	h.t.Helper()
	require.NoError(h.t, h.store.CreateOrganization(h.t.Context(), org, org))
	h.applyText(org, scimPolicy(org, more))
	return h.client(org)
}

// client is another client of an organization. scopes are scim when there are none.
func (h *harness) client(org string, scopes ...string) directory {
	h.t.Helper()
	if len(scopes) == 0 {
		scopes = []string{"scim"}
	}
	return directory{h: h, org: org, token: h.token(org, scopes...)}
}

// applyText puts a policy in force.
func (h *harness) applyText(org, text string) {
	h.t.Helper()
	p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(text)})
	require.NoError(h.t, err)
	_, version, err := h.service.PolicyInForce(h.t.Context(), org)
	require.NoError(h.t, err)
	_, err = h.service.ApplyPolicy(h.t.Context(), org, lifecycle.Caller{Actor: "cli:test"}, p, version)
	require.NoError(h.t, err)
}

// on is the same client in a subtest.
func (d directory) on(t *testing.T) directory {
	t.Helper()
	h := *d.h
	h.t = t
	d.h = &h
	return d
}

const scimMedia = "application/scim+json"

// do sends a request below /scim/v2; headers come in pairs.
func (d directory) do(method, path, body string, headers ...string) scimAnswer {
	d.h.t.Helper()
	contentType := ""
	if body != "" {
		contentType = scimMedia
	}
	r := d.h.request(method, "/scim/v2"+path, d.token, contentType, body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return scimAnswer{d.h.do(r), d.h.log}
}

func (d directory) get(path string, headers ...string) scimAnswer {
	d.h.t.Helper()
	return d.do(http.MethodGet, path, "", headers...)
}

func (d directory) post(path, body string, headers ...string) scimAnswer {
	d.h.t.Helper()
	return d.do(http.MethodPost, path, body, headers...)
}

func (d directory) put(path, body string, headers ...string) scimAnswer {
	d.h.t.Helper()
	return d.do(http.MethodPut, path, body, headers...)
}

// patch sends the operations, which go without the brackets.
func (d directory) patch(path, operations string, headers ...string) scimAnswer {
	d.h.t.Helper()
	return d.do(http.MethodPatch, path, patchOf(operations), headers...)
}

func patchOf(operations string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
}

func (d directory) delete(path string, headers ...string) scimAnswer {
	d.h.t.Helper()
	return d.do(http.MethodDelete, path, "", headers...)
}

// user makes a User and answers its id. more goes without braces.
func (d directory) user(userName string, more ...string) string {
	d.h.t.Helper()
	return d.post("/Users", userOf(userName, more...)).is(http.StatusCreated).text("id")
}

func userOf(userName string, more ...string) string {
	fields := append([]string{`"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`, fmt.Sprintf(`"userName":%q`, userName)}, more...)
	return "{" + strings.Join(fields, ",") + "}"
}

// group makes a Group with these members and answers its id.
func (d directory) group(displayName string, members ...string) string {
	d.h.t.Helper()
	return d.post("/Groups", groupOf(displayName, members...)).is(http.StatusCreated).text("id")
}

func groupOf(displayName string, members ...string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":[%s]}`, displayName, membersOf(members...))
}

func membersOf(ids ...string) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = fmt.Sprintf(`{"value":%q}`, id)
	}
	return strings.Join(list, ",")
}

// members are the ids of a group's members.
func (d directory) members(group string) []string {
	d.h.t.Helper()
	answer := d.get("/Groups/" + group).is(http.StatusOK)
	var ids []string
	if answer.get("members") == nil {
		return ids
	}
	for _, m := range answer.items("members") {
		ids = append(ids, m.(map[string]any)["value"].(string))
	}
	return ids
}

// scimAnswer is what a SCIM request was answered.
type scimAnswer struct {
	answer

	server *lockedBuffer
}

// log is what the server logged of a request that it could not answer.
func (a scimAnswer) log() string {
	if a.status < http.StatusInternalServerError {
		return ""
	}
	return "\n" + a.server.String()
}

// is checks the status, and the form that every answer has.
func (a scimAnswer) is(status int) scimAnswer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s%s", a.body, a.log())
	require.NotEmpty(a.t, a.header.Get("Tenure-Request-Id"))
	if status == http.StatusNoContent || status == http.StatusNotModified {
		require.Empty(a.t, a.body)
		return a
	}
	require.Equal(a.t, scimMedia, a.header.Get("Content-Type"), string(a.body))
	if status >= http.StatusBadRequest {
		require.Equal(a.t, fmt.Sprint(status), a.get("status"), "the status is a text")
		require.Equal(a.t, []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, a.get("schemas"))
		require.NotEmpty(a.t, a.get("detail"))
	}
	return a
}

// refused checks the status and the scimType, "" for none.
func (a scimAnswer) refused(status int, scimType string) scimAnswer {
	a.t.Helper()
	a.is(status)
	got, _ := a.get("scimType").(string)
	require.Equal(a.t, scimType, got, string(a.body))
	return a
}

// whole is the body.
func (a scimAnswer) whole() map[string]any {
	a.t.Helper()
	var body map[string]any
	require.NoError(a.t, json.Unmarshal(a.body, &body), string(a.body))
	return body
}

// ids are the ids of a list's resources, in order.
func (a scimAnswer) ids() []string {
	a.t.Helper()
	a.is(http.StatusOK)
	ids := []string{}
	for _, r := range a.items("Resources") {
		ids = append(ids, r.(map[string]any)["id"].(string))
	}
	return ids
}

// auditOf reads acme's entries of an action, in order.
func (h *harness) auditOf(action string) []store.AuditEntry {
	h.t.Helper()
	const org = "acme"
	var entries []store.AuditEntry
	require.NoError(h.t, h.store.InOrg(h.t.Context(), org, func(tx *store.Tx) error {
		rows, err := tx.Query(h.t.Context(), `select actor, action, object_type, object_id, coalesce(identity_id, '00000000-0000-0000-0000-000000000000'), request_id, detail
			from audit where org = $1 and action = $2 order by id`, org, action)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, pgx.RowToStructByPos[store.AuditEntry])
		return err
	}))
	return entries
}
