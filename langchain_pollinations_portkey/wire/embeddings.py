"""Texts to requests for embeddings, and the answers to vectors.

`POST /v1/embeddings` has OpenAI's form on both sides. The gateway translates it for each provider, and what it hands
on differs more than for chat: the provider's row says what, and what is lost is told.
"""

from __future__ import annotations

import binascii
import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_pollinations_portkey.catalogue.entries import Provider, ResolvedModel
from langchain_pollinations_portkey.errors import PortkeyConfigurationError, PortkeyInvalidResponseError, read_error
from langchain_pollinations_portkey.notices import LossWarning, Notice

Purpose = Literal["query", "document"]
"""What the texts are: some models place a question and the text that answers it near each other only if told."""

_SHOWN_POSITIONS = 5
"""Most positions of empty texts that an error names."""


@dataclass(frozen=True, slots=True)
class EmbeddingRequests:
    """The request bodies for a list of texts, in its order, and what of the user's wishes does not arrive.

    Attributes:
        bodies: The JSON objects to send.
        counts: How many vectors each asks for.
        losses: One sentence each, keyed by what is lost, for a warning.
    """

    bodies: Sequence[Mapping[str, Any]]
    counts: Sequence[int]
    losses: Mapping[str, str] = field(default_factory=dict)

    def notices(self, provider: Provider) -> Iterator[Notice]:
        """What to tell the user about the losses, once per provider and loss."""
        for name, sentence in self.losses.items():
            yield Notice(LossWarning, ("embeddings", name, provider.id), sentence)


