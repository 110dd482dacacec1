"""Lets the notebooks run without a key: the gateway is real, and a stand-in plays the models behind it.

With your own key none of this is needed: `ChatPortkey(model="claude-sonnet-4.5")` and a running gateway
(`npx @portkey-ai/gateway --headless`, or `LocalGateway().start()`) are all. The notebooks call `connect`, which
looks for the key, says what it found, and returns what `ChatPortkey` has to be told beyond the model's name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from langchain_pollinations_portkey import Catalogue, LocalGateway
from langchain_pollinations_portkey.routing import Target
from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply, StandInProvider

Play = Callable[[ReceivedRequest], Reply | Failure | None]
"""What the stand-in answers to a request; `None` leaves it to the stand-in, which repeats what it was told."""

_OWN_RULES = frozenset({"openai", "azure-openai"})
"""Providers that refuse parameters they do not know; others with OpenAI's interface let them pass."""


def connect(*models: str, play: Play) -> dict[str, Any]:
    """Says whether the models are asked for real, and how to reach them.

    Args:
        models: The names that the notebook uses, the main one first.
        play: What the stand-in answers if a key is missing.

    Returns:
        Keyword arguments for `ChatPortkey(model=models[0], ...)`. With all keys set they name the gateway at
        most; `PORTKEY_GATEWAY_URL` is used if it is set, else a gateway is started on a free port.
    """
    connection = _reached()
    without = [model for model in models if not _has_key(model)]
    if not without:
        print(f"Keys found: {', '.join(models)} will be asked, and billed to you.")
        return connection
    titles = dict.fromkeys(Catalogue.default().resolve(model).provider.title for model in without)
    print(
        f"No key for {' or '.join(titles)} is set, so no model is asked: a stand-in plays the answers. "
        "The gateway between is real."
    )
    _stand_in().answer_with(play)
    return {**connection, **_target(models[0])}


def targets(connection: dict[str, Any], *models: str) -> list[Target]:
    """The models as targets of a route. Asked for real, their names alone would do.

    Args:
        connection: What `connect` returned.
        models: Their names.
    """
    played = "custom_host" in connection
    return [Target(model, **(_target(model) if played else {})) for model in models]


def at_the_stand_in(model: str) -> tuple[dict[str, Any], StandInProvider]:
    """A stand-in for the model whatever keys are set, to look at what arrives there.

    Returns:
        Keyword arguments for `ChatPortkey(model=model, ...)`, and the stand-in.
    """
    return {**_reached(), **_target(model)}, _stand_in()


def _has_key(model: str) -> bool:
    """Whether one of the variables that may hold the credentials of the model's provider is set."""
    provider = Catalogue.default().resolve(model).provider
    names = [
        *provider.key_variables,
        *(name for row in provider.options.values() if row.secret for name in row.variables),
    ]
    names += ["AWS_PROFILE"] if provider.auth == "aws" else []
    return any(os.environ.get(name) for name in names)


def _reached() -> dict[str, Any]:
    """Where the gateway is, if the environment does not say so."""
    if os.environ.get("PORTKEY_GATEWAY_URL") or os.environ.get("PORTKEY_BASE_URL"):
        return {}
    return {"base_url": _gateway().base_url}


def _target(model: str) -> dict[str, Any]:
    provider = Catalogue.default().resolve(model).provider
    lenient = provider.dialect == "openai" and provider.id not in _OWN_RULES
    # The key is there so that no real one is ever taken for the stand-in.
    return {"custom_host": _stand_in().lenient_url if lenient else _stand_in().url, "api_key": "not-needed"}


@cache
def _gateway() -> LocalGateway:
    """One gateway per notebook, however often its first cell is run; it ends with the notebook."""
    return LocalGateway().start()


@cache
def _stand_in() -> StandInProvider:
    return StandInProvider().start()
