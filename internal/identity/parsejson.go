package identity

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxNumber is the greatest whole number that every reader of JSON keeps exactly (RFC 8259, section 6).
const maxNumber = 1<<53 - 1

// custom reads the attributes of the organization's own.
func (p *parser) custom(name string, raw json.RawMessage) {
	if isNull(raw) {
		p.patchText(name, "")
		return
	}
	if len(raw) > MaxCustom {
		p.refuse(name, "larger than %d bytes", MaxCustom)
		return
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		p.refuse(name, "must be an object or null, with numbers that fit 64 bits")
		return
	}
	if len(fields) > MaxCustomKeys {
		p.refuse(name, "more than %d keys", MaxCustomKeys)
		return
	}
	clean, problem := cleanValue(fields, 1)
	if problem != "" {
		p.refuse(name, "%s", problem)
		return
	}
	p.patchValue(name, clean)
}

// cleanValue brings the texts and keys of a JSON value to normal form C, and says what is wrong with it.
func cleanValue(value any, depth int) (any, string) {
	if depth > MaxCustomDepth {
		switch value.(type) {
		case map[string]any, []any:
			return nil, "nested deeper than " + strconv.Itoa(MaxCustomDepth) + " levels"
		}
	}
	switch v := value.(type) {
	case string:
		clean := norm.NFC.String(v)
		return clean, checkText(clean)
	case float64:
		if math.Abs(v) > maxNumber {
			return nil, "contains a number beyond ±9,007,199,254,740,991: write it as a text"
		}
	case []any:
		for i, element := range v {
			clean, problem := cleanValue(element, depth+1)
			if problem != "" {
				return nil, problem
			}
			v[i] = clean
		}
	case map[string]any:
		return cleanObject(v, depth)
	}
	return value, ""
}

func cleanObject(fields map[string]any, depth int) (any, string) {
	result := make(map[string]any, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) { // sorted, so that of several problems the same one is told
		key := norm.NFC.String(name)
		if _, twice := result[key]; twice {
			return nil, "contains two keys that are the same text"
		}
		if key == "" {
			return nil, "contains an empty key"
		}
		if problem := checkText(key); problem != "" {
			return nil, "a key in it: " + problem
		}
		clean, problem := cleanValue(fields[name], depth+1)
		if problem != "" {
			return nil, problem
		}
		result[key] = clean
	}
	return result, ""
}

// DuplicateKey finds a key that stands twice in an object, at any depth, and the path to it (".custom.shoe"). Decoders
// differ in which of the two they take, and so one of them is somebody's mistake or trick. data is valid JSON.
func DuplicateKey(data []byte) (path string, twice bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	type level struct {
		seen map[string]bool // nil in an array
		path string
		key  string // whose value comes next, in an object
		open bool   // a key has been read and its value has not
	}
	var levels []level
	for {
		token, err := d.Token()
		if err != nil {
			return "", false
		}
		delim, _ := token.(json.Delim)
		if delim == '}' || delim == ']' {
			levels = levels[:len(levels)-1]
			continue
		}
		prefix := ""
		if len(levels) > 0 {
			top := &levels[len(levels)-1]
			if key, isText := token.(string); isText && top.seen != nil && !top.open {
				if top.seen[key] {
					return top.path + "." + ShownKey(key), true
				}
				top.seen[key], top.key, top.open = true, key, true
				continue
			}
			top.open = false
			prefix = top.path
			if top.seen != nil && len(levels) <= MaxCustomDepth {
				prefix += "." + ShownKey(top.key)
			}
		}
		switch delim {
		case '{':
			levels = append(levels, level{seen: map[string]bool{}, path: prefix})
		case '[':
			levels = append(levels, level{path: prefix})
		}
	}
}

// ShownKey is a key as an error may show it: … when it is long or no text.
func ShownKey(key string) string {
	if len(key) > MaxEmployeeID || checkText(key) != "" || !utf8.ValidString(key) {
		return "…"
	}
	return key
}
