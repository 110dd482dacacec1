"""What calls are about: a question, a conversation, an image, tools."""

from __future__ import annotations

import base64
import os
from functools import cache
from typing import Any

QUESTION = "Why is the sky blue?"


@cache
def conversation(messages: int) -> list[Any]:
    """A conversation of an agent with its tools, so many messages long."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    turns: list[Any] = []
    for number in range(0, messages, 4):
        call = {"name": "look_up", "args": {"term": f"scattering {number}", "limit": 3}, "id": f"call_{number}"}
        turns += [
            HumanMessage(f"{number}: {QUESTION} Tell me more about it, with sources. " * 2),
            AIMessage("", tool_calls=[call]),
            ToolMessage("Short waves are scattered more than long ones. " * 5, tool_call_id=f"call_{number}"),
            AIMessage("The sky is blue since the air scatters short waves more than long ones. " * 3),
        ]
    return [SystemMessage("You explain the sky."), *turns[: messages - 1]]


@cache
def image(megabytes: int) -> list[Any]:
    from langchain_core.messages import HumanMessage

    data = base64.b64encode(os.urandom(megabytes * 1_000_000)).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    return [HumanMessage([{"type": "text", "text": "What is this?"}, part])]


def tools(count: int) -> list[dict[str, Any]]:
    """Tools of about one kilobyte each."""
    properties = {
        f"parameter_{number}": {
            "type": "string",
            "description": "What this parameter means, in a sentence or two. " * 2,
        }
        for number in range(6)
    }
    schema = {"type": "object", "properties": properties, "required": ["parameter_0"]}
    return [
        {
            "type": "function",
            "function": {"name": f"tool_{number}", "description": "What the tool does. " * 4, "parameters": schema},
        }
        for number in range(count)
    ]
