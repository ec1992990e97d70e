package scim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
)

const configPath = "/ServiceProviderConfig"

// discovery adds what tells clients about the server (RFC 7644, section 4).
func (s *server) discovery(r chi.Router) {
	s.route(r, configPath, methods{http.MethodGet: unfiltered(s.config)})
	s.route(r, "/ResourceTypes", methods{http.MethodGet: unfiltered(s.resourceTypes)})
	s.route(r, "/ResourceTypes/{name}", methods{http.MethodGet: unfiltered(s.resourceType)})
	s.route(r, "/Schemas", methods{http.MethodGet: unfiltered(s.schemas)})
	s.route(r, "/Schemas/{urn}", methods{http.MethodGet: unfiltered(s.schema)})
}

// unfiltered refuses a filter, so that no client takes the answer for what matches it (RFC 7644, section 4).
func unfiltered(h handler) handler {
	return func(c call, w http.ResponseWriter, r *http.Request) error {
		query, err := queryOf(r)
		if err != nil {
			return err
		}
		if query.Has("filter") {
			return scim.Errorf(http.StatusForbidden, "", "This endpoint takes no filter.")
		}
		return h(c, w, r)
	}
}

func (s *server) config(c call, w http.ResponseWriter, _ *http.Request) error {
	return showDocument(w, scim.Config{
		MaxOperations: maxBulkOperations, MaxPayloadSize: maxBulkBody, MaxResults: maxPage, DefaultPageSize: defaultPage, MaxPageSize: maxPage,
		Authentication: []scim.AuthenticationScheme{{
			Type: "oauthbearertoken", Name: "OAuth Bearer Token", SpecURI: "https://www.rfc-editor.org/info/rfc6750", Primary: true,
			Description: "A token with the scope scim, made by `tenure token create`.",
		}, {
			Type: "oauth2", Name: "OAuth 2 client credentials", SpecURI: "https://www.rfc-editor.org/info/rfc6749",
			Description: "POST " + c.base + tokenPath + " with the id of such a token as the client's id, and the token as its secret.",
		}},
	}.Document(c.base))
}

func (s *server) resourceTypes(c call, w http.ResponseWriter, r *http.Request) error {
	rules, err := c.rules.of(r.Context(), c.org)
	if err != nil {
		return err
	}
	return showAll(w, documentsOf(rules, c.base))
}

func (s *server) resourceType(c call, w http.ResponseWriter, r *http.Request) error {
	rules, err := c.rules.of(r.Context(), c.org)
	if err != nil {
		return err
	}
	for _, d := range documentsOf(rules, c.base) {
		if d.ID == chi.URLParam(r, "name") {
			return showDocument(w, d)
		}
	}
	return scim.Errorf(http.StatusNotFound, "", "There is no such resource type: /ResourceTypes lists them.")
}

func documentsOf(rules policy.Provisioning, base string) []scim.ResourceTypeDocument {
	return []scim.ResourceTypeDocument{rules.Users.Document(base), scim.GroupType().Document(base)}
}

func (s *server) schemas(c call, w http.ResponseWriter, r *http.Request) error {
	rules, err := c.rules.of(r.Context(), c.org)
	if err != nil {
		return err
	}
	var documents []scim.SchemaDocument
	for _, schema := range schemasOf(rules) {
		documents = append(documents, schema.Document(c.base))
	}
	return showAll(w, documents)
}

func (s *server) schema(c call, w http.ResponseWriter, r *http.Request) error {
	rules, err := c.rules.of(r.Context(), c.org)
	if err != nil {
		return err
	}
	for _, schema := range schemasOf(rules) {
		if strings.EqualFold(schema.ID, chi.URLParam(r, "urn")) {
			return showDocument(w, schema.Document(c.base))
		}
	}
	return scim.Errorf(http.StatusNotFound, "", "There is no such schema: /Schemas lists them.")
}

var discoverySchemas = sync.OnceValue(scim.DiscoverySchemas)

func schemasOf(rules policy.Provisioning) []scim.Schema {
	group := scim.GroupType()
	return slices.Concat([]scim.Schema{rules.Users.Schema, group.Schema}, rules.Users.Extensions, discoverySchemas())
}

func showDocument(w http.ResponseWriter, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, body)
}

// showAll answers with all documents of a kind: these lists have one page.
func showAll[T any](w http.ResponseWriter, documents []T) error {
	return showDocument(w, struct {
		Schemas      []string `json:"schemas"`
		TotalResults int      `json:"totalResults"`
		StartIndex   int      `json:"startIndex"`
		ItemsPerPage int      `json:"itemsPerPage"`
		Resources    []T      `json:"Resources"`
	}{[]string{listSchema}, len(documents), 1, len(documents), documents})
}
