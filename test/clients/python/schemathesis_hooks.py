"""Keeps answers short: what nobody bounds may be as long as the context, and there are hundreds of them."""

import schemathesis

SHORT = 4


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict):
        return
    limit = "max_output_tokens" if case.operation.path == "/v1/responses" else "max_tokens"
    if case.operation.path.startswith("/v1/"):
        body.setdefault(limit, SHORT)
    if case.operation.path.startswith("/api/") and isinstance(body.setdefault("options", {}), dict):
        body["options"].setdefault("num_predict", SHORT)
