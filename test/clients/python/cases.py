"""
Runs the cases of one client, each a function, and prints a line of JSON for each: what `npm run check:clients` reads.

The environment says where the server is; the arguments say which cases, all but the slow ones where there are none.
"""

import json
import os
import sys
import time
import traceback
from importlib.metadata import version

URL = os.environ["LAYERMESH_URL"]
MODEL = os.environ["LAYERMESH_MODEL"]
KEY = os.environ["LAYERMESH_API_KEY"]
# A key with few requests a minute, and one of another model.
LIMITED_KEY = os.environ["LAYERMESH_LIMITED_KEY"]
OTHER_KEY = os.environ["LAYERMESH_OTHER_KEY"]

QUESTION = "Why is the sky blue?"
WEATHER = {
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "job": {"enum": ["pilot", "baker"]},
    },
    "required": ["name", "age", "job"],
    "additionalProperties": False,
}


class Skip(Exception):
    """Why a case could not be tried."""


def check(holds: object, what: object) -> None:
    if not holds:
        raise AssertionError(what)


def is_person(value: dict) -> bool:
    return set(value) == {"name", "age", "job"} and 0 <= value["age"] <= 150 and value["job"] in ("pilot", "baker")


def fails(kind: type[Exception], call, **expected: object) -> Exception:
    """The exception that the call raises, which has to be of this kind and have these attributes."""
    try:
        call()
    except kind as error:
        for name, value in expected.items():
            check(getattr(error, name) == value, f"{name} is {getattr(error, name)!r}, not {value!r}")
        return error
    raise AssertionError(f"no {kind.__name__}")


def until_limited(kind: type[Exception], call, tries: int = 30) -> Exception:
    """Calls until the key has used up its requests; the error that says so."""
    for _ in range(tries):
        try:
            call()
        except kind as error:
            return error
    raise AssertionError(f"{tries} requests went through")


def run(package: str, cases: list, slow: list = ()) -> None:
    """`slow` want a server whose steps take 20 seconds."""
    print(json.dumps({"client": package, "version": version(package)}), flush=True)
    names = sys.argv[1:] or [case.__name__ for case in cases]
    for case in [*cases, *slow]:
        if case.__name__ in names:
            print(json.dumps({"case": case.__name__.replace("_", " "), **outcome_of(case)}), flush=True)


def outcome_of(case) -> dict:
    started = time.monotonic()
    try:
        detail = case()
        outcome = "passed"
    except Skip as reason:
        outcome, detail = "skipped", str(reason)
    except Exception as error:
        traceback.print_exc()
        outcome, detail = "failed", f"{type(error).__name__}: {error}"[:500]
    seconds = round(time.monotonic() - started, 2)
    return {"outcome": outcome, "detail": detail or "", "seconds": seconds}
