package simulator

import (
	"fmt"
	"net/http"
)

// apiError is a refusal as Okta words it. The codes with their statuses and summaries are those of
// developer.okta.com/docs/reference/error-codes; the shape is Core Okta API: Errors.
type apiError struct {
	status  int
	code    string
	summary string
	causes  []string
}

func (e *apiError) Error() string { return e.code + ": " + e.summary }

// body is the JSON of the error. errorLink repeats the code, as documented.
func (e *apiError) body() map[string]any {
	causes := make([]map[string]string, 0, len(e.causes))
	for _, cause := range e.causes {
		causes = append(causes, map[string]string{"errorSummary": cause})
	}
	return map[string]any{
		"errorCode": e.code, "errorSummary": e.summary, "errorLink": e.code, "errorId": newID("oae"), "errorCauses": causes,
	}
}

// Errors without anything to fill in.
var (
	errBody          = &apiError{http.StatusBadRequest, "E0000003", "The request body was not well-formed.", nil}
	errForbidden     = &apiError{http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action", nil}
	errNoPath        = &apiError{http.StatusNotFound, "E0000008", "The requested path was not found", nil}
	errInternal      = &apiError{http.StatusInternalServerError, "E0000009", "Internal Server Error", nil}
	errToken         = &apiError{http.StatusUnauthorized, "E0000011", "Invalid token provided", nil}
	errAlreadyActive = &apiError{http.StatusForbidden, "E0000016", "Activation failed because the user is already active", nil}
	errPasswordReset = &apiError{http.StatusForbidden, "E0000017", "Password reset failed", nil}
	errMediaType     = &apiError{
		http.StatusBadRequest, "E0000021", "Bad request.  Accept and/or Content-Type headers likely do not match supported values.", nil,
	}
	errMethod    = &apiError{http.StatusMethodNotAllowed, "E0000022", "The endpoint does not support the provided HTTP method", nil}
	errParameter = &apiError{http.StatusBadRequest, "E0000028", "The request is missing a required parameter.", nil}
	errPaging    = &apiError{http.StatusBadRequest, "E0000029", "Invalid paging request.", nil}
	errDate      = &apiError{
		http.StatusBadRequest, "E0000030",
		"Bad request. Invalid date. Dates must be of the form yyyy-MM-dd'T'HH:mm:ss.SSSZZ, e.g. 2013-01-01T12:00:00.000-07:00.", nil,
	}
	errCriteria        = &apiError{http.StatusBadRequest, "E0000031", "Invalid search criteria.", nil}
	errUnlock          = &apiError{http.StatusForbidden, "E0000032", "Unlock is not allowed for this user.", nil}
	errSearchAndFilter = &apiError{http.StatusBadRequest, "E0000033", "Bad request. Can't specify a search query and filter in the same request.", nil}
	errStatus          = &apiError{http.StatusForbidden, "E0000038", "This operation is not allowed in the user's current status.", nil}
	errCredentials     = &apiError{http.StatusBadRequest, "E0000041", "Credentials should not be set on this resource based on the scheme.", nil}
	errRateLimit       = &apiError{http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.", nil}
	errUnsupported     = &apiError{http.StatusNotImplemented, "E0000060", "Unsupported operation.", nil}
	errAssigned        = &apiError{http.StatusConflict, "E0000062", "The specified user is already assigned to the application.", nil}
	errActivating      = &apiError{
		http.StatusConflict, "E0000112", "Cannot update this user because they are still being activated. Please try again in a few minutes.", nil,
	}
	errInactive       = &apiError{http.StatusForbidden, "E0000117", "Cannot assign apps or update app profiles for an inactive user.", nil}
	errExpireNeedsPwd = &apiError{
		http.StatusBadRequest, "E0000124", "Could not create user. To create a user and expire their password immediately, a password must be specified", nil,
	}
	errExpireNeedsActive = &apiError{
		http.StatusBadRequest, "E0000125", `Could not create user. To create a user and expire their password immediately, "activate" must be true`, nil,
	}
)

// invalid is a failed validation of the named object or field.
func invalid(name string, causes ...string) *apiError {
	return &apiError{http.StatusBadRequest, "E0000001", "Api validation failed: " + name, causes}
}

// notFound names the object as Okta does: "Resource not found: 00u… (User)".
func notFound(id, kind string) *apiError {
	return &apiError{http.StatusNotFound, "E0000007", fmt.Sprintf("Not found: Resource not found: %s (%s)", id, kind), nil}
}

// The kinds of object in notFound.
const (
	kindUser    = "User"
	kindGroup   = "UserGroup"
	kindApp     = "AppInstance"
	kindAppUser = "AppUser"
	kindFactor  = "UserFactor"
)

// taken is the cause of a refusal of a value that must be unique, in the words of Core Okta API: Errors.
func taken(field string) string {
	return field + ": An object with this field already exists in the current organization"
}

// notSimulated refuses the parameters that would change an answer here, if they were not left out.
func notSimulated(r *request, names ...string) error {
	for _, name := range names {
		if r.query.Has(name) {
			e := *errUnsupported
			e.causes = []string{"The simulator does not know the parameter " + name + " here."}
			return &e
		}
	}
	return nil
}
