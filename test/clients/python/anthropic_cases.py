"""Anthropic's own client for Python."""

import anthropic
from cases import KEY, LIMITED_KEY, MODEL, OTHER_KEY, PERSON, QUESTION, URL, WEATHER, Skip, check, fails, is_person, run, until_limited
from pydantic import BaseModel

USER = [{"role": "user", "content": QUESTION}]
# The client no longer has a parameter for it.
GREEDY = {"temperature": 0}
TOOLS = [{"name": WEATHER["name"], "description": WEATHER["description"], "input_schema": WEATHER["parameters"]}]


def client_of(key: str = KEY, **options) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=URL, api_key=key, **options)


client = client_of()


def messages():
    answer = client.messages.create(model=MODEL, messages=USER, max_tokens=16, system="Be brief.")
    check(answer.content[0].text and answer.stop_reason in ("max_tokens", "end_turn"), answer)
    check(answer.usage.output_tokens <= 16, answer.usage)


def messages_stream():
    whole = client.messages.create(model=MODEL, messages=USER, max_tokens=16, extra_body=GREEDY)
    with client.messages.stream(model=MODEL, messages=USER, max_tokens=16, extra_body=GREEDY) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
    check(text == answer.content[0].text == whole.content[0].text, (text, answer, whole))
    check(answer.usage.output_tokens == whole.usage.output_tokens, answer.usage)


def stop_sequences():
    answer = client.messages.create(model=MODEL, messages=USER, max_tokens=64, stop_sequences=["e"], extra_body=GREEDY)
    check(answer.stop_reason == "stop_sequence" and answer.stop_sequence == "e", answer)


def count_tokens():
    count = client.messages.count_tokens(model=MODEL, messages=USER).input_tokens
    answer = client.messages.create(model=MODEL, messages=USER, max_tokens=1)
    cached = answer.usage.cache_read_input_tokens or 0
    check(count == answer.usage.input_tokens + cached, (count, answer.usage))


def tools_auto():
    answer = client.messages.create(model=MODEL, messages=USER, max_tokens=32, tools=TOOLS)
    check(answer.content, answer)


def tools_required():
    for choice in ({"type": "any"}, {"type": "tool", "name": "weather"}):
        try:
            answer = client.messages.create(
                model=MODEL, messages=USER, max_tokens=128, tools=TOOLS,
                tool_choice={**choice, "disable_parallel_tool_use": True},
            )  # fmt: skip
        except anthropic.BadRequestError as error:
            raise refused(error)
        check(answer.stop_reason == "tool_use" and set(answer.content[-1].input) == {"city", "days"}, answer)


def tool_results():
    conversation = [
        *USER,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome", "days": 2}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}]},
    ]
    answer = client.messages.create(model=MODEL, messages=conversation, max_tokens=16, tools=TOOLS)
    check(answer.type == "message", answer)


def schema_helper():
    # Without bounds: the client takes those out of the schema that it sends, and checks them itself.
    class Person(BaseModel):
        name: str
        age: int

    try:
        answer = client.messages.parse(model=MODEL, messages=USER, max_tokens=128, output_format=Person)
    except anthropic.BadRequestError as error:
        raise refused(error)
    check(isinstance(answer.parsed_output, Person), answer)


def errors():
    ask = client.messages.create
    fails(anthropic.NotFoundError, lambda: ask(model="no-such-model", messages=USER, max_tokens=1))
    error = fails(anthropic.BadRequestError, lambda: ask(model=MODEL, messages=USER, max_tokens=1, extra_body={"temperature": 9}))
    check(error.body["error"]["type"] == "invalid_request_error" and error.request_id, error.body)


def keys():
    ask = dict(model=MODEL, messages=USER, max_tokens=1)
    fails(anthropic.AuthenticationError, lambda: client_of("sk-wrong-0123456789").messages.create(**ask))
    fails(anthropic.PermissionDeniedError, lambda: client_of(OTHER_KEY).messages.create(**ask))


def retries():
    ask = dict(model=MODEL, messages=USER, max_tokens=1)
    until_limited(anthropic.RateLimitError, lambda: client_of(LIMITED_KEY, max_retries=0).messages.create(**ask))
    client_of(LIMITED_KEY, max_retries=4).messages.create(**ask)


def pauses():
    patient = client_of(timeout=anthropic.Timeout(120, read=18), max_retries=0)
    with patient.messages.stream(model=MODEL, messages=USER, max_tokens=3) as stream:
        answer = stream.get_final_message()
    check(answer.stop_reason in ("max_tokens", "end_turn"), answer)


def timeouts():
    hasty = client_of(timeout=2, max_retries=1)
    fails(anthropic.APITimeoutError, lambda: hasty.messages.create(model=MODEL, messages=USER, max_tokens=1))


def refused(error: anthropic.BadRequestError) -> Exception:
    message = str(error.body["error"]["message"])
    return Skip(f"the server refuses it: {message}") if "unsupported_parameter" in message else error


run(
    "anthropic",
    [
        messages, messages_stream, stop_sequences, count_tokens, tools_auto, tools_required, tool_results,
        schema_helper, errors, keys, retries,
    ],
    [pauses, timeouts],
)  # fmt: skip
