package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// description is the served OpenAPI document.
type description struct{ document map[string]any }

func (h *harness) description() description {
	h.t.Helper()
	var document map[string]any
	require.NoError(h.t, json.Unmarshal(h.get("/openapi.json", "").is(http.StatusOK).body, &document))
	return description{document}
}

// check holds an answer to what the document says of the operation's answers.
func (d description) check(t *testing.T, method, path string, a answer) {
	t.Helper()
	operation, ok := lookUp(d.document, "paths", path, strings.ToLower(method)).(map[string]any)
	require.True(t, ok, "%s %s", method, path)
	response := lookUp(operation, "responses", strconv.Itoa(a.status))
	if response == nil {
		response = lookUp(operation, "responses", "default")
	}
	mediaType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	schema, ok := lookUp(response, "content", mediaType, "schema").(map[string]any)
	require.True(t, ok, "%s %s answers %d with %s, which is not described", method, path, a.status, mediaType)
	var body any
	require.NoError(t, json.Unmarshal(a.body, &body))
	require.Empty(t, d.wrong(schema, body, "answer"), string(a.body))
}

func lookUp(in any, keys ...string) any {
	for _, key := range keys {
		object, _ := in.(map[string]any)
		in = object[key]
	}
	return in
}

// wrong says what of a value is not as the schema has it. It knows the keywords that the document uses, and of them those
// that say which forms a value has.
func (d description) wrong(schema map[string]any, value any, at string) []string {
	if ref, ok := schema["$ref"].(string); ok {
		return d.wrong(lookUp(d.document, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(map[string]any), value, at)
	}
	if forms, ok := schema["oneOf"].([]any); ok {
		return d.fitsOne(forms, value, at)
	}
	var wrong []string
	if kinds := schema["type"]; kinds != nil && !isOfType(kinds, value) {
		wrong = append(wrong, fmt.Sprintf("%s is a %T, not %v", at, value, kinds))
	}
	if values, ok := schema["enum"].([]any); ok && !slices.Contains(values, value) {
		wrong = append(wrong, fmt.Sprintf("%s is %v, none of %v", at, value, values))
	}
	switch v := value.(type) {
	case map[string]any:
		wrong = append(wrong, d.wrongObject(schema, v, at)...)
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, item := range v {
			wrong = append(wrong, d.wrong(items, item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	return wrong
}

func (d description) fitsOne(forms []any, value any, at string) []string {
	var all []string
	fitting := 0
	for _, form := range forms {
		wrong := d.wrong(form.(map[string]any), value, at)
		if len(wrong) == 0 {
			fitting++
		}
		all = append(all, wrong...)
	}
	if fitting == 1 {
		return nil
	}
	return append(all, fmt.Sprintf("%s has %d of the forms described, not one", at, fitting))
}

func (d description) wrongObject(schema, object map[string]any, at string) []string {
	var wrong []string
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, has := object[name.(string)]; !has {
			wrong = append(wrong, fmt.Sprintf("%s lacks %s", at, name))
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		inner, described := properties[name].(map[string]any)
		switch others := schema["additionalProperties"].(type) {
		case bool:
			if !described && !others {
				wrong = append(wrong, fmt.Sprintf("%s has %s, which is not described", at, name))
			}
		case map[string]any:
			if !described {
				inner = others
			}
		}
		wrong = append(wrong, d.wrong(inner, object[name], at+"."+name)...)
	}
	return wrong
}

func isOfType(kinds, value any) bool {
	names, several := kinds.([]any)
	if !several {
		names = []any{kinds}
	}
	return slices.ContainsFunc(names, func(name any) bool {
		switch v := value.(type) {
		case nil:
			return name == "null"
		case string:
			return name == "string"
		case bool:
			return name == "boolean"
		case float64:
			return name == "number" || name == "integer" && v == float64(int64(v))
		case []any:
			return name == "array"
		default:
			return name == "object"
		}
	})
}

func TestAnswersToEventsAreAsDescribed(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	d := h.description()
	waits := cloudEventFrom("urn:other", "w", "joined", `"employeeId":"9","familyName":"Lovelace"`)
	for name, a := range map[string]answer{
		"one":      acme.send(joined("1", "Ada", "Lovelace")).is(http.StatusAccepted),
		"wrong":    acme.send(cloudEvent("bad", "joined", `"employeeId":"2","startDate":"soon"`)).is(http.StatusBadRequest),
		"batch":    acme.sendBatch(joined("1", "Ada", "Lovelace"), cloudEvent("bad", "joined", `"employeeId":""`), `17`, waits).is(http.StatusAccepted),
		"empty":    acme.sendBatch().is(http.StatusAccepted),
		"no batch": h.do(h.request(http.MethodPost, "/v1/events", acme.hr, batched, "{}")).is(http.StatusBadRequest),
		"no type":  h.do(h.request(http.MethodPost, "/v1/events", acme.hr, "", "{}")).is(http.StatusUnsupportedMediaType),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.check(t, http.MethodPost, "/v1/events", a)
		})
	}
	// What no answer has is found.
	require.NotEmpty(t, d.wrong(map[string]any{"$ref": "#/components/schemas/EventResult"}, map[string]any{"eventId": "a"}, "answer"))
	require.NotEmpty(t, d.wrong(map[string]any{"$ref": "#/components/schemas/RefusedEvent"}, map[string]any{"eventId": "a", "error": map[string]any{}}, "answer"))
}

// Every route's answers, good and bad, are what the document says.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	d := h.description()
	id := acme.join("1", "Ada", "Lovelace")
	acme.fulfil(id)
	waiting := acme.send(cloudEventFrom("urn:other", "w", "joined", `"employeeId":"9","familyName":"Lovelace"`)).is(http.StatusAccepted).text("caseId")
	operation := h.get("/v1/operations", acme.read).is(http.StatusOK).text("items.0.id")
	objects := map[string]string{"/v1/identities/{id}": id, "/v1/identities/{id}/explain": id, "/v1/operations/{id}/retry": operation,
		"/v1/identities/{id}/kill": id, "/v1/identities/{id}/reinstate": id, "/v1/targets/{name}/pause": "crm", "/v1/targets/{name}/resume": "crm", "/v1/cases/{id}": waiting, "/v1/cases/{id}/resolve": waiting}
	for _, r := range routes("acme") {
		if r.scope == "" {
			continue
		}
		for _, token := range []string{acme.may(r.scope), ""} {
			a := h.do(h.request(r.method, r.at(objects[r.path]), token, "application/json", r.body))
			require.Less(t, a.status, 500, r.path)
			d.check(t, r.method, r.path, a)
		}
	}
}
