package simulator

import (
	"fmt"
	"net/http"
)

// graphError is an answer that refuses (graph/errors).
type graphError struct {
	status  int
	code    string
	message string
	details []detail
	header  map[string]string
}

// detail names the property at fault.
type detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target"`
}

func (e *graphError) Error() string { return e.code + ": " + e.message }

// The codes of the directory.
const (
	codeBadRequest  = "Request_BadRequest"
	codeNotFound    = "Request_ResourceNotFound"
	codeUnsupported = "Request_UnsupportedQuery"
	codeDenied      = "Authorization_RequestDenied"
)

func refuse(status int, code, format string, args ...any) *graphError {
	return &graphError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *graphError {
	return refuse(http.StatusBadRequest, codeBadRequest, format, args...)
}

func unsupported(format string, args ...any) *graphError {
	return refuse(http.StatusBadRequest, codeUnsupported, format, args...)
}

// notFound is also what a fresh object answers while it is not everywhere yet.
func notFound(id string) *graphError {
	return refuse(http.StatusNotFound, codeNotFound,
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
}

// denied is also how a dynamic group answers a change of its members (KelvinTegelaar/CIPP#468).
func denied() *graphError {
	return refuse(http.StatusForbidden, codeDenied, "Insufficient privileges to complete the operation.")
}

func needsAdvanced(operator string) *graphError {
	return unsupported("Operator '%s' is not supported because the required parameters might be missing. Try adding $count=true query "+
		"parameter and ConsistencyLevel:eventual header. Refer to https://aka.ms/graph-docs/advanced-queries for more information", operator)
}

// conflict is a unique value that another object has.
func conflict(property string) *graphError {
	e := badRequest("Another object with the same value for property %s already exists.", property)
	e.details = []detail{{Code: "ObjectConflict", Message: e.message, Target: property}}
	return e
}

func required(property, resource string) *graphError {
	e := badRequest("One or more properties contains invalid values.")
	message := fmt.Sprintf("A value is required for property '%s' of resource '%s'.", property, resource)
	e.details = []detail{{Code: "PropertyRequired", Message: message, Target: property}}
	return e
}

func invalidValue(property, resource string) *graphError {
	e := badRequest("Invalid value specified for property '%s' of resource '%s'.", property, resource)
	e.details = []detail{{Code: "InvalidValue", Message: e.message, Target: property}}
	return e
}
