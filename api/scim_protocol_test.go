package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/api"
	"github.com/tenurehq/tenure/api/scim"
	scimschema "github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

func TestSCIMAuthentication(t *testing.T) {
	t.Parallel()
	h := start(t)
	d := h.directory("acme", "")
	id := d.user("ada")
	nobody := directory{h: h}
	// However a path is spelled, nothing is told to somebody without a token.
	for _, path := range []string{"", "/", "/Users", "/Users/", "/Users/" + id, "/%55sers", "//Users", "/Users//", "/Users;x", "/Users;x=1/" + id, "/Users%2F" + id,
		"/%2e/Users", "/../v2/Users", "/Groups", "/Me", "/Schemas", "/ResourceTypes", "/Bulk", "/.search", "/nothing", "/Users/%00", "/%ff"} {
		answer := nobody.get(path).refused(http.StatusUnauthorized, "")
		require.Equal(t, `Bearer realm="tenure"`, answer.header.Get("WWW-Authenticate"), path)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		nobody.do(method, "/Users/"+id, "").refused(http.StatusUnauthorized, "")
	}
	for _, outside := range []string{"//scim/v2/Users", "/%73cim/v2/Users", "/scim%2fv2/Users", "/scim//v2/Users", "/SCIM/v2/Users", "/scim/v2;x/Users"} {
		require.Equal(t, http.StatusNotFound, h.do(h.request(http.MethodGet, outside, d.token, "", "")).status, outside)
	}
	bad := directory{h: h, token: "tnr_wrong"}.get("/Users").refused(http.StatusUnauthorized, "")
	require.Equal(t, `Bearer realm="tenure", error="invalid_token"`, bad.header.Get("WWW-Authenticate"))
	directory{h: h, token: "tnr_wrong"}.get("/ServiceProviderConfig").refused(http.StatusUnauthorized, "")
	nobody.get("/ServiceProviderConfig").is(http.StatusOK) // RFC 7643, section 5: how to authenticate is found out without

	require.Equal(t, []string{id}, d.get("/%55sers").ids(), "escapes of what needs none mean the same")
	require.Equal(t, []string{id}, d.get("/Users/?filter=userName%20eq%20%22ada%22").ids())
	d.get("//Users").refused(http.StatusNotFound, "")
	d.get("/Users;x").refused(http.StatusNotFound, "")
	d.get("/Users/%00").refused(http.StatusBadRequest, "invalidSyntax")
	d.get("/Users/%ff").refused(http.StatusBadRequest, "invalidSyntax")

	for _, scope := range []string{"hr", "read"} {
		h.client("acme", scope).get("/Users").refused(http.StatusForbidden, "")
	}
	for _, scope := range []string{"admin", "scim:entra", "scim:okta", "scim:rfc"} {
		h.client("acme", scope).get("/Users").is(http.StatusOK)
	}
	require.Equal(t, http.StatusForbidden, h.get("/v1/identities", d.token).status, "a directory reads nothing else")
}

func TestSCIMTokensCanBeRotated(t *testing.T) {
	t.Parallel()
	h := start(t)
	d := h.directory("acme", "")
	next := h.client("acme")
	d.get("/Users").is(http.StatusOK)
	next.get("/Users").is(http.StatusOK)
	var tokens []store.Token
	require.NoError(t, h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) (err error) {
		if tokens, err = tx.Tokens(t.Context()); err != nil {
			return err
		}
		for _, token := range tokens {
			require.NotNil(t, token.LastUsedAt)
		}
		return tx.RevokeToken(t.Context(), tokens[1].ID, "cli:test") // the older one
	}))
	require.Eventually(t, func() bool { return d.get("/Users").status == http.StatusUnauthorized }, 20*time.Second, 50*time.Millisecond)
	next.get("/Users").is(http.StatusOK)
	h.clock.advance(25 * time.Hour)
	next.get("/Users").refused(http.StatusUnauthorized, "") // expired
}

func TestSCIMRateLimit(t *testing.T) {
	t.Parallel()
	h := startWith(t, func(o *api.Options) { o.SCIM = scim.Limit{PerSecond: 0.001, Burst: 2} })
	d := h.directory("acme", "")
	d.get("/Users").is(http.StatusOK)
	d.get("/Users").is(http.StatusOK)
	wait, err := strconv.Atoi(d.get("/Users").refused(http.StatusTooManyRequests, "").header.Get("Retry-After"))
	require.NoError(t, err, "a whole number of seconds")
	require.Positive(t, wait)
	require.LessOrEqual(t, wait, 1000)
	h.client("acme").get("/Users").is(http.StatusOK)
}

