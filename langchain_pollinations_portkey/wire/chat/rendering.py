"""A neutral content part in the one form in which the gateway hands it on to a provider.

What a provider cannot get through this gateway is refused by name. A part that it could get if its bytes were
here is refused with `MissingBytesError`, which carries the URL; `downloads.images_needed` lists them.
"""

from __future__ import annotations

import mimetypes
import re
from typing import Any
from urllib.parse import urlsplit

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.wire.chat.parts import MediaPart, TextPart, UnsupportedContentError

PDF = "application/pdf"


class MissingBytesError(UnsupportedContentError):
    """A part is given by URL and its provider needs the bytes.

    Attributes:
        url: Where the bytes are.
    """

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


def render_part(part: TextPart | MediaPart, provider: Provider) -> dict[str, Any]:
    """Write a part of a message of the user.

    Raises:
        UnsupportedContentError: This provider cannot get such a part through this gateway.
    """
    if isinstance(part, TextPart):
        rendered: dict[str, Any] = {"type": "text", "text": part.text}
    else:
        _refuse_missing_bytes(part, provider)
        rendered = _RENDERERS[part.kind](part, provider)
    return _marked(rendered, part, provider)


def render_tool_result_part(part: TextPart | MediaPart, provider: Provider) -> dict[str, Any]:
    """Write a part of a tool's result for a provider that takes more than text there.

    The gateway hands the content of a result on as it is, so it has to be in Anthropic's own form.

    Raises:
        UnsupportedContentError: The part is no text, image or PDF.
    """
    if isinstance(part, TextPart):
        return _marked({"type": "text", "text": part.text}, part, provider)
    if part.kind not in ("image", "file") or part.file_id:
        raise UnsupportedContentError(
            f"the result of a tool holds text, images and PDFs for {provider.title}, no {part.kind}"
            f"{' stored there' if part.file_id else ''}."
        )
    source = (
        {"type": "url", "url": part.url}
        if part.url
        else {"type": "base64", "media_type": _type(part), "data": part.base64}
    )
    return _marked({"type": "image" if part.kind == "image" else "document", "source": source}, part, provider)


def needs_bytes(part: MediaPart, provider: Provider) -> bool:
    """Whether a part is given by URL and can only be sent as bytes."""
    if part.url is None or part.url.startswith(_STORAGE_SCHEMES.get(provider.dialect, "data:")):
        return False
    match part.kind:
        case "image":
            return not provider.quirks.image_urls
        case "file":
            return provider.quirks.pdf == "file" or provider.dialect == "bedrock"
        case "audio":
            return provider.quirks.audio and provider.dialect != "google"
        case "video":
            return False


_STORAGE_SCHEMES = {"bedrock": "s3://", "google": "gs://"}
"""Storage that a provider reads by itself."""

_DEFAULT_TYPES = {"image": "image/png", "file": PDF, "audio": "audio/wav", "video": "video/mp4"}


def _marked(rendered: dict[str, Any], part: TextPart | MediaPart, provider: Provider) -> dict[str, Any]:
    if part.cache_control and provider.quirks.cache_control:
        rendered["cache_control"] = dict(part.cache_control)
    return rendered


def _refuse_missing_bytes(part: MediaPart, provider: Provider) -> None:
    if part.url is not None and needs_bytes(part, provider):
        raise MissingBytesError(
            f"{provider.title} takes no {part.kind} by URL ({_short(part.url)}) through this gateway; give its bytes "
            "as base64, or set download_images=True to have it fetched.",
            part.url,
        )


def _render_image(part: MediaPart, provider: Provider) -> dict[str, Any]:
    if part.file_id:
        raise UnsupportedContentError(
            f"an image stored at the provider (file_id={part.file_id!r}) cannot be named on chat completions; "
            "give its URL or its bytes."
        )
    if part.url and provider.dialect == "bedrock":
        return _gateway_file(part)
    image: dict[str, Any] = {"url": _url(part)}
    if "detail" in part.settings and provider.dialect == "openai":
        image["detail"] = part.settings["detail"]
    return {"type": "image_url", "image_url": _with_type(image, part, provider)}


