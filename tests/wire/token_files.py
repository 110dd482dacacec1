"""Files of a given size, as small as their formats allow."""

from __future__ import annotations

import base64
import struct


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def png(width: int, height: int, rest: bytes = b"") -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x06\0\0\0" + rest


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0"


def bmp(width: int, height: int) -> bytes:
    return b"BM" + bytes(16) + struct.pack("<ii", width, -height)  # rows from the top


def jpeg(width: int, height: int, *, before: int = 0, marker: int = 0xC0, fill: bytes = b"") -> bytes:
    """A JPEG with `before` bytes of previews and profiles in front of the segment with its size."""
    segments = b"\xff\xe0" + struct.pack(">H", 16) + bytes(14)
    while before > 0:
        length = min(before, 65_000)
        segments += b"\xff\xe1" + struct.pack(">H", length + 2) + bytes(length)
        before -= length
    frame = struct.pack(">BBHBHH", 0xFF, marker, 17, 8, height, width)
    return b"\xff\xd8" + segments + fill + frame + bytes(10)


def webp(width: int, height: int, kind: bytes) -> bytes:
    if kind == b"VP8X":
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        body = b"\x2f" + ((height - 1) << 14 | (width - 1)).to_bytes(4, "little") + bytes(8)
    else:
        body = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(4)
    return b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


def wav(seconds: float, rate: int = 16_000) -> bytes:
    size = int(seconds * rate * 2)
    head = (
        b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    )
    return head + b"data" + struct.pack("<I", size) + bytes(size)


def pdf(pages: int, *, padding: int = 0) -> bytes:
    """A PDF whose pages are objects that can be read, with `padding` bytes in front of each."""
    tree = b"1 0 obj<</Type /Pages /Count %d>>endobj\n" % pages
    page = b"%b2 0 obj<</Type /Page /Parent 1 0 R>>endobj\n" % (b"%" + b"x" * padding + b"\n" if padding else b"")
    return b"%PDF-1.4\n" + tree + page * pages + b"%%EOF"
