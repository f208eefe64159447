// OpenAI's own client for Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"clients/cases"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

var (
	ctx    = context.Background()
	client = clientOf(cases.Key)
)

func clientOf(key string, options ...option.RequestOption) openai.Client {
	given := []option.RequestOption{option.WithBaseURL(cases.URL + "/v1/"), option.WithAPIKey(key)}
	return openai.NewClient(append(given, options...)...)
}

func chat(maxTokens int64) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:     cases.Model,
		Messages:  []openai.ChatCompletionMessageParamUnion{openai.UserMessage(cases.Question)},
		MaxTokens: openai.Int(maxTokens),
	}
}

func streamed(params openai.ChatCompletionNewParams) (openai.ChatCompletionAccumulator, error) {
	stream := client.Chat.Completions.NewStreaming(ctx, params)
	defer stream.Close()
	whole := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		if !whole.AddChunk(stream.Current()) {
			return whole, errors.New("a chunk that does not belong to the others")
		}
	}
	return whole, stream.Err()
}

func withTools(choice string) openai.ChatCompletionNewParams {
	params := chat(128)
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(
		shared.FunctionDefinitionParam{Name: "weather", Parameters: cases.Weather},
	)}
	params.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String(choice)}
	params.ParallelToolCalls = openai.Bool(false)
	return params
}

func fails(err error, status int, code, param string) error {
	var failure *openai.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("no error of the API but %v", err)
	}
	holds := failure.StatusCode == status && (code == "" || failure.Code == code) && (param == "" || failure.Param == param)
	return cases.Check(holds, failure)
}

func main() {
	cases.Run("github.com/openai/openai-go/v3", []cases.Case{
		{Name: "models", Run: func() error {
			model, err := client.Models.Get(ctx, cases.Model)
			if err != nil {
				return err
			}
			return cases.Check(model.ID == cases.Model, model)
		}},
		{Name: "chat", Run: func() error {
			answer, err := client.Chat.Completions.New(ctx, chat(16))
			if err != nil {
				return err
			}
			return cases.Check(answer.Choices[0].Message.Content != "", answer)
		}},
		{Name: "chat stream", Run: func() error {
			params := chat(16)
			params.Temperature = openai.Float(0)
			whole, err := client.Chat.Completions.New(ctx, params)
			if err != nil {
				return err
			}
			answer, err := streamed(params)
			if err != nil {
				return err
			}
			return cases.Check(answer.Choices[0].Message.Content == whole.Choices[0].Message.Content, answer.Choices)
		}},
		{Name: "completions", Run: func() error {
			prompt := openai.CompletionNewParamsPromptUnion{OfString: openai.String("The sky is")}
			params := openai.CompletionNewParams{Model: openai.CompletionNewParamsModel(cases.Model), Prompt: prompt, MaxTokens: openai.Int(4)}
			answer, err := client.Completions.New(ctx, params)
			if err != nil {
				return err
			}
			return cases.Check(answer.Choices[0].Text != "", answer)
		}},
		{Name: "responses", Run: func() error {
			params := responses.ResponseNewParams{
				Model:           cases.Model,
				Input:           responses.ResponseNewParamsInputUnion{OfString: openai.String(cases.Question)},
				MaxOutputTokens: openai.Int(16),
			}
			answer, err := client.Responses.New(ctx, params)
			if err != nil {
				return err
			}
			again, err := client.Responses.Get(ctx, answer.ID, responses.ResponseGetParams{})
			if err != nil {
				return err
			}
			return cases.Check(answer.OutputText() != "" && again.OutputText() == answer.OutputText(), again)
		}},
		{Name: "responses stream", Run: func() error {
			stream := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{
				Model:           cases.Model,
				Input:           responses.ResponseNewParamsInputUnion{OfString: openai.String(cases.Question)},
				MaxOutputTokens: openai.Int(16),
			})
			var text strings.Builder
			end := ""
			for stream.Next() {
				event := stream.Current()
				text.WriteString(event.AsResponseOutputTextDelta().Delta)
				if event.Type == "response.completed" || event.Type == "response.incomplete" {
					end = event.Response.OutputText()
				}
			}
			if err := stream.Err(); err != nil {
				return err
			}
			return cases.Check(end != "" && end == text.String(), text.String(), end)
		}},
		{Name: "tools auto", Run: func() error {
			answer, err := client.Chat.Completions.New(ctx, withTools("auto"))
			if err != nil {
				return err
			}
			message := answer.Choices[0].Message
			return cases.Check(message.Content != "" || len(message.ToolCalls) > 0, answer)
		}},
		{Name: "tools required", Run: func() error {
			answer, err := client.Chat.Completions.New(ctx, withTools("required"))
			if err != nil {
				return cases.UnlessRefused(err)
			}
			return cases.HasKeys(answer.Choices[0].Message.ToolCalls[0].Function.Arguments, "city", "days")
		}},
		{Name: "json schema", Run: func() error {
			params := chat(128)
			params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
				JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
					Name: "person", Schema: cases.Person, Strict: openai.Bool(true),
				},
			}
			answer, err := client.Chat.Completions.New(ctx, params)
			if err != nil {
				return err
			}
			return cases.HasKeys(answer.Choices[0].Message.Content, "name", "age")
		}},
		{Name: "errors", Run: func() error {
			missing, hot := chat(1), chat(1)
			missing.Model = "no-such-model"
			hot.Temperature = openai.Float(9)
			_, err := client.Chat.Completions.New(ctx, missing)
			if err := fails(err, 404, "model_not_found", ""); err != nil {
				return err
			}
			_, err = streamed(hot)
			return fails(err, 400, "", "temperature")
		}},
		{Name: "keys", Run: func() error {
			wrong, other := clientOf("sk-wrong-0123456789"), clientOf(cases.OtherKey)
			_, err := wrong.Chat.Completions.New(ctx, chat(1))
			if err := fails(err, 401, "invalid_api_key", ""); err != nil {
				return err
			}
			_, err = other.Chat.Completions.New(ctx, chat(1))
			return fails(err, 403, "", "")
		}},
		{Name: "retries", Run: func() error {
			hasty, patient := clientOf(cases.LimitedKey, option.WithMaxRetries(0)), clientOf(cases.LimitedKey, option.WithMaxRetries(4))
			limited := cases.UntilLimited(func() error {
				_, err := hasty.Chat.Completions.New(ctx, chat(1))
				return err
			})
			if err := fails(limited, 429, "", ""); err != nil {
				return err
			}
			_, err := patient.Chat.Completions.New(ctx, chat(1))
			return err
		}},
		{Name: "pauses", Slow: true, Run: func() error {
			answer, err := streamed(chat(3))
			if err != nil {
				return err
			}
			return cases.Check(answer.Choices[0].FinishReason != "", answer)
		}},
		{Name: "timeouts", Slow: true, Run: func() error {
			hasty := clientOf(cases.Key, option.WithRequestTimeout(2*time.Second), option.WithMaxRetries(1))
			_, err := hasty.Chat.Completions.New(ctx, chat(1))
			return cases.Check(errors.Is(err, context.DeadlineExceeded), err)
		}},
	})
}
