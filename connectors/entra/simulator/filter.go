package simulator

import (
	"strings"
	"unicode"
)

// A small part of OData's filter language (graph/filter-query-parameter): and, or, not, eq, ne, ge, le, in, startsWith,
// endsWith, and any over a collection.

// resource is what a filter is evaluated against.
type resource struct {
	name       string // "User": as errors call it
	properties map[string]property
}

// expression is a parsed filter.
type expression struct {
	op       string // "and", "or", "not", "any", or an operator of a comparison
	children []*expression
	path     string // the property
	sub      string // of the elements of a collection, with any
	values   []any  // string, bool or nil
}

type filterParser struct {
	resource resource
	advanced bool
	tokens   []string
	at       int
}

// parseFilter also refuses what the property or the operator needs advanced query parameters for.
func parseFilter(text string, of resource, advanced bool) (*expression, error) {
	if text == "" {
		return nil, nil
	}
	tokens, err := filterTokens(text)
	if err != nil {
		return nil, err
	}
	p := &filterParser{resource: of, advanced: advanced, tokens: tokens}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.at != len(p.tokens) {
		return nil, invalidFilter()
	}
	return e, nil
}

func invalidFilter() error { return badRequest("Invalid filter clause") }

// filterTokens keeps the quote in front of a text, so that it is told from a name.
func filterTokens(text string) ([]string, error) {
	var tokens []string
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t':
			i++
		case strings.IndexByte("(),:", c) >= 0:
			tokens = append(tokens, string(c))
			i++
		case c == '\'':
			token, length, err := quoted(text[i:])
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token)
			i += length
		default:
			start := i
			for i < len(text) && !unicode.IsSpace(rune(text[i])) && strings.IndexByte("(),'", text[i]) < 0 && !lambdaColon(text, i) {
				i++
			}
			tokens = append(tokens, text[start:i])
		}
	}
	return tokens, nil
}

// quoted reads a text literal at the start, in which a doubled quote is a quote, and answers how long it is there.
func quoted(text string) (token string, length int, err error) {
	token = "'"
	for i := 1; i < len(text); i++ {
		if text[i] == '\'' {
			if i+1 == len(text) || text[i+1] != '\'' {
				return token, i + 1, nil
			}
			i++
		}
		token += text[i : i+1]
	}
	return "", 0, invalidFilter()
}

// lambdaColon tells the colon of any(x:x eq 1) from that of a time.
func lambdaColon(text string, i int) bool {
	return text[i] == ':' && i+1 < len(text) && (unicode.IsLetter(rune(text[i+1])) || text[i+1] == ' ')
}

func (p *filterParser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *filterParser) next() string {
	t := p.peek()
	p.at++
	return t
}

func (p *filterParser) accept(word string) bool {
	if strings.EqualFold(p.peek(), word) {
		p.at++
		return true
	}
	return false
}

func (p *filterParser) or() (*expression, error) { return p.chain("or", p.and) }

func (p *filterParser) and() (*expression, error) { return p.chain("and", p.unary) }

func (p *filterParser) chain(op string, operand func() (*expression, error)) (*expression, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	e := first
	for p.accept(op) {
		right, err := operand()
		if err != nil {
			return nil, err
		}
		e = &expression{op: op, children: []*expression{e, right}}
	}
	return e, nil
}

func (p *filterParser) unary() (*expression, error) {
	if p.accept("not") {
		if !p.advanced {
			return nil, needsAdvanced("not")
		}
		child, err := p.unary()
		return &expression{op: "not", children: []*expression{child}}, err
	}
	if p.accept("(") {
		e, err := p.or()
		if err == nil && !p.accept(")") {
			err = invalidFilter()
		}
		return e, err
	}
	return p.comparison()
}

