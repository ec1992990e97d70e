package simulator

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
)

// response lets a resource handler, which the library gives no ResponseWriter, set the Location of what it created.
type response struct {
	http.ResponseWriter
	location string
}

func (r *response) WriteHeader(status int) {
	if status == http.StatusCreated && r.location != "" {
		r.Header().Set("Location", r.location)
	}
	r.ResponseWriter.WriteHeader(status)
}

type responseKey struct{}

func withResponse(ctx context.Context, r *response) context.Context {
	return context.WithValue(ctx, responseKey{}, r)
}

func setLocation(r *http.Request, path string) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if out, ok := r.Context().Value(responseKey{}).(*response); ok {
		out.location = scheme + "://" + r.Host + path
	}
}

func writeError(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(errors.ScimError{Status: status, Detail: detail})
}

// serviceProviderConfig lets the library answer and corrects what it says of entity-tags.
func (s *Simulator) serviceProviderConfig(w http.ResponseWriter, r *http.Request) {
	recorded := httptest.NewRecorder()
	s.scim.ServeHTTP(recorded, r)
	var config map[string]any
	if err := json.Unmarshal(recorded.Body.Bytes(), &config); err != nil {
		writeError(w, http.StatusInternalServerError, "The configuration cannot be read.")
		return
	}
	config["etag"] = map[string]bool{"supported": true}
	w.Header().Set("Content-Type", "application/scim+json")
	_ = json.NewEncoder(w).Encode(config)
}

// withIdentifiers adds id and externalId, which the library's filter check misses.
func withIdentifiers(s schema.Schema) schema.Schema {
	attributes := make(schema.Attributes, 0, len(s.Attributes)+2)
	attributes = append(attributes, s.Attributes...)
	attributes = append(attributes,
		schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{
			Name: "id", CaseExact: true, Mutability: schema.AttributeMutabilityReadOnly(),
			Returned: schema.AttributeReturnedAlways(), Uniqueness: schema.AttributeUniquenessServer(),
		})),
		schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: "externalId", CaseExact: true})),
	)
	// Full, so that the library's own append copies instead of writing into an array that all requests share.
	s.Attributes = attributes
	return s
}

func userSchema() schema.Schema  { return withIdentifiers(schema.CoreUserSchema()) }
func groupSchema() schema.Schema { return withIdentifiers(schema.CoreGroupSchema()) }

func invalid(kind errors.ScimType, detail string) error {
	return errors.ScimError{ScimType: kind, Detail: detail, Status: http.StatusBadRequest}
}

// checkVersion applies If-Match (RFC 7644 §3.14), comparing weakly as SCIM's entity-tags are.
func checkVersion(r *http.Request, version uint64) error {
	wanted := r.Header.Get("If-Match")
	if wanted == "" || wanted == "*" {
		return nil
	}
	for tag := range strings.SplitSeq(wanted, ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == strconv.Quote(strconv.FormatUint(version, 10)) {
			return nil
		}
	}
	return errors.ScimError{Detail: "The resource has changed.", Status: http.StatusPreconditionFailed}
}

// projection is which attributes a listing shows (RFC 7644 §3.9), by their top-level names.
type projection struct{ only, without map[string]bool }

func projectionOf(r *http.Request) projection {
	return projection{only: names(r.URL.Query().Get("attributes")), without: names(r.URL.Query().Get("excludedAttributes"))}
}

func names(list string) map[string]bool {
	if list == "" {
		return nil
	}
	m := make(map[string]bool)
	for name := range strings.SplitSeq(list, ",") {
		top, _, _ := strings.Cut(strings.TrimSpace(name), ".")
		m[strings.ToLower(top)] = true
	}
	return m
}

// shows reports whether the attribute is wanted; asking before rendering keeps large groups cheap.
func (p projection) shows(name string) bool {
	name = strings.ToLower(name)
	return !p.without[name] && (p.only == nil || p.only[name])
}

func (p projection) apply(attributes scim.ResourceAttributes) {
	for name := range attributes {
		if !p.shows(name) {
			delete(attributes, name)
		}
	}
}
