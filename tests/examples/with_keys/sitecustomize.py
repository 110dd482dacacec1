"""For notebooks that are run with keys: what they send to a provider goes to the test's stand-in instead.

Python imports this module by itself when it starts, in the notebook's process and in those that it starts.
"""

from __future__ import annotations

import os
from typing import Any

from langchain_pollinations_portkey.gateway import headers, routes

_STAND_IN = os.environ["TEST_STAND_IN"]
_headers_of, _config_of = headers._target_headers, routes._leaf_config


def _host(provider: str) -> str:
    """Mistral and Groq take parameters that OpenAI does not know."""
    return f"{_STAND_IN}/lenient" if provider in {"mistral-ai", "groq"} else _STAND_IN


def _target_headers(target: headers.Target, gateway: Any) -> dict[str, str]:
    return {"x-portkey-custom-host": _host(target.model.provider.id), **_headers_of(target, gateway)}


def _leaf_config(*arguments: Any, **options: Any) -> dict[str, Any]:
    config = _config_of(*arguments, **options)
    return {"custom_host": _host(config["provider"]), **config}


headers._target_headers, routes._leaf_config = _target_headers, _leaf_config
