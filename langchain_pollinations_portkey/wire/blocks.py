"""LangChain's standard content blocks, read from the messages this package makes.

A message keeps plain text as a string in `content`, where chains and parsers look for it, and the provider's
own blocks in `additional_kwargs["content_blocks"]`. LangChain asks the translator below, registered under
`response_metadata["model_provider"] == "portkey"`, for its standard view of the two.

The blocks of chunks have string indices that begin with `lc_`. LangChain merges blocks by index whatever
their type, and tool calls count from 0 as text does, so numbers would glue text and tool calls together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock
from langchain_core.messages.tool import ToolCallChunk


def translate_message(message: AIMessage) -> list[ContentBlock]:
    """The standard content blocks of a whole message.

    Raises:
        NotImplementedError: The content is a list, hence not one of ours; LangChain then reads it itself.
    """
    return _translate(message, streamed=False)


def translate_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    """The standard content blocks of a chunk, or of chunks added up.

    Raises:
        NotImplementedError: The content is a list, hence not one of ours; LangChain then reads it itself.
    """
    return _translate(chunk, streamed=True)


def register() -> None:
    """Make LangChain use the translators above."""
    register_translator("portkey", translate_message, translate_chunk)


def _translate(message: AIMessage, *, streamed: bool) -> list[ContentBlock]:
    if not isinstance(message.content, str):
        raise NotImplementedError
    kwargs = message.additional_kwargs
    if not kwargs:  # most chunks of a stream
        blocks: list[Any] = [_text(message.content, streamed)] if message.content else []
        return blocks + _refusal_blocks(message, streamed=streamed) + _call_blocks(message)
    kept = kwargs.get("content_blocks") or ()
    blocks = []
    if kwargs.get("reasoning_content") and not any(block.get("type") == "thinking" for block in kept):
        blocks.append({"type": "reasoning", "reasoning": kwargs["reasoning_content"], **_index("rs", streamed)})
    if kept:
        blocks += _kept_blocks(kept, message.content, streamed=streamed)
    elif message.content:
        blocks.append(_text(message.content, streamed))
    if kwargs.get("annotations"):
        _annotate(blocks, kwargs["annotations"], streamed=streamed)
    blocks += _other_blocks(kwargs, streamed=streamed)
    blocks += _refusal_blocks(message, streamed=streamed)
    blocks += _call_blocks(message)
    return blocks


def _text(text: str, streamed: bool) -> dict[str, Any]:
    return {"type": "text", "text": text, "index": "lc_txt"} if streamed else {"type": "text", "text": text}


def _annotate(blocks: list[Any], annotations: Iterable[Any], *, streamed: bool) -> None:
    """Put OpenAI's annotations, which belong to the message, on its text."""
    text = next((block for block in blocks if block["type"] == "text"), None)
    if text is None:
        text = _text("", streamed)
        blocks.append(text)
    text["annotations"] = [*text.get("annotations", ()), *(_annotation(annotation) for annotation in annotations)]


def _kept_blocks(kept: list[dict[str, Any]], content: str, *, streamed: bool) -> Iterable[dict[str, Any]]:
    """Translate provider blocks; `content` decides about text.

    A chunk that catches up with text sent earlier has blocks with text and no content: that text was shown.
    Where content and blocks differ otherwise, somebody has changed the content (redaction), and it is right.
    """
    texts = [block.get("text") or "" for block in kept if block.get("type") == "text"]
    blocks_hold_text = "".join(texts) == content
    for block in kept:
        number = block.get("index", 0) if streamed else None
        if block.get("type") == "text":
            translated = _text_block(block, text=block.get("text") or "" if blocks_hold_text else "")
        else:
            translated = _provider_block(block)
        if translated is not None:
            if number is not None:
                translated["index"] = _string_index(translated["type"], number)
            yield translated
    if not blocks_hold_text and content:
        yield {"type": "text", "text": content, **_index("txt", streamed)}


def _text_block(block: Mapping[str, Any], *, text: str) -> dict[str, Any] | None:
    citations = block.get("citations") or []
    if not text and not citations:
        return None
    translated: dict[str, Any] = {"type": "text", "text": text}
    if citations:
        translated["annotations"] = [_annotation(citation) for citation in citations]
    return translated


def _annotation(citation: Any) -> dict[str, Any]:
    """A provider's citation; what LangChain's has no key for stays in `extras`."""
    if not isinstance(citation, Mapping):
        return {"type": "non_standard_annotation", "value": {"citation": citation}}
    inner = citation.get("url_citation")  # OpenAI's form
    source = {**citation, **inner} if isinstance(inner, Mapping) else citation
    known = {
        "cited_text": source.get("cited_text"),
        "title": source.get("title") or source.get("document_title"),
        "url": source.get("url"),
        "start_index": source.get("start_index"),
        "end_index": source.get("end_index"),
    }
    annotation = {"type": "citation", **{key: value for key, value in known.items() if value is not None}}
    extras = {key: value for key, value in source.items() if key not in known and key != "url_citation"}
    return {**annotation, "extras": extras} if extras else annotation


