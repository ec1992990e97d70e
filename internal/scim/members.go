package scim

import "strings"

// Member is a member of a Group as a client names it. Its name and URI are the server's to tell.
type Member struct {
	Value string // the id of the User or Group
	Kind  string // "User" or "Group"; empty when the client does not say
}

// maxMemberID is the length of a member's id in bytes: room for bulkId references, far more than any id.
const maxMemberID = 256

// readMembers reads the value of members: a list of objects, of ids, or a single one of either.
func readMembers(v any) ([]Member, *Error) {
	if isNone(v) {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	members := make([]Member, 0, len(list))
	seen := make(map[string]struct{}, len(list))
	for _, e := range list {
		m, err := readMember(e)
		if err != nil {
			return nil, err
		}
		if _, twice := seen[m.Value]; !twice {
			seen[m.Value] = struct{}{}
			members = append(members, m)
		}
	}
	return members, nil
}

func readMember(v any) (Member, *Error) {
	var m Member
	switch v := v.(type) {
	case string:
		m.Value = v
	case object:
		m.Value, _ = v.get("value").(string)
		m.Kind = memberKind(v)
	}
	if m.Value == "" || len(m.Value) > maxMemberID {
		return m, badRequest(InvalidValue, "members must be a list of objects, each with the id of a resource as its \"value\".")
	}
	return m, nil
}

// memberKind is what the client says by type or, failing that, by the URI.
func memberKind(o object) string {
	kind, _ := o.get("type").(string)
	ref, _ := o.get("$ref").(string)
	switch {
	case strings.EqualFold(kind, "User"), kind == "" && strings.Contains(ref, "/Users/"):
		return "User"
	case strings.EqualFold(kind, "Group"), kind == "" && strings.Contains(ref, "/Groups/"):
		return "Group"
	}
	return ""
}
