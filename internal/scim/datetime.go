package scim

import (
	"strings"
	"time"
)

// parseDateTime reads an xsd:dateTime (RFC 7643, section 2.3.5). One without a zone is UTC. The zone is at most 14 hours
// off and the year one that Postgres has too.
func parseDateTime(s string) (time.Time, bool) {
	if len(s) > 64 || strings.IndexByte(s, ',') >= 0 { // Go reads a comma as the decimal point
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		if at, err = time.Parse("2006-01-02T15:04:05", s); err != nil {
			return time.Time{}, false
		}
	}
	_, offset := at.Zone()
	at = at.UTC()
	return at, offset >= -14*3600 && offset <= 14*3600 && at.Year() >= 1 && at.Year() <= 9999
}
