package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// scalar is a value of the documents together with the place it came from.
//
// A text or formula that was given wrongly is set and empty, and all that looks at it must take the empty string for
// something already reported; a number or span given wrongly is not set, so that its default passes the checks.
type scalar[T any] struct {
	v   T
	at  place
	set bool
}

// IsZero lets encoding/json leave out what was not given.
func (s scalar[T]) IsZero() bool { return !s.set }

func (s scalar[T]) MarshalJSON() ([]byte, error) { return encode(s.v) }

func (s *scalar[T]) UnmarshalJSON(data []byte) error {
	s.set = true
	return json.Unmarshal(data, &s.v)
}

// orElse is the default for a value that was not given.
func (s *scalar[T]) orElse(v T) {
	if !s.set {
		s.v, s.set = v, true
	}
}

// text is a string that is not empty.
type text struct{ scalar[string] }

func (t *text) decodeNode(d *decoder, node *yaml.Node, path string) bool {
	t.at, t.set = d.at(node), true
	if !isString(node) {
		want := "a string"
		if node.Kind == yaml.ScalarNode && node.ShortTag() != tagNull {
			want = "a string; put it in quotes"
		}
		d.wrongType(node, path, want)
		return false
	}
	t.v = node.Value
	if t.v == "" {
		d.problems.addf(t.at, path, "must not be empty")
		return false
	}
	return true
}

// formula is the source of a CEL expression. Unlike a text it may be written true, false or as a number.
type formula struct{ scalar[string] }

func (f *formula) decodeNode(d *decoder, node *yaml.Node, path string) bool {
	f.at, f.set = d.at(node), true
	if node.Kind != yaml.ScalarNode || node.ShortTag() == tagNull {
		d.wrongType(node, path, "a CEL expression")
		return false
	}
	f.v = strings.TrimSpace(node.Value)
	if f.v == "" {
		d.problems.addf(f.at, path, "must be a CEL expression, not an empty string")
		return false
	}
	return true
}

// flag is true or false.
type flag struct{ scalar[bool] }

func (f *flag) decodeNode(d *decoder, node *yaml.Node, path string) bool {
	if node.ShortTag() != tagBool {
		d.wrongType(node, path, "true or false")
		return false
	}
	f.v, f.at, f.set = strings.EqualFold(node.Value, "true"), d.at(node), true
	return true
}

// count is a whole number.
type count struct{ scalar[int] }

func (c *count) decodeNode(d *decoder, node *yaml.Node, path string) bool {
	if node.ShortTag() != tagInt {
		d.wrongType(node, path, "a whole number")
		return false
	}
	v, err := strconv.Atoi(node.Value)
	if err != nil {
		d.problems.addf(d.at(node), path, "must be a whole number in decimal")
		return false
	}
	c.v, c.at, c.set = v, d.at(node), true
	return true
}

// span is a length of time, such as 7d, 90s or 1h30m.
type span struct{ scalar[duration] }

func (s *span) decodeNode(d *decoder, node *yaml.Node, path string) bool {
	if node.Kind != yaml.ScalarNode || node.ShortTag() == tagNull {
		d.wrongType(node, path, "a length of time such as 7d, 90s or 1h30m")
		return false
	}
	v, err := parseDuration(node.Value)
	if err != nil {
		d.problems.addf(d.at(node), path, "%v", err)
		return false
	}
	s.v, s.at, s.set = v, d.at(node), true
	return true
}

// duration is a time.Duration that JSON shows as it is written in YAML.
type duration time.Duration

func (d duration) MarshalJSON() ([]byte, error) {
	const day = 24 * time.Hour
	v := time.Duration(d)
	if v != 0 && v%day == 0 {
		return encode(fmt.Sprintf("%dd", v/day))
	}
	return encode(v.String())
}

func (d *duration) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	v, err := parseDuration(s)
	*d = v
	return err
}

var durationPattern = regexp.MustCompile(`^(?:([0-9]{1,5})d)?(.*)$`)

func parseDuration(s string) (duration, error) {
	wrong := fmt.Errorf("%q is not a length of time; write it like 7d, 90s or 1h30m", s)
	parts := durationPattern.FindStringSubmatch(s)
	if s == "" || parts == nil {
		return 0, wrong
	}
	var total time.Duration
	if parts[1] != "" {
		days, err := strconv.Atoi(parts[1])
		if err != nil {
			return 0, wrong
		}
		total = time.Duration(days) * 24 * time.Hour
	}
	if parts[2] != "" {
		rest, err := time.ParseDuration(parts[2])
		if err != nil || rest < 0 || total+rest < total {
			return 0, wrong
		}
		total += rest
	}
	return duration(total), nil
}
