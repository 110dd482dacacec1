"""The recorded cases: which there are, how to ask for one, and what its errors have to be."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langchain_pollinations_portkey import errors
from tests.recorded.conftest import counted
from tests.recorded.gateway_answers import gateway_answer
from tests.recorded.replay import Case, body_of

needs_cases = pytest.mark.skipif(
    "PORTKEY_RECORDED_CASES" not in os.environ, reason="PORTKEY_RECORDED_CASES names no directory"
)

ROOT = Path(os.environ.get("PORTKEY_RECORDED_CASES", "")).absolute()
_GATEWAY_NAMES = {"azure-ai-inference": "azure-ai", "google-vertex-ai": "vertex-ai", "portkey-hosted": "openai"}
OPTIONS = {
    "bedrock": {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret", "aws_region": "us-east-1"},
    "vertex-ai": {"vertex_project_id": "project", "vertex_region": "us-central1"},
    "azure-openai": {"resource_name": "resource", "deployment_id": "deployment", "api_version": "2024-10-21"},
    "azure-ai": {"azure_foundry_url": "https://example.com"},
}

_ERROR_CLASSES: dict[int, type[errors.PortkeyError]] = {
    401: errors.PortkeyAuthenticationError,
    403: errors.PortkeyPermissionDeniedError,
    404: errors.PortkeyModelNotFoundError,
    408: errors.PortkeyTimeoutError,
    429: errors.PortkeyRateLimitError,
}


def names(endpoint: str) -> list[str]:
    """The cases of an endpoint, `"chat"` or `"embed"`."""
    if "PORTKEY_RECORDED_CASES" not in os.environ:
        return []
    files = [file for file in sorted(ROOT.glob("*/*.json")) if not file.name.endswith(".gateway.json")]
    return [f"{f.parent.name}/{f.stem}" for f in files if json.loads(f.read_text())["endpoint"] == endpoint]


def provider_id(case: Case) -> str:
    """The gateway's name of the case's provider."""
    return _GATEWAY_NAMES.get(case["provider"], case["provider"])


def check_error(case: Case, name: str, ask: Callable[[], Any]) -> None:
    """The error that a recorded refusal becomes is of the right class and says what the provider said."""
    with pytest.raises(errors.PortkeyError) as raised:
        ask()
    error, status = raised.value, case["response"]["status"]
    if isinstance(error, errors.PortkeyGatewayError):
        assert (gateway_answer(ROOT, name) or {"status": 500})["status"] == 500
    else:
        expected = _ERROR_CLASSES.get(
            status, errors.PortkeyServerError if status >= 500 else errors.PortkeyBadRequestError
        )
        key_refused = status in (400, 403) and isinstance(error, errors.PortkeyAuthenticationError)
        assert key_refused or isinstance(error, expected)
        assert error.status_code == status
    said = _error_message(body_of(case))
    known = gateway_answer(ROOT, name)
    if said and (known is None or json.dumps(said)[1:40] in known["body_text"]):
        assert said.rstrip(". ")[:400] in str(error)
        counted["error messages"] += 1


def _error_message(body: bytes) -> str:
    """The provider's words, wherever it puts them."""
    try:
        value = json.loads(body)
    except ValueError:
        return ""
    value = value[0] if isinstance(value, list) and value else value
    error = value.get("error") if isinstance(value, dict) else None
    for holder in (error, value):
        if isinstance(holder, dict):
            for key in ("message", "Message", "detail"):
                if isinstance(holder.get(key), str):
                    return holder[key]
    return error if isinstance(error, str) else ""
