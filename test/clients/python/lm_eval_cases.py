"""lm-evaluation-harness, whose `local-completions` reads log probabilities of the prompt."""

import json
import os
import pathlib

from cases import KEY, MODEL, URL, check, run
from lm_eval_samples import log_likelihoods

REFERENCE = pathlib.Path(__file__).parents[2] / "fixtures/lm-eval-reference.json"
# Natural logarithms, of a whole continuation of up to 70 tokens, in f32.
TOLERANCE = 0.002


def log_likelihoods_equal_those_of_transformers():
    reference = json.loads(REFERENCE.read_text())
    arguments = {
        "model": MODEL,
        "base_url": f"{URL}/v1/completions",
        "tokenizer": os.environ["LAYERMESH_TOKENIZER"],
        "num_concurrent": "4",
    }
    ours = log_likelihoods("local-completions", arguments, OPENAI_API_KEY=KEY)
    pairs = [
        (one, other)
        for task, documents in reference["log_likelihoods"].items()
        for document, own in zip(documents, ours[task], strict=True)
        for one, other in zip(document, own, strict=True)
    ]
    worst = max(abs(one[0] - other[0]) for one, other in pairs)
    check(worst <= TOLERANCE, f"log-likelihoods differ by up to {worst:.4f}")
    check(all(one[1] == other[1] for one, other in pairs), "another token is the likeliest")
    return f"{len(pairs)} continuations differ by at most {worst:.5f} from {reference['by']}"


run("lm_eval", [log_likelihoods_equal_those_of_transformers])