func TestSCIMMethods(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	id := d.user("ada")
	for path, allowed := range map[string]string{
		"/Users": "GET, HEAD, POST", "/Users/" + id: "DELETE, GET, HEAD, PATCH, PUT", "/Groups": "GET, HEAD, POST", "/ServiceProviderConfig": "GET, HEAD",
		"/Schemas": "GET, HEAD", "/ResourceTypes": "GET, HEAD", "/ResourceTypes/User": "GET, HEAD", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User": "GET, HEAD",
		"/Bulk": "POST", "/.search": "POST", "/Users/.search": "POST", "/": "GET, HEAD", "": "GET, HEAD",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			if strings.Contains(allowed, method) {
				continue
			}
			answer := d.do(method, path, "{}").refused(http.StatusMethodNotAllowed, "")
			require.Equal(t, allowed, answer.header.Get("Allow"), path)
		}
		d.do("BREW", path, "").refused(http.StatusNotImplemented, "")
		head := d.do(http.MethodHead, path, "")
		require.Empty(t, head.body)
		if !strings.Contains(allowed, http.MethodHead) {
			require.Equal(t, http.StatusMethodNotAllowed, head.status)
			continue
		}
		get := d.get(path).is(http.StatusOK)
		require.Equal(t, http.StatusOK, head.status)
		for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Location", "Content-Location"} {
			require.Equal(t, get.header.Get(name), head.header.Get(name), "%s of %s", name, path)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
		d.do(method, "/Me", "").refused(http.StatusNotImplemented, "")
	}
	d.get("/nothing").refused(http.StatusNotFound, "")
	d.get("/Users/"+id+"/name").refused(http.StatusNotFound, "")
	for _, not := range []string{"1", "ada", strings.ToUpper(id), "{" + id + "}", strings.ReplaceAll(id, "-", ""), "urn:uuid:" + id, "00000000-0000-0000-0000-000000000000"} {
		d.get("/Users/"+url.PathEscape(not)).refused(http.StatusNotFound, "")
	}
}

// The addresses in answers are those by which the client reached us, also through a proxy that ends TLS.
func TestSCIMLocations(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	id := d.user("ada")
	for forwarded, scheme := range map[string]string{"": "http", "http": "http", "https": "https", "HTTPS, http": "https", "rubbish": "http"} {
		r := d.h.request(http.MethodGet, "/scim/v2/Users/"+id, d.token, "", "")
		r.Host = "tenure.example.com"
		r.Header.Set("X-Forwarded-Proto", forwarded)
		answer := scimAnswer{d.h.do(r), d.h.log}.is(http.StatusOK)
		require.Equal(t, scheme+"://tenure.example.com/scim/v2/Users/"+id, answer.text("meta.location"))
		require.Equal(t, answer.text("meta.location"), answer.header.Get("Location"))
		require.Equal(t, answer.text("meta.location"), answer.header.Get("Content-Location")) // RFC 7643, section 3.1
	}
	for _, write := range []scimAnswer{d.post("/Users", userOf("bob")), d.put("/Users/"+id, userOf("ada")), d.patch("/Users/"+id, `{"op":"add","path":"title","value":"T"}`)} {
		require.Equal(t, write.text("meta.location"), write.header.Get("Content-Location"))
	}
	require.Empty(t, d.delete("/Users/"+id).is(http.StatusNoContent).header.Get("Content-Location"))
}

func TestSCIMContentTypes(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	for i, test := range []struct {
		contentType, encoding string
		status                int
	}{
		{"application/scim+json", "", 201},
		{"application/scim+json; charset=utf-8", "", 201},
		{"application/json", "", 201},
		{"Application/JSON;charset=UTF-8", "", 201},
		{"", "", 201},
		{"application/json", "identity", 201},
		{"text/plain", "", 415},
		{"application/x-www-form-urlencoded", "", 415},
		{"application/json; charset=utf-16", "", 415},
		{"nonsense/", "", 415},
		{"application/json", "gzip", 415},
	} {
		r := d.h.request(http.MethodPost, "/scim/v2/Users", d.token, test.contentType, userOf(fmt.Sprintf("user%d", i)))
		if test.encoding != "" {
			r.Header.Set("Content-Encoding", test.encoding)
		}
		scimAnswer{d.h.do(r), d.h.log}.is(test.status)
	}
}

