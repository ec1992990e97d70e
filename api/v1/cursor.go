package v1

import (
	"encoding/base64"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
)

// PageInput are the parameters of a listing's page.
type PageInput struct {
	After string `query:"after" maxLength:"64" doc:"the next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// after is the last id of the page before.
func (in PageInput) after() (uuid.UUID, error) {
	if in.After == "" {
		return uuid.Nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(in.After)
	if err != nil || len(raw) != len(uuid.Nil) {
		return uuid.Nil, identity.InvalidField("after", "is not a cursor: give the next of the page before, unchanged")
	}
	return uuid.UUID(raw), nil
}

// page makes a page of what was read with one more than the limit.
func page[R, T any](rows []R, limit int, id func(R) uuid.UUID, item func(R) T) list[T] {
	result := list[T]{Items: make([]T, 0, len(rows))}
	if len(rows) > limit {
		rows = rows[:limit]
		last := id(rows[limit-1])
		result.Next = base64.RawURLEncoding.EncodeToString(last[:])
	}
	for _, row := range rows {
		result.Items = append(result.Items, item(row))
	}
	return result
}
