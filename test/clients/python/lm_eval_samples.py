"""Runs lm-evaluation-harness on the tasks in lm-eval/, whose documents are our own, and reads the log-likelihoods that it got."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).parent / "lm-eval"
TASKS = ("layermesh_endings", "layermesh_facts")


def log_likelihoods(model: str, arguments: dict[str, str], **environment: str) -> dict[str, list]:
    """Of each task, for each document the log-likelihood of each of its continuations, and whether it is the likeliest."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lm_eval", "run", "--model", model, "--tasks", *TASKS]
        command += ["--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())]
        command += ["--include_path", str(FOLDER), "--log_samples", "--output_path", folder]
        # The documents are read from files, and nothing else is asked of anybody.
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": folder, "TOKENIZERS_PARALLELISM": "false"}
        subprocess.run(command, check=True, cwd=FOLDER, env={**os.environ, **offline, **environment})
        return {task: samples_of(pathlib.Path(folder), task) for task in TASKS}


def samples_of(folder: pathlib.Path, task: str) -> list:
    (file,) = folder.rglob(f"samples_{task}_*.jsonl")
    samples = [json.loads(line) for line in file.read_text().splitlines()]
    samples.sort(key=lambda sample: sample["doc_id"])
    return [[pair(response) for response in sample["resps"]] for sample in samples]


def pair(response: list) -> list:
    """Responses are kept as text, each in a list of its repeats."""
    value, greedy = response[0]
    return [float(value), str(greedy) == "True"]
