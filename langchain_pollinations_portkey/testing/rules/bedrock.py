"""What Amazon Bedrock's Converse refuses: the request around the content blocks.

Sources: Amazon Bedrock API Reference, "Converse" and its data types (required members, ranges, patterns), User Guide
"Prompt caching"; quoted messages are AWS's own, as users report them in public issue threads. Unknown members of
structures are let through, since nothing public says that AWS refuses them; a union must have exactly one member.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules import bedrock_content
from langchain_pollinations_portkey.testing.rules.anthropic import THINKING_RULES
from langchain_pollinations_portkey.testing.rules.bedrock_content import (
    MODEL_ERRORS,
    NAME,
    constraint,
    length,
    serialization,
    union,
)
from langchain_pollinations_portkey.testing.rules.refusal import (
    Fields,
    Refusal,
    Rule,
    first_refusal,
    is_number,
    is_whole,
    objects,
)

_MAX_CACHE_POINTS = 4
_MAX_STOP_SEQUENCES = 2500
_SYSTEM_MEMBERS = ("text", "guardContent", "cachePoint")
_TOOL_MEMBERS = ("toolSpec", "systemTool", "cachePoint")
_CHOICE_MEMBERS = ("auto", "any", "tool")


def check_bedrock(fields: Fields, model: str = "") -> Refusal | None:
    """Returns Bedrock's refusal of a Converse body, None if it is fine.

    Args:
        fields: the body.
        model: the model id or ARN of the path; Claude has rules of its own.
    """
    rules = (*RULES, *CLAUDE_RULES) if "anthropic." in model else RULES
    return first_refusal(rules, fields)


def shapes(fields: Fields) -> Iterator[Refusal]:
    """Messages are a list of objects, the other members objects; the first message is there."""
    for name in ("inferenceConfig", "toolConfig", "additionalModelRequestFields", "guardrailConfig"):
        if not isinstance(fields.get(name, {}), dict):
            yield serialization()
    for name in ("messages", "system"):
        values = fields.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            yield serialization()
    if not fields.get("messages"):
        yield Refusal(bedrock_content.START_WITH_USER)


def inference(fields: Fields) -> Iterator[Refusal]:
    """Refused: "InferenceConfiguration": maxTokens from 1, temperature and topP from 0 to 1, stopSequences a list."""
    config = fields.get("inferenceConfig", {})
    limit = config.get("maxTokens")
    if limit is not None and not is_whole(limit):
        yield serialization()
    if limit is not None and limit < 1:
        yield constraint(limit, "inferenceConfig.maxTokens", "Member must have value greater than or equal to 1")
    for name in ("temperature", "topP"):
        value = config.get(name)
        if value is None:
            continue
        if not is_number(value):
            yield serialization()
        bound = "greater than or equal to 0" if value < 0 else "less than or equal to 1"
        if not 0 <= value <= 1:
            yield constraint(value, f"inferenceConfig.{name}", f"Member must have value {bound}")
    yield from _stop_sequences(config.get("stopSequences"))


def _stop_sequences(sequences: Any) -> Iterator[Refusal]:
    """Up to 2500 texts, none of them empty."""
    if sequences is None:
        return
    if not isinstance(sequences, list) or not all(isinstance(sequence, str) for sequence in sequences):
        yield serialization()
        return
    where = "inferenceConfig.stopSequences"
    if len(sequences) > _MAX_STOP_SEQUENCES:
        yield constraint(sequences, where, f"Member must have length less than or equal to {_MAX_STOP_SEQUENCES}")
    if "" in sequences:
        yield constraint(sequences, where, "Member must have length greater than or equal to 1")


def system(fields: Fields) -> Iterator[Refusal]:
    """Refused: "SystemContentBlock": text of at least one character, guardContent or a cache point."""
    for index, block in enumerate(fields.get("system", [])):
        where = f"system.{index + 1}.member"
        yield from union(block, _SYSTEM_MEMBERS)
        if "text" in block:
            yield from length(block["text"], f"{where}.text", 1)
        yield from bedrock_content.cache_point(block, where)


def tool_config(fields: Fields) -> Iterator[Refusal]:
    """Refused: "ToolConfiguration": at least one tool, each a toolSpec, a system tool or a cache point."""
    config = fields.get("toolConfig")
    if config is None:
        return
    tools = config.get("tools")
    if not isinstance(tools, list):
        yield (
            serialization() if tools is not None else constraint("null", "toolConfig.tools", "Member must not be null")
        )
        return
    if not tools:
        yield constraint("[]", "toolConfig.tools", "Member must have length greater than or equal to 1")
    for index, tool in enumerate(tools):
        yield from union(tool, _TOOL_MEMBERS)
        where = f"toolConfig.tools.{index + 1}.member"
        yield from bedrock_content.cache_point(tool, where)
        if "toolSpec" in tool:
            yield from _tool_spec(tool["toolSpec"], f"{where}.toolSpec", index)
    if "toolChoice" in config:
        yield from union(config["toolChoice"], _CHOICE_MEMBERS)


def _tool_spec(spec: Fields, where: str, index: int) -> Iterator[Refusal]:
    """Says "ToolSpecification": a name of a pattern, a description that is not empty, and the schema of an object.

    "The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object."
    """
    yield from length(spec.get("name"), f"{where}.name", 1, 64)
    if not NAME.match(spec["name"]):
        yield constraint(
            spec["name"],
            f"{where}.name",
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+",
        )
    if "description" in spec:
        yield from length(spec["description"], f"{where}.description", 1)
    if not isinstance(spec.get("inputSchema"), dict):
        yield constraint("null", f"{where}.inputSchema", "Member must not be null")
    schema = spec["inputSchema"].get("json")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield Refusal(
            f"The value at toolConfig.tools.{index}.toolSpec.inputSchema.json.type must be one of the following: "
            "object."
        )


def tools_defined(fields: Fields) -> Iterator[Refusal]:
    """Refused: "The toolConfig field must be defined when using toolUse and toolResult content blocks."."""
    if fields.get("toolConfig") is None and any(
        "toolUse" in block or "toolResult" in block for message in fields["messages"] for block in message["content"]
    ):
        yield Refusal("The toolConfig field must be defined when using toolUse and toolResult content blocks.")


def cache_points(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Prompt caching": at most four cache checkpoints in tools, system and messages together."""
    blocks = [
        *objects((fields.get("toolConfig") or {}).get("tools")),
        *objects(fields.get("system")),
        *(block for message in fields["messages"] for block in message["content"]),
    ]
    found = sum("cachePoint" in block for block in blocks)
    if found > _MAX_CACHE_POINTS:
        yield Refusal(
            f"{MODEL_ERRORS}A maximum of {_MAX_CACHE_POINTS} blocks with cache_control may be provided. Found {found}."
        )


