package simulator

import (
	"slices"
	"time"
)

// factor is an enrolled factor (User Factors API).
type factor struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Provider string    `json:"provider"`
	Created  time.Time `json:"created"`
}

// factorProviders are the types of factor and who provides them (User Factors API: UserFactorType).
var factorProviders = map[string]string{
	"call": "OKTA", "email": "OKTA", "push": "OKTA", "question": "OKTA", "signed_nonce": "OKTA", "sms": "OKTA", "token": "RSA",
	"token:hardware": "YUBICO", "token:hotp": "CUSTOM", "token:software:totp": "OKTA", "u2f": "FIDO", "web": "DUO", "webauthn": "FIDO",
}

// oktaVerify are the factors that one enrolment of Okta Verify holds.
var oktaVerify = []string{"push", "signed_nonce", "token:software:totp"}

func (f factor) render(base, userID string) any {
	return map[string]any{
		"id": f.ID, "factorType": f.Type, "provider": f.Provider, "vendorName": f.Provider, "status": "ACTIVE",
		"created": iso(f.Created), "lastUpdated": iso(f.Created),
		"_links": map[string]any{"self": link(base + "/api/v1/users/" + userID + "/factors/" + f.ID), "user": link(base + "/api/v1/users/" + userID)},
	}
}

// listFactors (User Factors API: List all enrolled factors) has no pages.
func (s *Simulator) listFactors(r *request) (answer, error) {
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	out := make([]any, 0, len(u.Factors))
	for _, f := range u.Factors {
		out = append(out, f.render(r.base, u.ID))
	}
	return answer{body: out}, nil
}

// unenrollFactor (User Factors API: Unenroll a factor): not of a deactivated user; push and signed_nonce take the other
// factors of Okta Verify with them.
func (s *Simulator) unenrollFactor(r *request) (answer, error) {
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if u.Status == StatusDeprovisioned {
		return answer{}, errStatus
	}
	id := r.PathValue("factorId")
	i := slices.IndexFunc(u.Factors, func(f factor) bool { return f.ID == id })
	if i < 0 {
		return answer{}, notFound(id, kindFactor)
	}
	gone := u.Factors[i]
	u = u.clone()
	u.Factors = slices.DeleteFunc(u.Factors, func(f factor) bool {
		return f.ID == id || (gone.Type == "push" || gone.Type == "signed_nonce") && slices.Contains(oktaVerify, f.Type)
	})
	return noContent, s.store.saveUser(u, s.now())
}

// revokeSessions (User Sessions API: Revoke all user sessions): tokens only with oauthTokens=true.
func (s *Simulator) revokeSessions(r *request) (answer, error) {
	tokens, err := r.flag("oauthTokens", false)
	if err != nil {
		return answer{}, err
	}
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	u = u.clone()
	end := s.now().Add(s.store.revoke)
	u.stopSessions(end)
	if tokens {
		u.stopTokens(end)
	}
	return noContent, s.store.saveUser(u, s.now())
}
