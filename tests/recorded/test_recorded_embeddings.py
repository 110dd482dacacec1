"""Recorded embeddings of real providers, served to the real gateway: the user gets the numbers that were sent."""

from __future__ import annotations

import base64
import json
import struct
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from langchain_pollinations_portkey import PortkeyEmbeddings
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import PortkeyWarning
from tests.recorded.cases import OPTIONS, ROOT, check_error, names, needs_cases, provider_id
from tests.recorded.conftest import counted
from tests.recorded.replay import Case, ReplayServer, body_of

pytestmark = pytest.mark.gateway


@needs_cases
@pytest.mark.parametrize("name", names("embed"))
async def test_the_providers_vectors_reach_the_user(
    name: str, replay: ReplayServer, pinned_gateway: LocalGateway
) -> None:
    case: Case = json.loads((ROOT / f"{name}.json").read_text())
    provider = provider_id(case)
    if provider not in {row.id for row in Catalogue.default().providers()}:
        pytest.skip(f"the catalogue has no provider {provider}")
    model = PortkeyEmbeddings(
        model=case["model"],
        provider=provider,
        api_key=None if provider == "bedrock" else "key",
        base_url=pinned_gateway.base_url,
        custom_host=replay.url(name),
        provider_options=OPTIONS.get(provider, {}),
        max_retries=0,
        timeout=30,
    )
    counted["cases"] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PortkeyWarning)
        if case["response"]["status"] != 200:
            check_error(case, name, lambda: model.embed_query("hi"))
            return
        said = vectors_of(json.loads(body_of(case)))
        texts = [f"text {number}" for number in range(len(said))]
        assert model.embed_documents(texts) == said
        assert await model.aembed_documents(texts) == said
        counted["vectors"] += len(said)


def vectors_of(body: Mapping[str, Any]) -> list[list[float]]:
    """The vectors of an answer, in whichever provider's form."""
    if "data" in body:
        found = [item["embedding"] for item in sorted(body["data"], key=lambda item: item["index"])]
    elif "predictions" in body:
        found = [item["embeddings"]["values"] for item in body["predictions"]]
    elif "embeddings" in body:
        found = body["embeddings"]["float"] if isinstance(body["embeddings"], dict) else body["embeddings"]
    else:
        found = [body["embedding"]["values"] if isinstance(body["embedding"], dict) else body["embedding"]]
    return [unpacked(one) if isinstance(one, str) else [float(number) for number in one] for one in found]


def unpacked(text: str) -> list[float]:
    raw = base64.b64decode(text)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))
