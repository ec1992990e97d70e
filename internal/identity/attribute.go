package identity

import (
	"encoding/json"
	"maps"
)

// The names of the record's fields that are not plain text attributes.
const (
	fieldCustom    = "custom"
	fieldTimeZone  = "timeZone"
	fieldStartDate = "startDate"
	fieldEndDate   = "endDate"
	fieldLastDay   = "lastDay"
	fieldImmediate = "immediate"
	fieldReason    = "reason"
)

// textField is a text attribute by its JSON name. A personal one belongs to the person, whichever of their work
// relationships speaks of it.
type textField struct {
	name     string
	of       func(*Attributes) *string
	personal bool
}

var textFields = [...]textField{
	{"employeeId", func(a *Attributes) *string { return &a.EmployeeID }, true},
	{"givenName", func(a *Attributes) *string { return &a.GivenName }, true},
	{"familyName", func(a *Attributes) *string { return &a.FamilyName }, true},
	{"displayName", func(a *Attributes) *string { return &a.DisplayName }, true},
	{"email", func(a *Attributes) *string { return &a.Email }, true},
	{"userName", func(a *Attributes) *string { return &a.UserName }, true},
	{"workerType", func(a *Attributes) *string { return &a.WorkerType }, false},
	{"department", func(a *Attributes) *string { return &a.Department }, false},
	{"title", func(a *Attributes) *string { return &a.Title }, false},
	{"location", func(a *Attributes) *string { return &a.Location }, false},
	{fieldTimeZone, func(a *Attributes) *string { return &a.TimeZone }, false},
	{"managerEmployeeId", func(a *Attributes) *string { return &a.ManagerEmployeeID }, false},
}

func isNull(raw json.RawMessage) bool { return len(raw) == 4 && string(raw) == "null" }

// patchText is the text that a patch gives a field, "" when it clears it. What is no text, which ParseEventData lets
// nobody store, counts as cleared.
func patchText(raw json.RawMessage) string {
	if n := len(raw); n >= 2 && raw[0] == '"' {
		plain := true
		for _, c := range raw[1 : n-1] {
			plain = plain && c != '\\'
		}
		if plain { // nearly always; it spares the decoder, which is most of what a Fold costs
			return string(raw[1 : n-1])
		}
	}
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

// patchDate is the date that a patch gives a field, zero when it clears it.
func patchDate(raw json.RawMessage) Date {
	d, _ := ParseDate(patchText(raw))
	return d
}

// mergeCustom lays a patch of custom over what was there, key by key: a null clears its key, and null in place of the
// object clears all. Neither argument is changed.
func mergeCustom(before map[string]any, raw json.RawMessage) map[string]any {
	var patch map[string]any
	if json.Unmarshal(raw, &patch) != nil || patch == nil {
		return nil
	}
	merged := make(map[string]any, len(before)+len(patch))
	maps.Copy(merged, before)
	for key, value := range patch {
		if value == nil {
			delete(merged, key)
		} else {
			merged[key] = value
		}
	}
	if len(merged) == 0 {
		return nil
	}
	return merged
}
