"""The stand-in provider: a server on 127.0.0.1 that judges, records and answers requests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from types import TracebackType
from typing import Self

from langchain_pollinations_portkey.testing.access import check_access
from langchain_pollinations_portkey.testing.answer import Answer, raw_answer, with_headers
from langchain_pollinations_portkey.testing.connection import RawRequest, serve_connection
from langchain_pollinations_portkey.testing.default_reply import default_reply
from langchain_pollinations_portkey.testing.received import ReceivedRequest, receive
from langchain_pollinations_portkey.testing.replies import Delivery, Failure, RawAnswer, Reply, Scripted
from langchain_pollinations_portkey.testing.rules import check
from langchain_pollinations_portkey.testing.rules.refusal import Refusal
from langchain_pollinations_portkey.testing.wires import RENDERERS

Handler = Callable[[ReceivedRequest], Scripted | None]

_BACKLOG = 2048
_HEADER_LIMIT = 1 << 20
_START_TIMEOUT = 10.0


class StandInProvider:
    """A model provider for tests: OpenAI, Anthropic, Bedrock and Gemini on one port, as strict as they are.

    Use it as a context manager and give `url` to the gateway as `custom_host`:

        with StandInProvider() as provider:
            provider.script(Reply("Hello!"), Failure(429, "Slow down", headers={"retry-after": "1"}))
            ...
            assert provider.last.json["messages"] == [...]

    A request that the real provider would refuse is answered with that provider's error and
    `ReceivedRequest.refused` says why; it uses up nothing of the script.

    Args:
        aws_credentials: access key id -> secret access key. If given, Bedrock requests must be signed
            (Signature Version 4) with one of them. If not, any well-formed signature or bearer token will do.
        keys: accepted keys by "anthropic", "bedrock" (bearer), "gemini", "vertex", and "openai" for all the others.
            A provider without an entry takes any key.
        port: the port to listen on; 0 takes a free one.
    """

    def __init__(
        self,
        *,
        aws_credentials: Mapping[str, str] | None = None,
        keys: Mapping[str, AbstractSet[str]] | None = None,
        port: int = 0,
    ) -> None:
        self.requests: list[ReceivedRequest] = []
        self._aws_credentials = dict(aws_credentials or {})
        self._keys = dict(keys or {})
        self._port = port
        self._serial = itertools.count(1)
        self._script: deque[Scripted] = deque()
        self._handler: Handler | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failed: BaseException | None = None

    # Life

    def start(self) -> Self:
        """Starts the server in a thread of its own; nothing happens if it runs already.

        Raises:
            OSError: the port is taken.
        """
        if self._thread is not None:
            return self
        self._ready.clear()
        self._failed = None
        self._thread = threading.Thread(target=self._run, name="stand-in-provider", daemon=True)
        self._thread.start()
        self._ready.wait(_START_TIMEOUT)
        if self._failed is not None:
            self._thread.join()
            self._thread = None
            raise self._failed
        return self

    def stop(self) -> None:
        """Closes every connection and ends the thread."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # What tests read

    @property
    def port(self) -> int:
        """The port it listens on; known once it has started."""
        return self._port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def lenient_url(self) -> str:
        """The prefix under which OpenAI's wire takes unknown parameters, as Mistral and others do."""
        return f"{self.url}/lenient"

    @property
    def last(self) -> ReceivedRequest:
        """The request that came last.

        Raises:
            IndexError: nothing has come.
        """
        return self.requests[-1]

    # What tests set

    def script(self, *answers: Scripted) -> None:
        """Queues answers for the requests to come, first in, first out; after them the default again.

        Raises:
            TypeError: something is no answer.
        """
        for answer in answers:
            if not isinstance(answer, Scripted):
                raise TypeError(f"script() takes Reply, Failure and RawAnswer, not {type(answer).__name__}")
        self._script.extend(answers)

    def answer_with(self, handler: Handler | None) -> None:
        """Asks `handler` what to answer whenever the script is empty; None gives the default.

        The handler runs on the server's thread and holds up all connections: a wait belongs in `delay`.
        What it raises becomes a 500 that names the exception.
        """
        self._handler = handler

    def clear(self) -> None:
        """Forgets requests, script and handler, and numbers requests from 1 again."""
        self.requests.clear()
        self._serial = itertools.count(1)
        self._script.clear()
        self._handler = None

    # The server's thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to start()
            self._failed = error
            self._ready.set()

    async def _serve(self) -> None:
        """Accepts connections until `stop`.

        The loop accepts by itself, because asyncio's own server loses a connection that comes in while it closes.
        """
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        def accept() -> None:
            with contextlib.suppress(OSError):  # nobody is left to be accepted
                while True:
                    connection, _ = listener.accept()
                    connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
                    # Else the body would wait for the acknowledgement of the headers, some 40 ms.
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    task = asyncio.create_task(self._connected(connection))
                    connections.add(task)
                    task.add_done_callback(connections.discard)
                    # A task that is cancelled before it starts runs no `finally` of its own.
                    task.add_done_callback(partial(_close, connection))

        with socket.create_server(("127.0.0.1", self._port), backlog=_BACKLOG) as listener:
            listener.setblocking(False)  # noqa: FBT003
            self._port = listener.getsockname()[1]
            self._loop.add_reader(listener, accept)
            self._ready.set()
            await self._stopping.wait()
            self._loop.remove_reader(listener)
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    async def _connected(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection, limit=_HEADER_LIMIT)
        try:
            await serve_connection(reader, writer, self._respond)
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _respond(self, raw: RawRequest) -> tuple[ReceivedRequest, Answer, Delivery]:
        now = time.time()
        request = receive(
            raw.method, raw.target, raw.header_items, raw.body, received_at=now, serial=next(self._serial)
        )
        chosen: Scripted
        try:
            refusal = self._judge(request, now)
            request.refused = refusal.message if refusal is not None else None
            self.requests.append(request)
            chosen = _failure(refusal) if refusal is not None else self._choose(request)
            answer = _render(chosen, request)
        except Exception as error:  # noqa: BLE001 - a bug must reach the test, not hang its connection
            chosen = Failure(500, f"The stand-in provider failed: {error!r}")
            answer = _render(chosen, request)
        return request, with_headers(answer, chosen.headers), chosen

    def _judge(self, request: ReceivedRequest, now: float) -> Refusal | None:
        if request.wire == "unknown":
            return Refusal(f"Invalid URL ({request.method} {request.path.partition('?')[0]})", 404)
        if request.method != "POST":
            return Refusal(f"Not allowed to {request.method} on this path (try POST).", 405)
        return check_access(request, self._keys, self._aws_credentials, now) or check(request)

    def _choose(self, request: ReceivedRequest) -> Scripted:
        """The script first, then the handler, then the default."""
        if self._script:
            return self._script.popleft()
        if self._handler is not None:
            chosen = self._handler(request)
            if chosen is not None:
                return chosen
        if request.wire.endswith("embeddings"):
            return Reply()
        return default_reply(RENDERERS[request.wire].asked(request), request)


def _close(connection: socket.socket, _: object) -> None:
    connection.close()


def _failure(refusal: Refusal) -> Failure:
    return Failure(refusal.status, refusal.message, refusal.type, refusal.code, refusal.param)


def _render(chosen: Scripted, request: ReceivedRequest) -> Answer:
    """Puts what was chosen into the words of the wire that was asked."""
    renderer = RENDERERS[request.wire]
    if isinstance(chosen, RawAnswer):
        return raw_answer(chosen)
    if isinstance(chosen, Failure):
        return renderer.failure(chosen, request)
    return renderer.render(chosen, request)
