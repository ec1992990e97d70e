package v1

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"reflect"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/google/uuid"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/api/problem"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// eventsInput is a request with one event or many, in any of CloudEvents' modes.
type eventsInput struct {
	RawBody []byte
	request *http.Request
}

// Resolve keeps the request: in binary mode an event's attributes are its headers.
func (in *eventsInput) Resolve(ctx huma.Context) []error {
	in.request, _ = humachi.Unwrap(ctx)
	return nil
}

// EventResult answers one event that was taken.
type EventResult struct {
	EventID    string          `json:"eventId"`
	IdentityID string          `json:"identityId" doc:"empty while a case decides who the person is"`
	WorkflowID string          `json:"workflowId" doc:"of the run that works for the identity; empty while a case decides"`
	Effect     identity.Effect `json:"effect" enum:"join,move,leave,rehire,suspend,resume,scheduled,none"`
	CaseID     *uuid.UUID      `json:"caseId,omitempty" format:"uuid" doc:"the case that decides who the person is"`
}

// RefusedEvent answers one event of a batch that was not taken.
type RefusedEvent struct {
	EventID string           `json:"eventId" doc:"empty when it could not be read"`
	Error   *problem.Problem `json:"error" doc:"why it was not taken"`
}

// batchItem answers one event of a batch: with what became of it, or with why it was not taken.
type batchItem struct {
	EventResult

	refusal *problem.Problem
}

// MarshalJSON writes one of the two forms.
func (b batchItem) MarshalJSON() ([]byte, error) {
	if b.refusal != nil {
		return json.Marshal(RefusedEvent{b.EventID, b.refusal})
	}
	return json.Marshal(b.EventResult)
}

// Schema describes both forms to OpenAPI.
func (batchItem) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[EventResult](), true, "EventResult"),
		r.Schema(reflect.TypeFor[RefusedEvent](), true, "RefusedEvent"),
	}}
}

// EventsAnswer answers a single event with its result, and a batch with results, one for each event in their order.
type EventsAnswer struct {
	One     *EventResult
	Results []batchItem
}

// MarshalJSON writes one of the two forms.
func (e EventsAnswer) MarshalJSON() ([]byte, error) {
	if e.One != nil {
		return json.Marshal(e.One)
	}
	return json.Marshal(batchResult{e.Results})
}

type batchResult struct {
	Results []batchItem `json:"results" nullable:"false"`
}

// Schema describes both forms to OpenAPI.
func (EventsAnswer) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[EventResult](), true, "EventResult"),
		r.Schema(reflect.TypeFor[batchResult](), true, "BatchResult"),
	}}
}

func (a *routes) registerEvents() {
	body := a.eventsBody()
	add(a, access.ScopeHR, huma.Operation{OperationID: "send-events", Method: http.MethodPost, Path: "/v1/events",
		Summary: "Send HR events", DefaultStatus: http.StatusAccepted, RequestBody: body,
		SkipValidateBody: true, // each event is judged alone, by the modes' own rules
		Description: "CloudEvents 1.0, one or a batch, in structured or binary mode. An event is idempotent by source and id. " +
			"In a batch the good events are taken and the bad ones are reported one by one."}, a.sendEvents)
	delete(body.Content, "application/octet-stream") // which huma adds for raw bytes
}

func (a *routes) sendEvents(ctx context.Context, in *eventsInput) (EventsAnswer, error) {
	mediaType, _, err := mime.ParseMediaType(in.request.Header.Get("Content-Type"))
	binary := in.request.Header.Get("Ce-Specversion") != ""
	switch {
	case err == nil && mediaType == event.ApplicationCloudEventsBatchJSON:
		return a.takeBatch(ctx, in.RawBody)
	case err == nil && (mediaType == event.ApplicationCloudEventsJSON || mediaType == event.ApplicationJSON && !binary):
		fact, err := structuredEvent(in.RawBody)
		return a.takeOne(ctx, fact, err)
	case binary:
		fact, err := binaryEvent(ctx, in.request.Header, in.RawBody)
		return a.takeOne(ctx, fact, err)
	default:
		return EventsAnswer{}, &problem.Problem{Title: http.StatusText(http.StatusUnsupportedMediaType), Status: http.StatusUnsupportedMediaType,
			Code: identity.Invalid, Detail: "Content-Type must be " + event.ApplicationCloudEventsJSON + " or " + event.ApplicationCloudEventsBatchJSON,
			Errors: []problem.Field{{Field: "Content-Type", Detail: "is no media type of CloudEvents"}}}
	}
}

