package policy

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/tenurehq/tenure/internal/identity"
)

// maxCost is what one evaluation may cost, in CEL's units (roughly one a step and one a tenth character). A usual
// condition costs less than 50; the limit keeps a mistake from holding up everybody's plan.
const maxCost = 50_000

// expression is a compiled CEL expression.
type expression struct {
	path    string // its key in the documents
	source  string
	program cel.Program
}

// compile checks the expression and notes what it refers to; nil when something is wrong with it.
func (b *builder) compile(env *cel.Env, f formula, path string) (*expression, *cel.Type) {
	if strings.TrimSpace(f.v) == "" {
		return nil, nil // the decoder has said so
	}
	checked, issues := env.Compile(f.v)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			b.addf(f.at, path, "%s (at character %d of line %d of %q)", e.Message, e.Location.Column()+1, e.Location.Line(), f.v)
		}
		return nil, nil
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		b.addf(f.at, path, "cannot be made into a program: %v", err)
		return nil, nil
	}
	b.noteGroups(checked.NativeRep().Expr())
	for _, reference := range checked.NativeRep().ReferenceMap() {
		switch reference.Name {
		case varManager:
			b.policy.refersToManager = true
		case varToday:
			b.policy.refersToToday = true
		case varUserName, varMail:
			b.requireNaming(reference.Name, f, path)
		}
	}
	return &expression{path: path, source: f.v, program: program}, checked.OutputType()
}

// noteGroups notes which of the directory's groups the expression asks about.
func (b *builder) noteGroups(root ast.Expr) {
	isGroups := func(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == varGroups }
	named := map[int64]bool{}
	ast.PostOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.In {
			return
		}
		args := e.AsCall().Args()
		if !isGroups(args[1]) || args[0].Kind() != ast.LiteralKind {
			return
		}
		if name, ok := args[0].AsLiteral().(types.String); ok {
			named[args[1].ID()] = true
			if i, found := slices.BinarySearch(b.policy.groups.Names, string(name)); !found {
				b.policy.groups.Names = slices.Insert(b.policy.groups.Names, i, string(name))
			}
		}
	}))
	ast.PostOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		b.policy.groups.Any = b.policy.groups.Any || isGroups(e) && !named[e.ID()]
	}))
}

func (b *builder) requireNaming(name string, f formula, path string) {
	for _, doc := range b.doc.Naming {
		if doc.Name.v == name {
			return
		}
	}
	b.addf(f.at, path, "refers to %s, but no naming rule allocates it; add one under naming", name)
}

// condition compiles an expression that answers true or false.
func (b *builder) condition(env *cel.Env, f formula, path string) *expression {
	e, t := b.compile(env, f, path)
	switch {
	case e == nil:
		return nil
	case t.IsExactType(cel.BoolType):
		return e
	case t.Kind() == types.DynKind:
		b.addf(f.at, path, "must be true or false for certain; compare what it gives, as in %s == true", f.v)
	default:
		b.addf(f.at, path, "must be true or false, not %s", t)
	}
	return nil
}

// template compiles an expression that answers a string.
func (b *builder) template(env *cel.Env, f formula, path string) *expression {
	e, t := b.compile(env, f, path)
	if e != nil && !t.IsExactType(cel.StringType) {
		b.addf(f.at, path, "must be a string, not %s; convert it with string()", t)
		return nil
	}
	return e
}

// mapping compiles an expression that answers an attribute's value.
func (b *builder) mapping(env *cel.Env, f formula, path string) *expression {
	e, t := b.compile(env, f, path)
	if e != nil && !isAttributeType(t) {
		b.addf(f.at, path, "must be a string, a number, true or false, or a list of these, not %s", t)
		return nil
	}
	return e
}

func isAttributeType(t *cel.Type) bool {
	if t.TypeName() == types.OptionalType.TypeName() {
		t = t.Parameters()[0]
	}
	if t.Kind() == types.ListKind {
		t = t.Parameters()[0]
		return isScalarType(t)
	}
	return isScalarType(t) || t.Kind() == types.NullTypeKind
}

