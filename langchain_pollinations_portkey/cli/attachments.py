"""Files beside a question on the command line: `chat --file photo.png`, `/file report.pdf`.

What a file is, its first bytes say; only where they do not, its name does. Text becomes part of the question, under
the file's name. Everything else becomes a content block of LangChain's, with its bytes or with the address given.
"""

from __future__ import annotations

import base64
import codecs
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from langchain_pollinations_portkey.errors import PortkeyConfigurationError

MAX_BYTES = 20 * 1000 * 1000
"""The largest file; providers take less."""

_UNDERSTOOD = "Images, PDFs, audio, video and text can be attached."

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
"""How files begin, by media type."""

_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
"""What is in a RIFF file, by its bytes 8 to 11."""

_FTYP = {
    b"M4A": "audio/mp4",
    b"hei": "image/heic",
    b"mif": "image/heif",
    b"avi": "image/avif",
    b"qt ": "video/quicktime",
}
"""What is in an ISO media file, by the beginning of its major brand; any other is a video."""

_ALSO_IN_TEXT = (b"BM", b"ID3", b"fLaC", b"OggS")
"""Signatures that a text may begin with; the rest of such a file is none."""

_OTHER_NAMES = {"audio/x-wav": "audio/wav", "audio/x-flac": "audio/flac", "audio/x-m4a": "audio/mp4"}

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Characters that no text has. Escape and form feed are left out: terminal recordings and listings have them."""


class AttachmentError(PortkeyConfigurationError):
    """A file cannot go with a question; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a question: either its text, or a content block.

    Attributes:
        name: Its name, for the model and for notices.
        mime_type: What it is.
        size: Its bytes; `None` where it is only an address.
        text: What it says, if it is text.
        block: A content block of LangChain's (v1), if it is not.
    """

    name: str
    mime_type: str
    size: int | None = None
    text: str | None = None
    block: dict[str, Any] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.mime_type}{f', {_size(self.size)}' if self.size is not None else ''})"


def read_attachment(source: str) -> Attachment:
    """Read a file, or take an address as it is.

    Args:
        source: A path, or an http(s) URL.

    Raises:
        AttachmentError: It cannot be read, is empty or too large, or is of no kind that models take.
    """
    source = source.strip()
    if re.match(r"https?://", source, re.IGNORECASE):
        return _from_url(source)
    path, data = _read(source)
    name = path.name.encode("utf-8", "replace").decode()  # names that are no UTF-8 exist, and JSON cannot hold them
    mime_type = _mime_type(data, name)
    if mime_type is not None:
        block = {**_block(mime_type), "base64": base64.b64encode(data).decode("ascii")}
        if block["type"] == "file":
            block["extras"] = {"filename": name}
        return Attachment(name, mime_type, len(data), block=block)
    return Attachment(name, "text", len(data), text=_text(data, source))


def content_of(question: str, attachments: Sequence[Attachment]) -> str | list[str | dict[str, Any]]:
    """The content of a message with these files and then the question: a text if they are all text, else blocks."""
    parts: list[dict[str, Any]] = []
    for attachment in attachments:
        if attachment.block is not None:
            parts.append(attachment.block)
        else:
            parts.append({"type": "text", "text": _framed(attachment)})
    parts.append({"type": "text", "text": question})
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return list(parts)


def _framed(attachment: Attachment) -> str:
    """The text of a file between marks, so that the model can tell it from the question and from other files."""
    name = attachment.name.replace('"', "'")
    return f'<file name="{name}">\n{(attachment.text or "").rstrip()}\n</file>'


def _read(source: str) -> tuple[Path, bytes]:
    """The path and the bytes of a file.

    Raises:
        AttachmentError: It cannot be read, is empty or too large.
    """
    try:
        path = Path(source).expanduser()
        with path.open("rb") as file:
            # By its bytes and not by its size, which pipes (`<(command)`) do not have.
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise AttachmentError(f"There is no file {source!r}. Check the path; it is taken from {Path.cwd()}.") from None
    except IsADirectoryError:
        raise AttachmentError(f"{source!r} is a folder. Name the files in it, each with its own --file.") from None
    except (OSError, ValueError, RuntimeError) as error:  # a null byte; `~name` of nobody
        reason = getattr(error, "strerror", None) or str(error)
        raise AttachmentError(f"{source!r} cannot be read: {reason}.") from None
    if not data:
        raise AttachmentError(f"{source!r} is empty.")
    if len(data) > MAX_BYTES:
        raise AttachmentError(f"{source!r} is larger than {_size(MAX_BYTES)}. Shrink it, or give a part of it.")
    return path, data


def _mime_type(data: bytes, name: str) -> str | None:
    """What a file is, `None` for what may be text."""
    signed = _signed(data)
    if signed is not None:
        return signed
    named = _named(name)
    if named is not None and _decoded(data) is None:
        return named
    # The frames of MPEG audio have no more of a signature than this.
    if data[0] == 0xFF and len(data) > 1 and data[1] & 0xE6 == 0xE2:  # noqa: PLR2004
        return "audio/mpeg"
    return None


def _signed(data: bytes) -> str | None:
    for start, mime_type in _SIGNATURES:
        if data.startswith(start):
            return None if start in _ALSO_IN_TEXT and _decoded(data) is not None else mime_type
    if data.startswith(b"RIFF"):
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _FTYP.get(data[8:11], "video/mp4")
    return None


def _named(name: str) -> str | None:
    """The media type that a name promises, if models take it."""
    mime_type = mimetypes.guess_type(name)[0] or ""
    mime_type = _OTHER_NAMES.get(mime_type, mime_type)
    if mime_type == "image/svg+xml":
        return None  # it is text
    if mime_type == "application/pdf" or mime_type.partition("/")[0] in ("image", "audio", "video"):
        return mime_type
    return None


def _block(mime_type: str) -> dict[str, Any]:
    kind = "file" if mime_type == "application/pdf" else mime_type.partition("/")[0]
    return {"type": kind, "mime_type": mime_type}


def _decoded(data: bytes) -> str | None:
    """The text that bytes are, `None` if they are none."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def _text(data: bytes, source: str) -> str:
    text = _decoded(data)
    if text is not None:
        if not text.strip():
            raise AttachmentError(f"{source!r} holds nothing but blanks.")
        return text
    if b"\x00" not in data[:4096]:
        raise AttachmentError(
            f"{source!r} is of no kind that is known here, and no text in UTF-8. {_UNDERSTOOD} If it is text, convert "
            "it: iconv -f latin1 -t utf-8."
        )
    raise AttachmentError(f"{source!r} is of no kind that is known here. {_UNDERSTOOD} Convert it to one of them.")


def _from_url(url: str) -> Attachment:
    """An address as a block; nothing is fetched here.

    Raises:
        AttachmentError: It is no address, or does not say of what.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        raise AttachmentError(f"{url!r} is no address. Check what stands behind `//`.") from None
    name = unquote(parts.path.rpartition("/")[2]) or (parts.hostname or url)
    mime_type = _named(parts.path)
    if mime_type is not None:
        block = {**_block(mime_type), "url": url}
        if block["type"] == "file":
            block["extras"] = {"filename": name}
        return Attachment(name, mime_type, block=block)
    raise AttachmentError(
        f"{url} does not say by its ending that it is an image, PDF, audio or video. Save it and attach the file; "
        "text can be piped in (curl -s URL |)."
    )


def _size(count: int) -> str:
    """A size for people: `34 kB`, `2.1 MB`."""
    if count < 1000:  # noqa: PLR2004
        return f"{count} bytes"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.3g} MB"  # noqa: PLR2004
