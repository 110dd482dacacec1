"""OpenAI embeddings: one small deterministic vector per input.

Source: platform.openai.com, API reference, "Embeddings".
"""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any

from langchain_pollinations_portkey.testing.answer import Answer, dump, json_answer
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Reply
from langchain_pollinations_portkey.testing.wires.asked import Asked

DIMENSIONS = 8
"""The length of a vector, unless the request says how long."""


def asked(request: ReceivedRequest) -> Asked:
    """Nothing is asked for but the vectors."""
    del request
    return Asked()


def render(reply: Reply, request: ReceivedRequest) -> Answer:
    """A list of embeddings; base64 of little-endian 32-bit floats when that encoding is asked for."""
    inputs = inputs_of(request.json["input"])
    size = request.json.get("dimensions") or DIMENSIONS
    vectors = reply.embeddings if reply.embeddings is not None else [vector(item, size) for item in inputs]
    as_base64 = request.json.get("encoding_format") == "base64"
    tokens = reply.usage.prompt if reply.usage else max(1, len(request.body) // 4)
    body = {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _base64(list(numbers)) if as_base64 else list(numbers),
            }
            for index, numbers in enumerate(vectors)
        ],
        "model": reply.model or request.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return json_answer(body, headers={"x-request-id": f"req_standin{request.serial:06d}"})


def inputs_of(value: Any) -> list[Any]:
    """The inputs one by one: a text or a list of token numbers is one input, a list of either is several."""
    if isinstance(value, str) or all(isinstance(item, int) for item in value):
        return [value]
    return list(value)


def vector(value: Any, dimensions: int = DIMENSIONS) -> list[float]:
    """A unit vector that depends on nothing but the input, as 32-bit floats print it."""
    seed = (value if isinstance(value, str) else dump(value)).encode()
    numbers: list[float] = []
    block = 0
    while len(numbers) < dimensions:
        digest = hashlib.sha256(seed + block.to_bytes(4, "big")).digest()
        numbers.extend(number / 2**15 for number in struct.unpack(">16h", digest))
        block += 1
    numbers = numbers[:dimensions]
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [round(number / length, 6) for number in numbers]


def _base64(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
