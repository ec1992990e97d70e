package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileSize is the largest policy file in bytes. A policy of some hundred roles takes a tenth of it.
const maxFileSize = 1 << 20

// decoder turns YAML nodes into document structs. The library's own decoder stops at the first error and forgets the
// lines of what it decoded; this one reports every error and leaves the place beside each value.
type decoder struct {
	file     string
	order    int
	problems *problemList
	places   places
}

// nodeDecoder is a leaf of the documents: it reads itself from a node, and reports false when it could not.
type nodeDecoder interface {
	decodeNode(d *decoder, node *yaml.Node, path string) bool
}

var placeType = reflect.TypeFor[place]()

// decodeFile reads all YAML documents of a file. It reports false when the file is not YAML at all.
func (d *decoder) decodeFile(data []byte) ([]document, bool) {
	top := place{file: d.file, order: d.order}
	if len(data) > maxFileSize {
		d.problems.addf(top, "", "the file has %d bytes; a policy file has at most %d", len(data), maxFileSize)
		return nil, false
	}
	var docs []document
	for parts := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var part yaml.Node
		err := parts.Decode(&part)
		if errors.Is(err, io.EOF) {
			return docs, true
		}
		if err != nil {
			top.line, err = syntaxError(err)
			d.problems.addf(top, "", "not valid YAML: %v", err)
			return nil, false
		}
		if root := part.Content[0]; root.ShortTag() != tagNull {
			var doc document
			d.decode(root, "", reflect.ValueOf(&doc).Elem())
			docs = append(docs, doc)
		}
	}
}

var syntaxErrorPattern = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)

// syntaxError takes the line out of the library's error, which leaves it out for the first line.
func syntaxError(err error) (int, error) {
	text := err.Error()
	prefix := syntaxErrorPattern.FindStringSubmatch(text)
	if prefix == nil {
		return 0, err
	}
	line := 1
	if n, convErr := strconv.Atoi(prefix[1]); convErr == nil {
		line = n
	}
	return line, errors.New(strings.TrimPrefix(text, prefix[0]))
}

func (d *decoder) at(node *yaml.Node) place {
	return place{file: d.file, order: d.order, line: node.Line}
}

// decode reads a node. It reports false when nothing of the node could be read: then it stands for no item of a list.
func (d *decoder) decode(node *yaml.Node, path string, into reflect.Value) bool {
	if !d.plain(node, path) {
		return false
	}
	if leaf, ok := reflect.TypeAssert[nodeDecoder](into.Addr()); ok {
		return leaf.decodeNode(d, node, path)
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return d.decode(node, path, into.Elem())
	case reflect.Struct:
		return d.decodeStruct(node, path, into)
	case reflect.Slice:
		return d.decodeList(node, path, into)
	case reflect.Map:
		return d.decodeMap(node, path, into)
	default:
		panic(fmt.Sprintf("policy: no decoding into %s", into.Type()))
	}
}

// The tags that YAML gives to plain scalars.
const (
	tagNull  = "!!null"
	tagBool  = "!!bool"
	tagInt   = "!!int"
	tagFloat = "!!float"
	tagMerge = "!!merge"
)

// plain refuses what would let one place of the document stand for another, so that every value has one line of its own
// and a small file cannot expand into a large one.
func (d *decoder) plain(node *yaml.Node, path string) bool {
	if node.Kind == yaml.AliasNode || node.Anchor != "" || node.Style&yaml.TaggedStyle != 0 || node.ShortTag() == tagMerge {
		d.problems.addf(d.at(node), path, "anchors, aliases, merge keys and tags are not supported; write the value out")
		return false
	}
	return true
}

// isString reports whether the node is text. A date is: YAML has a type for it, policy has not.
func isString(node *yaml.Node) bool {
	if node.Kind != yaml.ScalarNode {
		return false
	}
	switch node.ShortTag() {
	case tagNull, tagBool, tagInt, tagFloat:
		return false
	default:
		return true
	}
}

// entry is a key of a mapping with its value.
type entry struct {
	name       string
	key, value *yaml.Node
}