func TestSCIMConditions(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	user := "/Users/" + d.user("ada")
	group := "/Groups/" + d.group("Sales")
	for _, path := range []string{user, group} {
		for _, tag := range []string{`W/"1"`, `"1"`, `*`, `W/"7", W/"1"`} {
			answer := d.get(path, "If-None-Match", tag).is(http.StatusNotModified)
			require.Equal(t, `W/"1"`, answer.header.Get("ETag"))
			d.get(path, "If-Match", tag).is(http.StatusOK)
		}
		d.get(path, "If-None-Match", `W/"2"`).is(http.StatusOK)
		d.get(path, "If-Match", `W/"2"`).refused(http.StatusPreconditionFailed, "")
		d.get(path, "If-Match", `W/"9"`, "If-None-Match", `W/"1"`).refused(http.StatusPreconditionFailed, "") // RFC 9110, section 13.2.2
		d.get(path, "If-Match", `W/"1"`, "If-None-Match", `W/"1"`).is(http.StatusNotModified)
	}
	rename := `{"op":"replace","path":"displayName","value":%q}`
	for i, path := range []string{user, group} {
		first := fmt.Sprintf(rename, "A")
		d.patch(path, first, "If-Match", `W/"2"`).refused(http.StatusPreconditionFailed, "")
		d.patch(path, first, "If-None-Match", `*`).refused(http.StatusPreconditionFailed, "")
		require.Equal(t, `W/"2"`, d.patch(path, first, "If-Match", `W/"1"`).is(http.StatusOK).header.Get("ETag"))
		body := []string{userOf("ada", `"displayName":"B"`), groupOf("B")}[i]
		d.put(path, body, "If-Match", `W/"1"`).refused(http.StatusPreconditionFailed, "")
		require.Equal(t, `W/"3"`, d.put(path, body, "If-Match", `W/"2"`).is(http.StatusOK).header.Get("ETag"))
		d.delete(path, "If-Match", `W/"2"`).refused(http.StatusPreconditionFailed, "")
		d.get(path).is(http.StatusOK)
		d.delete(path, "If-Match", `W/"3"`).is(http.StatusNoContent)
		d.get(path, "If-Match", `*`).refused(http.StatusNotFound, "")
	}
}

func TestSCIMDiscovery(t *testing.T) {
	t.Parallel()
	h := start(t)
	d := h.directory("acme", `  scim:
    schemas:
      - name: acme
        id: urn:ietf:params:scim:schemas:extension:acme:2.0:User
        attributes: [{name: badge, type: string}, {name: level, type: integer}]
`)
	other := h.directory("rival", "")
	config := d.get("/ServiceProviderConfig").is(http.StatusOK)
	for _, part := range []string{"patch", "bulk", "filter", "sort", "etag"} {
		require.Equal(t, true, config.get(part+".supported"), part)
	}
	require.Equal(t, false, config.get("changePassword.supported"))
	require.InDelta(t, 1000, config.get("bulk.maxOperations"), 0)
	require.InDelta(t, 10<<20, config.get("bulk.maxPayloadSize"), 0)
	require.Equal(t, "oauthbearertoken", config.text("authenticationSchemes.0.type"))
	require.Equal(t, true, config.get("pagination.cursor"))
	require.Nil(t, config.get("pagination.cursorTimeout"), "they do not expire")
	require.Equal(t, h.url+"/scim/v2/ServiceProviderConfig", config.text("meta.location"))

	types := d.get("/ResourceTypes").is(http.StatusOK)
	require.InDelta(t, 2, types.get("totalResults"), 0)
	require.Len(t, types.items("Resources.0.schemaExtensions"), 2)
	for _, name := range []string{"User", "Group"} {
		one := d.get("/ResourceTypes/" + name).is(http.StatusOK)
		require.Equal(t, name, one.text("id"))
		require.Equal(t, h.url+"/scim/v2/ResourceTypes/"+name, one.text("meta.location"))
	}
	d.get("/ResourceTypes/Device").refused(http.StatusNotFound, "")

	schemas := d.get("/Schemas").is(http.StatusOK)
	require.Equal(t, "urn:ietf:params:scim:api:messages:2.0:ListResponse", schemas.text("schemas.0"))
	var urns []string
	for i := range schemas.items("Resources") {
		urn := schemas.text(fmt.Sprintf("Resources.%d.id", i))
		urns = append(urns, urn)
		require.Equal(t, urn, d.get("/Schemas/"+urn).is(http.StatusOK).text("id"))
	}
	require.Equal(t, []string{"urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:Group",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "urn:ietf:params:scim:schemas:extension:acme:2.0:User",
		scimschema.ConfigSchema, scimschema.ResourceTypeSchema, scimschema.SchemaSchema}, urns)
	other.get("/Schemas/urn:ietf:params:scim:schemas:extension:acme:2.0:User").refused(http.StatusNotFound, "")
	require.Len(t, other.get("/Schemas").is(http.StatusOK).items("Resources"), 6)
	for _, path := range []string{"/Schemas", "/ResourceTypes", "/ServiceProviderConfig"} {
		d.get(path+"?filter=id%20pr").refused(http.StatusForbidden, "")
	}

	id := d.user("ada", `"urn:ietf:params:scim:schemas:extension:acme:2.0:User":{"badge":"b1","level":3}`)
	read := d.get("/Users/" + id).is(http.StatusOK)
	require.Contains(t, read.get("schemas"), "urn:ietf:params:scim:schemas:extension:acme:2.0:User")
	require.Equal(t, []string{id}, d.get("/Users?filter="+url.QueryEscape(`urn:ietf:params:scim:schemas:extension:acme:2.0:User:level ge 3`)).ids())
}

