package v1

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/tenurehq/tenure/internal/identity"
)

// The limits of an event.
const (
	maxEvent     = 64 << 10 // bytes, as sent
	maxName      = 256      // bytes of id and source
	maxSequence  = 64       // bytes
	maxAttribute = 1 << 10  // bytes of any other attribute that we read
)

// envelope is an event's context as it was written: the SDK's own would have other spellings of source and time.
type envelope struct {
	id, source, kind, time, sequence, sequenceType string
}

// structuredEvent reads an event in the JSON event format (CloudEvents 1.0, JSON Event Format, section 3).
func structuredEvent(raw []byte) (identity.Event, error) {
	if len(raw) > maxEvent {
		return identity.Event{}, identity.Errorf(identity.TooLarge, "an event may have at most %d bytes and this one has %d", maxEvent, len(raw))
	}
	members, err := membersOf(raw)
	if err != nil {
		return identity.Event{}, err
	}
	env, err := readEnvelope(members)
	if err != nil {
		return identity.Event{}, err
	}
	// The data is ours to judge, field by field: the SDK would refuse some of it with the event as a whole.
	data, err := takeData(members)
	if err != nil {
		return identity.Event{}, err
	}
	attributes, err := json.Marshal(members)
	if err != nil {
		return identity.Event{}, fromSDK(err)
	}
	var e event.Event
	if err := e.UnmarshalJSON(attributes); err != nil {
		return identity.Event{}, fromSDK(err)
	}
	e.DataEncoded = data
	return interpret(e, env)
}

// membersOf takes an event's object apart. A member that is null is one that is not there (JSON Event Format, section
// 2.2), and one that stands twice is refused wherever it does.
func membersOf(raw []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, identity.Errorf(identity.Invalid, "the event is not a JSON object; several are sent as %s", event.ApplicationCloudEventsBatchJSON)
	}
	if path, twice := identity.DuplicateKey(raw); twice {
		return nil, identity.InvalidField(strings.TrimPrefix(path, "."), "given twice in one object")
	}
	maps.DeleteFunc(members, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	return members, nil
}

