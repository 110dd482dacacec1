"""What pictures, PDFs and recordings measure, read out of the beginning of their bytes.

Nothing is decoded that is not needed: of a picture the few bytes that hold its size, of a recording its header.
Only the pages of a PDF are looked for in all of it, block by block.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterator

Size = tuple[int, int]
"""Width and height in pixels."""

_BLOCK = 1 << 20
"""Characters of base64 decoded at once when all of a file is read; a multiple of four."""

_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_PAGE_COUNT = re.compile(rb"/Count\s+(\d{1,6})\b")
_LINEARISED_PAGES = re.compile(rb"/Linearized\b.{0,200}?/N\s+(\d{1,6})\b", re.DOTALL)
_LONGEST_MATCH = 64
"""Bytes by which blocks overlap, so that what lies across two is found."""

_BYTES_PER_PAGE = 50_000
"""Size of a page where a PDF does not show how many it has: a page of text and small pictures."""

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG's segment with its size (start of frame)."""

_JPEG_SEGMENTS = 200
"""Segments of a JPEG to look at before giving up; real files have some twenty."""


class Base64File:
    """Bytes in base64 of which only those that are asked for are decoded.

    Args:
        text: Base64, perhaps with line breaks.
    """

    def __init__(self, text: str) -> None:
        head = text[:200]
        self._text = "".join(text.split()) if "\n" in head or "\r" in head or " " in head else text
        padding = len(self._text[-2:]) - len(self._text[-2:].rstrip("="))
        self._size = (len(self._text) - padding) * 3 // 4

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, length: int) -> bytes:
        """Bytes from `start` on, fewer at the end, none where the text is no base64."""
        if start < 0 or start >= self._size:
            return b""
        first = start // 3 * 4
        last = -(-(start + length) // 3) * 4
        return _decoded(self._text[first:last])[start % 3 :][:length]

    def blocks(self) -> Iterator[bytes]:
        """All of it, in pieces of less than a megabyte."""
        for start in range(0, len(self._text), _BLOCK):
            yield _decoded(self._text[start : start + _BLOCK])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def image_size(data: str) -> Size | None:
    """Width and height of a PNG, JPEG, GIF, WebP or BMP in base64, `None` if they cannot be read."""
    file = Base64File(data)
    head = file.read(0, 32)
    size: Size | None = None
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:  # noqa: PLR2004 - signature, IHDR, two integers
        size = struct.unpack(">II", head[16:24])
    elif head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:  # noqa: PLR2004
        size = struct.unpack("<HH", head[6:10])
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        size = _webp_size(head)
    elif head[:2] == b"BM" and len(head) >= 26:  # noqa: PLR2004
        width, height = struct.unpack("<ii", head[18:26])
        size = abs(width), abs(height)
    elif head[:2] == b"\xff\xd8":
        size = _jpeg_size(file)
    return size if size and size[0] > 0 and size[1] > 0 else None


def _webp_size(head: bytes) -> Size | None:
    kind = head[12:16]
    if len(head) < (25 if kind == b"VP8L" else 30):
        return None
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(file: Base64File) -> Size | None:
    """Walk from segment to segment; previews and colour profiles before the frame may be long."""
    at = 2
    for _ in range(_JPEG_SEGMENTS):
        segment = file.read(at, 9)
        if len(segment) < 9 or segment[0] != 0xFF:  # noqa: PLR2004
            return None
        marker = segment[1]
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            at += 1
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", segment[5:9])
            return width, height
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # noqa: PLR2004 - markers without a length
            at += 2
        else:
            at += 2 + int.from_bytes(segment[2:4], "big")
    return None


def pdf_pages(data: str) -> int:
    """How many pages a PDF in base64 has, at least one.

    Pages are objects of their own, which are counted, or lie compressed; then the number may stand in the first
    bytes (a PDF made for the web) or in the tree of pages. Where it stands nowhere it is guessed from the size.
    """
    file = Base64File(data)
    pages, stated, tail = 0, 0, b""
    linearised = _LINEARISED_PAGES.search(file.read(0, 2048))
    if linearised:
        return max(int(linearised[1]), 1)
    for block in file.blocks():
        text = tail + block
        pages += sum(1 for found in _PAGE.finditer(text) if found.end() > len(tail))
        stated = max([stated, *(int(found[1]) for found in _PAGE_COUNT.finditer(text))])
        tail = text[-_LONGEST_MATCH:]
    return pages or stated or max(1, -(-len(file) // _BYTES_PER_PAGE))


_AUDIO_BYTES_PER_SECOND = 16_000
"""128 kbit/s, the usual rate of MP3, AAC and Ogg, where the header gives none."""

_VIDEO_BYTES_PER_SECOND = 250_000
"""2 Mbit/s, film of middle quality."""


def audio_seconds(data: str) -> float:
    """How long a recording in base64 is: a WAV says so itself, of others it follows from the size."""
    file = Base64File(data)
    head = file.read(0, 44)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE" and head[12:16] == b"fmt ":
        rate = int.from_bytes(head[28:32], "little")
        if rate:
            return max(len(file) - len(head), 0) / rate
    return len(file) / _AUDIO_BYTES_PER_SECOND


def video_seconds(data: str) -> float:
    """How long a film in base64 is, from its size."""
    return len(Base64File(data)) / _VIDEO_BYTES_PER_SECOND


# ---------------------------------------------------------------- what a picture costs

ImageTokens = Callable[[int, int, bool], float]
"""Tokens of a picture of a width and a height in pixels; the third argument is OpenAI's `detail: low`."""


def tiles(base: int, tile: int) -> ImageTokens:
    """OpenAI's older rule: scaled into 2048 x 2048, then to a short side of 768, then cut into tiles of 512.

    Source: platform.openai.com/docs/guides/images-vision.

    Args:
        base: Tokens of the picture, and all of them with `detail: low`.
        tile: Tokens of a tile.
    """

    def count(width: int, height: int, low: bool) -> float:
        if low:
            return base
        shrink = min(1.0, 2048 / max(width, height))
        shrink = min(shrink, 768 / min(width, height))
        return base + tile * _cells(width * shrink, height * shrink, 512)

    return count


def patches(side: int, *, each: float = 1.0, most: int | None = None, edge: int | None = None) -> ImageTokens:
    """Squares of `side` pixels, of a picture that is scaled down until it has few enough of them.

    Args:
        side: Width of a square.
        each: Tokens of a square.
        most: The most squares.
        edge: The longest that a side of the picture may be.
    """

    def count(width: int, height: int, low: bool) -> float:
        longest = 512 if low else edge
        shrink = min(1.0, longest / max(width, height)) if longest else 1.0
        squares = _cells(width * shrink, height * shrink, side)
        return each * (min(squares, most) if most else squares)

    return count


def crops(each: int, *, side: int, small: int) -> ImageTokens:
    """Gemini's rule until 2.5: a small picture is one crop, a larger one is cut into crops.

    Source: ai.google.dev/gemini-api/docs/tokens.

    Args:
        each: Tokens of a crop.
        side: Width of a crop in pixels.
        small: A picture with no side longer than this is one crop.
    """

    def count(width: int, height: int, _low: bool) -> float:
        return each * (1 if max(width, height) <= small else _cells(width, height, side))

    return count


def flat(tokens: int) -> ImageTokens:
    """The same for every picture."""
    return lambda _width, _height, _low: tokens


def _cells(width: float, height: float, side: int) -> int:
    # Rounded first: 768.0000001 after scaling is not two tiles.
    return -(-round(width, 3) // side) * -(-round(height, 3) // side)  # type: ignore[return-value]
