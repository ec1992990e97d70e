package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// wire is how the honest baseline speaks to one target.
type wire struct {
	target, url, authorization, mediaType string

	http *http.Client
}

func newWire(target, url, authorization, mediaType string) *wire {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.MaxIdleConnsPerHost = 32
	return &wire{target, url, authorization, mediaType, &http.Client{Transport: transport}}
}

// call makes a request whose answer is read and not looked at.
func (w *wire) call(ctx context.Context, method, path string, body any) error {
	_, err := w.ask(ctx, method, path, body)
	return err
}

// read makes a request and decodes its answer.
func (w *wire) read(ctx context.Context, method, path string, body, into any) error {
	answer, err := w.ask(ctx, method, path, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

func (w *wire) ask(ctx context.Context, method, path string, body any) ([]byte, error) {
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, w.url+path, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", w.authorization)
	request.Header.Set("Content-Type", w.mediaType)
	return w.answer(request)
}

// send makes a request that is not like the others, and decodes its answer.
func (w *wire) send(request *http.Request, into any) error {
	answer, err := w.answer(request)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

func (w *wire) answer(request *http.Request) ([]byte, error) {
	response, err := w.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s of target %s: %s: %s", request.Method, w.target, response.Status, answer)
	}
	return answer, err
}