def checked_texts(texts: Iterable[str]) -> list[str]:
    """The texts as a list.

    An empty text has no vector: OpenAI, Voyage, Google and Amazon refuse one (and with it the whole request, after
    others have been paid), Ollama answers an empty list.

    Raises:
        PortkeyConfigurationError: They are no list of texts, or some are empty.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise PortkeyConfigurationError(
            f"embed_documents takes a list of texts, not {type(texts).__name__}; for one text there is embed_query."
        )
    checked = list(texts)
    for position, text in enumerate(checked):
        if not isinstance(text, str):
            raise PortkeyConfigurationError(
                f"Only texts can be embedded; the one at position {position} is of type {type(text).__name__}."
            )
    empty = [position for position, text in enumerate(checked) if not text]
    if empty:
        shown = ", ".join(map(str, empty[:_SHOWN_POSITIONS])) + (", ..." if len(empty) > _SHOWN_POSITIONS else "")
        where = f"position{'' if len(empty) == 1 else 's'} {shown}" if len(checked) > 1 else "the only position"
        raise PortkeyConfigurationError(f"An empty text has no embedding: leave out the one at {where}.")
    return checked


def build_requests(
    texts: Sequence[str],
    model: ResolvedModel,
    options: Mapping[str, Any],
    *,
    purpose: Purpose,
    chunk_size: int | None = None,
    own_host: bool = False,
) -> EmbeddingRequests:
    """Write the requests.

    Args:
        texts: Non-empty texts.
        model: Whom to ask and for what.
        options: Parameters by their own names; `None` means "not given".
        purpose: What the texts are. A parameter of the user's that says so too wins.
        chunk_size: Texts in a request, where a request takes several; by default as many as the provider takes.
        own_host: Whether a server of the user's own stands in for the provider. It may know no base64, so that is
            not asked for by default.

    Raises:
        PortkeyConfigurationError: The provider has no embeddings.
    """
    provider = model.provider
    quirks = provider.quirks
    if quirks.embeddings == "none":
        raise PortkeyConfigurationError(f"The gateway has no embeddings for {model.model!r} of {provider.title}.")
    asked = {name: value for name, value in options.items() if value is not None}
    encoding = asked.pop("encoding_format", "base64" if quirks.embedding_base64 and not own_host else "float")
    # Vectors are the same in either form. `float` is what all send unasked, and Voyage refuses the word.
    if encoding != "float" and "encoding_format" in quirks.embedding_options:
        asked["encoding_format"] = encoding
    told = quirks.embedding_query if purpose == "query" else quirks.embedding_document
    parameters = {**told, **asked}
    losses = {
        name: f"The gateway does not hand {name!r} on to {provider.title} for embeddings; it has no effect there."
        for name in asked
        if name not in quirks.embedding_options
    }
    if quirks.embeddings == "single":
        # No list, not even one of a single text: Titan's `dimensions` arrives beside a text only.
        inputs: list[Any] = list(texts)
        counts = [1] * len(inputs)
    else:
        inputs = list(_batches(texts, quirks.embedding_inputs, quirks.embedding_tokens, chunk_size))
        counts = [len(batch) for batch in inputs]
    bodies = [{**parameters, "model": model.model, "input": one} for one in inputs]
    return EmbeddingRequests(bodies, counts, losses)


def _batches(
    texts: Sequence[str], most: int, most_tokens: int | None, chunk_size: int | None
) -> Iterator[Sequence[str]]:
    """Cut the texts into requests.

    Tokens are not counted, for each model does so in its own way; but none is shorter than a byte, so a request of
    so many bytes fits. One text that is longer goes alone: whether it fits is for the provider to say.
    """
    if chunk_size is not None:
        for start in range(0, len(texts), chunk_size):
            yield texts[start : start + chunk_size]
        return
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))
        if batch and (len(batch) == most or (most_tokens is not None and size + length > most_tokens)):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch


def read_vectors(body: Any, count: int) -> list[list[float]]:
    """The vectors of an answer, in the order of the inputs.

    Args:
        body: The decoded answer: `{"data": [{"index": 0, "embedding": [0.1, ...] or base64}, ...]}`.
        count: How many there have to be.

    Raises:
        PortkeyInvalidResponseError: They are not there, or are not so many, or one is no vector.
    """
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, list):
        raise PortkeyInvalidResponseError(f"The answer holds no embeddings: {read_error(body).message}")
    if len(data) != count:
        raise PortkeyInvalidResponseError(
            f"The answer holds {len(data)} embeddings for {count} texts, so it does not say which is whose."
        )
    vectors: list[list[float]] = [[]] * count
    missing = set(range(count))
    for position, item in enumerate(data):
        index = item.get("index")
        index = position if index is None else index
        if index not in missing:
            raise PortkeyInvalidResponseError(f"The answer numbers its embeddings wrongly: {index!r} of {count}.")
        missing.remove(index)
        vectors[index] = _vector(item.get("embedding"), index)
    if len({len(vector) for vector in vectors}) > 1:
        raise PortkeyInvalidResponseError("The embeddings of the answer differ in their number of dimensions.")
    return vectors


def _vector(value: Any, index: int) -> list[float]:
    numbers = _decoded(value) if isinstance(value, str) else value
    if not isinstance(numbers, list) or not numbers:
        raise PortkeyInvalidResponseError(f"The embedding at index {index} is empty or no list of numbers.")
    kinds = {float} if numbers is not value else set(map(type, numbers))
    if kinds != {float}:
        if not kinds <= {float, int}:
            raise PortkeyInvalidResponseError(f"The embedding at index {index} holds something that is no number.")
        numbers = [_as_float(number) for number in numbers]
    if not math.isfinite(sum(numbers)):
        raise PortkeyInvalidResponseError(f"The embedding at index {index} holds something that is no finite number.")
    return numbers


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # JSON's integers have no end
        return math.inf


def _decoded(text: str) -> list[float] | None:
    """The numbers in base64 of little-endian 32-bit floats, `None` if it is none."""
    try:
        numbers = array("f", binascii.a2b_base64(text, strict_mode=True))
    except ValueError:  # not base64, or no multiple of four bytes
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def tokens_of(body: Mapping[str, Any]) -> int | None:
    """How many tokens an answer counted, `None` if it did not: the gateway writes -1 or 0 then."""
    usage = body.get("usage")
    count = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return count if isinstance(count, int) and count > 0 else None


def dimensions_notice(asked: Any, vectors: Sequence[Sequence[float]], model: ResolvedModel) -> Notice | None:
    """What to tell the user if the provider took `dimensions` and did nothing about it."""
    if not isinstance(asked, int) or not vectors or len(vectors[0]) == asked:
        return None
    text = (
        f"dimensions={asked} was asked of {model.provider.title}, but the embeddings of {model.model!r} have "
        f"{len(vectors[0])}."
    )
    return Notice(LossWarning, ("embeddings", "dimensions", model.provider.id, model.model), text)
