package simulator

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// FirstSignIn is what a person does on the first day, which no administrator's API does for them: choose a password,
// register authentication methods, sign in. It answers the session's refresh token. A repetition registers what is
// missing and signs in once more.
func (s *Simulator) FirstSignIn(userID, password string, methods ...Method) (string, error) {
	var missing []Method
	err := s.store.update(userID, func(u *user) error {
		if !u.enabled() {
			return errors.New("AADSTS50057: the user account is disabled")
		}
		u.Password, u.ChangeNext, u.PasswordChanged = password, false, s.now()
		for _, m := range methods {
			if !slices.ContainsFunc(u.Methods, func(has method) bool { return has.Kind == m.Kind && has.PhoneType == m.PhoneType }) {
				missing = append(missing, m)
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, m := range missing {
		if _, err := s.AddMethod(userID, m); err != nil {
			return "", err
		}
	}
	return s.SignIn(userID, password)
}

// person serves what people do, for who is not in this process. No token is asked for: it is not the vendor's API, and
// knowing the password is the person's credential.
//
//	POST /_simulator/users/{id}/first-sign-in {"password": …, "methods": [{"kind", "phoneType", "default"}]} → 204
//	POST /_simulator/users/{id}/password      {"password": …} → {"works": …}, which changes nothing
func (s *Simulator) person(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Password string   `json:"password"`
		Methods  []Method `json:"methods"`
	}
	id, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/_simulator/users/"), "/")
	switch err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); {
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case err != nil || body.Password == "":
		writeJSON(w, http.StatusBadRequest, object{"error": "the body must be an object with a password"})
	case what == "password":
		writeJSON(w, http.StatusOK, object{"works": s.PasswordIs(id, body.Password)})
	case what == "first-sign-in":
		if _, err := s.FirstSignIn(id, body.Password, body.Methods...); err != nil {
			writeJSON(w, http.StatusConflict, object{"error": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