// scalarKinds are the kinds of single values. Of a dynamic value it shows only when it is computed; a type parameter is
// what an empty list has for the type of its items.
var scalarKinds = []types.Kind{
	types.StringKind, types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind, types.DynKind, types.TypeParamKind,
}

func isScalarType(t *cel.Type) bool {
	return slices.Contains(scalarKinds, t.Kind())
}

// errNoValue is a result that is of none of the types an attribute may have.
var errNoValue = errors.New("the result is not a string, a number, true or false, or a list of these")

func (e *expression) eval(vars cel.Activation) (ref.Val, error) {
	value, _, err := e.program.Eval(vars)
	if err != nil {
		return nil, e.failure(err)
	}
	return value, nil
}

func (e *expression) holds(vars cel.Activation) (bool, error) {
	value, err := e.eval(vars)
	return value == types.True, err
}

func (e *expression) text(vars cel.Activation) (string, error) {
	value, err := e.eval(vars)
	s, _ := value.(types.String)
	return string(s), err
}

// attribute is the expression's result as connectors take it: string, bool, float64 or []any; nil for no value, which
// is what null, the empty string, the empty list and optional.none() come to (RFC 7643 section 2.5 treats null and the
// empty list alike).
func (e *expression) attribute(vars cel.Activation) (any, error) {
	value, err := e.eval(vars)
	if err != nil {
		return nil, err
	}
	native, err := nativeAttribute(value)
	if err != nil {
		return nil, e.failure(err)
	}
	return native, nil
}

func nativeAttribute(value ref.Val) (any, error) {
	if optional, ok := value.(*types.Optional); ok {
		if !optional.HasValue() {
			return nil, nil //nolint:nilnil // nil is "no value", a result like others
		}
		value = optional.GetValue()
	}
	list, ok := value.(traits.Lister)
	if !ok {
		return nativeScalar(value)
	}
	var items []any
	for it := list.Iterator(); it.HasNext() == types.True; {
		item, err := nativeScalar(it.Next())
		if err != nil {
			return nil, err
		}
		if item != nil {
			items = append(items, item)
		}
	}
	if len(items) == 0 {
		return nil, nil //nolint:nilnil // nil is "no value"
	}
	return items, nil
}

func nativeScalar(value ref.Val) (any, error) {
	switch v := value.(type) {
	case types.Null:
		return nil, nil //nolint:nilnil // nil is "no value"
	case types.String:
		if v == "" {
			return nil, nil //nolint:nilnil // nil is "no value"
		}
		return string(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return float64(v), nil
	case types.Uint:
		return float64(v), nil
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, errNoValue
		}
		return float64(v), nil
	default:
		return nil, errNoValue
	}
}

// failure names the key and the expression. CEL's own words may quote the person's values (a key that was looked up, a
// text that is no number), so that only their kind is passed on.
func (e *expression) failure(err error) error {
	return &identity.Error{
		Code:    identity.Invalid,
		Field:   e.path,
		Message: fmt.Sprintf("cannot be evaluated for this person: %s; the expression is %q", failureKind(err), e.source),
	}
}

func failureKind(err error) string {
	text := err.Error()
	for _, kind := range []struct{ sign, meaning string }{
		{errNoValue.Error(), errNoValue.Error()},
		{"actual cost limit exceeded", "it takes too many steps"},
		{"no such key", "a custom attribute is missing; test it with has() or write .?name.orValue(…)"},
		{"no such overload", "a value is of another type than the expression expects"},
		{"type conversion error", "a value cannot be converted"},
		{"index out of", "an index is out of range"},
		{"division by zero", "a division by zero"},
		{"modulus by zero", "a division by zero"},
	} {
		if strings.Contains(text, kind.sign) {
			return kind.meaning
		}
	}
	return "a value is not what the expression expects"
}
