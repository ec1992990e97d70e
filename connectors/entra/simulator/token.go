package simulator

import (
	"crypto/sha1" //nolint:gosec // x5t is defined by it (RFC 7515 §4.1.7)
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// tokenLifetime is what the identity platform says in expires_in.
const tokenLifetime = 3599 * time.Second

const (
	graphAudience = "https://graph.microsoft.com"
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// identityPlatform serves what a confidential client asks of login.microsoftonline.com.
func (s *Simulator) identityPlatform(w http.ResponseWriter, r *http.Request) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/common/discovery/instance":
		s.instanceDiscovery(w, r)
	case rest == "v2.0/.well-known/openid-configuration":
		s.openIDConfiguration(w, r, first)
	case rest == "oauth2/v2.0/token" && r.Method == http.MethodPost:
		s.count(http.MethodPost, "/{tenant}/oauth2/v2.0/token")
		s.token(w, r, first)
	default:
		http.NotFound(w, r)
	}
}

// instanceDiscovery tells a client whose authority is not one of the vendor's where the tenant's configuration is.
func (s *Simulator) instanceDiscovery(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": origin(r) + "/" + s.options.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host}}},
	})
}

// openIDConfiguration is the tenant's metadata (entra/identity-platform/v2-protocols-oidc).
func (s *Simulator) openIDConfiguration(w http.ResponseWriter, r *http.Request, tenant string) {
	if !strings.EqualFold(tenant, s.options.TenantID) {
		s.tokenError(w, http.StatusBadRequest, "invalid_tenant", 90002, fmt.Sprintf("Tenant '%s' not found.", tenant))
		return
	}
	authority := origin(r) + "/" + tenant
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                authority + "/v2.0",
		"authorization_endpoint":                authority + "/oauth2/v2.0/authorize",
		"token_endpoint":                        authority + "/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

// token is the client credentials grant (entra/identity-platform/v2-oauth2-client-creds-grant-flow); the error codes
// are those of entra/identity-platform/reference-error-codes.
func (s *Simulator) token(w http.ResponseWriter, r *http.Request, tenant string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		s.tokenError(w, http.StatusBadRequest, "invalid_request", 900144, "The request body is not valid.")
		return
	}
	form := r.PostForm
	switch scope := form.Get("scope"); {
	case !strings.EqualFold(tenant, s.options.TenantID):
		s.tokenError(w, http.StatusBadRequest, "invalid_request", 90002, fmt.Sprintf("Tenant '%s' not found.", tenant))
		return
	case form.Get("grant_type") != "client_credentials":
		s.tokenError(w, http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
		return
	case !strings.EqualFold(form.Get("client_id"), s.options.ClientID):
		s.tokenError(w, http.StatusBadRequest, "unauthorized_client", 700016,
			fmt.Sprintf("Application with identifier '%s' was not found in the directory.", form.Get("client_id")))
		return
	case !strings.Contains(scope, "/.default"):
		s.tokenError(w, http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope is not valid. "+
			"Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).")
		return
	}
	if code, message := s.authenticateClient(r, form); code != 0 {
		s.tokenError(w, http.StatusUnauthorized, "invalid_client", code, message)
		return
	}
	token, err := s.issue()
	if err != nil {
		s.tokenError(w, http.StatusInternalServerError, "server_error", 90033, "A transient error has occurred. Please try again.")
		return
	}
	seconds := int(tokenLifetime.Seconds())
	writeJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token})
}

// authenticateClient checks the secret or the assertion; 0 is fine.
func (s *Simulator) authenticateClient(r *http.Request, form url.Values) (code int, message string) {
	if assertion := form.Get("client_assertion"); assertion != "" {
		if form.Get("client_assertion_type") != assertionType || s.checkAssertion(r, assertion) != nil {
			return 700027, "The certificate with identifier used to sign the client assertion is not registered on application, " +
				"or the signature or the claims of the assertion are not valid."
		}
		return 0, ""
	}
	secret := form.Get("client_secret")
	if secret == "" {
		return 7000216, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(s.options.ClientSecret)) != 1 {
		return 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, " +
			"not the client secret ID, for a secret added to app '" + s.options.ClientID + "'."
	}
	return 0, ""
}

// checkAssertion checks a client assertion (entra/identity-platform/certificate-credentials).
func (s *Simulator) checkAssertion(r *http.Request, assertion string) error {
	_, err := jwt.Parse(assertion, func(t *jwt.Token) (any, error) {
		for _, certificate := range s.options.ClientCertificates {
			long := sha256.Sum256(certificate.Raw)
			short := sha1.Sum(certificate.Raw) //nolint:gosec // as above
			if names(t.Header["x5t#S256"], long[:]) || names(t.Header["x5t"], short[:]) {
				return certificate.PublicKey, nil
			}
		}
		return nil, errors.New("no certificate with that thumbprint")
	},
		jwt.WithValidMethods([]string{"PS256", "RS256"}), jwt.WithTimeFunc(s.now), jwt.WithExpirationRequired(),
		jwt.WithAudience(origin(r)+"/"+s.options.TenantID+"/oauth2/v2.0/token"),
		jwt.WithIssuer(s.options.ClientID), jwt.WithSubject(s.options.ClientID))
	return err
}

// names compares a thumbprint in a header, which some libraries write in base64url and others in plain base64.
func names(header any, thumbprint []byte) bool {
	text, _ := header.(string)
	return text == encoded(thumbprint) || text == base64.StdEncoding.EncodeToString(thumbprint)
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (s *Simulator) signingKey() []byte {
	key := sha256.Sum256([]byte("access token\x00" + s.options.TenantID + "\x00" + s.options.ClientSecret))
	return key[:]
}

// issue signs an access token. It is a JWT, so that it outlives the process; to a client it is opaque.
func (s *Simulator) issue() (string, error) {
	now := s.now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": graphAudience, "iss": "https://sts.windows.net/" + s.options.TenantID + "/", "tid": s.options.TenantID,
		"appid": s.options.ClientID, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(tokenLifetime).Unix(), "uti": uuid.NewString(),
	}).SignedString(s.signingKey())
}

// authorize checks the access token; the bodies are those that Graph answers (graph/resolve-auth-errors).
func (s *Simulator) authorize(r *http.Request) error {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer || token == "" {
		return unauthorized("Access token is empty.")
	}
	_, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return s.signingKey(), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(s.now), jwt.WithExpirationRequired(), jwt.WithAudience(graphAudience))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return unauthorized("Lifetime validation failed, the token is expired.")
	case err != nil:
		return unauthorized("Access token validation failure.")
	}
	return nil
}

func unauthorized(message string) error {
	e := refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "%s", message)
	e.header = map[string]string{"WWW-Authenticate": `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`}
	return e
}

func (s *Simulator) tokenError(w http.ResponseWriter, status int, name string, code int, message string) {
	trace, correlation, at := uuid.NewString(), uuid.NewString(), s.now().Format("2006-01-02 15:04:05Z")
	writeJSON(w, status, map[string]any{
		"error":             name,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", code, message, trace, correlation, at),
		"error_codes":       []int{code}, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
	})
}

func origin(r *http.Request) string { return strings.TrimSuffix(baseURL(r), "/v1.0") }