// readEnvelope reads the attributes, and refuses those of a type that the SDK takes for granted. Its decoder does not
// say which attribute it means.
func readEnvelope(members map[string]json.RawMessage) (envelope, error) {
	var env envelope
	var unused string
	var problems []error
	texts := map[string]*string{"specversion": &unused, "id": &env.id, "source": &env.source, "type": &env.kind, "time": &env.time,
		"subject": &unused, "dataschema": &unused, "datacontenttype": &unused, "data_base64": &unused, "sequencetype": &env.sequenceType}
	if string(members["specversion"]) != `"`+event.CloudEventsVersionV1+`"` { // of another version nothing else is known
		return env, identity.InvalidField("specversion", "%s", wanted["specversion"])
	}
	for _, name := range []string{"id", "source", "type"} {
		if members[name] == nil {
			problems = append(problems, identity.InvalidField(name, "%s", wanted[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		raw := members[name]
		switch into, isText := texts[name]; {
		case name == "data":
		case name == "sequence":
			if env.sequence, isText = sequenceOf(raw); !isText {
				problems = append(problems, identity.InvalidField(name, "must be a text, in quotes, or a whole number, in digits"))
			}
			members[name], _ = json.Marshal(env.sequence) // the SDK has no room for a long number
		case isText:
			if raw[0] != '"' || json.Unmarshal(raw, into) != nil {
				problems = append(problems, identity.InvalidField(name, "must be a text, in quotes"))
			}
		case !event.IsExtensionNameValid(name):
			problems = append(problems, identity.InvalidField(identity.ShownKey(name), "the name of an attribute is lower-case letters and digits"))
		case !isExtension(raw):
			problems = append(problems, identity.InvalidField(name, "must be a text, a number of 32 bits, true or false"))
		}
	}
	return env, errors.Join(problems...)
}

// sequenceOf reads a sequence. CloudEvents says text; senders that write a whole number mean its digits. Other numbers
// have several spellings (1e3, 1000.0) and so no order as text.
func sequenceOf(raw json.RawMessage) (string, bool) {
	var text string
	if raw[0] == '"' {
		return text, json.Unmarshal(raw, &text) == nil
	}
	return string(raw), isInteger(string(raw))
}

// isExtension reports whether a value is of a type that extension attributes have (CloudEvents 1.0, section "Type System";
// JSON Event Format, section 2.2).
func isExtension(raw json.RawMessage) bool {
	switch raw[0] {
	case '{', '[':
		return false
	case '"', 't', 'f':
		return true
	default:
		number, err := strconv.ParseFloat(string(raw), 64)
		return err == nil && number >= math.MinInt32 && number <= math.MaxInt32
	}
}

// takeData takes the data out of an event's members; nil when there is none.
func takeData(members map[string]json.RawMessage) ([]byte, error) {
	data, encoded := members["data"], members["data_base64"]
	delete(members, "data")
	delete(members, "data_base64")
	if encoded == nil {
		return data, nil
	}
	if data != nil { // decoders differ in which of them they take
		return nil, identity.InvalidField("data_base64", "given beside data: an event has one of them")
	}
	var text string
	if err := json.Unmarshal(encoded, &text); err != nil {
		return nil, identity.InvalidField("data_base64", "must be a text, in quotes")
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, identity.InvalidField("data_base64", "is not base64")
	}
	return decoded, nil
}

// binaryEvent reads an event whose attributes are headers (CloudEvents 1.0, HTTP Protocol Binding, section 3.1).
func binaryEvent(ctx context.Context, header http.Header, body []byte) (identity.Event, error) {
	if len(body) > maxEvent {
		return identity.Event{}, identity.Errorf(identity.TooLarge, "an event may have at most %d bytes and this one has %d", maxEvent, len(body))
	}
	message := cehttp.NewMessage(header, io.NopCloser(bytes.NewReader(body)))
	e, err := binding.ToEvent(ctx, message)
	if err != nil {
		return identity.Event{}, fromSDK(err)
	}
	return interpret(*e, envelope{id: header.Get("Ce-Id"), source: header.Get("Ce-Source"), kind: header.Get("Ce-Type"),
		time: header.Get("Ce-Time"), sequence: header.Get("Ce-Sequence"), sequenceType: header.Get("Ce-Sequencetype")})
}

// interpret makes the fact of a decoded event.
func interpret(e event.Event, env envelope) (identity.Event, error) {
	if err := e.Validate(); err != nil {
		return identity.Event{}, fromSDK(err)
	}
	if e.SpecVersion() != event.CloudEventsVersionV1 {
		return identity.Event{}, identity.InvalidField("specversion", "must be %s", event.CloudEventsVersionV1)
	}
	at, err := env.check(e.Time())
	if err != nil {
		return identity.Event{}, err
	}
	if mediaType, _, err := mime.ParseMediaType(e.DataContentType()); e.DataContentType() != "" &&
		(err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json")) {
		return identity.Event{}, identity.InvalidField("datacontenttype", "must be application/json")
	}
	if len(e.Data()) == 0 {
		return identity.Event{}, identity.InvalidField("data", "required")
	}
	fact, err := identity.ParseEventData(identity.EventType(env.kind), e.Data())
	if err != nil {
		return identity.Event{}, err
	}
	fact.Source, fact.ID, fact.Time, fact.Sequence = env.source, env.id, at, env.sequence
	return fact, nil
}

// check holds the attributes to the bounds of ours and answers the event's time.
func (env envelope) check(at time.Time) (time.Time, error) {
	var problems []error
	for _, attribute := range []struct {
		name, value string
		limit       int
	}{{"id", env.id, maxName}, {"source", env.source, maxName}, {"type", env.kind, maxAttribute}, {"sequence", env.sequence, maxSequence}} {
		switch {
		case len(attribute.value) > attribute.limit:
			problems = append(problems, identity.InvalidField(attribute.name, "longer than %d bytes", attribute.limit))
		case strings.ContainsFunc(attribute.value, unicode.IsControl), strings.ContainsRune(attribute.value, unicode.ReplacementChar):
			problems = append(problems, identity.InvalidField(attribute.name, "contains a control character, or text damaged by a wrong encoding"))
		}
	}
	if at.IsZero() {
		problems = append(problems, identity.InvalidField("time", "required: when the fact was observed, as 2006-01-02T15:04:05Z"))
	} else if (new(identity.Moment)).UnmarshalText([]byte(at.UTC().Format(time.RFC3339))) != nil {
		problems = append(problems, identity.InvalidField("time", "the year must lie within 1900 and 2200"))
	}
	switch {
	case env.sequenceType == "":
	case env.sequenceType != "Integer":
		problems = append(problems, identity.InvalidField("sequencetype", "must be Integer, or absent"))
	case !isInteger(env.sequence):
		problems = append(problems, identity.InvalidField("sequence", "must be a whole number, since sequencetype is Integer"))
	}
	return at.UTC().Truncate(identity.Resolution), errors.Join(problems...)
}

func isInteger(s string) bool {
	digits := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+"), "0123456789")
	return s != "" && digits == "" && s != "-" && s != "+"
}

// fromSDK is the SDK's error as ours. Its texts can quote values, which are not repeated.
func fromSDK(err error) error {
	var validation event.ValidationError
	if !errors.As(err, &validation) {
		text := err.Error()
		switch {
		case strings.Contains(text, "uri ref"):
			return identity.InvalidField("source", "is not a URI reference")
		case strings.Contains(text, "RFC 3339"), strings.Contains(text, "RFC3339"):
			return identity.InvalidField("time", "must be written as 2006-01-02T15:04:05Z (RFC 3339)")
		}
		return identity.Errorf(identity.Invalid, "the event is not as CloudEvents 1.0 wants it: "+
			"names of attributes are lower-case letters and digits, and their values text, whole numbers or booleans")
	}
	var problems []error
	for _, name := range []string{"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema"} {
		if _, wrong := validation[name]; wrong {
			problems = append(problems, identity.InvalidField(name, "%s", wanted[name]))
			delete(validation, name)
		}
	}
	for name := range validation {
		problems = append(problems, identity.InvalidField(name, "is not as CloudEvents 1.0 wants it"))
	}
	return errors.Join(problems...)
}

// wanted says what CloudEvents 1.0 asks of an attribute.
var wanted = map[string]string{
	"specversion":     "required: must be 1.0",
	"id":              "required: unique within the source",
	"source":          "required: a URI reference that names the sender",
	"type":            "required: worker.joined, worker.changed, worker.left, …",
	"time":            "must be written as 2006-01-02T15:04:05Z (RFC 3339)",
	"subject":         "must not be empty",
	"datacontenttype": "must be a media type",
	"dataschema":      "must be a URI",
}