def _provider_block(block: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = str(block.get("type"))
    bare = {key: value for key, value in block.items() if key != "index"}
    if kind == "thinking":
        extras = {key: value for key, value in bare.items() if key not in ("type", "thinking") and value}
        return {
            "type": "reasoning",
            "reasoning": block.get("thinking") or "",
            **({"extras": extras} if extras else {}),
        }
    if kind in ("server_tool_use", "mcp_tool_use"):
        call: dict[str, Any] = {"type": "server_tool_call", "args": block.get("input") or {}}
        call |= {key: block[key] for key in ("id", "name") if key in block}
        extras = {"type": kind} if kind != "server_tool_use" else {}
        extras |= {key: value for key, value in bare.items() if key not in ("type", "id", "name", "input")}
        return {**call, "extras": extras} if extras else call
    if kind.endswith("_tool_result"):
        content = block.get("content")
        failed = block.get("is_error") or (isinstance(content, Mapping) and "error_code" in content)
        extras = {key: value for key, value in bare.items() if key not in ("tool_use_id", "content")}
        return {
            "type": "server_tool_result",
            "tool_call_id": block.get("tool_use_id") or "",
            "status": "error" if failed else "success",
            "output": content,
            "extras": extras,
        }
    if kind == "image_url":
        return _image_block(block)
    return {"type": "non_standard", "value": bare}


def _image_block(part: Mapping[str, Any]) -> dict[str, Any]:
    image = part.get("image_url")
    url = str(image.get("url") or "") if isinstance(image, Mapping) else str(image or "")
    if url.startswith("data:") and ";base64," in url:
        mime_type, _, data = url[len("data:") :].partition(";base64,")
        return {"type": "image", "base64": data, "mime_type": mime_type}
    return {"type": "image", "url": url}


def _other_blocks(kwargs: Mapping[str, Any], *, streamed: bool) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    audio = kwargs.get("audio")
    if isinstance(audio, Mapping) and audio.get("data"):
        extras = {key: value for key, value in audio.items() if key != "data"}
        blocks.append({"type": "audio", "base64": audio["data"], "extras": extras, **_index("au", streamed)})
    for number, image in enumerate(kwargs.get("images") or ()):  # OpenRouter
        if isinstance(image, Mapping):
            blocks.append({**_image_block(image), **_index(f"im_{number}", streamed)})
    return blocks


_REFUSAL_REASONS = frozenset(("refusal", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST"))
"""The native finish reasons of Claude and Gemini by which LangChain's own classes for them tell a refusal."""


def _refusal_blocks(message: AIMessage, *, streamed: bool) -> list[dict[str, Any]]:
    """That the model refused, as `ModelRefusalMiddleware` looks for it: OpenAI says so in words, others by a reason."""
    said = message.additional_kwargs.get("refusal")
    native = message.response_metadata.get("native_finish_reason")
    if not said and native not in _REFUSAL_REASONS:
        return []
    refusal = {"type": "refusal", "refusal": said if isinstance(said, str) else ""}
    return [refusal | ({} if said else {"extras": {"finish_reason": native}}) | _index("rf", streamed)]


def _call_blocks(message: AIMessage) -> list[dict[str, Any]]:
    if not message.tool_calls and not message.invalid_tool_calls and not isinstance(message, AIMessageChunk):
        return []
    signatures = message.additional_kwargs.get("thought_signatures") or {}
    if isinstance(message, AIMessageChunk) and message.chunk_position != "last" and message.tool_call_chunks:
        return [_call_chunk_block(piece, signatures) for piece in message.tool_call_chunks]
    blocks: list[dict[str, Any]] = []
    for call in message.tool_calls:
        block: dict[str, Any] = {
            "type": "tool_call",
            "name": call["name"],
            "args": call["args"],
            "id": call["id"],
        }
        if call["id"] in signatures:
            block["extras"] = {"thought_signature": signatures[call["id"]]}
        blocks.append(block)
    blocks += [{**call, "type": "invalid_tool_call"} for call in message.invalid_tool_calls]
    return blocks


def _call_chunk_block(piece: ToolCallChunk, signatures: Mapping[str, str]) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "tool_call_chunk",
        "id": piece.get("id"),
        "name": piece.get("name"),
        "args": piece.get("args"),
        "index": f"lc_tc_{piece.get('index') or 0}",
    }
    if piece.get("id") in signatures:
        block["extras"] = {"thought_signature": signatures[piece["id"] or ""]}
    return block


_INDEX_PREFIXES = {"text": "txt", "reasoning": "rs"}


def _string_index(kind: str, number: int) -> str:
    """`lc_txt_3`. Text of block 0 shares its index with text that came without a block."""
    prefix = _INDEX_PREFIXES.get(kind, "pk")
    return f"lc_{prefix}" if number == 0 and prefix != "pk" else f"lc_{prefix}_{number}"


def _index(prefix: str, streamed: bool) -> dict[str, str]:
    return {"index": f"lc_{prefix}"} if streamed else {}