func TestSCIMModes(t *testing.T) {
	t.Parallel()
	h := start(t)
	d := h.directory("acme", "")
	user, group := d.user("ada"), d.group("Sales")
	for _, mode := range []string{"disabled", "jit"} {
		h.applyText("acme", "organization: acme\ntimeZone: UTC\nprovisioning: {mode: "+mode+"}\n")
		d.get("/Users/" + user).is(http.StatusOK)
		for _, write := range []scimAnswer{
			d.post("/Users", userOf("bob")), d.put("/Users/"+user, userOf("ada")), d.patch("/Users/"+user, `{"op":"replace","path":"active","value":false}`),
			d.delete("/Users/" + user), d.post("/Groups", groupOf("Sales")), d.put("/Groups/"+group, groupOf("Sales")),
			d.patch("/Groups/"+group, `{"op":"remove","path":"members"}`), d.delete("/Groups/" + group), d.post("/Users", "rubbish"),
			d.bulk("", creating("/Users", "b", userOf("bob"))),
		} {
			require.Contains(t, write.refused(http.StatusForbidden, "").text("detail"), mode)
		}
	}
	h.applyText("acme", scimPolicy("acme", ""))
	d.user("bob")

	h.org("fresh") // before its first policy
	h.client("fresh").get("/Users").is(http.StatusOK)
	h.client("fresh").post("/Users", userOf("ada")).refused(http.StatusForbidden, "")
}

func TestSCIMRequestIDIsInTheRecord(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	made := d.post("/Users", userOf("ada", `"nickName":"A"`, `"shoeSize":41`), "Tenure-Request-Id", "request-1").is(http.StatusCreated)
	require.Equal(t, "request-1", made.header.Get("Tenure-Request-Id"))
	entries := d.h.auditOf("scim.user.created")
	require.Len(t, entries, 1)
	require.Equal(t, "request-1", entries[0].RequestID)
	require.Equal(t, made.text("id"), entries[0].ObjectID)
	require.Equal(t, made.text("id"), entries[0].Identity.String())
	require.True(t, strings.HasPrefix(entries[0].Actor, "token:"))
	require.Equal(t, []any{"shoeSize"}, entries[0].Detail["ignored"])
	require.Contains(t, d.h.log.String(), `"route":"/scim/v2/Users"`)
	d.get("/Users/" + made.text("id"))
	require.Contains(t, d.h.log.String(), `"route":"/scim/v2/Users/{id}"`)
	metrics := string(d.h.get("/metrics", "").body)
	require.Contains(t, metrics, `route="/scim/v2/Users/{id}"`)
	require.NotContains(t, metrics, made.text("id"))
	require.NotContains(t, d.h.log.String(), made.text("id"))
}

