package simulator

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Client is a service application that proves itself by a signed assertion (developer.okta.com,
// guides/implement-oauth-for-okta-serviceapp).
type Client struct {
	ID string
	// Key is the public half of the application's key.
	Key *rsa.PublicKey
	// Scopes are those granted to the application.
	Scopes []string
}

// ParseKey reads a public RSA key as PEM (RFC 7468, section 13) or JWK.
func ParseKey(data []byte) (*rsa.PublicKey, error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return ParseJWK(data)
	}
	key, err := jwt.ParseRSAPublicKeyFromPEM(data)
	if err != nil {
		return nil, errors.New("it holds no public RSA key in PEM") // the parser's words may show a private one
	}
	return key, nil
}

// ParseJWK reads a public RSA key in the form of RFC 7517, which the Admin Console shows.
func ParseJWK(data []byte) (*rsa.PublicKey, error) {
	var key struct {
		Kty string `json:"kty"`
		N   string `json:"n"`
		E   string `json:"e"`
	}
	if err := json.Unmarshal(data, &key); err != nil {
		return nil, fmt.Errorf("read JWK: %w", err)
	}
	if key.Kty != "RSA" {
		return nil, fmt.Errorf("read JWK: kty %q is not RSA", key.Kty)
	}
	n, errN := base64.RawURLEncoding.DecodeString(key.N)
	e, errE := base64.RawURLEncoding.DecodeString(key.E)
	if err := errors.Join(errN, errE); err != nil {
		return nil, fmt.Errorf("read JWK: %w", err)
	}
	exponent := new(big.Int).SetBytes(e)
	if len(n) == 0 || !exponent.IsInt64() || exponent.Int64() < 2 || exponent.Int64() > 1<<31-1 {
		return nil, errors.New("read JWK: n and e must be an RSA key's")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

// tokenLife is fixed (implement-oauth-for-okta-serviceapp, Get an access token).
const tokenLife = time.Hour

// accessToken is what an issued token may do. It is kept under a digest of the token.
type accessToken struct {
	Expires time.Time `json:"expires"`
	Scopes  []string  `json:"scopes"`
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// authenticate checks the SSWS token (Core Okta API, API token authentication), which may do everything, or the access
// token and its scope. The lock is held.
func (s *Simulator) authenticate(r *request, scope string, h http.Header) error {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case scheme == "SSWS" && len(s.token) > 0 && subtle.ConstantTimeCompare([]byte(value), s.token) == 1:
		return nil
	case scheme != "Bearer":
		return errToken
	}
	token, known := s.store.tokens[digest(value)]
	if !known || !s.authNow().Before(token.Expires) {
		challenge(h, r, scope, "invalid_token", "The access token is invalid or has expired.")
		return errToken
	}
	if scope != "" && !slices.Contains(token.Scopes, scope) && !slices.Contains(token.Scopes, strings.TrimSuffix(scope, "read")+"manage") {
		challenge(h, r, scope, "insufficient_scope", "The access token provided does not contain the required scopes.")
		return errForbidden
	}
	return nil
}

// challenge tells what is wrong with an access token in the form of RFC 6750 §3 that Okta's SDKs read.
func challenge(h http.Header, r *request, scope, code, description string) {
	h.Set("WWW-Authenticate", fmt.Sprintf("Bearer authorization_uri=%q, realm=%q, scope=%q, error=%q, error_description=%q, resource=%q",
		r.base+"/oauth2/v1/authorize", r.base, scope, code, description, r.URL.EscapedPath()))
}

// oauthError is a refusal of the token endpoint (error-codes, OpenID Connect and OAuth 2.0).
type oauthError struct {
	status            int
	code, description string
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

func (e *oauthError) body() map[string]string {
	return map[string]string{"error": e.code, "error_description": e.description}
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// issueToken is POST /oauth2/v1/token with the client credentials grant (implement-oauth-for-okta-serviceapp). The
// parameters may stand in the query too, where Okta's Go SDK puts them.
func (s *Simulator) issueToken(r *request) (answer, error) {
	form, err := url.ParseQuery(string(r.body))
	if err != nil {
		return answer{}, &oauthError{http.StatusBadRequest, "invalid_request", "The request body was not well-formed."}
	}
	get := func(name string) string {
		if form.Has(name) {
			return form.Get(name)
		}
		return r.query.Get(name)
	}
	if get("grant_type") != "client_credentials" {
		return answer{}, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "The grant type is not client_credentials."}
	}
	if get("client_assertion_type") != assertionType || get("client_assertion") == "" {
		return answer{}, &oauthError{http.StatusUnauthorized, "invalid_client", "A signed client_assertion is required."}
	}
	if err := s.checkAssertion(get("client_assertion")); err != nil {
		return answer{}, &oauthError{http.StatusUnauthorized, "invalid_client", "The client_assertion is invalid."}
	}
	scopes := strings.Fields(get("scope"))
	if len(scopes) == 0 {
		return answer{}, &oauthError{http.StatusBadRequest, "invalid_scope", "The scope parameter is required."}
	}
	for _, scope := range scopes {
		if !slices.Contains(s.client.Scopes, scope) {
			return answer{}, &oauthError{http.StatusBadRequest, "invalid_scope", "One or more scopes are not granted to the client application."}
		}
	}
	value := newID("at0") + newID("") + newID("")
	token := accessToken{Expires: s.authNow().Add(tokenLife), Scopes: scopes}
	var b batch
	b.put(bucketTokens, digest(value), token)
	if err := s.store.disk.write(&b); err != nil {
		return answer{}, err
	}
	s.store.tokens[digest(value)] = token
	return answer{body: map[string]any{
		"token_type": "Bearer", "expires_in": int(tokenLife.Seconds()), "access_token": value, "scope": strings.Join(scopes, " "),
	}}, nil
}

// checkAssertion checks signature and claims: iss and sub are the client, exp at most an hour ahead, aud the token
// endpoint. Of aud only the path counts: behind a proxy the simulator does not know by which name it was called.
func (s *Simulator) checkAssertion(assertion string) error {
	if s.client == nil {
		return errors.New("no client")
	}
	var claims jwt.RegisteredClaims
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "RS384", "RS512"}), jwt.WithIssuer(s.client.ID), jwt.WithSubject(s.client.ID),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.authNow),
	).ParseWithClaims(assertion, &claims, func(*jwt.Token) (any, error) { return s.client.Key, nil })
	if err != nil {
		return err
	}
	if claims.ExpiresAt.After(s.authNow().Add(time.Hour)) {
		return errors.New("exp is more than an hour ahead")
	}
	for _, audience := range claims.Audience {
		if u, err := url.Parse(audience); err == nil && u.Path == "/oauth2/v1/token" {
			return nil
		}
	}
	return errors.New("aud is not the token endpoint")
}
