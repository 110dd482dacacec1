"""One call for embeddings: its requests, several at a time, and the vectors in the order of the texts.

How a request gets there is the business of `GatewaySending`; writing requests and reading answers is pure.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Self

from langchain_core.runnables.config import ContextThreadPoolExecutor

from langchain_pollinations_portkey._operations import arun, run
from langchain_pollinations_portkey._sending import GatewaySending
from langchain_pollinations_portkey.errors import PortkeyConfigurationError, PortkeyInvalidResponseError, readable
from langchain_pollinations_portkey.gateway.http.messages import Answer
from langchain_pollinations_portkey.notices import tell
from langchain_pollinations_portkey.wire.embeddings import (
    EmbeddingRequests,
    dimensions_notice,
    read_vectors,
    tokens_of,
)

logger = logging.getLogger(__name__)

Vectors = list[list[float]]


@dataclass(slots=True)
class EmbeddingCall:
    """One call, prepared.

    Attributes:
        requests: What is asked, one body per request.
        sending: The first request on its way; the others differ in their body only.
        max_concurrency: Most requests at a time.
        show_progress: Whether to show a progress bar.
    """

    requests: EmbeddingRequests
    sending: GatewaySending
    max_concurrency: int
    show_progress: bool = False

    def embed(self) -> Vectors:
        """Send the requests and read their answers.

        After a failure no further request is sent; those under way are waited for.

        Raises:
            PortkeyError: One of them failed; the first that did.
        """
        bodies, counts = self.requests.bodies, self.requests.counts
        with _Progress(sum(counts), shown=self.show_progress) as progress:
            workers = min(self.max_concurrency, len(bodies))
            if workers == 1:
                parts = []
                for body, count in zip(bodies, counts, strict=True):
                    parts.append(self._one(body, count))
                    progress.add(count)
                return self._joined(parts)
            run(self.sending.get_ready(), self.sending.transport)
            with ContextThreadPoolExecutor(max_workers=workers, thread_name_prefix="embeddings") as pool:
                futures = {pool.submit(self._one, body, n): n for body, n in zip(bodies, counts, strict=True)}
                try:
                    for future in as_completed(futures):
                        future.result()
                        progress.add(futures[future])
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
            return self._joined([future.result() for future in futures])

    async def aembed(self) -> Vectors:
        """`embed`, asynchronously; after a failure the requests under way are broken off."""
        bodies, counts = self.requests.bodies, self.requests.counts
        parts: list[Vectors] = [[] for _ in bodies]
        with _Progress(sum(counts), shown=self.show_progress) as progress:
            workers = min(self.max_concurrency, len(bodies))
            waiting = iter(range(len(bodies)))

            async def work() -> None:
                for position in waiting:
                    parts[position] = await self._aone(bodies[position], counts[position])
                    progress.add(counts[position])

            if workers == 1:
                await work()
                return self._joined(parts)
            await arun(self.sending.get_ready(), self.sending.transport)
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(workers):
                        group.create_task(work())
            except BaseExceptionGroup as errors:
                failure = errors.exceptions[0]
            else:
                return self._joined(parts)
        raise failure

    def _one(self, body: Mapping[str, Any], count: int) -> Vectors:
        sending = replace(self.sending, body=body)
        return self._read(sending, run(sending.open(), sending.transport), count)

    async def _aone(self, body: Mapping[str, Any], count: int) -> Vectors:
        sending = replace(self.sending, body=body)
        return self._read(sending, await arun(sending.open(), sending.transport), count)

    @staticmethod
    def _read(sending: GatewaySending, response: Answer, count: int) -> Vectors:
        body = sending.decode(response.content)
        try:
            with readable(PortkeyInvalidResponseError):
                vectors = read_vectors(body, count)
        except PortkeyInvalidResponseError as error:
            content = body if isinstance(body, dict) else response.content
            failure = sending.without_answer(response, content, error)
        else:
            logger.debug("%d embeddings, %s tokens", count, tokens_of(body) or "unknown")
            return vectors
        # Not within the clause: the error would keep the first one, which may repeat a key, as its context.
        raise failure

    def _joined(self, parts: list[Vectors]) -> Vectors:
        vectors = [vector for part in parts for vector in part]
        asked = self.sending.body.get("dimensions") if "dimensions" not in self.requests.losses else None
        notice = dimensions_notice(asked, vectors, self.sending.target.model)
        if notice is not None:
            tell(notice)
        return vectors


class _Progress:
    """A progress bar by tqdm, in the form that fits a terminal or a notebook, or none."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._bar: Any = progress_bar()(total=total, unit="text", desc="Embedding") if shown else None

    def add(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def progress_bar() -> Callable[..., Any]:
    """Tqdm's progress bar.

    Raises:
        PortkeyConfigurationError: It is not installed.
    """
    try:
        bar: Callable[..., Any] = import_module("tqdm.auto").tqdm
    except ImportError:
        raise PortkeyConfigurationError(
            "show_progress=True needs tqdm, which is not installed: pip install tqdm, or leave show_progress out."
        ) from None
    return bar
