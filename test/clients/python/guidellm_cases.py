"""GuideLLM as a load generator from outside, beside `npm run bench` with the same load. Nothing else may run meanwhile."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from cases import KEY, MODEL, URL, check, run

ROOT = pathlib.Path(__file__).parents[3]
CLIENTS, PROMPT_TOKENS, OUTPUT_TOKENS, REQUESTS = 4, 128, 64, 24
TOLERANCE = 0.05
TURNS = 3


def agrees_with_npm_run_bench():
    with tempfile.TemporaryDirectory() as folder:
        # Once before, so that nobody measures a cold server; then by turns, so that a drift of the machine hits both.
        guidellm(folder, CLIENTS)
        turns = [(bench(folder), guidellm(folder, REQUESTS)) for _ in range(TURNS)]
    figures = {}
    for name in turns[0][0]:
        ours, theirs = (statistics.median(turn[who][name] for turn in turns) for who in (0, 1))
        figures[name] = (ours, theirs, theirs / ours - 1)
    text = ", ".join(f"{name} {one:.1f} and {other:.1f} ({share:+.1%})" for name, (one, other, share) in figures.items())
    check(all(abs(share) <= TOLERANCE for *_, share in figures.values()), text)
    return text


def guidellm(folder: str, requests: int) -> dict[str, float]:
    output = pathlib.Path(folder) / "guidellm.json"
    extras = json.dumps({"body": {"temperature": 0}})
    backend = {"kind": "openai_http", "target": URL, "model": MODEL, "request_format": "/v1/completions", "api_key": KEY}
    command = [str(pathlib.Path(sys.executable).with_name("guidellm")), "run", "--disable-console"]
    command += ["--backend", ",".join(f"{name}={value}" for name, value in backend.items()) + f",extras={extras}"]
    command += ["--profile", f"kind=concurrent,streams={CLIENTS}", "--constraint", f"kind=max_requests,count={requests}"]
    command += ["--data", f"kind=synthetic_text,prompt_tokens={PROMPT_TOKENS},output_tokens={OUTPUT_TOKENS}"]
    command += ["--tokenizer", f"kind=huggingface_auto,model={os.environ['LAYERMESH_TOKENIZER']}"]
    command += ["--output", f"kind=json,path={output}"]
    subprocess.run(command, check=True, cwd=folder)
    (benchmark,) = json.loads(output.read_text())["benchmarks"]
    metrics = benchmark["metrics"]
    return {
        "tokens/s": metrics["output_tokens_per_second"]["successful"]["mean"],
        "TTFT ms": metrics["time_to_first_token_ms"]["successful"]["mean"],
    }


def bench(folder: str) -> dict[str, float]:
    output = pathlib.Path(folder) / "bench.json"
    command = ["node", "scripts/run.mjs", "bench", "--url", URL, "--concurrency", str(CLIENTS), "--rounds", "1"]
    command += ["--prompt-tokens", str(PROMPT_TOKENS), "--output-tokens", str(OUTPUT_TOKENS)]
    command += ["--requests", str(REQUESTS // CLIENTS), "--json", str(output)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
    rows = json.loads(output.read_text())["rows"]
    seconds = (max(row["token_ms"][-1] for row in rows) - min(row["sent_ms"] for row in rows)) / 1_000
    return {
        "tokens/s": sum(row["output_tokens"] for row in rows) / seconds,
        "TTFT ms": sum(row["ttft_ms"] for row in rows) / len(rows),
    }


run("guidellm", [agrees_with_npm_run_bench])