def _render_file(part: MediaPart, provider: Provider) -> dict[str, Any]:
    form = provider.quirks.pdf
    if form == "none":
        raise UnsupportedContentError(f"{provider.title} takes no files through this gateway.")
    if part.file_id and form != "file":
        raise UnsupportedContentError(
            f"the gateway drops files by id ({part.file_id!r}) on the way to {provider.title}; give its bytes."
        )
    if part.mime_type not in ("", PDF) and provider.dialect in ("anthropic", "bedrock"):
        raise UnsupportedContentError(
            f"{provider.title} takes PDFs through this gateway, no {part.mime_type}; send its text as a text part."
        )
    if form == "file":
        if part.file_id:
            return {"type": "file", "file": {"file_id": part.file_id}}
        name = part.filename or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": _url(part)}}
    if form == "portkey_file" or (part.url and provider.dialect == "anthropic"):
        return _gateway_file(part)
    return {"type": "image_url", "image_url": _with_type({"url": _url(part)}, part, provider)}


def _gateway_file(part: MediaPart) -> dict[str, Any]:
    """The gateway's own form of a file. A name goes to AWS, which knows letters, digits and a few signs in it."""
    file: dict[str, Any] = {"mime_type": _type(part)}
    if part.url:
        file["file_url"] = part.url
    else:
        file["file_data"] = part.base64
    name = re.sub(r"\s+", " ", re.sub(r"[^A-Za-z0-9\s()\[\]-]", " ", part.filename or "")).strip()
    if name:
        file["file_name"] = name[:200]
    return {"type": "file", "file": file}


def _render_audio(part: MediaPart, provider: Provider) -> dict[str, Any]:
    if not provider.quirks.audio:
        raise UnsupportedContentError(f"{provider.title} takes no audio through this gateway.")
    if provider.dialect == "google":  # as `input_audio` only some formats keep their type on the way
        return {"type": "image_url", "image_url": _with_type({"url": _url(part)}, part, provider)}
    data = part.base64
    if not data:
        raise UnsupportedContentError("audio can only be sent as bytes; give it as base64.")
    subtype = part.mime_type.partition("/")[2] or "wav"
    audio_format = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}.get(subtype, subtype)
    return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format}}


def _render_video(part: MediaPart, provider: Provider) -> dict[str, Any]:
    if not provider.quirks.video:
        raise UnsupportedContentError(f"{provider.title} takes no video through this gateway.")
    return {"type": "image_url", "image_url": _with_type({"url": _url(part)}, part, provider)}


_RENDERERS = {"image": _render_image, "file": _render_file, "audio": _render_audio, "video": _render_video}


def _with_type(image: dict[str, Any], part: MediaPart, provider: Provider) -> dict[str, Any]:
    """With the media type beside a link to Gemini: the gateway else guesses it from the end of the URL."""
    if part.url and provider.dialect == "google":
        image["mime_type"] = _type(part)
    return image


def _type(part: MediaPart) -> str:
    """The media type: as declared, else as the first bytes or the end of the URL tell it. Claude checks it."""
    if part.mime_type:
        return "image/jpeg" if part.mime_type == "image/jpg" else part.mime_type
    if part.data or part.data_url:
        family = part.kind if part.kind != "file" else "application"
        begins = (kind for start, kind in _FIRST_BYTES.items() if part.begins_with(start))
        found = next((kind for kind in begins if kind.startswith(family)), None)
    else:
        found, _ = mimetypes.guess_type(urlsplit(part.url or "").path)
    return found or _DEFAULT_TYPES[part.kind]


_FIRST_BYTES = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi": PDF,
}
"""How files begin, in base64."""


def _url(part: MediaPart) -> str:
    """The part as one URL; a data URL has exactly one `;`, else the gateway drops it."""
    if part.url:
        return part.url
    header = f"data:{_type(part)};base64,"
    if part.data_url is not None and part.data_url.startswith(header):
        return part.data_url
    return header + str(part.base64)


def _short(url: str, limit: int = 60) -> str:
    return url if len(url) <= limit else url[: limit - 1] + "…"
