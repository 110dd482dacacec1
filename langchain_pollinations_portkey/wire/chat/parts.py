"""One content part of a message, understood in whichever dialect it was written.

Five dialects reach a chat model: plain text, LangChain's v1 blocks, its v0 `source_type` blocks, OpenAI parts and
Anthropic parts. `read_part` gives one of three neutral kinds; `rendering` writes them for a provider.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_pollinations_portkey.errors import PortkeyConfigurationError

MediaKind = Literal["image", "file", "audio", "video"]

CacheControl = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text, with the cache breakpoint after it if there is one."""

    text: str
    cache_control: CacheControl | None = None


@dataclass(frozen=True, slots=True)
class MediaPart:
    """An image, file, recording or film: exactly one of `data`, `data_url`, `url` and `file_id` is set.

    Bytes that came as a data URL stay in it: they mostly leave in one as well, and may be megabytes.

    Attributes:
        kind: What it is.
        mime_type: Its media type, `""` if unknown.
        data: Its bytes in base64.
        data_url: Its bytes as a data URL, in which whatever else it says need not be right.
        url: Where it lies.
        file_id: Its id among the files stored at the provider.
        filename: Its name.
        settings: Further keys of the dialect it came in: `detail` of OpenAI's images, `citations` and `context` of
            Anthropic's documents.
        cache_control: The cache breakpoint after it.
    """

    kind: MediaKind
    mime_type: str = ""
    data: str | None = None
    data_url: str | None = None
    url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    cache_control: CacheControl | None = None

    @property
    def base64(self) -> str | None:
        """Its bytes in base64, however they came."""
        return self.data if self.data_url is None else self.data_url.partition(",")[2]

    def begins_with(self, start: str) -> bool:
        """Whether its bytes in base64 are here and begin so."""
        if self.data_url is not None:
            return self.data_url.startswith(start, self.data_url.find(",") + 1)
        return bool(self.data) and str(self.data).startswith(start)


@dataclass(frozen=True, slots=True)
class OtherPart:
    """A part that is no content for the reader: a tool call, a tool result, reasoning, a server tool's doings."""

    type: str
    raw: Mapping[str, Any]


Part = TextPart | MediaPart | OtherPart


class UnsupportedContentError(PortkeyConfigurationError):
    """A content part cannot be sent, or is not understood; nothing was sent."""


class UnknownContentError(UnsupportedContentError):
    """A content part is of a type that is not known here."""


def read_part(part: str | Mapping[str, Any]) -> Part:
    """Understand one content part.

    Raises:
        UnsupportedContentError: The part is of no known type, or holds no data.
    """
    if isinstance(part, str):
        return TextPart(part)
    kind = part.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        if isinstance(kind, str) and kind in _OTHER_TYPES | _tool_result_type(kind):
            return OtherPart(kind, part)
        raise UnknownContentError(
            f"a content part of type {kind!r} is not understood; known are {', '.join(sorted(_READERS))}."
        )
    return reader(part)


def _tool_result_type(kind: str) -> frozenset[str]:
    """Anthropic has one result type per server tool (`web_search_tool_result`), and adds new ones."""
    return frozenset((kind,)) if kind.endswith("_tool_result") else frozenset()


_OTHER_TYPES = frozenset(
    (
        "tool_use",
        "tool_call",
        "tool_call_chunk",
        "invalid_tool_call",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "reasoning",
        "server_tool_use",
        "mcp_tool_use",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_result",
        "search_result",
        "tool_reference",
        "refusal",
    )
)
"""What is not content for the reader: it has a place of its own in a message, or none."""


def _marker(part: Mapping[str, Any]) -> CacheControl | None:
    extras = part.get("extras")
    marker = part.get("cache_control") or (extras.get("cache_control") if isinstance(extras, Mapping) else None)
    return marker if isinstance(marker, Mapping) else None


def _read_text(part: Mapping[str, Any]) -> TextPart:
    return TextPart(str(part.get("text") or ""), _marker(part))


