package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenurehq/tenure/internal/scim"
)

// The limits of a Bulk request, which the ServiceProviderConfig states. What an operation does has the limits of a request of
// its own.
const (
	maxBulkOperations = 1000
	maxBulkBody       = 10 << 20 // bytes
)

const (
	bulkRequestSchema  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	bulkResponseSchema = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

// bulkRequest is the body of a Bulk request (RFC 7644, section 3.7). The data of operations are not read yet.
type bulkRequest struct {
	failOnErrors int // 0: go on whatever fails
	operations   []bulkOperation
}

type bulkOperation struct {
	method, id, path, version string
	data                      []byte
}

func badBulk(format string, args ...any) error {
	return scim.Errorf(http.StatusBadRequest, scim.InvalidSyntax, format, args...)
}

// readBulk reads the body key by key: encoding/json would take the last of two equal ones, and there is no need to hold
// more than the operations.
func readBulk(body []byte) (bulkRequest, error) {
	var b bulkRequest
	if !utf8.Valid(body) {
		return b, badBulk("The body is not valid UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	named := false
	err := readObject(d, map[string]func() error{
		"schemas": func() error {
			var schemas []string
			if err := d.Decode(&schemas); err != nil {
				return err
			}
			named = hasURN(schemas, bulkRequestSchema)
			return nil
		},
		"failonerrors": func() error { return d.Decode(&b.failOnErrors) },
		"operations":   func() error { return b.readOperations(d) },
	})
	if err == nil {
		if _, after := d.Token(); !errors.Is(after, io.EOF) {
			err = badBulk("The body goes on after its end.")
		}
	}
	switch _, known := errors.AsType[*scim.Error](err); {
	case known:
		return b, err
	case err != nil:
		return b, badBulk("The body is malformed at byte %d.", d.InputOffset())
	case !named:
		return b, badBulk("schemas must have %s.", bulkRequestSchema)
	case b.failOnErrors < 0:
		return b, scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "failOnErrors must not be negative.")
	case len(b.operations) == 0:
		return b, badBulk("Operations must be a list of operations.")
	}
	return b, nil
}

// hasURN says whether the schemas of a request have this one, in any case.
func hasURN(schemas []string, urn string) bool {
	return slices.ContainsFunc(schemas, func(s string) bool { return strings.EqualFold(s, urn) })
}

func (b *bulkRequest) readOperations(d *json.Decoder) error {
	if err := expect(d, '['); err != nil {
		return err
	}
	for d.More() {
		if len(b.operations) == maxBulkOperations {
			return scim.Errorf(http.StatusRequestEntityTooLarge, "", "There are more than %d operations. Send them in several requests.", maxBulkOperations)
		}
		var op bulkOperation
		var data json.RawMessage
		err := readObject(d, map[string]func() error{
			"method": func() error { return d.Decode(&op.method) }, "bulkid": func() error { return d.Decode(&op.id) },
			"path": func() error { return d.Decode(&op.path) }, "version": func() error { return d.Decode(&op.version) },
			"data": func() error { return d.Decode(&data) },
		})
		if err != nil {
			return err
		}
		op.data = data
		b.operations = append(b.operations, op)
	}
	return expect(d, ']')
}

// readObject reads an object whose keys, in small letters, are known; others are passed over.
func readObject(d *json.Decoder, known map[string]func() error) error {
	if err := expect(d, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		key := strings.ToLower(name)
		if seen[key] {
			return badBulk("An object of the request has the same key twice, at byte %d.", d.InputOffset())
		}
		read := known[key]
		if read == nil {
			read = func() error { return d.Decode(&json.RawMessage{}) }
		} else {
			seen[key] = true
		}
		if err := read(); err != nil {
			return err
		}
	}
	return expect(d, '}')
}

func expect(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if token != want {
		return badBulk("Expected %q at byte %d.", want.String(), d.InputOffset())
	}
	return nil
}
