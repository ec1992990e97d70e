package policy

import (
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// The variables of expressions.
const (
	varPerson   = "person"
	varManager  = "manager"
	varUserName = "userName"
	varMail     = "mail"
	varState    = "state"
	varToday    = "today"
	varGroups   = "groups"
)

const (
	// maxExpression is the longest expression in characters.
	maxExpression = 8 << 10
	// maxDepth is how deep an expression may nest.
	maxDepth = 64
	// stringsVersion fixes the set of string functions, so that an upgrade of the library changes no policy's meaning.
	stringsVersion = 4
)

// environments are the sets of variables that expressions see. A name cannot be made from one that is allocated later.
type environments struct {
	userName *cel.Env // person
	mail     *cel.Env // person, userName
	full     *cel.Env // all variables
}

// celEnvironments are the same for every policy, and dear to make.
var celEnvironments = sync.OnceValues(newEnvironments)

func newEnvironments() (*environments, error) {
	provider, err := newPersonProvider()
	if err != nil {
		return nil, err
	}
	userName, err := cel.NewEnv(append([]cel.EnvOption{
		cel.CustomTypeProvider(provider),
		cel.CustomTypeAdapter(provider),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(stringsVersion)),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
		cel.Variable(varPerson, personType),
	}, functions()...)...)
	if err != nil {
		return nil, err
	}
	mail, err := userName.Extend(cel.Variable(varUserName, cel.StringType))
	if err != nil {
		return nil, err
	}
	full, err := mail.Extend(
		cel.Variable(varMail, cel.StringType),
		cel.Variable(varManager, personType),
		cel.Variable(varState, cel.StringType),
		cel.Variable(varToday, cel.StringType),
		cel.Variable(varGroups, cel.ListType(cel.StringType)),
	)
	if err != nil {
		return nil, err
	}
	return &environments{userName: userName, mail: mail, full: full}, nil
}

// functions are those that CEL and its strings extension lack.
func functions() []cel.EnvOption {
	return []cel.EnvOption{
		ofString("lower", strings.ToLower),
		ofString("ascii", ascii),
		ofString("asciiGerman", asciiGerman),
		ofString("slug", slug),
		cel.Function("first", cel.Overload("first_string_int",
			[]*cel.Type{cel.StringType, cel.IntType}, cel.StringType,
			cel.BinaryBinding(func(left, right ref.Val) ref.Val {
				s, isString := left.(types.String)
				n, isInt := right.(types.Int)
				if !isString || !isInt {
					return types.NoSuchOverloadErr()
				}
				return types.String(first(string(s), int64(n)))
			}))),
	}
}

func ofString(name string, f func(string) string) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_string",
		[]*cel.Type{cel.StringType}, cel.StringType,
		cel.UnaryBinding(func(value ref.Val) ref.Val {
			s, ok := value.(types.String)
			if !ok {
				return types.NoSuchOverloadErr()
			}
			return types.String(f(string(s)))
		})))
}

// first is the first n characters of s; all of it when it is shorter, none when n is not positive.
func first(s string, n int64) string {
	if n <= 0 {
		return ""
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
