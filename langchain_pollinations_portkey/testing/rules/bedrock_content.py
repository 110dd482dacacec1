"""Bedrock's messages: roles, content blocks, tool calls with their results.

Sources: Amazon Bedrock API Reference, "Message", "ContentBlock", "ToolUseBlock", "ToolResultBlock", "ImageBlock",
"DocumentBlock", "CachePointBlock"; quoted messages are AWS's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules.anthropic_content import is_base64
from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal

NAME = re.compile(r"^[a-zA-Z0-9_-]+$")
TOOL_USE_ID = re.compile(r"^[a-zA-Z0-9_.:-]+$")
START_WITH_USER = (
    "A conversation must start with a user message. Try again with a conversation that starts with a user message."
)
MODEL_ERRORS = "The model returned the following errors: "

_MEMBERS = (
    "text",
    "image",
    "document",
    "video",
    "audio",
    "toolUse",
    "toolResult",
    "guardContent",
    "cachePoint",
    "reasoningContent",
    "citationsContent",
    "searchResult",
)
_RESULT_MEMBERS = ("json", "text", "image", "document", "video", "searchResult")
_IMAGE_FORMATS = ("png", "jpeg", "gif", "webp")
_DOCUMENT_FORMATS = ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")
_DOCUMENT_NAME = re.compile(r"^[A-Za-z0-9\s()\[\]-]+$")
_TWO_SPACES = re.compile(r"\s\s")
_MAX_ID = 64
_MAX_DOCUMENT_NAME = 200


def constraint(value: Any, where: str, wanted: str) -> Refusal:
    """Says "1 validation error detected: Value 'x' at 'y' failed to satisfy constraint: ..."."""
    return Refusal(f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: {wanted}")


def serialization() -> Refusal:
    """A value of the wrong JSON type. The wording is ours: AWS's names internal classes."""
    return Refusal("A value in the request has the wrong type", type="SerializationException")


def union(value: Any, members: tuple[str, ...]) -> Iterator[Refusal]:
    """A union has exactly one of its members; the wording is ours."""
    if not isinstance(value, dict):
        yield serialization()
    elif len([key for key, member in value.items() if key in members and member is not None]) != 1:
        yield Refusal(f"A union must have exactly one member out of {', '.join(members)}; got {', '.join(value)}")


def length(value: Any, where: str, low: int, high: int | None = None) -> Iterator[Refusal]:
    """A text of a certain length."""
    if value is None:
        yield constraint("null", where, "Member must not be null")
    if not isinstance(value, str):
        yield serialization()
    if len(value) < low:
        yield constraint(value, where, f"Member must have length greater than or equal to {low}")
    if high is not None and len(value) > high:
        yield constraint(value, where, f"Member must have length less than or equal to {high}")


def roles(fields: Fields) -> Iterator[Refusal]:
    """Refused: "A conversation must start with a user message", "... must alternate between ... roles"."""
    previous = None
    for index, message in enumerate(fields["messages"]):
        role = message.get("role")
        if role not in {"user", "assistant"}:
            yield constraint(
                role,
                f"messages.{index + 1}.member.role",
                "Member must satisfy enum value set: [user, assistant]",
            )
        if index == 0 and role != "user":
            yield Refusal(START_WITH_USER)
        if role == previous:
            yield Refusal(
                "A conversation must alternate between user and assistant roles. Make sure the conversation "
                "alternates between user and assistant roles and try again."
            )
        previous = role


def contents(fields: Fields) -> Iterator[Refusal]:
    """Every message has blocks, every block one known member in its shape.

    "The content field in the Message object at messages.0 is empty. Add a ContentBlock object to the content field
    and try again."
    """
    for index, message in enumerate(fields["messages"]):
        content = message.get("content")
        if not isinstance(content, list):
            yield serialization()
            return
        if not content:
            yield Refusal(
                f"The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to "
                "the content field and try again."
            )
        for number, block in enumerate(content):
            yield from union(block, _MEMBERS)
            path = f"messages.{index + 1}.member.content.{number + 1}.member"
            for member, check in _BLOCKS.items():
                if member in block:
                    yield from check(block, path, f"messages.{index}.content.{number}")