func (p *filterParser) comparison() (*expression, error) {
	name := p.next()
	switch fold(name) {
	case "startswith", "endswith":
		return p.function(fold(name))
	}
	if collection, isAny := strings.CutSuffix(name, "/any"); isAny {
		return p.lambda(collection)
	}
	e := &expression{path: name, op: fold(p.next())}
	switch e.op {
	case "in":
		if !p.accept("(") {
			return nil, invalidFilter()
		}
		for {
			value, err := literal(p.next())
			if err != nil {
				return nil, err
			}
			e.values = append(e.values, value)
			if p.accept(")") {
				break
			}
			if !p.accept(",") {
				return nil, invalidFilter()
			}
		}
	case "eq", "ne", "ge", "le":
		value, err := literal(p.next())
		if err != nil {
			return nil, err
		}
		e.values = []any{value}
	default:
		return nil, invalidFilter()
	}
	return e, p.check(e)
}

// function is startsWith(property, 'text').
func (p *filterParser) function(op string) (*expression, error) {
	if !p.accept("(") {
		return nil, invalidFilter()
	}
	e := &expression{op: op, path: p.next()}
	if !p.accept(",") {
		return nil, invalidFilter()
	}
	value, err := literal(p.next())
	if _, isText := value.(string); err != nil || !isText || !p.accept(")") {
		return nil, invalidFilter()
	}
	e.values = []any{value}
	return e, p.check(e)
}

// lambda is any(x:x eq 'text') or any(x:x/property eq 'text').
func (p *filterParser) lambda(collection string) (*expression, error) {
	if !p.accept("(") {
		return nil, invalidFilter()
	}
	variable := p.next()
	if !p.accept(":") {
		return nil, invalidFilter()
	}
	inner := &expression{path: collection}
	function := contains("startswith endswith", fold(p.peek()))
	if function {
		inner.op = fold(p.next())
		if !p.accept("(") || p.next() != variable || !p.accept(",") {
			return nil, invalidFilter()
		}
	} else {
		element, sub, _ := strings.Cut(p.next(), "/")
		if element != variable {
			return nil, invalidFilter()
		}
		inner.sub, inner.op = sub, fold(p.next())
	}
	value, err := literal(p.next())
	if err != nil {
		return nil, err
	}
	inner.values = []any{value}
	if function && !p.accept(")") || !p.accept(")") {
		return nil, invalidFilter()
	}
	err = p.check(inner)
	return &expression{op: "any", children: []*expression{inner}, path: inner.path}, err
}

// literal is a text, true, false, null, or a bare GUID or time, which compares as text.
func literal(token string) (any, error) {
	switch {
	case token == "" || strings.ContainsAny(token[:1], "(),:"):
		return nil, invalidFilter()
	case token[0] == '\'':
		return token[1:], nil
	case strings.EqualFold(token, "true"), strings.EqualFold(token, "false"):
		return strings.EqualFold(token, "true"), nil
	case strings.EqualFold(token, "null"):
		return nil, nil
	}
	return token, nil
}

// check applies the table of graph/aad-advanced-queries to a comparison, and writes the property as it is called.
func (p *filterParser) check(e *expression) error {
	name, about := canonical(p.resource.properties, e.path)
	e.path = name
	switch {
	case about.kind == kindNone:
		return badRequest("Could not find a property named '%s' on type 'microsoft.graph.%s'.", e.path, fold(p.resource.name))
	case about.filters == "" && about.advanced == "":
		return unsupported("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", name, p.resource.name)
	}
	operator := e.op
	if operator == "eq" && len(e.values) == 1 && e.values[0] == nil {
		operator = "null"
	}
	byDefault := contains(about.filters, operator)
	withParameters := contains(about.advanced, operator) || operator == "ne" || operator == "null"
	switch {
	case byDefault, withParameters && p.advanced:
		return nil
	case withParameters:
		return needsAdvanced(spelled(e.op))
	}
	return unsupported("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", name, p.resource.name)
}

func contains(list, word string) bool {
	for candidate := range strings.FieldsSeq(list) {
		if candidate == word {
			return true
		}
	}
	return false
}

func spelled(op string) string {
	switch op {
	case "startswith":
		return "startsWith"
	case "endswith":
		return "endsWith"
	}
	return op
}
