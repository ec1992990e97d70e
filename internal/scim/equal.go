package scim

// equal compares canonical values. The order of a multi-valued attribute's values means nothing (RFC 7643, section 2.4).
func equal(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && equalObjects(x, y)
	case []any:
		y, ok := b.([]any)
		return ok && equalLists(x, y)
	case int64, float64:
		m, ok := toFloat(a)
		n, alsoOK := toFloat(b)
		return ok && alsoOK && m == n
	case string:
		y, ok := b.(string)
		return ok && x == y
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	}
	return a == nil && b == nil
}

func equalObjects(x, y map[string]any) bool {
	if len(x) != len(y) {
		return false
	}
	for name, v := range x {
		w, ok := y[name]
		if !ok || !equal(v, w) {
			return false
		}
	}
	return true
}

// equalLists compares in order first, which is what nearly all requests need, and else as sets: lists have no duplicates.
func equalLists(x, y []any) bool {
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if equal(x[i], y[i]) {
			continue
		}
		count := make(map[string]int, len(x)-i)
		for j := i; j < len(x); j++ {
			count[string(AppendJSON(nil, x[j]))]++
			count[string(AppendJSON(nil, y[j]))]--
		}
		for _, n := range count {
			if n != 0 {
				return false
			}
		}
		return true
	}
	return true
}

// clone copies a canonical value deeply.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneObject(v)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = clone(e)
		}
		return list
	}
	return v
}

func cloneObject(m map[string]any) map[string]any {
	c := make(map[string]any, len(m))
	for name, v := range m {
		c[name] = clone(v)
	}
	return c
}
