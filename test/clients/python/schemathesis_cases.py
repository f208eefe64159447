"""Schemathesis: requests made from our own /openapi.json, those that it allows and those that it does not."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from cases import KEY, URL, check, run

EXAMPLES = 10
# What is a promise of the document: that nothing breaks, and that every answer is one that it tells of.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"


def requests_made_from_our_openapi_document():
    command = [str(pathlib.Path(sys.executable).with_name("schemathesis")), "run", f"{URL}/openapi.json", "--no-color"]
    command += ["--header", f"Authorization: Bearer {KEY}", "--checks", CHECKS, "--max-examples", str(EXAMPLES)]
    command += ["--phases", "examples,coverage,fuzzing", "--mode", "all", "--seed", "1", "--request-timeout", "60"]
    # A stream that has no end.
    command += ["--exclude-path", "/topology/events"]
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(pathlib.Path(__file__).resolve().parent)}
    # It leaves what it has found in the folder in which it runs.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, **hooks})
    if done.returncode != 0:
        print(done.stdout[-20_000:], done.stderr[-2_000:])
    made = re.search(r"(\d+) generated", done.stdout)
    check(done.returncode == 0, "see what it printed")
    return f"{made[1] if made else '?'} requests"


run("schemathesis", [requests_made_from_our_openapi_document])
