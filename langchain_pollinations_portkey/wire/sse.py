"""Server-sent events, as a decoder that is fed bytes and gives the data of whole events.

Strategy: bytes are cut at line feeds and nowhere else, since JSON text may hold U+2028, U+0085 and other
characters that `str.splitlines` (and httpx's `iter_lines`) take for line ends. A line that has not ended is
kept as a list of pieces and joined once, so the cost is linear in the number of bytes however they are split.
Nearly always a chunk is whole events of one line each, which are cut at the blank lines and looked at no further.
Carriage returns are rare; only a chunk that has one pays for them. `event:`, `id:` and `retry:` lines carry
nothing that the data does not say in this API, so they are read past, like comments.
"""

from __future__ import annotations

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""May stand before the first event; it says nothing."""


class SSEDecoder:
    """Decode a stream of server-sent events. Feed it bytes as they come, then `flush` it once."""

    __slots__ = ("_after_carriage_return", "_begun", "_data", "_partial")

    def __init__(self) -> None:
        self._partial: list[bytes] = []  # pieces of a line that has not ended
        self._data: list[bytes] = []  # data lines of an event that has not ended
        self._after_carriage_return = False
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes and return the data of each event that they complete, in order."""
        if self._after_carriage_return or b"\r" in chunk:
            chunk = self._unify_line_ends(chunk)
        end = chunk.rfind(b"\n\n") + 2
        if self._data or end < 2:  # noqa: PLR2004  # the length of what was not found
            return self._lines(chunk)
        if self._partial:
            end += sum(map(len, self._partial))
            chunk = b"".join([*self._partial, chunk])
            self._partial.clear()
        events = chunk[6 : end - 2].split(b"\n\ndata: ")
        if not chunk.startswith(b"data: ") or chunk.count(b"\n", 0, end) != 2 * len(events):
            return self._lines(chunk)
        self._begun = True
        return events + self._lines(chunk[end:]) if end < len(chunk) else events

    def _lines(self, chunk: bytes) -> list[bytes]:
        lines = chunk.split(b"\n")
        if len(lines) == 1:
            if chunk:
                self._partial.append(chunk)
            return []
        if self._partial:
            self._partial.append(lines[0])
            lines[0] = b"".join(self._partial)
            self._partial.clear()
        rest = lines.pop()
        if rest:
            self._partial.append(rest)
        if not self._begun:
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
            self._begun = True
        events: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                events.append(self._take_event())
        return events

    def flush(self) -> list[bytes]:
        """Return the event that the end of the stream completes, if there is one.

        The standard drops an event that no blank line ends. Servers that forget the last blank line are
        common and a cut event does not parse as JSON, so it is handed out.
        """
        events = self.feed(b"\n")  # ends a line that stands open
        if self._data:
            events.append(self._take_event())
        return events

    def _take_event(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        return data

    def _unify_line_ends(self, chunk: bytes) -> bytes:
        """Turn CRLF and CR into LF; a CR at the end of one chunk and an LF at the start of the next are one."""
        if self._after_carriage_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_carriage_return = False
        if chunk:
            self._after_carriage_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
