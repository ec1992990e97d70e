package identity

import (
	"cmp"
	"strings"
)

// compareEvents is the order in which a source said things: the sequence, then the time, then the id, and at last the
// origin, so that it is total. An event without a sequence comes before all that have one; whole numbers, of any
// length, come by value before other texts, which come as text.
func compareEvents(a, b *fact) int {
	return cmp.Or(
		compareSequences(a.Sequence, b.Sequence),
		a.time.Compare(b.time),
		strings.Compare(a.ID, b.ID),
		strings.Compare(a.Source, b.Source),
	)
}

func compareSequences(a, b string) int {
	if a == b {
		return 0
	}
	x, xNumber := wholeNumber(a)
	y, yNumber := wholeNumber(b)
	if xNumber && yNumber {
		return x.compare(y)
	}
	return cmp.Or(cmp.Compare(sequenceKind(a, xNumber), sequenceKind(b, yNumber)), strings.Compare(a, b))
}

func sequenceKind(s string, number bool) int {
	switch {
	case s == "":
		return 0
	case number:
		return 1
	default:
		return 2
	}
}

// number is a whole number of any length, without leading zeros; zero has no digits and is not negative.
type number struct {
	negative bool
	digits   string
}

func wholeNumber(s string) (number, bool) {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == len(s) {
		digits = strings.TrimPrefix(s, "+")
	}
	if digits == "" {
		return number{}, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return number{}, false
		}
	}
	digits = strings.TrimLeft(digits, "0")
	return number{negative: s[0] == '-' && digits != "", digits: digits}, true
}

func (n number) compare(other number) int {
	if n.negative != other.negative {
		return compareBool(other.negative, n.negative)
	}
	c := cmp.Or(cmp.Compare(len(n.digits), len(other.digits)), strings.Compare(n.digits, other.digits))
	if n.negative {
		return -c
	}
	return c
}
