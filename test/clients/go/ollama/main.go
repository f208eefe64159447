// The client of Ollama's own programs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"clients/cases"

	"github.com/ollama/ollama/api"
)

var (
	ctx    = context.Background()
	client = clientOf(cases.Key, 0)
)

// keyed sends a key, for which the client has no place of its own.
type keyed string

func (key keyed) RoundTrip(request *http.Request) (*http.Response, error) {
	request.Header.Set("Authorization", "Bearer "+string(key))
	return http.DefaultTransport.RoundTrip(request)
}

func clientOf(key string, timeout time.Duration) *api.Client {
	base, err := url.Parse(cases.URL)
	if err != nil {
		panic(err)
	}
	return api.NewClient(base, &http.Client{Transport: keyed(key), Timeout: timeout})
}

func chat(client *api.Client, request api.ChatRequest) (string, api.ChatResponse, error) {
	var text strings.Builder
	var last api.ChatResponse
	request.Messages = []api.Message{{Role: "user", Content: cases.Question}}
	if request.Model == "" {
		request.Model = cases.Model
	}
	err := client.Chat(ctx, &request, func(response api.ChatResponse) error {
		text.WriteString(response.Message.Content)
		last = response
		return nil
	})
	return text.String(), last, err
}

func fails(err error, status int) error {
	var failure api.StatusError
	return cases.Check(errors.As(err, &failure) && failure.StatusCode == status, err)
}

func main() {
	short := map[string]any{"num_predict": 16, "temperature": 0}
	cases.Run("github.com/ollama/ollama", []cases.Case{
		{Name: "models", Run: func() error {
			if err := client.Heartbeat(ctx); err != nil {
				return err
			}
			list, err := client.List(ctx)
			if err != nil {
				return err
			}
			running, err := client.ListRunning(ctx)
			if err != nil {
				return err
			}
			return cases.Check(list.Models[0].Model == cases.Model && running.Models[0].Model == cases.Model, list, running)
		}},
		{Name: "chat", Run: func() error {
			once := false
			whole, _, err := chat(client, api.ChatRequest{Options: short, Stream: &once})
			if err != nil {
				return err
			}
			text, last, err := chat(client, api.ChatRequest{Options: short})
			if err != nil {
				return err
			}
			return cases.Check(text == whole && last.Done && last.EvalCount <= 16, text, whole)
		}},
		{Name: "json schema", Run: func() error {
			schema, err := json.Marshal(cases.Person)
			if err != nil {
				return err
			}
			text, _, err := chat(client, api.ChatRequest{Format: schema, Options: map[string]any{"num_predict": 128}})
			if err != nil {
				return cases.UnlessRefused(err)
			}
			return cases.HasKeys(text, "name", "age")
		}},
		{Name: "errors", Run: func() error {
			_, _, err := chat(client, api.ChatRequest{Model: "no-such-model"})
			return fails(err, 404)
		}},
		{Name: "keys", Run: func() error {
			_, _, err := chat(clientOf("sk-wrong-0123456789", 0), api.ChatRequest{})
			var unauthorized api.AuthorizationError
			if !errors.As(err, &unauthorized) {
				return fails(err, 401)
			}
			_, _, err = chat(clientOf(cases.OtherKey, 0), api.ChatRequest{})
			return fails(err, 403)
		}},
		{Name: "pauses", Slow: true, Run: func() error {
			_, last, err := chat(client, api.ChatRequest{Options: map[string]any{"num_predict": 3}})
			if err != nil {
				return err
			}
			return cases.Check(last.Done, last)
		}},
		{Name: "timeouts", Slow: true, Run: func() error {
			_, last, err := chat(clientOf(cases.Key, 2*time.Second), api.ChatRequest{})
			// Once the answer's head has come, the client takes its own deadline for the end of the stream, and returns no error.
			return cases.Check(errors.Is(err, context.DeadlineExceeded) || (err == nil && !last.Done), err)
		}},
	})
}
