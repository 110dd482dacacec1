"""HTTP's chunked transfer coding, as a decoder that is fed bytes and gives the body. A part of the transport.

Strategy: a stream of events is a stream of such chunks, and h11, which httpcore has them read by, spends more on each
than all of us on the event that is in it. So the plain ones are read here: a size in hexadecimal, so many bytes, the
ends of the lines where they belong. At the first thing that is anything else between two chunks - the last chunk with
its trailers, an extension, whatever is no size - the decoder ends, and the bytes from there on are h11's, which stands
where the body began and cannot tell the difference. So the end of a body, what follows it and nearly all that can be
wrong with it have one reader. What breaks off or is wrong within a chunk is a problem here as it is there.

The bytes of a chunk leave as they come, and those of all chunks that came together leave together.
"""

from __future__ import annotations

import functools
import re

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,20}")

_LONGEST_HEADER = 20
"""Characters; h11 refuses longer sizes."""


class ChunkedDecoder:
    """Decode a chunked body, as far as its chunks are plain."""

    __slots__ = ("_missing", "_rest", "left", "problem")

    def __init__(self) -> None:
        self.left: bytes | None = None
        """What h11 has to go on with, from between two chunks; `None` as long as this decoder goes on."""
        self.problem: str | None = None
        """What is wrong with the body; what had come before has been given."""
        self._rest = b""  # the beginning of a header
        self._missing = 0  # bytes of an open chunk, the two of its footer among them

    @property
    def goes_on(self) -> bool:
        """Whether to feed it more."""
        return self.left is None and self.problem is None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return what they hold of the body; no bytes are the end of the connection."""
        if not data:
            if self._missing:
                self.problem = "the connection was closed within a chunk of the body"
            else:
                self.left = self._rest
            return b""
        pieces: list[bytes] = []
        position = 0
        if self._missing:
            position = self._go_on(data, pieces)
        elif self._rest:
            data = self._rest + data
            self._rest = b""
        if position >= 0:
            self._whole_chunks(data, position, pieces)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _whole_chunks(self, data: bytes, position: int, pieces: list[bytes]) -> None:
        total = len(data)
        while position < total:
            end_of_header = data.find(b"\r\n", position)
            size = _size(data[position:end_of_header]) if 0 < end_of_header - position <= _LONGEST_HEADER else 0
            if not size:
                if end_of_header < 0 and total - position <= _LONGEST_HEADER + 1:
                    self._rest = data[position:]
                else:
                    self.left = data[position:]
                return
            begin = end_of_header + 2
            end = begin + size
            if not data.startswith(b"\r\n", end):
                self._missing = size + 2
                self._go_on(data[begin:], pieces)
                return
            pieces.append(data[begin:end])
            position = end + 2

    def _go_on(self, data: bytes, pieces: list[bytes]) -> int:
        """Take more of the open chunk; return where the next one begins, -1 if this one stays open or is broken."""
        of_body = max(self._missing - 2, 0)
        footer = data[of_body : self._missing]
        if data[:of_body]:
            pieces.append(data[:of_body])
        if footer != b"\r\n"[2 - min(self._missing, 2) :][: len(footer)]:
            self.problem = "a chunk of the body does not end where it should"
            return -1
        position = self._missing
        self._missing = max(position - len(data), 0)
        return -1 if self._missing else position


@functools.lru_cache(maxsize=4096)
def _size(header: bytes) -> int:
    """The size that a header gives; 0 if it gives more, or none."""
    return int(header, 16) if _SIZE.fullmatch(header) else 0
