"""What Open WebUI sends to a connection of OpenAI's kind and to one of Ollama's, as its backend does, without installing it."""

import json

import httpx
from cases import KEY, MODEL, QUESTION, URL, check, run

HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "Content-Type": "application/json",
    "X-OpenWebUI-User-Name": "Ada",
    "X-OpenWebUI-User-Id": "1",
    "X-OpenWebUI-Chat-Id": "2",
}
USER = [{"role": "user", "content": QUESTION}]
http = httpx.Client(headers=HEADERS, timeout=120)


def lines_of(path: str, body: dict) -> list[str]:
    with http.stream("POST", URL + path, json=body) as response:
        check(response.status_code == 200, response.status_code)
        return [line for line in response.iter_lines() if line]


def events_of(body: dict) -> list[dict]:
    lines = [line for line in lines_of("/v1/chat/completions", body) if not line.startswith(":")]
    check(lines[-1] == "data: [DONE]", lines[-1])
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def models():
    body = http.get(f"{URL}/v1/models").raise_for_status().json()
    check(body["object"] == "list" and all({"id", "object", "created", "owned_by"} <= set(each) for each in body["data"]), body)


def chat():
    body = {
        "stream": True,
        "model": MODEL,
        "messages": USER,
        "temperature": 0.8,
        "top_p": 0.9,
        "max_tokens": 16,
        "seed": 7,
        "stop": ["###"],
        "stream_options": {"include_usage": True},
    }
    events = events_of(body)
    check("".join(each["choices"][0]["delta"].get("content") or "" for each in events if each["choices"]), events)
    check(events[-1]["usage"]["completion_tokens"] <= 16, events[-1])


def title():
    prompt = "### Task: a title, as JSON { \"title\": ... }\n### Chat history: " + QUESTION
    messages = [{"role": "user", "content": prompt}]
    body = {"model": MODEL, "messages": messages, "stream": False, "max_completion_tokens": 32, "metadata": {"task": "title_generation"}}
    answer = http.post(f"{URL}/v1/chat/completions", json=body).raise_for_status().json()
    check(answer["choices"][0]["message"]["content"] is not None, answer)


def ollama_lists():
    tags = http.get(f"{URL}/api/tags").raise_for_status().json()["models"]
    check(all({"name", "model", "digest", "size", "modified_at", "details"} <= set(each) for each in tags), tags)
    check(http.get(f"{URL}/api/version").raise_for_status().json()["version"], "no version")
    check(http.post(f"{URL}/api/show", json={"model": MODEL}).raise_for_status().json()["details"], "no details")
    running = http.get(f"{URL}/api/ps").raise_for_status().json()["models"]
    check([each["model"] for each in running] == [each["model"] for each in tags], running)


def ollama_chat():
    # It names the tag where the user named none.
    options = {"num_predict": 16, "num_ctx": 2048, "temperature": 0.8, "mirostat": 0}
    body = {"model": f"{MODEL}:latest", "messages": USER, "stream": True, "options": options, "keep_alive": "5m"}
    chunks = [json.loads(line) for line in lines_of("/api/chat", body)]
    check(chunks[-1]["done"] and chunks[-1]["eval_count"] <= 16, chunks[-1])


def pauses():
    check(events_of({"stream": True, "model": MODEL, "messages": USER, "max_tokens": 3}), "no events")
    body = {"model": MODEL, "messages": USER, "stream": True, "options": {"num_predict": 3}}
    check(json.loads(lines_of("/api/chat", body)[-1])["done"], "no end")


run("httpx", [models, chat, title, ollama_lists, ollama_chat], [pauses])
