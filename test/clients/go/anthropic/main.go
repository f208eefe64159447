// Anthropic's own client for Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"clients/cases"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

var (
	ctx    = context.Background()
	client = clientOf(cases.Key)
)

func clientOf(key string, options ...option.RequestOption) anthropic.Client {
	given := []option.RequestOption{option.WithBaseURL(cases.URL), option.WithAPIKey(key)}
	return anthropic.NewClient(append(given, options...)...)
}

func message(maxTokens int64) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model:     cases.Model,
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(cases.Question))},
		MaxTokens: maxTokens,
	}
}

func withTools(params anthropic.MessageNewParams) anthropic.MessageNewParams {
	schema := anthropic.ToolInputSchemaParam{
		Properties: cases.Weather["properties"], Required: []string{"city", "days"},
		ExtraFields: map[string]any{"additionalProperties": false},
	}
	params.Tools = []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(schema, "weather")}
	return params
}

func streamed(params anthropic.MessageNewParams) (anthropic.Message, error) {
	stream := client.Messages.NewStreaming(ctx, params)
	whole := anthropic.Message{}
	for stream.Next() {
		if err := whole.Accumulate(stream.Current()); err != nil {
			return whole, err
		}
	}
	return whole, stream.Err()
}

func fails(err error, status int) error {
	var failure *anthropic.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("no error of the API but %v", err)
	}
	return cases.Check(failure.StatusCode == status, failure)
}

func main() {
	cases.Run("github.com/anthropics/anthropic-sdk-go/v2", []cases.Case{
		{Name: "messages", Run: func() error {
			answer, err := client.Messages.New(ctx, message(16))
			if err != nil {
				return err
			}
			return cases.Check(answer.Content[0].Text != "", answer)
		}},
		{Name: "messages stream", Run: func() error {
			answer, err := streamed(message(16))
			if err != nil {
				return err
			}
			return cases.Check(answer.Content[0].Text != "" && answer.StopReason != "", answer)
		}},
		{Name: "count tokens", Run: func() error {
			params := anthropic.MessageCountTokensParams{Model: cases.Model, Messages: message(1).Messages}
			count, err := client.Messages.CountTokens(ctx, params)
			if err != nil {
				return err
			}
			return cases.Check(count.InputTokens > 5, count)
		}},
		{Name: "tools auto", Run: func() error {
			answer, err := client.Messages.New(ctx, withTools(message(32)))
			if err != nil {
				return err
			}
			return cases.Check(len(answer.Content) > 0, answer)
		}},
		{Name: "tools required", Run: func() error {
			params := withTools(message(128))
			params.ToolChoice.OfAny = &anthropic.ToolChoiceAnyParam{DisableParallelToolUse: anthropic.Bool(true)}
			answer, err := client.Messages.New(ctx, params)
			if err != nil {
				return cases.UnlessRefused(err)
			}
			return cases.HasKeys(string(answer.Content[len(answer.Content)-1].Input), "city", "days")
		}},
		{Name: "errors", Run: func() error {
			params := message(1)
			params.Model = "no-such-model"
			_, err := client.Messages.New(ctx, params)
			return fails(err, 404)
		}},
		{Name: "keys", Run: func() error {
			wrong, other := clientOf("sk-wrong-0123456789"), clientOf(cases.OtherKey)
			_, err := wrong.Messages.New(ctx, message(1))
			if err := fails(err, 401); err != nil {
				return err
			}
			_, err = other.Messages.New(ctx, message(1))
			return fails(err, 403)
		}},
		{Name: "retries", Run: func() error {
			hasty, patient := clientOf(cases.LimitedKey, option.WithMaxRetries(0)), clientOf(cases.LimitedKey, option.WithMaxRetries(4))
			limited := cases.UntilLimited(func() error {
				_, err := hasty.Messages.New(ctx, message(1))
				return err
			})
			if err := fails(limited, 429); err != nil {
				return err
			}
			_, err := patient.Messages.New(ctx, message(1))
			return err
		}},
		{Name: "pauses", Slow: true, Run: func() error {
			answer, err := streamed(message(3))
			if err != nil {
				return err
			}
			return cases.Check(answer.StopReason != "", answer)
		}},
		{Name: "timeouts", Slow: true, Run: func() error {
			hasty := clientOf(cases.Key, option.WithRequestTimeout(2*time.Second), option.WithMaxRetries(1))
			_, err := hasty.Messages.New(ctx, message(1))
			return cases.Check(errors.Is(err, context.DeadlineExceeded), err)
		}},
	})
}
