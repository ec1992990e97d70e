package connectors

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Settings are a target's settings from policy, with secret references already resolved. They are never logged.
type Settings map[string]any

// Elsewhere stands for a value that is not on this machine: a reference that a worker will resolve. Only a check of
// settings meets one.
type Elsewhere struct{}

// Has reports whether the setting is given, here or elsewhere.
func (s Settings) Has(name string) bool {
	_, given := s[name]
	return given
}

// Elsewhere reports whether the setting is given and its value is not known here.
func (s Settings) Elsewhere(name string) bool {
	_, is := s[name].(Elsewhere)
	return is
}

// SettingError is a fault of one setting. Its text never shows what the setting holds.
type SettingError struct {
	Setting string
	Err     error
}

func (e *SettingError) Error() string { return "setting " + e.Setting + ": " + e.Err.Error() }

// Unwrap is the fault itself.
func (e *SettingError) Unwrap() error { return e.Err }

// SettingReaders hold what reads each setting that a connector knows.
type SettingReaders map[string]func(value any) error

// Read judges settings in three steps: their names, then by checkSet whether they are one whole set, then their values, each
// of which goes to its reader. checkSet looks at no value, so that a check, which does not know every value, comes to the
// same answer as a worker that does. The error is that of checkSet, or joins a *SettingError for each setting at fault.
func (r SettingReaders) Read(in Settings, checkSet func(Settings) error) error {
	var unknown, refused []error
	for _, name := range slices.Sorted(maps.Keys(in)) {
		switch read := r[name]; {
		case read == nil:
			unknown = append(unknown, &SettingError{name, fmt.Errorf("there is no such setting: there are %s", strings.Join(slices.Sorted(maps.Keys(r)), ", "))})
		case !in.Elsewhere(name):
			if err := read(in[name]); err != nil {
				refused = append(refused, &SettingError{name, err})
			}
		}
	}
	if len(unknown) > 0 {
		return errors.Join(unknown...)
	}
	if err := checkSet(in); err != nil {
		return err
	}
	return errors.Join(refused...)
}

// Abilities say what a target with certain settings can do, without a call to it.
type Abilities interface {
	// CheckLookup refuses an attribute by which FindAccounts cannot look accounts up for certain.
	CheckLookup(attribute string) error
	// CheckAttribute refuses an attribute that cannot be written, or is not read back.
	CheckAttribute(name string) error
	// CheckEntitlement refuses a kind of entitlement that the target has not, or its settings leave out.
	CheckEntitlement(kind string) error
}
