"""Files given by URL to a provider that needs their bytes: which ones, and the conversation once they are here.

Nothing is fetched here; that is for the transport, with its limits, and only if the user asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.wire.chat.parts import MediaPart, UnsupportedContentError, read_part
from langchain_pollinations_portkey.wire.chat.rendering import needs_bytes

File = tuple[str, str]
"""Media type (`""` if unknown) and bytes in base64."""


def images_needed(messages: Sequence[BaseMessage], provider: Provider) -> list[str]:
    """URLs of images and other files that `provider` can only be sent as bytes, each once, in order.

    Parts that are not understood are left to `messages_to_wire`, which says what is wrong with them.
    """
    urls = (
        part.url
        for message in messages
        for part in _media(message.content)
        if part.url and part.url.startswith(("http://", "https://")) and needs_bytes(part, provider)
    )
    return list(dict.fromkeys(urls))


def with_downloaded(messages: Sequence[BaseMessage], files: Mapping[str, File]) -> list[BaseMessage]:
    """The conversation with the bytes of `files` in place of their URLs.

    Args:
        messages: The conversation; it stays as it is.
        files: What the URLs hold.
    """
    return [_with_files(message, files) for message in messages]


def _with_files(message: BaseMessage, files: Mapping[str, File]) -> BaseMessage:
    if isinstance(message.content, str):
        return message
    content = [_with_file(part, files) for part in message.content]
    return message if content == message.content else message.model_copy(update={"content": content})


def _with_file(raw: Any, files: Mapping[str, File]) -> Any:
    if isinstance(raw, Mapping) and raw.get("type") == "tool_result" and isinstance(raw.get("content"), list):
        return {**raw, "content": [_with_file(part, files) for part in raw["content"]]}
    part = _read(raw)
    if part is None or part.url is None or part.url not in files:
        return raw
    mime_type, data = files[part.url]
    block: dict[str, Any] = {"type": part.kind, "base64": data, "mime_type": mime_type or part.mime_type}
    if part.filename:
        block["filename"] = part.filename
    if part.settings:
        block["extras"] = dict(part.settings)
    if part.cache_control:
        block["cache_control"] = dict(part.cache_control)
    return block


def _media(content: str | list[Any]) -> Iterator[MediaPart]:
    if isinstance(content, str):
        return
    for raw in content:
        if isinstance(raw, Mapping) and raw.get("type") == "tool_result":
            yield from _media(raw.get("content") or "")
            continue
        part = _read(raw)
        if part is not None:
            yield part


def _read(raw: Any) -> MediaPart | None:
    try:
        part = read_part(raw) if isinstance(raw, Mapping) else None
    except UnsupportedContentError:
        return None
    return part if isinstance(part, MediaPart) else None
