"""One content part of a message, in whichever dialect it was written, in the one form its target accepts.

Two steps. `read_part` understands the five dialects that reach a chat model - plain text, LangChain's v1
blocks, its v0 `source_type` blocks, OpenAI parts and Anthropic parts - and gives one of three neutral kinds.
`render_part` writes a neutral part for a provider behind the gateway, or says by name what cannot be sent.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_pollinations_portkey.catalogue.entries import Provider
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
    """An image, file, recording or film: exactly one of `data`, `url` and `file_id` is set.

    Attributes:
        kind: What it is.
        mime_type: Its media type, `""` if unknown.
        data: Its bytes in base64.
        url: Where it lies.
        file_id: Its id among the files stored at the provider.
        filename: Its name.
        settings: Further keys of the dialect it came in (`detail` of OpenAI's images).
        cache_control: The cache breakpoint after it.
    """

    kind: MediaKind
    mime_type: str = ""
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    cache_control: CacheControl | None = None


@dataclass(frozen=True, slots=True)
class OtherPart:
    """A part that is no content for the reader: a tool call, a tool result, reasoning, a server tool's doings."""

    type: str
    raw: Mapping[str, Any]


Part = TextPart | MediaPart | OtherPart


class UnsupportedContentError(PortkeyConfigurationError):
    """A content part cannot be sent, or is not understood; nothing was sent."""


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
        raise UnsupportedContentError(
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
        "refusal",
    )
)


def _marker(part: Mapping[str, Any]) -> CacheControl | None:
    extras = part.get("extras")
    marker = part.get("cache_control") or (extras.get("cache_control") if isinstance(extras, Mapping) else None)
    return marker if isinstance(marker, Mapping) else None


def _read_text(part: Mapping[str, Any]) -> TextPart:
    return TextPart(str(part.get("text") or ""), _marker(part))


def _read_text_plain(part: Mapping[str, Any]) -> TextPart:
    text = part.get("text")
    if not isinstance(text, str) and isinstance(part.get("base64"), str):
        text = base64.b64decode(part["base64"]).decode("utf-8", "replace")
    if not isinstance(text, str):
        raise UnsupportedContentError("a 'text-plain' part needs `text` or `base64`.")
    title = part.get("title")
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
        header, comma, data = url[len("data:") :].partition(",")
        # Parameters (`;charset=utf-8`) are left out: the gateway drops a data URL that has any, in silence.
        declared, *parameters = header.split(";")
        if not comma or "base64" not in parameters:
            raise UnsupportedContentError(f"an {kind} part's data URL is not `data:<type>;base64,<data>`.")
        mime_type = declared or mime_type
        if mime_type == "application/pdf":
            kind = "file"
        elif mime_type.startswith("video/"):
            kind = "video"
        return MediaPart(kind, mime_type, data=data, filename=filename, settings=settings or {}, cache_control=marker)
    return MediaPart(kind, mime_type, url=url, filename=filename, settings=settings or {}, cache_control=marker)


def _read_media(part: Mapping[str, Any], kind: MediaKind) -> MediaPart:
    """v1 (`base64` | `url` | `file_id`), v0 (`source_type`, `data` | `url` | `id`) and Anthropic (`source`)."""
    marker = _marker(part)
    source = part.get("source")
    if isinstance(source, Mapping):
        return _read_anthropic_source(kind, source, part, marker)
    extras = part.get("extras") or {}
    mime_type = str(part.get("mime_type") or "")
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
    match source.get("type"):
        case "base64":
            return MediaPart(
                kind,
                str(source.get("media_type") or ""),
                data=source.get("data"),
                filename=filename,
                cache_control=marker,
            )
        case "url":
            return _media_from_url(kind, source.get("url"), marker, filename=filename)
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
    nested = part.get("file")
    if not isinstance(nested, Mapping):
        if str(part.get("mime_type") or "") == "text/plain" and (part.get("base64") or part.get("data")):
            return _read_text_plain({**part, "base64": part.get("base64") or part.get("data")})
        return _read_media(part, "file")
    marker, filename = _marker(part), nested.get("filename") or nested.get("file_name")
    if nested.get("file_id"):
        return MediaPart("file", file_id=nested["file_id"], filename=filename, cache_control=marker)
    if nested.get("file_url"):
        return _media_from_url("file", nested["file_url"], marker, filename=filename)
    data = nested.get("file_data")
    if not isinstance(data, str) or not data:
        raise UnsupportedContentError("a 'file' part needs `file_data`, `file_id` or `file_url`.")
    if data.startswith("data:"):
        return _media_from_url("file", data, marker, filename=filename)
    return MediaPart("file", str(nested.get("mime_type") or ""), data=data, filename=filename, cache_control=marker)