def _text(block: Fields, path: str, place: str) -> Iterator[Refusal]:
    """Says "The text field in the ContentBlock object at messages.0.content.0 is blank. Add text ..."."""
    del path
    if not isinstance(block["text"], str):
        yield serialization()
    if not block["text"]:
        yield Refusal(
            f"The text field in the ContentBlock object at {place} is blank. Add text to the text field, and try again."
        )


def _tool_use(block: Fields, path: str, place: str) -> Iterator[Refusal]:
    """Id and name have patterns and at most 64 characters, the input is an object."""
    del place
    use = block["toolUse"]
    yield from _call_id(use.get("toolUseId"), f"{path}.toolUse.toolUseId")
    yield from length(use.get("name"), f"{path}.toolUse.name", 1, _MAX_ID)
    if not NAME.match(use["name"]):
        wanted = "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
        yield constraint(use["name"], f"{path}.toolUse.name", wanted)
    if "input" not in use:
        yield constraint("null", f"{path}.toolUse.input", "Member must not be null")
    if not isinstance(use["input"], dict):
        yield Refusal(
            f"The format of the value at {path}.toolUse.input is invalid. Provide a json object for the field and "
            "try again."
        )


def _call_id(value: Any, where: str) -> Iterator[Refusal]:
    yield from length(value, where, 1, _MAX_ID)
    if not TOOL_USE_ID.match(value):
        yield constraint(value, where, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.:-]+")


def _tool_result(block: Fields, path: str, place: str) -> Iterator[Refusal]:
    """Results hold json, text, images, documents - no cache points; they are not empty when they are errors."""
    result = block["toolResult"]
    yield from _call_id(result.get("toolUseId"), f"{path}.toolResult.toolUseId")
    parts = result.get("content")
    if not isinstance(parts, list):
        yield serialization()
        return
    status = result.get("status")
    if status not in {None, "success", "error"}:
        wanted = "Member must satisfy enum value set: [success, error]"
        yield constraint(status, f"{path}.toolResult.status", wanted)
    if status == "error" and not parts:
        yield Refusal(f"The content field at {place}.toolResult cannot be empty when status value is error.")
    for index, part in enumerate(parts):
        yield from union(part, _RESULT_MEMBERS)
        inner = f"{path}.toolResult.content.{index + 1}.member"
        if not isinstance(part.get("text", ""), str):
            yield serialization()
        for member in ("image", "document"):
            if member in part:
                yield from _BLOCKS[member](part, inner, f"{place}.toolResult.content.{index}")


def _image(block: Fields, path: str, place: str) -> Iterator[Refusal]:
    """png, jpeg, gif or webp, from bytes or S3."""
    del place
    image = block["image"]
    yield from _format(image.get("format"), _IMAGE_FORMATS, f"{path}.image.format")
    yield from _source(image.get("source"), ("bytes", "s3Location"), f"{path}.image.source")


def _document(block: Fields, path: str, place: str) -> Iterator[Refusal]:
    """Says "The file name can only contain alphanumeric characters, whitespace characters, hyphens, ..."."""
    del place
    document = block["document"]
    if document.get("format") is not None:
        yield from _format(document["format"], _DOCUMENT_FORMATS, f"{path}.document.format")
    yield from _source(document.get("source"), ("bytes", "s3Location", "text", "content"), f"{path}.document.source")
    name = document.get("name")
    yield from length(name, f"{path}.document.name", 1, _MAX_DOCUMENT_NAME)
    if not _DOCUMENT_NAME.match(name) or _TWO_SPACES.search(name):
        yield Refusal(
            "The file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, "
            "and square brackets. The name can't contain more than one consecutive whitespace character."
        )


def _format(value: Any, known: tuple[str, ...], where: str) -> Iterator[Refusal]:
    if value not in known:
        yield constraint(value, where, f"Member must satisfy enum value set: [{', '.join(known)}]")


def _source(source: Any, members: tuple[str, ...], where: str) -> Iterator[Refusal]:
    """One member; bytes are base64 and not empty (a data URL is no base64)."""
    yield from union(source, members)
    if "bytes" in source and not is_base64(source["bytes"]):
        if source["bytes"] == "":
            yield constraint("", f"{where}.bytes", "Member must have length greater than or equal to 1")
        yield serialization()


