"""A wire between client and gateway that can be cut: it passes bytes on until told otherwise."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Literal, Self

End = Literal["close", "reset", "half-close", "silence"]


@dataclass(frozen=True)
class Cut:
    """What to do to an answer.

    Attributes:
        after: Bytes of it that still pass, its headers among them.
        end: "close" ends the connection in good order, "reset" breaks it, "half-close" ends this direction and
            leaves the other open, "silence" keeps it open and passes nothing on.
    """

    after: int
    end: End


class Relay:
    """Listens on a port of its own and connects each caller to the gateway.

    Args:
        port: The gateway's port.
        cut: What to do to the answers of each connection.

    Attributes:
        connections: How many there were.
        open: How many there are.
        answered: How many bytes of answers passed.
        break_next_request: Set it to reset the connection by which the next request comes; the gateway never
            sees that request.
    """

    def __init__(self, port: int, cut: Cut | None = None) -> None:
        self._gateway = port
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._closing = threading.Event()
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.connections = 0
        self.open = 0
        self._lock = threading.Lock()
        self.answered = 0
        self.break_next_request = False
        self._listener.settimeout(0.1)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            self._count(1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _count(self, more: int) -> None:
        with self._lock:
            self.open += more

    def _serve(self, client: socket.socket) -> None:
        try:
            self._pass_on(client)
        finally:
            self._count(-1)

    def _pass_on(self, client: socket.socket) -> None:
        """Carry bytes both ways, in one thread, so that a socket is never closed under another's read."""
        with (
            client,
            socket.create_connection(("127.0.0.1", self._gateway)) as gateway,
            selectors.DefaultSelector() as selector,
            contextlib.suppress(OSError),
        ):
            for one in (client, gateway):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(one, selectors.EVENT_READ)
            left = self._cut.after if self._cut is not None else None
            while not self._closing.is_set():
                for key, _ in selector.select(0.1):
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if key.fileobj is client:
                        if data and self.break_next_request:
                            self.break_next_request = False
                            _reset(client)
                            return
                        if not data:
                            return
                        gateway.sendall(data)
                        continue
                    if left is not None and len(data) >= left:
                        client.sendall(data[:left])
                        self._end(client, selector, gateway)
                        return
                    if not data:
                        return
                    left = None if left is None else left - len(data)
                    client.sendall(data)
                    self.answered += len(data)

    def _end(self, client: socket.socket, selector: selectors.BaseSelector, gateway: socket.socket) -> None:
        assert self._cut is not None
        selector.unregister(gateway)
        if self._cut.end == "reset":
            _reset(client)
        elif self._cut.end in {"half-close", "silence"}:
            if self._cut.end == "half-close":
                client.shutdown(socket.SHUT_WR)
            while not self._closing.is_set():  # until the client goes
                if selector.select(0.1) and not client.recv(65536):
                    return


def _reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN, after a moment in which what was sent can be read: a reset may overtake it."""
    threading.Event().wait(0.02)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
