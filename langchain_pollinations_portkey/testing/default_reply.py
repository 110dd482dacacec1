"""What the stand-in answers when nobody told it what to."""

from __future__ import annotations

import json

from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Reply, ToolCall
from langchain_pollinations_portkey.testing.schema_instance import instance
from langchain_pollinations_portkey.testing.wires.asked import Asked

_ECHO_LENGTH = 200
"""Longer texts are cut in the echo, so that a test with a huge prompt does not measure the echo."""


def default_reply(asked: Asked, request: ReceivedRequest) -> Reply:
    """A forced tool is called, a wanted JSON is given, anything else is echoed."""
    if asked.forced_tool is not None:
        name, schema = asked.forced_tool
        arguments = instance(schema)
        return Reply(tool_calls=[ToolCall(name, arguments if isinstance(arguments, dict) else {})])
    if asked.json_schema is not None:
        value = instance(asked.json_schema) if asked.json_schema else {"answer": "stand-in"}
        return Reply(json.dumps(value, ensure_ascii=False))
    said = asked.last_user_text
    if len(said) > _ECHO_LENGTH:
        said = f"{said[:_ECHO_LENGTH]}..."
    return Reply(f"This is the stand-in provider. Model: {request.model}. You said: {said}")
