"""The part of the model in LangChain's standard tests: says what a model would, on OpenAI's and Anthropic's wires."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_pollinations_portkey.testing import ReceivedRequest, Reply, ToolCall

LINES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("magic_function(3)", "magic_function", {"input": 3}),
    ("magic_function_no_args()", "magic_function_no_args", {}),
    ("pirate greeting", "greeting_generator", {"answer_style": "pirate"}),
    ("weather in San Francisco", "get_weather", {"location": "San Francisco, CA"}),
    ("你好啊集团", "unicode_customer", {"customer_name": "你好啊集团", "description": "a company"}),
    ("こんにちは株式会社", "unicode_customer", {"customer_name": "こんにちは株式会社", "description": "a company"}),
)
"""What somebody says, and the tool that a model with any sense calls then."""


def play(request: ReceivedRequest) -> Reply | None:
    """The reply of a sensible model; `None` leaves it to the stand-in, which satisfies forced tools and schemas."""
    body = request.json
    turns = [*_texts(body.get("messages"))]
    said = turns[-1] if turns else ""
    names = {tool.get("name") or (tool.get("function") or {}).get("name") for tool in body.get("tools") or ()}
    for line, tool, arguments in LINES:
        if line.lower() in said.lower() and tool in names:
            # The words before the call are what glues text and call together in a careless client.
            return Reply("Let me see. ", tool_calls=(ToolCall(tool, arguments),))
    if (body.get("response_format") or {}).get("type") == "json_object":
        return Reply(json.dumps({"setup": "Why did the cat sit on the keyboard?", "punchline": "To watch the mouse."}))
    return None


def _texts(messages: Any) -> Iterator[str]:
    """The text of each turn, a tool's result as an empty one, so that a line already answered is not played again."""
    for message in messages or ():
        content = message.get("content")
        if message.get("role") == "tool":
            yield ""
        elif isinstance(content, str):
            yield content
        elif isinstance(content, list):
            parts = [part for part in content if isinstance(part, Mapping)]
            is_result = any(part.get("type") == "tool_result" for part in parts)
            yield "" if is_result else " ".join(str(part.get("text") or "") for part in parts)
