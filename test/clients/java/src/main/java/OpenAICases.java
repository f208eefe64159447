import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.OpenAIIoException;
import com.openai.errors.PermissionDeniedException;
import com.openai.errors.RateLimitException;
import com.openai.errors.UnauthorizedException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.helpers.ResponseAccumulator;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionToolChoiceOption;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.responses.Response;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.ResponseStreamEvent;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** OpenAI's own client for Java. */
final class OpenAICases {
    private static final OpenAIClient client = clientOf(Cases.KEY).build();

    public enum Job { PILOT, BAKER }

    public static final class Person {
        /** Of as many digits as an integer without bounds may have. */
        public long age;
        public Job job;
    }

    private static OpenAIOkHttpClient.Builder clientOf(String key) {
        return OpenAIOkHttpClient.builder().baseUrl(Cases.URL + "/v1").apiKey(key);
    }

    private static ChatCompletionCreateParams.Builder chat(long maxTokens) {
        return ChatCompletionCreateParams.builder().model(Cases.MODEL).addUserMessage(Cases.QUESTION).maxTokens(maxTokens);
    }

    private static ResponseCreateParams.Builder response() {
        return ResponseCreateParams.builder().model(Cases.MODEL).input(Cases.QUESTION).maxOutputTokens(16);
    }

    private static FunctionDefinition weather() {
        Map<String, Object> properties = Map.of(
            "city", Map.of("type", "string", "maxLength", 20),
            "days", Map.of("type", "integer", "minimum", 1, "maximum", 9));
        FunctionParameters parameters = FunctionParameters.builder()
            .putAdditionalProperty("type", JsonValue.from("object"))
            .putAdditionalProperty("properties", JsonValue.from(properties))
            .putAdditionalProperty("required", JsonValue.from(List.of("city", "days")))
            .putAdditionalProperty("additionalProperties", JsonValue.from(false))
            .build();
        return FunctionDefinition.builder().name("weather").parameters(parameters).build();
    }

    private static String textOf(ChatCompletion answer) {
        return answer.choices().get(0).message().content().orElse("");
    }

    private static ChatCompletion streamed(OpenAIClient client, ChatCompletionCreateParams params) {
        ChatCompletionAccumulator whole = ChatCompletionAccumulator.create();
        try (StreamResponse<ChatCompletionChunk> stream = client.chat().completions().createStreaming(params)) {
            stream.stream().forEach(whole::accumulate);
        }
        return whole.chatCompletion();
    }

    private static String textOf(Response answer) {
        StringBuilder text = new StringBuilder();
        answer.output().stream()
            .flatMap(item -> item.message().stream())
            .flatMap(message -> message.content().stream())
            .flatMap(content -> content.outputText().stream())
            .forEach(output -> text.append(output.text()));
        return text.toString();
    }

    public static void main(String[] names) {
        new Cases()
            .add("models", () -> Cases.check(client.models().retrieve(Cases.MODEL).id().equals(Cases.MODEL), "another model"))
            .add("chat", () -> Cases.check(!textOf(client.chat().completions().create(chat(16).build())).isEmpty(), "no text"))
            .add("chat stream", () -> {
                ChatCompletionCreateParams params = chat(16).temperature(0).build();
                String text = textOf(streamed(client, params));
                Cases.check(text.equals(textOf(client.chat().completions().create(params))), text);
            })
            .add("completions", () -> {
                CompletionCreateParams params =
                    CompletionCreateParams.builder().model(Cases.MODEL).prompt("The sky is").maxTokens(4).build();
                Cases.check(!client.completions().create(params).choices().get(0).text().isEmpty(), "no text");
            })
            .add("responses", () -> {
                Response answer = client.responses().create(response().build());
                Cases.check(textOf(client.responses().retrieve(answer.id())).equals(textOf(answer)), answer);
                client.responses().delete(answer.id());
                Cases.fails(NotFoundException.class, () -> client.responses().retrieve(answer.id()));
            })
            .add("responses stream", () -> {
                ResponseAccumulator whole = ResponseAccumulator.create();
                StringBuilder text = new StringBuilder();
                try (StreamResponse<ResponseStreamEvent> stream = client.responses().createStreaming(response().build())) {
                    stream.stream().map(whole::accumulate).forEach(event -> event.outputTextDelta().ifPresent(delta -> text.append(delta.delta())));
                }
                Cases.check(textOf(whole.response()).contentEquals(text), text);
            })
            .add("tools auto", () -> {
                ChatCompletion answer = client.chat().completions().create(chat(32).addFunctionTool(weather()).build());
                boolean called = answer.choices().get(0).message().toolCalls().map(calls -> !calls.isEmpty()).orElse(false);
                Cases.check(called || !textOf(answer).isEmpty(), answer);
            })
            .add("tools required", () -> {
                ChatCompletionCreateParams params = chat(128).addFunctionTool(weather()).parallelToolCalls(false)
                    .toolChoice(ChatCompletionToolChoiceOption.Auto.REQUIRED).build();
                try {
                    ChatCompletion answer = client.chat().completions().create(params);
                    String name = answer.choices().get(0).message().toolCalls().get().get(0).function().get().function().name();
                    Cases.check(name.equals("weather"), answer);
                } catch (BadRequestException error) {
                    if (error.code().orElse("").equals("unsupported_parameter")) throw new Cases.Skip("the server refuses it");
                    throw error;
                }
            })
            .add("schema helper", () -> {
                Person person = client.chat().completions().create(chat(128).responseFormat(Person.class).build())
                    .choices().get(0).message().content().get();
                Cases.check(person.job != null, person);
            })
            .add("errors", () -> {
                NotFoundException missing = Cases.fails(NotFoundException.class,
                    () -> client.chat().completions().create(chat(1).model("no-such-model").build()));
                Cases.check(missing.code().get().equals("model_not_found"), missing);
                BadRequestException hot = Cases.fails(BadRequestException.class, () -> streamed(client, chat(1).temperature(9).build()));
                Cases.check(hot.param().get().equals("temperature"), hot);
            })
            .add("keys", () -> {
                OpenAIClient wrong = clientOf("sk-wrong-0123456789").build();
                OpenAIClient other = clientOf(Cases.OTHER_KEY).build();
                Cases.fails(UnauthorizedException.class, () -> wrong.chat().completions().create(chat(1).build()));
                Cases.fails(PermissionDeniedException.class, () -> other.chat().completions().create(chat(1).build()));
            })
            .add("retries", () -> {
                OpenAIClient hasty = clientOf(Cases.LIMITED_KEY).maxRetries(0).build();
                OpenAIClient patient = clientOf(Cases.LIMITED_KEY).maxRetries(4).build();
                Cases.fails(RateLimitException.class, () -> {
                    for (int left = 30; left > 0; left--) hasty.chat().completions().create(chat(1).build());
                    return null;
                });
                patient.chat().completions().create(chat(1).build());
            })
            .addSlow("pauses", () -> Cases.check(streamed(client, chat(3).build()).choices().get(0).finishReason() != null, "no end"))
            .addSlow("timeouts", () -> {
                OpenAIClient hasty = clientOf(Cases.KEY).timeout(Duration.ofSeconds(2)).maxRetries(1).build();
                Cases.fails(OpenAIIoException.class, () -> hasty.chat().completions().create(chat(1).build()));
            })
            .run("openai-java", OpenAIClient.class.getPackage().getImplementationVersion(), names);
    }
}
