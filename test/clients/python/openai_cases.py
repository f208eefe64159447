"""OpenAI's own client for Python."""

import json
from typing import Literal

import httpx2
import openai
from cases import KEY, LIMITED_KEY, MODEL, OTHER_KEY, PERSON, QUESTION, URL, WEATHER, Skip, check, fails, is_person, run, until_limited
from openai.types import Completion, ErrorObject, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, Field, TypeAdapter

USER = [{"role": "user", "content": QUESTION}]
TOOLS = [{"type": "function", "function": WEATHER}]


def client_of(key: str = KEY, **options) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{URL}/v1", api_key=key, **options)


client = client_of()


class Person(BaseModel):
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)
    job: Literal["pilot", "baker"]


def models():
    check(MODEL in [model.id for model in client.models.list()], "the model is not in the list")
    check(client.models.retrieve(MODEL).id == MODEL, "another model")


def chat():
    answer = client.chat.completions.create(model=MODEL, messages=USER, max_tokens=16, seed=1)
    check(answer.choices[0].message.content, answer)
    check(answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens, answer.usage)


def chat_stream():
    options = {"include_usage": True}
    whole = client.chat.completions.create(model=MODEL, messages=USER, max_tokens=16, temperature=0)
    stream = client.chat.completions.create(
        model=MODEL, messages=USER, max_tokens=16, temperature=0, stream=True, stream_options=options
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    check(text == whole.choices[0].message.content, (text, whole))
    check(chunks[-1].usage.completion_tokens == whole.usage.completion_tokens, chunks[-1])


def stream_helper():
    # The helper takes an answer that the length cut off for a failure.
    with client.chat.completions.stream(model=MODEL, messages=USER, max_tokens=64, stop=".", temperature=0) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()
    check({"chunk", "content.delta", "content.done"} <= kinds, kinds)
    check(answer.choices[0].message.content, answer)


def completions():
    answer = client.completions.create(model=MODEL, prompt=["The sky is", "Grass is"], max_tokens=4)
    check([choice.index for choice in answer.choices] == [0, 1], answer)
    stream = client.completions.create(model=MODEL, prompt="The sky is", max_tokens=4, stream=True)
    check("".join(chunk.choices[0].text for chunk in stream if chunk.choices), "no text")


def log_probabilities():
    answer = client.chat.completions.create(
        model=MODEL, messages=USER, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3
    )
    tokens = answer.choices[0].logprobs.content
    check(len(tokens) == 4 and all(len(token.top_logprobs) == 3 for token in tokens), tokens)
    check(all(token.token == token.top_logprobs[0].token for token in tokens), tokens)


def responses():
    first = client.responses.create(model=MODEL, input=QUESTION, max_output_tokens=16)
    check(first.output_text, first)
    check(client.responses.retrieve(first.id).output_text == first.output_text, "another response")
    next_ = client.responses.create(model=MODEL, input="And at dusk?", previous_response_id=first.id, max_output_tokens=16)
    check(next_.usage.input_tokens > first.usage.total_tokens, next_.usage)
    client.responses.delete(first.id)
    fails(openai.NotFoundError, lambda: client.responses.retrieve(first.id))


def responses_stream():
    with client.responses.stream(model=MODEL, input=QUESTION, max_output_tokens=16) as stream:
        events = list(stream)
    check([event.sequence_number for event in events] == list(range(len(events))), "events out of order")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    answer = events[-1].response
    check(text and text == answer.output_text and answer.status in ("completed", "incomplete"), (text, answer))


def background_response():
    response = client.responses.create(model=MODEL, input=QUESTION, background=True, max_output_tokens=256)
    check(response.status in ("queued", "in_progress"), response.status)
    check(client.responses.cancel(response.id).status == "cancelled", "it was not cancelled")


def tools_auto():
    answer = client.chat.completions.create(model=MODEL, messages=USER, tools=TOOLS, max_tokens=32)
    choice = answer.choices[0]
    check(choice.message.content or choice.message.tool_calls, answer)
    check((choice.finish_reason == "tool_calls") == bool(choice.message.tool_calls), answer)


def tools_required():
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        try:
            answer = client.chat.completions.create(
                model=MODEL, messages=USER, tools=TOOLS, tool_choice=choice, parallel_tool_calls=False, max_tokens=128
            )
        except openai.BadRequestError as error:
            raise refused(error)
        (call,) = answer.choices[0].message.tool_calls
        check(call.function.name == "weather", call)
        check(set(json.loads(call.function.arguments)) == {"city", "days"}, call)


def tools_stream():
    try:
        with client.chat.completions.stream(
            model=MODEL, messages=USER, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=128
        ) as stream:
            kinds = {event.type for event in stream}
            answer = stream.get_final_completion()
    except openai.BadRequestError as error:
        raise refused(error)
    check("tool_calls.function.arguments.done" in kinds, kinds)
    check(set(json.loads(answer.choices[0].message.tool_calls[0].function.arguments)) == {"city", "days"}, answer)


def tool_results():
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome", "days": 2}'}}
    messages = [
        *USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, max_tokens=16)
    check(answer.choices[0].finish_reason in ("stop", "length", "tool_calls"), answer)


def json_schema():
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
    answer = client.chat.completions.create(model=MODEL, messages=USER, response_format=form, max_tokens=128)
    check(is_person(json.loads(answer.choices[0].message.content)), answer)


def schema_helper():
    answer = client.chat.completions.parse(model=MODEL, messages=USER, response_format=Person, max_tokens=128)
    check(isinstance(answer.choices[0].message.parsed, Person), answer)


def responses_schema_helper():
    try:
        answer = client.responses.parse(model=MODEL, input=QUESTION, text_format=Person, max_output_tokens=128)
    except openai.BadRequestError as error:
        raise refused(error)
    check(isinstance(answer.output_parsed, Person), answer)


def errors():
    ask = client.chat.completions.create
    fails(openai.NotFoundError, lambda: ask(model="no-such-model", messages=USER), code="model_not_found")
    fails(openai.BadRequestError, lambda: ask(model=MODEL, messages=USER, temperature=9), param="temperature")
    fails(openai.BadRequestError, lambda: ask(model=MODEL, messages=[]), param="messages")
    error = fails(openai.BadRequestError, lambda: ask(model=MODEL, messages=USER, stream=True, top_p=-1), param="top_p")
    check(error.request_id, "no request id")


def keys():
    ask = dict(model=MODEL, messages=USER, max_tokens=1)
    wrong, other = client_of("sk-wrong-0123456789"), client_of(OTHER_KEY)
    fails(openai.AuthenticationError, lambda: wrong.chat.completions.create(**ask), code="invalid_api_key")
    fails(openai.PermissionDeniedError, lambda: other.chat.completions.create(**ask))


def retries():
    ask = dict(model=MODEL, messages=USER, max_tokens=1)
    error = until_limited(
        openai.RateLimitError, lambda: client_of(LIMITED_KEY, max_retries=0).chat.completions.create(**ask)
    )
    check(float(error.response.headers["retry-after"]) > 0, error.response.headers)
    # The client waits as long as it is told, and asks again.
    client_of(LIMITED_KEY, max_retries=4).chat.completions.create(**ask)


def published_types():
    """OpenAI makes these types of its own description of the API; strictly, so that nothing is made to fit."""
    http = httpx2.Client(base_url=URL, headers={"authorization": f"Bearer {KEY}"}, timeout=120)
    count = 0

    def valid(kind: object, text: str) -> None:
        nonlocal count
        TypeAdapter(kind).validate_json(text, strict=True)
        count += 1

    def ask(path: str, body: dict, whole: object, part: object) -> None:
        valid(whole, http.post(path, json={"model": MODEL, **body}).raise_for_status().text)
        with http.stream("POST", path, json={"model": MODEL, "stream": True, **body}) as response:
            events = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: {")]
        for event in events:
            valid(part, event)

    more = {"logprobs": True, "top_logprobs": 2, "n": 2, "max_tokens": 8}
    ask("/v1/chat/completions", {"messages": USER, **more}, ChatCompletion, ChatCompletionChunk)
    usage = {"tools": TOOLS, "max_tokens": 32}
    ask("/v1/chat/completions", {"messages": USER, **usage}, ChatCompletion, ChatCompletionChunk)
    # It does not tell of the events of a completion's stream, nor of the null that an echoed prompt begins with.
    body = {"model": MODEL, "prompt": ["The sky is", "Grass"], "logprobs": 2}
    valid(Completion, http.post("/v1/completions", json=body).raise_for_status().text)
    ask("/v1/responses", {"input": QUESTION, "max_output_tokens": 8}, Response, ResponseStreamEvent)
    valid(Model, http.get(f"/v1/models/{MODEL}").text)
    for path, body in (
        ("/v1/chat/completions", {"model": "no-such-model", "messages": USER}),
        ("/v1/chat/completions", {"model": MODEL, "messages": USER, "temperature": 9}),
        ("/v1/completions", {"model": MODEL}),
        ("/v1/responses", {"model": MODEL, "input": 7}),
        ("/v1/no-such-route", {}),
    ):
        valid(ErrorObject, json.dumps(http.post(path, json=body).json()["error"]))
    return f"{count} answers, events and errors"


def pauses():
    # Shorter than a pause: what comes in between keeps it alive.
    patient = client_of(timeout=openai.Timeout(120, read=18), max_retries=0)
    stream = patient.chat.completions.create(model=MODEL, messages=USER, max_tokens=3, stream=True, temperature=0)
    chunks = list(stream)
    check(chunks[-1].choices[0].finish_reason in ("length", "stop"), chunks[-1])


def timeouts():
    hasty = client_of(timeout=2, max_retries=1)
    fails(openai.APITimeoutError, lambda: hasty.chat.completions.create(model=MODEL, messages=USER, max_tokens=1))


def refused(error: openai.BadRequestError) -> Exception:
    return Skip(f"the server refuses it: {error.param}") if error.code == "unsupported_parameter" else error


run(
    "openai",
    [
        models, chat, chat_stream, stream_helper, completions, log_probabilities, responses, responses_stream,
        background_response, tools_auto, tools_required, tools_stream, tool_results, json_schema, schema_helper,
        responses_schema_helper, published_types, errors, keys, retries,
    ],
    [pauses, timeouts],
)  # fmt: skip
