package okta

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tenurehq/tenure/connectors"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLife leaves room for a clock that is off: Okta refuses an assertion that is good for more than an hour.
	assertionLife = 5 * time.Minute
	// earlyRenewal is how long before its end an access token is replaced.
	earlyRenewal = time.Minute
	maxToken     = 64 << 10
)

// serviceApp asks for access tokens by a signed assertion (developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp)
// and keeps one until shortly before its end. The SDK's own way is not used: it does so without the caller's context, puts
// the assertion into the URL, where proxies log it, and lets it end exactly at the limit of an hour.
type serviceApp struct {
	endpoint string
	settings settings
	base     http.RoundTripper

	turn    chan struct{} // holds one element: whoever takes it may use what follows
	current string
	until   time.Time
}

func newServiceApp(s settings, base http.RoundTripper) *serviceApp {
	a := &serviceApp{endpoint: s.orgURL + "/oauth2/v1/token", settings: s, base: base, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a
}

// token answers a token that is good for a while. A failure is an error of the call for which it is needed, of which
// nothing was done yet.
func (a *serviceApp) token(ctx context.Context, c *call) (string, error) {
	select {
	case <-a.turn:
		defer func() { a.turn <- struct{}{} }()
	case <-ctx.Done():
		return "", c.fail(connectors.KindUnavailable, ctx.Err())
	}
	if a.current != "" && time.Now().Before(a.until) {
		return a.current, nil
	}
	asked := time.Now()
	token, life, err := a.ask(ctx, c)
	if err != nil {
		return "", err
	}
	a.current, a.until = token, asked.Add(life-earlyRenewal)
	return token, nil
}

// forget makes the next call ask for a new token.
func (a *serviceApp) forget() {
	<-a.turn
	a.current = ""
	a.turn <- struct{}{}
}

func (a *serviceApp) assertion() (string, error) {
	id := a.settings.clientID
	claims := jwt.RegisteredClaims{
		Issuer: id, Subject: id, Audience: jwt.ClaimStrings{a.endpoint}, ExpiresAt: jwt.NewNumericDate(time.Now().Add(assertionLife)), ID: rand.Text(),
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	if a.settings.keyID != "" {
		t.Header["kid"] = a.settings.keyID
	}
	return t.SignedString(a.settings.key)
}

func (a *serviceApp) ask(ctx context.Context, c *call) (string, time.Duration, error) {
	assertion, err := a.assertion()
	if err != nil {
		return "", 0, c.fail(connectors.KindUnauthorized, errors.New("no assertion can be signed with the private key"))
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {strings.Join(a.settings.scopes, " ")},
		"client_assertion_type": {assertionType}, "client_assertion": {assertion},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, c.fail(connectors.KindInvalid, errors.New("no request can be made for an access token"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := a.base.RoundTrip(req)
	if err != nil {
		return "", 0, c.transportError(err, false)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxToken))
	if err != nil {
		return "", 0, c.fail(connectors.KindUnavailable, fmt.Errorf("the access token's answer broke off: %w", err))
	}
	if resp.StatusCode != http.StatusOK {
		return "", 0, c.noToken(resp, body, assertion)
	}
	return c.readToken(body)
}

// readToken reads the answer of RFC 6749 §5.1.
func (c *call) readToken(body []byte) (string, time.Duration, error) {
	var granted struct {
		Type    string `json:"token_type"`
		Token   string `json:"access_token"`
		Expires int64  `json:"expires_in"`
	}
	if json.Unmarshal(body, &granted) != nil || !strings.EqualFold(granted.Type, "Bearer") || !printable.MatchString(granted.Token) || granted.Expires <= 0 {
		return "", 0, c.fail(connectors.KindUnavailable, errors.New("the answer is not an access token"))
	}
	return granted.Token, time.Duration(granted.Expires) * time.Second, nil
}

// noToken is a refusal of the token endpoint: 400 and 401 speak of the client, its key or its scopes (RFC 6749 §5.2).
func (c *call) noToken(resp *http.Response, body []byte, assertion string) *connectors.Error {
	e := &connectors.Error{
		Kind: connectors.KindUnavailable, Action: c.action, Object: c.object, Status: resp.StatusCode, Detail: detail(body, assertion),
		Err: errors.New("no access token was given"),
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = connectors.KindThrottled, retryAfter(resp.Header)
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		e.Kind = connectors.KindUnauthorized
	}
	return e
}