func TestSCIMUnknownAttributesByPolicy(t *testing.T) {
	t.Parallel()
	h := start(t)
	lenient := h.directory("acme", "")
	strict := h.directory("strict", "  scim: {unknownAttributes: reject}\n")
	body := userOf("ada", `"shoeSize":41`)
	require.Nil(t, lenient.post("/Users", body).is(http.StatusCreated).get("shoeSize"))
	strict.post("/Users", body).refused(http.StatusBadRequest, "invalidSyntax")
	id := strict.user("ada")
	strict.patch("/Users/"+id, `{"op":"add","value":{"shoeSize":41}}`).is(http.StatusBadRequest)
	require.Empty(t, strict.get("/Users/"+id).is(http.StatusOK).get("shoeSize"))
}

// TestSCIMWhatIsLeftOutIsInTheRecord, also when nothing else was said: nobody would ever see that a directory's mapping sends
// what goes nowhere.
func TestSCIMWhatIsLeftOutIsInTheRecord(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	user := d.user("ada")
	group := d.group("Crew", user)
	userBody := string(d.get("/Users/" + user).is(http.StatusOK).body)
	groupBody := string(d.get("/Groups/" + group).is(http.StatusOK).body)
	const shoe = `{"op":"add","value":{"shoeSize":41}}`
	again := `{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"` + user + `"}]}`
	for _, c := range []struct {
		name, path, action string
		send               func(path string) scimAnswer
	}{
		{"a PATCH of a User", "/Users/" + user, "scim.user.unchanged", func(path string) scimAnswer { return d.patch(path, shoe) }},
		{"a PUT of a User", "/Users/" + user, "scim.user.unchanged", func(path string) scimAnswer {
			return d.put(path, strings.Replace(userBody, "{", `{"shoeSize":41,`, 1))
		}},
		{"a PATCH of a Group", "/Groups/" + group, "scim.group.unchanged", func(path string) scimAnswer { return d.patch(path, shoe) }},
		{"a PATCH of members that cancels out", "/Groups/" + group, "scim.group.unchanged", func(path string) scimAnswer {
			return d.patch(path, shoe+","+again)
		}},
		{"a PUT of a Group", "/Groups/" + group, "scim.group.unchanged", func(path string) scimAnswer {
			return d.put(path, strings.Replace(groupBody, "{", `{"shoeSize":41,`, 1))
		}},
	} {
		recorded := len(d.h.auditOf(c.action))
		before := d.get(c.path).is(http.StatusOK).get("meta")
		require.Equal(t, before, c.send(c.path).is(http.StatusOK).get("meta"), c.name)
		entries := d.h.auditOf(c.action)
		require.Len(t, entries, recorded+1, c.name)
		require.Equal(t, path.Base(c.path), entries[recorded].ObjectID, c.name)
		require.Equal(t, []any{"shoeSize"}, entries[recorded].Detail["ignored"], c.name)
	}
	require.Equal(t, []string{user}, d.members(group))
}

// TestSCIMShowsNothingThatIsDeclaredNoMore: what an attribute of an organization's own held stays hidden when the attribute is
// dropped, and when its schema is.
func TestSCIMShowsNothingThatIsDeclaredNoMore(t *testing.T) {
	t.Parallel()
	h := start(t)
	const urn = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
	schema := func(attributes string) string {
		return "  scim:\n    schemas:\n      - name: acme\n        id: " + urn + "\n        attributes: [" + attributes + "{name: badge}]\n"
	}
	d := h.directory("acme", schema("{name: secret, mutability: writeOnly, returned: never}, {name: level, type: integer}, "))
	id := d.user("ada", `"`+urn+`":{"badge":"b1","level":3,"secret":"s3cr3t"}`)
	for _, step := range []struct{ more, gone string }{{schema(""), `"level"`}, {"", urn}} {
		require.Contains(t, string(d.get("/Users/"+id).is(http.StatusOK).body), step.gone)
		h.applyText("acme", scimPolicy("acme", step.more))
		require.EventuallyWithT(t, func(c *assert.CollectT) { // the API remembers the old rules for a while
			for _, path := range []string{"/Users/" + id, "/Users"} {
				body := string(d.get(path).is(http.StatusOK).body)
				require.NotContains(t, body, "s3cr3t")
				assert.NotContains(c, body, step.gone)
			}
		}, time.Minute, 100*time.Millisecond)
	}
	d.patch("/Users/"+id, `{"op":"replace","path":"title","value":"Chief"}`).is(http.StatusOK)
	require.NotContains(t, string(d.get("/Users/"+id).is(http.StatusOK).body), urn)
}
