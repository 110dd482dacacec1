"""OpenAI's messages: roles, content and its parts.

Sources: platform.openai.com, API reference "Create chat completion" (messages), guide "Images and vision"; quoted
messages are the API's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_pollinations_portkey.testing.rules.refusal import (
    Fields,
    Refusal,
    json_type,
    objects,
    unknown_keys,
)

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_NAME = re.compile(r"^[^\s<|\\/>]+$")
_DATA_URL = re.compile(r"^data:(?P<mime>[\w.+-]+/[\w.+-]+)(?:;[\w-]+=[^;,]+)*;base64,(?P<data>.*)$", re.DOTALL)
_BASE64 = re.compile(r"^[A-Za-z0-9+/\s]+={0,2}$")

_PART_KEYS: dict[str, frozenset[str]] = {
    "text": frozenset({"type", "text"}),
    "image_url": frozenset({"type", "image_url"}),
    "input_audio": frozenset({"type", "input_audio"}),
    "refusal": frozenset({"type", "refusal"}),
    "file": frozenset({"type", "file"}),
}
_MESSAGE_KEYS: dict[str, frozenset[str]] = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset(
        {"role", "content", "name", "tool_calls", "function_call", "refusal", "audio", "annotations"}
    ),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
    "function": frozenset({"role", "content", "name"}),
}
"""`annotations` is a part of answers that the API takes back."""

_EXPECTED_IMAGE = (
    "Expected a base64-encoded data URL with an image MIME type (e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU=')"
)


def wrong_type(where: str, expected: str, value: Any) -> Refusal:
    """Says "Invalid type for 'x': expected a string, but got an object instead."."""
    return Refusal(
        f"Invalid type for '{where}': expected {expected}, but got {json_type(value)} instead.",
        code="invalid_type",
        param=where,
    )


def wrong_value(where: str, value: Any, supported: Sequence[str]) -> Refusal:
    """Says "Invalid value: 'x'. Supported values are: 'a', 'b', and 'c'."."""
    *most, last = (f"'{word}'" for word in supported)
    listed = f"{', '.join(most)}, and {last}" if most else last
    return Refusal(f"Invalid value: '{value}'. Supported values are: {listed}.", code="invalid_value", param=where)


def missing(where: str) -> Refusal:
    """Says "Missing required parameter: 'x'."."""
    return Refusal(f"Missing required parameter: '{where}'.", code="missing_required_parameter", param=where)


def empty_array(where: str) -> Refusal:
    """Says "Invalid 'x': empty array. Expected an array with minimum length 1 ..."."""
    return Refusal(
        f"Invalid '{where}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        code="empty_array",
        param=where,
    )


def all_text(fields: Fields) -> str:
    """Everything that the messages say, for the rule that they must mention JSON."""
    texts = []
    for message in objects(fields["messages"]):
        content = message.get("content")
        texts += [content] if isinstance(content, str) else [str(part.get("text", "")) for part in objects(content)]
    return "\n".join(texts)


def messages_present(fields: Fields) -> Iterator[Refusal]:
    """There are messages, and they are objects."""
    messages = fields.get("messages")
    if messages is None:
        yield missing("messages")
    elif not isinstance(messages, list):
        yield wrong_type("messages", "an array of objects", messages)
    elif not messages:
        yield empty_array("messages")
    else:
        for index, message in enumerate(messages):
            if not isinstance(message, dict):
                yield wrong_type(f"messages[{index}]", "an object", message)


def shapes(fields: Fields) -> Iterator[Refusal]:
    """Roles are known; names have a pattern; tool and function messages say what they answer."""
    for index, message in enumerate(fields["messages"]):
        where = f"messages[{index}]"
        role = message.get("role")
        if role is None:
            yield missing(f"{where}.role")
        if role not in _ROLES:
            yield wrong_value(f"{where}.role", role, _ROLES)
        name = message.get("name")
        if name is not None and (not isinstance(name, str) or not _NAME.match(name)):
            yield Refusal(
                f"Invalid '{where}.name': string does not match pattern. Expected a string that matches the pattern "
                r"'^[^\s<|\\/>]+$'.",
                code="invalid_value",
                param=f"{where}.name",
            )
        if role == "tool" and not isinstance(message.get("tool_call_id"), str):
            yield missing(f"{where}.tool_call_id")
        if role == "function" and not name:
            yield missing(f"{where}.name")


def content_types(fields: Fields) -> Iterator[Refusal]:
    """Content is a text or a list of objects with a type; only an assistant who calls tools may have none."""
    for index, message in enumerate(fields["messages"]):
        where = f"messages[{index}].content"
        content = message.get("content")
        if content is None:
            yield from _no_content(message, where)
        elif isinstance(content, list):
            for number, part in enumerate(content):
                if not isinstance(part, dict):
                    yield wrong_type(f"{where}[{number}]", "an object", part)
                if part.get("type") is None:
                    yield missing(f"{where}[{number}].type")
        elif not isinstance(content, str):
            yield wrong_type(where, "one of a string or array of objects", content)


def contents(fields: Fields) -> Iterator[Refusal]:
    """A list of parts is not empty, and its parts are OpenAI's, in OpenAI's shapes."""
    for index, message in enumerate(fields["messages"]):
        where = f"messages[{index}].content"
        content = message.get("content")
        if content == []:
            yield empty_array(where)
        for number, part in enumerate(objects(content)):
            yield from _part(part, f"{where}[{number}]", f"messages[{index}]", message["role"])


def _no_content(message: Fields, where: str) -> Iterator[Refusal]:
    """Says "Invalid value for 'content': expected a string, got null."."""
    role = message["role"]
    speaks = any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio"))
    if role == "function" or (role == "assistant" and speaks):
        return
    if "content" not in message and role != "assistant":
        yield missing(where)
    yield Refusal("Invalid value for 'content': expected a string, got null.", param=where)


def _part(part: Fields, where: str, message: str, role: str) -> Iterator[Refusal]:
    kind = part["type"]
    if kind not in _PART_KEYS:
        yield wrong_value(f"{where}.type", kind, tuple(_PART_KEYS))
        return
    if kind == "image_url" and role in {"system", "developer", "assistant"}:
        yield Refusal(
            f"Invalid '{message}'. Image URLs are only allowed for messages with role 'user', but this message with "
            f"role '{role}' contains an image URL.",
            code="invalid_value",
            param=message,
        )
    if kind not in part:
        yield missing(f"{where}.{kind}")
    if kind in {"text", "refusal"}:
        if not isinstance(part[kind], str):
            yield wrong_type(f"{where}.{kind}", "a string", part[kind])
    elif not isinstance(part[kind], dict):
        yield wrong_type(f"{where}.{kind}", "an object", part[kind])
    elif kind == "image_url":
        yield from _image_url(part[kind], f"{where}.image_url")


def _image_url(image: Fields, where: str) -> Iterator[Refusal]:
    """An http(s) URL, or a data URL with an image type and base64 that is not empty."""
    if "url" not in image:
        yield missing(f"{where}.url")
    url = image["url"]
    if not isinstance(url, str):
        yield wrong_type(f"{where}.url", "a string", url)
        return
    if image.get("detail") not in {None, "auto", "low", "high", "original"}:
        yield wrong_value(f"{where}.detail", image["detail"], ("low", "high", "auto"))
    if url.startswith(("http://", "https://")):
        return
    problem = _data_url_problem(url)
    if problem is not None:
        yield Refusal(
            f"Invalid image URL: '{where}.url'. {_EXPECTED_IMAGE}, but got {problem}.",
            code="invalid_value",
            param=f"{where}.url",
        )


def _data_url_problem(url: str) -> str | None:
    """What a text is instead of a data URL with an image in base64."""
    if not url.startswith("data:"):
        return "a value without the 'data:' prefix"
    found = _DATA_URL.match(url)
    if found is None:
        return "a value that is no base64-encoded data URL"
    if not found["mime"].startswith("image/"):
        return f"unsupported MIME type '{found['mime']}'"
    if not found["data"]:
        return "empty base64-encoded bytes"
    return None if _BASE64.match(found["data"]) else "invalid base64-encoded bytes"


def unknown_keys_inside(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Unknown parameter: 'messages[0].content[0].cache_control'."; in messages, their parts and tools."""
    for index, message in enumerate(fields["messages"]):
        where = f"messages[{index}]"
        yield from _unknown(message, _MESSAGE_KEYS[message["role"]], where)
        for number, part in enumerate(objects(message.get("content"))):
            yield from _unknown(part, _PART_KEYS[part["type"]], f"{where}.content[{number}]")
            if part["type"] == "image_url":
                inside = f"{where}.content[{number}].image_url"
                yield from _unknown(part["image_url"], frozenset({"url", "detail"}), inside)
        for number, call in enumerate(objects(message.get("tool_calls"))):
            yield from _unknown(call, frozenset({"id", "type", call["type"]}), f"{where}.tool_calls[{number}]")
    for index, tool in enumerate(objects(fields.get("tools"))):
        yield from _unknown(tool, frozenset({"type", tool["type"]}), f"tools[{index}]")
        if tool["type"] == "function":
            known = frozenset({"name", "description", "parameters", "strict"})
            yield from _unknown(tool["function"], known, f"tools[{index}].function")


def _unknown(value: Fields, known: frozenset[str], where: str) -> Iterator[Refusal]:
    for key in unknown_keys(value, known):
        path = f"{where}.{key}"
        yield Refusal(f"Unknown parameter: '{path}'.", code="unknown_parameter", param=path)