def claude_thinking(fields: Fields) -> Iterator[Refusal]:
    """Claude's own rules about thinking, which Bedrock passes on as "The model returned the following errors"."""
    thinking = (fields.get("additionalModelRequestFields") or {}).get("thinking")
    if thinking is None:
        return
    config = fields.get("inferenceConfig") or {}
    choice = (fields.get("toolConfig") or {}).get("toolChoice") or {}
    translated: Fields = {
        "thinking": thinking,
        "max_tokens": config.get("maxTokens") or float("inf"),
        "temperature": config.get("temperature"),
        "top_p": config.get("topP"),
        "top_k": fields["additionalModelRequestFields"].get("top_k"),
        "tool_choice": {"type": next(iter(choice), "auto")},
    }
    refusal = first_refusal(THINKING_RULES, translated)
    if refusal is not None:
        yield Refusal(MODEL_ERRORS + refusal.message)


RULES: tuple[Rule, ...] = (
    shapes,
    inference,
    bedrock_content.roles,
    bedrock_content.contents,
    bedrock_content.documents,
    bedrock_content.tool_turns,
    system,
    tool_config,
    tools_defined,
    cache_points,
)
CLAUDE_RULES: tuple[Rule, ...] = (bedrock_content.claude_texts, bedrock_content.claude_signatures, claude_thinking)
