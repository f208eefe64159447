"""Ollama's own client for Python."""

import json

import httpx
import ollama
from cases import KEY, LIMITED_KEY, MODEL, OTHER_KEY, PERSON, QUESTION, URL, WEATHER, Skip, check, fails, is_person, run, until_limited

USER = [{"role": "user", "content": QUESTION}]
SHORT = {"num_predict": 16, "temperature": 0}


def client_of(key: str = KEY, **options) -> ollama.Client:
    return ollama.Client(host=URL, headers={"authorization": f"Bearer {key}"}, **options)


client = client_of()


def models():
    check(MODEL in [model.model for model in client.list().models], "the model is not in the list")
    check(client.show(MODEL).modelinfo, "it says nothing of the model")


def chat():
    answer = client.chat(MODEL, USER, options=SHORT)
    check(answer.message.content and answer.done and answer.eval_count <= 16, answer)


def chat_stream():
    whole = client.chat(MODEL, USER, options=SHORT)
    chunks = list(client.chat(MODEL, USER, options=SHORT, stream=True))
    check("".join(chunk.message.content for chunk in chunks) == whole.message.content, chunks)
    check(chunks[-1].done and chunks[-1].eval_count == whole.eval_count, chunks[-1])


def generate():
    answer = client.generate(MODEL, "The sky is", raw=True, options=SHORT)
    chunks = list(client.generate(MODEL, "The sky is", raw=True, options=SHORT, stream=True))
    check("".join(chunk.response for chunk in chunks) == answer.response, chunks)


def tools_auto():
    def weather(city: str, days: int) -> str:
        """The weather in a city."""
        return f"{days} days of sun in {city}"

    answer = client.chat(MODEL, USER, tools=[weather], options=SHORT)
    check(answer.message.content or answer.message.tool_calls, answer)


def tool_results():
    conversation = [
        *USER,
        {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Rome", "days": 2}}}]},
        {"role": "tool", "tool_name": "weather", "content": "sunny"},
    ]
    answer = client.chat(MODEL, conversation, tools=[{"type": "function", "function": WEATHER}], options=SHORT)
    check(answer.done, answer)


def json_schema():
    try:
        answer = client.chat(MODEL, USER, format=PERSON, options={"num_predict": 128})
    except ollama.ResponseError as error:
        raise Skip(f"the server refuses it: {error.error}") if "unsupported_parameter" in error.error else error
    check(is_person(json.loads(answer.message.content)), answer)


def errors():
    fails(ollama.ResponseError, lambda: client.chat("no-such-model", USER), status_code=404)
    fails(ollama.ResponseError, lambda: client.chat(MODEL, USER, options={"temperature": 9}), status_code=400)
    fails(ollama.ResponseError, lambda: list(client.chat("no-such-model", USER, stream=True)), status_code=404)


def keys():
    fails(ollama.ResponseError, lambda: client_of("sk-wrong-0123456789").chat(MODEL, USER), status_code=401)
    fails(ollama.ResponseError, lambda: client_of(OTHER_KEY).chat(MODEL, USER), status_code=403)


def limits():
    """It does not try again by itself."""
    limited = client_of(LIMITED_KEY)
    error = until_limited(ollama.ResponseError, lambda: limited.chat(MODEL, USER, options={"num_predict": 1}))
    check(error.status_code == 429, error)


def pauses():
    patient = client_of(timeout=httpx.Timeout(120, read=18))
    chunks = list(patient.chat(MODEL, USER, options={"num_predict": 3}, stream=True))
    check(chunks[-1].done, chunks[-1])


def timeouts():
    hasty = client_of(timeout=2)
    fails(httpx.TimeoutException, lambda: hasty.chat(MODEL, USER))


run(
    "ollama",
    [models, chat, chat_stream, generate, tools_auto, tool_results, json_schema, errors, keys, limits],
    [pauses, timeouts],
)