def _read_input_audio(part: Mapping[str, Any]) -> MediaPart:
    audio = part.get("input_audio") or {}
    if not audio.get("data"):
        raise UnsupportedContentError("an 'input_audio' part needs `input_audio.data`.")
    return MediaPart("audio", f"audio/{audio.get('format') or 'wav'}", data=audio["data"], cache_control=_marker(part))


def _read_non_standard(part: Mapping[str, Any]) -> Part:
    value = part.get("value")
    if not isinstance(value, Mapping) or value.get("type") == "non_standard":
        raise UnsupportedContentError("a 'non_standard' part's `value` is no content part.")
    return read_part(value)


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


def render_part(part: TextPart | MediaPart, provider: Provider) -> dict[str, Any]:
    """Write a part in the form in which the gateway hands it on to `provider`.

    Raises:
        UnsupportedContentError: This provider cannot get such a part through this gateway.
    """
    if isinstance(part, TextPart):
        rendered: dict[str, Any] = {"type": "text", "text": part.text}
    else:
        rendered = _RENDERERS[part.kind](part, provider)
    if part.cache_control and provider.quirks.cache_control:
        rendered["cache_control"] = dict(part.cache_control)
    return rendered


def _render_image(part: MediaPart, provider: Provider) -> dict[str, Any]:
    if part.file_id:
        raise UnsupportedContentError(
            f"an image stored at the provider (file_id={part.file_id!r}) cannot be named on chat completions; "
            "give its URL or its bytes."
        )
    if part.url and not provider.quirks.image_urls:
        raise UnsupportedContentError(
            f"{provider.title} takes no image by URL ({_short(part.url)}); give its bytes as base64."
        )
    return {"type": "image_url", "image_url": {"url": _url(part, "image/png"), **part.settings}}


def _render_file(part: MediaPart, provider: Provider) -> dict[str, Any]:
    form = provider.quirks.pdf
    if form == "none":
        raise UnsupportedContentError(f"{provider.title} takes no files through this gateway.")
    if form == "file":
        if part.url:
            raise UnsupportedContentError(
                f"{provider.title} takes no file by URL ({_short(part.url)}) on chat completions; give its bytes."
            )
        if part.file_id:
            return {"type": "file", "file": {"file_id": part.file_id}}
        name = part.filename or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": _url(part, "application/pdf")}}
    if part.file_id:
        raise UnsupportedContentError(
            f"the gateway drops files by id ({part.file_id!r}) on the way to {provider.title}; give its bytes."
        )
    if form == "image_url":
        return {"type": "image_url", "image_url": {"url": _url(part, "application/pdf")}}
    if part.url:
        return {
            "type": "file",
            "file": {"file_url": part.url, "mime_type": part.mime_type or "application/pdf"},
        }
    file = {"mime_type": part.mime_type or "application/pdf", "file_data": part.data}
    if part.filename:
        file["file_name"] = part.filename
    return {"type": "file", "file": file}


def _render_audio(part: MediaPart, provider: Provider) -> dict[str, Any]:
    if not provider.quirks.audio:
        raise UnsupportedContentError(f"{provider.title} takes no audio through this gateway.")
    if not part.data:
        raise UnsupportedContentError("audio can only be sent as bytes; give it as base64.")
    subtype = part.mime_type.partition("/")[2] or "wav"
    audio_format = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}.get(subtype, subtype)
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": audio_format}}


def _render_video(part: MediaPart, provider: Provider) -> dict[str, Any]:
    if not provider.quirks.video:
        raise UnsupportedContentError(f"{provider.title} takes no video through this gateway.")
    return {"type": "image_url", "image_url": {"url": _url(part, "video/mp4")}}


_RENDERERS = {"image": _render_image, "file": _render_file, "audio": _render_audio, "video": _render_video}


def _url(part: MediaPart, default_mime_type: str) -> str:
    """The part as one URL; a data URL has exactly one `;`, else the gateway drops it."""
    return part.url or f"data:{part.mime_type or default_mime_type};base64,{part.data}"


def _short(url: str, limit: int = 60) -> str:
    return url if len(url) <= limit else url[: limit - 1] + "…"
