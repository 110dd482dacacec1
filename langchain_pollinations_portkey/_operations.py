"""What a call does on the wire, as operations that a flow yields, and the two loops that carry them out.

A flow is a generator: it yields operations, takes their results, and has the errors they raise thrown into it. It does
no I/O itself, so the same flow serves both worlds; `run` carries its operations out, `arun` does so with `await`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_pollinations_portkey.errors import PortkeyError
from langchain_pollinations_portkey.gateway.http.messages import Answer, HTTPRequest

if TYPE_CHECKING:
    from langchain_pollinations_portkey.gateway.http.transport import Transport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; the result is the answer."""

    request: HTTPRequest
    stream: bool

    def run(self, transport: Transport) -> Answer:
        """Carry it out."""
        return transport.send(self.request, stream=self.stream)

    async def arun(self, transport: Transport) -> Answer:
        """Carry it out asynchronously."""
        return await transport.asend(self.request, stream=self.stream)


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask for the root of the gateway; the result is the status, or `None` if there was none in so many seconds."""

    origin: str
    seconds: float

    def run(self, transport: Transport) -> int | None:
        """Carry it out."""
        return transport.probe(self.origin, seconds=self.seconds)

    async def arun(self, transport: Transport) -> int | None:
        """Carry it out asynchronously."""
        return await transport.aprobe(self.origin, seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float

    def run(self, _: Transport) -> None:
        """Carry it out."""
        time.sleep(self.seconds)

    async def arun(self, _: Transport) -> None:
        """Carry it out asynchronously."""
        await asyncio.sleep(self.seconds)


Operation = Send | Probe | Sleep


def run(flow: Generator[Operation, Any, T], transport: Transport) -> T:
    """Carry a flow out and return its result."""
    try:
        operation = next(flow)
        while True:
            try:
                result = operation.run(transport)
            except PortkeyError as error:
                operation = flow.throw(error)
            else:
                operation = flow.send(result)
    except StopIteration as stop:
        returned: T = stop.value
        return returned


async def arun(flow: Generator[Operation, Any, T], transport: Transport) -> T:
    """Carry a flow out asynchronously and return its result."""
    try:
        operation = next(flow)
        while True:
            try:
                result = await operation.arun(transport)
            except PortkeyError as error:
                operation = flow.throw(error)
            else:
                operation = flow.send(result)
    except StopIteration as stop:
        returned: T = stop.value
        return returned
