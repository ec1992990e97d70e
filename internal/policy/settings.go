package policy

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxSecret is the most bytes a referenced value may have: room for a private key with its chain, and no more.
const maxSecret = 64 << 10

const (
	envPrefix  = "env:"
	filePrefix = "file:"
)

// settings are a connector's settings. Their keys are the connector's; what is checked here is that no secret stands in
// the policy itself.
type settings map[string]any

func (s *settings) decodeNode(d *decoder, node *yaml.Node, path string) bool {
	entries, ok := d.entries(node, path)
	if ok {
		*s = d.settingsMap(entries, path, false)
	}
	return ok
}

func (d *decoder) settingsMap(entries []entry, path string, secret bool) map[string]any {
	m := make(map[string]any, len(entries))
	for _, entry := range entries {
		m[entry.name] = d.setting(entry.value, join(path, entry.name), secret || isSecretKey(entry.name))
	}
	return m
}

func (d *decoder) setting(node *yaml.Node, path string, secret bool) any {
	if !d.plain(node, path) {
		return nil
	}
	switch {
	case node.Kind == yaml.MappingNode:
		entries, _ := d.entries(node, path)
		return d.settingsMap(entries, path, secret)
	case node.Kind == yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, item := range node.Content {
			list[i] = d.setting(item, fmt.Sprintf("%s[%d]", path, i), secret)
		}
		return list
	case isString(node):
		d.checkSetting(node, path, secret)
		return node.Value
	case node.ShortTag() == tagBool:
		return strings.EqualFold(node.Value, "true")
	case node.ShortTag() == tagNull:
		d.wrongType(node, path, "a string, a number, true or false, a list or a mapping")
		return nil
	default:
		d.checkSetting(node, path, secret)
		return d.settingNumber(node, path)
	}
}

// settingNumber is a number as JSON will give it back.
func (d *decoder) settingNumber(node *yaml.Node, path string) float64 {
	const exact = 1 << 53
	number, err := strconv.ParseFloat(node.Value, 64)
	isWhole := node.ShortTag() == tagInt
	if err != nil || math.IsInf(number, 0) || math.IsNaN(number) || isWhole && math.Abs(number) >= exact {
		d.problems.addf(d.at(node), path, "is not a decimal number that can be kept exactly; put it in quotes")
		return 0
	}
	return number
}

// checkSetting refuses a secret that is written out, without quoting it.
func (d *decoder) checkSetting(node *yaml.Node, path string, secret bool) {
	value := node.Value
	switch reference, err := isReference(value); {
	case err != nil:
		d.problems.addf(d.at(node), path, "%v", err)
	case reference:
	case privateKeyPattern.MatchString(value):
		d.problems.addf(d.at(node), path, "holds a private key; write a reference to it, env:NAME or file:/path, never the key")
	case secret:
		d.problems.addf(d.at(node), path, "looks like a secret; write a reference to it, env:NAME or file:/path, never the value")
	case hasPassword(value):
		d.problems.addf(d.at(node), path, "is an address with a password in it; write a reference to it, env:NAME or file:/path")
	}
}

// privateKeyPattern is how a private key in PEM begins, of whatever kind and encrypted or not (RFC 7468, sections 10 and 11).
var privateKeyPattern = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY`)

var envNamePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// isReference reports whether a setting stands for a value kept elsewhere; an error says that it is meant to and cannot.
func isReference(value string) (bool, error) {
	if name, ok := strings.CutPrefix(value, envPrefix); ok {
		if !envNamePattern.MatchString(name) {
			return false, errors.New("env: must be followed by the name of an environment variable")
		}
		return true, nil
	}
	if path, ok := strings.CutPrefix(value, filePrefix); ok && !strings.HasPrefix(path, "//") {
		if !strings.HasPrefix(path, "/") {
			return false, errors.New("file: must be followed by an absolute path")
		}
		return true, nil
	}
	return false, nil
}

func hasPassword(value string) bool {
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return false
	}
	_, ok := u.User.Password()
	return ok
}

// isSecretKey reports whether a setting of this name holds a secret: one of its words says so, and its last word does
// not say that it is only about one (tokenUrl, privateKeyId, federatedTokenFile). A certificate to sign in with comes with
// its private key.
func isSecretKey(key string) bool {
	words := splitWords(key)
	if len(words) == 0 {
		return false
	}
	switch words[len(words)-1] {
	case "url", "uri", "endpoint", "path", "name", "type", "file", "id":
		return false
	case "certificate", "certificates":
		return true
	}
	return slices.ContainsFunc(words, func(word string) bool { return secretWords[strings.TrimSuffix(word, "s")] })
}

// secretWords say in a setting's name that it is a secret.
var secretWords = map[string]bool{
	"token": true, "password": true, "passwd": true, "passphrase": true, "secret": true, "key": true, "credential": true, "apikey": true,
}

// NamesFile reports whether a setting of this name is the path of a file, which the connector reads itself (caFile,
// federatedTokenFile).
func NamesFile(key string) bool {
	words := splitWords(key)
	return len(words) > 0 && words[len(words)-1] == "file"
}

// splitWords splits camelCase, snake_case, kebab-case and dotted names into lower-case words.
func splitWords(s string) []string {
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	lower := false
	for _, r := range s {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			lower = false
			continue
		case unicode.IsUpper(r) && lower:
			flush()
		}
		word.WriteRune(r)
		lower = !unicode.IsUpper(r)
	}
	flush()
	return words
}

// ResolveSettings is a copy of a target's settings in which each reference is replaced by what it refers to, read by
// lookupEnv or readFile. A file's final line break is no part of the value. A value that is missing, empty or larger
// than 64 KiB is an error, which names the setting and the reference and never a value.
func ResolveSettings(
	settings map[string]any, lookupEnv func(string) (string, bool), readFile func(string) ([]byte, error),
) (map[string]any, error) {
	r := resolver{lookupEnv: lookupEnv, readFile: readFile}
	resolved, err := r.resolveMap("settings", settings)
	if err != nil {
		return nil, err
	}
	return resolved, nil
}

type resolver struct {
	lookupEnv func(string) (string, bool)
	readFile  func(string) ([]byte, error)
}

func (r resolver) resolveMap(path string, m map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for _, key := range sortedKeys(m) {
		value, err := r.resolve(join(path, key), m[key])
		if err != nil {
			return nil, err
		}
		out[key] = value
	}
	return out, nil
}

func (r resolver) resolve(path string, value any) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		return r.resolveMap(path, v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			resolved, err := r.resolve(fmt.Sprintf("%s[%d]", path, i), item)
			if err != nil {
				return nil, err
			}
			list[i] = resolved
		}
		return list, nil
	case string:
		reference, err := isReference(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if !reference {
			return v, nil
		}
		return r.read(path, v)
	default:
		return v, nil
	}
}

func (r resolver) read(path, reference string) (string, error) {
	var value string
	if name, ok := strings.CutPrefix(reference, envPrefix); ok {
		if value, ok = r.lookupEnv(name); !ok {
			return "", fmt.Errorf("%s: the environment variable of %s is not set", path, reference)
		}
	} else {
		data, err := r.readFile(strings.TrimPrefix(reference, filePrefix))
		if err != nil {
			return "", fmt.Errorf("%s: the file of %s cannot be read: %w", path, reference, err)
		}
		value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	}
	switch {
	case value == "":
		return "", fmt.Errorf("%s: what %s refers to is empty", path, reference)
	case len(value) > maxSecret:
		return "", fmt.Errorf("%s: what %s refers to is larger than %d bytes", path, reference, maxSecret)
	}
	return value, nil
}