func (a *routes) takeOne(ctx context.Context, fact identity.Event, err error) (EventsAnswer, error) {
	if err != nil {
		return EventsAnswer{}, err
	}
	result, err := a.take(ctx, fact)
	return EventsAnswer{One: &result}, err
}

// take hands one event to the service.
func (a *routes) take(ctx context.Context, fact identity.Event) (EventResult, error) {
	org := access.Org(ctx)
	receipt, err := a.service.Accept(ctx, org, access.Caller(ctx), fact)
	if err != nil {
		return EventResult{EventID: fact.ID}, err
	}
	result := EventResult{EventID: receipt.EventID, Effect: receipt.Effect}
	if receipt.Identity != uuid.Nil {
		result.IdentityID = receipt.Identity.String()
		result.WorkflowID = workflows.IdentityWorkflowID(org, result.IdentityID)
		return result, nil
	}
	err = a.in(ctx, func(tx *store.Tx) (err error) {
		result.CaseID, err = tx.CaseOfEvent(ctx, fact.Source, fact.ID)
		return err
	})
	return result, err
}

// eventsBody describes the body, which huma cannot derive from raw bytes.
func (a *routes) eventsBody() *huma.RequestBody {
	data := &huma.Schema{Type: huma.TypeObject, Description: "The record's fields: an absent one stays as it is, null clears it.",
		Required: []string{"employeeId"}, Properties: map[string]*huma.Schema{}}
	for _, name := range append(identity.RecordFields(), "employeeId") {
		data.Properties[name] = recordField(name)
	}
	types := make([]any, 0, len(identity.EventTypes()))
	for _, t := range identity.EventTypes() {
		types = append(types, string(t))
	}
	name := func(description string) *huma.Schema {
		length := maxName
		return &huma.Schema{Type: huma.TypeString, MaxLength: &length, Description: description}
	}
	cloudEvent := &huma.Schema{Type: huma.TypeObject, Required: []string{"specversion", "id", "source", "type", "time", "data"},
		Properties: map[string]*huma.Schema{
			"specversion": {Type: huma.TypeString, Enum: []any{event.CloudEventsVersionV1}},
			"id":          name("unique within the source"),
			"source":      name("a URI reference that names the sender"),
			"type":        {Type: huma.TypeString, Enum: types},
			"time":        {Type: huma.TypeString, Format: "date-time"},
			"sequence": {OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeInteger}},
				Description: "orders a person's events, before their time and id"},
			"sequencetype":    {Type: huma.TypeString, Enum: []any{"Integer"}},
			"datacontenttype": {Type: huma.TypeString, Enum: []any{event.ApplicationJSON}},
			"data":            data,
		}}
	schemas := a.api.OpenAPI().Components.Schemas.Map()
	schemas["CloudEvent"] = cloudEvent
	one := &huma.Schema{Ref: "#/components/schemas/CloudEvent"}
	most := maxBatch
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		event.ApplicationCloudEventsJSON:      {Schema: one},
		event.ApplicationJSON:                 {Schema: one},
		event.ApplicationCloudEventsBatchJSON: {Schema: &huma.Schema{Type: huma.TypeArray, Items: one, MaxItems: &most}},
	}}
}

// recordField describes one field of an event's data.
func recordField(name string) *huma.Schema {
	switch name {
	case "immediate":
		return &huma.Schema{Type: huma.TypeBoolean, Nullable: true}
	case "custom":
		return &huma.Schema{Type: huma.TypeObject, Nullable: true, AdditionalProperties: true}
	default:
		return &huma.Schema{Type: huma.TypeString, Nullable: name != "employeeId"}
	}
}
