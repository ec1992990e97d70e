package simulator

import (
	"net/http"
	"strings"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
	"github.com/scim2/filter-parser/v2"
)

// userHandler serves /Users for the library.
type userHandler struct {
	store   *store
	patcher patcher
}

func (h userHandler) Create(r *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	out, err := h.store.createUser(normal(attributes))
	if err == nil {
		setLocation(r, "/Users/"+out.ID)
	}
	return out, err
}

func (h userHandler) Get(r *http.Request, id string) (scim.Resource, error) {
	return h.store.getUser(id, projectionOf(r))
}

func (h userHandler) GetAll(r *http.Request, params scim.ListRequestParams) (scim.Page, error) {
	return h.store.listUsers(params, projectionOf(r))
}

// Replace keeps a password that the request does not hold: it is never returned, so a client cannot send it back.
func (h userHandler) Replace(r *http.Request, id string, attributes scim.ResourceAttributes) (scim.Resource, error) {
	return h.store.changeUser(id, ifMatch(r), func(old map[string]any) (map[string]any, error) {
		replaced := normal(attributes)
		for _, name := range []string{"password", "active"} {
			if _, given := replaced[name]; !given && old[name] != nil {
				replaced[name] = old[name]
			}
		}
		return replaced, nil
	})
}

func (h userHandler) Delete(r *http.Request, id string) error {
	return h.store.deleteUser(id, ifMatch(r))
}

func (h userHandler) Patch(r *http.Request, id string, operations []scim.PatchOperation) (scim.Resource, error) {
	return h.store.changeUser(id, ifMatch(r), func(attributes map[string]any) (map[string]any, error) {
		for _, op := range operations {
			all, err := steps(op)
			if err != nil {
				return nil, err
			}
			for _, st := range all {
				if err := h.patcher.apply(attributes, st); err != nil {
					return nil, err
				}
			}
		}
		return attributes, nil
	})
}

// groupHandler serves /Groups for the library.
type groupHandler struct {
	store   *store
	patcher patcher
}

func (h groupHandler) Create(r *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	rest, m := splitMembers(attributes)
	out, err := h.store.createGroup(rest, m)
	if err == nil {
		setLocation(r, "/Groups/"+out.ID)
	}
	return out, err
}

func (h groupHandler) Get(r *http.Request, id string) (scim.Resource, error) {
	return h.store.getGroup(id, projectionOf(r))
}

func (h groupHandler) GetAll(r *http.Request, params scim.ListRequestParams) (scim.Page, error) {
	return h.store.listGroups(params, projectionOf(r))
}

func (h groupHandler) Replace(r *http.Request, id string, attributes scim.ResourceAttributes) (scim.Resource, error) {
	err := h.store.changeGroup(id, ifMatch(r), func(_ map[string]any, m *membership) (map[string]any, error) {
		rest, replaced := splitMembers(attributes)
		*m = *replaced
		m.cleared = true
		return rest, nil
	})
	if err != nil {
		return scim.Resource{}, err
	}
	return h.store.getGroup(id, projection{})
}

func (h groupHandler) Delete(r *http.Request, id string) error {
	return h.store.deleteGroup(id, ifMatch(r))
}

// Patch answers nothing, which the library turns into 204: writing out ten thousand members would be the whole cost.
func (h groupHandler) Patch(r *http.Request, id string, operations []scim.PatchOperation) (scim.Resource, error) {
	return scim.Resource{}, h.store.changeGroup(id, ifMatch(r), func(attributes map[string]any, m *membership) (map[string]any, error) {
		for _, op := range operations {
			all, err := steps(op)
			if err != nil {
				return nil, err
			}
			for _, st := range all {
				if strings.EqualFold(st.path.AttributePath.AttributeName, "members") {
					err = changeMembers(m, st)
				} else {
					err = h.patcher.apply(attributes, st)
				}
				if err != nil {
					return nil, err
				}
			}
		}
		return attributes, nil
	})
}

// changeMembers handles the forms in use: add and replace by value, remove of all, by value (Entra's older dialect) and
// by members[value eq "…"].
func changeMembers(m *membership, st step) error {
	if st.path.SubAttributeName()+st.path.AttributePath.SubAttributeName() != "" {
		return errors.ScimErrorMutability
	}
	if st.path.ValueExpression != nil {
		e, ok := st.path.ValueExpression.(*filter.AttributeExpression)
		if !ok || st.op != scim.PatchOperationRemove || e.Operator != filter.EQ || !strings.EqualFold(e.AttributePath.AttributeName, "value") {
			return invalid(errors.ScimTypeInvalidPath, "Only a removal by value is supported.")
		}
		value, err := compared(e)
		if err != nil {
			return err
		}
		id, _ := value.(string)
		m.set(id, false)
		return nil
	}
	if st.op == scim.PatchOperationReplace || st.op == scim.PatchOperationRemove && st.value == nil {
		m.clear()
	}
	return setMembers(m, st.value, st.op != scim.PatchOperationRemove)
}

func setMembers(m *membership, value any, member bool) error {
	for _, element := range elements(value) {
		parts, _ := element.(map[string]any)
		id, _ := parts["value"].(string)
		if id == "" {
			return invalid(errors.ScimTypeInvalidValue, "A member must have a value.")
		}
		m.set(id, member)
	}
	return nil
}

// splitMembers takes the members out of a whole group. Those without a value are refused when they are saved.
func splitMembers(attributes scim.ResourceAttributes) (map[string]any, *membership) {
	rest, m := normal(attributes), &membership{}
	for _, element := range elements(attributes["members"]) {
		parts, _ := element.(map[string]any)
		id, _ := parts["value"].(string)
		m.set(id, true)
	}
	delete(rest, "members")
	return rest, m
}

// normal is a copy without what holds nothing.
func normal(attributes scim.ResourceAttributes) map[string]any {
	out := cloneObject(attributes)
	dropEmpty(out)
	return out
}

func ifMatch(r *http.Request) func(uint64) error {
	return func(version uint64) error { return checkVersion(r, version) }
}
