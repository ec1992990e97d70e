// Package sample is the organization acme: its policy, and a script of what happens to its 300 people. Every person in
// it is invented. The script depends on nothing but the day it is made for, so that two runs of a day are alike.
package sample

import (
	"embed"
	"encoding/json"
	"io/fs"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

// Organization is the name of the sample organization.
const Organization = "acme"

// Source is the CloudEvents source of the script's events.
const Source = "urn:acme:hr"

// Policy holds the sample's policy files, in the folder acme.
//
//go:embed acme/*.yaml
var Policy embed.FS

// PolicyFiles are the policy files as policy.Parse takes them.
func PolicyFiles() ([]policy.File, error) {
	names, err := fs.Glob(Policy, "acme/*.yaml")
	if err != nil {
		return nil, err
	}
	files := make([]policy.File, len(names))
	for i, name := range names {
		data, err := Policy.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files[i] = policy.File{Name: name, Data: data}
	}
	return files, nil
}

// Event is an HR event. Its fields are the CloudEvents attributes of the same names; its JSON is a CloudEvent in
// structured mode (CloudEvents 1.0, JSON Event Format).
type Event struct {
	ID       string
	Source   string
	Type     identity.EventType
	Time     time.Time
	Sequence string
	Data     map[string]any
}

// MarshalJSON writes the event as CloudEvents JSON.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"specversion":     "1.0",
		"id":              e.ID,
		"source":          e.Source,
		"type":            e.Type,
		"time":            e.Time.UTC().Format(time.RFC3339),
		"sequence":        e.Sequence,
		"datacontenttype": "application/json",
		"data":            e.Data,
	})
}

// Phase is a part of the script whose effects are waited for before the next begins.
type Phase struct {
	Name   string
	Events []Event
}
