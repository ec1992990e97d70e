package simulator

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// lastPage in answer.next asks for the link to the page itself only.
const lastPage = "last"

// limit is the limit parameter: at least 1, and cut to the most that a page holds.
func (r *request) limit(otherwise, most int) (int, error) {
	if !r.query.Has("limit") {
		return otherwise, nil
	}
	n, err := strconv.Atoi(r.query.Get("limit"))
	if err != nil || n < 1 {
		return 0, errPaging
	}
	return min(n, most), nil
}

// page cuts one page out of a list (Core Okta API: Pagination, Link header): a cursor that is opaque to the client says
// after which number the page begins, so that what is added or removed meanwhile moves nothing. The link to the next
// page is there exactly when there is one.
func page[T any](r *request, otherwise, most int, all []T, seq func(T) uint64, render func(T) any) (answer, error) {
	size, err := r.limit(otherwise, most)
	if err != nil {
		return answer{}, err
	}
	start := 0
	if after := r.query.Get("after"); after != "" {
		last, err := parseCursor(after)
		if err != nil {
			return answer{}, err
		}
		at, found := slices.BinarySearchFunc(all, last, func(item T, last uint64) int {
			return cmp.Compare(seq(item), last)
		})
		if start = at; found {
			start++
		}
	}
	end := min(start+size, len(all))
	items := make([]any, 0, end-start)
	for _, item := range all[start:end] {
		items = append(items, render(item))
	}
	out := answer{body: items, next: lastPage}
	if end < len(all) {
		query := r.URL.Query()
		query.Set("after", cursor(seq(all[end-1])))
		query.Set("limit", strconv.Itoa(size))
		out.next = r.URL.EscapedPath() + "?" + query.Encode()
	}
	return out, nil
}

func cursor(seq uint64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("c:" + strconv.FormatUint(seq, 36)))
}

func parseCursor(s string) (uint64, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	text, marked := strings.CutPrefix(string(raw), "c:")
	n, errN := strconv.ParseUint(text, 36, 64)
	if err != nil || !marked || errN != nil {
		return 0, errPaging
	}
	return n, nil
}