// entries lists a mapping's keys and values; false when the node is no mapping.
func (d *decoder) entries(node *yaml.Node, path string) ([]entry, bool) {
	if node.Kind != yaml.MappingNode {
		d.wrongType(node, path, "a mapping of keys to values")
		return nil, false
	}
	var entries []entry
	lines := map[string]int{}
	for i := 0; i < len(node.Content); i += 2 {
		e := entry{name: node.Content[i].Value, key: node.Content[i], value: node.Content[i+1]}
		switch {
		case !d.plain(e.key, path):
		case !isString(e.key):
			d.problems.addf(d.at(e.key), path, "the key %s must be a string; put it in quotes", e.name)
		case lines[e.name] > 0:
			d.problems.addf(d.at(e.key), join(path, e.name), "is given twice; the first is in line %d", lines[e.name])
		default:
			lines[e.name] = e.key.Line
			d.places[join(path, e.name)] = d.at(e.key)
			entries = append(entries, e)
		}
	}
	return entries, true
}

func (d *decoder) decodeStruct(node *yaml.Node, path string, into reflect.Value) bool {
	fields := map[string]reflect.Value{}
	d.fields(node, into, fields)
	entries, ok := d.entries(node, path)
	if !ok {
		return false
	}
	for _, entry := range entries {
		field, ok := fields[entry.name]
		if !ok {
			d.problems.addf(d.at(entry.key), join(path, entry.name), "unknown key; the keys here are %s",
				strings.Join(sortedKeys(fields), ", "))
			continue
		}
		d.decode(entry.value, join(path, entry.name), field)
	}
	return true
}

// fields collects a struct's fields by their keys, those of embedded structs too, and sets its place.
func (d *decoder) fields(node *yaml.Node, of reflect.Value, into map[string]reflect.Value) {
	for i := range of.NumField() {
		field := of.Type().Field(i)
		switch {
		case field.Type == placeType:
			of.Field(i).Set(reflect.ValueOf(d.at(node)))
		case field.Anonymous:
			d.fields(node, of.Field(i), into)
		default:
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			into[name] = of.Field(i)
		}
	}
}

func (d *decoder) decodeList(node *yaml.Node, path string, into reflect.Value) bool {
	if node.Kind != yaml.SequenceNode {
		d.wrongType(node, path, "a list")
		return false
	}
	items := reflect.MakeSlice(into.Type(), 0, len(node.Content))
	for i, node := range node.Content {
		item := reflect.New(into.Type().Elem()).Elem()
		at := fmt.Sprintf("%s[%s]", path, label(node, i))
		d.places[at] = d.at(node)
		if d.decode(node, at, item) {
			items = reflect.Append(items, item)
		}
	}
	into.Set(items)
	return true
}

// label is how a path names an item of a list: by its name when it has one, else by its position from 0.
func label(item *yaml.Node, i int) string {
	if item.Kind == yaml.MappingNode {
		for k := 0; k < len(item.Content); k += 2 {
			if item.Content[k].Value == "name" && isString(item.Content[k+1]) {
				return item.Content[k+1].Value
			}
		}
	}
	return strconv.Itoa(i)
}

func (d *decoder) decodeMap(node *yaml.Node, path string, into reflect.Value) bool {
	entries, ok := d.entries(node, path)
	if !ok {
		return false
	}
	m := reflect.MakeMapWithSize(into.Type(), len(entries))
	for _, entry := range entries {
		value := reflect.New(into.Type().Elem()).Elem()
		d.decode(entry.value, join(path, entry.name), value)
		m.SetMapIndex(reflect.ValueOf(entry.name), value)
	}
	into.Set(m)
	return true
}

func (d *decoder) wrongType(node *yaml.Node, path, want string) {
	d.problems.addf(d.at(node), path, "must be %s, not %s", want, describe(node))
}

func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case isString(node):
		return "a string"
	case node.ShortTag() == tagBool:
		return "true or false"
	case node.ShortTag() == tagNull:
		return "empty"
	default:
		return "a number"
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
