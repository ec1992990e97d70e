package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// FirstSignIn is what a person does on the first day, which no administrator's API does for them: choose a password, with
// the link of an activation or by self-service, enroll factors, sign in. A repetition enrolls what is missing and signs in
// once more.
func (s *Simulator) FirstSignIn(userID, password string, factorTypes ...string) (Session, error) {
	var login string
	err := s.edit(userID, func(u *user) error {
		switch u.Status {
		case StatusActive, StatusProvisioned, StatusRecovery, StatusPasswordExpired:
		default:
			return fmt.Errorf("a user in status %s has no password to choose", u.Status)
		}
		if err := checkPassword(password, u.login()); err != nil {
			return err
		}
		for _, factorType := range factorTypes {
			if factorProviders[factorType] == "" {
				return fmt.Errorf("no factor type %q", factorType)
			}
			if !slices.ContainsFunc(u.Factors, func(f factor) bool { return f.Type == factorType }) {
				u.Factors = append(u.Factors, factor{ID: newID("mfa"), Type: factorType, Provider: factorProviders[factorType], Created: s.stamp()})
			}
		}
		u.Password, u.PasswordChanged = digest(u.ID+password), s.stamp()
		u.become(StatusActive, s.stamp())
		login = u.login()
		return nil
	})
	if err != nil {
		return Session{}, err
	}
	return s.SignIn(login, password)
}

// PasswordIs reports whether the password is the user's, whatever the status of the user.
func (s *Simulator) PasswordIs(userID, password string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.store.users[userID]
	return u != nil && u.Password != "" && u.Password == digest(u.ID+password)
}

// person serves what people do, for who is not in this process. No token is asked for: it is not the vendor's API, and
// knowing the password is the person's credential.
//
//	POST /_simulator/users/{id}/first-sign-in {"password": …, "factors": ["sms", …]} → 204
//	POST /_simulator/users/{id}/password      {"password": …} → {"works": …}, which changes nothing
func (s *Simulator) person(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Password string   `json:"password"`
		Factors  []string `json:"factors"`
	}
	id, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/_simulator/users/"), "/")
	switch err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); {
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case err != nil || body.Password == "":
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "the body must be an object with a password"})
	case what == "password":
		writeJSON(w, http.StatusOK, map[string]bool{"works": s.PasswordIs(id, body.Password)})
	case what == "first-sign-in":
		if _, err := s.FirstSignIn(id, body.Password, body.Factors...); err != nil {
			writeJSON(w, http.StatusConflict, map[string]string{"error": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