def _cache_point(block: Fields, path: str, place: str) -> Iterator[Refusal]:
    del place
    yield from cache_point(block, path)


def cache_point(block: Fields, path: str) -> Iterator[Refusal]:
    """Says "CachePointBlock": type default, ttl 5m or 1h."""
    point = block.get("cachePoint")
    if point is None:
        return
    if point.get("type") != "default":
        wanted = "Member must satisfy enum value set: [default]"
        yield constraint(point.get("type"), f"{path}.cachePoint.type", wanted)
    if point.get("ttl") not in {None, "5m", "1h"}:
        yield constraint(point["ttl"], f"{path}.cachePoint.ttl", "Member must satisfy enum value set: [5m, 1h]")


def _reasoning(block: Fields, path: str, place: str) -> Iterator[Refusal]:
    """Either a text or encrypted reasoning."""
    del place
    yield from union(block["reasoningContent"], ("reasoningText", "redactedContent"))
    reasoning = block["reasoningContent"].get("reasoningText")
    if reasoning is not None and not isinstance(reasoning.get("text"), str):
        yield constraint("null", f"{path}.reasoningContent.reasoningText.text", "Member must not be null")


_BLOCKS: dict[str, Callable[[Fields, str, str], Iterator[Refusal]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "cachePoint": _cache_point,
    "reasoningContent": _reasoning,
}
"""What is checked in a block: (block, path in constraint messages, place in AWS's sentences)."""


def documents(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Message": images and documents only from the user; a document needs a text beside it. Wording ours."""
    for index, message in enumerate(fields["messages"]):
        members = {member for block in message["content"] for member in block}
        if message["role"] == "assistant" and members & {"image", "document"}:
            yield Refusal(f"messages.{index}: images and documents are only allowed if the role is user.")
        if "document" in members and "text" not in members:
            yield Refusal(f"messages.{index}: a message with a document block must also include a text block.")


def tool_turns(fields: Fields) -> Iterator[Refusal]:
    """Every toolUse has its toolResult in the next message, and nothing else has one.

    "Expected toolResult blocks at messages.2.content for the following Ids: x", "The number of toolResult blocks at
    messages.2.content exceeds the number of toolUse blocks of previous turn."
    """
    asked: list[str] = []
    for index, message in enumerate(fields["messages"]):
        where = f"messages.{index}.content"
        results = _ids(message, "toolResult")
        uses = _ids(message, "toolUse")
        for kind, ids in (("toolUse", uses), ("toolResult", results)):
            double = sorted({call_id for call_id in ids if ids.count(call_id) > 1})
            if double:
                yield Refusal(f"The {kind} blocks at {where} contain duplicate Ids: {', '.join(double)}")
        if len(results) > len(asked):
            yield Refusal(
                f"The number of toolResult blocks at {where} exceeds the number of toolUse blocks of previous turn."
            )
        missing = [call_id for call_id in asked if call_id not in results]
        if missing:
            yield Refusal(f"Expected toolResult blocks at {where} for the following Ids: {', '.join(missing)}")
        asked = uses


def _ids(message: Fields, member: str) -> list[str]:
    """Ids of a message's calls or results; those with a `type` are the provider's own tools, answered at once."""
    blocks = [block[member] for block in message["content"] if member in block]
    return [block["toolUseId"] for block in blocks if "type" not in block]


def claude_texts(fields: Fields) -> Iterator[Refusal]:
    """Refused, as the model's error: "messages: text content blocks must contain non-whitespace text"."""
    for message in fields["messages"]:
        if any(not block["text"].strip() for block in message["content"] if "text" in block):
            yield Refusal(f"{MODEL_ERRORS}messages: text content blocks must contain non-whitespace text")


def claude_signatures(fields: Fields) -> Iterator[Refusal]:
    """Claude takes thinking back only with its signature."""
    for index, message in enumerate(fields["messages"]):
        for number, block in enumerate(message["content"]):
            reasoning = block.get("reasoningContent", {}).get("reasoningText")
            if reasoning is not None and not reasoning.get("signature"):
                yield Refusal(f"{MODEL_ERRORS}messages.{index}.content.{number}.thinking.signature: Field required")
