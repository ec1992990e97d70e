package scim

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/identity"
)

// tokenPath is the token endpoint for clients that ask for an access token first (RFC 6749, section 4.4): the client's id is
// that of a token with the scope scim, its secret the token.
const tokenPath = "/token"

// grant is an access token (RFC 6749, section 5.1).
type grant struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// grantError is an error of this endpoint (RFC 6749, section 5.2), which no SCIM client reads.
type grantError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func (s *server) token(_ call, w http.ResponseWriter, r *http.Request) error {
	form, refused := tokenRequest(w, r)
	if refused != nil {
		return refused.write(w)
	}
	id, secret, refused := credentials(r, form)
	if refused != nil {
		return refused.write(w)
	}
	made, err := s.tokens.Issue(r.Context(), id, secret, access.ScopeSCIM)
	switch identity.ErrorCode(err) {
	case "":
		scopes := access.From(r.Context()).Token.Scopes
		if !within(form.Get("scope"), scopes) {
			return grantError{http.StatusBadRequest, "invalid_scope", "The token has not all scopes that are asked for: leave scope out to get its own."}.write(w)
		}
		return writeGrant(w, http.StatusOK, grant{made, "Bearer", int(access.AccessLifetime.Seconds()), strings.Join(scopes, " ")})
	case identity.Unauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="tenure"`)
		return grantError{http.StatusUnauthorized, "invalid_client", "The client's id or secret is wrong, or the token has ended."}.write(w)
	case identity.Forbidden:
		return grantError{http.StatusBadRequest, "unauthorized_client", "The token lacks the scope scim."}.write(w)
	default:
		e := s.refusal(r.Context(), err)
		if e.Status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", retryAfter)
		}
		return grantError{e.Status, "server_error", e.Detail}.write(w)
	}
}

// credentials are the client's, given in one way (RFC 6749, section 2.3). Its id alone may stand in the form beside HTTP Basic
// (section 3.2.1).
func credentials(r *http.Request, form url.Values) (id, secret string, refused *grantError) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		return form.Get("client_id"), form.Get("client_secret"), nil
	}
	id, secret = unescaped(id), unescaped(secret) // section 2.3.1: both are form-encoded before
	if also := form.Get("client_id"); form.Get("client_secret") != "" || also != "" && also != id {
		refused = &grantError{http.StatusBadRequest, "invalid_request", "Send the client's id and secret by HTTP Basic or in the form, and not by both."}
	}
	return id, secret, refused
}

// within says whether all the scopes that are asked for are the token's (RFC 6749, section 3.3). What is granted is always all
// that it has, as the answer says.
func within(asked string, scopes []string) bool {
	for scope := range strings.FieldsSeq(asked) {
		if asked := access.Scope(scope); !slices.Contains(access.Scopes(), asked) || !asked.Within(scopes) {
			return false
		}
	}
	return true
}

// tokenRequest reads the form (RFC 6749, sections 3.2 and 4.4.2).
func tokenRequest(w http.ResponseWriter, r *http.Request) (url.Values, *grantError) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &grantError{http.StatusBadRequest, "invalid_request", "The body must be application/x-www-form-urlencoded."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, smallBody)
	if err := r.ParseForm(); err != nil {
		return nil, &grantError{http.StatusBadRequest, "invalid_request", "The body is no form."}
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return nil, &grantError{http.StatusBadRequest, "invalid_request", "A parameter is sent twice."}
		}
	}
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		return r.PostForm, nil
	case "":
		return nil, &grantError{http.StatusBadRequest, "invalid_request", "grant_type is missing."}
	default:
		return nil, &grantError{http.StatusBadRequest, "unsupported_grant_type", "grant_type must be client_credentials."}
	}
}

func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

func (e grantError) write(w http.ResponseWriter) error { return writeGrant(w, e.Status, e) }

func writeGrant(w http.ResponseWriter, status int, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Pragma", "no-cache") // RFC 6749, section 5.1; Cache-Control is on every answer
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the client has gone away
	return nil
}