def _read_text_plain(part: Mapping[str, Any]) -> TextPart:
    text = part.get("text")
    if not isinstance(text, str) and isinstance(part.get("base64"), str):
        try:
            text = base64.b64decode(part["base64"]).decode("utf-8")
        except ValueError:
            raise UnsupportedContentError("a text file's bytes are no UTF-8 text in base64.") from None
    if not isinstance(text, str):
        raise UnsupportedContentError("a 'text-plain' part needs `text` or `base64`.")
    title = part.get("title") or part.get("filename")
    return TextPart(f"{title}\n\n{text}" if title else text, _marker(part))


def _read_image_url(part: Mapping[str, Any]) -> MediaPart:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    settings = {"detail": image["detail"]} if isinstance(image, Mapping) and image.get("detail") else {}
    return _media_from_url("image", url, _marker(part), settings=settings)


def _media_from_url(
    kind: MediaKind,
    url: Any,
    marker: CacheControl | None,
    *,
    mime_type: str = "",
    filename: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> MediaPart:
    if not isinstance(url, str) or not url:
        raise UnsupportedContentError(f"an {kind} part holds no URL.")
    if url.startswith("data:"):
        comma = url.find(",")
        header = url[len("data:") : max(comma, 0)]
        # Parameters (`;charset=utf-8`) are left out: the gateway drops a data URL that has any, in silence.
        declared, *parameters = header.split(";")
        if comma < 0 or "base64" not in parameters:
            raise UnsupportedContentError(f"an {kind} part's data URL is not `data:<type>;base64,<data>`.")
        mime_type = declared or mime_type
        kind = _kind_of(mime_type, kind)
        return MediaPart(
            kind, mime_type, data_url=url, filename=filename, settings=settings or {}, cache_control=marker
        )
    return MediaPart(kind, mime_type, url=url, filename=filename, settings=settings or {}, cache_control=marker)


def _kind_of(mime_type: str, otherwise: MediaKind) -> MediaKind:
    """What a part is by its media type, which says more than the name of the part it came in."""
    if mime_type == "application/pdf":
        return "file"
    family = mime_type.partition("/")[0]
    return family if family in ("image", "audio", "video") else otherwise  # type: ignore[return-value]


def _read_media(part: Mapping[str, Any], kind: MediaKind) -> MediaPart:
    """v1 (`base64` | `url` | `file_id`), v0 (`source_type`, `data` | `url` | `id`) and Anthropic (`source`)."""
    marker = _marker(part)
    source = part.get("source")
    if isinstance(source, Mapping):
        return _read_anthropic_source(kind, source, part, marker)
    extras = part.get("extras") or {}
    mime_type = str(part.get("mime_type") or "")
    kind = _kind_of(mime_type, kind)
    filename = (
        part.get("filename") or part.get("name") or extras.get("filename") or extras.get("name") or part.get("title")
    )
    settings = {"detail": extras["detail"]} if extras.get("detail") else {}
    data = part.get("base64") or part.get("data")
    if isinstance(data, bytes):
        data = base64.b64encode(data).decode()
    if isinstance(data, str) and data:
        return MediaPart(kind, mime_type, data=data, filename=filename, settings=settings, cache_control=marker)
    if part.get("url"):
        return _media_from_url(kind, part["url"], marker, mime_type=mime_type, filename=filename, settings=settings)
    file_id = part.get("file_id") or (part.get("id") if part.get("source_type") == "id" else None)
    if file_id:
        return MediaPart(kind, mime_type, file_id=str(file_id), filename=filename, cache_control=marker)
    raise UnsupportedContentError(f"a part of type {part.get('type')!r} needs `base64`, `url` or `file_id`.")


def _read_anthropic_source(
    kind: MediaKind, source: Mapping[str, Any], part: Mapping[str, Any], marker: CacheControl | None
) -> MediaPart:
    filename = part.get("title")
    # What the gateway has no place for (Anthropic's citations of a document, its context).
    settings = {key: part[key] for key in ("citations", "context") if part.get(key)}
    match source.get("type"):
        case "base64":
            return MediaPart(
                kind,
                str(source.get("media_type") or ""),
                data=source.get("data"),
                filename=filename,
                settings=settings,
                cache_control=marker,
            )
        case "url":
            return _media_from_url(kind, source.get("url"), marker, filename=filename, settings=settings)
        case "file":
            return MediaPart(kind, file_id=source.get("file_id"), filename=filename, cache_control=marker)
        case other:
            raise UnsupportedContentError(f"a {part.get('type')!r} part has a source of type {other!r}.")


def _read_document(part: Mapping[str, Any]) -> Part:
    source = part.get("source") or {}
    if source.get("type") == "text":
        return _read_text_plain({**part, "text": source.get("data")})
    if source.get("type") == "content":
        content = source.get("content")
        texts = [content] if isinstance(content, str) else [p.get("text") or "" for p in content or ()]
        return _read_text_plain({**part, "text": "\n".join(texts)})
    return _read_media(part, "file")


def _read_file(part: Mapping[str, Any]) -> Part:
    """LangChain's file blocks, OpenAI's `file` and the gateway's own, which has `mime_type` and raw base64."""
    nested = part.get("file")
    if not isinstance(nested, Mapping):
        mime_type, data = str(part.get("mime_type") or ""), part.get("base64") or part.get("data")
        if part.get("source_type") == "text":
            text = part.get("text") or part.get("url")  # LangChain reads the text out of `url`
            return _read_text_plain({**part, "text": text})
        if _is_text(mime_type) and isinstance(data, str):
            return _read_text_plain({**part, "text": None, "base64": data})
        return _read_media(part, "file")
    marker, filename = _marker(part), nested.get("filename") or nested.get("file_name")
    if nested.get("file_id"):
        return MediaPart("file", file_id=nested["file_id"], filename=filename, cache_control=marker)
    mime_type = str(nested.get("mime_type") or "")
    kind = _kind_of(mime_type, "file")
    if nested.get("file_url"):
        return _media_from_url(kind, nested["file_url"], marker, mime_type=mime_type, filename=filename)
    data = nested.get("file_data")
    if not isinstance(data, str) or not data:
        raise UnsupportedContentError("a 'file' part needs `file_data`, `file_id` or `file_url`.")
    if data.startswith("data:"):
        return _media_from_url("file", data, marker, mime_type=mime_type, filename=filename)
    if _is_text(mime_type):
        return _read_text_plain({"base64": data, "title": filename, "cache_control": marker})
    return MediaPart(kind, mime_type, data=data, filename=filename, cache_control=marker)


def _is_text(mime_type: str) -> bool:
    """Whether a file of this type is text, which every model reads as text."""
    return mime_type.startswith("text/") or mime_type in ("application/json", "application/xml", "application/yaml")


def _read_input_audio(part: Mapping[str, Any]) -> MediaPart:
    audio = part.get("input_audio") or {}
    if not audio.get("data"):
        raise UnsupportedContentError("an 'input_audio' part needs `input_audio.data`.")
    return MediaPart("audio", f"audio/{audio.get('format') or 'wav'}", data=audio["data"], cache_control=_marker(part))


def _read_non_standard(part: Mapping[str, Any]) -> Part:
    value = part.get("value")
    if not isinstance(value, Mapping) or value.get("type") == "non_standard":
        raise UnsupportedContentError("a 'non_standard' part's `value` is no content part.")
    marker = _marker(part)
    return read_part({"cache_control": marker, **value} if marker else value)


_READERS: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "text": _read_text,
    "text-plain": _read_text_plain,
    "image_url": _read_image_url,
    "image": lambda part: _read_media(part, "image"),
    "file": _read_file,
    "document": _read_document,
    "audio": lambda part: _read_media(part, "audio"),
    "input_audio": _read_input_audio,
    "video": lambda part: _read_media(part, "video"),
    "non_standard": _read_non_standard,
}
