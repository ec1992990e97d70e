package policy

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/tenurehq/tenure/internal/identity"
)

// personType is the CEL type of person and manager. It is a type of its own, not a map, so that a misspelt attribute is
// an error when the policy is checked and not a condition that never holds.
var personType = cel.ObjectType("tenure.Person")

const customField = "custom"

var customType = cel.MapType(cel.StringType, cel.DynType)

// personValue is a person as expressions see one. An attribute that no source gives is the empty string, and has() tells
// it from others; so are all attributes of a manager who is null.
type personValue struct {
	attributes *identity.Attributes
	custom     ref.Val
}

func newPersonValue(a *identity.Attributes) *personValue {
	custom := a.Custom
	if custom == nil {
		custom = map[string]any{}
	}
	return &personValue{attributes: a, custom: types.DefaultTypeAdapter.NativeToValue(custom)}
}

func (p *personValue) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a person cannot be converted to %s", t)
}

func (p *personValue) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return personType
	}
	return types.NewErr("a person cannot be converted to %s", t.TypeName())
}

// Equal compares by identity: within one evaluation there is one value of each person.
func (p *personValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(*personValue)
	return types.Bool(ok && o == p)
}

func (p *personValue) Type() ref.Type { return personType }
func (p *personValue) Value() any     { return p }

// personProvider adds the person's type to CEL's own.
type personProvider struct {
	*types.Registry

	fields map[string]*types.FieldType
}

func newPersonProvider() (*personProvider, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	p := &personProvider{Registry: registry, fields: map[string]*types.FieldType{}}
	for name, get := range attributes {
		p.fields[name] = &types.FieldType{
			Type: cel.StringType,
			IsSet: func(target any) bool {
				person, ok := target.(*personValue)
				return ok && get(person.attributes) != ""
			},
			GetFrom: func(target any) (any, error) {
				if person, ok := target.(*personValue); ok {
					return types.String(get(person.attributes)), nil
				}
				return types.String(""), nil
			},
		}
	}
	p.fields[customField] = &types.FieldType{
		Type: customType,
		IsSet: func(target any) bool {
			person, ok := target.(*personValue)
			return ok && len(person.attributes.Custom) > 0
		},
		GetFrom: func(target any) (any, error) {
			if person, ok := target.(*personValue); ok {
				return person.custom, nil
			}
			return registry.NativeToValue(map[string]any{}), nil
		},
	}
	return p, nil
}

func (p *personProvider) FindStructType(name string) (*types.Type, bool) {
	if name == personType.TypeName() {
		return types.NewTypeTypeWithParam(personType), true
	}
	return p.Registry.FindStructType(name)
}

func (p *personProvider) FindStructFieldNames(name string) ([]string, bool) {
	if name == personType.TypeName() {
		return sortedKeys(p.fields), true
	}
	return p.Registry.FindStructFieldNames(name)
}

func (p *personProvider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name == personType.TypeName() {
		f, ok := p.fields[field]
		return f, ok
	}
	return p.Registry.FindStructFieldType(name, field)
}
