"""LiteLLM, by each of the three APIs that it can speak to us."""

import json

import litellm
from cases import KEY, MODEL, OTHER_KEY, PERSON, QUESTION, URL, WEATHER, Skip, check, fails, is_person, run

USER = [{"role": "user", "content": QUESTION}]
TOOLS = [{"type": "function", "function": WEATHER}]
OPENAI = {"model": f"openai/{MODEL}", "api_base": f"{URL}/v1", "api_key": KEY}
ANTHROPIC = {"model": f"anthropic/{MODEL}", "api_base": URL, "api_key": KEY}
OLLAMA = {"model": f"ollama_chat/{MODEL}", "api_base": URL, "api_key": KEY}

litellm.telemetry = False
litellm.suppress_debug_info = True


def chat():
    for route in (OPENAI, ANTHROPIC, OLLAMA):
        answer = litellm.completion(**route, messages=USER, max_tokens=16)
        check(answer.choices[0].message.content and answer.usage.completion_tokens <= 16, answer)


def stream():
    for route in (OPENAI, ANTHROPIC, OLLAMA):
        whole = litellm.completion(**route, messages=USER, max_tokens=16, temperature=0)
        chunks = list(litellm.completion(**route, messages=USER, max_tokens=16, temperature=0, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        check(text == whole.choices[0].message.content, (route["model"], text, whole))


def completions():
    route = {**OPENAI, "model": f"text-completion-openai/{MODEL}"}
    check(litellm.text_completion(**route, prompt="The sky is", max_tokens=4).choices[0].text, "no text")


def responses():
    answer = litellm.responses(**OPENAI, input=QUESTION, max_output_tokens=16)
    check(answer.output[0].content[0].text, answer)


def tools_auto():
    for route in (OPENAI, ANTHROPIC, OLLAMA):
        answer = litellm.completion(**route, messages=USER, max_tokens=32, tools=TOOLS)
        check(answer.choices[0].message.content or answer.choices[0].message.tool_calls, answer)


def tools_required():
    for route in (OPENAI, ANTHROPIC):
        try:
            answer = litellm.completion(
                **route, messages=USER, max_tokens=128, tools=TOOLS, tool_choice="required", parallel_tool_calls=False
            )
        except litellm.BadRequestError as error:
            raise refused(error)
        check(set(json.loads(answer.choices[0].message.tool_calls[0].function.arguments)) == {"city", "days"}, answer)


def json_schema():
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
    for route in (OPENAI, OLLAMA):
        try:
            answer = litellm.completion(**route, messages=USER, max_tokens=128, response_format=form)
        except litellm.BadRequestError as error:
            raise refused(error)
        check(is_person(json.loads(answer.choices[0].message.content)), answer)


def errors():
    for route in (OPENAI, ANTHROPIC):
        missing = {**route, "model": route["model"].split("/")[0] + "/no-such-model"}
        fails(litellm.NotFoundError, lambda: litellm.completion(**missing, messages=USER, max_tokens=1))
        fails(litellm.BadRequestError, lambda: litellm.completion(**route, messages=USER, max_tokens=1, temperature=9))


def keys():
    for route in (OPENAI, ANTHROPIC):
        wrong, other = {**route, "api_key": "sk-wrong-0123456789"}, {**route, "api_key": OTHER_KEY}
        fails(litellm.AuthenticationError, lambda: litellm.completion(**wrong, messages=USER, max_tokens=1))
        error = fails(Exception, lambda: litellm.completion(**other, messages=USER, max_tokens=1))
        # Of OpenAI's it makes no exception of its own kind.
        check(error.status_code == 403, error)


def pauses():
    chunks = list(litellm.completion(**OPENAI, messages=USER, max_tokens=3, stream=True, timeout=120))
    check(chunks[-1].choices[0].finish_reason in ("length", "stop"), chunks[-1])


def timeouts():
    fails(litellm.Timeout, lambda: litellm.completion(**OPENAI, messages=USER, timeout=2, max_retries=0))


def refused(error: Exception) -> Exception:
    return Skip("the server refuses it") if "docs/api.md lists what is supported" in str(error) else error


run(
    "litellm",
    [chat, stream, completions, responses, tools_auto, tools_required, json_schema, errors, keys],
    [pauses, timeouts],
)
